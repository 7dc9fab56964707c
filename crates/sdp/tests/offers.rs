//! Offers in the manner of real phones, gateways and PBXs; each answer is read back by an independent parser.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use passline_sdp::{Agreement, Capabilities, Codec, Direction, Refusal, accept, answer, offer};
use proptest::prelude::*;
use webrtc_sdp::attribute_type::{SdpAttribute, SdpAttributeType};
use webrtc_sdp::media_type::{SdpFormatList, SdpMediaValue};

fn caps() -> Capabilities {
    Capabilities::new(IpAddr::V4(Ipv4Addr::new(198, 51, 100, 7)), 20_000, 4_711)
}

/// The answer's text and the agreement, after an independent parser has read the answer.
fn answered(body: &str) -> (String, Agreement) {
    let (octets, agreement) = answer(body.as_bytes(), &caps()).expect("an agreement");
    let text = String::from_utf8(octets).expect("text");
    check(&text, &agreement);
    (text, agreement)
}

fn refused(body: &str) -> Refusal {
    answer(body.as_bytes(), &caps()).expect_err("a refusal")
}

/// The media lines of a description.
fn media_lines(text: &str) -> Vec<&str> {
    text.lines().filter(|line| line.starts_with("m=")).collect()
}

/// Compares a description of ours with what webrtc-sdp reads in it.
fn check(text: &str, agreement: &Agreement) {
    assert!(text.ends_with("\r\n") && text.lines().all(|l| !l.is_empty()));
    // That parser drops lines it does not know, with what follows them: give it the RTP sections only, and of these not
    // the attribute of RFC 3611, which it takes for an error when it is strict.
    let mut keep = true;
    let known: String = text
        .lines()
        .filter(|line| {
            if line.starts_with("m=") {
                keep = line.contains("RTP/AVP");
            }
            keep && !line.starts_with("a=rtcp-xr:")
        })
        .map(|line| format!("{line}\r\n"))
        .collect();
    let session = webrtc_sdp::parse_sdp(&known, true).expect("strictly correct");
    assert_eq!(session.get_origin().session_id, 4_711);
    let media = session.media.iter().find(|media| media.get_port() != 0).expect("an audio line");
    assert_eq!(media.get_type(), &SdpMediaValue::Audio);
    assert_eq!(media.get_port(), 20_000);
    let types: Vec<u32> = match media.get_formats() {
        SdpFormatList::Integers(types) => types.clone(),
        other => panic!("{other:?}"),
    };
    assert!(types.contains(&u32::from(agreement.payload_type)));
    assert_eq!(types.last().copied(), agreement.event_receive_type.map(u32::from).or(types.last().copied()));
    for payload_type in types {
        let mapped = media.get_attributes_of_type(SdpAttributeType::Rtpmap);
        assert!(mapped.iter().any(|attribute| matches!(
            attribute,
            SdpAttribute::Rtpmap(map) if u32::from(map.payload_type) == payload_type
        )));
    }
    let direction = match agreement.direction {
        Direction::SendRecv => SdpAttributeType::Sendrecv,
        Direction::SendOnly => SdpAttributeType::Sendonly,
        Direction::RecvOnly => SdpAttributeType::Recvonly,
        Direction::Inactive => SdpAttributeType::Inactive,
    };
    assert!(media.get_attribute(direction).is_some());
    assert_eq!(media.get_attribute(SdpAttributeType::RtcpMux).is_some(), agreement.rtcp_mux);
}

