//! Trunks beside their calls: addresses, health by OPTIONS, registration.
use super::Control;
use super::told::registration_status;
use crate::bridge::BridgeId;
use crate::{
    ControlOutput, DeviceStatus, Diagnosis, RegistrationStatus, StatusEvent, Trunk, TrunkState, TrunkStatus,
};
use passline_sip::{AskId, Command, Flow, Registration, RegistrationId, RegistrationState};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// A trunk that did not answer is asked again after this before it counts as down.
const AGAIN: Duration = Duration::from_secs(5);
/// Questions in a row without an answer that make a trunk count as down.
const PATIENCE: u8 = 2;
/// An address that was not found is looked up again after this.
const LOOK_UP_AGAIN: Duration = Duration::from_secs(30);

/// Why an address is looked up.
pub(super) enum Lookup {
    /// For a call.
    Bridge { bridge: BridgeId, trunk: String, number: String },
    /// To ask how it does.
    Health { trunk: String },
    /// To register.
    Registration { trunk: String },
}

/// What goes on with one trunk.
pub(super) struct TrunkRun {
    pub(super) state: TrunkState,
    /// When it is asked next.
    ask_at: Option<Instant>,
    asking: Option<AskId>,
    unanswered: u8,
    registration: Option<(RegistrationId, RegistrationStatus)>,
    register_at: Option<Instant>,
    peer: Option<SocketAddr>,
    pub(super) service_route: Vec<String>,
    /// The trunk as it was when this began.
    terms: Trunk,
}

impl Control {
    /// Begins with the trunks as they are configured now; what has not changed goes on.
    pub(super) fn start_trunks(&mut self, now: Instant) {
        let trunks = self.core.config.policy.trunks.clone();
        let names: Vec<String> = self.trunks.keys().cloned().collect();
        for name in names {
            let same = trunks.iter().any(|trunk| {
                trunk.name == name && {
                    let before = &self.trunks[&name].terms;
                    before.address == trunk.address
                        && before.register == trunk.register
                        && before.credentials == trunk.credentials
                        && before.options == trunk.options
                }
            });
            if !same
                && let Some(run) = self.trunks.remove(&name)
                && let Some((id, _)) = run.registration
            {
                self.core.sip(now, Command::Unregister { id });
            }
        }
        for trunk in trunks {
            if self.trunks.contains_key(&trunk.name) || trunk.address.is_none() {
                continue;
            }
            let register = trunk
                .register
                .is_some()
                .then(|| (RegistrationId(self.fresh_id()), RegistrationStatus::Trying));
            let run = TrunkRun {
                state: TrunkState::Unknown,
                ask_at: trunk.options.map(|_| now),
                asking: None,
                unanswered: 0,
                register_at: register.as_ref().map(|_| now),
                registration: register,
                peer: None,
                service_route: Vec::new(),
                terms: trunk.clone(),
            };
            self.trunks.insert(trunk.name.clone(), run);
        }
    }

    pub(super) fn trunks_deadline(&self) -> Option<Instant> {
        self.trunks.values().flat_map(|run| [run.ask_at, run.register_at]).flatten().min()
    }

    /// Asks and registers where it is due.
    pub(super) fn run_trunks(&mut self, now: Instant) {
        let mut lookups = Vec::new();
        for (name, run) in &mut self.trunks {
            let due = |at: &mut Option<Instant>| at.take_if(|at| *at <= now).is_some();
            if due(&mut run.ask_at) {
                lookups.push(Lookup::Health { trunk: name.clone() });
            }
            if due(&mut run.register_at) {
                lookups.push(Lookup::Registration { trunk: name.clone() });
            }
        }
        for lookup in lookups {
            let (Lookup::Health { trunk } | Lookup::Registration { trunk } | Lookup::Bridge { trunk, .. }) =
                &lookup;
            let Some(uri) = self.trunks.get(trunk).and_then(|run| run.terms.address.clone()) else {
                continue;
            };
            let id = self.fresh_id();
            self.lookups.insert(id, lookup);
            self.core.push(ControlOutput::Resolve { id, uri, transport: None });
        }
    }

    /// The answer to a look-up.
    pub(super) fn resolved(&mut self, now: Instant, id: u64, paths: Vec<Flow>, reason: &str) {
        if self.probe_resolved(now, id, &paths, reason) {
            return;
        }
        match self.lookups.remove(&id) {
            None => {}
            Some(Lookup::Bridge { bridge, trunk, number }) => {
                self.trunk_found(now, bridge, &trunk, &number, paths, reason);
            }
            Some(Lookup::Health { trunk }) => self.ask(now, &trunk, &paths, reason),
            Some(Lookup::Registration { trunk }) => self.register(now, &trunk, paths, reason),
        }
    }

    fn ask(&mut self, now: Instant, name: &str, paths: &[Flow], reason: &str) {
        let id = AskId(self.fresh_id());
        let host = self.host();
        let Some(run) = self.trunks.get_mut(name) else { return };
        let uri = run.terms.address.clone().unwrap_or_default();
        let Some(path) = paths.first() else {
            run.ask_at = Some(now + LOOK_UP_AGAIN);
            let why = Diagnosis::DnsFailed { uri, detail: reason.to_owned() };
            return self.trunk_state(name, TrunkState::Down(why));
        };
        (run.asking, run.peer) = (Some(id), Some(path.remote));
        let credentials = run.terms.credentials.clone();
        let from = format!("sip:passline@{host}");
        self.core.sip(now, Command::Ask { id, uri, from, path: *path, credentials });
    }

