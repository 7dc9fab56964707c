//! SIP as any peer could speak it: raw messages over UDP and TCP.
use passline_tests::{
    ports::local,
    server::{Server, Setup},
    talk::{Act, Plan, talk, talk_once},
    wait_for,
};
use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream, UdpSocket},
    time::Duration,
};

/// A phone's name; without it a request could be so short that an answer has no room for more than it must hold.
const PHONE: &str = "A phone of ordinary length/1.0 (tests of the password service, by hand)";

/// A peer that speaks in raw messages.
struct Peer {
    socket: UdpSocket,
    server: SocketAddr,
}

impl Peer {
    fn new(server: &Server) -> Self {
        let socket = UdpSocket::bind(local(0)).expect("a socket");
        socket.connect(server.sip).expect("loopback");
        Self { socket, server: server.sip }
    }

    /// A request outside of any dialog.
    fn request(&self, method: &str, number: &str, cseq: &str, body: &str) -> String {
        let (me, server) = (self.socket.local_addr().expect("bound"), self.server);
        let content = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
        format!(
            "{method} sip:{number}@{server} SIP/2.0\r\nVia: SIP/2.0/UDP {me};rport;branch=z9hG4bK-raw-{number}\r\n\
             From: <sip:raw@{me}>;tag=raw\r\nTo: <sip:{number}@{server}>\r\nCall-ID: raw-{number}@{me}\r\n\
             CSeq: {cseq}\r\nContact: <sip:raw@{me}>\r\nMax-Forwards: 70\r\nUser-Agent: {PHONE}\r\n\
             Accept: application/sdp, application/dtmf-relay\r\nSupported: replaces, timer\r\n{content}Content-Length: {}\r\n\r\n{body}",
            body.len()
        )
    }

    fn offer(&self) -> String {
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 9998 RTP/AVP 0 101\r\n\
         a=rtpmap:101 telephone-event/8000\r\n"
            .to_owned()
    }

    fn send(&self, bytes: &[u8]) {
        self.socket.send(bytes).expect("loopback");
    }

    /// The next message within this time.
    fn receive(&self, limit: Duration) -> Option<String> {
        self.socket.set_read_timeout(Some(limit)).expect("a socket");
        let mut buffer = [0; 65536];
        let length = self.socket.recv(&mut buffer).ok()?;
        Some(String::from_utf8_lossy(&buffer[..length]).into_owned())
    }

    /// The next final answer to this method, in a second.
    fn answer(&self, method: &str) -> Option<String> {
        let second = Duration::from_secs(1);
        let is_answer =
            |text: &String| text.starts_with("SIP/2.0 ") && text.contains(&format!(" {method}\r\n"));
        wait_for(second, || {
            self.receive(Duration::from_millis(100))
                .filter(|text| is_answer(text) && !text.starts_with("SIP/2.0 1"))
        })
    }
}

fn status(message: &Option<String>) -> &str {
    message.as_ref().and_then(|text| text.get(8..11)).unwrap_or("none")
}

#[test]
fn options_are_answered_and_unknown_numbers_are_not_found() {
    let server = Server::start(Setup::default());
    let peer = Peer::new(&server);
    peer.send(peer.request("OPTIONS", "5000", "1 OPTIONS", "").as_bytes());
    let answer = peer.answer("OPTIONS");
    assert_eq!(status(&answer), "200");
    let text = answer.unwrap_or_default();
    assert!(text.contains("\r\nAllow: ") && text.contains("INVITE"), "{text}");
    peer.send(peer.request("INVITE", "5999", "1 INVITE", &peer.offer()).as_bytes());
    assert_eq!(status(&peer.answer("INVITE")), "404");
    let plan = Plan::minded(&server.uri("49"), |_, _| Vec::new());
    assert_eq!(talk_once(server.voice, plan).refused, Some(404));
}