const LINPHONE: &str = "v=0\r\no=alice 2890 1021 IN IP4 192.0.2.10\r\ns=Talk\r\nc=IN IP4 192.0.2.10\r\n\
b=AS:380\r\nt=0 0\r\na=rtcp-xr:rcvr-rtt=all:10000 stat-summary=loss,dup,jitt,TTL voip-metrics\r\n\
m=audio 7078 RTP/AVPF 96 97 98 0 8 101 99 100\r\na=rtpmap:96 opus/48000/2\r\na=fmtp:96 useinbandfec=1\r\n\
a=rtpmap:97 speex/16000\r\na=fmtp:97 vbr=on\r\na=rtpmap:98 speex/8000\r\na=fmtp:98 vbr=on\r\n\
a=rtpmap:101 telephone-event/48000\r\na=rtpmap:99 telephone-event/16000\r\na=rtpmap:100 telephone-event/8000\r\n\
a=rtcp-fb:* trr-int 5000\r\na=rtcp-fb:* ccm tmmbr\r\n\
m=video 9078 RTP/AVPF 96\r\na=rtpmap:96 VP8/90000\r\na=rtcp-fb:* trr-int 5000\r\n";

#[test]
fn linphone_with_opus_first_and_events_at_three_clock_rates() {
    let (text, agreement) = answered(LINPHONE);
    assert_eq!(agreement.codec, "PCMU");
    assert_eq!(agreement.payload_type, 0);
    assert_eq!(agreement.event_payload_type, Some(100));
    assert_eq!(agreement.remote_rtp.to_string(), "192.0.2.10:7078");
    assert_eq!(agreement.remote_rtcp.to_string(), "192.0.2.10:7079");
    assert_eq!(media_lines(&text), ["m=audio 20000 RTP/AVPF 0 100", "m=video 0 RTP/AVPF 96"]);
    assert!(text.contains("a=rtpmap:100 telephone-event/8000\r\n"));
    assert!(text.contains("a=fmtp:100 0-15\r\n"));
}

#[test]
fn baresip_multiplexes_and_puts_pcma_first() {
    let body = "v=0\r\no=- 1234567890 1 IN IP4 192.0.2.11\r\ns=-\r\nc=IN IP4 192.0.2.11\r\nt=0 0\r\n\
        a=tool:baresip 3.20.0\r\nm=audio 14022 RTP/AVP 8 0 101\r\nb=AS:125\r\na=rtpmap:8 PCMA/8000\r\n\
        a=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=rtcp:14023\r\n\
        a=sendrecv\r\na=rtcp-mux\r\na=label:1\r\na=ssrc:2766 cname:sip:a@b\r\na=ptime:20\r\n";
    let (text, agreement) = answered(body);
    assert_eq!((agreement.codec.as_str(), agreement.payload_type), ("PCMA", 8));
    assert!(agreement.rtcp_mux);
    assert_eq!(agreement.remote_rtcp, agreement.remote_rtp);
    assert!(text.contains("a=ptime:20\r\n"));
}

#[test]
fn sipp_takes_96_for_events() {
    let body = "v=0\no=user1 53655765 2353687637 IN IP4 127.0.0.1\ns=-\nc=IN IP4 127.0.0.1\nt=0 0\n\
        m=audio 6000 RTP/AVP 8 96\na=rtpmap:8 PCMA/8000\na=rtpmap:96 telephone-event/8000\na=fmtp:96 0-11,16\n";
    let (_, agreement) = answered(body);
    assert_eq!(agreement.event_payload_type, Some(96));
}

#[test]
fn pjsua_takes_120_and_names_its_rtcp() {
    let body = "v=0\r\no=- 3913 3913 IN IP4 10.0.0.5\r\ns=pjmedia\r\nb=AS:84\r\nt=0 0\r\na=X-nat:0\r\n\
        m=audio 4000 RTP/AVP 98 97 99 104 3 0 8 9 96 120\r\nc=IN IP4 10.0.0.5\r\nb=TIAS:64000\r\n\
        a=rtcp:4001 IN IP4 10.0.0.6\r\na=sendrecv\r\na=rtpmap:98 speex/16000\r\na=rtpmap:97 speex/8000\r\n\
        a=rtpmap:99 speex/32000\r\na=rtpmap:104 iLBC/8000\r\na=fmtp:104 mode=30\r\na=rtpmap:3 GSM/8000\r\n\
        a=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:9 G722/8000\r\na=rtpmap:96 telephone-event/16000\r\n\
        a=fmtp:96 0-16\r\na=rtpmap:120 telephone-event/8000\r\na=fmtp:120 0-16\r\na=ssrc:1 cname:x\r\n";
    let (_, agreement) = answered(body);
    assert_eq!(agreement.codec, "PCMU");
    assert_eq!(agreement.event_payload_type, Some(120));
    assert_eq!(agreement.remote_rtcp.to_string(), "10.0.0.6:4001");
}

