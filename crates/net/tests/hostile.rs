//! Peers that mean no good, and a process that stood still.
mod common;

use common::{Setup, side};
use passline_engine::rtp::{Digit, Method};
use passline_engine::{LegCommand, LegEvent, LegId};
use passline_net::Command;
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpStream, UdpSocket};
use std::time::{Duration, Instant};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_say_nothing_are_closed_and_others_are_served() {
    let mut server = side(Setup { ports: 24_000..=24_199, seed: 11, tcp: true, ..Setup::default() }).await;
    let mut caller = side(Setup { ports: 24_200..=24_399, seed: 12, tcp: true, ..Setup::default() }).await;
    let to = server.handle.local_tcp()[0];
    let mut idle: Vec<TcpStream> = (0..150).map(|_| TcpStream::connect(to).expect("accepted")).collect();
    for (index, stream) in idle.iter_mut().enumerate() {
        // Some trickle a header that never ends.
        if index % 2 == 0 {
            stream.write_all(b"INVITE sip:5001@x SIP/2.0\r\nVia: ").expect("open yet");
        }
    }
    caller.dial(1, to, true, false);
    caller.leg(|event| matches!(event, LegEvent::Answered { .. })).await;
    caller.handle.send(Command::Leg { leg: LegId(1), command: LegCommand::HangUp });
    server.record().await;
    let begin = Instant::now();
    let closed = tokio::task::spawn_blocking(move || {
        idle.into_iter().all(|mut stream| {
            stream.set_read_timeout(Some(Duration::from_secs(15))).expect("an option");
            let mut rest = Vec::new();
            match stream.read_to_end(&mut rest) {
                Ok(_) => true,
                Err(error) => error.kind() == ErrorKind::ConnectionReset,
            }
        })
    });
    assert!(closed.await.expect("no panic"));
    assert!(begin.elapsed() < Duration::from_secs(15));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_invites_over_tcp_that_hang_up_at_once_leave_nothing() {
    // Ports for four calls only: a leak would show at once.
    let mut server =
        side(Setup { ports: 24_400..=24_407, max_calls: 4, seed: 13, tcp: true, ..Setup::default() }).await;
    let to = server.handle.local_tcp()[0];
    tokio::task::spawn_blocking(move || {
        for index in 0..200 {
            let mut stream = TcpStream::connect(to).expect("accepted");
            let sdp = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 9 RTP/AVP 0\r\n";
            let invite = format!(
                "INVITE sip:5001@{to} SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.1:9;branch=z9hG4bK{index}\r\nMax-Forwards: 70\r\n\
                 From: <sip:a@127.0.0.1>;tag={index}\r\nTo: <sip:5001@{to}>\r\nCall-ID: gone-{index}\r\nCSeq: 1 INVITE\r\n\
                 Contact: <sip:a@127.0.0.1:9;transport=tcp>\r\nContent-Type: application/sdp\r\n\
                 Content-Length: {}\r\n\r\n{sdp}",
                sdp.len()
            );
            stream.write_all(invite.as_bytes()).expect("written");
        }
    })
    .await
    .expect("no panic");
    // Nobody can be reached any more: each call that was taken ends by itself, without its ACK.
    let caller_ports = 24_600..=24_799;
    let mut caller = side(Setup { ports: caller_ports, seed: 14, ..Setup::default() }).await;
    let udp = server.handle.local_udp()[0];
    let begin = Instant::now();
    let mut leg = 0;
    loop {
        caller.dial(leg, udp, false, false);
        let (_, event) =
            caller.leg(|e| matches!(e, LegEvent::Answered { .. } | LegEvent::Refused { .. })).await;
        if matches!(event, LegEvent::Answered { .. }) {
            break;
        }
        assert!(begin.elapsed() < Duration::from_secs(45), "the dead calls still hold their places");
        leg += 1;
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    caller.handle.send(Command::Leg { leg: LegId(leg), command: LegCommand::HangUp });
    loop {
        let record = server.record().await;
        if record.outcome == "caller_left" {
            break;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn garbage_gets_no_answer_and_off_path_audio_changes_nothing() {
    let mut server = side(Setup { ports: 24_800..=24_803, max_calls: 4, seed: 15, ..Setup::default() }).await;
    let mut caller = side(Setup { ports: 25_000..=25_199, seed: 16, ..Setup::default() }).await;
    let to = server.handle.local_udp()[0];
    let stranger = UdpSocket::bind("127.0.0.1:0").expect("a port");
    stranger.set_read_timeout(Some(Duration::from_millis(200))).expect("an option");
    for garbage in [&b"\0\0\0\0"[..], b"hello", b"\r\n\r\n", &[0xFF; 1400], b"SIP/2.0 200 OK\r\n\r\n"] {
        stranger.send_to(garbage, to).expect("sent");
    }
    assert!(stranger.recv(&mut [0; 1500]).is_err(), "an answer to garbage");
    caller.dial(1, to, false, false);
    caller.leg(|event| matches!(event, LegEvent::Answered { .. })).await;
    // Every port of the pool, digits of somebody else.
    let mut sequence = 0u16;
    for round in 0..60u16 {
        for port in [24_800, 24_801, 24_802, 24_803] {
            let mut packet = vec![0x80, 101];
            packet.extend(sequence.to_be_bytes());
            packet.extend(u32::from(round / 6 * 1600).to_be_bytes());
            packet.extend([9, 9, 9, 9, 7, 10]);
            packet.extend((round % 6 * 160).to_be_bytes());
            stranger.send_to(&packet, ("127.0.0.1", port)).expect("sent");
        }
        sequence = sequence.wrapping_add(1);
        if round == 30 {
            let digit = Digit::from_char('2').expect("a key");
            let command = LegCommand::Press { digit, duration_ms: 100, method: Method::Rfc4733 };
            caller.handle.send(Command::Leg { leg: LegId(1), command });
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(stranger.recv(&mut [0; 1500]).is_err(), "audio for a stranger");
    caller.handle.send(Command::Leg { leg: LegId(1), command: LegCommand::HangUp });
    let record = server.record().await;
    assert_eq!(record.digits.as_deref(), Some("2"));
    assert!(record.foreign_packets >= 50, "{}", record.foreign_packets);
    assert_eq!(record.statistics.expect("media").ssrc_changes, 0);
}

#[tokio::test(flavor = "current_thread")]
async fn a_process_that_stood_still_for_400_ms_hears_every_key_once() {
    // One thread for all: when it sleeps, everything stands still, and the kernel keeps what comes.
    let mut server = side(Setup { ports: 25_200..=25_203, seed: 17, ..Setup::default() }).await;
    let to = server.handle.local_udp()[0];
    let (answered, wait) = std::sync::mpsc::channel();
    let caller = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let setup = Setup { ports: 25_400..=25_599, seed: 18, ..Setup::default() };
            let mut caller = side(setup).await;
            caller.dial(1, to, false, false);
            caller.leg(|event| matches!(event, LegEvent::Answered { .. })).await;
            tokio::time::sleep(Duration::from_millis(500)).await;
            answered.send(()).expect("somebody waits");
            for key in "1122334455".chars() {
                let digit = Digit::from_char(key).expect("a key");
                let command = LegCommand::Press { digit, duration_ms: 80, method: Method::Rfc4733 };
                caller.handle.send(Command::Leg { leg: LegId(1), command });
                tokio::time::sleep(Duration::from_millis(160)).await;
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
            caller.handle.send(Command::Leg { leg: LegId(1), command: LegCommand::HangUp });
            caller.leg(|event| matches!(event, LegEvent::Ended(_))).await;
        });
    });
    while wait.try_recv().is_err() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    for _ in 0..4 {
        std::thread::sleep(Duration::from_millis(400));
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
    let record = server.record().await;
    assert_eq!(record.digits.as_deref(), Some("1122334455"));
    caller.join().expect("no panic");
}
