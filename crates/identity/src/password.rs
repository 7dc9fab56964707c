//! Generated passwords that can be said on the phone.
use crate::Secret;
use rand_core::Rng;
use serde::{Deserialize, Serialize};

/// Shape of a generated password; parts are separated by `-`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PasswordStyle {
    /// `Word-NN-Word-Word`: 3 words of 1024 and 2 digits, 36.6 bits; meets three-of-four character classes.
    #[default]
    Words,
    /// 12 characters of `2346789BCDFGHJKMPQRTVWXY` in groups of 3, 55 bits.
    Alnum24,
    /// 12 digits in groups of 3, 39.9 bits.
    Digits,
}

/// Characters that are not mistaken for one another, neither by ear nor by eye.
const ALNUM24: &[u8; 24] = b"2346789BCDFGHJKMPQRTVWXY";
const DIGITS: &[u8; 10] = b"0123456789";
/// Octets of the longest password that is built without moving in memory.
const ROOM: usize = 128;

/// Draws a password without bias. `words` is the language's list of 1024 lower-case ASCII words (used by `Words`).
///
/// # Panics
/// If `words` is empty and the style is `Words`.
pub fn generate_password(style: PasswordStyle, words: &[&str], rng: &mut impl Rng) -> Secret {
    // One allocation of the final size: growing would leave copies behind that are not wiped.
    let mut clear = String::with_capacity(ROOM);
    match style {
        PasswordStyle::Words => {
            assert!(!words.is_empty(), "a password of words needs a word list");
            for part in 0..4 {
                if part > 0 {
                    clear.push('-');
                }
                if part == 1 {
                    push_characters(&mut clear, DIGITS, 2, rng);
                } else {
                    push_capitalised(&mut clear, words[below(words.len(), rng)]);
                }
            }
        }
        PasswordStyle::Alnum24 => push_groups(&mut clear, ALNUM24, rng),
        PasswordStyle::Digits => push_groups(&mut clear, DIGITS, rng),
    }
    Secret::new(clear)
}

fn push_groups(clear: &mut String, alphabet: &[u8], rng: &mut impl Rng) {
    for group in 0..4 {
        if group > 0 {
            clear.push('-');
        }
        push_characters(clear, alphabet, 3, rng);
    }
}

fn push_characters(clear: &mut String, alphabet: &[u8], count: usize, rng: &mut impl Rng) {
    for _ in 0..count {
        clear.push(char::from(alphabet[below(alphabet.len(), rng)]));
    }
}

fn push_capitalised(clear: &mut String, word: &str) {
    let mut letters = word.chars();
    if let Some(first) = letters.next() {
        clear.push(first.to_ascii_uppercase());
        clear.push_str(letters.as_str());
    }
}

