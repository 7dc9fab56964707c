//! Nothing from outside makes the stack panic, grow without limit or talk without end.

use crate::support::{Bench, SDP, invite, request, tcp};
use passline_identity::Secret;
use passline_sip::message::{Frame, Framer, Message, Uri, exercise};
use passline_sip::*;
use proptest::prelude::*;
use std::sync::Arc;
use std::time::Duration;

/// A message with some octets replaced, removed or inserted.
fn mutated() -> impl Strategy<Value = Vec<u8>> {
    let seeds = prop::sample::select(vec![
        invite("z9hG4bKa", 1, SDP),
        request("OPTIONS", "z9hG4bKb", 2, "", "Accept: application/sdp\r\nRequire: timer\r\n", ""),
        request("BYE", "z9hG4bKc", 3, "x", "Reason: Q.850;cause=16\r\n", ""),
        request("CANCEL", "z9hG4bKa", 1, "", "", ""),
        request("INFO", "z9hG4bKd", 4, "x", "c: application/dtmf-relay\r\n", "Signal=5\r\nDuration=100\r\n"),
        request("PRACK", "z9hG4bKe", 5, "x", "RAck: 7 1 INVITE\r\nc: application/sdp\r\n", SDP),
        request("REFER", "z9hG4bKf", 6, "x", "Refer-To: <sip:d@h?Replaces=c%3Bto-tag%3D1%3Bfrom-tag%3D2>\r\nRefer-Sub: false\r\n", ""),
        request("NOTIFY", "z9hG4bKg", 7, "x", "Event: refer;id=2\r\nSubscription-State: active;expires=9\r\nc: message/sipfrag\r\n", "SIP/2.0 180 R\r\n"),
        request("INVITE", "z9hG4bKh", 8, "", "Require: 100rel\r\nSession-Expires: 90;refresher=uas\r\nk: timer\r\nReplaces: c;to-tag=1;from-tag=2\r\nHistory-Info: <sip:a@b?R=x>;index=1.1\r\n", SDP),
        request("UPDATE", "z9hG4bKi", 9, "x", "Contact: <sip:a@b>\r\nx: 100;refresher=uac\r\nk: timer\r\nc: application/sdp\r\n", SDP),
        "SIP/2.0 200 OK\r\nv: SIP/2.0/UDP [::1]:5060;branch=z9hG4bKz;rport\r\nf: \"a\" <sip:a@b>;tag=1\r\nt: <tel:+1>\r\ni: x\r\nCSeq: 1 INVITE\r\n\r\n".to_owned(),
    ]);
    let edits = prop::collection::vec(
        (
            any::<prop::sample::Index>(),
            0..3u8,
            prop::sample::select(b"\r\n \t:;,<>\"\\@%[]=?/0a\0\xff".to_vec()),
        ),
        0..8,
    );
    (seeds, edits).prop_map(|(seed, edits)| {
        let mut bytes = seed.into_bytes();
        for (at, kind, octet) in edits {
            let at = at.index(bytes.len().max(1)).min(bytes.len().saturating_sub(1));
            match kind {
                0 if !bytes.is_empty() => bytes[at] = octet,
                1 if !bytes.is_empty() => drop(bytes.remove(at)),
                _ => bytes.insert(at, octet),
            }
        }
        bytes
    })
}

/// Almost the values of Authorization and WWW-Authenticate.
fn digest_value() -> impl Strategy<Value = String> {
    let name = prop::sample::select(vec![
        "username",
        "realm",
        "nonce",
        "uri",
        "response",
        "algorithm",
        "cnonce",
        "opaque",
        "qop",
        "nc",
        "stale",
        "userhash",
        "x y",
        "",
    ]);
    let value = prop::sample::select(vec![
        "\"bob\"",
        "\"passline\"",
        "\"sip:192.0.2.1\"",
        "MD5",
        "SHA-256",
        "\"SHA-512-256-sess\"",
        "auth",
        "\"auth,auth-int\"",
        "00000001",
        "true",
        "\"a\\\"b\"",
        "\"",
        "",
        "\"x",
        "=",
        "\"\u{fffd}\u{7}\"",
    ]);
    let params =
        prop::collection::vec((name, value, prop::sample::select(vec![",", ", ", " ,,", ";", " "])), 0..12);
    let scheme = prop::sample::select(vec!["Digest ", "digest\t", "Basic ", "Digest", ""]);
    (scheme, params).prop_map(|(scheme, params)| {
        let params: String =
            params.into_iter().map(|(name, value, end)| format!("{name}={value}{end}")).collect();
        format!("{scheme}{params}").replace(['\r', '\n'], " ")
    })
}

