//! Every phone over every transport with every codec: dial the line test, press, hang up; the server's own record must say
//! exactly what was pressed, and how.
use passline_rtp::Codec;
use passline_tests::{
    baresip::Baresip,
    linphone::Linphone,
    phone::{Carrier, Phone, Terms},
    server::{Server, Setup},
    sipp,
    sipsak::Sipsak,
    twinkle::Twinkle,
};
use std::{thread::sleep, time::Duration};

/// Each of the twelve keys, and two that repeat.
const KEYS: &str = "1234567890*#11";

fn uri(server: &Server, number: &str, carrier: Carrier) -> String {
    format!("sip:{number}@{};transport={}", server.sip, carrier.name())
}

/// What the server kept of its only call.
fn record_says(server: &Server, codec: Codec, how: &str) {
    let call = server.call();
    let context = format!("{call}\n{}", server.log());
    assert_eq!(call["digits"], KEYS, "{context}");
    assert_eq!(call["codec"], codec.info().name, "{context}");
    assert_eq!(call["dtmf"], how, "{context}");
    assert_eq!(call["outcome"], "caller_left", "{context}");
}

/// Both transports with both codecs, at one time.
fn everywhere(call: impl Fn(Carrier, Codec) + Sync) {
    std::thread::scope(|scope| {
        for carrier in [Carrier::Udp, Carrier::Tcp] {
            for codec in [Codec::Pcmu, Codec::Pcma] {
                let call = &call;
                scope.spawn(move || call(carrier, codec));
            }
        }
    });
}

/// A phone's whole call.
fn calls_the_line_test(start: impl Fn(&Terms<'_>) -> Box<dyn Phone> + Sync) {
    everywhere(|carrier, codec| {
        let server = Server::start(Setup::default());
        let folder = server.folder();
        let terms = Terms { folder, name: "caller", codec, carrier, account: None, trusted: None };
        let mut phone = start(&terms);
        phone.dial(&uri(&server, "5001", carrier));
        phone.talks();
        sleep(Duration::from_millis(500));
        phone.press(KEYS);
        sleep(Duration::from_millis(500));
        phone.hang_up();
        eprintln!("{} over {} with {}", phone.product(), carrier.name(), codec.info().name);
        record_says(&server, codec, "rfc4733");
    });
}

#[test]
fn baresip_over_udp_and_tcp_with_both_codecs() {
    calls_the_line_test(|terms| Box::new(Baresip::with(terms)));
}

#[test]
fn linphone_over_udp_and_tcp_with_both_codecs() {
    calls_the_line_test(|terms| Box::new(Linphone::start(terms)));
}

#[test]
fn twinkle_over_udp_and_tcp_with_both_codecs() {
    calls_the_line_test(|terms| Box::new(Twinkle::start(terms)));
}

#[test]
fn sipp_over_udp_and_tcp_with_both_codecs() {
    everywhere(|carrier, codec| {
        let server = Server::start(Setup::default());
        let info = codec.info();
        let payload_type = info.payload_type.to_string();
        sipp::Scenario::new(&server, "line-test.xml")
            .over(carrier)
            .keys(&[("codec_pt", &payload_type), ("codec", info.name), ("keys", KEYS)])
            .run()
            .good();
        record_says(&server, codec, "rfc4733");
    });
}

/// sipsak knows no media: its keys travel by INFO, each message sent by a process of its own.
#[test]
fn sipsak_asks_and_calls_over_udp_and_tcp_with_both_codecs() {
    everywhere(|carrier, codec| {
        let server = Server::start(Setup::default());
        sipsak_calls(&server, &Sipsak::new(server.folder(), server.sip, carrier), codec);
    });
}

fn sipsak_calls(server: &Server, sipsak: &Sipsak<'_>, codec: Codec) {
    let asked = sipsak.options("5001").good();
    // Over UDP an answer is no longer than its question, which may be forged.
    let told = sipsak.carrier == Carrier::Udp || asked.contains("\nAllow: INVITE");
    assert!(asked.contains("SIP/2.0 200 OK") && told, "{asked}");
    let (info, me, to) = (codec.info(), sipsak.port(), format!("sip:5001@{}", sipsak.server));
    let request = |method: &str, cseq: usize, tag: &str, kind: &str, body: &str| {
        let kind = if kind.is_empty() { String::new() } else { format!("Content-Type: {kind}\r\n") };
        format!(
            "{method} {to} SIP/2.0\r\nFrom: <sip:sipsak@127.0.0.1:{me}>;tag=s\r\nTo: <{to}>{tag}\r\nCall-ID: sipsak-{me}\r\n\
             CSeq: {cseq} {method}\r\nContact: <sip:sipsak@127.0.0.1:{me};transport={}>\r\nMax-Forwards: 70\r\n\
             User-Agent: sipsak as a phone\r\n{kind}Content-Length: {}\r\n\r\n{body}",
            sipsak.carrier.name(),
            body.len()
        )
    };
    let offer = format!(
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 9 RTP/AVP {0}\r\na=rtpmap:{0} {1}/8000\r\n",
        info.payload_type, info.name
    );
    let invite = request("INVITE", 1, "", "application/sdp", &offer);
    let answer = sipsak.send("5001", "invite.txt", &invite).good();
    let tagged = |line: &&str| line.starts_with("To:") && line.contains(";tag=");
    let to = answer.lines().rfind(tagged).unwrap_or_else(|| panic!("no To header with a tag: {answer}"));
    let tag = format!(";tag={}", to.trim_end().split_once(";tag=").expect("a tag").1);
    for (at, key) in KEYS.chars().enumerate() {
        let body = format!("Signal={key}\r\nDuration=100\r\n");
        let press = request("INFO", 2 + at, &tag, "application/dtmf-relay", &body);
        sipsak.send("5001", "info.txt", &press).good();
    }
    sipsak.send("5001", "bye.txt", &request("BYE", 99, &tag, "", "")).good();
    record_says(server, codec, "info");
}

/// Both codecs over TLS, with the server's own certificate as the only one that is trusted.
fn calls_over_tls(host: &str, start: impl Fn(&Terms<'_>) -> Box<dyn Phone> + Sync) {
    std::thread::scope(|scope| {
        for codec in [Codec::Pcmu, Codec::Pcma] {
            let start = &start;
            scope.spawn(move || {
                let server = Server::start(Setup::default());
                let certificate = server.certificate();
                let (folder, carrier, trusted) = (server.folder(), Carrier::Tls, Some(certificate.as_path()));
                let mut phone =
                    start(&Terms { folder, name: "caller", codec, carrier, account: None, trusted });
                phone.dial(&format!("sip:5001@{host}:{};transport=tls", server.tls.port()));
                phone.talks();
                sleep(Duration::from_millis(500));
                phone.press(KEYS);
                sleep(Duration::from_millis(500));
                phone.hang_up();
                record_says(&server, codec, "rfc4733");
            });
        }
    });
}

#[test]
fn baresip_over_tls_with_both_codecs() {
    // baresip asks no resolver for localhost.
    calls_over_tls("127.0.0.1", |terms| Box::new(Baresip::with(terms)));
}

#[test]
fn linphone_over_tls_with_both_codecs() {
    // linphone knows no addresses in certificates.
    calls_over_tls("localhost", |terms| Box::new(Linphone::start(terms)));
}

#[test]
fn sipsak_over_tls_with_both_codecs() {
    for codec in [Codec::Pcmu, Codec::Pcma] {
        let server = Server::start(Setup::default());
        sipsak_calls(&server, &Sipsak::new(server.folder(), server.tls, Carrier::Tls), codec);
    }
}
