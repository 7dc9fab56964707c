//! Session timers (RFC 4028): dead calls end.

use crate::message::parse_decimal;
use crate::message::{Flaw, Message, Name, param};
use std::time::{Duration, Instant};

/// Shortest interval taken, in seconds (RFC 4028 §5).
pub(super) const MIN_SE: u32 = 90;
const TOO_SMALL: Flaw = Flaw { status: 422, sentence: "Session Interval Too Small" };

/// What a request asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Terms {
    /// Seconds.
    pub interval: u32,
    /// The refresher is the one who answers: we.
    pub ours: bool,
}

impl Terms {
    /// Reads Session-Expires of an INVITE or UPDATE; 422 if it is too short for us. `peer_updates`: the peer takes
    /// UPDATE, without which we do not undertake to refresh.
    pub fn read(message: &Message<'_>, peer_updates: bool) -> Result<Option<Terms>, Flaw> {
        let Some(value) = message.text(Name::SessionExpires) else { return Ok(None) };
        let (seconds, params) = value.split_once(';').unwrap_or((&value, ""));
        let Some(interval) = parse_decimal(seconds.trim().as_bytes()) else {
            return Err(Flaw::bad("Bad Session-Expires"));
        };
        let supported = super::has_option(message, Name::Supported, "timer")
            || super::has_option(message, Name::Require, "timer");
        if !supported {
            return Ok(None);
        }
        if interval < MIN_SE {
            return Err(TOO_SMALL);
        }
        let ours = param::get(params, "refresher").is_some_and(|r| r.eq_ignore_ascii_case("uas"));
        Ok((!ours || peer_updates).then_some(Terms { interval: interval.min(86_400), ours }))
    }

    /// Value of Session-Expires in the 2xx.
    pub fn header(self) -> String {
        format!("{};refresher={}", self.interval, if self.ours { "uas" } else { "uac" })
    }
}

/// A running session timer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Session {
    pub terms: Terms,
    /// When the call ends unless it is refreshed.
    pub expires: Instant,
    /// When we refresh.
    pub refresh: Option<Instant>,
}

impl Session {
    pub fn start(now: Instant, terms: Terms) -> Self {
        let interval = Duration::from_secs(terms.interval.into());
        let margin = (interval / 3).min(Duration::from_secs(32));
        Session { terms, expires: now + interval - margin, refresh: terms.ours.then(|| now + interval / 2) }
    }

    pub fn deadline(&self) -> Instant {
        self.refresh.map_or(self.expires, |r| r.min(self.expires))
    }
}
