//! Connections that we made are kept alive and given up when the peer is gone (RFC 5626 §3.5.1, §4.4.1), and are used
//! again (RFC 3261 §18, RFC 5923).
mod common;

use common::{Setup, side, side_with};
use passline_engine::{LegCommand, LegEvent, LegId};
use passline_net::Command;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

/// Reads until the octets end so.
fn read_until(stream: &mut TcpStream, end: &[u8]) -> Vec<u8> {
    let mut octets = Vec::new();
    let mut buffer = [0; 4096];
    while !octets.ends_with(end) {
        match stream.read(&mut buffer) {
            Ok(length) if length > 0 => octets.extend(&buffer[..length]),
            other => panic!("{other:?} after {:?}", String::from_utf8_lossy(&octets)),
        }
    }
    octets
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn our_connections_are_pinged_and_dead_ones_are_given_up() {
    let caller = side_with(Setup { ports: 30_000..=30_099, seed: 71, ..Setup::default() }, |config| {
        config.keep_alive = Duration::from_millis(300);
    })
    .await;
    let peer = TcpListener::bind("127.0.0.1:0").expect("a port");
    let to = peer.local_addr().expect("bound");
    caller.dial(1, to, true, false);
    tokio::task::spawn_blocking(move || {
        let (mut stream, _) = peer.accept().expect("a connection");
        stream.set_read_timeout(Some(Duration::from_secs(20))).expect("an option");
        // The INVITE ends in a body of its own, so only a ping ends in an empty line.
        let first = read_until(&mut stream, b"\r\n\r\n");
        assert!(first.starts_with(b"INVITE "));
        stream.write_all(b"\r\n").expect("a pong");
        read_until(&mut stream, b"\r\n\r\n");
        // Who has answered once and does not any more is gone.
        assert_eq!(stream.read_to_end(&mut Vec::new()).expect("the end"), 0);
    })
    .await
    .expect("no panic");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_calls_to_one_peer_use_one_connection() {
    let mut server = side(Setup { ports: 30_100..=30_199, seed: 72, tcp: true, ..Setup::default() }).await;
    let mut caller = side(Setup { ports: 30_200..=30_299, seed: 73, tcp: true, ..Setup::default() }).await;
    let to = server.handle.local_tcp()[0];
    for leg in 0..3 {
        caller.dial(leg, to, true, false);
        caller.leg(|event| matches!(event, LegEvent::Answered { .. })).await;
    }
    let (counters, answer) = tokio::sync::oneshot::channel();
    server.handle.send(Command::Counters(counters));
    assert_eq!(answer.await.expect("an answer").connections, 1);
    for leg in 0..3 {
        caller.handle.send(Command::Leg { leg: LegId(leg), command: LegCommand::HangUp });
        server.record().await;
    }
}
