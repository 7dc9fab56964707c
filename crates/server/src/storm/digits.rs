//! What the server made of the keys: its call records beside what was pressed.
use crate::{config::Config, desk, exit::Failure};
use passline_connectors::CallRecord;
use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

/// The records of the last calls are on the disk by then.
const PATIENCE: Duration = Duration::from_secs(20);

/// What was pressed in one call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Keyed {
    /// Call-ID.
    pub call: String,
    /// The keys, in order.
    pub pressed: String,
    /// Numbers of those of which the caller's own network left nothing.
    pub swallowed: Vec<usize>,
}

impl Keyed {
    /// What can have been heard.
    fn audible(&self) -> String {
        let keys = self.pressed.chars().enumerate();
        keys.filter(|(number, _)| !self.swallowed.contains(number)).map(|(_, key)| key).collect()
    }
}

/// Keys of all calls together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Digits {
    /// Pressed.
    pub pressed: u64,
    /// Heard as pressed.
    pub right: u64,
    /// Heard by number alone: the record of their call has none of its keys in clear, as one was pressed where a secret
    /// may be keyed. A wrong key among them is not found.
    pub counted: u64,
    /// Heard as another key.
    pub wrong: u64,
    /// Not heard, though something of them had left.
    pub missing: u64,
    /// Of which the callers' own network left nothing.
    pub swallowed: u64,
    /// Heard without a press, e.g. a second time.
    pub extra: u64,
    /// Calls whose keys were compared by number alone.
    pub masked: u64,
    /// Calls that have no record.
    pub unknown: u64,
    /// RTP packets that never came to the server, as its records say.
    pub lost: u64,
    /// RTP packets that came to the server more than once.
    pub duplicated: u64,
    /// The first calls whose keys were not exact: Call-ID, pressed, heard.
    pub faulty: Vec<(String, String, String)>,
}

impl Digits {
    /// Whether each press that could be heard was one digit.
    pub fn are_exact(&self) -> bool {
        self.right + self.counted + self.swallowed == self.pressed && self.extra == 0 && self.unknown == 0
    }

    /// Adds a call, with what the server kept of it.
    fn judge(&mut self, keyed: &Keyed, record: Option<&CallRecord>) {
        self.pressed += keyed.pressed.len() as u64;
        let Some(record) = record else {
            self.unknown += 1;
            return;
        };
        self.swallowed += keyed.swallowed.len() as u64;
        self.lost += record.lost;
        self.duplicated += record.duplicated;
        let (call, audible) = (&keyed.call, keyed.audible());
        match &record.digits {
            Some(heard) => self.add(call, &audible, heard),
            None if record.digit_count == 0 => self.add(call, &audible, ""),
            None => self.count(call, &audible, record.digit_count),
        }
    }

    /// Adds a call whose keys are known.
    fn add(&mut self, call: &str, pressed: &str, heard: &str) {
        let one = compare(pressed, heard);
        self.right += one.right;
        self.wrong += one.wrong;
        self.missing += one.missing;
        self.extra += one.extra;
        if !one.are_exact() {
            self.blame(call, pressed, heard.to_owned());
        }
    }

    /// Adds a call of whose keys the number alone is known.
    fn count(&mut self, call: &str, pressed: &str, heard: u32) {
        let (expected, count) = (pressed.len() as u64, u64::from(heard));
        self.masked += 1;
        self.counted += count.min(expected);
        self.missing += expected.saturating_sub(count);
        self.extra += count.saturating_sub(expected);
        if count != expected {
            self.blame(call, pressed, format!("{heard} keys"));
        }
    }

    fn blame(&mut self, call: &str, pressed: &str, heard: String) {
        if self.faulty.len() < 20 {
            self.faulty.push((call.to_owned(), pressed.to_owned(), heard));
        }
    }
}

/// Compares the keys of calls, by Call-ID, with the records of the server that has this configuration.
///
/// # Errors
/// Of the store.
pub fn check(config: &Config, keyed: &[Keyed]) -> Result<Digits, Failure> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::machine)?;
    runtime.block_on(async {
        let store = desk::open_store(config)?;
        let give_up = Instant::now() + PATIENCE;
        loop {
            // Others may call, too.
            let last = keyed.len() * 2 + 1000;
            let records = store.calls(last).await.map_err(Failure::machine)?;
            let records: HashMap<_, _> =
                records.iter().map(|record| (record.sip_call_id.as_str(), record)).collect();
            let all = keyed.iter().all(|keyed| records.contains_key(keyed.call.as_str()));
            if !all && Instant::now() < give_up {
                tokio::time::sleep(Duration::from_millis(500)).await;
                continue;
            }
            let mut digits = Digits::default();
            for keyed in keyed {
                digits.judge(keyed, records.get(keyed.call.as_str()).copied());
            }
            return Ok(digits);
        }
    })
}

