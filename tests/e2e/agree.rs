//! tshark and the program's own records must say the same of a call, and every packet must be as promised.
use passline_rtp::Codec;
use passline_tests::{
    capture::{Capture, Packet},
    ear::Ear,
    rtp::{Evenness, Rtp},
    server::Server,
};
use std::collections::BTreeSet;

/// Expedited forwarding (RFC 3246) for media, class selector 3 (RFC 4594) for signalling.
const EF: u8 = 46;
const CS3: u8 = 24;

/// What a call must have been.
pub struct Expected<'a> {
    /// The only codec.
    pub codec: Codec,
    /// Keys pressed.
    pub pressed: &'a str,
    /// The peer's RTP ports, first and last.
    pub media: (u16, u16),
}

/// The finished capture of the server's only call.
pub fn on_the_call(server: &Server, capture: &Capture, expected: &Expected<'_>) {
    let packets = capture.packets();
    let ours = |packet: &Packet| {
        (server.rtp_first..=server.rtp_last).contains(&packet.from.port())
            && (expected.media.0..=expected.media.1).contains(&packet.to.port())
    };
    let port = packets.iter().find(|packet| ours(packet)).expect("RTP from the server").from.port();
    let stream = Rtp::of(&packets, |packet| packet.from.port() == port);
    signalling(server, capture, &packets, &stream);
    codec(&stream, expected);
    evenness(&stream);
    marks(server, &packets, port);
    digits(server, capture, port, expected);
    reports(server, capture, port);
}

/// INVITE, 200, ACK, BYE, 200, and not a packet of RTP before the ACK or after the end.
fn signalling(server: &Server, capture: &Capture, packets: &[Packet], stream: &[Rtp]) {
    let port = server.sip.port();
    let lines = capture.tshark(
        &format!("sip && (udp.port=={port} || tcp.port=={port})"),
        &["sip.Method", "sip.Status-Code", "sip.CSeq.method", "frame.time_epoch"],
    );
    let seen: BTreeSet<_> =
        lines.iter().map(|line| (line[0].as_str(), line[1].as_str(), line[2].as_str())).collect();
    for step in [
        ("INVITE", "", "INVITE"),
        ("", "200", "INVITE"),
        ("ACK", "", "ACK"),
        ("BYE", "", "BYE"),
        ("", "200", "BYE"),
    ] {
        assert!(seen.contains(&step), "{step:?} is missing in {seen:?}");
    }
    let at = |method: &[u8]| {
        packets.iter().find(|packet| packet.payload.starts_with(method)).expect("seen by tshark").at
    };
    let (ack, bye) = (at(b"ACK "), at(b"BYE "));
    let (first, last) = (stream.first().expect("RTP").at, stream.last().expect("RTP").at);
    assert!(first >= ack, "RTP {:?} before the ACK", ack - first);
    assert!(last <= bye + std::time::Duration::from_millis(60), "RTP after the BYE");
}

/// One codec, one source.
fn codec(stream: &[Rtp], expected: &Expected<'_>) {
    let types: BTreeSet<_> = stream.iter().map(|packet| packet.payload_type).collect();
    assert_eq!(types, BTreeSet::from([expected.codec.info().payload_type]));
    let sources: BTreeSet<_> = stream.iter().map(|packet| packet.ssrc).collect();
    assert_eq!(sources.len(), 1, "one SSRC");
    assert!(stream.iter().all(|packet| packet.payload.len() == 160), "20 ms a packet");
}

fn evenness(stream: &[Rtp]) {
    let evenness = Evenness::of(stream);
    assert_eq!((evenness.lost, evenness.disordered, evenness.broken_timestamps), (0, 0, 0));
    let (p50, p99) = (evenness.percentile_ms(50.0), evenness.percentile_ms(99.0));
    eprintln!("{} packets, deviation from 20 ms: p50 {p50:.2} ms, p99 {p99:.2} ms", evenness.packets);
    // No measure of the program on a busy machine, but a stream that halts would be heard.
    assert!(p50 < 10.0, "half of the packets are {p50} ms off");
}

/// Every packet of the server is marked.
fn marks(server: &Server, packets: &[Packet], port: u16) {
    let marks = |chosen: &dyn Fn(&Packet) -> bool| -> BTreeSet<u8> {
        packets.iter().filter(|packet| chosen(packet)).map(|packet| packet.dscp).collect()
    };
    assert_eq!(
        marks(&|packet| [port, port + 1].contains(&packet.from.port())),
        BTreeSet::from([EF]),
        "RTP is marked EF"
    );
    assert_eq!(marks(&|packet| packet.from == server.sip), BTreeSet::from([CS3]), "SIP is marked CS3");
}

/// As many digits as were pressed and as tshark counts, none of them in clear in a call with secrets.
fn digits(server: &Server, capture: &Capture, port: u16, expected: &Expected<'_>) {
    let shark = events(capture, port);
    let call = server.call();
    let hidden = call["digits"].is_null();
    assert_eq!(shark, expected.pressed, "tshark reads the keys that were pressed");
    assert_eq!(call["digit_count"], expected.pressed.len(), "and so many were heard");
    assert!(hidden || call["digits"] == expected.pressed, "{call}");
    assert_eq!(call["dtmf"], "rfc4733");
    assert_eq!(call["codec"], expected.codec.info().name);
    assert_eq!(call["lost"], 0);
}

