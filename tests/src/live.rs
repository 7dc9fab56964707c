//! Lives through a call whose phone cannot think: listens on the wire, and tells the phone what to press.
use crate::{
    capture::{Capture, Packet},
    ear::Ear,
    person::Patience,
    rtp::Rtp,
};
use passline_prompt::Library;
use passline_rtp::Codec;
use std::time::{Duration, Instant};

/// A phone that presses what it is told.
pub trait Presser {
    /// Presses these keys; returns how long that takes.
    fn press(&mut self, keys: &str) -> Duration;
    /// The call is over.
    fn is_over(&mut self) -> bool;
}

/// An ear at the RTP that goes to one port.
pub struct WireEar {
    /// What is heard.
    pub ear: Ear,
    /// Packets that never came, to us at least.
    pub lost: u64,
    ports: (u16, u16),
    payload_type: u8,
    source: Option<u32>,
    next: u16,
    seen: usize,
}

impl WireEar {
    /// Listens at these UDP ports, first to last.
    pub fn new(library: &Library, codec: Codec, ports: (u16, u16)) -> Self {
        let payload_type = codec.info().payload_type;
        Self { ear: Ear::new(library, codec), lost: 0, ports, payload_type, source: None, next: 0, seen: 0 }
    }

    /// Takes what has come since.
    pub fn listen(&mut self, capture: &Capture) {
        let fresh = capture.since(self.seen);
        self.seen += fresh.len();
        let ours = |packet: &Packet| (self.ports.0..=self.ports.1).contains(&packet.to.port());
        for packet in Rtp::of(&fresh, ours) {
            if packet.payload_type != self.payload_type || self.source.is_some_and(|ssrc| ssrc != packet.ssrc)
            {
                continue;
            }
            if self.source.is_none() {
                (self.source, self.next) = (Some(packet.ssrc), packet.sequence);
            }
            let gap = packet.sequence.wrapping_sub(self.next) as i16;
            if gap < 0 {
                continue;
            }
            if gap > 0 {
                self.lost += gap as u64;
                self.ear.lost(gap as usize * 160);
            }
            self.ear.hear(&packet.payload);
            self.next = packet.sequence.wrapping_add(1);
        }
    }
}

/// Somebody at this phone until the call is over; the keys that were pressed. Panics after `limit`.
pub fn live(
    capture: &Capture,
    wire: &mut WireEar,
    phone: &mut dyn Presser,
    mut patience: Patience,
    limit: Duration,
) -> String {
    let (start, mut pressed, mut waiting) = (Instant::now(), String::new(), Vec::new());
    let mut free = start;
    while !phone.is_over() {
        assert!(start.elapsed() < limit, "the call goes on after {limit:?}; heard: {:?}", wire.ear.masked());
        std::thread::sleep(Duration::from_millis(20));
        wire.listen(capture);
        while let Some(prompt) = wire.ear.poll() {
            waiting.extend(patience.keys(&prompt, &wire.ear.transcript));
        }
        let now = Instant::now();
        if now >= free && !waiting.is_empty() {
            let keys = waiting.remove(0);
            free = now + phone.press(&keys);
            pressed.push_str(&keys);
        }
    }
    // The last blocks of the capture may still be on their way.
    std::thread::sleep(Duration::from_millis(500));
    wire.listen(capture);
    wire.ear.finish();
    pressed
}
