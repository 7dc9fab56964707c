//! Encrypted audio: agreed on, heard, changed in mid-call, and not to be disturbed.
use crate::peer::Peer;
use crate::phone::{Manners, Town};
use crate::world::{World, address};
use passline_engine::rtp::is_rtcp;
use passline_engine::rtp::srtp::{MasterKey, MediaKeys, SecureMedia, SrtpError, Suite};
use passline_engine::{
    Channel, ControlInput, Dial, Encryption, EngineConfig, LegId, Received, Route, StreamId, Trunk,
};
use passline_sdp::crypto::{Crypto, Key, LocalKey};
use passline_sdp::{Agreement, Capabilities};
use std::time::Duration;

const FORGED: Received = Received::Unopened(SrtpError::Authentication);
const SHORT: Received = Received::Unopened(SrtpError::Length);
const COPY: Received = Received::Unopened(SrtpError::Replayed);
const FRAME: Duration = Duration::from_millis(20);

/// A telephone that encrypts.
struct Secured {
    peer: Peer,
    caps: Capabilities,
    media: Option<SecureMedia>,
    stream: StreamId,
}

fn capabilities(peer: &Peer, suite: Suite, seed: u8, offer: Encryption) -> Capabilities {
    let key = Key::new((0..suite.master_length()).map(|at| at as u8 ^ seed).collect());
    let keys = vec![LocalKey { suite: suite.name(), key, offered: true }];
    let mut caps = Capabilities::new(peer.rtp.ip(), peer.rtp.port(), 1);
    caps.crypto = Crypto { accept: Encryption::Required, offer, keys, at_least: None };
    caps
}

fn keys(agreement: &Agreement) -> MediaKeys {
    let agreed = agreement.crypto.as_ref().expect("encrypted");
    let suite = Suite::from_name(agreed.suite).expect("a suite");
    let key = |key: &Key| MasterKey::new(suite, key.octets()).expect("a whole key");
    MediaKeys { local: key(&agreed.local), remote: vec![(key(&agreed.remote[0].key), None)] }
}

impl Secured {
    /// A call that is up.
    fn call(world: &mut World, suite: Suite, offer: Encryption) -> Secured {
        Secured::calling(world, suite, offer, |sdp| sdp)
    }

    /// One whose first offer under RTP/SAVP is changed on its way.
    fn with_offer(world: &mut World, suite: Suite, change: impl Fn(String) -> String) -> Secured {
        Secured::calling(world, suite, Encryption::Required, change)
    }

    fn calling(
        world: &mut World,
        suite: Suite,
        offer: Encryption,
        change: impl Fn(String) -> String,
    ) -> Secured {
        let peer = Peer::new("secured");
        let caps = capabilities(&peer, suite, 7, offer);
        let mut secured =
            Secured { peer, caps, media: None, stream: StreamId { shard: 0, slot: 0, generation: 0 } };
        let sdp = change(secured.offer());
        secured.peer.invite(world, "5001", &sdp);
        world.expect_sip("SIP/2.0 100");
        let answer = world.expect_sip("SIP/2.0 200");
        secured.peer.learn(&answer);
        secured.peer.ack(world, "");
        secured.answered(&answer);
        secured.stream = world.opened.last().expect("a port").0;
        secured
    }

    fn offer(&self) -> String {
        String::from_utf8(passline_sdp::offer(&self.caps)).expect("text")
    }

    fn answered(&mut self, answer: &str) {
        let (_, sdp) = answer.split_once("\r\n\r\n").expect("a body");
        let agreement = passline_sdp::accept(sdp.as_bytes(), &self.caps).expect("agreed");
        match &mut self.media {
            Some(media) => media.rekey(keys(&agreement)),
            None => self.media = Some(SecureMedia::new(keys(&agreement))),
        }
    }

