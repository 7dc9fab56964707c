//! Messages and packets that broke other servers, or hid something in them.
use super::{Call, STRANGER, Victim};
use passline_tests::{
    raw::{self, Raw, status, to_tag},
    server::Setup,
    wait_for,
};
use serde_json::Value;
use std::{
    io::{Read, Write},
    thread::sleep,
    time::Duration,
};

#[test]
fn a07_messages_that_broke_others() {
    let victim = Victim::new(Setup { max_calls: 40, ..Setup::default() });
    // Each from an address of its own: what breaks also counts against its sender.
    let nines = "9".repeat(4000);
    let accept: String = (0..300).map(|index| format!("Accept: application/x{index}\r\n")).collect();
    let headers = [
        ("OPTIONS", format!("CSeq: {nines} OPTIONS\r\n"), String::new()),
        ("OPTIONS", "CSeq: -1 OPTIONS\r\n".into(), String::new()),
        ("OPTIONS", "CSeq: 4294967296 OPTIONS\r\n".into(), String::new()),
        ("OPTIONS", "CSeq: 1 INVITE\r\n".into(), String::new()),
        ("SUBSCRIBE", accept, String::new()),
        ("INVITE", format!("Max-Forwards: {nines}\r\n"), String::new()),
        ("INVITE", "Content-Length: -5\r\n".into(), String::new()),
        ("INVITE", "Require: 100rel, nonsense\r\n".into(), String::new()),
        ("INVITE", "Session-Expires: 99999999999;refresher=nobody\r\nMin-SE: -4\r\n".into(), String::new()),
        ("INVITE", "Authorization: Digest ,,,=\"\r\n".into(), String::new()),
    ];
    let descriptions = [
        "v=0\r\nm=audio 99999 RTP/AVP 0\r\n",
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\nm=audio 1 RTP/AVP\r\n",
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP6 ::::\r\nt=0 0\r\nm=audio 4 RTP/AVP 0\r\n",
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=image 5 udptl t38\r\na=T38FaxMaxBuffer:-1\r\n",
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 4 RTP/AVP 0 101\r\n\
         a=rtpmap:101 telephone-event/0\r\na=fmtp:101 0-99999999999999999999\r\na=fmtp:\r\na=fmtp:999 ;;;=\r\na=ptime:0\r\n",
        "\0\0\0\0",
    ];
    let many = format!(
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n{}",
        "m=audio 4 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n".repeat(120)
    );
    let multipart = "Content-Type: multipart/mixed;boundary=\r\n\r\n----\r\n--\r\n\r\n";
    let bodies = descriptions.iter().map(|body| (*body).to_owned()).chain([many]);
    let all = headers.into_iter().chain(bodies.map(|body| ("INVITE", String::new(), body)));
    for (index, (method, more, body)) in all.enumerate() {
        let peer = Raw::new(victim.server.sip, 100 + index as u8);
        peer.send(peer.request(method, "5001", &format!("broken-{index}"), &more, &body));
        let code = status(&peer.answer(method));
        assert!(code == 0 || (200..=606).contains(&code) && code != 500, "{index}: {code}");
        if code == 200 && method == "INVITE" {
            peer.send(peer.request("CANCEL", "5001", &format!("broken-{index}"), "", ""));
        }
    }
    let peer = Raw::new(victim.server.sip, 99);
    let torn = peer.request("INVITE", "5001", "torn", "", "").replace("Content-Length: 0\r\n\r\n", multipart);
    peer.send(torn);
    let code = status(&peer.answer("INVITE"));
    assert!((400..500).contains(&code), "{code}");
    victim.stands();
}

#[test]
fn a09_a_space_before_the_colon_does_not_hide_a_header() {
    let victim = Victim::new(Setup::default());
    let peer = Raw::new(victim.server.sip, STRANGER);
    for (id, field) in [
        ("pai-a", "P-Asserted-Identity"),
        ("pai-b", "P-Asserted-Identity "),
        ("pai-c", "p-asserted-identity\t"),
    ] {
        let more =
            format!("{field}: <sip:+4930111@127.0.0.1>\r\nRemote-Party-ID : <sip:+4930111@127.0.0.1>\r\n");
        peer.send(peer.request("INVITE", "5999", id, &more, &peer.offer(9)));
        assert_eq!(status(&peer.answer("INVITE")), 404);
        peer.send(peer.request("ACK", "5999", id, "", ""));
    }
    let more = "P-Asserted-Identity : <sip:+4930111@127.0.0.1>\r\n";
    peer.send(peer.request("INVITE", "5001", "pai-call", more, &peer.offer(9)));
    let answer = peer.answer("INVITE");
    assert_eq!(status(&answer), 200);
    let tag = format!(";tag={}\r\nCall-ID", to_tag(&answer.expect("an answer")));
    for method in ["ACK", "BYE"] {
        let cseq = if method == "ACK" { "CSeq: 1 ACK\r\n" } else { "CSeq: 2 BYE\r\n" };
        let request = peer.request(method, "5001", "pai-call", cseq, "").replacen("\r\nCall-ID", &tag, 1);
        peer.send(request.replacen("branch=z9hG4bK-", &format!("branch=z9hG4bK-{method}"), 1));
    }
    assert_eq!(status(&peer.answer("BYE")), 200);
    // A second length, hidden behind a space, is a conflict and not the one that counts.
    let mut stream = raw::connect(victim.server.sip);
    let smuggled =
        peer.request("OPTIONS", "5001", "outer", "Content-Length : 5\r\n", "").replace("/UDP", "/TCP");
    stream.write_all(smuggled.as_bytes()).expect("loopback");
    let mut buffer = [0; 4096];
    let length = stream.read(&mut buffer).unwrap_or(0);
    assert!(
        length == 0 || buffer.starts_with(b"SIP/2.0 400"),
        "{}",
        String::from_utf8_lossy(&buffer[..length])
    );
    let spoofed = |call: &Value| call.to_string().contains("4930111");
    assert!(!victim.calls().iter().any(spoofed), "{:#?}", victim.calls());
    victim.stands();
}

