//! Slow hashes.
use crate::StoreError;
use argon2::{Algorithm, Argon2, Params, Version};
use ring::rand::{SecureRandom, SystemRandom};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use subtle::ConstantTimeEq;
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

/// Cost of argon2id (RFC 9106).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HashCost {
    /// Memory, KiB.
    pub memory_kib: u32,
    /// Passes.
    pub passes: u32,
    /// Lanes.
    pub lanes: u32,
}

impl Default for HashCost {
    /// 19 MiB, 2 passes, 1 lane: about 20 ms on one core.
    fn default() -> Self {
        Self { memory_kib: 19 * 1024, passes: 2, lanes: 1 }
    }
}

/// Makes and checks hashes, a few at a time, off the runtime's threads: fifty callers who key a PIN at once must not
/// take the cores from the media tick.
#[derive(Clone)]
pub(crate) struct Hasher {
    cost: HashCost,
    /// A key beside the database: a stolen database alone does not give up four-digit PINs.
    key: Arc<Zeroizing<[u8; 32]>>,
    permits: Arc<Semaphore>,
}

impl Hasher {
    pub(crate) fn new(cost: HashCost, key: Zeroizing<[u8; 32]>, at_once: usize) -> Result<Self, StoreError> {
        params(cost)?;
        Ok(Self { cost, key: Arc::new(key), permits: Arc::new(Semaphore::new(at_once.max(1))) })
    }

    /// A new hash with a random salt, as text.
    pub(crate) async fn hash(&self, clear: &str) -> Result<String, StoreError> {
        let mut salt = [0; 16];
        SystemRandom::new().fill(&mut salt).map_err(|_| StoreError::Invalid("no randomness".into()))?;
        let hash = self.compute(clear, self.cost, salt).await?;
        let HashCost { memory_kib, passes, lanes } = self.cost;
        Ok(format!("argon2id$m={memory_kib},t={passes},p={lanes}${}${}", hex(&salt), hex(&*hash)))
    }

    /// Compares in constant time. `None` costs the same and never matches.
    pub(crate) async fn matches(&self, clear: &str, stored: Option<&str>) -> Result<bool, StoreError> {
        let (known, cost, salt, expected) = match stored {
            Some(text) => {
                let (cost, salt, expected) =
                    parse(text).ok_or_else(|| StoreError::Unusable("a stored hash cannot be read".into()))?;
                (true, cost, salt, expected)
            }
            None => (false, self.cost, [0x5a; 16], [0; 32]),
        };
        let hash = self.compute(clear, cost, salt).await?;
        let equal: bool = hash.ct_eq(&expected).into();
        Ok(equal & known)
    }

    async fn compute(
        &self,
        clear: &str,
        cost: HashCost,
        salt: [u8; 16],
    ) -> Result<Zeroizing<[u8; 32]>, StoreError> {
        let clear = Zeroizing::new(clear.as_bytes().to_vec());
        let key = self.key.clone();
        let permit = self.permits.clone().acquire_owned().await.map_err(|_| StoreError::Closed)?;
        tokio::task::spawn_blocking(move || {
            let _permit = permit;
            let mut out = Zeroizing::new([0; 32]);
            Argon2::new_with_secret(&key[..], Algorithm::Argon2id, Version::V0x13, params(cost)?)
                .and_then(|argon| argon.hash_password_into(&clear, &salt, &mut out[..]))
                .map_err(|fault| StoreError::Invalid(format!("argon2: {fault}")))?;
            Ok(out)
        })
        .await
        .map_err(|_| StoreError::Closed)?
    }
}

fn params(cost: HashCost) -> Result<Params, StoreError> {
    Params::new(cost.memory_kib, cost.passes, cost.lanes, Some(32))
        .map_err(|fault| StoreError::Invalid(format!("hash cost: {fault}")))
}

fn parse(text: &str) -> Option<(HashCost, [u8; 16], [u8; 32])> {
    let mut parts = text.split('$');
    if parts.next()? != "argon2id" {
        return None;
    }
    let mut costs = parts.next()?.split(',');
    let mut cost = |name: &str| costs.next()?.strip_prefix(name)?.parse().ok();
    let cost = HashCost { memory_kib: cost("m=")?, passes: cost("t=")?, lanes: cost("p=")? };
    let salt = unhex(parts.next()?)?.try_into().ok()?;
    let hash = unhex(parts.next()?)?.try_into().ok()?;
    parts.next().is_none().then_some((cost, salt, hash))
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .filter_map(|n| char::from_digit(n.into(), 16))
        .collect()
}

/// The reverse of [`hex`].
pub(crate) fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u32>> = text.chars().map(|c| c.to_digit(16)).collect();
    let digits = digits.filter(|digits| digits.len() % 2 == 0)?;
    Some(digits.chunks_exact(2).map(|pair| (pair[0] << 4 | pair[1]) as u8).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hasher(key: u8) -> Hasher {
        let cost = HashCost { memory_kib: 16, passes: 1, lanes: 1 };
        Hasher::new(cost, Zeroizing::new([key; 32]), 2).unwrap()
    }

    #[tokio::test]
    async fn a_hash_matches_its_clear_text_only() {
        let hasher = hasher(1);
        let stored = hasher.hash("4711").await.unwrap();
        assert!(!stored.contains("4711") && stored.starts_with("argon2id$m=16,t=1,p=1$"));
        assert!(hasher.matches("4711", Some(&stored)).await.unwrap());
        assert!(!hasher.matches("4712", Some(&stored)).await.unwrap());
        assert!(!hasher.matches("4711", None).await.unwrap());
        assert_ne!(stored, hasher.hash("4711").await.unwrap(), "each has its own salt");
    }

    #[tokio::test]
    async fn without_the_key_a_hash_is_worthless() {
        let stored = hasher(1).hash("4711").await.unwrap();
        assert!(!hasher(2).matches("4711", Some(&stored)).await.unwrap());
    }

    #[tokio::test]
    async fn damaged_hashes_are_errors_and_not_panics() {
        for text in [
            "",
            "argon2id",
            "argon2id$m=16,t=1,p=1$00$00",
            "argon2i$m=16,t=1,p=1$",
            "argon2id$m=1,t=0,p=9$é$é",
        ] {
            assert!(hasher(1).matches("1", Some(text)).await.is_err(), "{text}");
        }
    }

    #[test]
    fn senseless_costs_are_refused() {
        let cost = HashCost { memory_kib: 1, passes: 0, lanes: 0 };
        assert!(Hasher::new(cost, Zeroizing::new([0; 32]), 2).is_err());
    }
}
