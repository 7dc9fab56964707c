//! Offers of encrypted audio as SIPp makes them, line by line: what is taken, what is refused, what the answer says
//! (RFC 4568). SIPp has no keys of its own; what is looked at is the negotiation.
use base64ct::{Base64, Encoding};
use passline_tests::{
    server::{Server, Setup},
    sipp::Scenario,
};
use serde_json::Value;

const SHORT: &str = "AES_CM_128_HMAC_SHA1_80";
const SHORTER: &str = "AES_CM_128_HMAC_SHA1_32";
const LONG: &str = "AEAD_AES_256_GCM";
/// A line that says nothing.
const NOTHING: &str = "a=ptime:20";

/// A line with the key that is made of this number.
fn crypto(tag: u32, suite: &str, number: u8, rest: &str) -> String {
    let octets = match suite {
        LONG => 44,
        _ => 30,
    };
    format!("a=crypto:{tag} {suite} inline:{}{rest}", Base64::encode_string(&vec![number; octets]))
}

/// A server with this setting for everybody, or for the trunk that SIPp is.
fn server(rtp: &str, trunk: &str) -> Server {
    let rtp = match rtp {
        "" => String::new(),
        lines => lines.lines().map(|line| format!("  {line}\n")).collect(),
    };
    let more = match trunk {
        "" => String::new(),
        setting => format!("trunks: [{{ name: pbx, host: \"127.0.0.1:5999\", options_s: 0, {setting} }}]\n"),
    };
    Server::start(Setup { rtp, more, ..Setup::default() })
}

/// Runs a scenario with these lines; all messages, and the record of the call.
#[track_caller]
fn offers(server: &Server, file: &str, keys: &[(&str, &str)]) -> (String, Value) {
    let unsaid = ["line_1", "line_2", "line_3", "again_1", "again_2"];
    let unsaid = unsaid.into_iter().filter(|name| keys.iter().all(|(key, _)| key != name));
    let keys: Vec<_> = keys.iter().copied().chain(unsaid.map(|name| (name, NOTHING))).collect();
    let finished = Scenario::new(server, file).keys(&keys).run();
    assert_eq!(finished.code, 0, "{file} {keys:?}: {}\n{}\n{}", finished.out, finished.err, server.log());
    (finished.err, server.call())
}

/// The `a=crypto` lines of each description that came to SIPp, with its profile.
fn answers(messages: &str) -> Vec<(String, Vec<String>)> {
    // Each message of the trace ends where a line of dashes begins.
    let all = messages.split("\n-----").filter(|message| message.contains("\nSIP/2.0 200 "));
    all.filter_map(|answer| {
        let media = answer.lines().find(|line| line.starts_with("m=audio "))?;
        let profile = media.split(' ').nth(2)?.to_owned();
        let lines = answer.lines().filter(|line| line.starts_with("a=crypto:"));
        Some((profile, lines.map(|line| line.trim().to_owned()).collect()))
    })
    .collect()
}

/// An answer's only line: its tag and suite as they are offered, a key as long as it must be and not the offerer's, and
/// neither lifetime nor identifier, which were the offerer's own (RFC 4568 §5.1.2, §6.1). The key.
#[track_caller]
fn answered(lines: &[String], tag: u32, suite: &str) -> String {
    let [line] = lines else { panic!("one line: {lines:?}") };
    let key =
        line.strip_prefix(&format!("a=crypto:{tag} {suite} inline:")).unwrap_or_else(|| panic!("{line}"));
    let octets = Base64::decode_vec(key).unwrap_or_else(|_| panic!("{line}"));
    assert_eq!(octets.len(), if suite == LONG { 44 } else { 30 }, "{line}");
    assert!(octets.windows(2).any(|pair| pair[0] != pair[1]), "no key of the test's: {line}");
    key.to_owned()
}