/// Keys by RFC 4733 towards the server, as tshark decodes them: each event once, by its source and time stamp.
fn events(capture: &Capture, port: u16) -> String {
    let fields = ["rtp.ssrc", "rtp.timestamp", "rtpevent.event_id"];
    let lines = capture.tshark(&format!("rtpevent && udp.dstport == {port}"), &fields);
    let mut seen = BTreeSet::new();
    let fresh = lines.into_iter().filter(|line| seen.insert((line[0].clone(), line[1].clone())));
    let code = |line: Vec<String>| line[2].parse::<usize>().expect("an event");
    fresh.map(|line| b"0123456789*#ABCD"[code(line)] as char).collect()
}

/// A sender report at least, with counts that fit and a name.
fn reports(server: &Server, capture: &Capture, port: u16) {
    let fields = ["rtcp.sender.packetcount", "rtcp.sender.octetcount", "rtcp.sdes.text", "rtcp.ssrc.jitter"];
    let lines = capture.tshark(&format!("rtcp.pt == 200 && udp.srcport == {}", port + 1), &fields);
    assert!(!lines.is_empty(), "no sender report");
    let sent = server.call()["sent"].as_u64().expect("a number");
    let mut before = 0;
    for line in &lines {
        let count = |text: &str| text.split(',').next().and_then(|number| number.parse::<u64>().ok());
        let (packets, octets) = (count(&line[0]).expect("packets"), count(&line[1]).expect("octets"));
        assert!(packets >= before && packets <= sent, "{packets} packets after {before}, {sent} in all");
        assert_eq!(octets, packets * 160);
        assert!(!line[2].is_empty(), "SDES with CNAME");
        before = packets;
    }
    // How the caller sounds, told to it, and kept in the call record.
    let fields = [
        "rtcp.xr.voipmetrics.moscq",
        "rtcp.xr.voipmetrics.rfactor",
        "rtcp.xr.voipmetrics.gmin",
        "_ws.malformed",
    ];
    let told = capture.tshark(&format!("rtcp.xr.bt == 7 && udp.srcport == {}", port + 1), &fields);
    let last = told.last().expect("an extended report");
    let quality = &server.call()["quality"];
    let (mos, r) =
        (quality["mos"].as_f64().expect("a score"), quality["r_factor"].as_f64().expect("a rating"));
    assert!((mos - last[0].parse::<f64>().expect("a score")).abs() < 0.11, "{mos} and {last:?}");
    assert!((r - last[1].parse::<f64>().expect("a rating")).abs() < 2.0, "{r} and {last:?}");
    assert_eq!((last[2].as_str(), last[3].as_str()), ("16", ""));
    assert!(mos > 4.0, "loopback sounds good: {quality}");
}

/// The recording of the caller holds the prompts that the server's log says were spoken, in that order. Prompts that a
/// key cut off may be missing at their end, parts of secrets are compared as such.
pub fn recording_has_what_was_spoken(server: &Server, ear: &Ear) {
    let spoken = spoken(&server.log());
    assert!(spoken.len() > 10, "the log says what is spoken: {spoken:?}");
    let heard: Vec<_> =
        ear.prompts.iter().map(|prompt| prompt.masked.as_str()).filter(|name| is_sentence(name)).collect();
    // Everything heard was said, in order; what was said and not heard must be the rest of an interrupted phrase.
    let mut said = spoken.iter();
    for name in &heard {
        assert!(
            said.any(|(prompt, _)| prompt == name),
            "{name} was heard, but not after what was said; heard {heard:?}"
        );
    }
    for (prompt, cut) in &spoken {
        assert!(*cut || heard.contains(&prompt.as_str()), "{prompt} was said, but never heard");
    }
}

/// Sentences of their own; digits, numbers and times are written otherwise in the log.
fn is_sentence(name: &str) -> bool {
    let signs = ["secret", "digit_", "number_", "hyphen", "capital", "small"];
    !signs.iter().any(|sign| name.starts_with(sign)) || name == "hyphen_hint"
}

/// Prompts that the log says were spoken, and whether the phrase was interrupted later.
fn spoken(log: &str) -> Vec<(String, bool)> {
    let mut prompts: Vec<(String, bool)> = Vec::new();
    let mut phrase = 0;
    for line in log.lines() {
        if let Some((_, said)) = line.split_once("says=") {
            phrase = prompts.len();
            let said = said.trim_matches('"').split(['"']).next().unwrap_or_default();
            let names = said.split_whitespace().filter(|name| !name.contains('(') && is_sentence(name));
            prompts.extend(names.map(|name| (name.to_owned(), false)));
        } else if line.contains("interrupted") {
            prompts[phrase..].iter_mut().for_each(|(_, cut)| *cut = true);
        }
    }
    prompts
}
