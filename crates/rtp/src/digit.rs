//! The vocabulary of the digit path: digits, methods, media time, presses.

/// One of the sixteen DTMF digits, held as its RFC 4733 event code (0-9, 10 `*`, 11 `#`, 12-15 `A`-`D`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, PartialOrd, Ord)]
pub struct Digit(u8);

const CHARACTERS: [char; 16] =
    ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', '*', '#', 'A', 'B', 'C', 'D'];

/// The four low (row) frequencies of ITU-T Q.23, in Hz.
pub const LOW_HZ: [f32; 4] = [697.0, 770.0, 852.0, 941.0];
/// The four high (column) frequencies of ITU-T Q.23, in Hz.
pub const HIGH_HZ: [f32; 4] = [1209.0, 1336.0, 1477.0, 1633.0];

/// Event codes by row and column of the keypad.
const KEYPAD: [[u8; 4]; 4] = [[1, 2, 3, 12], [4, 5, 6, 13], [7, 8, 9, 14], [10, 0, 11, 15]];

impl Digit {
    /// All sixteen digits in the order of their event codes.
    pub const ALL: [Digit; 16] = {
        let mut all = [Digit(0); 16];
        let mut code = 0;
        while code < 16 {
            all[code] = Digit(code as u8);
            code += 1;
        }
        all
    };

    /// The digit of a key as printed on a telephone; letters in either case.
    pub fn from_char(key: char) -> Option<Digit> {
        let key = key.to_ascii_uppercase();
        CHARACTERS.iter().position(|&c| c == key).map(|code| Digit(code as u8))
    }

    /// The digit of an RFC 4733 event code; `None` for codes above 15 (flash, tones).
    pub const fn from_code(code: u8) -> Option<Digit> {
        if code < 16 { Some(Digit(code)) } else { None }
    }

    /// The digit at a row (0-3, low frequency) and column (0-3, high frequency) of the keypad.
    pub fn from_keypad(row: usize, column: usize) -> Option<Digit> {
        KEYPAD.get(row)?.get(column).map(|&code| Digit(code))
    }

    /// The character of the key: `0`-`9`, `*`, `#`, `A`-`D`.
    pub fn to_char(self) -> char {
        CHARACTERS[usize::from(self.0 & 15)]
    }

    /// The RFC 4733 event code, 0-15.
    pub fn code(self) -> u8 {
        self.0
    }

    /// Row and column on the keypad, each 0-3: indices into [`LOW_HZ`] and [`HIGH_HZ`].
    pub fn keypad(self) -> (usize, usize) {
        for (row, keys) in KEYPAD.iter().enumerate() {
            if let Some(column) = keys.iter().position(|&code| code == self.0) {
                return (row, column);
            }
        }
        (3, 1)
    }

    /// Low and high frequency in Hz (ITU-T Q.23).
    pub fn frequencies(self) -> (f32, f32) {
        let (row, column) = self.keypad();
        (LOW_HZ[row], HIGH_HZ[column])
    }
}

/// The way by which a press reached us.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, PartialOrd, Ord)]
pub enum Method {
    /// Telephone-event packets, RFC 4733.
    Rfc4733,
    /// Tones in the audio, ITU-T Q.23.
    Inband,
    /// SIP INFO, `application/dtmf-relay` or `application/dtmf`.
    Info,
}

impl Method {
    /// The name in logs and JSON: `rfc4733`, `inband`, `info`.
    pub fn as_str(self) -> &'static str {
        match self {
            Method::Rfc4733 => "rfc4733",
            Method::Inband => "inband",
            Method::Info => "info",
        }
    }
}

impl std::fmt::Display for Method {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Media time: samples at 8000 Hz since the stream's epoch, unwrapped.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, PartialOrd, Ord, Default)]
pub struct MediaTime(pub u64);

impl MediaTime {
    /// Samples in a millisecond.
    pub const SAMPLES_PER_MS: u64 = 8;

    /// The time `ms` milliseconds after the epoch.
    pub const fn from_ms(ms: u64) -> MediaTime {
        MediaTime(ms * Self::SAMPLES_PER_MS)
    }

    /// Whole milliseconds since the epoch.
    pub const fn ms(self) -> u64 {
        self.0 / Self::SAMPLES_PER_MS
    }

