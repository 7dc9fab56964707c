//! SRTP beside another implementation, and against loss, copies, forgery and new keys.
use passline_rtp::srtp::{MasterKey, MediaKeys, Mki, Protector, SecureMedia, SrtpError, Suite, Unprotector};
use proptest::prelude::*;
use webrtc_srtp::{context::Context, protection_profile::ProtectionProfile};

fn octets(seed: u8, length: usize) -> Vec<u8> {
    (0..length).map(|at| (at as u8).wrapping_mul(37) ^ seed).collect()
}

fn master(suite: Suite, seed: u8) -> MasterKey {
    MasterKey::new(suite, &octets(seed, suite.master_length())).expect("a whole key")
}

fn keys(suite: Suite, local: u8, remote: u8) -> MediaKeys {
    MediaKeys { local: master(suite, local), remote: vec![(master(suite, remote), None)] }
}

/// An RTP packet, at times with contributing sources and an extension.
fn rtp(sequence: u16, source: u32) -> Vec<u8> {
    let rich = sequence.is_multiple_of(3);
    let mut packet = vec![if rich { 0x92 } else { 0x80 }, 0];
    packet.extend(sequence.to_be_bytes());
    packet.extend((u32::from(sequence) * 160).to_be_bytes());
    packet.extend(source.to_be_bytes());
    if rich {
        packet.extend([1; 8]);
        packet.extend([0xBE, 0xDE, 0, 1, 0x10, 0xFF, 0, 0]);
    }
    packet.extend(octets(sequence as u8, 160));
    packet
}

fn rtcp(source: u32) -> Vec<u8> {
    let mut packet = vec![0x80, 200, 0, 6];
    packet.extend(source.to_be_bytes());
    packet.extend(octets(9, 20));
    packet
}

fn protected(protector: &mut Protector, packet: &[u8]) -> Vec<u8> {
    let mut buffer = packet.to_vec();
    buffer.resize(packet.len() + 32, 0);
    let length = protector.rtp(&mut buffer, packet.len()).expect("protected");
    buffer.truncate(length);
    buffer
}

fn protected_rtcp(protector: &mut Protector, packet: &[u8]) -> Vec<u8> {
    let mut buffer = packet.to_vec();
    buffer.resize(packet.len() + 32, 0);
    let length = protector.rtcp(&mut buffer, packet.len()).expect("protected");
    buffer.truncate(length);
    buffer
}

fn opened(unprotector: &mut Unprotector, packet: &[u8]) -> Result<Vec<u8>, SrtpError> {
    let mut buffer = packet.to_vec();
    let result = unprotector.rtp(&mut buffer);
    match result {
        Ok(length) => buffer.truncate(length),
        Err(_) => assert_eq!(buffer, packet, "a packet that is refused is as it was"),
    }
    result.map(|_| buffer)
}

/// The suites of the other implementation.
const OTHERS: [(Suite, ProtectionProfile); 6] = [
    (Suite::AesCm128Sha1_80, ProtectionProfile::Aes128CmHmacSha1_80),
    (Suite::AesCm128Sha1_32, ProtectionProfile::Aes128CmHmacSha1_32),
    (Suite::AesCm256Sha1_80, ProtectionProfile::Aes256CmHmacSha1_80),
    (Suite::AesCm256Sha1_32, ProtectionProfile::Aes256CmHmacSha1_32),
    (Suite::AeadAes128Gcm, ProtectionProfile::AeadAes128Gcm),
    (Suite::AeadAes256Gcm, ProtectionProfile::AeadAes256Gcm),
];

