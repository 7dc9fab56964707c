//! What was published against other SIP servers, as classes. After each the server serves a caller as if nothing had been,
//! and has given back what the attack took.
use passline_tests::{
    raw::{self, Raw, header, media_port, status, to_tag},
    server::{Server, Setup},
    talk::{Act, Plan, talk_once},
    vitals::Vitals,
    wait_for,
};
use serde_json::Value;
use std::{
    io::{Read, Write},
    net::UdpSocket,
    thread::sleep,
    time::{Duration, Instant},
};

/// An attacker's address; a stranger's.
const EVIL: u8 = 66;
const STRANGER: u8 = 67;
/// Memory that allocator and caches may keep, in kB.
const SLACK_KB: u64 = 24_000;
const KEYS: &str = "1234567890*#";

/// A server under attack, and what it took before.
struct Victim {
    server: Server,
    before: Vitals,
}

impl Victim {
    fn new(setup: Setup) -> Self {
        let mut server = Server::start(setup);
        // A first call makes what is made once.
        served(&server);
        let before = Vitals::of(server.process().id());
        Self { server, before }
    }

    /// The attack is over: a caller is served with exact keys, and the server is back to what it took before.
    #[track_caller]
    fn stands(mut self) {
        let since = self.calls_with_keys();
        served(&self.server);
        let fresh = wait_for(Duration::from_secs(10), || (self.calls_with_keys() > since).then_some(()));
        assert!(fresh.is_some(), "the keys of a caller were not heard exactly: {:#?}", self.calls());
        let id = self.server.process().id();
        // A call that nobody acknowledges ends after 64 * T1 = 32 s (RFC 3261 section 13.3.1.4).
        self.before.are_back(id, SLACK_KB, Duration::from_secs(45));
        assert!(!self.server.log().contains("panicked"), "{}", self.server.log());
        assert!(self.server.stop(), "{}", self.server.log());
    }

    fn calls(&self) -> Vec<Value> {
        self.server.json(&["calls", "--last", "1000", "--json"])
    }

    fn calls_with_keys(&self) -> usize {
        self.calls().iter().filter(|call| call["digits"] == KEYS).count()
    }
}

/// A caller presses every key and hangs up.
#[track_caller]
fn served(server: &Server) {
    let plan = Plan {
        opening: vec![Act::Wait(300), Act::Keys(KEYS.into()), Act::Wait(300), Act::HangUp],
        ..Plan::minded(&server.uri("5001"), |_, _| Vec::new())
    };
    let talk = talk_once(server.voice, plan);
    assert!(talk.codec.is_some(), "refused with {:?}, {}", talk.refused, talk.ended);
}

/// A call by hand, answered and acknowledged.
struct Call {
    peer: Raw,
    media: UdpSocket,
    id: String,
    tag: String,
    /// The server's RTP port.
    port: u16,
    sequence: u16,
}

impl Call {
    fn begin(server: &Server, last: u8, number: &str, id: &str) -> Self {
        let peer = Raw::new(server.sip, last);
        let media = UdpSocket::bind(raw::stranger(last)).expect("a socket");
        let offer = peer.offer(media.local_addr().expect("bound").port());
        peer.send(peer.request("INVITE", number, id, "", &offer));
        let answer = peer.answer("INVITE");
        assert_eq!(status(&answer), 200, "{answer:?}");
        let answer = answer.expect("an answer");
        let (tag, port) = (to_tag(&answer).to_owned(), media_port(&answer).expect("an answer with media"));
        let call = Self { peer, media, id: id.to_owned(), tag, port, sequence: 1 };
        call.send("ACK", 1, "");
        call
    }

    /// A request inside of the dialog.
    fn text(&self, method: &str, cseq: u32, more: &str) -> String {
        let more = format!("CSeq: {cseq} {method}\r\n{more}");
        let request = self.peer.request(method, "5001", &self.id, &more, "");
        let request = request.replacen("\r\nCall-ID", &format!(";tag={}\r\nCall-ID", self.tag), 1);
        request.replacen("branch=z9hG4bK-", &format!("branch=z9hG4bK-{method}{cseq}-"), 1)
    }