    /// Another offer in the same call.
    fn reoffer(&mut self, world: &mut World) {
        self.caps.session_version += 1;
        world.sip.clear();
        let sdp = self.offer();
        self.peer.in_dialog(world, "INVITE", &sdp, "application/sdp");
        let answer =
            world.sip.iter().find(|(_, text)| text.starts_with("SIP/2.0 200")).expect("200").1.clone();
        self.answered(&answer);
        self.peer.ack(world, "");
    }

    fn protect(&mut self, packet: &[u8]) -> Vec<u8> {
        let mut buffer = packet.to_vec();
        buffer.resize(packet.len() + 20, 0);
        let length = self.media.as_mut().expect("keys").protect_rtp(&mut buffer, packet.len()).expect("room");
        buffer.truncate(length);
        buffer
    }

    fn send(&mut self, world: &mut World, packet: &[u8]) -> Received {
        let wire = self.protect(packet);
        let received = world.rtp_in(self.stream, self.peer.rtp, &wire);
        world.run(FRAME);
        received
    }

    fn dial(&mut self, world: &mut World, codes: &[u8]) {
        for code in codes {
            for packet in self.peer.press(*code) {
                assert_eq!(self.send(world, &packet), Received::Taken);
            }
            self.speak(world, 5);
        }
    }

    fn speak(&mut self, world: &mut World, packets: usize) {
        for _ in 0..packets {
            let packet = self.peer.audio();
            assert_eq!(self.send(world, &packet), Received::Taken);
        }
    }

    /// Opens all that came; each packet must be authentic, and none readable before.
    fn opens_all(&mut self, world: &mut World) -> usize {
        let media = self.media.as_mut().expect("keys");
        let mut rtp = 0;
        for sent in world.wire.rtp.drain(..) {
            let mut packet = sent.packet;
            let length = media.unprotect_rtp(&mut packet).expect("authentic");
            assert_eq!(length, 172);
            rtp += 1;
        }
        for sent in world.wire.rtcp.drain(..) {
            let mut packet = sent.packet;
            let length = media.unprotect_rtcp(&mut packet).expect("authentic");
            assert!(is_rtcp(&packet[..length]));
        }
        rtp
    }
}

fn with(srtp: Encryption) -> World {
    World::with(|config| config.srtp = Some(srtp))
}

#[test]
fn every_suite_and_both_profiles_carry_a_call() {
    for suite in Suite::ALL {
        for offer in [Encryption::Required, Encryption::Optional] {
            // Nothing is configured: it is taken where it is offered.
            let mut world = World::new();
            let mut phone = Secured::call(&mut world, suite, offer);
            phone.dial(&mut world, &[1, 2, 3]);
            // A report of RTCP, which keeps its own tag and index.
            world.run(Duration::from_millis(500));
            let sent = world.wire.rtp.len();
            assert!(sent > 20, "{sent}");
            let silence =
                world.wire.rtp.iter().filter(|sent| sent.packet[12..].iter().all(|octet| *octet == 0xFF));
            assert_eq!(silence.count(), 0, "{suite:?}");
            phone.opens_all(&mut world);
            phone.peer.bye(&mut world);
            phone.opens_all(&mut world);
            let record = &world.records[0];
            assert_eq!(record.digits.as_deref(), Some("123"), "{suite:?}");
            assert_eq!(record.encryption, Some(suite.name()));
            let counts = record.srtp.expect("counted");
            assert_eq!((counts.unauthentic, counts.replayed, counts.unsent), (0, 0, 0));
            world.expect_empty();
        }
    }
}