#[test]
fn asterisk_and_cisco() {
    let body = "v=0\r\no=- 1 2 IN IP4 203.0.113.4\r\ns=Asterisk\r\nc=IN IP4 203.0.113.4\r\nt=0 0\r\n\
        m=audio 11232 RTP/AVP 0 8 3 111 9 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\n\
        a=rtpmap:3 GSM/8000\r\na=rtpmap:111 G726-32/8000\r\na=rtpmap:9 G722/8000\r\n\
        a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\na=ptime:20\r\na=maxptime:150\r\na=sendrecv\r\n";
    assert_eq!(answered(body).1.event_payload_type, Some(101));
    // No names for static types, a session name with spaces, a bare T.38 line behind.
    let body = "v=0\r\no=CiscoSystemsSIP-GW-UserAgent 7528 3700 IN IP4 203.0.113.9\r\ns=SIP Call\r\n\
        c=IN IP4 203.0.113.9\r\nt=0 0\r\nm=audio 18764 RTP/AVP 18 8 101 19\r\nc=IN IP4 203.0.113.19\r\n\
        a=rtpmap:18 G729/8000\r\na=fmtp:18 annexb=no\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\n\
        a=rtpmap:19 CN/8000\r\nm=image 18766 udptl t38\r\nc=IN IP4 9.9.9.9\r\na=T38FaxVersion:0\r\na=inactive\r\n";
    let (text, agreement) = answered(body);
    assert_eq!(agreement.codec, "PCMA");
    assert_eq!(agreement.remote_rtp.ip().to_string(), "203.0.113.19");
    assert_eq!(agreement.direction, Direction::SendRecv);
    assert_eq!(media_lines(&text), ["m=audio 20000 RTP/AVP 8 101", "m=image 0 udptl t38"]);
}

#[test]
fn encrypted_audio() {
    let crypto =
        "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz|2^20|1:4\r\n";
    let secure = format!("v=0\r\nc=IN IP4 192.0.2.1\r\nm=audio 4000 RTP/SAVP 0\r\n{crypto}");
    let refusal = refused(&secure);
    assert_eq!(refusal.status, 488);
    assert!(refusal.sentence.contains("RTP/SAVP"), "{}", refusal.sentence);
    // Optional encryption: the same line in plain.
    let optional = format!("v=0\r\nc=IN IP4 192.0.2.1\r\nm=audio 4000 RTP/AVP 0\r\n{crypto}");
    assert!(!answered(&optional).0.contains("crypto"));
    // Both as two lines, the secure one first.
    let both = format!("{secure}m=audio 4002 RTP/AVP 0 8\r\nm=audio 4004 RTP/AVP 8\r\n");
    let (text, agreement) = answered(&both);
    assert_eq!(agreement.remote_rtp.port(), 4002);
    assert_eq!(
        media_lines(&text),
        ["m=audio 0 RTP/SAVP 0", "m=audio 20000 RTP/AVP 0", "m=audio 0 RTP/AVP 8"]
    );
}

#[test]
fn webrtc_is_refused_with_a_sentence() {
    let body = "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n\
        m=audio 9 UDP/TLS/RTP/SAVPF 111 0 8\r\nc=IN IP4 0.0.0.0\r\na=mid:0\r\na=rtpmap:111 opus/48000/2\r\n";
    assert!(refused(body).sentence.contains("encrypted"));
}

