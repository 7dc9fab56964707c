//! REFER in both directions with its implicit subscription (RFC 3515, RFC 3892, RFC 4488, RFC 6665).

use super::call::{Call, Phase};
use super::request::{Extra, Request, status};
use super::{Purpose, UserAgent};
use crate::dialog::Dialog;
use crate::message::address::bare_uri;
use crate::message::multipart::media_type;
use crate::message::text::{escape, inert, text, unescape};
use crate::message::{Address, Flaw, Message, Method, Name, Scheme, param, parse_decimal, status::reason};
use crate::{CallHandle, Event};
use std::time::{Duration, Instant};

/// How long a subscription made by REFER lasts after its last news, unless the notifier says otherwise.
const SUBSCRIPTION: Duration = Duration::from_secs(180);
/// Longest life of a subscription that a notifier may announce.
const LONGEST: u32 = 3600;
/// Most calls that are over while their referrer still waits for news.
const MAX_REFEREES: usize = 256;
/// What we notify of.
pub(super) const ALLOW_EVENTS: &str = "refer";

/// Our REFER: the peer owes us news.
#[derive(Debug)]
pub(super) struct Asking {
    client: Option<u64>,
    /// CSeq of the REFER: the `id` of its notices.
    cseq: u32,
    /// The last news.
    status: u16,
    reason: String,
    pub until: Instant,
}

/// The peer's REFER: we owe it news.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    /// Its server transaction, while the layer above decides.
    server: Option<u64>,
    /// `id` of the notices; `None` for the first REFER of a dialog (RFC 3515 §2.4.6).
    id: Option<u32>,
    /// The peer wants notices (no `Refer-Sub: false`).
    wanted: bool,
    /// The subscription stands.
    open: bool,
    status: u16,
    reason: String,
    pub until: Option<Instant>,
}

/// A call that is over whose referrer still waits for news (RFC 5057 §5: the subscription outlives the BYE).
#[derive(Debug)]
pub(super) struct Referee {
    dialog: Dialog,
    asked: Asked,
    until: Instant,
}

impl UserAgent {
    /// The value of a Replaces header that takes the place of this call at its peer (RFC 3891 §6.1); `None` without a dialog.
    pub fn replaces_of(&self, call: CallHandle) -> Option<String> {
        let call = self.calls.get(&call).filter(|c| !matches!(c.phase, Phase::Closing(_)))?;
        let id = &call.dialog.as_ref()?.id;
        let remote = if id.remote_tag.is_empty() { "0" } else { &id.remote_tag };
        Some(format!("{};to-tag={remote};from-tag={}", id.call_id, id.local_tag))
    }

    pub(super) fn refer(&mut self, now: Instant, handle: CallHandle, to: &str, replaces: Option<CallHandle>) {
        let Some(call) = self.calls.get(&handle).filter(|c| c.phase == Phase::Confirmed) else { return };
        if call.asking.is_some() {
            return self.refer_news(handle, 491, reason(491).to_owned(), true);
        }
        let local = call.dialog.as_ref().map(|d| d.local.clone()).unwrap_or_default();
        let other = replaces.and_then(|other| {
            let target = self.calls.get(&other)?.dialog.as_ref()?.target.clone();
            Some((target, self.replaces_of(other)?))
        });
        if replaces.is_some() && other.is_none() {
            return self.refer_news(handle, 481, reason(481).to_owned(), true);
        }
        let to = match &other {
            Some((target, _)) if to.is_empty() => target.as_str(),
            _ => to,
        };
        let to = bare_uri(to);
        let Some(uri) = crate::message::Uri::parse(to) else {
            return self.refer_news(handle, 416, reason(416).to_owned(), true);
        };
        let bare = uri.raw.split('?').next().unwrap_or(uri.raw);
        let refer_to = match &other {
            Some((_, value)) => format!("<{bare}?Replaces={}>", escape(value)),
            None => format!("<{bare}>"),
        };
        let referrer = Address::parse(&local).map_or(String::new(), |a| format!("<{}>", a.uri));
        let mut extras = self.refresh_extras(handle);
        extras.retain(|e| matches!(e.name(), "Contact" | "Allow" | "Supported"));
        extras.push(Extra::must("Refer-To", refer_to));
        extras.push(Extra::must("Referred-By", referrer));
        let sent = self.send_inside(now, handle, "REFER", extras, "", &[], Purpose::Refer(handle));
        let Some(call) = self.calls.get_mut(&handle) else { return };
        let cseq = call.dialog.as_ref().map(|d| d.local_seq).unwrap_or_default();
        let until = now + SUBSCRIPTION;
        call.asking = Some(Asking { client: sent, cseq, status: 100, reason: reason(100).to_owned(), until });
        self.reschedule_call(handle);
    }

