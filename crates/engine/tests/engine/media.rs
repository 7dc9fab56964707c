//! Packets: whose are taken, and what a late engine makes of them.
use crate::peer::Peer;
use crate::world::{World, address};
use passline_engine::{Channel, Received};
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};
use std::time::Duration;

const FRAME: Duration = Duration::from_millis(20);

#[test]
fn packets_from_elsewhere_change_nothing_at_any_time() {
    let mut world = World::new();
    let mut peer = Peer::new("bleed");
    let stream = peer.call(&mut world);
    let attacker = address("203.0.113.66:40000");
    let mut forged = Peer::new("forged");
    // Before the peer's first packet, during the call, in bursts: never taken, and never sent to.
    for round in 0..40 {
        for packet in forged.press(9) {
            assert_eq!(world.rtp_in(stream, attacker, &packet), Received::Foreign);
        }
        world.shard.receive(world.now, stream, Channel::Rtcp, attacker, &[0x80, 203, 0, 1, 0, 0, 0xCA, 0xFE]);
        if round > 5 {
            let packet = peer.audio();
            assert_eq!(world.rtp_in(stream, peer.rtp, &packet), Received::Taken);
        }
        world.run(FRAME);
    }
    peer.dial(&mut world, stream, &[1]);
    peer.bye(&mut world);
    assert_eq!(world.rtp_in(stream, attacker, &forged.audio()), Received::Gone);
    let record = &world.records[0];
    assert_eq!(record.digits.as_deref(), Some("1"));
    assert_eq!(record.foreign_packets, 40 * 9);
    assert!(world.wire.rtp.iter().all(|sent| sent.to == peer.rtp));
    assert!(world.wire.rtcp.iter().all(|sent| sent.to.ip() == peer.rtp.ip()));
    world.expect_empty();
}

#[test]
fn the_record_tells_how_a_call_sounded_on_both_sides() {
    let mut world = World::new();
    let mut peer = Peer::new("sound");
    let stream = peer.call(&mut world);
    for round in 0..600 {
        let packet = peer.audio();
        // One in twenty is lost, three of these in a row.
        if round % 60 < 57 {
            assert_eq!(world.rtp_in(stream, peer.rtp, &packet), Received::Taken);
            world.shard.marked(stream, 46);
        }
        world.run(FRAME);
    }
    // What we told of ourselves, it answers: a receiver report (one in five lost) and its own opinion.
    let ours = world.wire.rtcp.last().expect("a report").packet.clone();
    assert_eq!(ours[1], 200);
    let (ssrc, ntp) = (&ours[4..8], &ours[10..14]);
    let mut report = vec![0x81, 201, 0, 7, 0, 0, 0xCA, 0xFE];
    report.extend([ssrc, &[51, 0, 0, 120], &[0, 0, 2, 88], &[0, 0, 0, 80], ntp, &[0, 0, 0, 0]].concat());
    report.extend([0x80, 207, 0, 10, 0, 0, 0xCA, 0xFE, 7, 0, 0, 8]);
    report.extend(
        [ssrc, &[51, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 60], &[127, 127, 127, 16, 55, 127, 30, 29]].concat(),
    );
    report.extend([0xF0, 0, 0, 40, 0, 60, 0, 200]);
    world.run(Duration::from_millis(30));
    let sent_at = world.wire.rtcp.last().expect("a report").at;
    let waited = world.now.saturating_duration_since(sent_at).as_secs_f32() * 1000.0;
    let taken = world.shard.receive(world.now, stream, Channel::Rtcp, peer.rtp, &report);
    assert_eq!(taken, Received::Taken);
    // While it lasts, whoever asks is told the same as its record tells.
    let running = world.shard.statistics(stream).expect("a stream");
    peer.bye(&mut world);
    assert_eq!(world.shard.statistics(stream), None, "it is gone");
    let seen = world.records[0].statistics.expect("media");
    assert_eq!((running.opinion, running.remote_opinion), (seen.opinion, seen.remote_opinion));
    assert_eq!((running.round_trip_ms, running.received), (seen.round_trip_ms, seen.received));
    let here = seen.opinion.expect("audio came");
    assert!((3.2..4.2).contains(&here.mos_lq) && here.mos_cq <= here.mos_lq, "{seen:?}");
    assert!((seen.loss.burst_ratio - 2.85).abs() < 0.1 && seen.dscp == Some(46), "{seen:?}");
    assert!((seen.round_trip_ms.expect("measured") - waited).abs() < 1.0, "{seen:?}, {waited} ms");
    let there = seen.remote_opinion.expect("reported");
    assert!((2.0..3.6).contains(&there.mos_lq) && seen.remote_lost == 120, "{seen:?}");
    let told = seen.remote_voip.expect("told");
    assert_eq!((told.r_factor, told.mos_lq, told.mos_cq), (Some(55), Some(3.0), Some(2.9)));
    world.expect_empty();
}

