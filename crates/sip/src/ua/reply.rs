//! What is kept of a request to answer it (RFC 3261 §8.2.6).

use crate::message::text::{text, unfold};
use crate::message::write::Block;
use crate::message::{Address, Message, Name, Via, Writer, param};
use crate::{Flow, Transport};
use std::net::SocketAddr;

/// Everything a response repeats from its request, and where it goes.
#[derive(Clone, Debug)]
pub(super) struct Reply {
    pub path: Flow,
    /// Where a connection is made to if the request's is gone (RFC 3261 §18.2.2).
    pub fallback: SocketAddr,
    /// Via, From, Call-ID and CSeq lines.
    lines: Vec<u8>,
    to: Option<Vec<u8>>,
    to_has_tag: bool,
    /// Record-Route lines.
    record_routes: Vec<u8>,
}

impl Reply {
    /// `None` if there is no Via to answer to. Other missing or broken fields are left out or repeated as they are.
    pub fn new(message: &Message<'_>, path: Flow) -> Option<Self> {
        let mut lines = Block::default();
        let mut path = path;
        let mut fallback = path.remote;
        let mut first = true;
        for value in message.all(Name::Via) {
            let value = unfold(value);
            if std::mem::take(&mut first) {
                lines.header(
                    "Via",
                    stamp(&text(&value), &mut path, &mut fallback).as_deref().map_or(&*value, str::as_bytes),
                );
            } else {
                lines.header("Via", value);
            }
        }
        if first {
            return None;
        }
        for name in [Name::From, Name::CallId, Name::CSeq] {
            if let Some(value) = message.first(name) {
                lines.header(name.as_str(), unfold(value));
            }
        }
        let mut record_routes = Block::default();
        for value in message.all(Name::RecordRoute) {
            record_routes.header("Record-Route", unfold(value));
        }
        let to = message.first(Name::To).map(|value| unfold(value).into_owned());
        let to_has_tag =
            to.as_ref().is_some_and(|to| Address::parse(&text(to)).is_ok_and(|a| a.tag().is_some()));
        Some(Reply {
            path,
            fallback,
            lines: lines.into_bytes(),
            to,
            to_has_tag,
            record_routes: record_routes.into_bytes(),
        })
    }

    /// Starts a response; the tag is added to To if it has none (never to 100).
    pub fn writer(&self, status: u16, reason: Option<&str>, tag: &str) -> Writer {
        let mut writer = Writer::response(status, reason);
        writer.block(&self.lines);
        if let Some(to) = &self.to {
            if self.to_has_tag || status == 100 {
                writer.header("To", to);
            } else {
                writer.header("To", [to, b";tag=".as_slice(), tag.as_bytes()].concat());
            }
        }
        if self.forms_dialog(status) {
            writer.block(&self.record_routes);
        }
        writer
    }

    fn forms_dialog(&self, status: u16) -> bool {
        (101..300).contains(&status)
    }
}

/// The first Via line with `received` and `rport` in its first value; turns the path to where the response goes.
fn stamp(value: &str, path: &mut Flow, fallback: &mut SocketAddr) -> Option<String> {
    let mut items = param::split(value, b',');
    let top = items.next()?;
    let via = Via::parse(top).ok()?;
    let source = path.remote;
    fallback.set_port(via.port.unwrap_or(if path.transport == Transport::Tls { 5061 } else { 5060 }));
    if !path.transport.is_reliable() {
        path.remote = via.response_address(source);
    }
    let mut line = via.stamped(source);
    for item in items {
        line.push_str(", ");
        line.push_str(item);
    }
    Some(line)
}