#[test]
fn hold_in_each_manner() {
    let of = |attributes: &str, address: &str| {
        answered(&format!("v=0\r\nc=IN IP4 {address}\r\nm=audio 4000 RTP/AVP 0\r\n{attributes}"))
    };
    let (text, agreement) = of("a=sendonly\r\n", "192.0.2.1");
    assert!(text.contains("a=recvonly\r\n") && agreement.on_hold());
    let (text, agreement) = of("a=inactive\r\n", "192.0.2.1");
    assert!(text.contains("a=inactive\r\n") && agreement.on_hold());
    let (text, agreement) = of("a=recvonly\r\n", "192.0.2.1");
    assert!(text.contains("a=sendonly\r\n") && !agreement.on_hold());
    let (_, agreement) = of("", "0.0.0.0");
    assert!(agreement.on_hold());
    assert!(!of("", "192.0.2.1").1.on_hold());
}

#[test]
fn ipv6_both_sides() {
    let mut caps = caps();
    caps.address = IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 7));
    let body = "v=0\r\no=- 1 1 IN IP6 2001:db8::1\r\ns=-\r\nc=IN IP6 2001:db8::1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n";
    let (octets, agreement) = answer(body.as_bytes(), &caps).expect("an agreement");
    let text = String::from_utf8(octets).expect("text");
    check(&text, &agreement);
    assert!(text.contains("c=IN IP6 2001:db8::7\r\n"));
    assert_eq!(agreement.remote_rtp.to_string(), "[2001:db8::1]:4000");
}

#[test]
fn refusals_say_why() {
    let none =
        refused("v=0\r\nc=IN IP4 192.0.2.1\r\nm=audio 4000 RTP/AVP 9 18 96\r\na=rtpmap:96 opus/48000/2\r\n");
    assert_eq!(none.status, 488);
    assert_eq!(none.sentence, "No common codec: offered G722, G729, opus, supported PCMU, PCMA.");
    let fax = refused("v=0\r\nc=IN IP4 192.0.2.1\r\nm=image 4000 udptl t38\r\n");
    assert_eq!((fax.status, fax.sentence.as_str()), (488, "No audio was offered."));
    let port = refused("v=0\r\nc=IN IP4 192.0.2.1\r\nm=audio 0 RTP/AVP 0\r\n");
    assert_eq!(port.status, 488);
    assert!(refused("v=0\r\nm=audio 4000 RTP/AVP 0\r\n").sentence.contains("address"));
    assert_eq!(refused("").status, 400);
    // Wideband names of our codecs are not ours.
    let wide = refused("c=IN IP4 192.0.2.1\r\nm=audio 4000 RTP/AVP 96\r\na=rtpmap:96 PCMU/16000\r\n");
    assert_eq!(wide.status, 488);
}

#[test]
fn a_short_maxptime_is_kept() {
    let body = "c=IN IP4 192.0.2.1\r\nm=audio 4000 RTP/AVP 0\r\na=maxptime:10\r\n";
    assert_eq!(answered(body).1.ptime, 10);
}

#[test]
fn our_offer_and_its_answers() {
    let text = String::from_utf8(offer(&caps())).expect("text");
    assert_eq!(media_lines(&text), ["m=audio 20000 RTP/AVP 0 8 101"]);
    // The other side of a call between two of us.
    let mut other = caps();
    other.rtp_port = 30_000;
    other.codecs = vec![Codec::pcma()];
    let (back, theirs) = answer(text.as_bytes(), &other).expect("an agreement");
    let ours = accept(&back, &caps()).expect("an agreement");
    check(&text, &ours);
    assert_eq!((ours.codec.as_str(), theirs.codec.as_str()), ("PCMA", "PCMA"));
    assert_eq!(ours.remote_rtp.port(), 30_000);
    assert_eq!(theirs.remote_rtp.port(), 20_000);
    assert_eq!(ours.event_payload_type, Some(101));
    // A peer with numbers of its own: sent as it says, received as we said.
    let body =
        "v=0\r\nc=IN IP4 192.0.2.1\r\nm=audio 4000 RTP/AVP 0 97\r\na=rtpmap:97 telephone-event/8000\r\n";
    let ours = accept(body.as_bytes(), &caps()).expect("an agreement");
    assert_eq!(ours.event_payload_type, Some(97));
    assert_eq!(ours.event_receive_type, Some(101));
    let body = "v=0\r\nc=IN IP4 192.0.2.1\r\nm=audio 0 RTP/AVP 0\r\n";
    assert_eq!(accept(body.as_bytes(), &caps()).expect_err("refused").status, 488);
}

