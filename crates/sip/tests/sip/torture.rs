//! RFC 4475 and RFC 5118: each message, what the RFC wants of an endpoint, and what we do. The messages are not shipped;
//! without them the test says so and passes.

use crate::support::{Bench, tcp, udp, verb};
use passline_sip::{Config, Event, Input, Output};
use std::fmt::Write;

/// file, over UDP, over TCP, why.
const TABLE: &[(&str, &str, &str, &str)] = &[
    ("rfc4475/wsinv", "481", "481", "3.1.1.1 valid, odd white space; its To tag names no dialog of ours"),
    ("rfc4475/intmeth", "501", "501", "3.1.1.2 valid, all characters in an unknown method"),
    (
        "rfc4475/esc01",
        "call sips:user@example.com",
        "call sips:user@example.com",
        "3.1.1.3 valid, escaped user part",
    ),
    ("rfc4475/escnull", "405", "405", "3.1.1.4 valid REGISTER; we are no registrar"),
    ("rfc4475/esc02", "501", "501", "3.1.1.5 an escaped REGISTER is not REGISTER"),
    ("rfc4475/lwsdisp", "200", "200", "3.1.1.6 valid, no space before <"),
    ("rfc4475/longreq", "call user", "call user", "3.1.1.7 valid, long values"),
    (
        "rfc4475/dblreq",
        "405",
        "405, call joe, close",
        "3.1.1.8 a datagram ends with its first message, a stream goes on; the file is longer than it says",
    ),
    ("rfc4475/semiuri", "200", "200", "3.1.1.9 valid, semicolon in the user part"),
    ("rfc4475/transports", "200", "200", "3.1.1.10 valid, unknown transports in Via"),
    ("rfc4475/mpart01", "405", "405", "3.1.1.11 MESSAGE is not served"),
    ("rfc4475/unreason", "silence", "silence", "3.1.1.12 a response to nothing"),
    ("rfc4475/noreason", "silence", "silence", "3.1.1.13 a response to nothing"),
    ("rfc4475/badinv01", "400", "400", "3.1.2.1 stray separators"),
    ("rfc4475/clerr", "400", "silence", "3.1.2.2 Content-Length too large: a stream waits for the rest"),
    ("rfc4475/ncl", "400", "400, close", "3.1.2.3 negative Content-Length"),
    ("rfc4475/scalar02", "400", "400", "3.1.2.4 CSeq beyond 2^31"),
    ("rfc4475/scalarlg", "silence", "silence", "3.1.2.5 response with an overlong CSeq"),
    ("rfc4475/quotbal", "400", "400", "3.1.2.6 open quote"),
    ("rfc4475/ltgtruri", "400", "400", "3.1.2.7 brackets around the Request-URI"),
    ("rfc4475/lwsruri", "400", "400", "3.1.2.8 space in the Request-URI"),
    ("rfc4475/lwsstart", "400", "400", "3.1.2.9 double spaces in the request line"),
    ("rfc4475/trws", "400", "400", "3.1.2.10 space at the end of the request line"),
    ("rfc4475/escruri", "400", "400", "3.1.2.11 header fields in the Request-URI"),
    ("rfc4475/baddate", "call user", "call user", "3.1.2.12 Date is not looked at"),
    ("rfc4475/regbadct", "400", "400", "3.1.2.13 Contact without brackets around ?"),
    ("rfc4475/badaspec", "200", "200", "3.1.2.14 spaces within brackets are forgiven"),
    (
        "rfc4475/baddn",
        "200",
        "silence",
        "3.1.2.15 a display name without quotes is forgiven; the file has no blank line, so a stream waits",
    ),
    ("rfc4475/badvers", "505", "505", "3.1.2.16 unknown version"),
    ("rfc4475/mismatch01", "400", "400", "3.1.2.17 CSeq names another method"),
    ("rfc4475/mismatch02", "400", "400", "3.1.2.18 the same with an unknown method: 400 or 501"),
    ("rfc4475/bigcode", "silence", "silence", "3.1.2.19 status beyond 699"),
    ("rfc4475/badbranch", "200", "200", "3.2.1 the cookie alone is no branch"),
    ("rfc4475/insuf", "400", "400", "3.3.1 mandatory fields missing"),
    ("rfc4475/unkscm", "416", "416", "3.3.2 unknown scheme"),
    ("rfc4475/novelsc", "416", "416", "3.3.3 known scheme that is not ours"),
    ("rfc4475/unksm2", "405", "405", "3.3.4 REGISTER; unknown schemes in To and Contact are no fault"),
    ("rfc4475/bext01", "420", "420", "3.3.5 Require and Proxy-Require"),
    ("rfc4475/invut", "415", "415", "3.3.6 unknown body"),
    ("rfc4475/regaut01", "405", "405", "3.3.7 REGISTER"),
    ("rfc4475/multi01", "400", "400", "3.3.8 single fields stand twice"),
    ("rfc4475/mcl01", "400", "400, close", "3.3.9 two Content-Lengths"),
    ("rfc4475/bcast", "silence", "silence", "3.3.10 a response that is not for us"),
    ("rfc4475/zeromf", "200", "200", "3.3.11 Max-Forwards 0 concerns proxies only"),
    ("rfc4475/cparam01", "405", "405", "3.3.12 REGISTER"),
    ("rfc4475/cparam02", "405", "405", "3.3.13 REGISTER"),
    ("rfc4475/regescrt", "405", "405", "3.3.14 REGISTER"),
    ("rfc4475/sdp01", "406", "406", "3.3.15 the caller takes no session description"),
    (
        "rfc4475/inv2543",
        "call UserB",
        "400, close",
        "3.4.1 an RFC 2543 INVITE; a stream needs Content-Length",
    ),
    ("rfc5118/ipv6-good", "405", "405", "4.1 valid REGISTER"),
    ("rfc5118/ipv6-bad", "400", "400", "4.2 IPv6 without brackets"),
    ("rfc5118/port-ambiguous", "405", "405", "4.3 valid, the port is part of the address"),
    ("rfc5118/port-unambiguous", "405", "405", "4.4 valid"),
    ("rfc5118/via-received-param-with-delim", "481", "481", "4.5 received in brackets; BYE for no dialog"),
    ("rfc5118/via-received-param-no-delim", "200", "200", "4.5 received without brackets"),
    ("rfc5118/ipv6-in-sdp", "call user", "call user", "4.6 valid"),
    ("rfc5118/mult-ip-in-header", "481", "481", "4.7 valid; BYE for no dialog"),
    ("rfc5118/mult-ip-in-sdp", "call user", "call user, close", "4.8 valid; the file is longer than it says"),
    ("rfc5118/ipv4-mapped-ipv6", "call user", "call user", "4.9 valid"),
    ("rfc5118/ipv6-bug-abnf-3-colons", "200", "200", "4.10 the old grammar's third colon is forgiven"),
    ("rfc5118/ipv6-correct-abnf-2-colons", "200", "200", "4.10 valid"),
];

