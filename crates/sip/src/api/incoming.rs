//! A call that comes in, as its INVITE describes it.

use super::{CallHandle, Flow};

/// What an INVITE says about the call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IncomingCall {
    /// The number dialled: user part of the Request-URI, unescaped, without parameters; also of `tel:` URIs.
    pub number: String,
    /// The Request-URI as received.
    pub request_uri: String,
    /// From URI as received.
    pub from: String,
    /// User part of From, unescaped, without parameters; empty if there is none.
    pub from_user: String,
    /// Display name of From, unquoted; empty if there is none.
    pub from_display: String,
    /// To URI as received.
    pub to: String,
    /// Call-ID.
    pub call_id: String,
    /// User-Agent header.
    pub user_agent: Option<String>,
    /// The offer; `None` for a delayed offer.
    pub sdp: Option<Vec<u8>>,
    /// The path the INVITE came by.
    pub path: Flow,
    /// Diversion (RFC 5806), the last diversion first. These and the following identities are items as received,
    /// `"Name" <sip:…>;reason=…`, control characters replaced; whether to trust them is the engine's decision.
    pub diversions: Vec<String>,
    /// History-Info (RFC 7044), in the order of the index: the oldest first.
    pub history: Vec<String>,
    /// P-Asserted-Identity (RFC 3325), also with a space before the colon.
    pub asserted: Vec<String>,
    /// P-Preferred-Identity (RFC 3325 §9.2).
    pub preferred: Vec<String>,
    /// The first Remote-Party-ID.
    pub remote_party_id: Option<String>,
    /// Privacy (RFC 3323), for example `id`.
    pub privacy: Option<String>,
    /// Referred-By (RFC 3892).
    pub referred_by: Option<String>,
    /// The call of ours whose place this one is to take (Replaces, RFC 3891), found and fit to be replaced. Who may do
    /// that, and to hang it up once this call is accepted, is the layer above's part.
    pub replaces: Option<CallHandle>,
    /// The account whose credentials this INVITE carries, verified; `None`: no or wrong credentials.
    pub account: Option<String>,
    /// Via values: one more than the proxies it passed.
    pub via_hops: u8,
    /// Record-Route values.
    pub record_routes: u8,
    /// Max-Forwards; 70 where there is none.
    pub max_forwards: u8,
}

impl IncomingCall {
    /// URI and number (user part, unescaped, without parameters) of an item of the identity headers.
    pub fn identity(item: &str) -> Option<(String, String)> {
        let address = crate::message::Address::parse(item).ok()?;
        let uri = address.uri()?;
        Some((uri.raw.to_owned(), uri.number()))
    }
}
