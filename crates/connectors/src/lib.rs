//! Implementations of the identity ports: the SQLite [`Store`] with its embedded directory, LDAP, and the
//! [`Authority`] that answers a flow's queries by them.
//!
//! Secrets are never stored in clear: PINs, answers and passwords as argon2id with a salt each and a key that lies
//! beside the database, disk recovery codes encrypted under that key, keyed IDs and caller numbers as keyed hashes.
#![forbid(unsafe_code)]

mod authority;
mod calls;
mod demo;
mod embedded;
mod hash;
mod ldap;
mod store;

pub use authority::{Authority, AuthorityConfig, TARGET_BOUNDS_MS, TargetSeen};
pub use calls::{
    CallDiagnosis, CallMessage, CallQuality, CallRecord, DigitEvidence, KeyPress, RemoteQuality,
};
pub use demo::{DemoAccount, DemoUser, demo_users, seed_demo};
pub use embedded::{EmbeddedConnector, EmbeddedDirectory};
pub use hash::HashCost;
pub use ldap::{LdapConfig, LdapConnector, LdapDialect, LdapError, LdapTls};
pub use store::{
    AccountInfo, AuditLine, Clock, NewUser, ResetLine, Store, StoreError, StoreOptions, TicketLine, UserInfo,
    mask_number,
};
