//! How trunks, registrations and devices do: for the log and for whoever asks.
use crate::{Diagnosis, Direction, LadderLine, StreamId};
use passline_identity::CallId;
use passline_sip::Flow;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Instant;

/// Something changed outside of calls.
#[derive(Clone, PartialEq, Debug)]
pub enum StatusEvent {
    /// A trunk answers, or no longer does.
    Trunk {
        /// Its name.
        name: String,
        /// Whether calls can go to it.
        state: TrunkState,
    },
    /// Our registration at a trunk changed.
    Registration {
        /// Name of the trunk.
        trunk: String,
        /// How it stands.
        state: RegistrationStatus,
    },
    /// A device has registered, or has refreshed.
    Bound {
        /// Its extension.
        account: String,
        /// Contact URI.
        contact: String,
        /// The path it came by.
        flow: Flow,
        /// Seconds until it must refresh.
        expires: u32,
    },
    /// Somebody sent wrong credentials: unknown user or wrong password.
    AuthFailed {
        /// Where they came from.
        source: SocketAddr,
        /// User name as claimed.
        user: String,
    },
    /// A device is gone.
    Unbound {
        /// Its extension.
        account: String,
        /// Contact URI.
        contact: String,
        /// Why, in a few words.
        why: String,
    },
}

/// Whether a trunk can be called.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum TrunkState {
    /// Not asked yet, or never asked.
    #[default]
    Unknown,
    /// It answered OPTIONS.
    Up {
        /// Its Server header.
        server: Option<String>,
    },
    /// It does not answer, or answers that it does not serve.
    Down(Diagnosis),
}

/// How our registration at a trunk stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum RegistrationStatus {
    /// Being tried for the first time.
    Trying,
    /// It stands.
    Registered {
        /// Seconds until it ends if it is not refreshed.
        expires: u32,
    },
    /// It was refused or not answered; it is tried again.
    Failed {
        /// SIP status; 408 for a time-out, 503 for a transport failure, 0 when the name was not found.
        status: u16,
        /// What to do about it.
        diagnosis: Diagnosis,
        /// Seconds until the next attempt.
        retry_in: u32,
    },
    /// Ended by us.
    Unregistered,
}

/// All that is going on, for whoever asks.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// Calls that are not over, the oldest first.
    pub calls: Vec<LiveCall>,
    /// Trunks in the order of the configuration.
    pub trunks: Vec<TrunkStatus>,
    /// Devices in the order of the configuration.
    pub devices: Vec<DeviceStatus>,
}

/// How much is going on: numbers only, cheap to ask for.
#[derive(Clone, Debug, Default)]
pub struct Census {
    /// Calls that are not over and came to us.
    pub incoming: usize,
    /// Calls that are not over and were placed by us.
    pub outgoing: usize,
    /// Most calls at once.
    pub max_calls: usize,
    /// Calls that are not over by codec, where one was agreed on.
    pub codecs: BTreeMap<&'static str, usize>,
    /// Share of the time in which the least busy media shard was at work, percent.
    pub busy: u8,
    /// From this on, new calls are refused.
    pub busy_limit: u8,
    /// No new calls are taken any more.
    pub draining: bool,
    /// SIP transactions under way.
    pub transactions: usize,
    /// SIP dialogs, those included that are being set up or ended.
    pub dialogs: usize,
    /// RTP port pairs not in use.
    pub idle_ports: usize,
    /// Look-ups of names under way.
    pub lookups: usize,
    /// Places at which devices are registered.
    pub bindings: usize,
    /// Trunks in the order of the configuration.
    pub trunks: Vec<TrunkStatus>,
}

/// A call that is not over.
#[derive(Clone, Debug)]
pub struct LiveCall {
    /// Its name.
    pub call: CallId,
    /// SIP Call-ID.
    pub sip_call_id: String,
    /// Who placed it.
    pub direction: Direction,
    /// First INVITE.
    pub start: Instant,
    /// 200 acknowledged.
    pub answered: Option<Instant>,
    /// User part of the caller.
    pub from: String,
    /// Number or URI dialled.
    pub to: String,
    /// The peer's SIP address.
    pub peer: SocketAddr,
    /// Trunk it goes over.
    pub trunk: Option<String>,
    /// Device that placed or got it.
    pub account: Option<String>,
    /// Codec name.
    pub codec: Option<&'static str>,
    /// Suite that its audio is encrypted with.
    pub encryption: Option<&'static str>,
    /// The call at the other end of the bridge.
    pub bridged: Option<CallId>,
    /// Its audio, if there is any: what [`MediaShard::statistics`](crate::MediaShard::statistics) is asked for.
    pub stream: Option<StreamId>,
    /// SIP messages so far.
    pub ladder: Vec<LadderLine>,
}

/// One trunk.
#[derive(Clone, Debug)]
pub struct TrunkStatus {
    /// Its name.
    pub name: String,
    /// Whether it can be called.
    pub state: TrunkState,
    /// Our registration there; `None` if none is wanted.
    pub registration: Option<RegistrationStatus>,
    /// Calls over it now.
    pub calls: usize,
    /// Most calls at once.
    pub max_calls: Option<usize>,
}

/// One device.
#[derive(Clone, Debug)]
pub struct DeviceStatus {
    /// Extension.
    pub user: String,
    /// Display name.
    pub display: String,
    /// Contact URIs it is registered with, and where they came from.
    pub contacts: Vec<(String, SocketAddr)>,
}
