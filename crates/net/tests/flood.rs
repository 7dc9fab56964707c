//! The world is at the door: garbage and INVITEs from strangers, forged sources, scanners, and what a capture shows.
mod common;

use common::{Setup, Side, side_with};
use passline_engine::rtp::{Digit, Method};
use passline_engine::{LegCommand, LegEvent, LegId};
use passline_net::{Captured, Command, Counters, GuardConfig, NetConfig, NetEvent};
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Limits as they are by default, but loopback counts as the world.
fn guarded(config: &mut NetConfig) {
    config.guard = GuardConfig { trusted: Vec::new(), ..GuardConfig::default() };
}

async fn counters(side: &Side) -> Counters {
    let (counters, answer) = tokio::sync::oneshot::channel();
    side.handle.send(Command::Counters(counters));
    answer.await.expect("an answer")
}

fn invite(to: SocketAddr, call: &str, more: &str) -> String {
    let sdp =
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 9 RTP/AVP 0\r\n";
    format!(
        "INVITE sip:5001@{to} SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:9;branch=z9hG4bK{call};rport\r\nMax-Forwards: 70\r\n\
         From: <sip:a@127.0.0.1>;tag={call}\r\nTo: <sip:5001@{to}>\r\nCall-ID: {call}\r\nCSeq: 1 INVITE\r\n\
         Contact: <sip:a@127.0.0.1:9>\r\n{more}Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{sdp}",
        sdp.len()
    )
}