fn reaction(bytes: &[u8], stream: bool) -> String {
    let path = if stream {
        tcp("192.0.2.1:5060", "198.51.100.9:40000", 3)
    } else {
        udp("192.0.2.1:5060", "198.51.100.9:5060")
    };
    let mut bench = Bench::with(Config::default(), path);
    if stream {
        bench.input(Input::Connected { path });
        for piece in bytes.chunks(11) {
            bench.input(Input::Stream { path, bytes: piece });
        }
    } else {
        bench.input(Input::Datagram { path, bytes });
    }
    let mut seen: Vec<String> = bench.sent.iter().map(|(_, _, b)| verb(b)).filter(|v| v != "100").collect();
    seen.extend(bench.events.iter().filter_map(|e| {
        if let Event::Incoming { info, .. } = e { Some(format!("call {}", info.number)) } else { None }
    }));
    seen.extend(
        bench.others.iter().filter(|o| matches!(o, Output::CloseConnection(3))).map(|_| "close".to_owned()),
    );
    if seen.is_empty() { "silence".into() } else { seen.join(", ") }
}

#[test]
fn torture_messages_get_the_reaction_the_rfc_wants() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/fixtures/sip");
    if !std::path::Path::new(folder).is_dir() {
        println!("skipped: the torture messages are not here (RFC 4475 and 5118, one .dat file each)");
        return;
    }
    let mut report = String::new();
    let mut wrong = 0;
    for (file, datagram, stream, why) in TABLE {
        let bytes = std::fs::read(format!("{folder}/{file}.dat")).unwrap();
        let got = (reaction(&bytes, false), reaction(&bytes, true));
        let fits = (got.0.as_str(), got.1.as_str()) == (*datagram, *stream);
        wrong += usize::from(!fits);
        let mark = if fits { "ok " } else { "NOT" };
        let line: String =
            String::from_utf8_lossy(&bytes).lines().next().unwrap_or_default().chars().take(70).collect();
        writeln!(report, "{mark} {file}: {}", line.escape_debug()).unwrap();
        writeln!(report, "    RFC: {why}").unwrap();
        writeln!(report, "    UDP: want {datagram}, got {}", got.0).unwrap();
        writeln!(report, "    TCP: want {stream}, got {}", got.1).unwrap();
    }
    println!("{report}");
    assert_eq!((TABLE.len(), wrong), (61, 0), "\n{report}");
}