    /// Samples from `earlier` to `self`, 0 if `earlier` is later.
    pub const fn since(self, earlier: MediaTime) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// The time `samples` later.
    #[must_use]
    pub const fn plus(self, samples: u64) -> MediaTime {
        MediaTime(self.0.saturating_add(samples))
    }
}

/// Where the samples of a frame come from.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum FrameKind {
    /// Decoded from a packet that arrived in time.
    Received,
    /// Made up by packet-loss concealment: the packet was lost or late.
    Concealed,
    /// The sender sent nothing (timestamp gap without a sequence gap).
    Silence,
}

/// Which methods a call listens to. All by default.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DigitConfig {
    /// Telephone-event was negotiated.
    pub events: bool,
    /// Listen for tones in the audio.
    pub inband: bool,
    /// Accept SIP INFO.
    pub info: bool,
}

impl Default for DigitConfig {
    fn default() -> Self {
        DigitConfig { events: true, inband: true, info: true }
    }
}

/// One press of a key, reported once, at its start (as soon as it is certain).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Press {
    /// The key.
    pub digit: Digit,
    /// The method that reported it first.
    pub method: Method,
    /// Media time of its first sample.
    pub start: MediaTime,
    /// Arrival clock when it became certain.
    pub reported: MediaTime,
}

/// The methods that saw one press, a set.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Methods(u8);

impl Methods {
    /// The set with `method` in it too.
    #[must_use]
    pub const fn with(self, method: Method) -> Methods {
        Methods(self.0 | 1 << method as u8)
    }

    /// Whether `method` saw the press.
    pub const fn contains(self, method: Method) -> bool {
        self.0 & (1 << method as u8) != 0
    }

    /// The number of methods that saw the press.
    pub const fn count(self) -> u32 {
        self.0.count_ones()
    }

    /// The methods in the set, in order.
    pub fn iter(self) -> impl Iterator<Item = Method> {
        [Method::Rfc4733, Method::Inband, Method::Info].into_iter().filter(move |&m| self.contains(m))
    }
}

/// The end of a press: its duration and the evidence for it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PressEnd {
    /// The key.
    pub digit: Digit,
    /// The method that reported it first.
    pub method: Method,
    /// Media time of its first sample.
    pub start: MediaTime,
    /// Duration in samples at 8000 Hz; 0 if the method told none.
    pub duration: u32,
    /// Event packets seen for it, copies included; 0 for other methods.
    pub packets: u16,
    /// Event packets that repeated what an earlier one had said.
    pub duplicates: u16,
    /// Event packets missing between those seen (by sequence number).
    pub lost: u16,
    /// Holes in the tone that were bridged (lost or concealed audio, interruptions, phase-continuous gaps).
    pub bridged: u16,
    /// All methods that saw it.
    pub merged: Methods,
}

/// What a [`crate::DigitPath`] reports.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DigitOutput {
    /// A key went down.
    Press(Press),
    /// The same press is over.
    End(PressEnd),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_and_codes_round_trip() {
        for digit in Digit::ALL {
            assert_eq!(Digit::from_char(digit.to_char()), Some(digit));
            assert_eq!(Digit::from_code(digit.code()), Some(digit));
            let (row, column) = digit.keypad();
            assert_eq!(Digit::from_keypad(row, column), Some(digit));
        }
        assert_eq!(Digit::from_char('d'), Digit::from_code(15));
        assert_eq!(Digit::from_char('x'), None);
        assert_eq!(Digit::from_code(16), None);
    }

    #[test]
    fn frequencies_are_those_of_q23() {
        let of = |c| Digit::from_char(c).map(Digit::frequencies);
        assert_eq!(of('1'), Some((697.0, 1209.0)));
        assert_eq!(of('0'), Some((941.0, 1336.0)));
        assert_eq!(of('#'), Some((941.0, 1477.0)));
        assert_eq!(of('D'), Some((941.0, 1633.0)));
    }

    #[test]
    fn methods_form_a_set() {
        let set = Methods::default().with(Method::Info).with(Method::Rfc4733);
        assert_eq!(set.iter().collect::<Vec<_>>(), [Method::Rfc4733, Method::Info]);
        assert_eq!(set.count(), 2);
        assert!(!set.contains(Method::Inband));
    }
}