    fn send(&self, method: &str, cseq: u32, more: &str) {
        self.peer.send(self.text(method, cseq, more));
    }

    /// Where the server's media is expected.
    fn target(&self) -> std::net::SocketAddr {
        (self.peer.server.ip(), self.port).into()
    }

    /// One key by RFC 4733 from this socket.
    fn press(&mut self, from: &UdpSocket, digit: u8) {
        for packet in event(&mut self.sequence, digit) {
            let _ = from.send_to(&packet, self.target());
            sleep(Duration::from_millis(5));
        }
    }

    fn hang_up(&self) {
        self.send("BYE", 99, "");
        assert_eq!(status(&self.peer.answer("BYE")), 200);
    }
}

/// The packets of one press: payload type 101, four times while it is held, three times its end.
fn event(sequence: &mut u16, digit: u8) -> Vec<Vec<u8>> {
    let timestamp = u32::from(*sequence) * 160;
    let steps =
        [(false, 160), (false, 320), (false, 480), (false, 640), (true, 800), (true, 800), (true, 800)];
    let packets = steps.iter().enumerate().map(|(at, (end, duration))| {
        let mut packet = vec![0x80, 101 | if at == 0 { 0x80 } else { 0 }];
        packet.extend(sequence.to_be_bytes());
        packet.extend(timestamp.to_be_bytes());
        packet.extend(0x5eed_cafe_u32.to_be_bytes());
        packet.extend([digit, if *end { 0x8a } else { 0x0a }]);
        packet.extend(u16::to_be_bytes(*duration));
        *sequence += 1;
        packet
    });
    packets.collect()
}

/// How many datagrams wait at a socket.
fn drain(socket: &UdpSocket) -> usize {
    socket.set_nonblocking(true).expect("a socket");
    let mut buffer = [0; 2048];
    let count = std::iter::from_fn(|| socket.recv(&mut buffer).ok()).count();
    socket.set_nonblocking(false).expect("a socket");
    count
}

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
fn a05_state_is_bounded_under_a_flood() {
    // More than what strangers may leave unacknowledged.
    let victim = Victim::new(Setup { max_calls: 40, ..Setup::default() });
    let evil = Raw::new(victim.server.sip, EVIL);
    let offer = evil.offer(9);
    // Calls that nobody acknowledges, registrations, questions: each with a Call-ID of its own.
    for index in 0..4000 {
        let method = ["INVITE", "REGISTER", "OPTIONS", "SUBSCRIBE"][index % 4];
        let body = if method == "INVITE" { &offer } else { "" };
        evil.send(evil.request(method, "5001", &format!("flood-{index}"), "", body));
        if index % 50 == 0 {
            sleep(Duration::from_millis(5));
        }
    }
    victim.stands();
}

#[test]
fn a06_nothing_is_done_for_strangers() {
    let victim = Victim::new(Setup::default());
    let peer = Raw::new(victim.server.sip, STRANGER);
    let premium = Raw::new(victim.server.sip, 68);
    let target = format!("Refer-To: <sip:+4990012345@{}>\r\n", premium.me);
    for (method, more) in [
        ("MESSAGE", ""),
        ("SUBSCRIBE", "Event: presence\r\n"),
        ("PUBLISH", "Event: presence\r\n"),
        ("NOTIFY", "Event: presence\r\nSubscription-State: active\r\n"),
        ("REFER", target.as_str()),
        ("REGISTER", ""),
    ] {
        peer.send(peer.request(method, "5001", &format!("no-{method}"), more, ""));
        let code = status(&peer.answer(method));
        assert!((400..700).contains(&code), "{method}: {code}");
    }
    // Numbers of the world, and a transfer from inside of a call.
    for number in ["+4990012345", "004990012345", "900", "201"] {
        peer.send(peer.request("INVITE", number, &format!("toll-{number}"), "", &peer.offer(9)));
        assert_eq!(status(&peer.answer("INVITE")), 404, "{number}");
    }
    let call = Call::begin(&victim.server, STRANGER, "5001", "fraud");
    call.send("REFER", 2, &target);
    let code = status(&call.peer.answer("REFER"));
    assert!((400..700).contains(&code), "REFER in a call: {code}");
    call.hang_up();
    assert_eq!(premium.receive(Duration::from_millis(800)), None, "nobody is called");
    victim.stands();
}

