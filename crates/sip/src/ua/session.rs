//! Session timers (RFC 4028): who refreshes, how often, and when a call is dead. Pure arithmetic; `refresh.rs` acts.

use super::has_option;
use crate::message::{Flaw, Message, Name, param, parse_decimal};
use crate::{Refresher, SessionPolicy};
use std::time::{Duration, Instant};

/// Shortest interval that anyone may ask for, in seconds (RFC 4028 §5).
pub(super) const MIN_SE: u32 = 90;
/// Longest interval kept, in seconds; a peer's larger wish means the same.
const MAX_SE: u32 = 86_400;
const TOO_SMALL: Flaw = Flaw { status: 422, sentence: "Session Interval Too Small" };

/// A running agreement, seen from our side.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Terms {
    /// Seconds.
    pub interval: u32,
    /// We refresh.
    pub ours: bool,
}

/// What our 2xx to an INVITE or UPDATE grants.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Granted {
    pub terms: Terms,
    /// The peer knows the extension and must obey: `Require: timer`.
    pub require: bool,
}

impl Granted {
    /// Value of Session-Expires in the 2xx.
    pub fn header(self) -> String {
        format!("{};refresher={}", self.terms.interval, if self.terms.ours { "uas" } else { "uac" })
    }
}

/// The shortest interval that we take.
pub(super) fn floor(policy: &SessionPolicy) -> u32 {
    policy.min_se.clamp(MIN_SE, MAX_SE)
}

/// Session-Expires: seconds, and whether its refresher is the called side (of this transaction).
fn session_expires(message: &Message<'_>) -> Result<Option<(u32, Option<bool>)>, Flaw> {
    let Some(value) = message.text(Name::SessionExpires) else { return Ok(None) };
    let (seconds, params) = value.split_once(';').unwrap_or((&value, ""));
    let Some(seconds) = parse_decimal(seconds.trim().as_bytes()) else {
        return Err(Flaw::bad("Bad Session-Expires"));
    };
    let refresher = param::get(params, "refresher").and_then(|r| match r.to_ascii_lowercase().as_str() {
        "uas" => Some(true),
        "uac" => Some(false),
        _ => None,
    });
    Ok(Some((seconds, refresher)))
}

/// Min-SE in seconds; the RFC's least where it is absent or no number.
pub(super) fn min_se(message: &Message<'_>) -> u32 {
    let value = message.text(Name::MinSe).unwrap_or_default();
    let number = value.split(';').next().unwrap_or("").trim();
    parse_decimal(number.as_bytes()).unwrap_or(MIN_SE).clamp(MIN_SE, MAX_SE)
}

/// What an INVITE or UPDATE of the peer asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Wanted {
    supports: bool,
    expires: Option<(u32, Option<bool>)>,
    least: u32,
}

impl Wanted {
    pub fn read(message: &Message<'_>) -> Result<Self, Flaw> {
        let supports =
            has_option(message, Name::Supported, "timer") || has_option(message, Name::Require, "timer");
        Ok(Wanted { supports, expires: session_expires(message)?, least: min_se(message) })
    }
}

/// Called side (RFC 4028 §9): what we grant to an INVITE or UPDATE; 422 if its interval is too short for us.
/// `current`: whether we refresh already, in an agreement that this request renews.
pub(super) fn grant(
    wanted: &Wanted,
    policy: &SessionPolicy,
    current: Option<bool>,
) -> Result<Option<Granted>, Flaw> {
    let Wanted { supports, expires, least } = *wanted;
    let wish = current.unwrap_or(policy.refresher == Refresher::Ours);
    let least = least.max(floor(policy));
    let longest = policy.expires.clamp(least, MAX_SE);
    match expires {
        // Table 2: who knows no timers cannot refresh.
        None if policy.offer => Ok(Some(Granted {
            terms: Terms { interval: longest, ours: wish || !supports },
            require: supports,
        })),
        None => Ok(None),
        Some((asked, _)) if asked < floor(policy) => {
            // A 422 would mean nothing to who does not know the extension (a proxy put the header there).
            if supports { Err(TOO_SMALL) } else { Ok(None) }
        }
        Some((asked, refresher)) => {
            let ours = !supports || refresher.unwrap_or(wish);
            Ok(Some(Granted { terms: Terms { interval: asked.min(longest), ours }, require: supports }))
        }
    }
}

