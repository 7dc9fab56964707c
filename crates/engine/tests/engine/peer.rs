//! A telephone made of text.
use crate::world::{OURS, World, address};
use passline_engine::StreamId;
use passline_engine::rtp::codec::Codec;
use passline_engine::rtp::{Digit, ToneGenerator};
use std::net::SocketAddr;
use std::time::Duration;

pub const PEER: &str = "198.51.100.20:5070";
pub const PEER_RTP: &str = "198.51.100.20:40000";

pub struct Peer {
    pub from: SocketAddr,
    pub rtp: SocketAddr,
    pub call_id: String,
    pub to_tag: String,
    pub cseq: u32,
    /// Further header lines of requests.
    pub extra: String,
    sequence: u16,
    timestamp: u32,
}

impl Peer {
    pub fn new(call_id: &str) -> Peer {
        Peer {
            from: address(PEER),
            rtp: address(PEER_RTP),
            call_id: call_id.to_owned(),
            to_tag: String::new(),
            cseq: 1,
            extra: String::new(),
            sequence: 100,
            timestamp: 5000,
        }
    }

    pub fn sdp(&self, direction: &str) -> String {
        let (ip, port) = (self.rtp.ip(), self.rtp.port());
        format!(
            "v=0\r\no=- 1 1 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\nm=audio {port} RTP/AVP 0 101\r\n\
             a=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na={direction}\r\n"
        )
    }

    fn request(&self, method: &str, cseq: u32, branch: &str, number: &str, body: &str, kind: &str) -> String {
        let tag = if self.to_tag.is_empty() { String::new() } else { format!(";tag={}", self.to_tag) };
        let kind = if body.is_empty() { String::new() } else { format!("Content-Type: {kind}\r\n") };
        format!(
            "{method} sip:{number}@{OURS} SIP/2.0\r\n\
             Via: SIP/2.0/UDP {PEER};branch=z9hG4bK{branch};rport\r\n\
             Max-Forwards: 70\r\nFrom: \"A\" <sip:alice@198.51.100.20>;tag=a1\r\n\
             To: <sip:{number}@{OURS}>{tag}\r\nCall-ID: {}\r\nCSeq: {cseq} {method}\r\n\
             Contact: <sip:alice@{PEER}>\r\n{}{kind}Content-Length: {}\r\n\r\n{body}",
            self.call_id,
            self.extra,
            body.len()
        )
    }

    pub fn invite(&self, world: &mut World, number: &str, sdp: &str) {
        let text = self.request(
            "INVITE",
            self.cseq,
            &format!("i{}{}", self.call_id, self.cseq),
            number,
            sdp,
            "application/sdp",
        );
        world.sip_in(self.from, &text);
    }

    pub fn cancel(&self, world: &mut World) {
        let text =
            self.request("CANCEL", self.cseq, &format!("i{}{}", self.call_id, self.cseq), "5001", "", "");
        world.sip_in(self.from, &text);
    }

    /// Reads the dialog's tag out of a response.
    pub fn learn(&mut self, response: &str) {
        let line = response.lines().find(|line| line.starts_with("To:")).expect("a To header");
        if let Some((_, tag)) = line.split_once(";tag=") {
            self.to_tag = tag.trim().to_owned();
        }
    }

    pub fn ack(&self, world: &mut World, sdp: &str) {
        let text = self.request(
            "ACK",
            self.cseq,
            &format!("a{}{}", self.call_id, self.cseq),
            "5001",
            sdp,
            "application/sdp",
        );
        world.sip_in(self.from, &text);
    }

    pub fn bye(&mut self, world: &mut World) {
        self.in_dialog(world, "BYE", "", "");
    }

    pub fn in_dialog(&mut self, world: &mut World, method: &str, body: &str, kind: &str) {
        self.cseq += 1;
        let branch = format!("r{}{}", self.call_id, self.cseq);
        let text = self.request(method, self.cseq, &branch, "5001", body, kind);
        world.sip_in(self.from, &text);
    }

