//! What one INVITE costs to read and to write: our own messages beside rsip and ezk-sip-types.
use bytes::Bytes;
use divan::{Bencher, black_box};
use ezk_sip_types::{
    Headers,
    header::typed::{CSeq, CallID, FromTo, Via},
    msg::{Line, MessageLine, PullParser},
    parse::Parse,
    print::AppendCtx,
};
use passline_sip::message::{Message, Writer, check};
use rsip::{
    headers::ToTypedHeader,
    prelude::{HeadersExt, UntypedHeader},
};

fn main() {
    divan::main();
}

/// As a softphone writes it: 17 header fields, a body of three codecs.
const INVITE: &str = "INVITE sip:5000@192.0.2.10:5060;transport=udp SIP/2.0\r\n\
Via: SIP/2.0/UDP 192.0.2.77:5062;rport;branch=z9hG4bKPj7f3d1c0f5a5c4a6d9a1e\r\n\
Max-Forwards: 70\r\n\
From: \"Reception\" <sip:201@192.0.2.10>;tag=2f0d9a4c1b7e4a52\r\n\
To: <sip:5000@192.0.2.10>\r\n\
Contact: <sip:201@192.0.2.77:5062;ob>\r\n\
Call-ID: 6f0c51f2-9d8e-4b0a-8f2c-d5a8d8a4e2b1\r\n\
CSeq: 17114 INVITE\r\n\
Route: <sip:192.0.2.10;lr>\r\n\
Allow: PRACK, INVITE, ACK, BYE, CANCEL, UPDATE, INFO, SUBSCRIBE, NOTIFY, REFER, MESSAGE, OPTIONS\r\n\
Supported: replaces, 100rel, timer, norefersub\r\n\
Session-Expires: 1800\r\n\
Min-SE: 90\r\n\
User-Agent: Softphone of an office 4.11.2\r\n\
P-Preferred-Identity: <sip:201@192.0.2.10>\r\n\
Accept: application/sdp\r\n\
Content-Type: application/sdp\r\n\
Content-Length: 289\r\n\r\n";

fn invite() -> Vec<u8> {
    let mut body = String::from(
        "v=0\r\no=- 3893456789 3893456789 IN IP4 192.0.2.77\r\ns=call\r\nc=IN IP4 192.0.2.77\r\nt=0 0\r\n\
         m=audio 4004 RTP/AVP 0 8 96 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:96 opus/48000/2\r\n\
         a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\na=ptime:20\r\na=sendrecv\r\n",
    );
    body += &format!("a=x-fill:{}\r\n", "x".repeat(289 - body.len() - 11));
    assert_eq!(body.len(), 289);
    [INVITE.as_bytes(), body.as_bytes()].concat()
}

/// Cut into start line, header fields and body.
mod cut {
    use super::*;

    #[divan::bench]
    fn passline(bencher: Bencher) {
        let message = invite();
        bencher.bench_local(|| Message::parse(black_box(&message), 256).expect("SIP").headers().len());
    }

    #[divan::bench]
    fn rsip(bencher: Bencher) {
        let message = invite();
        bencher.bench_local(|| {
            rsip::Request::try_from(black_box(message.as_slice())).expect("SIP").headers.iter().count()
        });
    }

    #[divan::bench]
    fn ezk_sip_types(bencher: Bencher) {
        let message = Bytes::from(invite());
        bencher.bench_local(|| read_by_ezk(black_box(&message)).1.iter().count());
    }
}

/// Cut, and Via, From, To, Call-ID and CSeq read: what every message needs before it finds its transaction and dialog.
mod essentials {
    use super::*;

    #[divan::bench]
    fn passline(bencher: Bencher) {
        let message = invite();
        bencher
            .bench_local(|| check(&Message::parse(black_box(&message), 256).expect("SIP")).expect("sound"));
    }

    #[divan::bench]
    fn rsip(bencher: Bencher) {
        let message = invite();
        bencher.bench_local(|| {
            let request = rsip::Request::try_from(black_box(message.as_slice())).expect("SIP");
            let via = request.via_header().expect("Via").typed().expect("sound");
            let from = request.from_header().expect("From").typed().expect("sound");
            let to = request.to_header().expect("To").typed().expect("sound");
            let cseq = request.cseq_header().expect("CSeq").typed().expect("sound");
            (via, from, to, cseq, request.call_id_header().expect("Call-ID").value().to_owned())
        });
    }

    #[divan::bench]
    fn ezk_sip_types(bencher: Bencher) {
        let message = Bytes::from(invite());
        bencher.bench_local(|| {
            let (_, headers) = read_by_ezk(black_box(&message));
            let via: Vec<Via> = headers.get_named().expect("Via");
            let from: FromTo = headers.get(ezk_sip_types::Name::FROM).expect("From");
            let to: FromTo = headers.get(ezk_sip_types::Name::TO).expect("To");
            let cseq: CSeq = headers.get_named().expect("CSeq");
            let call_id: CallID = headers.get_named().expect("Call-ID");
            (via, from, to, cseq, call_id)
        });
    }
}

/// The same message written again from what was read.
mod write {
    use super::*;

    #[divan::bench]
    fn passline(bencher: Bencher) {
        let bytes = invite();
        let message = Message::parse(&bytes, 256).expect("SIP");
        bencher.bench_local(|| {
            let mut writer = Writer::request("INVITE", "sip:5000@192.0.2.10:5060;transport=udp");
            // Type and length of the body are written with it.
            let fields = message.headers().len() - 2;
            for header in &black_box(&message).headers()[..fields] {
                writer.header(std::str::from_utf8(header.raw_name).expect("ASCII"), header.value);
            }
            writer.finish_with("application/sdp", message.body)
        });
    }

    #[divan::bench]
    fn rsip(bencher: Bencher) {
        let request = rsip::Request::try_from(invite().as_slice()).expect("SIP");
        bencher.bench_local(|| -> Vec<u8> { black_box(&request).to_string().into_bytes() });
    }

    #[divan::bench]
    fn ezk_sip_types(bencher: Bencher) {
        let bytes = Bytes::from(invite());
        let (line, headers) = read_by_ezk(&bytes);
        let body = &bytes[INVITE.len()..];
        bencher.bench_local(|| {
            let text = format!("{}\r\n{}\r\n", black_box(&line).default_print_ctx(), black_box(&headers));
            let mut out = text.into_bytes();
            out.extend_from_slice(body);
            out
        });
    }
}

fn read_by_ezk(message: &Bytes) -> (MessageLine, Headers) {
    let mut parser = PullParser::new(message, 0);
    let text = |line| std::str::from_utf8(line).expect("UTF-8");
    let first = text(parser.next().expect("a line").expect("whole"));
    let (_, line) = MessageLine::parse(message)(first).expect("a request line");
    let mut headers = Headers::new();
    for line in &mut parser {
        let (_, line) = Line::parse(message, text(line.expect("whole"))).expect("a header field");
        headers.insert(line.name, line.value);
    }
    (line, headers)
}
