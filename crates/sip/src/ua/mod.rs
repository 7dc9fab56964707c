//! The user agent: all transactions and dialogs of one process.

mod ask;
mod call;
mod hangup;
mod identity;
mod incoming;
mod inside;
mod large;
mod offer;
mod outgoing;
mod prack;
mod refer;
mod refresh;
mod registrar;
mod registration;
mod reliable;
mod replaces;
mod reply;
mod request;
mod retry;
mod session;
mod wire;
mod wish;

use crate::auth::{Answerer, Doorkeeper};
use crate::dialog::{DialogId, Outgoing};
use crate::message::text::text;
use crate::message::{Message, Name, param};
use crate::transaction::{ClientTransaction, Schedule, ServerTransaction};
use crate::{
    AskId, CallHandle, CallPolicy, Command, Config, Event, Flow, Input, Output, RegistrationId, Rel100,
};
use call::{Call, Fork};
use rand_chacha::ChaCha20Rng;
use rand_core::Rng;
use reply::Reply;
use std::collections::{BTreeMap, VecDeque};
use std::time::Instant;
use wire::Wire;

/// Methods we serve, for Allow.
pub(crate) const ALLOW: &str =
    "INVITE, ACK, BYE, CANCEL, OPTIONS, INFO, UPDATE, PRACK, REFER, NOTIFY, SUBSCRIBE";
/// Extensions we know, for Supported and Require.
const OPTIONS: [&str; 4] = ["timer", "100rel", "replaces", "norefersub"];
/// Bodies we take, for Accept.
pub(crate) const ACCEPT: &str = "application/sdp, multipart/mixed";

/// All transactions and dialogs of one process, as a machine without sockets.
///
/// Responses that need no memory (400, 404 for dialogs, 405, 420, OPTIONS …) are given without any (RFC 3261 §8.2.7),
/// so that only INVITEs taken and requests inside dialogs cost state.
pub struct UserAgent {
    config: Config,
    rng: ChaCha20Rng,
    /// Key of the tags of stateless responses: the same request gets the same tag.
    secret: [u8; 32],
    accepting: bool,
    next_call: u64,
    next_id: u64,
    outputs: VecDeque<Output>,
    wire: Wire,
    /// Boxed, as calls are: the nodes of a tree are half empty.
    servers: BTreeMap<u64, Box<Server>>,
    server_keys: BTreeMap<String, u64>,
    merge_keys: BTreeMap<String, u64>,
    clients: BTreeMap<u64, Client>,
    client_keys: BTreeMap<String, u64>,
    calls: BTreeMap<CallHandle, Box<Call>>,
    /// Calls that are over whose referrer still waits for news.
    referees: BTreeMap<CallHandle, refer::Referee>,
    dialogs: BTreeMap<DialogId, CallHandle>,
    schedule: Schedule<Owner>,
    doorkeeper: Doorkeeper,
    bindings: registrar::Bindings,
    registrations: BTreeMap<RegistrationId, registration::State>,
    asks: BTreeMap<AskId, Option<Answerer>>,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Owner {
    Server(u64),
    Client(u64),
    Call(CallHandle),
    Connection(u64),
    Registration(RegistrationId),
    Binding(u64),
}

/// A server transaction with what it needs to answer.
struct Server {
    machine: ServerTransaction,
    reply: Reply,
    last: Option<Vec<u8>>,
    keys: (String, Option<String>),
    call: Option<CallHandle>,
    cseq: u32,
    invite: bool,
    /// Octets of the request: what a challenge may have.
    length: usize,
    /// The credentials were right but too old.
    stale: bool,
    /// What a 2xx to this INVITE or UPDATE makes of the session timer; the inner `None` ends it.
    granted: Option<Option<session::Granted>>,
    /// The remote target from a 2xx on.
    target: Option<String>,
}

/// Why a client transaction was begun.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Purpose {
    Invite(CallHandle),
    Bye(CallHandle),
    Info(CallHandle),
    /// UPDATE without a description.
    Refresh(CallHandle),
    Register(RegistrationId),
    Ask(AskId),
    /// An INVITE that was given up for another path.
    Stray {
        cancelled: bool,
    },
    /// Re-INVITE, or UPDATE with a description.
    Offer(CallHandle),
    Prack(CallHandle),
    Refer(CallHandle),
    Notify(CallHandle),
    /// Nobody waits for the answer.
    Nobody,
}