#[test]
fn forged_packets_move_nothing_and_copies_are_heard_once() {
    let mut world = World::new();
    let mut phone = Secured::call(&mut world, Suite::AesCm128Sha1_80, Encryption::Required);
    let (stream, source) = (phone.stream, phone.peer.rtp);
    let mut forger = Peer::new("forger");
    // Before the first packet, from the very address that was agreed on: in clear, under another key, garbage.
    for round in 0..200u8 {
        for packet in forger.press(9) {
            // An event is shorter than one with its tag.
            assert_eq!(world.rtp_in(stream, source, &packet), SHORT);
        }
        let garbage = world.rtp_in(stream, source, &[round; 50]);
        match round {
            // Some of it says that its header is longer than it is.
            128..=191 => assert!(garbage == FORGED || garbage == SHORT, "{garbage:?}"),
            _ => assert_eq!(garbage, Received::Bad),
        }
        let bye = [0x81, 203, 0, 1, 0, 0, 0xCA, 0xFE];
        let at = world.now;
        assert_eq!(world.shard.receive(at, stream, Channel::Rtcp, source, &bye), Received::Foreign);
    }
    phone.dial(&mut world, &[1]);
    for packet in phone.peer.press(2) {
        let wire = phone.protect(&packet);
        assert_eq!(world.rtp_in(stream, source, &wire), Received::Taken);
        assert_eq!(world.rtp_in(stream, source, &wire), COPY, "a copy");
        let mut changed = wire.clone();
        changed[13] ^= 1;
        assert_eq!(world.rtp_in(stream, source, &changed), COPY);
        world.run(FRAME);
    }
    phone.dial(&mut world, &[3]);
    phone.opens_all(&mut world);
    phone.peer.bye(&mut world);
    let record = &world.records[0];
    assert_eq!(record.digits.as_deref(), Some("123"));
    let counts = record.srtp.expect("counted");
    // A changed copy of a packet that was heard is a copy first; what is no RTP at all is not even tried.
    assert_eq!((counts.replayed, counts.unauthentic), (16, 200 * 8 + 64));
    assert_eq!(record.diagnosis, None);
    world.expect_empty();
}

#[test]
fn garbage_alone_keeps_no_call_alive_and_is_told_of() {
    let mut world = World::new();
    let mut phone = Secured::call(&mut world, Suite::AeadAes128Gcm, Encryption::Required);
    for _ in 0..1400 {
        let packet = phone.peer.audio();
        assert_eq!(world.rtp_in(phone.stream, phone.peer.rtp, &packet), FORGED);
        world.run(FRAME);
    }
    world.run(Duration::from_secs(60));
    let record = &world.records[0];
    assert_eq!(record.outcome, "media_timeout");
    assert_eq!(record.diagnosis.as_ref().map(|why| why.code()), Some("wrong_keys"));
}

#[test]
fn new_keys_in_mid_call_lose_nothing() {
    for suite in [Suite::AesCm128Sha1_80, Suite::AeadAes256Gcm] {
        let mut world = World::new();
        let mut phone = Secured::call(&mut world, suite, Encryption::Required);
        phone.dial(&mut world, &[1]);
        phone.opens_all(&mut world);
        let press = phone.peer.press(2);
        for packet in &press[..2] {
            phone.send(&mut world, packet);
        }
        // Under way while the offer is.
        let late: Vec<_> = press[2..4].iter().map(|packet| phone.protect(packet)).collect();
        phone.caps.crypto = capabilities(&phone.peer, suite, 99, Encryption::Required).crypto;
        phone.reoffer(&mut world);
        for wire in late {
            assert_eq!(world.rtp_in(phone.stream, phone.peer.rtp, &wire), Received::Taken, "{suite:?}");
            world.run(FRAME);
        }
        for packet in &press[4..] {
            assert_eq!(phone.send(&mut world, packet), Received::Taken);
        }
        phone.dial(&mut world, &[3]);
        // The same keys again: counters go on.
        phone.reoffer(&mut world);
        phone.dial(&mut world, &[4]);
        assert!(phone.opens_all(&mut world) > 20);
        phone.peer.bye(&mut world);
        let record = &world.records[0];
        assert_eq!(record.digits.as_deref(), Some("1234"), "{suite:?}");
        assert_eq!(record.srtp.expect("counted").unauthentic, 0);
        world.expect_empty();
    }
}

