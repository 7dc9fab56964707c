//! Handshakes under way with those who connect. A true one takes milliseconds: where there are too many, the oldest
//! stalls, and makes room for the next.
use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use tokio::task::AbortHandle;

/// All of them, the oldest first.
pub(crate) struct Handshakes {
    under_way: Mutex<VecDeque<(u64, IpAddr, AbortHandle)>>,
    total: usize,
    per_peer: usize,
}

impl Handshakes {
    pub(crate) fn new(total: usize, per_peer: usize) -> Self {
        let under_way = Mutex::new(VecDeque::new());
        Handshakes { under_way, total: total.max(1), per_peer: per_peer.max(1) }
    }

    /// Notes a new one; true if the oldest had to go for it.
    pub(crate) fn begin(&self, id: u64, peer: IpAddr, task: AbortHandle) -> bool {
        let mut list = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        // Those that ended before they were noted.
        list.retain(|(_, _, task)| !task.is_finished());
        let of_peer = list.iter().filter(|(_, other, _)| *other == peer).count();
        let oldest = if of_peer >= self.per_peer {
            list.iter().position(|(_, other, _)| *other == peer)
        } else {
            (list.len() >= self.total).then_some(0)
        };
        let gone = oldest.and_then(|index| list.remove(index));
        if let Some((_, _, task)) = &gone {
            task.abort();
        }
        list.push_back((id, peer, task));
        gone.is_some()
    }

    /// It is over.
    pub(crate) fn end(&self, id: u64) {
        let mut list = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(index) = list.iter().position(|(other, _, _)| *other == id) {
            list.remove(index);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_oldest_of_the_peer_makes_room_and_then_the_oldest_of_all() {
        let handshakes = Handshakes::new(3, 2);
        let mut tasks = Vec::new();
        let mut begin = |id: u64, last: u8| {
            let task = tokio::spawn(std::future::pending::<()>());
            let had_to = handshakes.begin(id, IpAddr::from([192, 0, 2, last]), task.abort_handle());
            tasks.push(task);
            had_to
        };
        assert!(!begin(0, 1) && !begin(1, 1) && !begin(2, 2));
        assert!(begin(3, 1), "the third of one peer");
        assert!(begin(4, 3), "the fourth of all");
        handshakes.end(3);
        assert!(!begin(5, 4));
        for (index, gone) in [(0, true), (1, true), (2, false), (3, false), (4, false)] {
            if gone {
                assert!((&mut tasks[index]).await.is_err_and(|error| error.is_cancelled()), "{index}");
            } else {
                assert!(!tasks[index].is_finished(), "{index}");
            }
        }
    }
}
