//! RTCP packets (RFC 3550 §6): reading through the crate `rtcp-types`, writing into a given buffer.
//!
//! Writing is by hand because the crate's builders take memory for each packet; the tests read back with it.

use crate::xr::{self, EXTENDED_REPORT, XrBlock};
use rtcp_types::{Bye, ReceiverReport, ReportBlock, RtcpPacketParser, RtcpPacketParserExt, SenderReport};

const SENDER_REPORT: u8 = 200;
const RECEIVER_REPORT: u8 = 201;
const SDES: u8 = 202;
const BYE: u8 = 203;
const SDES_CNAME: u8 = 1;

/// What one side says of the packets it receives from one source (RFC 3550 §6.4.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Block {
    /// The source reported on.
    pub(crate) source: u32,
    /// Share lost since the last report, in 1/256.
    pub(crate) fraction_lost: u8,
    /// Packets lost since the beginning; negative with duplicates. 24 bits on the wire.
    pub(crate) lost: i32,
    /// Highest sequence number with its cycles.
    pub(crate) highest: u32,
    /// Interarrival jitter in timestamp units.
    pub(crate) jitter: u32,
    /// Middle 32 bits of the NTP time of the last sender report, 0 if none came.
    pub(crate) last_report: u32,
    /// Time since it came, in 1/65536 s.
    pub(crate) delay: u32,
}

/// What a sender says of itself (RFC 3550 §6.4.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct SenderInfo {
    /// 64-bit NTP time of the report.
    pub(crate) ntp: u64,
    /// The same instant as RTP timestamp.
    pub(crate) timestamp: u32,
    /// Packets sent.
    pub(crate) packets: u32,
    /// Payload octets sent.
    pub(crate) octets: u32,
}

/// One part of a compound packet.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum Part {
    /// A sender report of this source.
    Sender(u32, SenderInfo),
    /// A receiver report of this source.
    Receiver(u32),
    /// A block of the report before, with the reporter.
    Block(u32, Block),
    /// This source leaves.
    Bye(u32),
    /// A block of an extended report, with the reporter.
    Extended(u32, XrBlock),
    /// Anything else that is well-formed.
    Other,
}

/// Reads a datagram part by part; false if not even one part is well-formed.
///
/// Reduced-size packets (RFC 5506) are fine; reading stops at the first part whose length is wrong, and parts that
/// are wrong inside are passed over.
pub(crate) fn read(datagram: &[u8], mut visit: impl FnMut(Part)) -> bool {
    let mut rest = datagram;
    let mut any = false;
    while let [first, kind, high, low, ..] = *rest {
        let length = 4 + 4 * usize::from(u16::from_be_bytes([high, low]));
        if first >> 6 != 2 || !(192..=223).contains(&kind) || length > rest.len() {
            break;
        }
        let (part, tail) = rest.split_at(length);
        rest = tail;
        any |= read_part(kind, part, &mut visit);
    }
    any
}

fn read_part(kind: u8, part: &[u8], visit: &mut impl FnMut(Part)) -> bool {
    match kind {
        SENDER_REPORT => {
            let Ok(report) = SenderReport::parse(part) else {
                return false;
            };
            let info = SenderInfo {
                ntp: report.ntp_timestamp(),
                timestamp: report.rtp_timestamp(),
                packets: report.packet_count(),
                octets: report.octet_count(),
            };
            visit(Part::Sender(report.ssrc(), info));
            for block in report.report_blocks() {
                visit(Part::Block(report.ssrc(), from_wire(&block)));
            }
        }
        RECEIVER_REPORT => {
            let Ok(report) = ReceiverReport::parse(part) else {
                return false;
            };
            visit(Part::Receiver(report.ssrc()));
            for block in report.report_blocks() {
                visit(Part::Block(report.ssrc(), from_wire(&block)));
            }
        }
        BYE => {
            let Ok(bye) = Bye::parse(part) else {
                return false;
            };
            if bye.count() == 0 {
                return false;
            }
            bye.ssrcs().for_each(|source| visit(Part::Bye(source)));
        }
        EXTENDED_REPORT => return xr::read(part, |reporter, block| visit(Part::Extended(reporter, block))),
        _ => visit(Part::Other),
    }
    true
}

fn from_wire(block: &ReportBlock<'_>) -> Block {
    Block {
        source: block.ssrc(),
        fraction_lost: block.fraction_lost(),
        // 24 bits with sign.
        lost: (block.cumulative_lost() << 8) as i32 >> 8,
        highest: block.extended_sequence_number(),
        jitter: block.interarrival_jitter(),
        last_report: block.last_sender_report_timestamp(),
        delay: block.delay_since_last_sender_report_timestamp(),
    }
}

/// Writes parts one after the other; once something does not fit nothing more is written.
#[derive(Debug)]
pub(crate) struct Writer<'a> {
    out: &'a mut [u8],
    length: usize,
    full: bool,
}

impl<'a> Writer<'a> {
    pub(crate) fn new(out: &'a mut [u8]) -> Self {
        Writer { out, length: 0, full: false }
    }

    /// The octets written, 0 if the buffer was too small.
    pub(crate) fn finish(self) -> usize {
        if self.full { 0 } else { self.length }
    }

    pub(crate) fn put(&mut self, octets: &[u8]) {
        let end = self.length + octets.len();
        match self.out.get_mut(self.length..end) {
            Some(place) => {
                place.copy_from_slice(octets);
                self.length = end;
            }
            None => self.full = true,
        }
    }