    /// Another transaction carries our REFER now (it was challenged).
    pub(super) fn refer_moved(&mut self, handle: CallHandle, old: u64, new: u64) {
        let Some(call) = self.calls.get_mut(&handle) else { return };
        let Some(asking) = call.asking.as_mut().filter(|a| a.client == Some(old)) else { return };
        asking.client = Some(new);
        asking.cseq = call.dialog.as_ref().map_or(asking.cseq, |d| d.local_seq);
    }

    fn refer_news(&mut self, handle: CallHandle, status: u16, reason: String, done: bool) {
        self.event(Event::ReferProgress { call: handle, status, reason, done });
    }

    /// The final response to our REFER, or its failure.
    pub(super) fn refer_answered(
        &mut self,
        now: Instant,
        handle: CallHandle,
        id: u64,
        message: Option<&Message<'_>>,
        code: u16,
        phrase: &str,
    ) {
        let Some(call) = self.calls.get_mut(&handle) else { return };
        let Some(asking) = call.asking.as_mut().filter(|a| a.client == Some(id)) else { return };
        asking.client = None;
        let unsubscribed = message.is_some_and(no_subscription);
        if (200..300).contains(&code) && !unsubscribed {
            return;
        }
        call.asking = None;
        self.refer_news(handle, code, inert(phrase), true);
        self.reschedule_call(handle);
        if matches!(code, 408 | 481) {
            self.lost(now, handle);
        }
    }

    /// The call ends: no more news of our REFER; news of the peer's may follow from a dialog kept aside.
    pub(super) fn referrals_end(&mut self, now: Option<Instant>, handle: CallHandle, call: &mut Call) {
        if let Some(asking) = call.asking.take() {
            self.refer_news(handle, asking.status, asking.reason, true);
        }
        let Some(asked) = call.asked.take() else { return };
        if let Some(server) = asked.server {
            self.forget_server(server);
        }
        if let (Some(now), Some(dialog)) = (now, call.dialog.clone())
            && asked.open
            && asked.wanted
        {
            self.referees.retain(|_, r| r.until > now);
            if self.referees.len() < MAX_REFEREES {
                let until = now + SUBSCRIPTION;
                self.referees.insert(handle, Referee { dialog, asked, until });
            }
        }
    }

    /// REFER from the peer: checked here, decided above.
    pub(super) fn referred(&mut self, now: Instant, request: &Request<'_>, handle: CallHandle) {
        let Some(call) = self.calls.get(&handle) else { return };
        let busy = call.asked.as_ref().is_some_and(|a| a.server.is_some() || a.open);
        let stands = call.stands();
        let first = call.asked.is_none();
        let target = match refer_to(request.message) {
            Ok(target) => target,
            Err(flaw) => return self.decline(now, request, handle, flaw, &[]),
        };
        if !stands {
            return self.decline(now, request, handle, status(403), &[]);
        }
        if busy {
            return self.decline(now, request, handle, status(491), &[]);
        }
        let referred_by = request.message.text(Name::ReferredBy).map(|t| inert(&t));
        let Some(server) = self.open_server(request, Some(handle)) else { return };
        if let Some(call) = self.calls.get_mut(&handle) {
            call.asked = Some(Asked {
                server: Some(server),
                id: (!first).then_some(request.found.cseq),
                wanted: !no_subscription(request.message),
                open: false,
                status: 100,
                reason: reason(100).to_owned(),
                // No answer of ours would be heard after that.
                until: Some(now + crate::transaction::T1X64),
            });
        }
        self.reschedule_call(handle);
        let (to, replaces) = target;
        self.event(Event::Referred { call: handle, to, replaces, referred_by });
    }

