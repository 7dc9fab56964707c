//! Terms of a call: reliable provisional responses and session timers.

/// When provisional responses are sent reliably (RFC 3262).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, Default)]
pub enum Rel100 {
    /// Never: 100rel is not offered, and an INVITE that requires it gets 420. For peers whose PRACK is broken.
    Never,
    /// Where the peer requires it.
    #[default]
    Required,
    /// Where the peer supports it.
    Prefer,
}

/// Who refreshes a session with a timer (RFC 4028).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, Default)]
pub enum Refresher {
    /// We, where the peer lets us.
    Ours,
    /// The peer, where it can.
    Theirs,
    /// As the peer asks; where it does not, the one who called.
    #[default]
    Negotiated,
}

/// Session timers (RFC 4028).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub struct SessionPolicy {
    /// Session-Expires that we ask for, and the longest that we agree to as called side, in seconds.
    pub expires: u32,
    /// Shortest interval taken, in seconds; at least 90 (RFC 4028 §5).
    pub min_se: u32,
    /// Who refreshes.
    pub refresher: Refresher,
    /// Ask for a timer also where the peer does not.
    pub offer: bool,
}

impl Default for SessionPolicy {
    fn default() -> Self {
        SessionPolicy { expires: 1800, min_se: 90, refresher: Refresher::Negotiated, offer: false }
    }
}

/// Terms of one call.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, Default)]
pub struct CallPolicy {
    /// Reliable provisional responses.
    pub rel100: Rel100,
    /// Session timer.
    pub session: SessionPolicy,
}
