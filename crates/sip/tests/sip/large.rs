//! Requests too large for a datagram (RFC 3261 §18.1.1).

use crate::support::*;
use passline_sip::message::Name;
use passline_sip::*;
use std::time::Duration;

/// Places a call whose INVITE has a body that makes it about so long.
fn placed(bench: &mut Bench, octets: usize) -> CallHandle {
    let call = bench.ua.next_call_handle();
    let (to, from) = ("sip:5000@192.0.2.9".into(), "sip:demo@192.0.2.1".into());
    let sdp = vec![b'v'; octets - 400];
    bench.command(Command::Invite(Box::new(Invite::new(call, to, from, bench.path, sdp))));
    call
}

fn connects(bench: &mut Bench) -> Vec<Flow> {
    let outputs = std::mem::take(&mut bench.others);
    let path = |output| match output {
        Output::Connect { path } => Some(path),
        _ => None,
    };
    outputs.into_iter().filter_map(path).collect()
}

#[test]
fn a_large_request_goes_by_tcp_and_a_small_one_does_not() {
    let mut bench = Bench::new();
    placed(&mut bench, 900);
    assert_eq!(bench.said(), ["INVITE"]);
    let mut bench = Bench::new();
    placed(&mut bench, 1600);
    assert!(bench.sent.is_empty());
    let path = connects(&mut bench)[0];
    assert_eq!((path.transport, path.remote), (Transport::Tcp, bench.path.remote));
    let path = Flow { connection: Some(7), ..path };
    bench.input(Input::Connected { path });
    let (_, sent_by, _) = &bench.sent[0];
    assert_eq!(*sent_by, path);
    assert!(field(&bench.last(), Name::Via).starts_with("SIP/2.0/TCP 192.0.2.1:5060;branch=z9hG4bK"));
    // Its transaction belongs to TCP: nothing is sent twice, and the answer is found.
    bench.pass(Duration::from_secs(3));
    assert_eq!(bench.sent.len(), 1);
    let answer = response(bench.last().as_bytes(), 486, "t1", "", "");
    bench.input(Input::Stream { path, bytes: answer.as_bytes() });
    assert!(bench.happened().iter().any(|event| matches!(event, Event::Refused { status: 486, .. })));
}

#[test]
fn where_nobody_takes_tcp_it_goes_by_udp_and_so_does_the_next() {
    let mut bench = Bench::new();
    placed(&mut bench, 1600);
    let path = connects(&mut bench)[0];
    bench.input(Input::SendFailed { path, reason: "nobody listens".into() });
    assert_eq!(bench.sent[0].1, bench.path);
    let invite = bench.last();
    assert!(field(&invite, Name::Via).starts_with("SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK"));
    bench.said();
    bench.pass(Duration::from_millis(600));
    assert_eq!(bench.said(), ["INVITE"], "repeated, as UDP wants it");
    bench.receive(&response(invite.as_bytes(), 486, "t1", "", ""));
    assert!(bench.happened().iter().any(|event| matches!(event, Event::Refused { status: 486, .. })));
    bench.said();
    placed(&mut bench, 1600);
    assert_eq!(bench.said(), ["INVITE"]);
    assert!(connects(&mut bench).is_empty());
    // Not for ever.
    bench.pass(Duration::from_secs(601));
    placed(&mut bench, 1600);
    assert_eq!(connects(&mut bench).len(), 1);
}

#[test]
fn the_limit_is_a_setting() {
    let mut bench =
        Bench::with(Config { udp_limit: 0, ..Config::default() }, udp("192.0.2.1:5060", "192.0.2.9:5060"));
    placed(&mut bench, 3000);
    assert_eq!(bench.said(), ["INVITE"]);
}
