//! What telephone-events are called.

use crate::digit::Digit;
use core::fmt;

/// An event code that writes itself as its name: `5`, `flash`, `ringing tone`, or `event 200`.
///
/// Codes 0-15 of RFC 4733 §3.2; 16, 64-89 of RFC 2833 §3.10 and §3.12, which gateways still send; 32-40 of RFC 4734 §3.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EventName(pub u8);

const MODEM: [&str; 9] = [
    "ANS",
    "/ANS",
    "ANSam",
    "/ANSam",
    "CNG",
    "V.21 channel 1, 0",
    "V.21 channel 1, 1",
    "V.21 channel 2, 0",
    "V.21 channel 2, 1",
];

const LINE: [&str; 26] = [
    "off hook",
    "on hook",
    "dial tone",
    "PABX internal dial tone",
    "special dial tone",
    "second dial tone",
    "ringing tone",
    "special ringing tone",
    "busy tone",
    "congestion tone",
    "special information tone",
    "comfort tone",
    "hold tone",
    "record tone",
    "caller waiting tone",
    "call waiting tone",
    "pay tone",
    "positive indication tone",
    "negative indication tone",
    "warning tone",
    "intrusion tone",
    "calling card service tone",
    "payphone recognition tone",
    "CPE alerting signal",
    "off-hook warning tone",
    "ring",
];

impl fmt::Display for EventName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let code = self.0;
        if let Some(digit) = Digit::from_code(code) {
            return write!(f, "{}", digit.to_char());
        }
        match code {
            16 => f.write_str("flash"),
            32..=40 => f.write_str(MODEM[usize::from(code - 32)]),
            64..=89 => f.write_str(LINE[usize::from(code - 64)]),
            _ => write!(f, "event {code}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_one() {
        let named = [
            (0, "0"),
            (11, "#"),
            (15, "D"),
            (16, "flash"),
            (36, "CNG"),
            (66, "dial tone"),
            (89, "ring"),
            (90, "event 90"),
        ];
        for (code, name) in named {
            assert_eq!(EventName(code).to_string(), name);
        }
        for code in 0..=255 {
            assert!(!EventName(code).to_string().is_empty());
        }
    }
}
