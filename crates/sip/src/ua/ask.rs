//! OPTIONS outside dialogs: is the peer there, and what can it do (RFC 3261 §11)?

use super::{Purpose, UserAgent};
use crate::auth::Answerer;
use crate::dialog::Outgoing;
use crate::message::address::bare_uri;
use crate::message::multipart::session_description;
use crate::message::text::inert;
use crate::message::{Address, Message, Name, Uri, status};
use crate::{AskId, Credentials, Event, Flow};
use std::time::Instant;

impl UserAgent {
    pub(super) fn ask(
        &mut self,
        now: Instant,
        id: AskId,
        uri: &str,
        from: &str,
        path: Flow,
        credentials: Option<Credentials>,
    ) {
        let target = bare_uri(uri).split('?').next().unwrap_or_default();
        let from = Address::parse(from).map_or(from, |a| a.uri);
        self.asks.insert(id, credentials.map(Answerer::new));
        if Uri::parse(target).is_none() || Uri::parse(from).is_none() {
            return self.asked(id, 400, "Bad URI", None);
        }
        let request = Outgoing {
            max_forwards: crate::dialog::MAX_FORWARDS,
            uri: target.to_owned(),
            via: self.via(&path),
            routes: Vec::new(),
            from: format!("<{from}>;tag={}", self.token()),
            to: format!("<{target}>"),
            call_id: format!("{}{}", self.token(), self.token()),
            cseq: 1,
        };
        let mut writer = request.writer("OPTIONS");
        writer.header("Contact", self.contact(&path)).header("Accept", "application/sdp");
        if !self.config.user_agent.is_empty() {
            writer.header("User-Agent", &self.config.user_agent);
        }
        self.begin(now, path, request, "OPTIONS", writer.finish(), Purpose::Ask(id));
    }

    /// The answer, or what stands for none.
    pub(super) fn asked(&mut self, id: AskId, code: u16, reason: &str, message: Option<&Message<'_>>) {
        if self.asks.remove(&id).is_none() {
            return;
        }
        let field = |name| message.and_then(|m| m.text(name)).map(|t| inert(&t));
        let body = message.and_then(|m| session_description(m).ok()).and_then(super::incoming::sdp);
        self.event(Event::Asked {
            id,
            status: code,
            reason: inert(if reason.is_empty() { status::reason(code) } else { reason }),
            server: field(Name::Server).or_else(|| field(Name::UserAgent)),
            allow: field(Name::Allow),
            body_sdp: body,
        });
    }
}
