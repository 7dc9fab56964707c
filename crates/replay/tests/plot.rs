//! Pictures of a capture: well formed, complete, inert, the same each time.
use etherparse::PacketBuilder;
use passline_replay::{Options, Picture, Report, Window, capture, capture::Frame, replay_drawn};
use passline_rtp::{Codec, Digit, EventPayload, Packet, ToneGenerator};
use std::{
    path::Path,
    time::{Duration, Instant},
};

/// Panels of a stream with audio, by their class.
const PANELS: [&str; 6] = ["packets", "lateness", "wave", "spectrum", "detections", "digits"];
const CALLER: [u8; 4] = [192, 0, 2, 1];
const CALLEE: [u8; 4] = [192, 0, 2, 2];

fn draw(frames: &[Frame], window: &Window) -> (Report, Picture) {
    replay_drawn(Instant::now(), frames, &Options::default(), window)
}

fn frame(at_ms: u64, from: ([u8; 4], u16), to: ([u8; 4], u16), payload: &[u8]) -> Frame {
    let mut bytes = Vec::new();
    let builder = PacketBuilder::ipv4(from.0, to.0, 64).udp(from.1, to.1);
    builder.write(&mut bytes, payload).expect("a datagram");
    Frame { at: Duration::from_millis(1_000_000 + at_ms), link: 101, bytes }
}

/// One RTP packet of the caller, sent in the 20 ms with this index.
fn rtp(index: u16, at_ms: u64, payload_type: u8, timestamp: u32, payload: &[u8]) -> Frame {
    let packet = Packet { marker: false, payload_type, sequence: index, timestamp, ssrc: 7, payload };
    let mut bytes = [0; 256];
    let length = packet.write(&mut bytes);
    frame(at_ms, (CALLER, 4000), (CALLEE, 5000), &bytes[..length])
}

fn sip(at_ms: u64, is_request: bool, text: &str) -> Frame {
    let (from, to) =
        if is_request { ((CALLER, 5060), (CALLEE, 5060)) } else { ((CALLEE, 5060), (CALLER, 5060)) };
    frame(at_ms, from, to, text.replace('\n', "\r\n").as_bytes())
}

fn description(address: &str, port: u16) -> String {
    format!(
        "v=0\no=- 1 1 IN IP4 {address}\ns=-\nc=IN IP4 {address}\nt=0 0\nm=audio {port} RTP/AVP 0 101\n\
         a=rtpmap:0 PCMU/8000\na=rtpmap:101 telephone-event/8000\n"
    )
}

fn with_body(head: &str, kind: &str, body: &str) -> String {
    let length = body.replace('\n', "\r\n").len();
    format!("{head}Content-Type: {kind}\nContent-Length: {length}\n\n{body}")
}

/// A call of 6 s: a tone 5 with a lost packet in it, an event 7 with copies and a lost packet, an INFO 9; packets lost,
/// doubled, out of order. `from` is the caller's display name and user part.
fn call(from: &str) -> Vec<Frame> {
    let head = |line: &str, cseq: &str| {
        format!(
            "{line}\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKa\nFrom: {from};tag=a\nTo: <sip:5000@192.0.2.2>;tag=b\n\
             Call-ID: one\nCSeq: {cseq}\nContact: <sip:192.0.2.1>\nMax-Forwards: 70\n"
        )
    };
    let invite = head("INVITE sip:5000@192.0.2.2 SIP/2.0", "1 INVITE");
    let answer = head("SIP/2.0 200 OK", "1 INVITE");
    let info = head("INFO sip:5000@192.0.2.2 SIP/2.0", "2 INFO");
    let mut frames = vec![
        sip(0, true, &with_body(&invite, "application/sdp", &description("192.0.2.1", 4000))),
        sip(90, false, &with_body(&answer, "application/sdp", &description("192.0.2.2", 5000))),
        sip(5000, true, &with_body(&info, "application/dtmf-relay", "Signal=9\nDuration=160\n")),
    ];
    let mut tone = ToneGenerator::new(Digit::from_char('5').expect("a key"), 200);
    for index in 0..290u16 {
        let mut samples = [0i16; 160];
        if index >= 50 {
            tone.fill(&mut samples);
        }
        let mut payload = [0u8; 160];
        Codec::Pcmu.encode(&samples, &mut payload);
        let (timestamp, mut at) = (u32::from(index) * 160, 100 + u64::from(index) * 20);
        match index {
            54 | 120..125 => continue,
            140 => frames.push(rtp(index, at + 1, 0, timestamp, &payload)),
            160 => at += 25,
            150..158 => {
                let updates = index - 149;
                let event =
                    EventPayload { code: 7, end: updates > 5, volume: 10, duration: updates.min(6) * 160 };
                for copy in 0..[1, 0, 2][usize::from(updates == 3) + 2 * usize::from(updates == 4)] {
                    frames.push(rtp(index, at + copy, 101, 150 * 160, &event.write()));
                }
                continue;
            }
            _ => {}
        }
        frames.push(rtp(index, at, 0, timestamp, &payload));
    }
    frames
}

