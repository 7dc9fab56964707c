//! What a REGISTER asks for, as it stands in the message (RFC 3261 §10.2, RFC 3327, RFC 5626 §4.2).

use crate::message::text::{inert, text};
use crate::message::uri::same_uri;
use crate::message::{Address, Flaw, Message, Name, Scheme, Uri, Via, param, parse_decimal};
use crate::{Config, Flow};

/// Longest Contact URI and Path kept, in octets, and most Path values.
const MAX_URI: usize = 512;
const MAX_PATH: usize = 8;

/// One Contact of a REGISTER.
pub(super) struct Contact {
    pub uri: String,
    pub expires: u32,
    pub instance: Option<String>,
    pub reg_id: Option<u32>,
}

/// What a REGISTER asks for.
pub(super) enum Wish {
    Query,
    RemoveAll,
    Change(Vec<Contact>),
}

/// Contacts and lifetimes of a REGISTER (RFC 3261 §10.3 steps 6 and 7).
pub(super) fn read_wish(message: &Message<'_>, config: &Config) -> Result<Wish, Flaw> {
    let general = match message.single(Name::Expires)? {
        // A broken lifetime counts as none (RFC 3261 §20.19 has the default for it).
        Some(value) => parse_decimal(value).unwrap_or(config.default_expires),
        None => config.default_expires,
    };
    let (mut contacts, mut all): (Vec<Contact>, bool) = (Vec::new(), false);
    for value in message.all(Name::Contact) {
        for item in param::list(&text(value)) {
            if item == "*" {
                all = true;
                continue;
            }
            let address = Address::parse(item)?;
            let uri = address.uri().filter(|uri| matches!(uri.scheme, Scheme::Sip | Scheme::Sips));
            if uri.is_none() || address.uri.len() > MAX_URI {
                return Err(Flaw::bad("Bad Contact"));
            }
            let expires = match address.param("expires") {
                Some(seconds) => parse_decimal(seconds.as_bytes()).unwrap_or(config.default_expires),
                None => general,
            };
            let instance = address.param("+sip.instance").map(|i| inert(&i)).filter(|i| fits_instance(i));
            let reg_id = address.param("reg-id").and_then(|r| parse_decimal(r.as_bytes())).filter(|r| *r > 0);
            let contact = Contact {
                uri: address.uri.to_owned(),
                expires: expires.min(config.max_expires),
                reg_id: reg_id.filter(|_| instance.is_some()),
                instance,
            };
            if contacts.iter().any(|c| same_uri(&c.uri, &contact.uri)) {
                return Err(Flaw::bad("Contact Stands Twice"));
            }
            contacts.push(contact);
        }
    }
    match (all, contacts.is_empty()) {
        (true, true) if message.first(Name::Expires).and_then(parse_decimal) == Some(0) => {
            Ok(Wish::RemoveAll)
        }
        (true, _) => Err(Flaw::bad("Contact * Needs Expires 0 And Stands Alone")),
        (false, true) => Ok(Wish::Query),
        (false, false) => Ok(Wish::Change(contacts)),
    }
}

/// An instance that can be repeated between quotes.
fn fits_instance(instance: &str) -> bool {
    (1..=128).contains(&instance.len()) && !instance.contains(['"', '\\'])
}

/// Whether a registration may be called an outbound one (RFC 5626 §6): the phone's own connection, or a first proxy that
/// keeps it (`ob`). Not over UDP: the phone would then wait for answers to STUN.
pub(super) fn keeps_flows(message: &Message<'_>, path: Flow, routes: &[String]) -> bool {
    let hops: usize = message.all(Name::Via).map(|value| param::list(&text(value)).count()).sum();
    let first = routes.last().and_then(|route| Address::parse(route).ok()).and_then(|a| a.uri());
    match hops {
        0 | 1 => path.transport.is_reliable(),
        _ => first.is_some_and(|uri| uri.param("ob").is_some()),
    }
}

/// Path values in the order in which they stand (RFC 3327 §5.3).
pub(super) fn read_path(message: &Message<'_>) -> Result<Vec<String>, Flaw> {
    let mut routes = Vec::new();
    for value in message.all(Name::Path) {
        for item in param::list(&text(value)) {
            let good = Address::parse(item).is_ok_and(|a| a.uri().is_some_and(|u| u.host.is_some()));
            if !good || item.len() > MAX_URI || routes.len() == MAX_PATH {
                return Err(Flaw::bad("Bad Path"));
            }
            routes.push(inert(item));
        }
    }
    Ok(routes)
}

/// How requests reach the contact: always the host that registered. Its source port, unless the phone neither asks for
/// it (RFC 3581) nor comes by a proxy and names another port itself.
pub(super) fn way_back(message: &Message<'_>, heard: Flow, contact: &str, direct: bool) -> Flow {
    if heard.transport.is_reliable() || !direct {
        return heard;
    }
    let via = message.text(Name::Via).unwrap_or_default();
    let symmetric =
        param::list(&via).next().and_then(|item| Via::parse(item).ok()).is_none_or(|via| via.wants_rport());
    let address = Uri::parse(contact).and_then(|uri| uri.socket_addr());
    match address.filter(|a| !symmetric && a.ip() == heard.remote.ip() && a.port() != 0) {
        Some(remote) => Flow { remote, ..heard },
        None => heard,
    }
}
