//! Randomness of the operating system, once per generator.
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};

/// A CSPRNG seeded by the operating system.
///
/// # Panics
/// If the operating system has no randomness: nothing that follows would be safe.
pub fn rng() -> ChaCha20Rng {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).expect("the operating system gives randomness");
    ChaCha20Rng::from_seed(seed)
}