    pub(super) fn accept_refer(&mut self, now: Instant, handle: CallHandle) {
        let Some(call) = self.calls.get_mut(&handle) else { return };
        let Some(asked) = call.asked.as_mut() else { return };
        let Some(server) = asked.server.take() else { return };
        asked.open = asked.wanted;
        asked.until = asked.wanted.then(|| now + SUBSCRIPTION);
        let wanted = asked.wanted;
        let dialog = call.dialog.as_ref().map(|d| (d.path, d.target.clone()));
        let contact = dialog.map(|(path, target)| self.contact_for(&path, &target)).unwrap_or_default();
        let mut extras = vec![Extra::must("Contact", contact)];
        if !wanted {
            extras.push(Extra::must("Refer-Sub", "false"));
        }
        self.respond_plain(now, server, 202, None, "", &extras);
        if wanted {
            self.notify(now, handle, None);
        }
        self.reschedule_call(handle);
    }

    pub(super) fn reject_refer(&mut self, now: Instant, handle: CallHandle, code: u16) {
        let Some(asked) = self.calls.get_mut(&handle).and_then(|c| c.asked.as_mut()) else { return };
        let Some(server) = asked.server.take() else { return };
        asked.until = None;
        let code = if (300..700).contains(&code) { code } else { 603 };
        self.respond_plain(now, server, code, None, "", &[]);
        self.reschedule_call(handle);
    }

    pub(super) fn notify_refer(
        &mut self,
        now: Instant,
        handle: CallHandle,
        code: u16,
        phrase: String,
        done: bool,
    ) {
        let code = if (100..700).contains(&code) { code } else { 500 };
        let phrase = if phrase.is_empty() { reason(code).to_owned() } else { inert(&phrase) };
        if let Some(referee) = self.referees.get_mut(&handle) {
            referee.asked.status = code;
            referee.asked.reason = phrase;
            referee.until = now + SUBSCRIPTION;
            return self.notify_aside(now, handle, done);
        }
        let Some(asked) = self.calls.get_mut(&handle).and_then(|c| c.asked.as_mut()).filter(|a| a.open)
        else {
            return;
        };
        asked.status = code;
        asked.reason = phrase;
        asked.open = !done;
        asked.until = (!done).then(|| now + SUBSCRIPTION);
        self.notify(now, handle, done.then_some("noresource"));
        self.reschedule_call(handle);
    }

    /// NOTIFY with the last news; `over`: why the subscription ends.
    fn notify(&mut self, now: Instant, handle: CallHandle, over: Option<&str>) {
        let Some(asked) = self.calls.get(&handle).and_then(|c| c.asked.as_ref()) else { return };
        let (mut extras, body) = asked.notice(over);
        let mut own = self.refresh_extras(handle);
        own.retain(|e| e.name() == "Contact");
        extras.extend(own);
        self.send_inside(now, handle, "NOTIFY", extras, SIPFRAG, &body, Purpose::Notify(handle));
    }

    fn notify_aside(&mut self, now: Instant, handle: CallHandle, done: bool) {
        let Some(mut referee) = self.referees.remove(&handle) else { return };
        let (mut extras, body) = referee.asked.notice(done.then_some("noresource"));
        extras.push(Extra::must("Contact", self.contact_for(&referee.dialog.path, &referee.dialog.target)));
        self.send_by(now, &mut referee.dialog, "NOTIFY", extras, SIPFRAG, &body, Purpose::Nobody);
        if !done {
            self.referees.insert(handle, referee);
        }
    }

    /// The peer does not want our NOTIFY, or does not answer it: the subscription is over, the call is not.
    pub(super) fn notify_refused(&mut self, handle: CallHandle) {
        if let Some(asked) = self.calls.get_mut(&handle).and_then(|c| c.asked.as_mut()) {
            asked.open = false;
            if asked.server.is_none() {
                asked.until = None;
            }
        }
        self.reschedule_call(handle);
    }