impl Purpose {
    /// The call that the request belongs to.
    fn call(self) -> Option<CallHandle> {
        match self {
            Purpose::Invite(call)
            | Purpose::Bye(call)
            | Purpose::Info(call)
            | Purpose::Refresh(call)
            | Purpose::Offer(call)
            | Purpose::Prack(call)
            | Purpose::Refer(call)
            | Purpose::Notify(call) => Some(call),
            Purpose::Register(_) | Purpose::Ask(_) | Purpose::Stray { .. } | Purpose::Nobody => None,
        }
    }
}

/// A client transaction with its request.
struct Client {
    machine: ClientTransaction,
    request: Outgoing,
    bytes: Vec<u8>,
    path: Flow,
    key: String,
    purpose: Purpose,
    ack: Option<Vec<u8>>,
    /// The 2xx responses to an INVITE and our ACKs for them; they outlive the call.
    forks: Vec<Fork>,
    /// How it would have gone if it were smaller.
    by_udp: Option<large::ByUdp>,
}

impl Client {
    /// The request's method.
    fn method(&self) -> &str {
        self.key.rsplit_once('|').map_or("", |(_, method)| method)
    }
}

impl UserAgent {
    /// A user agent without calls. `rng` feeds tags, branches and Call-IDs.
    pub fn new(config: Config, mut rng: ChaCha20Rng) -> Self {
        let mut secret = [0; 32];
        rng.fill_bytes(&mut secret);
        let mut key = [0; 32];
        rng.fill_bytes(&mut key);
        UserAgent {
            doorkeeper: Doorkeeper::new(&config, key),
            bindings: registrar::Bindings::default(),
            registrations: BTreeMap::new(),
            asks: BTreeMap::new(),
            wire: Wire::default(),
            config,
            rng,
            secret,
            accepting: true,
            next_call: 1,
            next_id: 1,
            outputs: VecDeque::new(),
            servers: BTreeMap::new(),
            server_keys: BTreeMap::new(),
            merge_keys: BTreeMap::new(),
            clients: BTreeMap::new(),
            client_keys: BTreeMap::new(),
            calls: BTreeMap::new(),
            referees: BTreeMap::new(),
            dialogs: BTreeMap::new(),
            schedule: Schedule::default(),
        }
    }

    /// A handle for [`Command::Invite`].
    pub fn next_call_handle(&mut self) -> CallHandle {
        let handle = CallHandle(self.next_call);
        self.next_call += 1;
        handle
    }

    /// Whether new calls are taken; when not, INVITE and OPTIONS outside dialogs get 503 (drain).
    pub fn set_accepting(&mut self, accepting: bool) {
        self.accepting = accepting;
    }

    /// Number of calls known, answered or not.
    pub fn calls(&self) -> usize {
        self.calls.len()
    }

    /// Call-ID of a call, as soon as its INVITE came or went.
    pub fn call_id(&self, call: CallHandle) -> Option<&str> {
        let call = self.calls.get(&call)?;
        let placed = || Some(self.clients.get(&call.placed.as_ref()?.client)?.request.call_id.as_str());
        call.dialog.as_ref().map(|dialog| dialog.id.call_id.as_str()).or_else(placed)
    }

    /// Number of transactions alive, of both sides.
    pub fn transactions(&self) -> usize {
        self.servers.len() + self.clients.len()
    }

