//! Two calls put through to one another, or about to be.
use crate::Diagnosis;
use passline_sip::CallHandle;
use std::collections::VecDeque;
use std::time::Instant;

/// Names a bridge; never used twice.
#[derive(Clone, Copy, PartialEq, Eq, Debug, PartialOrd, Ord)]
pub(crate) struct BridgeId(pub(crate) u64);

/// Why the bridge is made.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Purpose {
    /// An INVITE waits for its answer.
    Call,
    /// A REFER: this call of the referrer is told how it goes, and ends when it went well.
    Transfer {
        /// Who referred, in the bridge that there was before.
        referrer: Option<CallHandle>,
        /// Whom to, for the record.
        target: String,
    },
    /// A flow hands its caller over, and goes on if that fails.
    Flow,
    /// An INVITE with Replaces: when it stands, it takes this call's place.
    Takeover {
        /// The call that ends.
        replaced: CallHandle,
    },
}

/// A device or a trunk: all of its contacts are called at once.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Group {
    /// All contacts of a device.
    Device {
        /// Its extension.
        extension: String,
    },
    /// A trunk whose address must be looked up first.
    Trunk {
        /// Its name.
        trunk: String,
        /// Number as the trunk wants it.
        number: String,
    },
}

/// Two calls put through, or the attempt.
pub(crate) struct Bridge {
    pub(crate) purpose: Purpose,
    /// Who waits, or the first half.
    pub(crate) first: CallHandle,
    /// The second half, once it is there.
    pub(crate) second: Option<CallHandle>,
    /// Legs that ring.
    pub(crate) attempts: Vec<CallHandle>,
    /// What is tried when all of `attempts` have failed.
    pub(crate) queue: VecDeque<Group>,
    /// A look-up is under way.
    pub(crate) resolving: Option<u64>,
    /// The best refusal so far.
    pub(crate) refusal: Option<(u16, Diagnosis)>,
    /// When the attempts are given up.
    pub(crate) until: Option<Instant>,
    /// `first` waits for a transfer in this bridge.
    pub(crate) transfer: Option<BridgeId>,
    /// The call as dialled, for the legs' records.
    pub(crate) number: String,
    /// Somebody rings already.
    pub(crate) rung: bool,
}

impl Bridge {
    pub(crate) fn new(purpose: Purpose, first: CallHandle, number: String) -> Bridge {
        Bridge {
            purpose,
            first,
            second: None,
            attempts: Vec::new(),
            queue: VecDeque::new(),
            resolving: None,
            refusal: None,
            until: None,
            transfer: None,
            number,
            rung: false,
        }
    }

    /// The other half.
    pub(crate) fn other(&self, of: CallHandle) -> Option<CallHandle> {
        match self.second {
            Some(second) if of == self.first => Some(second),
            Some(second) if of == second => Some(self.first),
            _ => None,
        }
    }

    /// Remembers the refusal that says most: a busy callee more than a path that failed.
    pub(crate) fn refused(&mut self, status: u16, why: Diagnosis) {
        let weight = |status: u16| match status {
            600..=699 => 5,
            486 => 4,
            403 | 404 | 480 | 484 | 488 => 3,
            400..=499 if status != 408 => 2,
            408 => 1,
            _ => 0,
        };
        if self.refusal.as_ref().is_none_or(|(before, _)| weight(status) > weight(*before)) {
            self.refusal = Some((status, why));
        }
    }
}