#[test]
fn another_implementation_opens_ours_and_we_open_its_packets_across_a_rollover() {
    for (suite, profile) in OTHERS {
        let key = octets(3, suite.master_length());
        let (secret, salt) = key.split_at(suite.key_length());
        let other = || Context::new(secret, salt, profile, None, None).expect("a suite it has");
        let (mut sender, mut receiver) = (other(), other());
        let mut protector = Protector::new(&master(suite, 3));
        let mut unprotector = Unprotector::new(&master(suite, 3), None);
        for number in 65_300..65_900u32 {
            let packet = rtp(number as u16, 0xCAFE);
            let ours = protected(&mut protector, &packet);
            assert_ne!(
                ours[ours.len() - 100..ours.len() - 50],
                packet[packet.len() - 100..packet.len() - 50]
            );
            let theirs = sender.encrypt_rtp(&packet).expect("encrypted");
            assert_eq!(ours, theirs, "{suite:?} {number}");
            assert_eq!(receiver.decrypt_rtp(&ours).expect("opened"), packet);
            assert_eq!(opened(&mut unprotector, &theirs).expect("opened"), packet);
            let report = rtcp(0xCAFE);
            let ours = protected_rtcp(&mut protector, &report);
            assert_eq!(receiver.decrypt_rtcp(&ours).expect("opened"), report, "{suite:?}");
            let mut theirs = sender.encrypt_rtcp(&report).expect("encrypted").to_vec();
            let length = unprotector.rtcp(&mut theirs).expect("opened");
            assert_eq!(theirs[..length], report, "{suite:?}");
            assert_eq!(unprotector.rtcp(&mut ours.clone()).is_ok(), number == 65_300, "{suite:?} index 0");
        }
    }
}

#[test]
fn no_octet_can_be_changed() {
    for suite in Suite::ALL {
        let mut protector = Protector::new(&master(suite, 1));
        let mut unprotector = Unprotector::new(&master(suite, 1), None);
        let (mut wire, report) = (protected(&mut protector, &rtp(6, 5)), rtcp(5));
        let wire_rtcp = protected_rtcp(&mut protector, &report);
        for at in 0..wire.len() {
            wire[at] ^= 0x40;
            assert!(opened(&mut unprotector, &wire).is_err(), "{suite:?} {at}");
            wire[at] ^= 0x40;
        }
        for at in 0..wire_rtcp.len() {
            let mut wire = wire_rtcp.clone();
            wire[at] ^= 0x40;
            let before = wire.clone();
            assert!(unprotector.rtcp(&mut wire).is_err(), "{suite:?} {at}");
            assert_eq!(wire, before);
        }
        for length in 0..wire.len() {
            assert!(opened(&mut unprotector, &wire[..length]).is_err(), "{suite:?} {length}");
            assert!(unprotector.rtcp(&mut wire_rtcp.clone()[..length.min(wire_rtcp.len() - 1)]).is_err());
        }
        // None of it has hurt.
        assert_eq!(opened(&mut unprotector, &wire), Ok(rtp(6, 5)));
        assert_eq!(opened(&mut unprotector, &wire), Err(SrtpError::Replayed));
        assert_eq!(unprotector.rtcp(&mut wire_rtcp.clone()), Ok(report.len()));
        assert_eq!(unprotector.rtcp(&mut wire_rtcp.clone()), Err(SrtpError::Replayed));
    }
}

#[test]
fn another_key_opens_nothing() {
    for suite in Suite::ALL {
        let wire = protected(&mut Protector::new(&master(suite, 1)), &rtp(6, 5));
        let mut other = Unprotector::new(&master(suite, 2), None);
        assert_eq!(opened(&mut other, &wire), Err(SrtpError::Authentication));
    }
}

#[test]
fn a_packet_that_is_no_newer_is_not_protected() {
    let mut protector = Protector::new(&master(Suite::AesCm128Sha1_80, 1));
    protected(&mut protector, &rtp(500, 5));
    let mut buffer = rtp(500, 5);
    buffer.resize(300, 0);
    for sequence in [500, 499, 400] {
        buffer[..172].copy_from_slice(&rtp(sequence, 5)[..172]);
        assert_eq!(protector.rtp(&mut buffer, 172), Err(SrtpError::Replayed), "{sequence}");
    }
    let length = buffer.len();
    buffer[..172].copy_from_slice(&rtp(502, 5)[..172]);
    assert_eq!(protector.rtp(&mut buffer, length), Err(SrtpError::Length), "no room for a tag");
    assert!(protector.rtp(&mut buffer, 172).is_ok());
}