proptest! {
    #[test]
    fn garbage_does_no_harm(octets: Vec<u8>) {
        let _ = answer(&octets, &caps());
        let _ = accept(&octets, &caps());
    }

    /// Real offers with lines lost, doubled, cut and swapped.
    #[test]
    fn mutilated_offers_do_no_harm(
        edits in prop::collection::vec((any::<prop::sample::Index>(), 0u8..5, any::<u8>()), 1..12)
    ) {
        let mut lines: Vec<Vec<u8>> = LINPHONE.split("\r\n").map(|l| l.as_bytes().to_vec()).collect();
        for (index, edit, octet) in edits {
            let at = index.index(lines.len());
            match edit {
                0 if lines.len() > 1 => { lines.remove(at); }
                1 => { let line = lines[at].clone(); lines.push(line); }
                2 => { let keep = usize::from(octet) % (lines[at].len() + 1); lines[at].truncate(keep); }
                3 => lines[at].push(octet),
                _ => { let last = lines.len() - 1; lines.swap(at, last); }
            }
        }
        let body = lines.join(&b"\r\n"[..]);
        if let Ok((text, agreement)) = answer(&body, &caps()) {
            let text = String::from_utf8(text).expect("text");
            let offered = String::from_utf8_lossy(&body);
            let count = offered.split(['\r', '\n']).filter(|l| l.trim_matches(|c: char| c.is_whitespace() || c == '\0').starts_with("m=")).count();
            prop_assert_eq!(media_lines(&text).len(), count);
            let line = format!("m=audio 20000 RTP/AVPF {}", agreement.payload_type);
            prop_assert!(text.contains(&line), "{text}");
        }
    }
}

#[test]
fn redundant_packets_are_taken_where_all_that_is_in_them_is_agreed_on() {
    let offer = |list: &str| {
        format!(
            "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n\
             m=audio 4000 RTP/AVP 121 0 101\r\na=rtpmap:121 red/8000\r\na=fmtp:121 {list}\r\n\
             a=rtpmap:101 telephone-event/8000\r\n"
        )
    };
    let table =
        [("0/0", true), ("101/0/101", true), ("0/18", false), ("0/x", false), ("0//0", false), ("", false)];
    for (list, taken) in table {
        let (answer, agreement) = answer(offer(list).as_bytes(), &caps()).expect("PCMU is common");
        let text = String::from_utf8(answer).expect("our own");
        assert_eq!(agreement.redundancy, taken.then(|| (121, list.to_owned())), "{list}");
        assert_eq!(
            text.contains(&format!("a=fmtp:121 {list}\r\n")) && text.contains("121 red/8000"),
            taken,
            "{text}"
        );
        assert_eq!(agreement.payload_type, 0);
    }
}

/// What the engine has when Opus is built in, and L16 is allowed.
fn wide() -> Capabilities {
    let opus = Codec { channels: 2, fmtp: Some("useinbandfec=1".into()), ..Codec::new("opus", 107, 48_000) };
    let l16 = [Codec::new("L16", 96, 8000), Codec::new("L16", 97, 16_000)];
    let codecs = [Codec::pcmu(), Codec::pcma(), Codec::new("G722", 9, 8000), opus].into_iter().chain(l16);
    Capabilities {
        codecs: codecs.collect(),
        ..Capabilities::new("192.0.2.9".parse().expect("an address"), 5000, 1)
    }
}

