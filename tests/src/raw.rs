//! A peer that speaks in raw messages, from any address of loopback: strangers and attackers.
//!
//! `127.0.0.1` is this machine itself, which the server never limits nor bans; other addresses of loopback are strangers to
//! it like any other.
use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream, UdpSocket},
    time::{Duration, Instant},
};

/// A phone's name.
pub const PHONE: &str = "A phone of ordinary length/1.0 (tests of the password service, by hand)";

/// What phones tell of themselves. A stranger gets no more octets than it sent, so a request must be as long as a phone's.
const ABLE: &str = "Allow: INVITE, ACK, CANCEL, BYE, NOTIFY, REFER, MESSAGE, OPTIONS, INFO, SUBSCRIBE, UPDATE, PRACK\r\n\
Supported: replaces, outbound, path, gruu, timer, norefersub, from-change\r\n\
Accept: application/sdp, application/dtmf-relay, application/simple-message-summary\r\n\
P-Early-Media: supported\r\nAllow-Events: talk, hold, conference, message-summary, dialog\r\n";

/// A UDP socket towards one server.
pub struct Raw {
    socket: UdpSocket,
    /// Its own address.
    pub me: SocketAddr,
    /// Whom it speaks to.
    pub server: SocketAddr,
}

impl Raw {
    /// At 127.0.0.`last`, on a port of the system's choice.
    pub fn new(server: SocketAddr, last: u8) -> Self {
        let socket = UdpSocket::bind(stranger(last)).expect("a socket of loopback");
        socket.connect(server).expect("loopback");
        Self { me: socket.local_addr().expect("bound"), socket, server }
    }

    /// A request; `number` is also part of its Call-ID and its branch. `more` holds whole header lines.
    pub fn request(&self, method: &str, number: &str, id: &str, more: &str, body: &str) -> String {
        let (me, server) = (self.me, self.server);
        let content = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
        let cseq = if more.contains("CSeq: ") { String::new() } else { format!("CSeq: 1 {method}\r\n") };
        format!(
            "{method} sip:{number}@{server} SIP/2.0\r\nVia: SIP/2.0/UDP {me};rport;branch=z9hG4bK-{id}\r\n\
             From: <sip:raw@{me}>;tag=raw-{id}\r\nTo: <sip:{number}@{server}>\r\nCall-ID: {id}@{me}\r\n{cseq}\
             Contact: <sip:raw@{me}>\r\nMax-Forwards: 70\r\nUser-Agent: {PHONE}\r\n{ABLE}{more}{content}Content-Length: {}\r\n\r\n{body}",
            body.len()
        )
    }

    /// An offer whose media goes to this port of the same address.
    pub fn offer(&self, port: u16) -> String {
        let ip = self.me.ip();
        format!(
            "v=0\r\no=- 1 1 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\nm=audio {port} RTP/AVP 0 101\r\n\
             a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\n"
        )
    }

    /// Sends octets.
    pub fn send(&self, bytes: impl AsRef<[u8]>) {
        // A full buffer, or a port that was closed before, is no matter of ours.
        let _ = self.socket.send(bytes.as_ref());
    }

    /// The next message within this time.
    pub fn receive(&self, limit: Duration) -> Option<String> {
        let end = Instant::now() + limit;
        let mut buffer = [0; 65536];
        loop {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            self.socket.set_read_timeout(Some(left)).expect("a socket");
            match self.socket.recv(&mut buffer) {
                Ok(length) => return Some(String::from_utf8_lossy(&buffer[..length]).into_owned()),
                // The server's port may have been closed for a moment.
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => {}
                Err(_) => return None,
            }
        }
    }

    /// Everything that comes until nothing has come for so long.
    pub fn all(&self, quiet: Duration) -> Vec<String> {
        std::iter::from_fn(|| self.receive(quiet)).take(1000).collect()
    }

    /// The next final answer to this method, within two seconds.
    pub fn answer(&self, method: &str) -> Option<String> {
        let end = Instant::now() + Duration::from_secs(2);
        while let Some(text) = self.receive(end.saturating_duration_since(Instant::now())) {
            let is_final = text.starts_with("SIP/2.0 ") && !text.starts_with("SIP/2.0 1");
            if is_final && text.contains(&format!(" {method}\r\n")) {
                return Some(text);
            }
        }
        None
    }
}

/// The status of an answer; 0 if there was none.
pub fn status(answer: &Option<String>) -> u16 {
    answer.as_ref().and_then(|text| text.get(8..11)?.parse().ok()).unwrap_or(0)
}

/// The value of the first header field with this name.
pub fn header<'a>(message: &'a str, name: &str) -> Option<&'a str> {
    message.lines().take_while(|line| !line.is_empty()).find_map(|line| {
        let (field, value) = line.split_once(':')?;
        field.trim().eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

/// The tag of the To field.
pub fn to_tag(message: &str) -> &str {
    let to = header(message, "To").unwrap_or_default();
    to.split_once(";tag=").map_or("", |(_, tag)| tag.split(';').next().unwrap_or_default())
}

/// Where the media of a description goes.
pub fn media_port(message: &str) -> Option<u16> {
    message.split_once("m=audio ")?.1.split(' ').next()?.parse().ok()
}

/// 127.0.0.`last`, on a port of the system's choice.
pub fn stranger(last: u8) -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::new(127, 0, 0, last)), 0)
}

/// A TCP connection from this machine.
pub fn connect(server: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(server).expect("it listens on TCP");
    stream.set_read_timeout(Some(Duration::from_millis(500))).expect("a socket");
    stream.set_write_timeout(Some(Duration::from_millis(500))).expect("a socket");
    stream
}
