//! Real calls over loopback: SIP, RTP and digits, a caller and a server in one process.
mod common;

use common::{Setup, Side, library, side, side_with};
use passline_engine::prompt::Matcher;
use passline_engine::rtp::{Codec, Digit, FrameKind, Method};
use passline_engine::sip::EndCause;
use passline_engine::{LegCommand, LegEvent, LegId};
use passline_net::{Command, NetEvent, PacketIoKind};
use std::ops::RangeInclusive;
use std::time::Duration;

fn press(caller: &Side, leg: u64, key: char, method: Method) {
    let digit = Digit::from_char(key).expect("a key");
    let command = LegCommand::Press { digit, duration_ms: 80, method };
    caller.handle.send(Command::Leg { leg: LegId(leg), command });
}

fn hang_up(caller: &Side, leg: u64) {
    caller.handle.send(Command::Leg { leg: LegId(leg), command: LegCommand::HangUp });
}

async fn call_with(method: Method, tcp: bool, base: u16) {
    let mut server = side(Setup { ports: base..=base + 199, seed: 1, tcp, ..Setup::default() }).await;
    let mut caller = side(Setup { ports: base + 200..=base + 399, seed: 2, tcp, ..Setup::default() }).await;
    let to = if tcp { server.handle.local_tcp()[0] } else { server.handle.local_udp()[0] };
    caller.dial(1, to, tcp, true);
    let (_, answered) = caller.leg(|event| matches!(event, LegEvent::Answered { .. })).await;
    assert_eq!(answered, LegEvent::Answered { codec: "PCMU", events: true });
    let keys = "0123456789*#";
    for key in keys.chars() {
        press(&caller, 1, key, method);
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    // The last press is over, and the read-back has begun.
    tokio::time::sleep(Duration::from_millis(2600)).await;
    hang_up(&caller, 1);
    let (_, ended) = caller.leg(|event| matches!(event, LegEvent::Ended(_))).await;
    assert_eq!(ended, LegEvent::Ended(EndCause::LocalHangUp));
    let record = server.record().await;
    assert_eq!(record.digits.as_deref(), Some(keys));
    assert_eq!(record.digit_count, 12);
    assert_eq!(record.dtmf, Some(method));
    assert_eq!(record.codec, Some("PCMU"));
    assert_eq!(record.outcome, "caller_left");
    assert_eq!(record.to, "5001");
    assert_eq!(record.from, "tester");
    let statistics = record.statistics.expect("media");
    assert!(statistics.received > 150 && statistics.sent > 150, "{statistics:?}");
    assert_eq!((statistics.lost, record.foreign_packets), (0, 0));
    server.handle.send(Command::Stop);
    loop {
        if let NetEvent::Stopped = server.next().await {
            break;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_over_udp() {
    call_with(Method::Rfc4733, false, 21_000).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tones_over_udp() {
    call_with(Method::Inband, false, 21_400).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn info_over_tcp() {
    call_with(Method::Info, true, 21_800).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_caller_hears_the_prompt_sample_by_sample() {
    let server = side(Setup { ports: 22_200..=22_399, seed: 3, ..Setup::default() }).await;
    let mut caller = side(Setup { ports: 22_400..=22_599, seed: 4, ..Setup::default() }).await;
    caller.dial(1, server.handle.local_udp()[0], false, true);
    let mut matcher = Matcher::new(&library(), Codec::Pcmu);
    let mut heard = Vec::new();
    while heard.len() < 2 {
        if let NetEvent::Heard { payload, kind, .. } = caller.next().await {
            match kind {
                FrameKind::Received => matcher.hear(&payload),
                FrameKind::Concealed | FrameKind::Silence => matcher.lost(160),
            }
            while let Some(clip) = matcher.poll() {
                heard.push(clip.name().to_owned());
            }
        }
    }
    assert_eq!(heard, ["prompt", "prompt"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ports_come_back_and_a_full_house_is_refused() {
    // Room for two calls only.
    let mut server = side(Setup { ports: 22_600..=22_603, max_calls: 2, seed: 5, ..Setup::default() }).await;
    let mut caller = side(Setup { ports: 22_800..=22_999, seed: 6, ..Setup::default() }).await;
    let to = server.handle.local_udp()[0];
    for leg in (0..12).step_by(2) {
        caller.dial(leg, to, false, false);
        caller.dial(leg + 1, to, false, false);
        for _ in 0..2 {
            caller.leg(|event| matches!(event, LegEvent::Answered { .. })).await;
        }
        caller.dial(100 + leg, to, false, false);
        let (_, refused) = caller.leg(|event| matches!(event, LegEvent::Refused { .. })).await;
        assert!(matches!(refused, LegEvent::Refused { status: 503, .. }), "{refused:?}");
        hang_up(&caller, leg);
        hang_up(&caller, leg + 1);
        for _ in 0..2 {
            server.record().await;
        }
    }
    caller.handle.send(Command::Drain);
    loop {
        if let NetEvent::Drained = caller.next().await {
            break;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_calls_at_once_lose_nothing() {
    let setup = Setup { ports: 23_000..=23_399, seed: 7, ..Setup::default() };
    fifty_calls(setup, 23_400..=23_599, PacketIoKind::Auto).await;
    // One by one, as where the kernel allows no more.
    let setup = Setup { ports: 23_000..=23_399, seed: 7, ..Setup::default() };
    fifty_calls(setup, 23_400..=23_599, PacketIoKind::Single).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_calls_on_shared_ports_lose_nothing() {
    let setup = Setup { ports: 22_000..=22_007, seed: 9, shared: true, ..Setup::default() };
    fifty_calls(setup, 23_600..=23_799, PacketIoKind::Auto).await;
}

async fn fifty_calls(setup: Setup, ports: RangeInclusive<u16>, packet_io: PacketIoKind) {
    const CALLS: u64 = 50;
    let mut server = side_with(setup, |config| config.packet_io = packet_io).await;
    let mut caller = side(Setup { ports, seed: 8, ..Setup::default() }).await;
    let to = server.handle.local_udp()[0];
    for leg in 0..CALLS {
        caller.dial(leg, to, false, false);
    }
    for _ in 0..CALLS {
        caller.leg(|event| matches!(event, LegEvent::Answered { .. })).await;
    }
    for key in "147*".chars() {
        for leg in 0..CALLS {
            press(&caller, leg, key, Method::Rfc4733);
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    tokio::time::sleep(Duration::from_millis(2500)).await;
    for leg in 0..CALLS {
        hang_up(&caller, leg);
    }
    let mut jitter: f32 = 0.0;
    for _ in 0..CALLS {
        let record = server.record().await;
        assert_eq!(record.digits.as_deref(), Some("147*"));
        assert_eq!(record.statistics.expect("media").lost, 0);
    }
    for _ in 0..CALLS {
        let record = caller.record().await;
        let statistics = record.statistics.expect("media");
        assert_eq!((statistics.lost, record.foreign_packets), (0, 0));
        jitter = jitter.max(statistics.jitter_max_ms);
    }
    println!("largest jitter at the caller: {jitter:.2} ms");
}