#[test]
fn a07_messages_that_broke_others() {
    let victim = Victim::new(Setup { max_calls: 40, ..Setup::default() });
    // Each from an address of its own: what breaks also counts against its sender.
    let nines = "9".repeat(4000);
    let accept: String = (0..300).map(|index| format!("Accept: application/x{index}\r\n")).collect();
    let headers = [
        ("OPTIONS", format!("CSeq: {nines} OPTIONS\r\n"), String::new()),
        ("OPTIONS", "CSeq: -1 OPTIONS\r\n".into(), String::new()),
        ("OPTIONS", "CSeq: 4294967296 OPTIONS\r\n".into(), String::new()),
        ("OPTIONS", "CSeq: 1 INVITE\r\n".into(), String::new()),
        ("SUBSCRIBE", accept, String::new()),
        ("INVITE", format!("Max-Forwards: {nines}\r\n"), String::new()),
        ("INVITE", "Content-Length: -5\r\n".into(), String::new()),
        ("INVITE", "Require: 100rel, nonsense\r\n".into(), String::new()),
        ("INVITE", "Session-Expires: 99999999999;refresher=nobody\r\nMin-SE: -4\r\n".into(), String::new()),
        ("INVITE", "Authorization: Digest ,,,=\"\r\n".into(), String::new()),
    ];
    let descriptions = [
        "v=0\r\nm=audio 99999 RTP/AVP 0\r\n",
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\nm=audio 1 RTP/AVP\r\n",
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP6 ::::\r\nt=0 0\r\nm=audio 4 RTP/AVP 0\r\n",
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=image 5 udptl t38\r\na=T38FaxMaxBuffer:-1\r\n",
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 4 RTP/AVP 0 101\r\n\
         a=rtpmap:101 telephone-event/0\r\na=fmtp:101 0-99999999999999999999\r\na=fmtp:\r\na=fmtp:999 ;;;=\r\na=ptime:0\r\n",
        "\0\0\0\0",
    ];
    let many = format!(
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n{}",
        "m=audio 4 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n".repeat(120)
    );
    let multipart = "Content-Type: multipart/mixed;boundary=\r\n\r\n----\r\n--\r\n\r\n";
    let bodies = descriptions.iter().map(|body| (*body).to_owned()).chain([many]);
    let all = headers.into_iter().chain(bodies.map(|body| ("INVITE", String::new(), body)));
    for (index, (method, more, body)) in all.enumerate() {
        let peer = Raw::new(victim.server.sip, 100 + index as u8);
        peer.send(peer.request(method, "5001", &format!("broken-{index}"), &more, &body));
        let code = status(&peer.answer(method));
        assert!(code == 0 || (200..=606).contains(&code) && code != 500, "{index}: {code}");
        if code == 200 && method == "INVITE" {
            peer.send(peer.request("CANCEL", "5001", &format!("broken-{index}"), "", ""));
        }
    }
    let peer = Raw::new(victim.server.sip, 99);
    let torn = peer.request("INVITE", "5001", "torn", "", "").replace("Content-Length: 0\r\n\r\n", multipart);
    peer.send(torn);
    let code = status(&peer.answer("INVITE"));
    assert!((400..500).contains(&code), "{code}");
    victim.stands();
}

#[test]
fn a08_an_invite_whose_connection_closes_200_times() {
    let victim = Victim::new(Setup { max_calls: 20, rtp_timeout_s: 2, ..Setup::default() });
    let peer = Raw::new(victim.server.sip, 1);
    for index in 0..200 {
        let mut stream = raw::connect(victim.server.sip);
        let invite = peer.request("INVITE", "5001", &format!("gone-{index}"), "", &peer.offer(9));
        let _ = stream.write_all(invite.replace("SIP/2.0/UDP", "SIP/2.0/TCP").as_bytes());
    }
    // Unacknowledged calls end after 64 * T1 = 32 s (RFC 3261 section 13.3.1.4), or with the connection.
    let free = wait_for(Duration::from_secs(45), || {
        let plan = Plan {
            opening: vec![Act::HangUp],
            ..Plan::minded(&victim.server.uri("5001"), |_, _| Vec::new())
        };
        talk_once(victim.server.voice, plan).codec
    });
    assert!(free.is_some(), "there is room again");
    victim.stands();
}