/// Sends `per_second` datagrams a second from 200 addresses `from`.x in turn until told to stop; what was sent in all.
fn flood(
    stop: &Arc<AtomicBool>,
    from: &str,
    to: SocketAddr,
    per_second: u64,
    mut datagram: impl FnMut(u64) -> Vec<u8> + Send + 'static,
) -> std::thread::JoinHandle<u64> {
    let bind = |last| UdpSocket::bind((format!("{from}.{last}"), 0)).expect("an address of loopback");
    let sockets: Vec<UdpSocket> = (1..=200).map(bind).collect();
    let stop = Arc::clone(stop);
    std::thread::spawn(move || {
        let (begin, mut sent) = (Instant::now(), 0);
        while !stop.load(Ordering::Relaxed) {
            let due = begin.elapsed().as_millis() as u64 * per_second / 1000;
            while sent < due {
                // A full buffer is the attacker's trouble.
                let socket = &sockets[(sent % 200) as usize];
                let _ = socket.send_to(&datagram(sent), to);
                sent += 1;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        sent
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_from_others_costs_a_hundred_calls_not_one_packet_and_not_one_key() {
    const CALLS: u64 = 100;
    let setup = Setup { ports: 27_200..=27_999, max_calls: 300, seed: 51, ..Setup::default() };
    let mut server = side_with(setup, |config| {
        guarded(config);
        // A PBX with its calls; it need not be trusted, but it may place a hundred at once.
        config.guard.trusted = vec!["127.0.0.1/32".parse().expect("a network")];
    })
    .await;
    let setup = Setup { ports: 28_000..=28_799, max_calls: 300, seed: 52, ..Setup::default() };
    let mut caller = side_with(setup, |_| {}).await;
    let to = server.handle.local_udp()[0];
    for leg in 0..CALLS {
        caller.dial(leg, to, false, false);
        if leg % 10 == 9 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    for _ in 0..CALLS {
        caller.leg(|event| matches!(event, LegEvent::Answered { .. })).await;
    }
    let stop = Arc::new(AtomicBool::new(false));
    let mut floods = vec![flood(&stop, "127.0.66", to, 20_000, |n| vec![(n % 251) as u8; 400])];
    for (index, from) in ["127.0.67", "127.0.68"].into_iter().enumerate() {
        let datagram = move |n| invite(to, &format!("flood-{index}-{n}"), "").into_bytes();
        floods.push(flood(&stop, from, to, 1_000, datagram));
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    for key in "159#".chars() {
        for leg in 0..CALLS {
            let digit = Digit::from_char(key).expect("a key");
            let command = LegCommand::Press { digit, duration_ms: 100, method: Method::Rfc4733 };
            caller.handle.send(Command::Leg { leg: LegId(leg), command });
        }
        tokio::time::sleep(Duration::from_millis(400)).await;
    }
    tokio::time::sleep(Duration::from_millis(1500)).await;
    for leg in 0..CALLS {
        caller.handle.send(Command::Leg { leg: LegId(leg), command: LegCommand::HangUp });
    }
    let mut seen = 0;
    while seen < CALLS {
        let record = server.record().await;
        if record.from != "tester" {
            continue;
        }
        seen += 1;
        assert_eq!(record.digits.as_deref(), Some("159#"));
        assert_eq!(record.statistics.expect("media").lost, 0);
    }
    stop.store(true, Ordering::Relaxed);
    let sent: u64 = floods.into_iter().map(|flood| flood.join().expect("no panic")).sum();
    for _ in 0..CALLS {
        let record = caller.record().await;
        assert_eq!(record.statistics.expect("media").lost, 0);
    }
    let counters = counters(&server).await;
    println!("{sent} datagrams of the flood; {counters:?}");
    assert_eq!(counters.bans, 200, "the sources of the garbage");
    assert!(counters.banned + counters.garbage > sent / 2 && counters.over_all > 1_000, "{counters:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_forged_source_gets_no_more_octets_than_were_sent_in_its_name() {
    let server = side_with(Setup { ports: 28_800..=28_899, seed: 53, ..Setup::default() }, guarded).await;
    let to = server.handle.local_udp()[0];
    let victim = UdpSocket::bind("127.0.0.77:0").expect("an address of loopback");
    victim.set_read_timeout(Some(Duration::from_secs(36))).expect("an option");
    let received = Arc::new(AtomicU64::new(0));
    let (socket, total) = (victim.try_clone().expect("a socket"), Arc::clone(&received));
    let listener = std::thread::spawn(move || {
        let begin = Instant::now();
        let mut buffer = [0; 2000];
        while begin.elapsed() < Duration::from_secs(34) {
            if let Ok(length) = socket.recv(&mut buffer) {
                total.fetch_add(length as u64, Ordering::Relaxed);
            }
        }
    });
    let mut sent = 0;
    for index in 0..5 {
        for request in [
            invite(to, &format!("forged-{index}"), ""),
            invite(to, &format!("forged-{index}"), "").replace("5001@", "404@").replace("forged", "nobody"),
            format!(
                "OPTIONS sip:{to} SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bKo{index};rport\r\nMax-Forwards: 70\r\n\
                 From: <sip:a@h>;tag=o\r\nTo: <sip:{to}>\r\nCall-ID: o{index}\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
            ),
        ] {
            sent += victim.send_to(request.as_bytes(), to).expect("sent") as u64;
        }
    }
    // All repetitions of the answers, the BYE for want of an ACK and its repetitions are over after 32 s.
    tokio::task::spawn_blocking(move || listener.join().expect("no panic")).await.expect("no panic");
    let got = received.load(Ordering::Relaxed);
    println!("{sent} octets sent, {got} octets back");
    assert!(got <= sent, "{got} octets for {sent}");
    assert!(got > 0);
    assert!(counters(&server).await.unsent > 10);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scanners_hear_nothing_and_the_server_hears_of_them() {
    let mut server = side_with(Setup { ports: 28_900..=28_999, seed: 54, ..Setup::default() }, guarded).await;
    let to = server.handle.local_udp()[0];
    let scanner = UdpSocket::bind("127.0.0.88:0").expect("an address of loopback");
    scanner.set_read_timeout(Some(Duration::from_millis(300))).expect("an option");
    let scan = invite(to, "scan", "User-Agent: friendly-scanner\r\n");
    scanner.send_to(scan.as_bytes(), to).expect("sent");
    assert!(scanner.recv(&mut [0; 1500]).is_err());
    let ban = loop {
        if let NetEvent::Banned { ban } = server.next().await {
            break ban;
        }
    };
    assert_eq!(ban.source.to_string(), "127.0.0.88");
    assert_eq!(ban.reason, "is the scanner friendly-scanner");
    scanner.send_to(invite(to, "again", "").as_bytes(), to).expect("sent");
    assert!(scanner.recv(&mut [0; 1500]).is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn numbers_are_tried_out_for_a_while_only() {
    let mut server = side_with(Setup { ports: 29_000..=29_099, seed: 55, ..Setup::default() }, guarded).await;
    let to = server.handle.local_udp()[0];
    let socket = UdpSocket::bind("127.0.0.89:0").expect("an address of loopback");
    socket.set_read_timeout(Some(Duration::from_millis(300))).expect("an option");
    let mut answers = 0;
    for number in 0..60 {
        let call = format!("enum-{number}");
        let text = invite(to, &call, "").replace("sip:5001@", &format!("sip:9{number}@"));
        socket.send_to(text.as_bytes(), to).expect("sent");
        if let Ok(length) = socket.recv(&mut [0; 1500]) {
            answers += usize::from(length > 0);
        } else {
            break;
        }
    }
    assert!((15..=45).contains(&answers), "{answers}");
    loop {
        if let NetEvent::Banned { ban } = server.next().await {
            assert_eq!(ban.reason, "tries out numbers");
            break;
        }
    }
}

/// The next captured message that `wanted` accepts.
async fn captured(side: &mut Side, wanted: impl Fn(&str) -> bool) -> Captured {
    loop {
        if let NetEvent::Captured(captured) = side.next().await
            && wanted(&String::from_utf8_lossy(&captured.bytes))
        {
            return *captured;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_capture_shows_messages_and_no_keys() {
    let setup = || Setup { tcp: true, ..Setup::default() };
    let mut server = side_with(Setup { ports: 29_100..=29_199, seed: 56, ..setup() }, |_| {}).await;
    let mut caller = side_with(Setup { ports: 29_200..=29_299, seed: 57, ..setup() }, |_| {}).await;
    for (leg, tcp) in [(1, false), (2, true)] {
        let to = if tcp { server.handle.local_tcp()[0] } else { server.handle.local_udp()[0] };
        server.handle.send(Command::Capture(true));
        caller.dial(leg, to, tcp, false);
        caller.leg(|event| matches!(event, LegEvent::Answered { .. })).await;
        let first = captured(&mut server, |text| text.starts_with("INVITE ")).await;
        assert!(first.received && first.path.connection.is_some() == tcp);
        let answer = captured(&mut server, |text| text.starts_with("SIP/2.0 200")).await;
        assert!(!answer.received && answer.at >= first.at);
        let digit = Digit::from_char('9').expect("a key");
        let command = LegCommand::Press { digit, duration_ms: 100, method: Method::Info };
        caller.handle.send(Command::Leg { leg: LegId(leg), command });
        let info = captured(&mut server, |text| text.starts_with("INFO ")).await;
        let text = String::from_utf8(info.bytes).expect("text");
        let (_, body) = text.split_once("\r\n\r\n").expect("a body");
        assert!(!body.is_empty() && body.chars().all(|c| c == 'x' || c.is_whitespace()), "{body}");
        server.handle.send(Command::Capture(false));
        caller.handle.send(Command::Leg { leg: LegId(leg), command: LegCommand::HangUp });
        server.record().await;
    }
}