/// The least that must have gone wrong: an alignment with the fewest faults (Levenshtein).
fn compare(pressed: &str, heard: &str) -> Digits {
    let (pressed, heard): (Vec<_>, Vec<_>) = (pressed.chars().collect(), heard.chars().collect());
    // Faults and what they are, for each beginning of what was heard.
    type Cost = (u64, u64, u64, u64);
    let mut row: Vec<Cost> = (0..=heard.len() as u64).map(|extra| (extra, 0, 0, extra)).collect();
    for (line, key) in pressed.iter().enumerate() {
        let missing = line as u64 + 1;
        let mut next: Vec<Cost> = vec![(missing, 0, missing, 0)];
        for (column, other) in heard.iter().enumerate() {
            let of = |row: &[Cost], at: usize| row.get(at).copied().unwrap_or_default();
            let (diagonal, above, left) = (of(&row, column), of(&row, column + 1), of(&next, column));
            let differs = u64::from(key != other);
            let best = [
                (diagonal.0 + differs, diagonal.1 + differs, diagonal.2, diagonal.3),
                (above.0 + 1, above.1, above.2 + 1, above.3),
                (left.0 + 1, left.1, left.2, left.3 + 1),
            ];
            next.push(best.into_iter().min_by_key(|cost| cost.0).unwrap_or_default());
        }
        row = next;
    }
    let (_, wrong, missing, extra) = row.last().copied().unwrap_or_default();
    let count = pressed.len() as u64;
    Digits { pressed: count, right: count - wrong - missing, wrong, missing, extra, ..Digits::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_fault_is_called_by_its_name() {
        let table = [
            ("", "", (0, 0, 0, 0)),
            ("123#", "123#", (4, 0, 0, 0)),
            ("123#", "12#", (3, 0, 1, 0)),
            ("123#", "1223#", (4, 0, 0, 1)),
            ("123#", "193#", (3, 1, 0, 0)),
            ("123#", "", (0, 0, 4, 0)),
            ("", "55", (0, 0, 0, 2)),
            ("0123456789*#", "00112233445566778899**##", (12, 0, 0, 12)),
            ("1234", "2345", (3, 0, 1, 1)),
        ];
        for (pressed, heard, expected) in table {
            let Digits { right, wrong, missing, extra, .. } = compare(pressed, heard);
            assert_eq!((right, wrong, missing, extra), expected, "{pressed} {heard}");
        }
    }

    #[test]
    fn what_could_not_be_heard_is_not_missing() {
        let keyed = Keyed { pressed: "1223".into(), swallowed: vec![1, 3], ..Keyed::default() };
        let mut digits = Digits { pressed: 4, swallowed: 2, ..Digits::default() };
        digits.add("a", &keyed.audible(), "12");
        assert!(digits.are_exact() && digits.missing == 0, "{digits:?}");
        // One that came nevertheless is one too many.
        digits.add("b", &keyed.audible(), "122");
        assert_eq!((digits.are_exact(), digits.extra), (false, 1));
    }

    #[test]
    fn masked_keys_are_compared_by_their_number() {
        let keyed = Keyed { call: "a".into(), pressed: "1223".into(), swallowed: vec![3] };
        let of = |digit_count| {
            let mut digits = Digits::default();
            digits.judge(&keyed, Some(&CallRecord { digit_count, lost: 1, ..CallRecord::default() }));
            assert_eq!((digits.pressed, digits.swallowed, digits.right, digits.lost), (4, 1, 0, 1));
            digits
        };
        let counts = |digits: &Digits| (digits.masked, digits.counted, digits.missing, digits.extra);
        let exact = of(3);
        assert_eq!((exact.are_exact(), counts(&exact), exact.faulty.len()), (true, (1, 3, 0, 0), 0));
        let fewer = of(2);
        assert_eq!((fewer.are_exact(), counts(&fewer)), (false, (1, 2, 1, 0)));
        let more = of(4);
        assert_eq!((more.are_exact(), counts(&more)), (false, (1, 3, 0, 1)));
        assert_eq!(more.faulty, [("a".into(), "122".into(), "4 keys".into())]);
        // None at all is known, and no record is no number.
        let none = of(0);
        assert_eq!((none.are_exact(), counts(&none)), (false, (0, 0, 3, 0)));
        let mut lost = Digits::default();
        lost.judge(&keyed, None);
        assert_eq!((lost.are_exact(), lost.unknown, counts(&lost)), (false, 1, (0, 0, 0, 0)));
        let pressed_nothing = Keyed { call: "b".into(), ..Keyed::default() };
        lost.judge(&pressed_nothing, None);
        assert_eq!(lost.unknown, 2);
    }

    #[test]
    fn a_sum_is_exact_only_if_every_call_is() {
        let mut digits = Digits { pressed: 8, ..Digits::default() };
        digits.add("a", "1234", "1234");
        digits.add("b", "1234", "1234");
        assert!(digits.are_exact() && digits.faulty.is_empty());
        // A digit too many in one call does not make up for one too few in another.
        digits.add("c", "12", "1");
        digits.add("d", "12", "122");
        digits.pressed += 4;
        assert!(!digits.are_exact());
        assert_eq!((digits.missing, digits.extra, digits.faulty.len()), (1, 1, 2));
        assert!(!Digits { unknown: 1, ..Digits::default() }.are_exact());
    }
}