#[test]
fn a10_oversize_parameters_and_broken_rtcp() {
    let victim = Victim::new(Setup::default());
    let long = "x".repeat(30_000);
    for (index, (of, by)) in [
        (";tag=raw-", format!(";tag={long}")),
        (";rport;", format!(";rport;{long}={long};")),
        ("Max-Forwards", format!("{}: y\r\nMax-Forwards", &long[..20_000])),
        ("<sip:raw@", format!("<sip:{long}@")),
        ("Contact: ", format!("Contact: \"{long}\" ")),
    ]
    .into_iter()
    .enumerate()
    {
        let peer = Raw::new(victim.server.sip, 100 + index as u8);
        let request = peer.request("OPTIONS", "5001", &format!("big-{index}"), "", "").replacen(of, &by, 1);
        assert!(request.len() > 15_000);
        peer.send(request);
        let code = status(&peer.answer("OPTIONS"));
        assert!(code == 0 || (200..=606).contains(&code) && code != 500, "{index}: {code}");
    }
    let mut call = Call::begin(&victim.server, STRANGER, "5001", "rtcp");
    let own = call.media.try_clone().expect("a socket");
    call.press(&own, 3);
    // Lengths that lie, empty reports, a source description without an end, a packet of T.38, and what is no packet at all.
    let crash: [&[u8]; 8] = [
        &[0x80, 200, 0xff, 0xff],
        &[0x9f, 201, 0, 1, 0, 0, 0, 1],
        &[0x81, 202, 0, 2, 0, 0, 0, 1, 1, 255, 65, 65],
        &[0x80, 203, 0, 0],
        &[0xbf, 205, 0, 3, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0],
        &[0x81, 204, 0, 0, 0x80, 200, 0, 0],
        &[0, 0, 0x80, 0xff, 0xff, 0xff, 0xff, 0x7f],
        &[0x80],
    ];
    for packet in crash {
        for port in [call.port, call.port + 1] {
            let _ = own.send_to(packet, (call.peer.server.ip(), port));
        }
    }
    call.press(&own, 4);
    sleep(Duration::from_millis(300));
    call.hang_up();
    let heard = wait_for(Duration::from_secs(5), || {
        victim.calls().iter().find(|call| call["from"] == "raw").map(|call| call["digits"].clone())
    });
    assert_eq!(heard, Some("34".into()));
    victim.stands();
}

#[test]
fn a11_markup_and_control_characters_are_inert() {
    let victim = Victim::new(Setup { max_calls: 20, ..Setup::default() });
    let payloads = [
        "<script>alert(1)</script>",
        "=cmd|' /C calc'!A0",
        "';DROP TABLE calls;--",
        "\x1b[2J\x1b]0;owned\x07",
        "${jndi:ldap://x/y}",
        "%0d%0aX-Evil:%201",
        "\u{202e}\u{0000}",
    ];
    for (index, payload) in payloads.iter().enumerate() {
        let peer = Raw::new(victim.server.sip, 100 + index as u8);
        let request = peer
            .request("INVITE", "5001", &format!("inert-{index}"), "", &peer.offer(9))
            .replacen("From: <sip:raw@", &format!("From: \"{payload}\" <sip:raw{payload}@"), 1)
            .replacen(raw::PHONE, payload, 1)
            .replacen("Call-ID: ", &format!("Call-ID: {payload}"), 1);
        peer.send(request);
        peer.answer("INVITE");
        peer.send(peer.request("OPTIONS", payload, &format!("ask-{index}"), "", ""));
    }
    sleep(Duration::from_millis(500));
    let is_inert =
        |text: &str| text.chars().all(|c| c == '\n' || c == '\t' || !c.is_control() && c != '\u{202e}');
    for arguments in [["calls", "--last", "1000"].as_slice(), &["calls", "--last", "1000", "--json"]] {
        let shown = victim.server.cli(arguments, "").good();
        assert!(is_inert(&shown), "{shown:?}");
    }
    let log = victim.server.log();
    let ours: String = log.lines().filter(|line| line.contains("inert") || line.contains("raw")).collect();
    assert!(is_inert(&ours), "{ours:?}");
    victim.stands();
}
