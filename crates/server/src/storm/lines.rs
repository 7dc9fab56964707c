//! Sockets that many callers share: fewer cost less than many, and whole batches pass with one system call.
use super::{
    batch::{Inbox, Outbox},
    link::prepare,
};
use crate::exit::Failure;
use nix::sys::socket::SockaddrStorage;
use std::{
    net::{IpAddr, SocketAddr, UdpSocket},
    rc::Rc,
};

/// Nobody.
const NONE: u32 = u32::MAX;
/// Octets of the longest packet that is read whole.
const LONGEST: usize = 1600;
/// Batches taken from one line in a row; the others want their turn.
const BATCHES: usize = 32;

/// One shared socket.
pub struct Line {
    number: usize,
    socket: UdpSocket,
    /// Its port.
    pub port: u16,
}

impl Line {
    /// Which one it is.
    pub fn number(&self) -> usize {
        self.number
    }
}

/// How a caller's packets leave.
pub enum Way {
    /// A socket of its own.
    Own(UdpSocket),
    /// One that others use, too.
    Shared(Rc<Line>),
}

impl Way {
    /// A socket of its own, that does not block and tells receive times.
    ///
    /// # Errors
    /// Of the machine.
    pub fn own(local: IpAddr) -> Result<(Self, u16), Failure> {
        let socket = socket(local)?;
        prepare(&socket, None).map_err(Failure::machine)?;
        let port = socket.local_addr().map_err(Failure::machine)?.port();
        Ok((Way::Own(socket), port))
    }
}

/// All shared sockets.
pub struct Lines {
    lines: Vec<Rc<Line>>,
    /// For each line, the caller by the other side's port.
    callers: Vec<Vec<u32>>,
    next: usize,
    inbox: Inbox,
    /// Whose the packets in the inbox are.
    whose: Vec<Option<u32>>,
    out: Outbox,
    /// The line of the packets in `out`.
    leaving: usize,
    /// Packets sent.
    pub sent: u64,
    /// Packets that the kernel did not take.
    pub unsent: u64,
}

impl Lines {
    /// So many sockets.
    ///
    /// # Errors
    /// Of the machine.
    pub fn new(local: IpAddr, count: usize) -> Result<Self, Failure> {
        let open = |number| {
            let socket = socket(local)?;
            prepare(&socket, Some(super::link::BUFFER)).map_err(Failure::machine)?;
            passline_net::send_whole(&socket);
            let port = socket.local_addr().map_err(Failure::machine)?.port();
            Ok(Rc::new(Line { number, socket, port }))
        };
        Ok(Self {
            lines: (0..count).map(open).collect::<Result<_, Failure>>()?,
            callers: vec![vec![NONE; 65_536]; count],
            next: 0,
            inbox: Inbox::new(LONGEST),
            whose: Vec::new(),
            out: Outbox::default(),
            leaving: 0,
            sent: 0,
            unsent: 0,
        })
    }

    /// The line with the fewest callers, in turn; `None` if there are no lines.
    pub fn reserve(&mut self) -> Option<Rc<Line>> {
        let count = self.lines.len();
        let line = (0..count)
            .filter_map(|step| self.lines.get((self.next + step) % count))
            .min_by_key(|line| Rc::strong_count(line))?;
        self.next = line.number + 1;
        Some(line.clone())
    }

    /// What comes from there by this line is for this caller from now on.
    ///
    /// # Errors
    /// A sentence, if it is another caller's already.
    pub fn open(&mut self, line: &Line, remote: SocketAddr, caller: u32) -> Result<(), String> {
        let holder = self.callers.get_mut(line.number).and_then(|by| by.get_mut(usize::from(remote.port())));
        let holder = holder.ok_or("no socket for this call")?;
        if *holder != NONE {
            return Err(format!("the other side has {remote} for two calls; use --sockets per-call"));
        }
        *holder = caller;
        Ok(())
    }

    /// Nobody listens to what comes from there by this line.
    pub fn close(&mut self, line: &Line, remote: SocketAddr) {
        let holder = self.callers.get_mut(line.number).and_then(|by| by.get_mut(usize::from(remote.port())));
        if let Some(holder) = holder {
            *holder = NONE;
        }
    }

    /// Sends a packet by a line, soon: at the latest with [`Lines::flush`].
    pub fn send(&mut self, line: &Line, octets: &[u8], to: SockaddrStorage) {
        if self.leaving != line.number {
            self.flush();
            self.leaving = line.number;
        }
        if !self.out.push(octets, to) {
            self.flush();
            self.out.push(octets, to);
        }
    }