#[test]
fn a_trunk_that_forbids_encryption_refuses_it_and_takes_plain_audio() {
    let line = crypto(1, SHORT, 5, "");
    let forbids = server("srtp: required", "srtp: off");
    let keys = [("profile", "RTP/SAVP"), ("line_1", line.as_str())];
    let (messages, call) = offers(&forbids, "offer-refused.xml", &keys);
    assert!(messages.contains("\nWarning: 302 passline \"Encrypted audio is not taken here\""), "{messages}");
    assert_eq!(
        (call["trunk"].as_str(), call["diagnosis"]["code"].as_str()),
        (Some("pbx"), Some("only_encrypted"))
    );
    // Beside plain audio it is left out of the answer.
    let forbids = server("srtp: required", "srtp: off");
    let (messages, call) = offers(&forbids, "offer.xml", &[("profile", "RTP/AVP"), ("line_1", &line)]);
    assert_eq!(answers(&messages), [("RTP/AVP".to_owned(), vec![])], "{messages}");
    assert!(call["encryption"].is_null(), "{call:#}");
}

#[test]
fn plain_audio_is_refused_where_encryption_is_required() {
    for (rtp, trunk) in [("srtp: required", ""), ("srtp: off", "srtp: required")] {
        let (messages, call) = offers(&server(rtp, trunk), "offer-refused.xml", &[("profile", "RTP/AVP")]);
        assert!(messages.contains("\nWarning: 302 passline \"Plain audio is not taken here, offer SRTP\""));
        assert_eq!(call["diagnosis"]["code"], "only_plain", "{call:#}");
    }
}

#[test]
fn keys_beside_plain_audio_are_answered_with_ours() {
    let line = crypto(4, SHORT, 5, "");
    for rtp in ["", "srtp: optional", "srtp: required"] {
        let keys = [("profile", "RTP/AVP"), ("line_2", line.as_str())];
        let (messages, call) = offers(&server(rtp, ""), "offer.xml", &keys);
        let answers = answers(&messages);
        assert_eq!(answers[0].0, "RTP/AVP");
        answered(&answers[0].1, 4, SHORT);
        assert_eq!(call["encryption"], SHORT, "{call:#}");
    }
}

#[test]
fn the_first_line_that_is_known_is_taken_with_its_tag() {
    let unknown = format!("a=crypto:1 F8_128_HMAC_SHA1_80 inline:{}", Base64::encode_string(&[5; 30]));
    let (first, second) = (crypto(27, SHORTER, 6, ""), crypto(3, LONG, 7, ""));
    let (profile, lines) = (("profile", "RTP/SAVP"), [&unknown, &first, &second]);
    let keys = [profile, ("line_1", lines[0]), ("line_2", lines[1]), ("line_3", lines[2])];
    let (messages, call) = offers(&server("", ""), "offer.xml", &keys);
    let answers = answers(&messages);
    assert_eq!(answers[0].0, "RTP/SAVP");
    answered(&answers[0].1, 27, SHORTER);
    assert_eq!(call["encryption"], SHORTER);
    // None that is known.
    let keys = [profile, ("line_1", lines[0])];
    let (messages, call) = offers(&server("", ""), "offer-refused.xml", &keys);
    assert!(messages.contains("\nWarning: 302 ") && messages.contains("F8_128_HMAC_SHA1_80"), "{messages}");
    assert_eq!(call["diagnosis"]["code"], "unknown_encryption", "{call:#}");
}

#[test]
fn lifetimes_and_identifiers_of_a_key_stay_on_the_side_that_has_it() {
    // RFC 4568 §6.1: both say how the offerer sends; a line whose values cannot be is left out like one that is unknown.
    let second = crypto(1, SHORT, 8, "|2:4").split_off("a=crypto:1 AES_CM_128_HMAC_SHA1_80 ".len());
    let good = [
        crypto(1, SHORT, 5, "|2^20"),
        crypto(1, SHORT, 5, "|2^31|1:1"),
        crypto(1, SHORT, 5, "|1:4"),
        format!("{};{second}", crypto(1, SHORT, 5, "|2^20|1:4")),
        crypto(1, SHORT, 5, "|2^20|1:4 WSH=64"),
    ];
    let bad = [
        crypto(1, SHORT, 5, "|2^49"),
        crypto(1, SHORT, 5, "|2^20|1:129"),
        format!("{};{second}", crypto(1, SHORT, 5, "|2^20|2:4")),
        crypto(1, SHORT, 5, "|2^20 UNENCRYPTED_SRTP"),
        crypto(1, SHORT, 5, "|2^20 KDR=4"),
    ];
    let (server, fallback) = (server("", ""), crypto(2, SHORTER, 6, ""));
    let rows = good.iter().map(|line| (line, 1, SHORT)).chain(bad.iter().map(|line| (line, 2, SHORTER)));
    for (line, tag, suite) in rows {
        let keys = [("profile", "RTP/SAVP"), ("line_1", line.as_str()), ("line_2", fallback.as_str())];
        let finished = {
            let rest = ["line_3", "again_1", "again_2"].map(|name| (name, NOTHING));
            Scenario::new(&server, "offer.xml").keys(&[&keys[..], &rest].concat()).run()
        };
        assert_eq!(finished.code, 0, "{line}: {}\n{}", finished.out, finished.err);
        answered(&answers(&finished.err)[0].1, tag, suite);
    }
}