#[test]
fn garbage_gets_no_answer_and_does_no_harm() {
    let server = Server::start(Setup::default());
    let peer = Peer::new(&server);
    let invite = peer.request("INVITE", "5001", "1 INVITE", "");
    let cut = &invite[..60];
    let broken = [
        b"".as_slice(),
        b"\r\n\r\n",
        b"\x00\x01\x02\x03",
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"SIP/2.0 200 OK\r\n\r\n",
        b"INVITE\r\n\r\n",
        b"INVITE sip:5000@127.0.0.1 SIP/2.0\r\n\r\n",
        b"\x80\x00\x00\x01\x00\x00\x00\xa0\x12\x34\x56\x78",
        &[0xff; 1400],
    ];
    for bytes in broken.into_iter().chain([cut.as_bytes()]) {
        peer.send(bytes);
    }
    assert_eq!(peer.receive(Duration::from_millis(700)), None, "silence");
    let mut stream = TcpStream::connect(server.sip).expect("it listens on TCP");
    stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").expect("loopback");
    stream.set_read_timeout(Some(Duration::from_millis(700))).expect("a socket");
    assert!(
        stream.read(&mut [0; 64]).is_ok_and(|read| read == 0) || !stream.peek(&mut [0]).is_ok_and(|n| n > 0)
    );
    peer.send(peer.request("OPTIONS", "5000", "1 OPTIONS", "").as_bytes());
    assert_eq!(status(&peer.answer("OPTIONS")), "200", "it is still there");
}

#[test]
fn a_full_house_says_when_to_come_again() {
    let server = Server::start(Setup { max_calls: 2, ..Setup::default() });
    let uri = server.uri("5001");
    let line =
        || Plan { opening: vec![Act::Wait(2500), Act::HangUp], ..Plan::minded(&uri, |_, _| Vec::new()) };
    let third = Plan { after: Duration::from_millis(1200), ..line() };
    let peer = Peer::new(&server);
    let offer = peer.request("INVITE", "5000", "1 INVITE", &peer.offer());
    let raw = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(1500));
        peer.send(offer.as_bytes());
        peer.answer("INVITE")
    });
    let talks = talk(server.voice, vec![line(), line(), third]);
    assert_eq!(talks[2].refused, Some(503));
    assert!(talks[..2].iter().all(|talk| talk.codec.is_some()), "the two before are served");
    let answer = raw.join().expect("no panic");
    assert_eq!(status(&answer), "503");
    assert!(answer.unwrap_or_default().contains("\r\nRetry-After: "), "it says when");
    // And there is room again.
    assert!(talk_once(server.voice, line()).codec.is_some());
}

#[test]
fn a_caller_may_cancel() {
    let server = Server::start(Setup::default());
    let peer = Peer::new(&server);
    let invite = peer.request("INVITE", "5000", "1 INVITE", &peer.offer());
    // An INVITE is answered at once, so CANCEL comes right behind it; whoever is first wins (RFC 3261 §9.2).
    peer.send(invite.as_bytes());
    peer.send(peer.request("CANCEL", "5000", "1 CANCEL", "").as_bytes());
    let answers: Vec<_> = std::iter::from_fn(|| peer.receive(Duration::from_millis(500))).take(20).collect();
    let has = |status: &str, method: &str| {
        answers.iter().any(|text| {
            text.starts_with(&format!("SIP/2.0 {status}")) && text.contains(&format!(" {method}\r\n"))
        })
    };
    assert!(has("200", "CANCEL"), "{answers:#?}");
    assert!(has("487", "INVITE") || has("200", "INVITE"), "{answers:#?}");
    if has("487", "INVITE") {
        assert_eq!(server.call()["outcome"], "cancelled");
    }
    assert!(!answers.iter().any(|text| text.starts_with("SIP/2.0 5")), "{answers:#?}");
}

#[test]
fn a_server_that_is_told_to_end_ends_without_a_call_left() {
    let mut server = Server::start(Setup::default());
    let plan = Plan {
        opening: vec![Act::Wait(300), Act::Keys("12".into()), Act::Wait(300), Act::HangUp],
        ..Plan::minded(&server.uri("5001"), |_, _| Vec::new())
    };
    assert!(talk_once(server.voice, plan).codec.is_some());
    assert!(server.stop(), "{}", server.log());
    assert_eq!(server.call()["digits"], "12");
}