    /// NOTIFY from the peer: news of our REFER, or nothing that we asked for (489, 481).
    pub(super) fn notified(&mut self, now: Instant, request: &Request<'_>, handle: CallHandle) {
        let message = request.message;
        let value = message.text(Name::Event).unwrap_or_default();
        let Some(id) = refer_event(&value) else {
            return self.decline(
                now,
                request,
                handle,
                status(489),
                &[Extra::must("Allow-Events", ALLOW_EVENTS)],
            );
        };
        let asking = self.calls.get(&handle).and_then(|c| c.asking.as_ref());
        let known = asking.is_some_and(|a| id.is_none_or(|id| id == a.cseq));
        if !known {
            return self.decline(now, request, handle, status(481), &[]);
        }
        if !message.body.is_empty() && media_type(message).as_deref() != Some("message/sipfrag") {
            return self.decline(
                now,
                request,
                handle,
                status(415),
                &[Extra::must("Accept", "message/sipfrag")],
            );
        }
        if !self.agree(now, request, handle, &[]) {
            return;
        }
        let state = message.text(Name::SubscriptionState).unwrap_or_default();
        let (state, params) = state.split_once(';').unwrap_or((&state, ""));
        let over = state.trim().eq_ignore_ascii_case("terminated");
        let life = param::get(params, "expires").and_then(|v| parse_decimal(v.as_bytes()));
        let Some(asking) = self.calls.get_mut(&handle).and_then(|c| c.asking.as_mut()) else { return };
        if let Some((code, phrase)) = status_line(message.body) {
            asking.status = code;
            asking.reason = phrase;
        }
        let life = life.map_or(SUBSCRIPTION, |s| Duration::from_secs(s.clamp(1, LONGEST).into()));
        asking.until = now + life;
        let (code, phrase) = (asking.status, asking.reason.clone());
        // A final status is the last word, whatever the state says.
        let done = over || code >= 200;
        if done && let Some(call) = self.calls.get_mut(&handle) {
            call.asking = None;
        }
        self.refer_news(handle, code, phrase, done);
        self.reschedule_call(handle);
    }

    /// SUBSCRIBE in a dialog: renews or ends the subscription that a REFER made; nothing else is subscribed to (489).
    pub(super) fn subscribed(&mut self, now: Instant, request: &Request<'_>, handle: CallHandle) {
        let value = request.message.text(Name::Event).unwrap_or_default();
        let Some(id) = refer_event(&value) else {
            return self.decline(
                now,
                request,
                handle,
                status(489),
                &[Extra::must("Allow-Events", ALLOW_EVENTS)],
            );
        };
        let asked = self.calls.get_mut(&handle).and_then(|c| c.asked.as_mut());
        let Some(asked) = asked.filter(|a| a.open && (id == a.id || id.is_none())) else {
            return self.decline(now, request, handle, status(481), &[]);
        };
        let wish = request.message.text(Name::Expires).and_then(|v| parse_decimal(v.trim().as_bytes()));
        let life = wish.unwrap_or(180).min(SUBSCRIPTION.as_secs() as u32);
        asked.open = life > 0;
        asked.until = (life > 0).then(|| now + Duration::from_secs(life.into()));
        if self.agree(now, request, handle, &[Extra::must("Expires", life.to_string())]) {
            self.notify(now, handle, (life == 0).then_some("timeout"));
        }
        self.reschedule_call(handle);
    }

    /// Subscriptions that ran out.
    pub(super) fn refer_timer(&mut self, now: Instant, handle: CallHandle) {
        let Some(call) = self.calls.get_mut(&handle) else { return };
        if call.asking.take_if(|a| a.until <= now).is_some() {
            self.refer_news(handle, 408, reason(408).to_owned(), true);
        }
        let Some(asked) = self.calls.get_mut(&handle).and_then(|c| c.asked.as_mut()) else { return };
        if asked.until.take_if(|at| *at <= now).is_none() {
            return;
        }
        if asked.server.is_some() {
            return self.reject_refer(now, handle, 603);
        }
        if std::mem::take(&mut asked.open) {
            self.notify(now, handle, Some("timeout"));
        }
    }
}

/// Content-Type of notices (RFC 3515 §2.4.5, RFC 3420).
const SIPFRAG: &str = "message/sipfrag;version=2.0";

impl Asked {
    fn notice(&self, over: Option<&str>) -> (Vec<Extra>, Vec<u8>) {
        let event = self.id.map_or("refer".to_owned(), |id| format!("refer;id={id}"));
        let state = over.map_or_else(
            || format!("active;expires={}", SUBSCRIPTION.as_secs()),
            |why| format!("terminated;reason={why}"),
        );
        let body = format!("SIP/2.0 {} {}\r\n", self.status, self.reason);
        (vec![Extra::must("Event", event), Extra::must("Subscription-State", state)], body.into_bytes())
    }
}

/// `None`: another event than `refer`; else its `id`.
fn refer_event(value: &str) -> Option<Option<u32>> {
    let (package, params) = value.split_once(';').unwrap_or((value, ""));
    package
        .trim()
        .eq_ignore_ascii_case("refer")
        .then(|| param::get(params, "id").map(|id| parse_decimal(id.as_bytes()).unwrap_or(u32::MAX)))
}

