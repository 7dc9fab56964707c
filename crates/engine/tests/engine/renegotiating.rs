//! Re-INVITE: hold, resume, another address, no sense.
use crate::peer::Peer;
use crate::world::{World, address};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn hold_is_silent_and_resume_speaks_again() {
    let mut world = World::new();
    let mut peer = Peer::new("hold");
    let stream = peer.call(&mut world);
    peer.speak(&mut world, stream, SECOND);
    peer.in_dialog(&mut world, "INVITE", &peer.sdp("sendonly"), "application/sdp");
    let answer = loop {
        let (_, text) = world.sip.pop_front().expect("an answer");
        if text.starts_with("SIP/2.0 200") {
            break text;
        }
    };
    assert!(answer.contains("a=recvonly"), "{answer}");
    peer.ack(&mut world, "");
    let before = world.wire.rtp.len();
    peer.speak(&mut world, stream, SECOND);
    assert_eq!(world.wire.rtp.len(), before, "they take nothing");
    peer.in_dialog(&mut world, "INVITE", &peer.sdp("inactive"), "application/sdp");
    peer.ack(&mut world, "");
    let before = world.wire.rtp.len();
    // Nothing is expected from a peer on hold: no media time-out.
    world.run(60 * SECOND);
    assert_eq!(world.wire.rtp.len(), before);
    peer.in_dialog(&mut world, "INVITE", &peer.sdp("sendrecv"), "application/sdp");
    peer.ack(&mut world, "");
    peer.dial(&mut world, stream, &[3]);
    assert!(world.wire.rtp.len() > before);
    peer.bye(&mut world);
    assert_eq!(world.records[0].digits.as_deref(), Some("3"));
    world.expect_empty();
}

#[test]
fn a_new_address_is_followed_and_the_old_one_is_foreign() {
    let mut world = World::new();
    let mut peer = Peer::new("moved");
    let stream = peer.call(&mut world);
    peer.speak(&mut world, stream, SECOND);
    let old = peer.rtp;
    peer.rtp = address("203.0.113.77:50000");
    peer.in_dialog(&mut world, "INVITE", &peer.sdp("sendrecv"), "application/sdp");
    peer.ack(&mut world, "");
    let before = world.wire.rtp.len();
    peer.dial(&mut world, stream, &[8]);
    assert!(world.wire.rtp[before..].iter().all(|sent| sent.to == peer.rtp));
    let stray = peer.press(9);
    for packet in stray {
        world.rtp_in(stream, old, &packet);
    }
    world.run(SECOND);
    peer.bye(&mut world);
    assert_eq!(world.records[0].digits.as_deref(), Some("8"));
    assert_eq!(world.records[0].foreign_packets, 8);
    world.expect_empty();
}

#[test]
fn a_senseless_offer_changes_nothing() {
    let mut world = World::new();
    let mut peer = Peer::new("senseless");
    let stream = peer.call(&mut world);
    let fax = peer.sdp("sendrecv").replace("RTP/AVP 0 101", "RTP/AVP 18");
    peer.in_dialog(&mut world, "INVITE", &fax, "application/sdp");
    assert!(world.sip.iter().any(|(_, text)| text.starts_with("SIP/2.0 488")));
    peer.dial(&mut world, stream, &[5]);
    peer.cseq += 1;
    peer.bye(&mut world);
    assert_eq!(world.records[0].digits.as_deref(), Some("5"));
    world.expect_empty();
}