/// Messages of a stream that is read in pieces, up to the loss of its framing.
fn frames(octets: &[u8], step: usize) -> Vec<Vec<u8>> {
    let mut framer = Framer::new(65_535, 256);
    let mut found = Vec::new();
    for piece in octets.chunks(step) {
        framer.push(piece);
        while let Some(frame) = framer.next_frame() {
            match frame {
                Frame::Message(message) => found.push(message),
                Frame::Ping => {}
                Frame::Lost { .. } => {
                    found.push(b"lost".to_vec());
                    return found;
                }
            }
        }
    }
    found
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn parsers_take_any_octets(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        exercise(&bytes);
    }

    #[test]
    fn parsers_take_almost_messages(bytes in mutated()) {
        exercise(&bytes);
    }

    #[test]
    fn a_user_agent_takes_almost_messages(messages in prop::collection::vec(mutated(), 1..12), accept in any::<bool>()) {
        let mut bench = Bench::new();
        let path = bench.path;
        for bytes in &messages {
            bench.input(Input::Datagram { path, bytes });
            for event in bench.happened() {
                if let Event::Incoming { call, .. } = event {
                    bench.command(if accept { Command::Accept { call, sdp: SDP.into() } } else { Command::Reject { call, status: 486, reason: None, retry_after: None, warning: None } });
                }
            }
        }
        prop_assert!(bench.sent.iter().all(|(_, _, bytes)| Message::parse(bytes, 99).is_ok_and(|m| m.flaw.is_none())));
        bench.pass(Duration::from_secs(200));
        prop_assert_eq!((bench.ua.calls(), bench.ua.transactions(), bench.ua.deadline()), (0, 0, None));
    }

    #[test]
    fn streams_take_almost_messages_in_any_pieces(messages in prop::collection::vec(mutated(), 1..6), step in 1..200usize) {
        let path = tcp("192.0.2.1:5060", "192.0.2.9:40000", 1);
        let mut bench = Bench::with(Config::default(), path);
        bench.input(Input::Connected { path });
        for piece in messages.concat().chunks(step) {
            bench.input(Input::Stream { path, bytes: piece });
        }
        bench.input(Input::Closed { connection: 1 });
        bench.pass(Duration::from_secs(200));
        prop_assert_eq!(bench.ua.transactions(), 0);
    }

    #[test]
    fn uris_print_as_they_were_parsed(user in "[a-z0-9%+*#;=-]{1,12}", host in prop::sample::select(vec!["h.example", "192.0.2.1", "[2001:db8::1]"]), port in prop::option::of(1..65535u16), params in "(;[a-z]{1,4}(=[a-z0-9]{1,4})?){0,3}") {
        let port = port.map(|p| format!(":{p}")).unwrap_or_default();
        let text = format!("sip:{user}@{host}{port}{params}");
        let uri = Uri::parse(&text).unwrap();
        prop_assert_eq!(uri.to_string(), text.clone());
        let printed = uri.to_string();
        prop_assert_eq!(Uri::parse(&printed).unwrap().number(), uri.number());
    }

    #[test]
    fn digest_values_of_any_kind(value in digest_value()) {
        passline_sip::auth::exercise(&value);
        let account = Account { user: "bob".into(), password: Arc::new(Secret::new("x")), max_contacts: 1 };
        let config = Config { registrar: true, accounts: vec![account], ..Config::default() };
        let mut bench = Bench::with(config, crate::support::udp("192.0.2.1:5060", "192.0.2.9:5060"));
        let field = format!("Authorization: {value}\r\n");
        bench.receive(&request("REGISTER", "z9hG4bKr", 1, "", &field, ""));
        bench.receive(&request("INVITE", "z9hG4bKi", 2, "", &format!("Contact: <sip:a@192.0.2.9>\r\n{field}"), ""));
        prop_assert!(bench.ua.bindings("bob").is_empty());
        let events = bench.happened();
        let proven = |event: &Event| matches!(event, Event::Incoming { info, .. } if info.account.is_some());
        prop_assert!(!events.iter().any(proven));
        // And as a challenge to our own INVITE.
        let mut bench = Bench::new();
        let call = bench.ua.next_call_handle();
        let (to, from) = ("sip:5000@192.0.2.9".to_owned(), "sip:demo@192.0.2.1".to_owned());
        let credentials = Some(Credentials { user: "bob".into(), password: Arc::new(Secret::new("zanzibar")), realm: None });
        let invite = Invite { credentials, ..Invite::new(call, to, from, bench.path, SDP.into()) };
        bench.command(Command::Invite(Box::new(invite)));
        let mut last = bench.last();
        for _ in 0..6 {
            bench.receive(&crate::support::response(last.as_bytes(), 401, "t", &format!("WWW-Authenticate: {value}\r\n"), ""));
            last = bench.last();
            if !last.starts_with("INVITE") {
                break;
            }
        }
        prop_assert!(last.starts_with("ACK"), "it ends: {last}");
        prop_assert!(bench.sent.iter().all(|(_, _, bytes)| Message::parse(bytes, 99).is_ok_and(|m| m.flaw.is_none())));
        prop_assert!(!bench.sent.iter().any(|(_, _, bytes)| String::from_utf8_lossy(bytes).contains("zanzibar")));
    }

    #[test]
    fn a_stream_yields_the_same_in_any_pieces(messages in prop::collection::vec(mutated(), 1..6), step in 1..200usize) {
        let octets = messages.concat();
        prop_assert_eq!(frames(&octets, step), frames(&octets, octets.len()));
    }
}
