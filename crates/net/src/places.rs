//! Places for connections: so many at once, and so many of one address.
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

/// All places, and who has them.
pub(crate) struct Places {
    by_peer: Mutex<BTreeMap<IpAddr, usize>>,
    total: usize,
    per_peer: usize,
}

/// A place among those of its peer; given back on drop.
pub(crate) struct Place {
    places: Arc<Places>,
    peer: IpAddr,
}

impl Places {
    pub(crate) fn new(total: usize, per_peer: usize) -> Arc<Places> {
        Arc::new(Places { by_peer: Mutex::new(BTreeMap::new()), total, per_peer })
    }

    pub(crate) fn count(&self) -> usize {
        self.by_peer.lock().unwrap_or_else(PoisonError::into_inner).values().sum()
    }

    /// A place, if there is one for this peer.
    pub(crate) fn take(self: &Arc<Self>, peer: IpAddr) -> Option<Place> {
        let mut peers = self.by_peer.lock().unwrap_or_else(PoisonError::into_inner);
        let of_peer = peers.get(&peer).copied().unwrap_or(0);
        if of_peer >= self.per_peer || peers.values().sum::<usize>() >= self.total {
            return None;
        }
        peers.insert(peer, of_peer + 1);
        Some(Place { places: Arc::clone(self), peer })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut peers = self.places.by_peer.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = peers.get_mut(&self.peer) {
            *count -= 1;
            if *count == 0 {
                peers.remove(&self.peer);
            }
        }
    }
}