#[test]
fn the_codec_may_change_in_mid_call_and_no_press_is_lost() {
    let mut world = World::new();
    let mut peer = Peer::new("codec");
    peer.invite(&mut world, "5001", &peer.sdp("sendrecv").replace("RTP/AVP 0 101", "RTP/AVP 0 8 101"));
    world.expect_sip("SIP/2.0 100");
    let answer = world.expect_sip("SIP/2.0 200");
    peer.learn(&answer);
    peer.ack(&mut world, "");
    let stream = world.opened[0].0;
    peer.dial(&mut world, stream, &[1, 2]);
    let before = world.wire.rtp.len();
    assert!(world.wire.rtp.iter().all(|sent| sent.packet[1] & 0x7f == 0));
    // In the middle of a press, and while a prompt is being said.
    let press = peer.press(3);
    for packet in &press[..4] {
        world.rtp_in(stream, peer.rtp, packet);
        world.run(Duration::from_millis(20));
    }
    let change = peer.sdp("sendrecv").replace("RTP/AVP 0 101", "RTP/AVP 8 101");
    peer.in_dialog(&mut world, "INVITE", &change, "application/sdp");
    let answer = world.sip.iter().find(|(_, text)| text.starts_with("SIP/2.0 200")).expect("200").1.clone();
    assert!(answer.contains("RTP/AVP 8 101"), "{answer}");
    peer.ack(&mut world, "");
    for packet in &press[4..] {
        world.rtp_in(stream, peer.rtp, packet);
        world.run(Duration::from_millis(20));
    }
    for _ in 0..20 {
        let packet = peer.audio_of(8, 0xD5);
        world.rtp_in(stream, peer.rtp, &packet);
        world.run(Duration::from_millis(20));
    }
    peer.dial(&mut world, stream, &[4, 4, 5]);
    let after: Vec<u8> = world.wire.rtp[before..].iter().map(|sent| sent.packet[1] & 0x7f).collect();
    assert!(after.iter().filter(|pt| **pt == 8).count() > 50, "{after:?}");
    let first = after.iter().position(|pt| *pt == 8).expect("A-law");
    assert!(after[first..].iter().all(|pt| *pt == 8), "and only A-law from then on");
    peer.bye(&mut world);
    assert_eq!(world.records[0].digits.as_deref(), Some("123445"));
    assert_eq!(world.records[0].codec, Some("PCMA"));
    world.expect_empty();
}

/// The kinds of blocks in the extended reports of a compound packet of RTCP (RFC 3611 §3).
fn extended_blocks(mut packet: &[u8]) -> Vec<u8> {
    let mut kinds = Vec::new();
    let length = |octets: &[u8]| 4 + 4 * usize::from(u16::from_be_bytes([octets[2], octets[3]]));
    while packet.len() >= 4 {
        let (one, rest) = packet.split_at(length(packet));
        let mut blocks = if one[1] == 207 { &one[8..] } else { &[] };
        while blocks.len() >= 4 {
            kinds.push(blocks[0]);
            blocks = &blocks[length(blocks)..];
        }
        packet = rest;
    }
    kinds
}

#[test]
fn extended_reports_follow_the_latest_description() {
    let mut world = World::new();
    let mut peer = Peer::new("xr");
    let stream = peer.call(&mut world);
    // What is described in a re-INVITE, what is answered, and the blocks that are sent from then on (7: VoIP metrics).
    let rows: [(&str, Option<&str>, &[u8]); 4] = [
        ("", None, &[7]),
        ("a=rtcp-xr:pkt-loss-rle\r\n", Some("a=rtcp-xr:"), &[]),
        ("a=rtcp-xr:stat-summary=loss voip-metrics:12\r\n", Some("a=rtcp-xr:voip-metrics"), &[7]),
        ("a=rtcp-xr:rcvr-rtt=all\r\n", Some("a=rtcp-xr:rcvr-rtt=all"), &[]),
    ];
    for (line, answered, blocks) in rows {
        peer.in_dialog(&mut world, "INVITE", &(peer.sdp("sendrecv") + line), "application/sdp");
        let answer = loop {
            let (_, text) = world.sip.pop_front().expect("an answer");
            if text.starts_with("SIP/2.0 200") {
                break text;
            }
        };
        assert_eq!(answer.lines().find(|line| line.starts_with("a=rtcp-xr")), answered, "{answer}");
        peer.ack(&mut world, "");
        let before = world.wire.rtcp.len();
        peer.speak(&mut world, stream, 20 * SECOND);
        let sent = &world.wire.rtcp[before..];
        assert!(sent.len() >= 3, "{} reports", sent.len());
        for report in sent {
            assert_eq!(report.packet[1] & 0xFE, 200, "a plain report comes first");
            assert_eq!(extended_blocks(&report.packet), blocks, "{line}");
        }
    }
    peer.bye(&mut world);
    world.expect_empty();
}