#[test]
fn a09_a_space_before_the_colon_does_not_hide_a_header() {
    let victim = Victim::new(Setup::default());
    let peer = Raw::new(victim.server.sip, STRANGER);
    for (id, field) in [
        ("pai-a", "P-Asserted-Identity"),
        ("pai-b", "P-Asserted-Identity "),
        ("pai-c", "p-asserted-identity\t"),
    ] {
        let more =
            format!("{field}: <sip:+4930111@127.0.0.1>\r\nRemote-Party-ID : <sip:+4930111@127.0.0.1>\r\n");
        peer.send(peer.request("INVITE", "5999", id, &more, &peer.offer(9)));
        assert_eq!(status(&peer.answer("INVITE")), 404);
        peer.send(peer.request("ACK", "5999", id, "", ""));
    }
    let more = "P-Asserted-Identity : <sip:+4930111@127.0.0.1>\r\n";
    peer.send(peer.request("INVITE", "5001", "pai-call", more, &peer.offer(9)));
    let answer = peer.answer("INVITE");
    assert_eq!(status(&answer), 200);
    let tag = format!(";tag={}\r\nCall-ID", to_tag(&answer.expect("an answer")));
    for method in ["ACK", "BYE"] {
        let cseq = if method == "ACK" { "CSeq: 1 ACK\r\n" } else { "CSeq: 2 BYE\r\n" };
        let request = peer.request(method, "5001", "pai-call", cseq, "").replacen("\r\nCall-ID", &tag, 1);
        peer.send(request.replacen("branch=z9hG4bK-", &format!("branch=z9hG4bK-{method}"), 1));
    }
    assert_eq!(status(&peer.answer("BYE")), 200);
    // A second length, hidden behind a space, is a conflict and not the one that counts.
    let mut stream = raw::connect(victim.server.sip);
    let smuggled =
        peer.request("OPTIONS", "5001", "outer", "Content-Length : 5\r\n", "").replace("/UDP", "/TCP");
    stream.write_all(smuggled.as_bytes()).expect("loopback");
    let mut buffer = [0; 4096];
    let length = stream.read(&mut buffer).unwrap_or(0);
    assert!(
        length == 0 || buffer.starts_with(b"SIP/2.0 400"),
        "{}",
        String::from_utf8_lossy(&buffer[..length])
    );
    let spoofed = |call: &Value| call.to_string().contains("4930111");
    assert!(!victim.calls().iter().any(spoofed), "{:#?}", victim.calls());
    victim.stands();
}

#[test]
fn a10_oversize_parameters_and_broken_rtcp() {
    let victim = Victim::new(Setup::default());
    let long = "x".repeat(30_000);
    for (index, (of, by)) in [
        (";tag=raw-", format!(";tag={long}")),
        (";rport;", format!(";rport;{long}={long};")),
        ("Max-Forwards", format!("{}: y\r\nMax-Forwards", &long[..20_000])),
        ("<sip:raw@", format!("<sip:{long}@")),
        ("Contact: ", format!("Contact: \"{long}\" ")),
    ]
    .into_iter()
    .enumerate()
    {
        let peer = Raw::new(victim.server.sip, 100 + index as u8);
        let request = peer.request("OPTIONS", "5001", &format!("big-{index}"), "", "").replacen(of, &by, 1);
        assert!(request.len() > 15_000);
        peer.send(request);
        let code = status(&peer.answer("OPTIONS"));
        assert!(code == 0 || (200..=606).contains(&code) && code != 500, "{index}: {code}");
    }
    let mut call = Call::begin(&victim.server, STRANGER, "5001", "rtcp");
    let own = call.media.try_clone().expect("a socket");
    call.press(&own, 3);
    // Lengths that lie, empty reports, a source description without an end, a packet of T.38, and what is no packet at all.
    let crash: [&[u8]; 8] = [
        &[0x80, 200, 0xff, 0xff],
        &[0x9f, 201, 0, 1, 0, 0, 0, 1],
        &[0x81, 202, 0, 2, 0, 0, 0, 1, 1, 255, 65, 65],
        &[0x80, 203, 0, 0],
        &[0xbf, 205, 0, 3, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0],
        &[0x81, 204, 0, 0, 0x80, 200, 0, 0],
        &[0, 0, 0x80, 0xff, 0xff, 0xff, 0xff, 0x7f],
        &[0x80],
    ];
    for packet in crash {
        for port in [call.port, call.port + 1] {
            let _ = own.send_to(packet, (call.peer.server.ip(), port));
        }
    }
    call.press(&own, 4);
    sleep(Duration::from_millis(300));
    call.hang_up();
    let heard = wait_for(Duration::from_secs(5), || {
        victim.calls().iter().find(|call| call["from"] == "raw").map(|call| call["digits"].clone())
    });
    assert_eq!(heard, Some("34".into()));
    victim.stands();
}

