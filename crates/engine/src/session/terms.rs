//! What one call does and offers, by its trunk.
use crate::{Device, Dtmf, EngineConfig, Trunk};
use passline_rtp::Method;
use passline_rtp::codec::Codec;
use passline_sdp::Encryption;

/// Codecs and digits of one call.
#[derive(Clone, Debug)]
pub(crate) struct Terms {
    pub(crate) codecs: Vec<Codec>,
    /// Telephone-event is offered and accepted.
    pub(crate) events: bool,
    /// Tones are listened to.
    pub(crate) inband: bool,
    /// INFO is listened to.
    pub(crate) info: bool,
    pub(crate) dtmf: Dtmf,
    /// Media may come from the signalling's address.
    pub(crate) nat: bool,
    /// It may share an RTP port with other calls.
    pub(crate) shares: bool,
    pub(crate) encryption: Wanted,
}

/// What is wanted of encryption.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted {
    /// In the offers of others.
    pub(crate) accept: Encryption,
    /// In our own.
    pub(crate) offer: Encryption,
    /// A call that is encrypted may go over to a weaker suite, or to plain audio.
    pub(crate) may_weaken: bool,
}

impl Wanted {
    /// As it was set. Where nothing was: taken where it is offered, which costs nobody a call, and not offered, since
    /// there are telephones that stumble over it.
    pub(crate) fn of(setting: Option<Encryption>, may_weaken: bool) -> Wanted {
        let (accept, offer) = (setting.unwrap_or(Encryption::Optional), setting.unwrap_or(Encryption::Off));
        Wanted { accept, offer, may_weaken }
    }
}

impl Terms {
    /// Of a call over this trunk, or over none.
    pub(crate) fn of(config: &EngineConfig, trunk: Option<&Trunk>) -> Terms {
        let dtmf = trunk.map(|trunk| trunk.dtmf).unwrap_or_default();
        let codecs = trunk.and_then(|trunk| trunk.codecs.clone()).filter(|codecs| !codecs.is_empty());
        Terms {
            codecs: codecs.unwrap_or_else(|| config.codecs.clone()),
            events: matches!(dtmf, Dtmf::Auto | Dtmf::Rfc4733),
            inband: match dtmf {
                Dtmf::Auto => config.inband,
                Dtmf::Inband => true,
                Dtmf::Rfc4733 | Dtmf::Info => false,
            },
            info: matches!(dtmf, Dtmf::Auto | Dtmf::Info),
            dtmf,
            nat: trunk.is_none_or(|trunk| trunk.nat),
            shares: config.calls_per_port > 1 && trunk.is_some_and(|trunk| trunk.shared_ports),
            encryption: Wanted::of(
                trunk.and_then(|trunk| trunk.srtp).or(config.srtp),
                trunk.and_then(|trunk| trunk.srtp_may_weaken).unwrap_or(config.srtp_may_weaken),
            ),
        }
    }

    /// Of a call with a device, which may have a setting of its own.
    pub(crate) fn of_device(config: &EngineConfig, device: Option<&Device>) -> Terms {
        let srtp = device.and_then(|device| device.srtp).or(config.srtp);
        Terms { encryption: Wanted::of(srtp, config.srtp_may_weaken), ..Terms::of(config, None) }
    }

    /// How a press goes to the peer, who takes telephone-event or not.
    pub(crate) fn press_by(&self, events: bool) -> Method {
        match self.dtmf {
            Dtmf::Info => Method::Info,
            Dtmf::Inband => Method::Inband,
            Dtmf::Rfc4733 | Dtmf::Auto if events => Method::Rfc4733,
            Dtmf::Rfc4733 | Dtmf::Auto => Method::Inband,
        }
    }
}