#[test]
fn codecs_of_other_clocks_are_offered_with_events_in_each_clock() {
    let text = String::from_utf8(offer(&wide())).expect("text");
    for line in [
        "m=audio 5000 RTP/AVP 0 8 9 107 96 97 101 102 103\r\n",
        "a=rtpmap:9 G722/8000\r\n",
        "a=rtpmap:107 opus/48000/2\r\n",
        "a=fmtp:107 useinbandfec=1\r\n",
        "a=rtpmap:97 L16/16000\r\n",
        "a=rtpmap:101 telephone-event/8000\r\n",
        "a=rtpmap:102 telephone-event/48000\r\n",
        "a=rtpmap:103 telephone-event/16000\r\n",
    ] {
        assert!(text.contains(line), "{line}{text}");
    }
    let answer = "c=IN IP4 192.0.2.1\r\nm=audio 4000 RTP/AVP 120 110\r\na=rtpmap:120 opus/48000/2\r\n\
                  a=rtpmap:110 telephone-event/48000\r\na=ptime:40\r\n";
    let agreed = accept(answer.as_bytes(), &wide()).expect("agreed");
    assert_eq!((agreed.codec.as_str(), agreed.payload_type, agreed.clock_rate), ("opus", 120, 48_000));
    assert_eq!((agreed.event_payload_type, agreed.event_receive_type), (Some(110), Some(102)));
    assert_eq!((agreed.event_clock_rate, agreed.ptime), (48_000, 40));
}

#[test]
fn the_offerers_order_counts_and_events_are_in_the_codecs_clock_or_in_8000() {
    let cases = [
        // What follows the m-line, and: codec, clock, its type, events' type and clock, ptime.
        (
            "9 0 8 101\r\na=rtpmap:101 telephone-event/8000\r\na=ptime:30",
            ("G722", 8000, 9, Some(101), 8000, 30),
        ),
        (
            "107 9 101 102\r\na=rtpmap:107 OPUS/48000/2\r\na=rtpmap:101 telephone-event/8000\r\n\
             a=rtpmap:102 telephone-event/48000\r\na=ptime:60\r\na=maxptime:40",
            ("opus", 48_000, 107, Some(102), 48_000, 40),
        ),
        (
            "107 101\r\na=rtpmap:107 opus/48000/2\r\na=rtpmap:101 telephone-event/8000",
            ("opus", 48_000, 107, Some(101), 8000, 20),
        ),
        (
            "100 99\r\na=rtpmap:100 L16/44100\r\na=rtpmap:99 L16/16000/1\r\na=ptime:3",
            ("L16", 16_000, 99, None, 8000, 10),
        ),
        ("99\r\na=rtpmap:99 L16/8000\r\na=ptime:200", ("L16", 8000, 99, None, 8000, 60)),
    ];
    for (formats, want) in cases {
        let body = format!("c=IN IP4 192.0.2.1\r\nm=audio 4000 RTP/AVP {formats}\r\n");
        let (octets, agreed) = answer(body.as_bytes(), &wide()).expect("agreed");
        let got = (
            agreed.codec.as_str(),
            agreed.clock_rate,
            agreed.payload_type,
            agreed.event_receive_type,
            agreed.event_clock_rate,
            agreed.ptime,
        );
        assert_eq!(got, want, "{formats}");
        let text = String::from_utf8(octets).expect("text");
        let map = format!("a=rtpmap:{} {}/{}", agreed.payload_type, agreed.codec, agreed.clock_rate);
        assert!(text.contains(&map), "{text}");
        if let Some(event) = agreed.event_receive_type {
            assert!(text.contains(&format!("a=rtpmap:{event} telephone-event/{}", agreed.event_clock_rate)));
        }
    }
    // Two channels are not ours.
    let body = "c=IN IP4 192.0.2.1\r\nm=audio 4000 RTP/AVP 99\r\na=rtpmap:99 L16/8000/2\r\n";
    assert_eq!(answer(body.as_bytes(), &wide()).expect_err("refused").status, 488);
}
