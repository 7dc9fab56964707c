//! Looks for a secret in octets, in every form in which it could have got there.

/// A secret and its forms.
pub struct Needle {
    forms: Vec<Form>,
}

struct Form {
    name: &'static str,
    octets: Vec<u8>,
    /// Counts only where it stands by itself.
    token: bool,
}

/// Digits that are shorter occur in times, ports and hashes by chance; they count where they stand by themselves.
const LONG: usize = 8;

impl Needle {
    /// Looks for a PIN, an answer, a code or a password as it is.
    pub fn new(secret: &str) -> Self {
        assert!(secret.len() >= 4, "so short a text is everywhere");
        let mut forms = Vec::new();
        let mut add = |name, octets, token| forms.push(Form { name, octets, token });
        let digits = secret.bytes().all(|octet| octet.is_ascii_digit());
        add("UTF-8", secret.as_bytes().to_vec(), digits && secret.len() < LONG);
        add("UTF-16LE", secret.encode_utf16().flat_map(u16::to_le_bytes).collect(), false);
        let hex = |upper: bool| -> String {
            let one = |octet: u8| if upper { format!("{octet:02X}") } else { format!("{octet:02x}") };
            secret.bytes().map(one).collect()
        };
        for text in [hex(false), hex(true)] {
            add("hex", text.into_bytes(), false);
        }
        if secret.len() < 6 {
            // The sixteen or twenty-four bits of a shifted form are everywhere: only the whole by itself.
            add("base64", base64(secret.as_bytes()), false);
        } else {
            (0..3).for_each(|shift| add("base64", base64_within(secret, shift), false));
        }
        Self { forms }
    }

    /// Looks for a word, whatever its case.
    pub fn word(word: &str) -> Self {
        let lower = word.to_lowercase();
        let mut capital = lower.clone();
        capital[..1].make_ascii_uppercase();
        let variants = [lower.clone(), lower.to_uppercase(), capital];
        Self { forms: variants.iter().flat_map(|variant| Self::new(variant).forms).collect() }
    }

    /// In which form it occurs, if it does.
    pub fn found_in(&self, octets: &[u8]) -> Option<&'static str> {
        self.forms.iter().find(|form| form.occurs_in(octets)).map(|form| form.name)
    }
}

impl Form {
    fn occurs_in(&self, octets: &[u8]) -> bool {
        let (first, length) = (self.octets[0], self.octets.len());
        octets.windows(length).enumerate().any(|(at, window)| {
            window[0] == first && window == self.octets && (!self.token || stands_alone(octets, at, length))
        })
    }
}

/// No letter or digit beside it, and it is no fraction of a number ("4.0718").
fn stands_alone(octets: &[u8], at: usize, length: usize) -> bool {
    let is = |index: Option<usize>, kind: fn(&u8) -> bool| {
        index.and_then(|index| octets.get(index)).is_some_and(kind)
    };
    let before = is(at.checked_sub(1), u8::is_ascii_alphanumeric);
    let after = is(Some(at + length), u8::is_ascii_alphanumeric);
    let fraction = is(at.checked_sub(1), |octet| *octet == b'.') && is(at.checked_sub(2), u8::is_ascii_digit);
    !before && !after && !fraction
}

/// RFC 4648 §4 without padding.
fn base64(octets: &[u8]) -> Vec<u8> {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let bit = |index: usize| octets.get(index / 8).map_or(0, |octet| octet >> (7 - index % 8) & 1);
    let sextet = |index: usize| (0..6).fold(0, |value, place| value << 1 | bit(index * 6 + place));
    (0..(octets.len() * 8).div_ceil(6)).map(|index| ALPHABET[usize::from(sextet(index))]).collect()
}

/// The signs that depend on the secret alone, when `shift` octets of something else come before it.
fn base64_within(secret: &str, shift: usize) -> Vec<u8> {
    let all = base64(&[&vec![0; shift], secret.as_bytes()].concat());
    let (first, last) = ((shift * 8).div_ceil(6), (shift + secret.len()) * 8 / 6);
    all[first..last].to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn planted(secret: &[u8]) -> Vec<u8> {
        [b"some text before ".as_slice(), secret, b" and after"].concat()
    }

    #[test]
    fn every_form_of_a_planted_secret_is_found() {
        let secrets = ["0718", "135795", "908172635445", "Planet-maple-47", "135795-597531-029898"];
        for secret in secrets {
            let needle = Needle::new(secret);
            let utf16: Vec<u8> = secret.encode_utf16().flat_map(u16::to_le_bytes).collect();
            let hex: String = secret.bytes().map(|octet| format!("{octet:02x}")).collect();
            assert_eq!(needle.found_in(&planted(secret.as_bytes())), Some("UTF-8"));
            assert_eq!(needle.found_in(&planted(&utf16)), Some("UTF-16LE"));
            assert_eq!(needle.found_in(&planted(hex.as_bytes())), Some("hex"));
            assert_eq!(needle.found_in(&planted(hex.to_uppercase().as_bytes())), Some("hex"));
            assert_eq!(needle.found_in(&planted(&base64(secret.as_bytes()))), Some("base64"));
            assert_eq!(needle.found_in(b"nothing of this kind: 718, 0x1f, 4.0718281"), None);
        }
    }

    #[test]
    fn a_secret_within_an_encoded_text_is_found() {
        for shift in 0..6 {
            let text = ["x".repeat(shift), "\"pin\":\"908172635445\"}".to_owned()].concat();
            assert_eq!(
                Needle::new("908172635445").found_in(&planted(&base64(text.as_bytes()))),
                Some("base64")
            );
        }
    }

    #[test]
    fn the_encoder_is_that_of_the_rfc() {
        for (clear, encoded) in [("f", "Zg"), ("fo", "Zm8"), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")] {
            assert_eq!(base64(clear.as_bytes()), encoded.as_bytes());
        }
    }

    #[test]
    fn words_are_found_in_any_case() {
        let needle = Needle::word("Maple");
        for text in ["maple", "Maple", "MAPLE"] {
            assert_eq!(needle.found_in(&planted(text.as_bytes())), Some("UTF-8"));
            assert_eq!(needle.found_in(&planted(&base64(text.as_bytes()))), Some("base64"));
        }
        assert_eq!(needle.found_in(b"map let apple"), None);
    }

    #[test]
    fn short_digits_count_only_by_themselves() {
        let needle = Needle::new("0718");
        for text in ["answer=0718", "\"0718\"", "0718", "in 0718.", "(0718)", "x:0718\n"] {
            assert!(needle.found_in(text.as_bytes()).is_some(), "{text}");
        }
        for text in ["10718", "07180", "a0718b", "09:30:14.0718", "4.0718Z"] {
            assert!(needle.found_in(text.as_bytes()).is_none(), "{text}");
        }
    }
}