#[test]
fn sources_begin_anew_and_are_bounded() {
    let suite = Suite::AesCm128Sha1_80;
    let mut unprotector = Unprotector::new(&master(suite, 1), None);
    for source in 1..=16 {
        let mut protector = Protector::new(&master(suite, 1));
        let wire = protected(&mut protector, &rtp(1000, source));
        assert!(opened(&mut unprotector, &wire).is_ok(), "{source}");
        assert_eq!(opened(&mut unprotector, &wire), Err(SrtpError::Replayed));
    }
    let mut protector = Protector::new(&master(suite, 1));
    let one_more = protected(&mut protector, &rtp(1000, 17));
    assert_eq!(opened(&mut unprotector, &one_more), Err(SrtpError::Sources));
    let wire = protected(&mut Protector::new(&master(suite, 1)), &rtp(1001, 3));
    assert!(opened(&mut unprotector, &wire).is_ok(), "known ones go on");
}

#[test]
fn one_who_comes_after_the_first_round_is_heard() {
    let suite = Suite::AesCm128Sha1_80;
    let mut protector = Protector::new(&master(suite, 1));
    protected(&mut protector, &rtp(65_535, 5));
    let wire = protected(&mut protector, &rtp(2, 5));
    assert_eq!(opened(&mut Unprotector::new(&master(suite, 1), None), &wire), Ok(rtp(2, 5)));
}

#[test]
fn packets_say_under_which_key_they_are() {
    for suite in Suite::ALL {
        let mki = |value| Mki::new(value, 4).expect("fits");
        let keys = MediaKeys {
            local: master(suite, 9),
            remote: vec![(master(suite, 1), Some(mki(1))), (master(suite, 2), Some(mki(2)))],
        };
        let mut media = SecureMedia::new(keys);
        let mut wires = [1u8, 2, 3].map(|number| {
            let seed = number.min(2);
            let mut wire = protected(&mut Protector::new(&master(suite, seed)), &rtp(number.into(), 5));
            let tag = if suite.rtp_tag() == 16 { 0 } else { suite.rtp_tag() };
            let at = wire.len() - tag;
            wire.splice(at..at, [0, 0, 0, number]);
            wire
        });
        assert!(media.unprotect_rtp(&mut wires[0]).is_ok(), "{suite:?}");
        assert!(media.unprotect_rtp(&mut wires[1]).is_ok(), "{suite:?}");
        assert_eq!(media.unprotect_rtp(&mut wires[2]), Err(SrtpError::Authentication));
        let mut bare = protected(&mut Protector::new(&master(suite, 1)), &rtp(7, 5));
        assert_eq!(media.unprotect_rtp(&mut bare), Err(SrtpError::Authentication));
        assert_eq!(media.counts().unauthentic, 2);
        let report = rtcp(5);
        let mut wire = protected_rtcp(&mut Protector::new(&master(suite, 2)), &report);
        let at = wire.len() - if suite.rtcp_tag() == 16 { 0 } else { suite.rtcp_tag() };
        wire.splice(at..at, [0, 0, 0, 2]);
        assert_eq!(media.unprotect_rtcp(&mut wire), Ok(report.len()), "{suite:?}");
    }
}

fn hears(media: &mut SecureMedia, wire: &[u8]) -> Result<(), SrtpError> {
    media.unprotect_rtp(&mut wire.to_vec()).map(|_| ())
}

#[test]
fn old_keys_are_good_until_the_first_packet_under_the_new_ones() {
    for suite in Suite::ALL {
        let mut media = SecureMedia::new(keys(suite, 1, 2));
        let mut old = Protector::new(&master(suite, 2));
        assert_eq!(hears(&mut media, &protected(&mut old, &rtp(100, 5))), Ok(()));
        media.rekey(keys(suite, 1, 3));
        let mut new = Protector::new(&master(suite, 3));
        let late = protected(&mut old, &rtp(101, 5));
        assert_eq!(hears(&mut media, &late), Ok(()));
        assert_eq!(hears(&mut media, &late), Err(SrtpError::Authentication), "a copy of it");
        assert_eq!(hears(&mut media, &protected(&mut new, &rtp(102, 5))), Ok(()));
        let too_late = protected(&mut old, &rtp(103, 5));
        assert_eq!(hears(&mut media, &too_late), Err(SrtpError::Authentication));
        assert_eq!(hears(&mut media, &protected(&mut new, &rtp(103, 5))), Ok(()));
    }
}

