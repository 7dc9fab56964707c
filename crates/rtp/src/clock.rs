//! From the clock on the wire to the clock of the engine, which is 8000 Hz whatever the codec.

/// Sources whose clocks are followed at once: the stream, what it was before, and events beside it.
const SOURCES: usize = 4;

/// A timestamp as it was sent and what it is at 8000 Hz.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stamp {
    /// As sent, in the clock of the payload type.
    pub sent: u32,
    /// At 8000 Hz.
    pub media: u32,
    /// Ticks of the sender's clock in a sample at 8000 Hz.
    pub ratio: u32,
    /// The audio beside it has another clock, so that their timestamps cannot be compared.
    pub apart: bool,
}

impl From<u32> for Stamp {
    /// A timestamp of a clock of 8000 Hz.
    fn from(timestamp: u32) -> Self {
        Stamp { sent: timestamp, media: timestamp, ratio: 1, apart: false }
    }
}

impl Stamp {
    /// What another timestamp of the same clock, not far away, is at 8000 Hz.
    pub(crate) fn media_of(self, sent: u32) -> u32 {
        let ahead = sent.wrapping_sub(self.sent) as i32;
        self.media.wrapping_add(ahead.div_euclid(self.ratio as i32) as u32)
    }
}

/// One source in one clock.
#[derive(Clone, Copy, Debug)]
struct Source {
    ssrc: u32,
    ratio: u32,
    /// Its last timestamp, unwrapped.
    last: i64,
}

/// Divides timestamps so that they go on where those on the wire wrap.
///
/// Timestamps of 8000 Hz stay what they are. Those of a faster clock are unwrapped first: 2^32 is no multiple of 6, so
/// a quotient of the bare number would jump at the wrap, which at 48 kHz comes once a day. Equal timestamps give equal
/// quotients, and those of another source in the same clock keep their distance.
#[derive(Clone, Debug, Default)]
pub struct Clocks {
    sources: [Option<Source>; SOURCES],
    /// Where the last one is, and where the next new one goes.
    recent: usize,
    next: usize,
}

impl Clocks {
    /// A timestamp of this source; `ratio`: ticks of its clock in a sample at 8000 Hz.
    pub fn stamp(&mut self, ssrc: u32, ratio: u32, sent: u32) -> Stamp {
        if ratio <= 1 {
            return sent.into();
        }
        let near = |last: i64| last + i64::from(sent.wrapping_sub(last as u32) as i32);
        let of = |source: &Option<Source>, ssrc: Option<u32>| {
            source.is_some_and(|s| s.ratio == ratio && ssrc.is_none_or(|ssrc| s.ssrc == ssrc))
        };
        let at = self.sources.iter().position(|source| of(source, Some(ssrc))).unwrap_or_else(|| {
            let at = self.next;
            self.next = (self.next + 1) % SOURCES;
            let kin = Some(self.recent).filter(|at| of(&self.sources[*at], None));
            let kin = kin.or_else(|| self.sources.iter().position(|source| of(source, None)));
            let last = kin.and_then(|at| self.sources[at]).map_or(i64::from(sent), |kin| near(kin.last));
            self.sources[at] = Some(Source { ssrc, ratio, last });
            at
        });
        self.recent = at;
        let mut unwrapped = i64::from(sent);
        if let Some(source) = &mut self.sources[at] {
            source.last = near(source.last);
            unwrapped = source.last;
        }
        Stamp { sent, media: unwrapped.div_euclid(i64::from(ratio)) as u32, ratio, apart: false }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn goes_on_where_the_wire_wraps() {
        let mut clocks = Clocks::default();
        let mut sent = u32::MAX - 5000;
        let mut before = clocks.stamp(7, 6, sent).media;
        for _ in 0..40 {
            sent = sent.wrapping_add(960);
            let media = clocks.stamp(7, 6, sent).media;
            assert_eq!(media.wrapping_sub(before), 160);
            before = media;
        }
        // A late one, and the newest again.
        assert_eq!(clocks.stamp(7, 6, sent.wrapping_sub(30 * 960)).media, before.wrapping_sub(30 * 160));
        assert_eq!(clocks.stamp(7, 6, sent).media, before);
    }

    #[test]
    fn sources_of_one_clock_keep_their_distance() {
        let mut clocks = Clocks::default();
        let first = clocks.stamp(1, 6, u32::MAX - 100);
        let second = clocks.stamp(2, 6, 859);
        assert_eq!(second.media.wrapping_sub(first.media), 160);
        assert_eq!(first.media_of(859), second.media);
        assert_eq!(clocks.stamp(1, 6, 859).media, second.media);
    }

    #[test]
    fn eight_kilohertz_stay_what_they_are() {
        let mut clocks = Clocks::default();
        clocks.stamp(1, 6, 6000);
        assert_eq!(clocks.stamp(1, 1, 77), Stamp { sent: 77, media: 77, ratio: 1, apart: false });
        assert_eq!(clocks.stamp(1, 6, 6960).media, 1160);
    }
}
