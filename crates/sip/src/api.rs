//! What goes into and comes out of the [`UserAgent`](crate::UserAgent): plain data.

mod command;
mod event;
mod incoming;
mod policy;

pub use command::{Command, Warning};
pub use event::{EndCause, Event};
pub use incoming::IncomingCall;
pub use policy::{CallPolicy, Refresher, Rel100, SessionPolicy};
use std::net::SocketAddr;

/// Names one call (an INVITE and the dialog it makes) for its whole life; never used twice in a process.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, PartialOrd, Ord)]
pub struct CallHandle(pub u64);

/// The transport protocol below SIP.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Transport {
    /// UDP: a message per datagram, lost and repeated at will.
    Udp,
    /// TCP: a stream of messages.
    Tcp,
    /// TLS over TCP; framed like TCP.
    Tls,
}

impl Transport {
    /// The token of Via and of the `transport` URI parameter's upper case, for example `UDP`.
    pub fn token(self) -> &'static str {
        match self {
            Transport::Udp => "UDP",
            Transport::Tcp => "TCP",
            Transport::Tls => "TLS",
        }
    }

    /// Whether the transport itself delivers (RFC 3261 §17: such transports do not retransmit).
    pub fn is_reliable(self) -> bool {
        !matches!(self, Transport::Udp)
    }
}

/// A network path: where octets came from or go to.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, PartialOrd, Ord)]
pub struct Flow {
    /// Protocol of the path.
    pub transport: Transport,
    /// Our end. For a socket bound to the unspecified address, the address the packet was sent to.
    pub local: SocketAddr,
    /// The peer's end.
    pub remote: SocketAddr,
    /// The shell's name of the connection, for connected transports; `None` for datagrams and before the connection stands.
    pub connection: Option<u64>,
}

/// What happens to the user agent.
pub enum Input<'a> {
    /// One datagram.
    Datagram {
        /// The path it came by.
        path: Flow,
        /// Its octets.
        bytes: &'a [u8],
    },
    /// Octets of a stream, cut anywhere.
    Stream {
        /// The path they came by; `connection` is set.
        path: Flow,
        /// The octets as read.
        bytes: &'a [u8],
    },
    /// A connection stands: accepted by the shell, or the fruit of [`Output::Connect`] (same `remote`).
    Connected {
        /// The path; `connection` is set.
        path: Flow,
    },
    /// A connection is gone.
    Closed {
        /// The shell's name of it.
        connection: u64,
    },
    /// A datagram could not be sent (port unreachable …), or a connection could not be made (`connection` is `None`).
    SendFailed {
        /// The path of the failed [`Output::Send`] or [`Output::Connect`].
        path: Flow,
        /// Why, in one sentence; becomes the reason of the 503 that the requests meet. May be empty.
        reason: String,
    },
    /// The layer above wants something.
    Command(Command),
    /// The deadline has come.
    Timer,
}

/// What the user agent wants from the shell.
#[derive(Clone, PartialEq, Eq)]
#[must_use]
pub enum Output {
    /// Send these octets by this path.
    Send {
        /// The path.
        path: Flow,
        /// One whole message (or a keep-alive answer).
        bytes: Vec<u8>,
    },
    /// Make a connection; answer with [`Input::Connected`] or [`Input::SendFailed`]. Octets for it wait in the user agent.
    Connect {
        /// `transport`, `local` as a hint, `remote`; `connection` is `None`.
        path: Flow,
    },
    /// Close this connection: framing is lost or its limit is reached.
    CloseConnection(u64),
    /// News for the layer above.
    Event(Event),
    /// A message went by; only with [`Config::trace`](crate::Config::trace).
    Trace(Trace),
}

/// Which way a message went.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Direction {
    /// Received.
    In,
    /// Sent.
    Out,
}

/// A message's first line and Call-ID; never a body, because INFO bodies carry digits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trace {
    /// Received or sent.
    pub direction: Direction,
    /// Request line or status line, control characters replaced.
    pub first_line: String,
    /// `CSeq` value, for example `1 INVITE`.
    pub cseq: String,
    /// Call-ID, control characters replaced.
    pub call_id: String,
    /// The peer.
    pub remote: SocketAddr,
}
