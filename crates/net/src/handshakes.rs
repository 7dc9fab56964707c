//! Handshakes under way with those who connect. A true one takes milliseconds: where there are too many, the oldest
//! stalls, and makes room for the next.
//!
//! A handshake's place among the connections is kept here and not by its task: one that is given up gives its place
//! back at once, not only when the runtime comes to drop the task. Else a burst of stalling handshakes would take all
//! places of their address, and the next true caller would find none.
use crate::places::{Place, Places};
use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::task::AbortHandle;

/// All of them, the oldest first.
pub(crate) struct Handshakes {
    under_way: Mutex<VecDeque<Handshake>>,
    total: usize,
    per_peer: usize,
}

struct Handshake {
    id: u64,
    peer: IpAddr,
    task: AbortHandle,
    place: Place,
}

/// What became of a new one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Begun {
    /// Those that had to go for it.
    pub(crate) given_up: u64,
    /// False: there is no place for it, and it was not spawned.
    pub(crate) has_place: bool,
}

impl Handshakes {
    pub(crate) fn new(total: usize, per_peer: usize) -> Self {
        let under_way = Mutex::new(VecDeque::new());
        Handshakes { under_way, total: total.max(1), per_peer: per_peer.max(1) }
    }

    /// Makes room for a new one, takes its place and spawns it.
    pub(crate) fn begin(
        &self,
        id: u64,
        peer: IpAddr,
        places: &Arc<Places>,
        spawn: impl FnOnce() -> AbortHandle,
    ) -> Begun {
        let mut list = self.lock();
        // One whose task panicked never ended.
        list.retain(|other| !other.task.is_finished());
        let before = list.len();
        if list.iter().filter(|other| other.peer == peer).count() >= self.per_peer {
            give_up_oldest_of(&mut list, peer);
        } else if list.len() >= self.total {
            give_up(&mut list, 0);
        }
        let place = loop {
            match places.take(peer) {
                Some(place) => break Some(place),
                None if give_up_oldest_of(&mut list, peer) => {}
                None => break None,
            }
        };
        let begun = Begun { given_up: (before - list.len()) as u64, has_place: place.is_some() };
        if let Some(place) = place {
            // Under the lock: it cannot end before it is noted.
            list.push_back(Handshake { id, peer, task: spawn(), place });
        }
        begun
    }

    /// It is over: its place, unless it had been given up.
    pub(crate) fn end(&self, id: u64) -> Option<Place> {
        let mut list = self.lock();
        let index = list.iter().position(|other| other.id == id)?;
        list.remove(index).map(|ended| ended.place)
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Handshake>> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// False if there is none.
fn give_up_oldest_of(list: &mut VecDeque<Handshake>, peer: IpAddr) -> bool {
    list.iter().position(|other| other.peer == peer).is_some_and(|index| give_up(list, index))
}

fn give_up(list: &mut VecDeque<Handshake>, index: usize) -> bool {
    list.remove(index).is_some_and(|gone| {
        gone.task.abort();
        true
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::task::JoinHandle;

    const UNDER_WAY: Begun = Begun { given_up: 0, has_place: true };
    const INSTEAD_OF_ANOTHER: Begun = Begun { given_up: 1, has_place: true };

    struct Bench {
        handshakes: Handshakes,
        places: Arc<Places>,
        tasks: Vec<JoinHandle<()>>,
    }

    impl Bench {
        /// The next one; its id is its index.
        fn begin(&mut self, peer: IpAddr) -> Begun {
            let tasks = &mut self.tasks;
            let id = tasks.len() as u64;
            self.handshakes.begin(id, peer, &self.places, || {
                let task = tokio::spawn(std::future::pending());
                let abort = task.abort_handle();
                tasks.push(task);
                abort
            })
        }
    }

    fn bench(handshakes: Handshakes, places: Arc<Places>) -> Bench {
        Bench { handshakes, places, tasks: Vec::new() }
    }

    fn peer(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    #[tokio::test]
    async fn the_oldest_of_the_peer_makes_room_and_then_the_oldest_of_all() {
        let mut bench = bench(Handshakes::new(3, 2), Places::new(9, 9));
        assert_eq!([1, 1, 2].map(|last| bench.begin(peer(last))), [UNDER_WAY; 3]);
        assert_eq!(bench.begin(peer(1)), INSTEAD_OF_ANOTHER, "the third of one peer");
        assert_eq!(bench.begin(peer(3)), INSTEAD_OF_ANOTHER, "the fourth of all");
        assert!(bench.handshakes.end(3).is_some());
        assert!(bench.handshakes.end(0).is_none(), "given up");
        assert_eq!(bench.begin(peer(4)), UNDER_WAY);
        assert_eq!(bench.places.count(), 3);
        for (index, gone) in [(0, true), (1, true), (2, false), (3, false), (4, false)] {
            if gone {
                assert!((&mut bench.tasks[index]).await.is_err_and(|error| error.is_cancelled()), "{index}");
            } else {
                assert!(!bench.tasks[index].is_finished(), "{index}");
            }
        }
    }

    /// The runtime drops nothing here, since nothing is awaited: just so on a busy host.
    #[tokio::test]
    async fn one_that_is_given_up_keeps_no_place() {
        let mut bench = bench(Handshakes::new(256, 16), Places::new(100, 20));
        for index in 0..500 {
            assert_eq!(bench.begin(peer(1)), if index < 16 { UNDER_WAY } else { INSTEAD_OF_ANOTHER });
        }
        assert_eq!(bench.places.count(), 16);
    }

    #[tokio::test]
    async fn handshakes_make_room_where_connections_have_the_other_places() {
        let mut bench = bench(Handshakes::new(256, 16), Places::new(100, 20));
        let mut connections: Vec<Place> = (0..18).filter_map(|_| bench.places.take(peer(1))).collect();
        assert_eq!([1, 1].map(|last| bench.begin(peer(last))), [UNDER_WAY; 2]);
        assert_eq!(bench.begin(peer(1)), INSTEAD_OF_ANOTHER);
        connections.extend([1, 2].into_iter().filter_map(|id| bench.handshakes.end(id)));
        assert_eq!(connections.len(), 20);
        assert_eq!(bench.begin(peer(1)), Begun { given_up: 0, has_place: false });
        assert_eq!(bench.begin(peer(2)), UNDER_WAY);
    }
}