#[test]
fn keys_that_stay_go_on_with_their_counters() {
    let suite = Suite::AesCm128Sha1_80;
    let (mut media, mut peer) = (SecureMedia::new(keys(suite, 1, 2)), Protector::new(&master(suite, 2)));
    let mut ours = Unprotector::new(&master(suite, 1), None);
    let mut say = |media: &mut SecureMedia, sequence| {
        let mut buffer = rtp(sequence, 8);
        let length = buffer.len();
        buffer.resize(length + 20, 0);
        let length = media.protect_rtp(&mut buffer, length).expect("protected");
        opened(&mut ours, &buffer[..length])
    };
    let first = protected(&mut peer, &rtp(65_535, 5));
    assert_eq!(hears(&mut media, &first), Ok(()));
    assert!(say(&mut media, 65_535).is_ok());
    let second = protected(&mut peer, &rtp(0, 5));
    assert_eq!(hears(&mut media, &second), Ok(()));
    assert!(say(&mut media, 0).is_ok());
    media.rekey(keys(suite, 1, 2));
    assert_eq!(hears(&mut media, &first), Err(SrtpError::Replayed));
    assert_eq!(hears(&mut media, &protected(&mut peer, &rtp(1, 5))), Ok(()));
    assert!(say(&mut media, 1).is_ok());
    // The peer's key alone changes; its rollover counter may go on or begin anew.
    for goes_on in [true, false] {
        media.rekey(keys(suite, 1, if goes_on { 6 } else { 7 }));
        let mut peer = Protector::new(&master(suite, if goes_on { 6 } else { 7 }));
        if goes_on {
            protected(&mut peer, &rtp(65_535, 5));
        }
        assert_eq!(hears(&mut media, &protected(&mut peer, &rtp(20, 5))), Ok(()), "{goes_on}");
        assert_eq!(media.counts().unauthentic, 0);
    }
    assert!(say(&mut media, 2).is_ok());
}

/// RFC 3711 §9.2: neither side goes on with a key that has reached its end, and a new key begins a new life.
#[test]
fn a_key_ends_after_as_many_packets_as_it_may_protect() {
    for suite in Suite::ALL {
        let lasting = |seed| master(suite, seed).lasting(3);
        let mut media = SecureMedia::new(MediaKeys { local: lasting(1), remote: vec![(lasting(2), None)] });
        let mut peer = Protector::new(&master(suite, 2));
        // Garbage and copies use nothing up, and the sources of a key share its life.
        let first = protected(&mut peer, &rtp(1, 5));
        let mut changed = first.clone();
        changed[20] ^= 1;
        assert_eq!(hears(&mut media, &changed), Err(SrtpError::Authentication));
        assert_eq!(hears(&mut media, &first), Ok(()));
        assert_eq!(hears(&mut media, &first), Err(SrtpError::Replayed));
        assert_eq!(hears(&mut media, &protected(&mut peer, &rtp(2, 5))), Ok(()));
        assert_eq!(hears(&mut media, &protected(&mut peer, &rtp(9, 6))), Ok(()));
        for sequence in 3..6 {
            assert_eq!(hears(&mut media, &protected(&mut peer, &rtp(sequence, 5))), Err(SrtpError::UsedUp));
        }
        // RTCP has a life of its own.
        let report = rtcp(5);
        for number in 0..4 {
            let opened = media.unprotect_rtcp(&mut protected_rtcp(&mut peer, &report));
            assert_eq!(opened.is_ok(), number < 3, "{number} {opened:?}");
        }
        let say = |media: &mut SecureMedia, sequence| {
            let mut buffer = rtp(sequence, 8);
            let length = buffer.len();
            buffer.resize(length + 20, 0);
            media.protect_rtp(&mut buffer, length).map(|_| ())
        };
        let said: Vec<_> = (1..=4).map(|sequence| say(&mut media, sequence)).collect();
        assert_eq!(said, [Ok(()), Ok(()), Ok(()), Err(SrtpError::UsedUp)]);
        let reports: Vec<_> = (0..4)
            .map(|_| {
                let mut buffer = report.clone();
                buffer.resize(report.len() + 32, 0);
                media.protect_rtcp(&mut buffer, report.len()).map(|_| ())
            })
            .collect();
        assert_eq!(reports, [Ok(()), Ok(()), Ok(()), Err(SrtpError::UsedUp)]);
        let counts = media.counts();
        assert_eq!((counts.keyless, counts.unauthentic, counts.replayed, counts.unsent), (4, 1, 1, 2));
        // The same keys again do not live again; others do.
        media.rekey(MediaKeys { local: master(suite, 1), remote: vec![(master(suite, 2), None)] });
        assert_eq!(hears(&mut media, &protected(&mut peer, &rtp(7, 5))), Err(SrtpError::UsedUp));
        assert_eq!(say(&mut media, 5), Err(SrtpError::UsedUp));
        media.rekey(keys(suite, 3, 4));
        assert_eq!(hears(&mut media, &protected(&mut Protector::new(&master(suite, 4)), &rtp(8, 5))), Ok(()));
        assert_eq!(say(&mut media, 6), Ok(()));
    }
}