    /// A trunk answered OPTIONS, or did not.
    pub(super) fn asked(
        &mut self,
        now: Instant,
        id: AskId,
        status: u16,
        reason: &str,
        server: Option<String>,
    ) {
        let Some((name, run)) = self.trunks.iter_mut().find(|(_, run)| run.asking == Some(id)) else {
            return;
        };
        let name = name.clone();
        run.asking = None;
        let pause = run.terms.options.unwrap_or(AGAIN).max(Duration::from_secs(1));
        // Any answer is a sign of life, also a refusal; only 408 and 503 are not, wherever they were made.
        let alive = !matches!(status, 408 | 503);
        run.unanswered = if alive { 0 } else { run.unanswered.saturating_add(1) };
        let sure = alive || run.unanswered >= PATIENCE;
        run.ask_at = Some(now + if sure { pause } else { AGAIN.min(pause) });
        if !sure {
            return;
        }
        let state = match (alive, run.peer) {
            (true, _) => TrunkState::Up { server },
            (false, Some(peer)) if status == 408 => TrunkState::Down(Diagnosis::NoReply { peer }),
            _ => TrunkState::Down(Diagnosis::PeerFailed {
                callee: run.terms.address.clone().unwrap_or_default(),
                status,
                reason: reason.to_owned(),
            }),
        };
        self.trunk_state(&name, state);
    }

    fn trunk_state(&mut self, name: &str, state: TrunkState) {
        let Some(run) = self.trunks.get_mut(name) else { return };
        let kind = |state: &TrunkState| std::mem::discriminant(state);
        let changed = kind(&run.state) != kind(&state);
        run.state = state.clone();
        if changed {
            let name = name.to_owned();
            self.core.push(ControlOutput::Status(StatusEvent::Trunk { name, state }));
        }
    }

    fn register(&mut self, now: Instant, name: &str, paths: Vec<Flow>, reason: &str) {
        let Some(run) = self.trunks.get_mut(name) else { return };
        let (Some(terms), Some((id, state))) = (run.terms.register.clone(), run.registration.as_mut()) else {
            return;
        };
        let uri = run.terms.address.clone().unwrap_or_default();
        let Some(path) = paths.first() else {
            run.register_at = Some(now + LOOK_UP_AGAIN);
            let diagnosis = Diagnosis::DnsFailed { uri, detail: reason.to_owned() };
            let retry_in = LOOK_UP_AGAIN.as_secs() as u32;
            *state = RegistrationStatus::Failed { status: 0, diagnosis, retry_in };
            let (trunk, state) = (name.to_owned(), state.clone());
            return self.core.push(ControlOutput::Status(StatusEvent::Registration { trunk, state }));
        };
        run.peer = Some(path.remote);
        let aor = passline_sip::message::Uri::parse(&terms.aor);
        let domain = aor.as_ref().and_then(|uri| uri.host).map(|host| host.to_string());
        let registration = Registration {
            registrar: domain.map_or(uri, |domain| format!("sip:{domain}")),
            contact_user: aor.map(|uri| uri.number()).unwrap_or_default(),
            aor: terms.aor,
            paths,
            credentials: run.terms.credentials.clone(),
            expires: terms.expires,
        };
        let id = *id;
        self.core.sip(now, Command::Register { id, registration: Box::new(registration) });
    }

    /// How a registration of ours stands.
    pub(super) fn registration(&mut self, id: RegistrationId, state: RegistrationState) {
        let run = self.trunks.iter_mut().find_map(|(name, run)| {
            run.registration.as_ref().is_some_and(|(own, _)| *own == id).then_some((name, run))
        });
        let Some((name, run)) = run else { return };
        if let RegistrationState::Registered { service_route, .. } = &state {
            run.service_route = service_route.clone();
        }
        let registrar = run.terms.address.clone().unwrap_or_default();
        let state = registration_status(state, &registrar, run.peer, run.terms.credentials.is_some());
        let Some((_, before)) = run.registration.as_mut() else { return };
        let refreshed = matches!(
            (&*before, &state),
            (RegistrationStatus::Registered { .. }, RegistrationStatus::Registered { .. })
        );
        *before = state.clone();
        if !refreshed {
            let trunk = name.clone();
            self.core.push(ControlOutput::Status(StatusEvent::Registration { trunk, state }));
        }
    }

    pub(super) fn trunk_status(&self) -> Vec<TrunkStatus> {
        let trunks = self.core.config.policy.trunks.iter();
        trunks
            .map(|trunk| {
                let run = self.trunks.get(&trunk.name);
                TrunkStatus {
                    name: trunk.name.clone(),
                    state: run.map(|run| run.state.clone()).unwrap_or_default(),
                    registration: run.and_then(|run| Some(run.registration.as_ref()?.1.clone())),
                    calls: self.calls_over(&trunk.name),
                    max_calls: trunk.max_calls,
                }
            })
            .collect()
    }

    pub(super) fn device_status(&self) -> Vec<DeviceStatus> {
        let devices = self.core.config.policy.devices.iter();
        devices
            .map(|device| DeviceStatus {
                user: device.user.clone(),
                display: device.display.clone(),
                contacts: self
                    .bindings(&device.user)
                    .into_iter()
                    .map(|binding| (binding.uri, binding.path.remote))
                    .collect(),
            })
            .collect()
    }
}