/// A checker of what this picture needs of XML: tags nest, attributes are quoted, no bare `<` or `&`.
fn assert_well_formed(xml: &str) {
    let mut open: Vec<&str> = Vec::new();
    let mut rest = xml;
    while let Some(start) = rest.find('<') {
        assert_text(&rest[..start]);
        let end = rest[start..].find('>').expect("every tag ends") + start;
        let tag = &rest[start + 1..end];
        rest = &rest[end + 1..];
        if tag.starts_with('?') {
            continue;
        }
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(name), "tags nest");
            continue;
        }
        let body = tag.trim_end_matches('/');
        let name = body.split(' ').next().unwrap_or_default();
        let mut attributes = body[name.len()..].trim_start();
        while !attributes.is_empty() {
            let (key, value) = attributes.split_once("=\"").expect("an attribute has a quoted value");
            assert!(key.chars().all(|c| c.is_ascii_alphanumeric() || c == '-'), "{key:?}");
            let (value, after) = value.split_once('"').expect("a quote ends");
            assert_text(value);
            attributes = after.trim_start();
        }
        if !tag.ends_with('/') {
            open.push(name);
        }
    }
    assert!(open.is_empty() && rest.trim().is_empty(), "{open:?} {rest:?}");
}

fn assert_text(text: &str) {
    assert!(text.chars().all(|c| c == '\n' || !c.is_control()));
    for (index, _) in text.match_indices('&') {
        let entity = &text[index..];
        assert!(["&amp;", "&lt;", "&gt;", "&quot;", "&#39;"].iter().any(|known| entity.starts_with(known)));
    }
}

fn assert_panels(svg: &str) {
    for panel in PANELS {
        assert!(svg.contains(&format!("class=\"panel {panel}\"")), "no panel {panel}");
    }
}

#[test]
fn a_call_has_all_panels_and_its_digits_their_evidence() {
    let (report, picture) = draw(&call("<sip:100@192.0.2.1>"), &Window::default());
    let digits = &report.calls[0].digits;
    let heard: Vec<_> = digits.iter().map(|digit| (digit.digit, digit.method)).collect();
    assert_eq!(heard, [('5', "inband"), ('7', "rfc4733"), ('9', "info")]);
    assert_eq!((digits[0].ledger.bridged, digits[0].ledger.packets), (1, 0));
    let event = &digits[1].ledger;
    assert_eq!((event.packets, event.duplicates, event.lost), (8, 1, 1));
    assert_eq!(event.merged, ["rfc4733"]);
    assert_eq!(picture.drawn, 1);
    let svg = &picture.svg;
    assert_panels(svg);
    assert_well_formed(svg);
    // A key alone is at the start of its tooltip, a stroke class in a path of its own.
    for part in [
        ">5: tone",
        ">7: event 7: 8 packets",
        ">9: SIP INFO",
        "\"duplicate\"",
        "\"reordered\"",
        "5 packets lost",
    ] {
        assert!(svg.contains(part), "no {part}");
    }
    assert!(svg.len() < 300_000, "{} octets", svg.len());
}

#[test]
fn the_ledger_stands_beside_the_fields_that_scripts_know() {
    let (report, _) = draw(&call("<sip:100@192.0.2.1>"), &Window::default());
    let json = serde_json::to_value(&report.calls[0].digits[1]).expect("plain data");
    let keys: Vec<_> = json.as_object().expect("an object").keys().map(String::as_str).collect();
    assert_eq!(keys, ["at_ms", "digit", "duration_ms", "ledger", "method"]);
    assert_eq!(
        json["ledger"],
        serde_json::json!({"packets": 8, "duplicates": 1, "lost": 1, "bridged": 0, "merged": ["rfc4733"]})
    );
}