    /// Sends what waits.
    pub fn flush(&mut self) {
        if self.out.is_empty() {
            return;
        }
        let Some(line) = self.lines.get(self.leaving) else { return };
        let (sent, unsent) = self.out.flush(&line.socket);
        self.sent += sent;
        self.unsent += unsent;
    }

    /// Takes what has come to every `step`th line from `first` on: caller (`None`: nobody's), octets, receive time in ns.
    /// `to` keeps what both see; whose packets are about to be taken is told `soon`, for their memory to be fetched.
    pub fn receive<T>(
        &mut self,
        first: usize,
        step: usize,
        to: &mut T,
        mut soon: impl FnMut(&mut T, u32),
        mut take: impl FnMut(&mut T, Option<u32>, &mut [u8], u64),
    ) {
        let Self { lines, callers, inbox, whose, .. } = self;
        for (line, callers) in lines.iter().zip(callers).skip(first).step_by(step.max(1)) {
            for _ in 0..BATCHES {
                let more = inbox.receive(&line.socket);
                // Each caller is looked up in memory of its own: all of them at once, so that they are waited for once.
                whose.clear();
                whose.extend(inbox.datagrams().map(|(_, from, _)| {
                    let caller = from.and_then(|from| callers.get(usize::from(from.port())).copied());
                    caller.filter(|caller| *caller != NONE)
                }));
                whose.iter().flatten().for_each(|caller| soon(to, *caller));
                for ((octets, _, at), caller) in inbox.datagrams().zip(&*whose) {
                    take(to, *caller, octets, at);
                }
                if !more {
                    break;
                }
            }
        }
    }
}

/// A socket on a port that the system chooses.
///
/// # Errors
/// Of the machine.
pub fn socket(local: IpAddr) -> Result<UdpSocket, Failure> {
    UdpSocket::bind((local, 0)).map_err(|error| {
        Failure::machine(format!("a socket for a caller: {error}; see `ulimit -n`, or use --sockets shared"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn callers_spread_and_hear_what_is_theirs() {
        let mut lines = Lines::new([127, 0, 0, 1].into(), 3).unwrap();
        let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
        let remote = peer.local_addr().unwrap();
        let seats: Vec<_> = (0..6).map(|_| lines.reserve().unwrap()).collect();
        let numbers: Vec<_> = seats.iter().map(|line| line.number()).collect();
        assert_eq!(numbers, [0, 1, 2, 0, 1, 2]);
        // One peer's port can be told apart by line alone.
        for (caller, line) in seats.iter().enumerate().take(3) {
            lines.open(line, remote, caller as u32).unwrap();
        }
        assert!(lines.open(&seats[3], remote, 3).unwrap_err().contains("--sockets per-call"));
        for line in &seats[..3] {
            peer.send_to(&[line.number() as u8], ("127.0.0.1", line.port)).unwrap();
        }
        let mut heard = Vec::new();
        let mut soon = Vec::new();
        let both = &mut (&mut soon, &mut heard);
        lines.receive(
            0,
            1,
            both,
            |to, caller| to.0.push(caller),
            |to, caller, octets, _| {
                to.1.push((caller, octets[0]));
            },
        );
        assert_eq!(soon, [0, 1, 2]);
        assert_eq!(heard, [(Some(0), 0), (Some(1), 1), (Some(2), 2)]);
        lines.close(&seats[1], remote);
        peer.send_to(&[9], ("127.0.0.1", seats[1].port)).unwrap();
        heard.clear();
        lines.receive(
            1,
            3,
            &mut heard,
            |_, _| panic!("nobody's"),
            |heard, caller, octets, _| {
                heard.push((caller, octets[0]));
            },
        );
        assert_eq!(heard, [(None, 9)]);
        // Those who have left make room.
        drop(seats);
        let _first = lines.reserve();
        assert_eq!(lines.reserve().unwrap().number(), 1);
    }

    #[test]
    fn packets_leave_by_their_own_line() {
        let mut lines = Lines::new([127, 0, 0, 1].into(), 2).unwrap();
        let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
        let to = SockaddrStorage::from(peer.local_addr().unwrap());
        let seats: Vec<_> = (0..2).map(|_| lines.reserve().unwrap()).collect();
        for at in [0, 0, 1, 0] {
            lines.send(&seats[at], &[at as u8], to);
        }
        lines.flush();
        assert_eq!((lines.sent, lines.unsent), (4, 0));
        for at in [0, 0, 1, 0] {
            let mut octet = [0];
            let (_, from) = peer.recv_from(&mut octet).unwrap();
            assert_eq!((usize::from(octet[0]), from.port()), (at, seats[at].port));
        }
    }
}