#[test]
fn a11_markup_and_control_characters_are_inert() {
    let victim = Victim::new(Setup { max_calls: 20, ..Setup::default() });
    let payloads = [
        "<script>alert(1)</script>",
        "=cmd|' /C calc'!A0",
        "';DROP TABLE calls;--",
        "\x1b[2J\x1b]0;owned\x07",
        "${jndi:ldap://x/y}",
        "%0d%0aX-Evil:%201",
        "\u{202e}\u{0000}",
    ];
    for (index, payload) in payloads.iter().enumerate() {
        let peer = Raw::new(victim.server.sip, 100 + index as u8);
        let request = peer
            .request("INVITE", "5001", &format!("inert-{index}"), "", &peer.offer(9))
            .replacen("From: <sip:raw@", &format!("From: \"{payload}\" <sip:raw{payload}@"), 1)
            .replacen(raw::PHONE, payload, 1)
            .replacen("Call-ID: ", &format!("Call-ID: {payload}"), 1);
        peer.send(request);
        peer.answer("INVITE");
        peer.send(peer.request("OPTIONS", payload, &format!("ask-{index}"), "", ""));
    }
    sleep(Duration::from_millis(500));
    let is_inert =
        |text: &str| text.chars().all(|c| c == '\n' || c == '\t' || !c.is_control() && c != '\u{202e}');
    for arguments in [["calls", "--last", "1000"].as_slice(), &["calls", "--last", "1000", "--json"]] {
        let shown = victim.server.cli(arguments, "").good();
        assert!(is_inert(&shown), "{shown:?}");
    }
    let log = victim.server.log();
    let ours: String = log.lines().filter(|line| line.contains("inert") || line.contains("raw")).collect();
    assert!(is_inert(&ours), "{ours:?}");
    victim.stands();
}