#[test]
fn what_is_too_old_is_told_from_what_came_twice() {
    let suite = Suite::AesCm128Sha1_80;
    let (mut media, mut peer) = (SecureMedia::new(keys(suite, 1, 2)), Protector::new(&master(suite, 2)));
    let wires: Vec<_> = (0..200).map(|sequence| protected(&mut peer, &rtp(sequence, 5))).collect();
    for at in [199, 150, 150, 20] {
        hears(&mut media, &wires[at]).ok();
    }
    let counts = media.counts();
    assert_eq!((counts.replayed, counts.old, counts.unauthentic), (1, 1, 0));
}

proptest! {
    #[test]
    fn garbage_does_no_harm(mut packet: Vec<u8>, at in 0usize..6, head in 0x80u8..0xC0) {
        let suite = Suite::ALL[at];
        let mut media = SecureMedia::new(keys(suite, 1, 2));
        prop_assert!(media.unprotect_rtcp(&mut packet.clone()).is_err());
        prop_assert!(media.unprotect_rtp(&mut packet.clone()).is_err());
        if let Some(first) = packet.first_mut() {
            *first = head;
        }
        prop_assert!(media.unprotect_rtp(&mut packet.clone()).is_err());
        let length = packet.len();
        let _ = media.protect_rtp(&mut packet, length);
        let _ = media.protect_rtcp(&mut packet, length);
    }

    /// Whatever order they come in, each packet is heard once, and none twice, across a rollover.
    #[test]
    fn each_packet_is_heard_once(seed in any::<u64>(), start in 65_400u32..65_536) {
        let suite = Suite::AesCm128Sha1_32;
        let mut protector = Protector::new(&master(suite, 1));
        let mut unprotector = Unprotector::new(&master(suite, 1), None);
        let wires: Vec<Vec<u8>> =
            (start..start + 300).map(|number| protected(&mut protector, &rtp(number as u16, 5))).collect();
        let mut state = seed | 1;
        let mut next = move || { state ^= state << 13; state ^= state >> 7; state ^= state << 17; state };
        // Late by up to 40 packets, and one in three twice.
        let mut order: Vec<(u64, usize)> = (0..wires.len())
            .flat_map(|at| {
                let copies = 1 + usize::from(next() % 3 == 0);
                (0..copies).map(|_| (at as u64 + next() % 40, at)).collect::<Vec<_>>()
            })
            .collect();
        order.sort_unstable();
        let mut heard = vec![0; wires.len()];
        for (_, at) in order {
            match opened(&mut unprotector, &wires[at]) {
                Ok(_) => heard[at] += 1,
                Err(error) => prop_assert_eq!(error, SrtpError::Replayed),
            }
        }
        prop_assert!(heard.iter().all(|&times| times == 1), "{:?}", heard);
    }
}