/// A number below `bound`, each equally likely: draws above the largest multiple of `bound` are thrown away.
fn below(bound: usize, rng: &mut impl Rng) -> usize {
    let bound = bound as u64;
    // 2^64 mod bound, without 128-bit arithmetic.
    let excess = (u64::MAX % bound + 1) % bound;
    loop {
        let draw = rng.next_u64();
        if draw <= u64::MAX - excess {
            return (draw % bound) as usize;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng;
    use std::collections::BTreeMap;

    const DRAWS: usize = 1_000_000;

    fn rng() -> ChaCha20Rng {
        ChaCha20Rng::seed_from_u64(7)
    }

    /// Chi-square statistic against equal likelihood.
    fn chi_square(counts: &[u32]) -> f64 {
        let expected = f64::from(counts.iter().sum::<u32>()) / counts.len() as f64;
        counts.iter().map(|&count| (f64::from(count) - expected).powi(2) / expected).sum()
    }

    /// Mean of chi-square is its degrees of freedom `d`, deviation √(2d); five deviations are one chance in millions.
    fn assert_uniform(counts: &[u32]) {
        let freedom = counts.len() as f64 - 1.0;
        let statistic = chi_square(counts);
        assert!(
            (statistic - freedom).abs() < 5.0 * (2.0 * freedom).sqrt(),
            "chi-square {statistic} of {freedom}"
        );
    }

    #[test]
    fn draws_are_uniform_for_bounds_that_do_not_divide_the_range() {
        for bound in [2, 3, 10, 24, 1000, 1024] {
            let (mut rng, mut counts) = (rng(), vec![0_u32; bound]);
            (0..DRAWS).for_each(|_| counts[below(bound, &mut rng)] += 1);
            assert_uniform(&counts);
        }
    }

    #[test]
    fn rejection_starts_where_the_range_ends() {
        struct Script(Vec<u64>);
        impl rand_core::TryRng for Script {
            type Error = std::convert::Infallible;
            fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
                Ok(self.try_next_u64()? as u32)
            }
            fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
                Ok(self.0.remove(0))
            }
            fn try_fill_bytes(&mut self, dst: &mut [u8]) -> Result<(), Self::Error> {
                dst.fill(0);
                Ok(())
            }
        }
        // 2^64 mod 10 = 6, so the six highest values are thrown away, for a bound of 1024 none is.
        assert_eq!(below(10, &mut Script(vec![u64::MAX, u64::MAX - 5, u64::MAX - 6])), 9);
        assert_eq!(below(1024, &mut Script(vec![u64::MAX])), 1023);
        assert_eq!(below(1, &mut Script(vec![u64::MAX])), 0);
    }

    #[test]
    fn words_make_word_digits_word_word_without_bias() {
        let list: Vec<String> = (0..1024)
            .map(|n: u32| {
                let letter = |shift: u32| char::from(b'a' + (n >> shift & 3) as u8);
                [8, 6, 4, 2, 0].map(letter).iter().collect()
            })
            .collect();
        let words: Vec<&str> = list.iter().map(String::as_str).collect();
        let place: BTreeMap<&str, usize> = words.iter().enumerate().map(|(at, word)| (*word, at)).collect();
        let mut rng = rng();
        let mut of_words = [vec![0_u32; 1024], vec![0; 1024], vec![0; 1024]];
        let mut of_digits = vec![0_u32; 100];
        for _ in 0..DRAWS {
            let password = generate_password(PasswordStyle::Words, &words, &mut rng);
            let parts: Vec<&str> = password.expose().split('-').collect();
            assert_eq!(parts.len(), 4);
            of_digits[parts[1].parse::<usize>().unwrap()] += 1;
            for (counts, part) in of_words.iter_mut().zip([parts[0], parts[2], parts[3]]) {
                assert!(part.starts_with(|first: char| first.is_ascii_uppercase()));
                counts[place[part.to_ascii_lowercase().as_str()]] += 1;
            }
        }
        assert_uniform(&of_digits);
        of_words.iter().for_each(|counts| assert_uniform(counts));
    }

    #[test]
    fn groups_have_only_characters_of_their_alphabet_without_bias() {
        for (style, alphabet) in
            [(PasswordStyle::Alnum24, &ALNUM24[..]), (PasswordStyle::Digits, &DIGITS[..])]
        {
            let (mut rng, mut counts) = (rng(), vec![0_u32; alphabet.len()]);
            for _ in 0..DRAWS / 10 {
                let password = generate_password(style, &[], &mut rng);
                assert_eq!(password.expose().split('-').map(str::len).collect::<Vec<_>>(), [3, 3, 3, 3]);
                for character in password.expose().bytes().filter(|c| *c != b'-') {
                    counts[alphabet.iter().position(|c| *c == character).unwrap()] += 1;
                }
            }
            assert_uniform(&counts);
        }
    }

    #[test]
    fn equal_seeds_give_equal_passwords_and_others_do_not() {
        let words = ["maple", "rivet"];
        let mut rngs = [1, 1, 2].map(ChaCha20Rng::seed_from_u64);
        let [a, b, c] = rngs.each_mut().map(|rng| generate_password(PasswordStyle::Alnum24, &words, rng));
        assert!(a == b && a != c);
    }

    #[test]
    #[should_panic(expected = "word list")]
    fn no_words_is_a_fault_of_the_caller() {
        generate_password(PasswordStyle::Words, &[], &mut rng());
    }
}
