//! Puts the segments of one TCP direction back into order.
use std::collections::BTreeMap;

/// Octets that may wait for a missing segment; past it the gap counts as lost in the capture and is skipped.
const MAX_WAITING: usize = 256 * 1024;

/// One direction of a connection.
#[derive(Default)]
pub struct Reassembly {
    next: Option<u32>,
    waiting: BTreeMap<u32, Vec<u8>>,
}

impl Reassembly {
    /// Takes a segment; gives the octets that are in order now.
    pub fn push(&mut self, sequence: u32, syn: bool, payload: &[u8]) -> Vec<u8> {
        if syn {
            self.next = Some(sequence.wrapping_add(1));
            self.waiting.clear();
            return Vec::new();
        }
        let next = *self.next.get_or_insert(sequence);
        let mut ready = Vec::new();
        // Distance from what is wanted, so that order survives the wrap of sequence numbers.
        if (sequence.wrapping_sub(next) as i32) < 0 {
            let known = next.wrapping_sub(sequence) as usize;
            if let Some(fresh) = payload.get(known..).filter(|fresh| !fresh.is_empty()) {
                self.waiting.insert(next, fresh.to_vec());
            }
        } else if !payload.is_empty() {
            self.waiting.insert(sequence, payload.to_vec());
        }
        self.drain(&mut ready);
        if self.waiting.values().map(Vec::len).sum::<usize>() > MAX_WAITING {
            let next = self.next.unwrap_or_default();
            self.next = self.waiting.keys().copied().min_by_key(|start| start.wrapping_sub(next));
            self.drain(&mut ready);
        }
        ready
    }

    fn drain(&mut self, ready: &mut Vec<u8>) {
        while let Some(next) = self.next {
            let Some(start) =
                self.waiting.keys().copied().find(|start| (start.wrapping_sub(next) as i32) <= 0)
            else {
                return;
            };
            let segment = self.waiting.remove(&start).unwrap_or_default();
            if let Some(fresh) = segment.get(next.wrapping_sub(start) as usize..) {
                ready.extend_from_slice(fresh);
                self.next = Some(next.wrapping_add(fresh.len() as u32));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_come_out_once_and_in_order() {
        let start = u32::MAX - 3;
        let at = |offset: u32| start.wrapping_add(1).wrapping_add(offset);
        let mut stream = Reassembly::default();
        let mut out = stream.push(start, true, b"");
        for (offset, text) in [(0, "INV"), (6, " si"), (3, "ITE"), (0, "INVITE"), (8, "ip:a"), (12, "!")] {
            out.extend(stream.push(at(offset), false, text.as_bytes()));
        }
        assert_eq!(out, b"INVITE sip:a!");
    }

    #[test]
    fn a_capture_that_begins_in_the_middle_is_read_from_there() {
        let mut stream = Reassembly::default();
        assert_eq!(stream.push(100, false, b"ab"), b"ab");
        assert_eq!(stream.push(104, false, b"ef"), b"");
        assert_eq!(stream.push(102, false, b"cd"), b"cdef");
    }

    #[test]
    fn a_hole_that_is_never_filled_does_not_fill_memory() {
        let mut stream = Reassembly::default();
        stream.push(0, false, b"a");
        let mut out = 0;
        for part in 1..100u32 {
            out += stream.push(10_000 * part, false, &[0; 10_000]).len();
        }
        assert!(out > 500_000, "{out}");
        assert!(stream.waiting.values().map(Vec::len).sum::<usize>() <= MAX_WAITING);
    }
}
