//! What was published against other SIP servers, as classes. After each the server serves a caller as if nothing had been,
//! and has given back what the attack took.
mod calls;
mod messages;
mod strangers;
mod streams;

use passline_tests::{
    raw::{self, Raw, media_port, status, to_tag},
    server::{Server, Setup},
    talk::{Act, Plan, talk_once},
    vitals::Vitals,
    wait_for,
};
use serde_json::Value;
use std::{net::UdpSocket, thread::sleep, time::Duration};

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
