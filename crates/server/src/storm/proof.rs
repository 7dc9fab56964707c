//! What a caller answers to those who ask who it is (digest, RFC 3261 §22.2).
use super::message::Common;
use passline_sip::{Credentials, auth::Answerer, message::Message};

/// Header fields.
pub type Headers = Vec<(&'static str, String)>;

/// A request as it can be sent once more.
#[derive(Clone, Debug)]
struct Sent {
    method: &'static str,
    headers: Headers,
    body: Option<(&'static str, Vec<u8>)>,
    /// It had credentials.
    carried: bool,
}

/// One caller's credentials at work.
#[derive(Clone, Debug)]
pub struct Proof {
    answerer: Answerer,
    last: Option<Sent>,
    /// Credentials of the INVITE, which its ACK repeats (RFC 3261 §22.1).
    pub invite: Headers,
}

/// What is to be sent again: method, header fields, body.
pub type Again = (&'static str, Headers, Option<(&'static str, Vec<u8>)>);

impl Proof {
    /// Nobody has asked yet.
    pub fn new(credentials: Credentials) -> Self {
        Self { answerer: Answerer::new(credentials), last: None, invite: Vec::new() }
    }

    /// A request goes out, the `cseq`th of this caller, to this Request-URI: its credentials, where somebody has asked.
    pub fn sends(
        &mut self,
        common: &Common,
        (caller, cseq): (u32, u32),
        (method, uri): (&'static str, &str),
        headers: &[(&'static str, String)],
        body: Option<(&'static str, &[u8])>,
    ) -> Headers {
        // Never the same twice; the run's part is random.
        let cnonce = format!("{:08x}{caller:08x}{cseq:08x}", common.run);
        let octets = body.map_or(&[][..], |(_, octets)| octets);
        let credentials = self.answerer.headers(method, uri, octets, &cnonce);
        self.last = Some(Sent {
            method,
            headers: headers.to_vec(),
            body: body.map(|(kind, octets)| (kind, octets.to_vec())),
            carried: !credentials.is_empty(),
        });
        if method == "INVITE" {
            self.invite.clone_from(&credentials);
        }
        credentials
    }

    /// The last request was taken.
    pub fn taken(&mut self) {
        self.answerer.accepted();
    }

    /// The last request was answered with 401 or 407: what to send again; `None` if that would lead nowhere.
    pub fn challenged(&mut self, message: &Message<'_>) -> Option<Again> {
        let last = self.last.clone()?;
        let answers = self.answerer.challenged(message, last.carried);
        answers.then_some((last.method, last.headers, last.body))
    }
}
