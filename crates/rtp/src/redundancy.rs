//! Redundant payloads (RFC 2198): one packet that carries again what earlier ones carried.

/// Most blocks of one packet that are read, the primary one included.
const MAX_BLOCKS: usize = 8;
/// Octets of the header of a redundant block.
const HEADER: usize = 4;

/// One block.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Block<'a> {
    /// Its payload type, 0-127.
    pub(crate) payload_type: u8,
    /// How far its timestamp lies before that of the packet, in samples; 0 for the primary block.
    pub(crate) back: u32,
    /// Blocks that follow it in the packet; 0 for the primary block, which is the last one.
    pub(crate) following: u16,
    /// Its payload; empty where a block only marks its place.
    pub(crate) payload: &'a [u8],
}

/// The blocks of a packet, the oldest first and the primary one last.
#[derive(Clone, Debug)]
pub(crate) struct Blocks<'a> {
    headers: &'a [u8],
    data: &'a [u8],
}

/// Reads the payload of a redundant packet; `None` if headers or lengths do not fit into it, or there are too many.
pub(crate) fn blocks(payload: &[u8]) -> Option<Blocks<'_>> {
    let (mut at, mut length, mut count) = (0, 0, 1);
    while payload.get(at)? & 0x80 != 0 {
        let header = payload.get(at..at + HEADER)?;
        length += usize::from(header[2] & 0x03) << 8 | usize::from(header[3]);
        at += HEADER;
        count += 1;
    }
    let (headers, data) = payload.split_at_checked(at + 1)?;
    (count <= MAX_BLOCKS && length <= data.len()).then_some(Blocks { headers, data })
}

impl<'a> Iterator for Blocks<'a> {
    type Item = Block<'a>;

    fn next(&mut self) -> Option<Block<'a>> {
        let first = *self.headers.first()?;
        let payload_type = first & 0x7F;
        if first & 0x80 == 0 {
            self.headers = &[];
            return Some(Block { payload_type, back: 0, following: 0, payload: self.data });
        }
        let (header, rest) = self.headers.split_at_checked(HEADER)?;
        let back = u32::from(header[1]) << 6 | u32::from(header[2]) >> 2;
        let length = usize::from(header[2] & 0x03) << 8 | usize::from(header[3]);
        let (payload, data) = self.data.split_at_checked(length)?;
        (self.headers, self.data) = (rest, data);
        // The last header has one octet and not four.
        let following = (rest.len() / HEADER) as u16 + 1;
        Some(Block { payload_type, back, following, payload })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The layout of RFC 2198 §4: a redundant block of 4 octets, 160 samples old, before a primary one.
    const ONE: [u8; 13] = [0x80 | 101, 0x02, 0x80, 4, 101, 5, 0x8A, 0x03, 0x20, 5, 0x0A, 0, 160];

    #[test]
    fn blocks_come_with_their_age_and_their_place() {
        let found: Vec<_> = blocks(&ONE).expect("well formed").collect();
        let old = Block { payload_type: 101, back: 160, following: 1, payload: &[5, 0x8A, 0x03, 0x20] };
        let new = Block { payload_type: 101, back: 0, following: 0, payload: &[5, 0x0A, 0, 160] };
        assert_eq!(found, [old, new]);
        let only = blocks(&[0, 1, 2, 3]).expect("no redundancy").collect::<Vec<_>>();
        assert_eq!(only, [Block { payload_type: 0, back: 0, following: 0, payload: &[1, 2, 3] }]);
        assert_eq!(blocks(&[0]).expect("nothing in it").next().map(|block| block.payload.len()), Some(0));
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        assert!(blocks(&[]).is_none());
        for length in 0..4 {
            assert!(blocks(&ONE[..length]).is_none(), "{length}");
        }
        assert!(blocks(&ONE[..8]).is_none(), "the block is longer than the packet");
        assert!(blocks(&[0x80; 64]).is_none());
        let many: Vec<u8> = [0x80, 0, 0, 0].repeat(MAX_BLOCKS).into_iter().chain([0]).collect();
        assert!(blocks(&many).is_none());
    }

    #[test]
    fn any_octets_are_survived() {
        let mut state = 1u32;
        for length in 0..200 {
            let octets: Vec<u8> = std::iter::repeat_with(|| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 24) as u8
            })
            .take(length)
            .collect();
            let total: usize = blocks(&octets).into_iter().flatten().map(|block| block.payload.len()).sum();
            assert!(total <= length);
        }
    }
}