#[test]
fn another_device_at_the_other_end_gets_another_key_of_ours() {
    let mut world = World::new();
    let suite = Suite::AesCm128Sha1_80;
    let mut phone = Secured::call(&mut world, suite, Encryption::Required);
    phone.dial(&mut world, &[1]);
    phone.opens_all(&mut world);
    phone.peer.rtp = address("198.51.100.21:41000");
    phone.caps = capabilities(&phone.peer, suite, 44, Encryption::Required);
    // It knows nothing of the call so far, and of no key of ours.
    phone.media = None;
    phone.reoffer(&mut world);
    world.wire.rtp.clear();
    phone.dial(&mut world, &[2]);
    assert!(phone.opens_all(&mut world) > 5);
    phone.peer.bye(&mut world);
    assert_eq!(world.records[0].digits.as_deref(), Some("12"));
    world.expect_empty();
}

#[test]
fn encryption_may_come_and_go_in_mid_call_where_it_is_allowed_to() {
    let mut world = World::with(|config| config.srtp_may_weaken = true);
    let mut phone = Secured::call(&mut world, Suite::AesCm128Sha1_80, Encryption::Optional);
    phone.dial(&mut world, &[1]);
    phone.opens_all(&mut world);
    let plain = phone.peer.sdp("sendrecv");
    phone.peer.in_dialog(&mut world, "INVITE", &plain, "application/sdp");
    phone.peer.ack(&mut world, "");
    let stream = phone.stream;
    phone.peer.dial(&mut world, stream, &[2]);
    world.wire.rtp.clear();
    world.wire.rtcp.clear();
    phone.media = None;
    phone.reoffer(&mut world);
    phone.dial(&mut world, &[3]);
    phone.opens_all(&mut world);
    phone.peer.bye(&mut world);
    assert_eq!(world.records[0].digits.as_deref(), Some("123"));
    world.expect_empty();
}

/// Status and body of the last final answer to an INVITE.
fn final_answer(world: &World) -> (String, String) {
    let is_final = |text: &&str| text.starts_with("SIP/2.0 ") && !text.starts_with("SIP/2.0 1");
    let answer = world.sip.iter().rev().map(|(_, text)| text.as_str()).find(is_final).expect("an answer");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a whole message");
    (head[8..11].to_owned(), body.to_owned())
}

#[test]
fn a_call_stays_as_encrypted_as_it_is() {
    let mut world = World::new();
    let strong = Suite::AesCm256Sha1_80;
    let mut phone = Secured::call(&mut world, strong, Encryption::Optional);
    phone.dial(&mut world, &[1]);
    // Plain audio, then a weaker suite: both are refused, and the call goes on.
    let plain = phone.peer.sdp("sendrecv");
    let mut weak = capabilities(&phone.peer, Suite::AesCm128Sha1_32, 9, Encryption::Required);
    weak.session_version = 3;
    let weak = String::from_utf8(passline_sdp::offer(&weak)).expect("text");
    for (offer, digit) in [(plain.clone(), 2), (weak, 3)] {
        world.sip.clear();
        phone.peer.in_dialog(&mut world, "INVITE", &offer, "application/sdp");
        assert_eq!(final_answer(&world).0, "488", "{offer}");
        phone.peer.ack(&mut world, "");
        phone.dial(&mut world, &[digit]);
    }
    // Our own offer in the call has the suite in use, under the profile that the peer took, though we offer none usually.
    world.sip.clear();
    phone.peer.in_dialog(&mut world, "INVITE", "", "");
    let (status, ours) = final_answer(&world);
    assert_eq!(status, "200");
    assert!(ours.contains(" RTP/AVP ") && ours.contains(strong.name()), "{ours}");
    assert!(!ours.contains("AES_CM_128"), "{ours}");
    // And plain audio is no answer to it.
    phone.peer.ack(&mut world, &plain);
    phone.dial(&mut world, &[4]);
    phone.opens_all(&mut world);
    phone.peer.bye(&mut world);
    let record = &world.records[0];
    assert_eq!((record.digits.as_deref(), record.encryption), (Some("1234"), Some(strong.name())));
    assert_eq!(record.srtp.expect("counted").unauthentic, 0);
    world.expect_empty();
}

