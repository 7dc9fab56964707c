//! Who may call, whom they may call, and over which trunk a number goes.
use crate::Trunk;

/// All that a reload may change of who is who: trunks, devices, routes and what each class of callers may dial.
#[derive(Clone, Debug)]
pub struct Policy {
    /// Other PBXs and providers, told apart by the address a call comes from; the first that fits counts.
    pub trunks: Vec<Trunk>,
    /// Telephones that register here; their passwords are the user agent's (`sip.accounts`).
    pub devices: Vec<Device>,
    /// Where numbers go that are neither a flow's nor an extension; the longest prefix counts, then the order.
    pub routes: Vec<Route>,
    /// What somebody may dial who is neither a device nor a trunk.
    pub anonymous: Reach,
    /// What a registered device may dial.
    pub registered: Reach,
    /// Host in our own URIs towards devices and trunks, e.g. `pbx.example.org`; the media address when `None`.
    pub host: Option<String>,
}

impl Default for Policy {
    fn default() -> Self {
        Policy {
            trunks: Vec::new(),
            devices: Vec::new(),
            routes: Vec::new(),
            anonymous: Reach::default(),
            registered: Reach { flows: None, extensions: true, trunks: true, transfer: true },
            host: None,
        }
    }
}

/// A telephone that registers at Passline.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Device {
    /// Extension, which is also the user of its digest account.
    pub user: String,
    /// Name shown to those it calls; empty: the extension alone.
    pub display: String,
    /// Whether its audio is encrypted; as for everybody when `None`.
    pub srtp: Option<passline_sdp::Encryption>,
}

/// What callers of one class may do. The default reaches flows only: no toll fraud, and no telephone rings for
/// strangers.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Reach {
    /// Numbers of flows: all when `None`.
    pub flows: Option<Vec<String>>,
    /// Extensions of registered devices.
    pub extensions: bool,
    /// Numbers that a [`Route`] leads over a trunk.
    pub trunks: bool,
    /// May transfer calls by REFER to whatever it may dial itself.
    pub transfer: bool,
}

impl Reach {
    /// Whether the flow with this number may be dialled.
    pub fn flow(&self, number: &str) -> bool {
        self.flows.as_ref().is_none_or(|numbers| numbers.iter().any(|other| other == number))
    }
}

/// A number's way over a trunk.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Route {
    /// Beginning of the numbers it is for, e.g. `0` or `+49`; empty: all.
    pub prefix: String,
    /// Name of the trunk.
    pub trunk: String,
    /// Registered devices may use it.
    pub devices: bool,
    /// Callers of trunks that reach trunks may use it.
    pub trunks: bool,
}

impl Policy {
    /// The trunk with this name.
    pub fn trunk(&self, name: &str) -> Option<&Trunk> {
        self.trunks.iter().find(|trunk| trunk.name == name)
    }

    /// The device with this extension.
    pub fn device(&self, user: &str) -> Option<&Device> {
        self.devices.iter().find(|device| device.user == user)
    }
}
