//! A second opinion: where rsip 0.4 accepts a message, both read the same plain header values and the same body.

use crate::support::{SDP, invite, request};
use passline_sip::message::{Message, Name, Start};
use rsip::prelude::{HeadersExt, UntypedHeader};

#[test]
fn plain_messages_read_the_same() {
    let messages = [
        invite("z9hG4bKa", 1, SDP),
        request("BYE", "z9hG4bKc", 3, "x", "Reason: Q.850;cause=16\r\nUser-Agent: x y\r\n", ""),
        request(
            "INFO",
            "z9hG4bKd",
            4,
            "x",
            "Content-Type: application/dtmf-relay\r\n",
            "Signal=5\r\nDuration=100\r\n",
        ),
    ];
    for text in messages {
        let ours = Message::parse(text.as_bytes(), 99).unwrap();
        let theirs = rsip::Request::try_from(text.as_bytes()).unwrap();
        let Start::Request { method, uri } = ours.start else { panic!() };
        assert_eq!(theirs.method.to_string().as_bytes(), method);
        assert_eq!(theirs.uri.to_string().as_bytes(), uri);
        assert_eq!(theirs.body, ours.body);
        assert_eq!(theirs.headers.iter().count(), ours.headers().len());
        let same = |name, value: &str| assert_eq!(ours.text(name).unwrap(), value);
        same(Name::CallId, theirs.call_id_header().unwrap().value());
        same(Name::From, theirs.from_header().unwrap().value());
        same(Name::To, theirs.to_header().unwrap().value());
        same(Name::CSeq, theirs.cseq_header().unwrap().value());
        same(Name::Via, theirs.via_header().unwrap().value());
    }
}