#[test]
fn a_key_is_heard_as_long_as_its_line_says_and_a_new_one_goes_on() {
    let mut world = World::new();
    let suite = Suite::AesCm128Sha1_80;
    let mut phone = Secured::with_offer(&mut world, suite, |sdp| {
        let lines = sdp.lines().map(|line| match line.starts_with("a=crypto") {
            true => format!("{line}|50\r\n"),
            false => format!("{line}\r\n"),
        });
        lines.collect()
    });
    phone.speak(&mut world, 50);
    let end = Received::Unopened(SrtpError::UsedUp);
    for packet in phone.peer.press(7) {
        assert_eq!(phone.send(&mut world, &packet), end);
    }
    phone.caps.crypto = capabilities(&phone.peer, suite, 99, Encryption::Required).crypto;
    phone.reoffer(&mut world);
    phone.dial(&mut world, &[1, 2]);
    phone.opens_all(&mut world);
    phone.peer.bye(&mut world);
    let record = &world.records[0];
    assert_eq!(record.digits.as_deref(), Some("12"));
    let counts = record.srtp.expect("counted");
    assert!(counts.keyless > 3 && counts.unauthentic == 0, "{counts:?}");
    world.expect_empty();
}

/// The status with which an offer is refused, its Warning and the diagnosis.
fn refused(srtp: Encryption, change: impl Fn(String) -> String) -> (String, String, &'static str) {
    let mut world = with(srtp);
    let peer = Peer::new("refused");
    let caps = capabilities(&peer, Suite::AesCm128Sha1_80, 1, Encryption::Required);
    let sdp = String::from_utf8(passline_sdp::offer(&caps)).expect("text");
    peer.invite(&mut world, "5001", &change(sdp));
    world.expect_sip("SIP/2.0 100");
    let answer = world.expect_sip("SIP/2.0 ");
    let warning = answer.lines().find_map(|line| line.strip_prefix("Warning: ")).unwrap_or_default();
    world.run(Duration::from_secs(40));
    let code = world.records[0].diagnosis.as_ref().map_or("none", |why| why.code());
    (answer.lines().next().unwrap_or_default().to_owned(), warning.to_owned(), code)
}

#[test]
fn policy_refuses_with_a_sentence() {
    let without = |sdp: String| {
        let lines: Vec<&str> = sdp.lines().filter(|line| !line.starts_with("a=crypto")).collect();
        lines.join("\r\n").replace("RTP/SAVP", "RTP/AVP")
    };
    let strange = |sdp: String| sdp.replace("AES_CM_128_HMAC_SHA1_80", "F8_128_HMAC_SHA1_80");
    let (status, warning, code) = refused(Encryption::Off, |sdp| sdp);
    assert_eq!((status.as_str(), code), ("SIP/2.0 488 Not Acceptable Here", "only_encrypted"));
    assert!(warning.starts_with("302 passline \""), "{warning}");
    let (status, warning, code) = refused(Encryption::Required, without);
    assert_eq!((status.as_str(), code), ("SIP/2.0 488 Not Acceptable Here", "only_plain"));
    assert!(warning.contains("SRTP"), "{warning}");
    let (status, warning, code) = refused(Encryption::Optional, strange);
    assert_eq!((status.as_str(), code), ("SIP/2.0 488 Not Acceptable Here", "unknown_encryption"));
    assert!(warning.contains("F8_128_HMAC_SHA1_80"), "{warning}");
}

#[test]
fn a_re_invite_may_not_undo_what_is_required() {
    let mut world = with(Encryption::Required);
    let mut phone = Secured::call(&mut world, Suite::AesCm128Sha1_80, Encryption::Required);
    phone.dial(&mut world, &[1]);
    world.sip.clear();
    let plain = phone.peer.sdp("sendrecv");
    phone.peer.in_dialog(&mut world, "INVITE", &plain, "application/sdp");
    let refusal = &world.sip.iter().find(|(_, text)| text.starts_with("SIP/2.0 488")).expect("488").1;
    assert!(refusal.contains("\r\nWarning: 302 "), "{refusal}");
    phone.peer.ack(&mut world, "");
    phone.dial(&mut world, &[2]);
    phone.peer.bye(&mut world);
    assert_eq!(world.records[0].digits.as_deref(), Some("12"));
}

