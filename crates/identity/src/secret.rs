//! Values that must never be printed.
use std::fmt;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// A password, code or answer in clear. No `Display`, no `Serialize`; `Debug` prints a mask; wiped on drop.
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes ownership of a clear text.
    pub fn new(clear: impl Into<String>) -> Self {
        Self(Zeroizing::new(clear.into()))
    }

    /// The clear text. Each caller of this is a place that a review must look at.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// The decimal digits in the secret, in order.
    pub fn digits(&self) -> SecretDigits {
        let mut digits = SecretDigits::default();
        for key in self.0.chars().filter(char::is_ascii_digit).filter_map(Key::new) {
            digits.push(key);
        }
        digits
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl PartialEq for Secret {
    /// Constant time for equal lengths.
    fn eq(&self, other: &Self) -> bool {
        self.0.as_bytes().ct_eq(other.0.as_bytes()).into()
    }
}

impl Eq for Secret {}

/// One keypad key: `0`-`9`, `*`, `#`, `A`-`D`. `Debug` prints a mask, since a key may be part of a PIN.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Key(char);

impl Key {
    /// `None` for a character that is on no keypad.
    pub fn new(symbol: char) -> Option<Self> {
        matches!(symbol, '0'..='9' | '*' | '#' | 'A'..='D').then_some(Self(symbol))
    }

    /// The symbol printed on the key.
    pub fn expose(self) -> char {
        self.0
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(•)")
    }
}

/// Keys that were pressed one after another and are not for anyone's eyes.
#[derive(Clone, Default)]
pub struct SecretDigits(Zeroizing<String>);

impl SecretDigits {
    /// Longest input kept; a key beyond it is dropped so that the buffer never moves in memory.
    pub const MAX: usize = 64;

    /// Reads digits from a text; `None` if it holds anything that is no key.
    pub fn parse(text: &str) -> Option<Self> {
        let mut digits = Self::default();
        for symbol in text.chars() {
            digits.push(Key::new(symbol)?);
        }
        Some(digits)
    }

    /// Appends one key.
    pub fn push(&mut self, key: Key) {
        if self.0.capacity() == 0 {
            // One allocation of the final size: growing would leave copies behind that are not wiped.
            *self.0 = String::with_capacity(Self::MAX);
        }
        if self.0.len() < Self::MAX {
            self.0.push(key.expose());
        }
    }

    /// Number of keys.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// True before the first key.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// The digits in clear. Each caller of this is a place that a review must look at.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretDigits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretDigits({} keys)", self.len())
    }
}

impl PartialEq for SecretDigits {
    /// Constant time for equal lengths.
    fn eq(&self, other: &Self) -> bool {
        self.0.as_bytes().ct_eq(other.0.as_bytes()).into()
    }
}

impl Eq for SecretDigits {}
