//! Whose audio is taken and who gets ours, at real sockets: nothing before the ACK, the negotiated address or, behind
//! NAT, the first source with the signalling's address, and nobody afterwards (RTP bleed, CVE-2017-14099).
mod common;

use common::{Setup, Side, side};
use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

/// A caller made by hand.
struct Phone {
    sip: UdpSocket,
    to: SocketAddr,
    call: String,
    answer: String,
}

fn socket(address: &str) -> UdpSocket {
    let socket = UdpSocket::bind((address, 0)).expect("an address of loopback");
    socket.set_read_timeout(Some(Duration::from_millis(100))).expect("an option");
    socket
}

impl Phone {
    fn request(&self, method: &str, to_tag: &str, sdp: &str) -> String {
        let (call, to, own) = (&self.call, self.to, self.sip.local_addr().expect("bound"));
        let number = if method == "BYE" { 2 } else { 1 };
        format!(
            "{method} sip:5001@{to} SIP/2.0\r\nVia: SIP/2.0/UDP {own};branch=z9hG4bK{method}{call}\r\nMax-Forwards: 70\r\n\
             From: <sip:phone@{own}>;tag=p\r\nTo: <sip:5001@{to}>{to_tag}\r\nCall-ID: {call}\r\nCSeq: {number} {method}\r\n\
             Contact: <sip:phone@{own}>\r\nContent-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{sdp}",
            sdp.len()
        )
    }

    /// Calls, saying that it hears at `media`; takes the 200.
    fn calls(side: &Side, call: &str, media: SocketAddr) -> Phone {
        let (sip, to) = (socket("127.0.0.1"), side.handle.local_udp()[0]);
        let mut phone = Phone { sip, to, call: call.to_owned(), answer: String::new() };
        let (ip, port) = (media.ip(), media.port());
        let sdp = format!(
            "v=0\r\no=- 1 1 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\nm=audio {port} RTP/AVP 0 101\r\n\
             a=rtpmap:101 telephone-event/8000\r\n"
        );
        phone.sip.send_to(phone.request("INVITE", "", &sdp).as_bytes(), to).expect("sent");
        let begin = Instant::now();
        let mut buffer = [0; 2000];
        while !phone.answer.starts_with("SIP/2.0 200") {
            assert!(begin.elapsed() < Duration::from_secs(10), "no answer");
            if let Ok(length) = phone.sip.recv(&mut buffer) {
                phone.answer = String::from_utf8_lossy(&buffer[..length]).into_owned();
            }
        }
        phone
    }

    fn to_tag(&self) -> String {
        let line = self.answer.lines().find(|line| line.starts_with("To:")).expect("a To");
        line[line.find(";tag=").expect("a tag")..].to_owned()
    }

    fn confirms(&self) {
        self.sip.send_to(self.request("ACK", &self.to_tag(), "").as_bytes(), self.to).expect("sent");
    }

    fn hangs_up(&self) {
        self.sip.send_to(self.request("BYE", &self.to_tag(), "").as_bytes(), self.to).expect("sent");
    }

    /// Where the server listens for audio.
    fn media(&self) -> SocketAddr {
        let port = self.answer.split("m=audio ").nth(1).and_then(|rest| rest.split(' ').next());
        SocketAddr::from(([127, 0, 0, 1], port.expect("a port").parse().expect("a number")))
    }
}

/// Packets that come within this time.
fn heard(socket: &UdpSocket, time: Duration) -> usize {
    let (begin, mut count) = (Instant::now(), 0);
    while begin.elapsed() < time {
        count += usize::from(socket.recv(&mut [0; 1500]).is_ok());
    }
    count
}

/// Sends so many frames of audio, or of a digit.
fn speak(from: &UdpSocket, to: SocketAddr, ssrc: u8, frames: u16, digit: Option<u8>) {
    for frame in 0..frames {
        let stamp = if digit.is_some() { 0 } else { u32::from(frame) * 160 };
        let mut packet = vec![0x80, if digit.is_some() { 101 } else { 0 }];
        packet.extend(frame.to_be_bytes());
        packet.extend(stamp.to_be_bytes());
        packet.extend([ssrc; 4]);
        match digit {
            Some(digit) => {
                packet.extend([digit, if frame + 3 >= frames { 0x8A } else { 10 }]);
                packet.extend(((frame + 1) * 160).to_be_bytes());
            }
            None => packet.extend([0xFF; 160]),
        }
        from.send_to(&packet, to).expect("sent");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_audio_leaves_before_the_ack() {
    let server = side(Setup { ports: 29_300..=29_399, seed: 61, ..Setup::default() }).await;
    tokio::task::spawn_blocking(move || {
        let victim = socket("127.0.0.1");
        let phone = Phone::calls(&server, "forged", victim.local_addr().expect("bound"));
        assert_eq!(heard(&victim, Duration::from_millis(1500)), 0);
        phone.confirms();
        assert!(heard(&victim, Duration::from_millis(1500)) > 40);
        phone.hangs_up();
        std::thread::sleep(Duration::from_millis(300));
        heard(&victim, Duration::from_millis(200));
        assert_eq!(heard(&victim, Duration::from_millis(500)), 0, "after the call");
    })
    .await
    .expect("no panic");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn behind_nat_the_first_source_with_the_address_of_the_signalling_counts_and_no_other() {
    let mut server = side(Setup { ports: 29_400..=29_499, seed: 62, ..Setup::default() }).await;
    let handle = server.handle.clone();
    let caller = tokio::task::spawn_blocking({
        let server = Side { handle, events: tokio::sync::mpsc::channel(1).1 };
        move || {
            // What a phone behind NAT says of itself reaches nobody.
            let phone = Phone::calls(&server, "nat", SocketAddr::from(([127, 0, 9, 9], 4000)));
            phone.confirms();
            let (mine, other, stranger) = (socket("127.0.0.1"), socket("127.0.0.1"), socket("127.0.0.99"));
            // Nobody else may be first, however early.
            speak(&stranger, phone.media(), 9, 10, Some(9));
            assert_eq!(heard(&stranger, Duration::from_millis(200)), 0);
            speak(&mine, phone.media(), 1, 10, None);
            assert!(heard(&mine, Duration::from_millis(500)) > 10);
            // Then not even the same address with another port, nor the address of the description.
            speak(&other, phone.media(), 2, 12, Some(8));
            speak(&stranger, phone.media(), 9, 12, Some(7));
            assert_eq!(heard(&other, Duration::from_millis(300)), 0);
            assert_eq!(heard(&stranger, Duration::from_millis(300)), 0);
            speak(&mine, phone.media(), 1, 12, Some(5));
            std::thread::sleep(Duration::from_millis(300));
            phone.hangs_up();
        }
    });
    caller.await.expect("no panic");
    let record = server.record().await;
    assert_eq!(record.digits.as_deref(), Some("5"));
    assert!(record.foreign_packets >= 30, "{}", record.foreign_packets);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ports_do_not_follow_each_other() {
    let server = side(Setup { ports: 29_500..=29_999, seed: 63, ..Setup::default() }).await;
    tokio::task::spawn_blocking(move || {
        let media = socket("127.0.0.1").local_addr().expect("bound");
        let ports: Vec<i32> = (0..12)
            .map(|index| i32::from(Phone::calls(&server, &format!("port-{index}"), media).media().port()))
            .collect();
        let steps: std::collections::BTreeSet<i32> = ports.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert!(steps.len() >= 9, "{ports:?}");
    })
    .await
    .expect("no panic");
}