const PBX: &str = "203.0.113.5:5060";

/// A telephone dials over a trunk with this policy; what the trunk's first two INVITEs offered.
fn over_a_trunk(srtp: Option<Encryption>, manners: Manners) -> (Town, Vec<String>) {
    let mut town = Town::with(|config: &mut EngineConfig| {
        config.policy.trunks.push(Trunk {
            name: "pbx".into(),
            address: Some("sip:pbx.example".into()),
            options: None,
            srtp,
            ..Trunk::default()
        });
        let (prefix, trunk) = ("0".to_owned(), "pbx".to_owned());
        config.policy.routes.push(Route { prefix, trunk, devices: true, trunks: false });
    });
    town.world.names = vec![("pbx.example".into(), vec![address(PBX)])];
    let caller = town.register("11", "198.51.100.11:5060");
    let pbx = town.settle("pbx", PBX);
    town.phones[pbx].manners = manners;
    town.call(caller, "0555");
    town.run(Duration::from_secs(3));
    let offers = town.phones[pbx].incoming.iter().filter_map(|(_, info)| info.sdp.clone());
    let offers = offers.map(|sdp| String::from_utf8(sdp).expect("text")).collect();
    (town, offers)
}

#[test]
fn our_offers_follow_the_policy_of_the_trunk() {
    let (_, offers) = over_a_trunk(None, Manners::Answer(10));
    assert!(offers[0].contains(" RTP/AVP ") && !offers[0].contains("a=crypto"), "{}", offers[0]);
    let (_, offers) = over_a_trunk(Some(Encryption::Optional), Manners::Answer(10));
    assert!(offers[0].contains(" RTP/AVP ") && offers[0].matches("a=crypto:").count() == 3, "{}", offers[0]);
    assert_eq!(offers.len(), 1, "plain audio is good enough");
    let (_, offers) = over_a_trunk(Some(Encryption::Required), Manners::Refuse(488));
    assert!(offers[0].contains(" RTP/SAVP ") && offers[0].contains("a=crypto:1 AEAD_AES_256_GCM inline:"));
    assert_eq!(offers.len(), 1, "nothing else is offered");
}

#[test]
fn who_refuses_our_keys_gets_an_offer_without() {
    let (town, offers) = over_a_trunk(Some(Encryption::Optional), Manners::Refuse(488));
    assert_eq!(offers.len(), 2);
    assert!(offers[0].contains("a=crypto:") && !offers[1].contains("a=crypto:"), "{offers:?}");
    drop(town);
}

#[test]
fn a_call_of_our_own_to_one_who_has_no_encryption_says_so() {
    let mut world = World::new();
    let path = passline_engine::sip::Flow {
        transport: passline_engine::sip::Transport::Udp,
        local: address(crate::world::OURS),
        remote: address(crate::peer::PEER),
        connection: None,
    };
    world.input(ControlInput::Dial(Dial {
        leg: LegId(1),
        uri: format!("sip:1@{}", crate::peer::PEER),
        from: "sip:us@192.0.2.10".into(),
        path,
        tap: false,
        events: true,
        inband: false,
        srtp: Encryption::Required,
        credentials: None,
    }));
    let invite = world.expect_sip("INVITE");
    assert!(invite.contains("RTP/SAVP"), "{invite}");
    Peer::new("x").say(&mut world, &invite, "488 Not Acceptable Here;tag=x");
    world.run(Duration::from_secs(40));
    let why = world.records[0].diagnosis.as_ref().map(|why| why.code());
    assert_eq!(why, Some("peer_no_encryption"));
}