#[test]
fn the_same_capture_gives_the_same_octets() {
    let frames = call("<sip:100@192.0.2.1>");
    assert_eq!(draw(&frames, &Window::default()).1.svg, draw(&frames, &Window::default()).1.svg);
}

#[test]
fn a_capture_cannot_put_markup_into_the_picture() {
    for from in [
        "\"</text><script>alert(1)</script>\" <sip:%3Cscript%3Ealert(1)%3C/script%3E@x>",
        "<sip:\"><img src=x onerror=alert(1)>&amp;@x>",
        "<sip:a\u{202e}\u{1}]]>&bad;<!--@x>",
        "</svg><script>x</script>",
    ] {
        let (_, picture) = draw(&call(from), &Window::default());
        assert_well_formed(&picture.svg);
        assert!(!picture.svg.contains("<script") && !picture.svg.contains("<img"), "{from}");
    }
}

#[test]
fn a_window_a_strange_clock_and_many_streams_are_survived() {
    let mut frames = call("<sip:100@192.0.2.1>");
    let (_, part) = draw(&frames, &Window { from: Some(1.0), to: Some(1.5) });
    assert_well_formed(&part.svg);
    let empty = draw(&frames, &Window { from: Some(900.0), to: Some(1.0) }).1;
    assert_eq!(empty.drawn, 0);
    assert_well_formed(&empty.svg);
    frames.push(Frame { at: Duration::from_secs(u64::MAX), ..frames[9].clone() });
    for port in 0..12u16 {
        for index in 0..9u16 {
            let packet = Packet {
                marker: false,
                payload_type: 0,
                sequence: index,
                timestamp: u32::from(index).wrapping_mul(2_000_000_000),
                ssrc: 9,
                payload: &[0x55; 160],
            };
            let mut bytes = [0; 256];
            let length = packet.write(&mut bytes);
            let at = 7000 + u64::from(index) * 20;
            frames.push(frame(at, (CALLER, 7000 + port), (CALLEE, 6000), &bytes[..length]));
        }
    }
    let (report, picture) = draw(&frames, &Window::default());
    assert_eq!((report.streams.len(), picture.drawn, picture.left_out), (12, 8, 5));
    assert_well_formed(&picture.svg);
    assert!(picture.svg.contains("5 of 13 streams are not drawn"));
}

#[test]
fn a_capture_with_every_packet_twice_is_rtp_and_one_that_only_repeats_is_not() {
    let stream = |port: u16, sequence: &dyn Fn(u16) -> u16| -> Vec<Frame> {
        let packets = (0..40u16).map(|index| {
            let number = sequence(index);
            let timestamp = u32::from(number) * 160;
            let packet = Packet {
                marker: false,
                payload_type: 0,
                sequence: number,
                timestamp,
                ssrc: 1,
                payload: &[0xff; 160],
            };
            let mut bytes = [0; 256];
            let length = packet.write(&mut bytes);
            frame(u64::from(number) * 20, (CALLER, port), (CALLEE, 5000), &bytes[..length])
        });
        packets.collect()
    };
    let frames = [stream(4000, &|index| index / 2), stream(4002, &|_| 5)].concat();
    let (report, _) = draw(&frames, &Window::default());
    let found: Vec<_> =
        report.streams.iter().map(|s| (s.from.port(), s.counts.packets, s.counts.duplicated)).collect();
    assert_eq!(found, [(4000, 40, 20)]);
}

#[test]
fn a_real_capture_is_drawn_with_all_its_digits() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../../shared/fixtures/pcap/ast-dtmf_sdp_recognition-ulaw-2013785496.pcap");
    let Ok(file) = std::fs::File::open(&file) else {
        eprintln!("skipped: {} is not here", file.display());
        return;
    };
    let (frames, _) = capture::read(file).expect("a capture");
    let (report, picture) = draw(&frames, &Window::default());
    let digits: String =
        report.streams.iter().flat_map(|stream| &stream.digits).map(|digit| digit.digit).collect();
    assert_eq!(digits, "2013785496");
    assert_panels(&picture.svg);
    assert_well_formed(&picture.svg);
    for digit in digits.chars() {
        assert!(picture.svg.contains(&format!(">{digit}: event")), "no event {digit}");
    }
    assert!(picture.svg.len() < 2_000_000, "{} octets", picture.svg.len());
}
