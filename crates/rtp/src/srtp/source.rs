//! The sources that one key has seen: each has its own indices (RFC 3711 §3.2.3).
use super::SrtpError;
use super::counter::Seen;

/// Sources that one key may see. More are refused, and none is forgotten: what a forgotten one had said could be said again.
pub(crate) const SOURCES: usize = 16;

/// Sources with the indices seen of each; room for all is there from the beginning.
#[derive(Clone, Debug)]
pub(crate) struct Sources {
    list: [(u32, Seen); SOURCES],
    used: usize,
}

impl Sources {
    pub(crate) fn new() -> Sources {
        Sources { list: [(0, Seen::default()); SOURCES], used: 0 }
    }

    /// What was seen of a source; `None` if it is new.
    pub(crate) fn seen(&self, source: u32) -> Option<&Seen> {
        self.list[..self.used].iter().find(|(other, _)| *other == source).map(|(_, seen)| seen)
    }

    /// Whether a packet of a new source could be taken.
    pub(crate) fn has_room(&self) -> bool {
        self.used < SOURCES
    }

    /// A packet of a source was taken; it proved to be authentic.
    ///
    /// # Errors
    /// [`SrtpError::Sources`] if the source is new and there is no room for it.
    pub(crate) fn take(&mut self, source: u32, index: u64) -> Result<(), SrtpError> {
        if let Some((_, seen)) = self.list[..self.used].iter_mut().find(|(other, _)| *other == source) {
            seen.take(index);
            return Ok(());
        }
        let place = self.list.get_mut(self.used).ok_or(SrtpError::Sources)?;
        let mut seen = Seen::near(index);
        seen.take(index);
        *place = (source, seen);
        self.used += 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_have_their_own_indices_and_a_limit() {
        let mut sources = Sources::new();
        for source in 0..SOURCES as u32 {
            assert!(sources.has_room());
            sources.take(source, 7).expect("room");
            sources.take(source, 9).expect("known");
        }
        assert!(!sources.has_room());
        assert_eq!(sources.take(99, 1), Err(SrtpError::Sources));
        let seen = sources.seen(3).expect("known");
        assert_eq!((seen.highest(), seen.check(8), seen.check(7)), (9, Ok(()), Err(SrtpError::Replayed)));
        assert!(sources.seen(99).is_none());
    }
}
