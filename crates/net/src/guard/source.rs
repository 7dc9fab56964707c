//! What is remembered of one source.
use super::bucket::{Bucket, Micros};

/// Its buckets and the logins that are not yet answered.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Source {
    pub(crate) messages: Bucket,
    pub(crate) invites: Bucket,
    pub(crate) connections: Bucket,
    pub(crate) failed_logins: Bucket,
    pub(crate) wrong_numbers: Bucket,
    /// Messages beyond the rate.
    pub(crate) over: u32,
    /// Until when somebody there is logged in.
    pub(crate) registered: Micros,
    /// Until when no credentials are taken from there.
    pub(crate) locked: Micros,
    pub(crate) logins: Recent,
}

/// The last few requests with credentials, as hashes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Recent {
    hashes: [u64; 8],
    next: u8,
}

impl Recent {
    pub(crate) fn push(&mut self, hash: u64) {
        if self.hashes.contains(&hash) {
            return;
        }
        self.hashes[usize::from(self.next) % 8] = hash;
        self.next = self.next.wrapping_add(1);
    }

    /// Takes it out; false if it is not there.
    pub(crate) fn take(&mut self, hash: u64) -> bool {
        match self.hashes.iter_mut().find(|kept| **kept == hash) {
            Some(kept) => {
                *kept = 0;
                true
            }
            None => false,
        }
    }
}
