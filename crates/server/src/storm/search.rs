//! The search for the highest level that meets what is asked for.

/// A level is not looked for more exactly than to this part of itself.
const EXACT: u64 = 16;
/// No level is higher.
const HIGHEST: u64 = 100_000;

/// Doubles until a level fails, then halves the distance. A level fails only if it fails twice: one hiccup of the machine is
/// no ceiling.
#[derive(Clone, Copy, Debug)]
pub struct Search {
    first: u64,
    good: u64,
    bad: Option<u64>,
    doubt: Option<u64>,
}

impl Search {
    /// Begins at this level.
    pub fn new(first: u64) -> Self {
        Self { first: first.clamp(1, HIGHEST), good: 0, bad: None, doubt: None }
    }

    /// The level to try next; `None` when the ceiling is known.
    pub fn next(&self) -> Option<u64> {
        if let Some(level) = self.doubt {
            return Some(level);
        }
        match self.bad {
            None if self.good == 0 => Some(self.first),
            None => Some((self.good * 2).min(HIGHEST)).filter(|next| *next > self.good),
            Some(bad) => {
                let apart = bad.saturating_sub(self.good);
                (apart > (self.good / EXACT).max(1)).then_some(self.good + apart / 2)
            }
        }
    }

    /// How it went at a level.
    pub fn tried(&mut self, level: u64, met: bool) {
        let again = self.doubt.take() == Some(level);
        match (met, again) {
            (true, _) => self.good = self.good.max(level),
            (false, false) => self.doubt = Some(level),
            (false, true) => self.bad = Some(self.bad.map_or(level, |bad| bad.min(level))),
        }
    }

    /// The highest level that went well; 0 if none did.
    pub fn ceiling(&self) -> u64 {
        self.good
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Searches where a level goes well up to `limit`, unless it is one of the tries that fail by chance.
    fn search(first: u64, limit: u64, hiccups: &[usize]) -> (u64, usize) {
        let mut search = Search::new(first);
        let mut tries = 0;
        while let Some(level) = search.next() {
            tries += 1;
            search.tried(level, level <= limit && !hiccups.contains(&tries));
        }
        (search.ceiling(), tries)
    }

    #[test]
    fn the_ceiling_is_found_to_a_sixteenth() {
        for limit in [1, 2, 99, 100, 730, 4_000, 31_000, 99_999] {
            let (ceiling, tries) = search(100, limit, &[]);
            assert!(ceiling <= limit && limit - ceiling <= (limit / 8).max(1), "{limit}: {ceiling}");
            assert!(tries < 30, "{limit}: {tries}");
        }
        assert_eq!(search(100, 0, &[]).0, 0);
        assert_eq!(search(100, u64::MAX, &[]), (HIGHEST, 11));
        assert_eq!(search(1_000_000, u64::MAX, &[]), (HIGHEST, 1));
    }

    #[test]
    fn one_hiccup_is_no_ceiling() {
        for limit in [100, 730, 4_000, 31_000] {
            let (undisturbed, tries) = search(100, limit, &[]);
            for hiccup in 1..=tries {
                assert_eq!(search(100, limit, &[hiccup]).0, undisturbed, "{limit}, try {hiccup}");
            }
        }
    }
}
