//! News of trunks, registrations, devices and bans as sentences, for the log and for those who follow.
use crate::record::{printable, utc};
use passline_engine::{RegistrationStatus, StatusEvent, TrunkState};
use passline_net::Ban;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weight {
    /// As it should be.
    Good,
    /// Somebody should look.
    Bad,
    /// Of interest to those who look for something.
    Detail,
}

/// One sentence about an event.
pub fn status(event: &StatusEvent) -> (Weight, String) {
    match event {
        StatusEvent::Trunk { name, state } => match state {
            TrunkState::Unknown => (Weight::Detail, format!("trunk {name}: not asked yet")),
            TrunkState::Up { server } => {
                let server = server.as_deref().map(|server| format!(" ({})", printable(server)));
                (Weight::Good, format!("trunk {name} is up{}", server.unwrap_or_default()))
            }
            TrunkState::Down(diagnosis) => {
                (Weight::Bad, format!("trunk {name} is down: {}", sentence(&diagnosis.sentence())))
            }
        },
        StatusEvent::Registration { trunk, state } => registration(trunk, state),
        StatusEvent::Bound { account, flow, expires, .. } => {
            (Weight::Detail, format!("device {account} is registered from {} for {expires} s", flow.remote))
        }
        StatusEvent::AuthFailed { source, user } => {
            (Weight::Bad, format!("wrong user or password from {source}, as user {}", printable(user)))
        }
        StatusEvent::Unbound { account, why, .. } => {
            (Weight::Detail, format!("device {account} is not registered any more: {}", printable(why)))
        }
    }
}

/// How a registration stands, in short.
pub fn registration_state(state: &RegistrationStatus) -> String {
    match state {
        RegistrationStatus::Trying => "being tried".into(),
        RegistrationStatus::Registered { expires } => format!("registered for {expires} s"),
        RegistrationStatus::Failed { status, diagnosis, .. } => {
            format!("failed ({status}): {}", sentence(&diagnosis.sentence()))
        }
        RegistrationStatus::Unregistered => "ended".into(),
    }
}

fn registration(trunk: &str, state: &RegistrationStatus) -> (Weight, String) {
    match state {
        RegistrationStatus::Trying => (Weight::Detail, format!("registering with trunk {trunk}")),
        RegistrationStatus::Registered { expires } => {
            (Weight::Good, format!("registered with trunk {trunk} for {expires} s"))
        }
        RegistrationStatus::Failed { status, diagnosis, retry_in } => (
            Weight::Bad,
            format!(
                "the registration with trunk {trunk} failed ({status}), next attempt in {retry_in} s: {}",
                sentence(&diagnosis.sentence())
            ),
        ),
        RegistrationStatus::Unregistered => {
            (Weight::Detail, format!("the registration with trunk {trunk} is ended"))
        }
    }
}

/// One sentence about a ban.
pub fn ban(ban: &Ban) -> String {
    let until =
        ban.until.map_or_else(|| "until it is lifted".into(), |until| format!("until {}", utc(until)));
    format!("{} is banned {until}: {}", ban.source, printable(&ban.reason))
}

/// A sentence from inside that may quote something from outside.
pub fn sentence(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}