    /// Moves the machine; then drain [`poll`](Self::poll) and re-read [`deadline`](Self::deadline).
    pub fn handle(&mut self, now: Instant, input: Input<'_>) {
        match input {
            Input::Datagram { path, bytes } => self.receive(now, path, bytes),
            Input::Stream { path, bytes } => self.receive_stream(now, path, bytes),
            Input::Connected { path } => self.connected(path),
            Input::Closed { connection } => self.closed(now, connection),
            Input::SendFailed { path, reason } => self.send_failed(now, path, &reason),
            Input::Command(command) => self.command(now, command),
            Input::Timer => {}
        }
        while let Some(owner) = self.schedule.due(now) {
            match owner {
                Owner::Server(id) => self.server_timer(now, id),
                Owner::Client(id) => self.client_timer(now, id),
                Owner::Call(call) => self.call_timer(now, call),
                Owner::Registration(id) => self.registration_timer(now, id),
                Owner::Binding(id) => self.binding_timer(now, id),
                Owner::Connection(connection) => self.connection_timer(now, connection),
            }
        }
    }

    /// The next thing to do, until `None`.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When to call [`handle`](Self::handle) with [`Input::Timer`] at the latest.
    pub fn deadline(&self) -> Option<Instant> {
        self.schedule.deadline()
    }

    fn command(&mut self, now: Instant, command: Command) {
        match command {
            Command::Ring { call, sdp } => self.ring(now, call, sdp),
            Command::Tune { call, policy } => self.tune(call, policy),
            Command::Acknowledge { call, sdp } => self.acknowledge(now, call, sdp),
            Command::Reinvite { call, sdp } => self.reinvite_ours(now, call, sdp),
            Command::Refer { call, to, replaces } => self.refer(now, call, &to, replaces),
            Command::AcceptRefer { call } => self.accept_refer(now, call),
            Command::RejectRefer { call, status } => self.reject_refer(now, call, status),
            Command::NotifyRefer { call, status, reason, done } => {
                self.notify_refer(now, call, status, reason, done)
            }
            Command::Accept { call, sdp } => self.accept(now, call, sdp),
            Command::Reject { call, status, reason, retry_after, warning } => {
                self.reject(now, call, status, reason.as_deref(), retry_after, warning)
            }
            Command::HangUp { call, reason } => self.hang_up(now, call, reason),
            Command::Invite(invite) => self.invite(now, *invite),
            Command::Challenge { call } => self.challenge(now, call),
            Command::Register { id, registration } => self.register(now, id, *registration),
            Command::Unregister { id } => self.unregister(now, id),
            Command::Ask { id, uri, from, path, credentials } => {
                self.ask(now, id, &uri, &from, path, credentials)
            }
            Command::SendInfo { call, content_type, body } => self.send_info(now, call, &content_type, &body),
            Command::AcceptReinvite { call, sdp } => self.accept_again(now, call, &sdp),
            Command::RejectReinvite { call, status, reason, warning } => {
                self.reject_again(now, call, status, reason.as_deref(), warning)
            }
        }
    }

    fn event(&mut self, event: Event) {
        self.outputs.push_back(Output::Event(event));
    }

    /// Random hexadecimal text of 16 characters: 64 bits for tags, branches and Call-IDs.
    fn token(&mut self) -> String {
        format!("{:016x}", self.rng.next_u64())
    }

    fn fresh_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    /// Re-reads the deadline of a call after it was touched.
    fn reschedule_call(&mut self, call: CallHandle) {
        let at = self.calls.get(&call).and_then(|call| call.deadline());
        self.schedule.set(Owner::Call(call), at);
    }
}

/// Value of Supported: 100rel only where it is used.
fn supported(policy: &CallPolicy) -> String {
    let spoken = |option: &&str| *option != "100rel" || policy.rel100 != Rel100::Never;
    OPTIONS.into_iter().filter(spoken).collect::<Vec<_>>().join(", ")
}

/// Whether a list of option tags holds one.
fn has_option(message: &Message<'_>, name: Name, option: &str) -> bool {
    message.all(name).any(|value| param::list(&text(value)).any(|item| item.eq_ignore_ascii_case(option)))
}
