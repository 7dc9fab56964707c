//! What strangers may leave behind, have done for them, learn, or turn against others.
use super::{Call, EVIL, STRANGER, Victim, served};
use passline_tests::{
    raw::{self, Raw, status, to_tag},
    server::{Server, Setup},
    vitals::Vitals,
};
use std::{thread::sleep, time::Duration};

#[test]
fn a05_state_is_bounded_under_a_flood() {
    // More than what strangers may leave unacknowledged.
    let victim = Victim::new(Setup { max_calls: 40, ..Setup::default() });
    let evil = Raw::new(victim.server.sip, EVIL);
    let offer = evil.offer(9);
    // Calls that nobody acknowledges, registrations, questions: each with a Call-ID of its own.
    for index in 0..4000 {
        let method = ["INVITE", "REGISTER", "OPTIONS", "SUBSCRIBE"][index % 4];
        let body = if method == "INVITE" { &offer } else { "" };
        evil.send(evil.request(method, "5001", &format!("flood-{index}"), "", body));
        if index % 50 == 0 {
            sleep(Duration::from_millis(5));
        }
    }
    victim.stands();
}

#[test]
fn a06_nothing_is_done_for_strangers() {
    let victim = Victim::new(Setup::default());
    let peer = Raw::new(victim.server.sip, STRANGER);
    let premium = Raw::new(victim.server.sip, 68);
    let target = format!("Refer-To: <sip:+4990012345@{}>\r\n", premium.me);
    for (method, more) in [
        ("MESSAGE", ""),
        ("SUBSCRIBE", "Event: presence\r\n"),
        ("PUBLISH", "Event: presence\r\n"),
        ("NOTIFY", "Event: presence\r\nSubscription-State: active\r\n"),
        ("REFER", target.as_str()),
        ("REGISTER", ""),
    ] {
        peer.send(peer.request(method, "5001", &format!("no-{method}"), more, ""));
        let code = status(&peer.answer(method));
        assert!((400..700).contains(&code), "{method}: {code}");
    }
    // Numbers of the world, and a transfer from inside of a call.
    for number in ["+4990012345", "004990012345", "900", "201"] {
        peer.send(peer.request("INVITE", number, &format!("toll-{number}"), "", &peer.offer(9)));
        assert_eq!(status(&peer.answer("INVITE")), 404, "{number}");
    }
    let call = Call::begin(&victim.server, STRANGER, "5001", "fraud");
    call.send("REFER", 2, &target);
    let code = status(&call.peer.answer("REFER"));
    assert!((400..700).contains(&code), "REFER in a call: {code}");
    call.hang_up();
    assert_eq!(premium.receive(Duration::from_millis(800)), None, "nobody is called");
    victim.stands();
}

#[test]
fn a14_answers_tell_nothing_apart() {
    let more = "devices:\n  - { extension: 201, password_file: phone.password }\n";
    let server = Server::prepare(Setup { more: more.into(), ..Setup::default() });
    server.secret("phone.password", "correct horse");
    let mut server = server;
    server.restart();
    served(&server);
    let before = Vitals::of(server.process().id());
    let victim = Victim { server, before };
    // What is said to a number or a user that exists, and to one that does not, differs in nothing but what was asked.
    let shape = |text: String| -> Vec<String> {
        let quiet = |line: &str| match line.split_once(':') {
            Some((name, _)) if ["Via", "From", "To", "Call-ID", "CSeq"].contains(&name) => name.to_owned(),
            Some((name, value)) if name == "WWW-Authenticate" => {
                let parts = value.split(',').map(|part| if part.contains("nonce") { "nonce" } else { part });
                format!("{name}:{}", parts.collect::<Vec<_>>().join(","))
            }
            _ => line.to_owned(),
        };
        text.lines().map(quiet).collect()
    };
    let peer = Raw::new(victim.server.sip, STRANGER);
    let asked = |number: &str| {
        peer.send(peer.request("INVITE", number, &format!("who-{number}"), "", &peer.offer(9)));
        let answer = peer.answer("INVITE").expect("an answer");
        peer.send(peer.request("ACK", number, &format!("who-{number}"), "", ""));
        shape(answer)
    };
    assert_eq!(asked("201"), asked("299"), "INVITE to an extension");
    let registered = |user: &str, id: &str, more: &str| {
        let request = peer.request("REGISTER", user, id, more, "");
        peer.send(request.replacen("From: <sip:raw@", &format!("From: <sip:{user}@"), 1));
        peer.answer("REGISTER").expect("an answer")
    };
    let (known, unknown) = (registered("201", "reg-a", ""), registered("299", "reg-b", ""));
    assert_eq!(status(&Some(known.clone())), 401, "{known}");
    assert_eq!(shape(known.clone()), shape(unknown), "REGISTER");
    let nonce =
        known.split_once("nonce=\"").expect("a nonce").1.split('"').next().unwrap_or_default().to_owned();
    let wrong = |user: &str| {
        format!(
            "CSeq: 2 REGISTER\r\nAuthorization: Digest username=\"{user}\", realm=\"passline\", nonce=\"{nonce}\", uri=\"sip:{user}@{}\", \
             response=\"{}\", algorithm=MD5, qop=auth, nc=00000001, cnonce=\"c\"\r\n",
            victim.server.sip,
            "0".repeat(32)
        )
    };
    let known = registered("201", "reg-c", &wrong("201"));
    let unknown = registered("299", "reg-d", &wrong("299"));
    assert_eq!(shape(known.clone()), shape(unknown), "REGISTER with a wrong password");
    assert!(!known.contains("0.1.0"), "no version is told: {known}");
    // Media aimed at the server itself.
    let call = Raw::new(victim.server.sip, STRANGER);
    call.send(call.request(
        "INVITE",
        "5001",
        "loop",
        "",
        &call.offer(victim.server.rtp_first).replace("127.0.0.67", "127.0.0.1"),
    ));
    let answer = call.answer("INVITE");
    if status(&answer) == 200 {
        let tag = format!(";tag={}\r\nCall-ID", to_tag(&answer.expect("an answer")));
        call.send(call.request("ACK", "5001", "loop", "", "").replacen("\r\nCall-ID", &tag, 1));
        sleep(Duration::from_millis(800));
        let bye = call.request("BYE", "5001", "loop", "CSeq: 2 BYE\r\n", "").replacen("\r\nCall-ID", &tag, 1);
        call.send(bye.replacen("branch=z9hG4bK-", "branch=z9hG4bK-bye-", 1));
        assert_eq!(status(&call.answer("BYE")), 200);
    }
    victim.stands();
}