    /// Answers the last request that we got with 200.
    pub fn ok(&self, world: &mut World, request: &str) {
        self.say(world, request, "200 OK");
    }

    /// Answers a request.
    pub fn say(&self, world: &mut World, request: &str, status: &str) {
        let kept: String = request
            .lines()
            .filter(|line| {
                ["Via:", "From:", "To:", "Call-ID:", "CSeq:"].iter().any(|name| line.starts_with(name))
            })
            .map(|line| format!("{line}\r\n"))
            .collect();
        world.sip_in(self.from, &format!("SIP/2.0 {status}\r\n{kept}Content-Length: 0\r\n\r\n"));
    }

    /// A call that is up; returns its stream.
    pub fn call(&mut self, world: &mut World) -> StreamId {
        self.invite(world, "5001", &self.sdp("sendrecv"));
        world.expect_sip("SIP/2.0 100");
        let answer = world.expect_sip("SIP/2.0 200");
        self.learn(&answer);
        self.ack(world, "");
        world.opened.last().expect("a port").0
    }

    /// One packet of µ-law silence.
    pub fn audio(&mut self) -> Vec<u8> {
        self.audio_of(0, 0xFF)
    }

    /// One packet of one octet throughout, with this payload type.
    pub fn audio_of(&mut self, payload_type: u8, octet: u8) -> Vec<u8> {
        let mut packet = self.header(payload_type, false, self.timestamp);
        packet.extend([octet; 160]);
        self.timestamp = self.timestamp.wrapping_add(160);
        packet
    }

    fn header(&mut self, payload_type: u8, marker: bool, timestamp: u32) -> Vec<u8> {
        let mut packet = vec![0x80, payload_type | u8::from(marker) << 7];
        packet.extend(self.sequence.to_be_bytes());
        packet.extend(timestamp.to_be_bytes());
        packet.extend(0xCAFE_u32.to_be_bytes());
        self.sequence = self.sequence.wrapping_add(1);
        packet
    }

    /// An RFC 4733 press of 100 ms, a packet each 20 ms, then the end three times.
    pub fn press(&mut self, code: u8) -> Vec<Vec<u8>> {
        let start = self.timestamp;
        let packets = (1..=8u16)
            .map(|index| {
                let duration = (index * 160).min(800);
                let end = u8::from(index > 5) << 7;
                let mut packet = self.header(101, index == 1, start);
                packet.extend([code, end | 10]);
                packet.extend(duration.to_be_bytes());
                packet
            })
            .collect();
        self.timestamp = self.timestamp.wrapping_add(1600);
        packets
    }

    /// A key as a tone in the audio, 120 ms of it.
    pub fn tone(&mut self, key: char) -> Vec<Vec<u8>> {
        let digit = Digit::from_char(key).expect("a key");
        let mut pcm = vec![0i16; 960];
        ToneGenerator::new(digit, 120).fill(&mut pcm);
        pcm.chunks(160)
            .map(|frame| {
                let mut packet = self.header(0, false, self.timestamp);
                let mut octets = [0u8; 160];
                Codec::Pcmu.encode(frame, &mut octets);
                packet.extend(octets);
                self.timestamp = self.timestamp.wrapping_add(160);
                packet
            })
            .collect()
    }

    /// Speaks silence for a while.
    pub fn speak(&mut self, world: &mut World, stream: StreamId, time: Duration) {
        for _ in 0..time.as_millis() / 20 {
            let packet = self.audio();
            world.rtp_in(stream, self.rtp, &packet);
            world.run(Duration::from_millis(20));
        }
    }

    /// Presses keys, with pauses of speech.
    pub fn dial(&mut self, world: &mut World, stream: StreamId, codes: &[u8]) {
        for code in codes {
            for packet in self.press(*code) {
                world.rtp_in(stream, self.rtp, &packet);
                world.run(Duration::from_millis(20));
            }
            self.speak(world, stream, Duration::from_millis(100));
        }
    }
}
