//! Vocabulary and ports of identity systems: who calls, what they may do, and how systems are asked.
//!
//! Nothing here knows a protocol, a socket or a runtime. Secrets exist only as [`Secret`], [`SecretDigits`] and
//! [`Key`], none of which can be printed or serialised.
#![forbid(unsafe_code)]

mod password;
mod port;
mod query;
mod secret;

pub use password::{PasswordStyle, generate_password};
pub use port::{AccountId, AccountStatus, AuditEvent, AuditLog, Connector, Directory, Fault, Task, keypad};
pub use query::*;
pub use secret::{Key, Secret, SecretDigits};