#[test]
fn a12_slow_endless_and_pipelined_streams() {
    let victim = Victim::new(Setup::default());
    let peer = Raw::new(victim.server.sip, 1);
    let options = |id: &str| peer.request("OPTIONS", "5001", id, "", "").replace("/UDP", "/TCP");
    // Connections that say little or nothing.
    let mut slow: Vec<_> = (0..150).map(|_| raw::connect(victim.server.sip)).collect();
    for (index, stream) in slow.iter_mut().enumerate() {
        let start = &options("slow")[..index % 60];
        let _ = stream.write_all(start.as_bytes());
    }
    // A header that does not end, and a body that would take the memory of the machine.
    let mut endless = raw::connect(victim.server.sip);
    let _ = endless.write_all(b"OPTIONS sip:x SIP/2.0\r\nX: ");
    let closed = wait_for(Duration::from_secs(10), || {
        (0..64).any(|_| endless.write_all(&[b'y'; 16_384]).is_err()).then_some(())
    });
    assert!(closed.is_some(), "an endless header closes the connection");
    let mut huge = raw::connect(victim.server.sip);
    let text = options("huge").replace("Content-Length: 0", "Content-Length: 4294967295");
    huge.write_all(text.as_bytes()).expect("loopback");
    let mut buffer = [0; 4096];
    let length = huge.read(&mut buffer).unwrap_or(0);
    let said = String::from_utf8_lossy(&buffer[..length]).into_owned();
    assert!(length == 0 || said.starts_with("SIP/2.0 4") || said.starts_with("SIP/2.0 513"), "{said}");
    // Others are served meanwhile.
    served(&victim.server);
    // Octet by octet, and fifty at once.
    let mut byte = raw::connect(victim.server.sip);
    byte.set_nodelay(true).expect("a socket");
    for octet in options("byte").bytes() {
        byte.write_all(&[octet]).expect("loopback");
    }
    let length = byte.read(&mut buffer).expect("an answer");
    assert!(buffer[..length].starts_with(b"SIP/2.0 200"), "{}", String::from_utf8_lossy(&buffer[..length]));
    let mut many = raw::connect(victim.server.sip);
    let all: String = (0..50).map(|index| options(&format!("many-{index}"))).collect();
    many.write_all(all.as_bytes()).expect("loopback");
    let mut answers = String::new();
    let end = Instant::now() + Duration::from_secs(5);
    while answers.matches("SIP/2.0 200").count() < 50 && Instant::now() < end {
        let length = many.read(&mut buffer).unwrap_or(0);
        answers += &String::from_utf8_lossy(&buffer[..length]);
    }
    assert_eq!(answers.matches("SIP/2.0 200").count(), 50);
    drop((slow, endless, huge, byte, many));
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

#[test]
fn a14_answers_tell_nothing_apart() {
    let more = "devices:\n  - { extension: 201, password_file: phone.password }\n";
    let server = Server::prepare(Setup { more: more.into(), ..Setup::default() });
    server.secret("phone.password", "correct horse");
    let mut server = server;
    server.restart();
    served(&server);
    let before = Vitals::of(server.process().id());
    let victim = Victim { server, before };
    // What is said to a number or a user that exists, and to one that does not, differs in nothing but what was asked.
    let shape = |text: String| -> Vec<String> {
        let quiet = |line: &str| match line.split_once(':') {
            Some((name, _)) if ["Via", "From", "To", "Call-ID", "CSeq"].contains(&name) => name.to_owned(),
            Some((name, value)) if name == "WWW-Authenticate" => {
                let parts = value.split(',').map(|part| if part.contains("nonce") { "nonce" } else { part });
                format!("{name}:{}", parts.collect::<Vec<_>>().join(","))
            }
            _ => line.to_owned(),
        };
        text.lines().map(quiet).collect()
    };
    let peer = Raw::new(victim.server.sip, STRANGER);
    let asked = |number: &str| {
        peer.send(peer.request("INVITE", number, &format!("who-{number}"), "", &peer.offer(9)));
        let answer = peer.answer("INVITE").expect("an answer");
        peer.send(peer.request("ACK", number, &format!("who-{number}"), "", ""));
        shape(answer)
    };
    assert_eq!(asked("201"), asked("299"), "INVITE to an extension");
    let registered = |user: &str, id: &str, more: &str| {
        let request = peer.request("REGISTER", user, id, more, "");
        peer.send(request.replacen("From: <sip:raw@", &format!("From: <sip:{user}@"), 1));
        peer.answer("REGISTER").expect("an answer")
    };
    let (known, unknown) = (registered("201", "reg-a", ""), registered("299", "reg-b", ""));
    assert_eq!(status(&Some(known.clone())), 401, "{known}");
    assert_eq!(shape(known.clone()), shape(unknown), "REGISTER");
    let nonce =
        known.split_once("nonce=\"").expect("a nonce").1.split('"').next().unwrap_or_default().to_owned();
    let wrong = |user: &str| {
        format!(
            "CSeq: 2 REGISTER\r\nAuthorization: Digest username=\"{user}\", realm=\"passline\", nonce=\"{nonce}\", uri=\"sip:{user}@{}\", \
             response=\"{}\", algorithm=MD5, qop=auth, nc=00000001, cnonce=\"c\"\r\n",
            victim.server.sip,
            "0".repeat(32)
        )
    };
    let known = registered("201", "reg-c", &wrong("201"));
    let unknown = registered("299", "reg-d", &wrong("299"));
    assert_eq!(shape(known.clone()), shape(unknown), "REGISTER with a wrong password");
    assert!(!known.contains("0.1.0"), "no version is told: {known}");
    // Media aimed at the server itself.
    let call = Raw::new(victim.server.sip, STRANGER);
    call.send(call.request(
        "INVITE",
        "5001",
        "loop",
        "",
        &call.offer(victim.server.rtp_first).replace("127.0.0.67", "127.0.0.1"),
    ));
    let answer = call.answer("INVITE");
    if status(&answer) == 200 {
        let tag = format!(";tag={}\r\nCall-ID", to_tag(&answer.expect("an answer")));
        call.send(call.request("ACK", "5001", "loop", "", "").replacen("\r\nCall-ID", &tag, 1));
        sleep(Duration::from_millis(800));
        let bye = call.request("BYE", "5001", "loop", "CSeq: 2 BYE\r\n", "").replacen("\r\nCall-ID", &tag, 1);
        call.send(bye.replacen("branch=z9hG4bK-", "branch=z9hG4bK-bye-", 1));
        assert_eq!(status(&call.answer("BYE")), 200);
    }
    victim.stands();
}

#[test]
fn a15_no_amplification() {
    let victim = Victim::new(Setup { max_calls: 20, ..Setup::default() });
    // Short requests of a forged source, each with an address of its own: all that comes back is less than what was sent.
    for (index, method) in ["OPTIONS", "INVITE", "REGISTER", "SUBSCRIBE", "BYE"].iter().enumerate() {
        let peer = Raw::new(victim.server.sip, 100 + index as u8);
        let short = format!(
            "{method} sip:5001@x SIP/2.0\r\nv:SIP/2.0/UDP {};branch=z9hG4bKq\r\nf:<sip:a@x>;tag=a\r\nt:<sip:b@x>\r\ni:{index}\r\n\
             CSeq:1 {method}\r\nm:<sip:a@x>\r\n\r\n",
            peer.me
        );
        let long = peer.request(method, "5001", &format!("back-{index}"), "", &peer.offer(9));
        let (mut sent, mut received) = (0, 0);
        for request in [short, long] {
            peer.send(&request);
            sent += request.len();
            received += peer.all(Duration::from_millis(2500)).iter().map(String::len).sum::<usize>();
            assert!(received <= sent, "{method}: {received} octets for {sent}");
        }
    }
    let stun = Raw::new(victim.server.sip, EVIL);
    stun.send(b"\x00\x01\x00\x00\x21\x12\xa4\x42abcdefghijkl");
    assert_eq!(stun.receive(Duration::from_millis(500)), None, "STUN");
    victim.stands();
}

#[test]
fn a17_scanners_are_known_and_get_nothing_any_more() {
    let victim = Victim::new(Setup::default());
    for (index, name) in
        ["friendly-scanner", "sipvicious", "sipcli/v1.8", "VaxSIPUserAgent/3.1"].iter().enumerate()
    {
        let scanner = Raw::new(victim.server.sip, 110 + index as u8);
        let text =
            scanner.request("OPTIONS", "100", &format!("scan-{index}"), "", "").replacen(raw::PHONE, name, 1);
        scanner.send(text);
        assert_eq!(scanner.receive(Duration::from_millis(400)), None, "{name}");
        // From now on the source gets nothing at all, whatever it calls itself.
        scanner.send(scanner.request("OPTIONS", "5001", &format!("after-{index}"), "", ""));
        assert_eq!(scanner.receive(Duration::from_millis(400)), None, "{name}, banned");
    }
    // Another name of nobody's, but the habit of one: user after user.
    let svwar = Raw::new(victim.server.sip, 120);
    for number in 100..200 {
        svwar.send(svwar.request(
            "INVITE",
            &number.to_string(),
            &format!("war-{number}"),
            "",
            &svwar.offer(9),
        ));
        sleep(Duration::from_millis(2));
    }
    svwar.all(Duration::from_millis(300));
    svwar.send(svwar.request("OPTIONS", "5001", "war-after", "", ""));
    assert_eq!(svwar.receive(Duration::from_millis(400)), None, "who tries numbers is banned");
    // A stranger who does nothing of the kind is answered.
    let stranger = Raw::new(victim.server.sip, STRANGER);
    stranger.send(stranger.request("OPTIONS", "5001", "fine", "", ""));
    assert_eq!(status(&stranger.answer("OPTIONS")), 200);
    victim.stands();
}