#[test]
fn new_keys_in_a_reinvite_are_answered_and_the_call_goes_on() {
    let (first, again) = (crypto(1, SHORT, 5, ""), crypto(2, SHORT, 9, "|2^31|3:1"));
    let keys = [
        ("profile", "RTP/SAVP"),
        ("line_1", first.as_str()),
        ("profile_again", "RTP/SAVP"),
        ("again_1", again.as_str()),
    ];
    let (messages, call) = offers(&server("", ""), "reoffer.xml", &keys);
    let [before, after] = &answers(&messages)[..] else { panic!("two answers: {messages}") };
    assert_eq!((before.0.as_str(), after.0.as_str()), ("RTP/SAVP", "RTP/SAVP"));
    answered(&before.1, 1, SHORT);
    answered(&after.1, 2, SHORT);
    assert_eq!(
        (call["digits"].as_str(), call["outcome"].as_str()),
        (Some("12"), Some("caller_left")),
        "{call:#}"
    );
    // A stronger suite is welcome, under a key of its own.
    let stronger = crypto(1, LONG, 9, "");
    let keys = [keys[0], keys[1], keys[2], ("again_1", stronger.as_str()), ("again_2", again.as_str())];
    let (messages, call) = offers(&server("", ""), "reoffer.xml", &keys);
    answered(&answers(&messages)[1].1, 1, LONG);
    assert_eq!((call["encryption"].as_str(), call["digits"].as_str()), (Some(LONG), Some("12")), "{call:#}");
}

#[test]
fn a_reinvite_that_would_weaken_a_call_is_refused_unless_it_is_allowed() {
    let (first, weaker) = (crypto(1, SHORT, 5, ""), crypto(1, SHORTER, 9, ""));
    let offered = |profile, line| {
        [("profile", "RTP/SAVP"), ("line_1", first.as_str()), ("profile_again", profile), ("again_1", line)]
    };
    for (profile, line) in [("RTP/SAVP", weaker.as_str()), ("RTP/AVP", weaker.as_str()), ("RTP/AVP", NOTHING)]
    {
        let keys = offered(profile, line);
        let (messages, call) = offers(&server("", ""), "reoffer-refused.xml", &keys);
        assert!(messages.contains("\nWarning: 302 "), "{messages}");
        assert_eq!(
            (call["encryption"].as_str(), call["digits"].as_str()),
            (Some(SHORT), Some("12")),
            "{call:#}"
        );
        // By policy of everybody, or of the trunk.
        let allowed = match profile {
            "RTP/SAVP" => server("srtp_may_weaken: true", ""),
            _ => server("", "srtp_may_weaken: true"),
        };
        let (messages, call) = offers(&allowed, "reoffer.xml", &keys);
        let suite = match line {
            NOTHING => {
                assert_eq!(answers(&messages)[1], ("RTP/AVP".to_owned(), vec![]), "{messages}");
                None
            }
            _ => {
                answered(&answers(&messages)[1].1, 1, SHORTER);
                Some(SHORTER)
            }
        };
        assert_eq!((call["encryption"].as_str(), call["digits"].as_str()), (suite, Some("12")), "{call:#}");
    }
}