/// `Refer-Sub: false` (RFC 4488).
fn no_subscription(message: &Message<'_>) -> bool {
    message
        .text(Name::ReferSub)
        .is_some_and(|v| v.split(';').next().unwrap_or("").trim().eq_ignore_ascii_case("false"))
}

/// Refer-To: its URI without header fields, and the Replaces header among these.
fn refer_to(message: &Message<'_>) -> Result<(String, Option<String>), Flaw> {
    let mut items = message.all(Name::ReferTo);
    let (Some(value), None) = (items.next(), items.next()) else {
        return Err(Flaw::bad("One Refer-To Wanted"));
    };
    let value = text(value);
    let address = Address::parse(&value)?;
    let uri = address.uri().ok_or(Flaw::bad("Bad Refer-To"))?;
    if uri.scheme == Scheme::Other {
        return Err(status(416));
    }
    if uri.param("method").is_some_and(|m| Method::from_bytes(m.as_bytes()) != Method::Invite) {
        return Err(Flaw { status: 403, sentence: "Only INVITE Is Referred To" });
    }
    let replaces = uri
        .headers
        .split('&')
        .filter_map(|h| h.split_once('='))
        .find(|(name, _)| name.eq_ignore_ascii_case("replaces"))
        .map(|(_, value)| inert(&unescape(value)));
    let bare = uri.raw.split('?').next().unwrap_or(uri.raw);
    Ok((inert(bare), replaces))
}

/// The status line of a message/sipfrag body (RFC 3420).
fn status_line(body: &[u8]) -> Option<(u16, String)> {
    let body = String::from_utf8_lossy(body);
    let line = body.trim_start().lines().next()?;
    let (version, rest) = line.split_once(' ')?;
    let (code, phrase) = rest.trim_start().split_once(' ').unwrap_or((rest.trim(), ""));
    let code = parse_decimal(code.as_bytes()).and_then(|c| u16::try_from(c).ok())?;
    let fits = version.eq_ignore_ascii_case("SIP/2.0") && (100..700).contains(&code);
    fits.then(|| (code, inert(phrase.trim()).chars().take(128).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fragments() {
        let table: &[(&str, Option<(u16, &str)>)] = &[
            ("SIP/2.0 200 OK", Some((200, "OK"))),
            ("SIP/2.0 100 Trying\r\n", Some((100, "Trying"))),
            ("\r\nsip/2.0 486 Busy Here\r\nTo: x\r\n", Some((486, "Busy Here"))),
            ("SIP/2.0 503\r\n", Some((503, ""))),
            ("SIP/2.0 99 X", None),
            ("SIP/2.0 700 X", None),
            ("INVITE sip:a SIP/2.0", None),
            ("", None),
        ];
        for (body, want) in table {
            assert_eq!(status_line(body.as_bytes()), want.map(|(c, p)| (c, p.to_owned())), "{body:?}");
        }
    }

    #[test]
    fn targets() {
        let look = |lines: &str| {
            let text = format!("REFER sip:a SIP/2.0\r\nY: z\r\n{lines}\r\n");
            refer_to(&Message::parse(text.as_bytes(), 64).unwrap()).map_err(|f| f.status)
        };
        let ok = |to: &str, replaces: Option<&str>| Ok((to.to_owned(), replaces.map(str::to_owned)));
        assert_eq!(look("r: <sip:h@d;transport=tcp>\r\n"), ok("sip:h@d;transport=tcp", None));
        assert_eq!(look("Refer-To: sip:h@d\r\n"), ok("sip:h@d", None));
        assert_eq!(look("Refer-To: \"Desk\" <tel:+49123>\r\n"), ok("tel:+49123", None));
        assert_eq!(
            look("Refer-To: <sip:h@d?Accept=x&Replaces=c%40h%3Bto-tag%3D1%3Bfrom-tag%3D2>\r\n"),
            ok("sip:h@d", Some("c@h;to-tag=1;from-tag=2"))
        );
        assert_eq!(look("Refer-To: <sip:h@d;method=INVITE>\r\n"), ok("sip:h@d;method=INVITE", None));
        assert_eq!(look("Refer-To: <sip:h@d;method=BYE>\r\n"), Err(403));
        assert_eq!(look("Refer-To: <http://h>\r\n"), Err(416));
        assert_eq!(look("Refer-To: <h>\r\n"), Err(400));
        assert_eq!(look(""), Err(400));
        assert_eq!(look("Refer-To: <sip:h@d>\r\nr: <sip:h@d>\r\n"), Err(400));
    }
}
