//! Connections: closed, slow, endless, and full at once.
use super::{Victim, served};
use passline_tests::{
    raw::{self, Raw},
    server::Setup,
    talk::{Act, Plan, talk_once},
    wait_for,
};
use std::{
    io::{Read, Write},
    time::{Duration, Instant},
};

#[test]
fn a08_an_invite_whose_connection_closes_200_times() {
    let victim = Victim::new(Setup { max_calls: 20, rtp_timeout_s: 2, ..Setup::default() });
    let peer = Raw::new(victim.server.sip, 1);
    for index in 0..200 {
        let mut stream = raw::connect(victim.server.sip);
        let invite = peer.request("INVITE", "5001", &format!("gone-{index}"), "", &peer.offer(9));
        let _ = stream.write_all(invite.replace("SIP/2.0/UDP", "SIP/2.0/TCP").as_bytes());
    }
    // Unacknowledged calls end after 64 * T1 = 32 s (RFC 3261 section 13.3.1.4), or with the connection.
    let free = wait_for(Duration::from_secs(45), || {
        let plan = Plan {
            opening: vec![Act::HangUp],
            ..Plan::minded(&victim.server.uri("5001"), |_, _| Vec::new())
        };
        talk_once(victim.server.voice, plan).codec
    });
    assert!(free.is_some(), "there is room again");
    victim.stands();
}

#[test]
fn a12_slow_endless_and_pipelined_streams() {
    let victim = Victim::new(Setup::default());
    let peer = Raw::new(victim.server.sip, 1);
    let options = |id: &str| peer.request("OPTIONS", "5001", id, "", "").replace("/UDP", "/TCP");
    // Connections that say little or nothing.
    let mut slow: Vec<_> = (0..150).map(|_| raw::connect(victim.server.sip)).collect();
    for (index, stream) in slow.iter_mut().enumerate() {
        let start = &options("slow")[..index % 60];
        let _ = stream.write_all(start.as_bytes());
    }
    // A header that does not end, and a body that would take the memory of the machine.
    let mut endless = raw::connect(victim.server.sip);
    let _ = endless.write_all(b"OPTIONS sip:x SIP/2.0\r\nX: ");
    let closed = wait_for(Duration::from_secs(10), || {
        (0..64).any(|_| endless.write_all(&[b'y'; 16_384]).is_err()).then_some(())
    });
    assert!(closed.is_some(), "an endless header closes the connection");
    let mut huge = raw::connect(victim.server.sip);
    let text = options("huge").replace("Content-Length: 0", "Content-Length: 4294967295");
    huge.write_all(text.as_bytes()).expect("loopback");
    let mut buffer = [0; 4096];
    let length = huge.read(&mut buffer).unwrap_or(0);
    let said = String::from_utf8_lossy(&buffer[..length]).into_owned();
    assert!(length == 0 || said.starts_with("SIP/2.0 4") || said.starts_with("SIP/2.0 513"), "{said}");
    // Others are served meanwhile.
    served(&victim.server);
    // Octet by octet, and fifty at once.
    let mut byte = raw::connect(victim.server.sip);
    byte.set_nodelay(true).expect("a socket");
    for octet in options("byte").bytes() {
        byte.write_all(&[octet]).expect("loopback");
    }
    let length = byte.read(&mut buffer).expect("an answer");
    assert!(buffer[..length].starts_with(b"SIP/2.0 200"), "{}", String::from_utf8_lossy(&buffer[..length]));
    let mut many = raw::connect(victim.server.sip);
    let all: String = (0..50).map(|index| options(&format!("many-{index}"))).collect();
    many.write_all(all.as_bytes()).expect("loopback");
    let mut answers = String::new();
    let end = Instant::now() + Duration::from_secs(5);
    while answers.matches("SIP/2.0 200").count() < 50 && Instant::now() < end {
        let length = many.read(&mut buffer).unwrap_or(0);
        answers += &String::from_utf8_lossy(&buffer[..length]);
    }
    assert_eq!(answers.matches("SIP/2.0 200").count(), 50);
    drop((slow, endless, huge, byte, many));
    victim.stands();
}