/// Calling side (RFC 4028 §7.2): what a 2xx to our INVITE or UPDATE says. `asked`: the interval that we asked for.
/// Never less than the RFC's least, or a peer could make us send without end.
pub(super) fn granted(message: &Message<'_>, asked: Option<u32>) -> Option<Terms> {
    match session_expires(message).ok().flatten() {
        Some((interval, refresher)) => {
            Some(Terms { interval: interval.clamp(MIN_SE, MAX_SE), ours: refresher != Some(true) })
        }
        // The peer knows no timers: we refresh alone (§7.2, last paragraph).
        None => asked.map(|interval| Terms { interval, ours: true }),
    }
}

/// Calling side: value of Session-Expires for our first INVITE; `None` if we ask for nothing.
/// `raised`: the largest Min-SE that a 422 demanded.
pub(super) fn wish(policy: &SessionPolicy, raised: u32) -> Option<(u32, String)> {
    if !policy.offer && raised == 0 {
        return None;
    }
    let interval = policy.expires.clamp(floor(policy), MAX_SE).max(raised);
    let refresher = match policy.refresher {
        Refresher::Ours => ";refresher=uac",
        Refresher::Theirs => ";refresher=uas",
        Refresher::Negotiated => "",
    };
    Some((interval, format!("{interval}{refresher}")))
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
    /// Counts from now: refresh at half the interval, the end 32 s or a third before the whole (RFC 4028 §10).
    pub fn start(now: Instant, terms: Terms) -> Self {
        let interval = Duration::from_secs(terms.interval.into());
        let margin = (interval / 3).min(Duration::from_secs(32));
        Session { terms, expires: now + interval - margin, refresh: terms.ours.then(|| now + interval / 2) }
    }

    /// When it wants attention.
    pub fn deadline(&self) -> Instant {
        self.refresh.map_or(self.expires, |r| r.min(self.expires))
    }

    /// A refresh failed in a way that leaves the session as it is: half of what is left, at least five seconds.
    pub fn later(&mut self, now: Instant) {
        let left = self.expires.saturating_duration_since(now);
        self.refresh = Some(now + (left / 2).max(Duration::from_secs(5)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: SessionPolicy =
        SessionPolicy { expires: 1800, min_se: 90, refresher: Refresher::Negotiated, offer: true };

    fn read<T>(lines: &str, look: impl Fn(&Message<'_>) -> T) -> T {
        let text = format!("INVITE sip:a SIP/2.0\r\nY: z\r\n{lines}\r\n");
        look(&Message::parse(text.as_bytes(), 64).unwrap())
    }

    /// RFC 4028 table 2: timer supported by the caller, refresher in the request, refresher in the response.
    #[test]
    fn refreshers_are_those_of_table_2() {
        let table = [
            ("x: 600\r\n", Refresher::Negotiated, "600;refresher=uas", false), // N, none: uas
            ("k: timer\r\nx: 600\r\n", Refresher::Ours, "600;refresher=uas", true), // Y, none: either
            ("k: timer\r\nx: 600\r\n", Refresher::Theirs, "600;refresher=uac", true), // Y, none: either
            ("k: timer\r\nx: 600\r\n", Refresher::Negotiated, "600;refresher=uac", true),
            ("k: timer\r\nx: 600;refresher=uac\r\n", Refresher::Ours, "600;refresher=uac", true), // Y, uac: uac
            ("k: timer\r\nx: 600 ; Refresher = UAS\r\n", Refresher::Theirs, "600;refresher=uas", true), // Y, uas: uas
            ("k: timer\r\n", Refresher::Theirs, "1800;refresher=uac", true),
            ("", Refresher::Theirs, "1800;refresher=uas", false),
        ];
        for (lines, refresher, header, require) in table {
            let policy = SessionPolicy { refresher, ..POLICY };
            let granted = read(lines, |m| grant(&Wanted::read(m).unwrap(), &policy, None)).unwrap().unwrap();
            assert_eq!(
                (granted.header().as_str(), granted.require),
                (header, require),
                "{lines} {refresher:?}"
            );
        }
    }

    #[test]
    fn intervals_of_the_called_side() {
        let policy = SessionPolicy { expires: 300, min_se: 120, ..POLICY };
        let quiet = SessionPolicy { offer: false, ..policy };
        type Row<'a> = (&'a str, &'a SessionPolicy, Result<Option<u32>, u16>);
        let table: &[Row<'_>] = &[
            ("k: timer\r\nx: 119\r\n", &policy, Err(422)),
            ("k: timer\r\nx: 120\r\n", &policy, Ok(Some(120))),
            ("x: 119\r\n", &policy, Ok(None)),
            ("k: timer\r\nx: 7200\r\n", &policy, Ok(Some(300))),
            ("k: timer\r\nx: 7200\r\nMin-SE: 3600\r\n", &policy, Ok(Some(3600))), // not below the caller's Min-SE
            ("k: timer\r\nMin-SE: 3600\r\n", &policy, Ok(Some(3600))),
            ("k: timer\r\n", &quiet, Ok(None)),
            ("k: timer\r\nx: 200\r\n", &quiet, Ok(Some(200))),
            ("k: timer\r\nx: 4294967296\r\n", &policy, Err(400)),
            ("k: timer\r\nx: -1\r\n", &policy, Err(400)),
        ];
        for (lines, policy, want) in table {
            let got = read(lines, |m| grant(&Wanted::read(m)?, policy, None));
            assert_eq!(got.map(|g| g.map(|g| g.terms.interval)).map_err(|f| f.status), *want, "{lines}");
        }
    }

    #[test]
    fn a_renewal_keeps_the_roles() {
        for ours in [true, false] {
            let got = read("k: timer\r\nx: 600\r\n", |m| grant(&Wanted::read(m)?, &POLICY, Some(ours)))
                .unwrap()
                .unwrap();
            assert_eq!(got.terms.ours, ours);
        }
    }

    #[test]
    fn what_the_calling_side_is_granted() {
        let table = [
            ("x: 600;refresher=uac\r\n", Some(1800), Some((600, true))),
            ("x: 600;refresher=uas\r\n", Some(1800), Some((600, false))),
            ("x: 600;refresher=uas\r\n", None, Some((600, false))),
            ("x: 1;refresher=uac\r\n", None, Some((90, true))),
            ("", Some(1800), Some((1800, true))),
            ("", None, None),
        ];
        for (lines, asked, want) in table {
            assert_eq!(read(lines, |m| granted(m, asked)).map(|t| (t.interval, t.ours)), want, "{lines}");
        }
        assert_eq!(wish(&POLICY, 0), Some((1800, "1800".into())));
        assert_eq!(
            wish(&SessionPolicy { refresher: Refresher::Theirs, ..POLICY }, 3600),
            Some((3600, "3600;refresher=uas".into()))
        );
        assert_eq!(wish(&SessionPolicy { offer: false, ..POLICY }, 0), None);
    }

    #[test]
    #[allow(clippy::disallowed_methods)] // a test's epoch
    fn times_are_those_of_section_10() {
        let now = Instant::now();
        // interval, refresh, end of the session
        for (interval, refresh, end) in [(90, 45, 60), (96, 48, 64), (1800, 900, 1768)] {
            let session = Session::start(now, Terms { interval, ours: true });
            assert_eq!(session.refresh, Some(now + Duration::from_secs(refresh)));
            assert_eq!(session.expires, now + Duration::from_secs(end));
            assert_eq!(Session::start(now, Terms { interval, ours: false }).deadline(), session.expires);
        }
    }
}
