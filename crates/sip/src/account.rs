//! Accounts and registrations as the layer above names them: plain data.

use crate::Flow;
use passline_identity::Secret;
use std::sync::Arc;
use std::time::Instant;

/// What answers a challenge of a peer (RFC 7616). Not printed: the password is a [`Secret`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Credentials {
    /// User name for digest, often the extension or the trunk's account.
    pub user: String,
    /// Password in clear, as the digest needs it.
    pub password: Arc<Secret>,
    /// Only challenges of this realm are answered; `None`: the realm that asks first, and no other after it.
    pub realm: Option<String>,
}

/// A phone's account at our registrar.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Account {
    /// User part of its address of record, and its user name for digest: the extension.
    pub user: String,
    /// Password in clear, as the digest needs it.
    pub password: Arc<Secret>,
    /// Most contacts bound at once.
    pub max_contacts: usize,
}

/// A digest algorithm (RFC 8760 §2.1); the later, the stronger.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, PartialOrd, Ord)]
pub enum Algorithm {
    /// MD5: broken as a hash, but all that many phones know.
    Md5,
    /// SHA-256.
    Sha256,
    /// SHA-512/256 (FIPS 180-4 §5.3.6.2).
    Sha512256,
}

/// Names one client registration; chosen by the layer above.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, PartialOrd, Ord)]
pub struct RegistrationId(pub u64);

/// Names one [`Command::Ask`](crate::Command::Ask); chosen by the layer above.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, PartialOrd, Ord)]
pub struct AskId(pub u64);

/// A registration of ours at a registrar, kept up until [`Command::Unregister`](crate::Command::Unregister).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Registration {
    /// Request-URI: the registrar's domain, for example `sip:pbx.example`.
    pub registrar: String,
    /// Address of record, for example `sip:passline@pbx.example`.
    pub aor: String,
    /// User part of our Contact.
    pub contact_user: String,
    /// Paths to the registrar in the order in which they are tried (RFC 3263 §4.3).
    pub paths: Vec<Flow>,
    /// What answers its challenges.
    pub credentials: Option<Credentials>,
    /// Lifetime asked for, in seconds.
    pub expires: u32,
}

/// How a client registration stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum RegistrationState {
    /// The registrar took it; told again at each refresh.
    Registered {
        /// Lifetime granted, in seconds.
        expires: u32,
        /// Route values for requests by this registrar (RFC 3608).
        service_route: Vec<String>,
    },
    /// An attempt failed by all paths; the next follows by itself.
    Failed {
        /// Status of the last answer; 408 for none, 503 for an unreachable registrar.
        status: u16,
        /// Its reason phrase.
        reason: String,
        /// Seconds until the next attempt.
        retry_in: u32,
    },
    /// The registrar has forgotten us, or did not answer when we asked it to; the last word.
    Unregistered,
}

/// Where an account can be reached now.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Binding {
    /// Contact URI: the Request-URI of a call to it.
    pub uri: String,
    /// The path by which it registered; requests go back by it (RFC 5626 §5.3).
    pub path: Flow,
    /// Route values from its Path (RFC 3327).
    pub routes: Vec<String>,
    /// User-Agent header of its REGISTER.
    pub user_agent: Option<String>,
    /// When the binding lapses unless it is refreshed.
    pub expires_at: Instant,
}

/// Why a binding is gone.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
#[non_exhaustive]
pub enum UnboundCause {
    /// It was not refreshed.
    Expired,
    /// The phone took it back.
    Removed,
    /// A newer binding of the same device took its place.
    Replaced,
    /// Its connection is gone (RFC 5626 §4.2.2).
    FlowLost,
    /// The account was removed or its password changed.
    AccountGone,
}
