//! Attacks on a call that stands: its audio, its credentials, its dialog.
use super::{Call, EVIL, STRANGER, Victim, drain, event};
use passline_tests::{
    raw::{self, Raw, header, status, to_tag},
    server::Setup,
    wait_for,
};
use serde_json::Value;
use std::{net::UdpSocket, thread::sleep, time::Duration};

#[test]
fn a01_rtp_from_elsewhere_is_neither_heard_nor_answered() {
    let victim = Victim::new(Setup::default());
    let off_path = UdpSocket::bind(raw::stranger(EVIL)).expect("a socket");
    // Same address as the caller's signalling, but another port: somebody behind the same NAT.
    let neighbour = UdpSocket::bind(raw::stranger(STRANGER)).expect("a socket");
    // Before any call: every port of the range.
    for port in victim.server.rtp_first..=victim.server.rtp_last {
        let _ = off_path.send_to(&event(&mut 7, 9)[0], ("127.0.0.1", port));
    }
    let mut call = Call::begin(&victim.server, STRANGER, "5001", "bleed");
    call.press(&off_path, 9);
    let own = call.media.try_clone().expect("a socket");
    call.press(&own, 1);
    for _ in 0..3 {
        call.press(&off_path, 9);
        call.press(&neighbour, 8);
    }
    call.press(&own, 2);
    sleep(Duration::from_millis(300));
    assert!(drain(&own) > 10, "the caller still hears the server");
    call.hang_up();
    call.press(&off_path, 9);
    sleep(Duration::from_millis(300));
    assert_eq!((drain(&off_path), drain(&neighbour)), (0, 0), "nothing is sent to them");
    let heard = |call: &&Value| call["from"] == "raw";
    let calls = wait_for(Duration::from_secs(5), || {
        Some(victim.calls()).filter(|calls| calls.iter().any(|c| heard(&c)))
    });
    let calls = calls.unwrap_or_default();
    assert_eq!(calls.iter().find(heard).map(|call| call["digits"].clone()), Some("12".into()), "{calls:#?}");
    victim.stands();
}

#[test]
fn a02_a_challenge_to_our_bye_is_not_answered() {
    let victim = Victim::new(Setup { rtp_timeout_s: 2, ..Setup::default() });
    let call = Call::begin(&victim.server, STRANGER, "5001", "leak");
    let bye = wait_for(Duration::from_secs(10), || {
        call.peer.receive(Duration::from_millis(200)).filter(|text| text.starts_with("BYE "))
    });
    let bye = bye.expect("the server hangs up where no media comes");
    let copied: String = ["Via", "From", "To", "Call-ID", "CSeq"]
        .iter()
        .map(|name| format!("{name}: {}\r\n", header(&bye, name).expect("every request has it")))
        .collect();
    for (code, field) in [(401, "WWW-Authenticate"), (407, "Proxy-Authenticate")] {
        let challenge = format!(
            "SIP/2.0 {code} Who?\r\n{copied}{field}: Digest realm=\"passline\", nonce=\"n\", qop=\"auth\"\r\nContent-Length: 0\r\n\r\n"
        );
        call.peer.send(challenge);
    }
    for text in call.peer.all(Duration::from_millis(1500)) {
        assert!(!text.contains("uthorization:"), "{text}");
        assert_eq!(header(&text, "CSeq"), header(&bye, "CSeq"), "no second BYE: {text}");
    }
    victim.stands();
}

#[test]
fn a13_requests_that_do_not_fit_a_call_change_nothing() {
    let victim = Victim::new(Setup { rtp_timeout_s: 3, ..Setup::default() });
    let call = Call::begin(&victim.server, STRANGER, "5001", "stray");
    let evil = Raw::new(victim.server.sip, EVIL);
    // From elsewhere, without tags.
    for (method, code) in [("BYE", 481), ("CANCEL", 481)] {
        let id = &format!("stray-{method}");
        let text =
            evil.request(method, "5001", id, "CSeq: 5 X\r\n", "").replace("5 X", &format!("5 {method}"));
        evil.send(text.replacen(
            &format!("Call-ID: {id}@{}", evil.me),
            &format!("Call-ID: stray@{}", call.peer.me),
            1,
        ));
        assert_eq!(status(&evil.answer(method)), code, "{method} without tags");
    }
    // A lower CSeq in the dialog is refused (RFC 3261 section 12.2.2), so is a tag that is not ours.
    call.send("INFO", 10, "");
    call.peer.answer("INFO");
    call.send("BYE", 3, "");
    assert_eq!(status(&call.peer.answer("BYE")), 500, "a lower CSeq");
    call.peer.send(call.text("BYE", 20, "").replacen(&call.tag, "0000000000000000", 1));
    assert_eq!(status(&call.peer.answer("BYE")), 481, "a tag that is not ours");
    // Copies of an INVITE make one call; the same request by another way is a loop (RFC 3261 section 8.2.2.2).
    let peer = Raw::new(victim.server.sip, STRANGER);
    let invite = peer.request("INVITE", "5001", "copies", "", &peer.offer(9));
    for _ in 0..5 {
        peer.send(&invite);
    }
    let first = peer.answer("INVITE").expect("an answer");
    assert_eq!(status(&Some(first.clone())), 200);
    peer.send(invite.replacen("branch=z9hG4bK-", "branch=z9hG4bK-other-", 1));
    let rest = peer.all(Duration::from_millis(400));
    assert!(rest.iter().any(|text| text.starts_with("SIP/2.0 482")), "{rest:#?}");
    let tags: Vec<_> =
        rest.iter().filter(|text| text.starts_with("SIP/2.0 200")).map(|text| to_tag(text)).collect();
    assert!(tags.iter().all(|tag| *tag == to_tag(&first)), "{tags:?}");
    let ack = peer.request("ACK", "5001", "copies", "", "");
    peer.send(ack.replacen("\r\nCall-ID", &format!(";tag={}\r\nCall-ID", to_tag(&first)), 1));
    // Both callers vanish: no media comes, and the calls end by themselves; nobody answers their BYE for 32 s (timer F).
    let ended = wait_for(Duration::from_secs(50), || {
        (victim.calls().iter().filter(|call| call["from"] == "raw" && !call["codec"].is_null()).count() == 2)
            .then_some(())
    });
    assert!(ended.is_some(), "{:#?}", victim.calls());
    victim.stands();
}