    pub(crate) fn word(&mut self, word: u32) {
        self.put(&word.to_be_bytes());
    }

    pub(crate) fn header(&mut self, count: u8, kind: u8, words: u16) {
        let [high, low] = words.to_be_bytes();
        self.put(&[0x80 | count, kind, high, low]);
    }

    /// A sender report if there is `info`, a receiver report else.
    pub(crate) fn report(&mut self, source: u32, info: Option<SenderInfo>, block: Option<Block>) {
        let blocks = u8::from(block.is_some());
        let (kind, words) = match info {
            Some(_) => (SENDER_REPORT, 6),
            None => (RECEIVER_REPORT, 1),
        };
        self.header(blocks, kind, words + 6 * u16::from(blocks));
        self.word(source);
        if let Some(info) = info {
            self.put(&info.ntp.to_be_bytes());
            self.word(info.timestamp);
            self.word(info.packets);
            self.word(info.octets);
        }
        if let Some(block) = block {
            self.word(block.source);
            let lost = block.lost.clamp(-0x80_0000, 0x7F_FFFF) as u32 & 0xFF_FFFF;
            self.word(u32::from(block.fraction_lost) << 24 | lost);
            self.word(block.highest);
            self.word(block.jitter);
            self.word(block.last_report);
            self.word(block.delay);
        }
    }

    /// A source description with the canonical name (cut at 255 octets).
    pub(crate) fn cname(&mut self, source: u32, cname: &str) {
        let name = cname.as_bytes();
        let name = &name[..name.len().min(255)];
        // Item, then 1 to 4 zeros to the next word (RFC 3550 §6.5).
        let words = (2 + name.len()) / 4 + 1;
        self.header(1, SDES, 1 + words as u16);
        self.word(source);
        self.put(&[SDES_CNAME, name.len() as u8]);
        self.put(name);
        self.put(&[0; 4][..4 * words - 2 - name.len()]);
    }

    /// Our farewell.
    pub(crate) fn bye(&mut self, source: u32) {
        self.header(1, BYE, 1);
        self.word(source);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rtcp_types::{Compound, Packet};

    fn parts(datagram: &[u8]) -> Vec<Part> {
        let mut parts = Vec::new();
        read(datagram, |part| parts.push(part));
        parts
    }

    const BLOCK: Block = Block {
        source: 7,
        fraction_lost: 64,
        lost: -3,
        highest: 0x1_0005,
        jitter: 99,
        last_report: 0xAABB_CCDD,
        delay: 65_536,
    };
    const INFO: SenderInfo =
        SenderInfo { ntp: 0x0102_0304_0506_0708, timestamp: 9, packets: 10, octets: 1600 };

    #[test]
    fn what_is_written_is_read_here_and_by_the_crate() {
        for length in 0..9 {
            let name = &"a@b.invalid"[..length];
            for info in [None, Some(INFO)] {
                let mut out = [0u8; 200];
                let mut writer = Writer::new(&mut out);
                writer.report(1, info, Some(BLOCK));
                writer.cname(1, name);
                writer.bye(1);
                let end = writer.finish();
                let own = match info {
                    Some(info) => Part::Sender(1, info),
                    None => Part::Receiver(1),
                };
                let want = [own, Part::Block(1, BLOCK), Part::Other, Part::Bye(1)];
                assert_eq!(parts(&out[..end]), want);
                let compound = Compound::parse(&out[..end]).expect("a compound packet");
                let packets: Vec<_> = compound.map(|p| p.expect("well-formed")).collect();
                assert_eq!(packets.len(), 3);
                let Packet::Sdes(sdes) = &packets[1] else {
                    panic!("no source description");
                };
                let chunk = sdes.chunks().next().expect("a chunk");
                let item = chunk.items().next().expect("an item");
                assert_eq!((chunk.ssrc(), item.value()), (1, name.as_bytes()));
            }
        }
    }

    #[test]
    fn a_small_buffer_gives_nothing() {
        let mut out = [0u8; 40];
        let mut writer = Writer::new(&mut out);
        writer.report(1, Some(INFO), Some(BLOCK));
        assert_eq!(writer.finish(), 0);
    }

    #[test]
    fn stops_at_a_wrong_length_and_keeps_what_was_right() {
        let mut out = [0u8; 100];
        let mut writer = Writer::new(&mut out);
        writer.report(1, None, None);
        writer.bye(2);
        let end = writer.finish();
        out[11] = 200;
        assert_eq!(parts(&out[..end]), [Part::Receiver(1)]);
        assert_eq!(parts(&out[..end - 1]), [Part::Receiver(1)]);
        assert!(!read(&[], |_| ()));
        assert!(!read(&[0x80, 0, 0, 0], |_| ()));
    }

    #[test]
    fn packets_that_crashed_another_parser_do_no_harm() {
        for bad in [
            &[0x84u8, 0xce, 0x00, 0x01, 0xa3, 0xe4, 0x25, 0xb1][..],
            &[0x81, 0xcd, 0x00, 0x01, 0x3b, 0x9d, 0x8a, 0x09],
        ] {
            assert_eq!(parts(bad), [Part::Other]);
        }
    }

    proptest! {
        #[test]
        fn garbage_does_no_harm(mut octets: Vec<u8>, kind in 192u8..224) {
            read(&octets, |_| ());
            if octets.len() >= 4 {
                octets[0] = octets[0] & 0x3F | 0x80;
                octets[1] = kind;
                octets[2] = 0;
                octets[3] %= 16;
                read(&octets, |_| ());
            }
        }
    }
}