#[test]
fn a15_no_amplification() {
    let victim = Victim::new(Setup { max_calls: 20, ..Setup::default() });
    // Short requests of a forged source, each with an address of its own: all that comes back is less than what was sent.
    for (index, method) in ["OPTIONS", "INVITE", "REGISTER", "SUBSCRIBE", "BYE"].iter().enumerate() {
        let peer = Raw::new(victim.server.sip, 100 + index as u8);
        let short = format!(
            "{method} sip:5001@x SIP/2.0\r\nv:SIP/2.0/UDP {};branch=z9hG4bKq\r\nf:<sip:a@x>;tag=a\r\nt:<sip:b@x>\r\ni:{index}\r\n\
             CSeq:1 {method}\r\nm:<sip:a@x>\r\n\r\n",
            peer.me
        );
        let long = peer.request(method, "5001", &format!("back-{index}"), "", &peer.offer(9));
        let (mut sent, mut received) = (0, 0);
        for request in [short, long] {
            peer.send(&request);
            sent += request.len();
            received += peer.all(Duration::from_millis(2500)).iter().map(String::len).sum::<usize>();
            assert!(received <= sent, "{method}: {received} octets for {sent}");
        }
    }
    let stun = Raw::new(victim.server.sip, EVIL);
    stun.send(b"\x00\x01\x00\x00\x21\x12\xa4\x42abcdefghijkl");
    assert_eq!(stun.receive(Duration::from_millis(500)), None, "STUN");
    victim.stands();
}

#[test]
fn a17_scanners_are_known_and_get_nothing_any_more() {
    let victim = Victim::new(Setup::default());
    for (index, name) in
        ["friendly-scanner", "sipvicious", "sipcli/v1.8", "VaxSIPUserAgent/3.1"].iter().enumerate()
    {
        let scanner = Raw::new(victim.server.sip, 110 + index as u8);
        let text =
            scanner.request("OPTIONS", "100", &format!("scan-{index}"), "", "").replacen(raw::PHONE, name, 1);
        scanner.send(text);
        assert_eq!(scanner.receive(Duration::from_millis(400)), None, "{name}");
        // From now on the source gets nothing at all, whatever it calls itself.
        scanner.send(scanner.request("OPTIONS", "5001", &format!("after-{index}"), "", ""));
        assert_eq!(scanner.receive(Duration::from_millis(400)), None, "{name}, banned");
    }
    // Another name of nobody's, but the habit of one: user after user.
    let svwar = Raw::new(victim.server.sip, 120);
    for number in 100..200 {
        svwar.send(svwar.request(
            "INVITE",
            &number.to_string(),
            &format!("war-{number}"),
            "",
            &svwar.offer(9),
        ));
        sleep(Duration::from_millis(2));
    }
    svwar.all(Duration::from_millis(300));
    svwar.send(svwar.request("OPTIONS", "5001", "war-after", "", ""));
    assert_eq!(svwar.receive(Duration::from_millis(400)), None, "who tries numbers is banned");
    // A stranger who does nothing of the kind is answered.
    let stranger = Raw::new(victim.server.sip, STRANGER);
    stranger.send(stranger.request("OPTIONS", "5001", "fine", "", ""));
    assert_eq!(status(&stranger.answer("OPTIONS")), 200);
    victim.stands();
}