#[test]
fn a_caller_behind_nat_is_answered_where_its_packets_come_from() {
    let mut world = World::new();
    let mut peer = Peer::new("nat");
    peer.rtp = address("10.0.0.5:4000");
    let stream = peer.call(&mut world);
    // The description names a private address; the packets come from where the signalling comes from.
    peer.rtp = address("198.51.100.20:61234");
    peer.dial(&mut world, stream, &[2]);
    let last = world.wire.rtp.last().expect("audio");
    assert_eq!(last.to, peer.rtp);
    peer.bye(&mut world);
    assert_eq!(world.records[0].digits.as_deref(), Some("2"));
    world.expect_empty();
}

#[test]
fn two_thousand_random_packets_do_no_harm() {
    let mut world = World::new();
    let mut peer = Peer::new("noise");
    let stream = peer.call(&mut world);
    let mut rng = ChaCha20Rng::seed_from_u64(42);
    peer.speak(&mut world, stream, Duration::from_millis(200));
    for round in 0..2000u32 {
        let length = (rng.next_u32() % 300) as usize;
        let mut packet = vec![0; length];
        rng.fill_bytes(&mut packet);
        if round % 2 == 0 && length > 12 {
            packet[0] = 0x80;
            packet[1] = [0, 101, 13, 8][(round / 2 % 4) as usize];
        }
        let channel = if round % 5 == 0 { Channel::Rtcp } else { Channel::Rtp };
        world.shard.receive(world.now, stream, channel, peer.rtp, &packet);
        if round % 20 == 0 {
            world.run(FRAME);
        }
    }
    peer.speak(&mut world, stream, Duration::from_secs(1));
    let before = world.control.calls();
    assert_eq!(before, 1);
    peer.bye(&mut world);
    let statistics = world.records[0].statistics.expect("media");
    assert!(statistics.bad > 500, "{statistics:?}");
    world.expect_empty();
}

#[test]
fn a_stalled_process_multiplies_no_digit_and_floods_nobody() {
    for stall in [100, 400, 500, 1000] {
        let mut world = World::new();
        let mut peer = Peer::new("stall");
        let stream = peer.call(&mut world);
        peer.speak(&mut world, stream, Duration::from_millis(500));
        // The process stops; the kernel keeps the packets of two presses with their receive times.
        let stopped = world.now;
        let mut kept = Vec::new();
        let mut at = world.now;
        for code in [1, 1] {
            for packet in peer.press(code) {
                kept.push((at, packet));
                at += FRAME;
            }
            for _ in 0..4 {
                kept.push((at, peer.audio()));
                at += FRAME;
            }
        }
        world.stalled = true;
        world.run(Duration::from_millis(stall));
        world.stalled = false;
        let awake = world.now;
        let sent = world.wire.rtp.len();
        // Back again: each tick takes what came before it, as net does.
        let mut kept = kept.into_iter().peekable();
        while world.shard.next_tick() <= awake {
            let tick = world.shard.next_tick();
            while let Some((at, packet)) = kept.next_if(|(at, _)| *at <= tick) {
                world.shard.receive(at, stream, Channel::Rtp, peer.rtp, &packet);
            }
            world.wire.now = awake;
            let wire = &mut world.wire;
            world.shard.tick(tick, awake, wire);
        }
        let burst = world.wire.rtp.len() - sent;
        assert!(burst <= 4, "{burst} packets at once after {stall} ms");
        for (at, packet) in kept {
            world.run(at.saturating_duration_since(world.now));
            world.rtp_in(stream, peer.rtp, &packet);
        }
        peer.speak(&mut world, stream, Duration::from_secs(1));
        // The timestamps of what we send follow the clock across the gap.
        let timestamp = |at: usize| {
            let packet = &world.wire.rtp[at].packet;
            u32::from_be_bytes([packet[4], packet[5], packet[6], packet[7]])
        };
        let (first, last) = (0, world.wire.rtp.len() - 1);
        let elapsed = world.wire.rtp[last].at - world.wire.rtp[first].at;
        let samples = timestamp(last).wrapping_sub(timestamp(first));
        assert_eq!(u128::from(samples), elapsed.as_millis() * 8, "stall {stall}");
        let events = world.wire.rtp.windows(2).filter(|pair| pair[1].at == pair[0].at).count();
        assert!(events <= 4, "{events}");
        peer.bye(&mut world);
        assert_eq!(world.records[0].digits.as_deref(), Some("11"), "stall {stall}");
        assert!(awake >= stopped);
        world.expect_empty();
    }
}
