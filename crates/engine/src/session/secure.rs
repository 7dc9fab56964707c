//! Keys for the audio of one call: drawn here, agreed on in descriptions, handed to the shard.
use super::terms::Terms;
use crate::core::Core;
use passline_rtp::srtp::{MasterKey, MediaKeys, Mki, Suite};
use passline_sdp::Agreement;
use passline_sdp::Encryption;
use passline_sdp::crypto::{Crypto, Key, LocalKey};
use rand_core::Rng;

/// What we offer: the strongest, and what every telephone has. More would not fit into a datagram with the rest of an
/// INVITE; whatever else we have is taken where it is offered.
const OFFERED: [Suite; 3] = [Suite::AeadAes256Gcm, Suite::AesCm128Sha1_80, Suite::AesCm128Sha1_32];

/// Fresh keys for each suite, if any may be needed.
pub(super) fn crypto(core: &mut Core, terms: &Terms) -> Crypto {
    let (accept, offer) = (terms.encryption.accept, terms.encryption.offer);
    let wanted = accept != Encryption::Off || offer != Encryption::Off;
    let suites = Suite::ALL.into_iter().filter(|_| wanted);
    let keys = suites.map(|suite| LocalKey {
        suite: suite.name(),
        key: draw(core, suite.master_length()),
        offered: OFFERED.contains(&suite),
    });
    Crypto { accept, offer, keys: keys.collect(), at_least: None }
}

/// The suite that a running call may not fall behind: the one in use, unless its trunk allows less.
pub(super) fn at_least(terms: &Terms, agreement: Option<&Agreement>) -> Option<&'static str> {
    let agreed = agreement?.crypto.as_ref()?;
    (!terms.encryption.may_weaken).then_some(agreed.suite)
}

/// What our offer in a running call says: fresh keys for all suites but the one in use, since a key that was used before
/// must not begin anew; and encryption where there is some, under the profile that the peer took, whatever our own offers
/// usually say.
pub(super) fn refresh(core: &mut Core, terms: &Terms, crypto: &mut Crypto, now: Option<&Agreement>) {
    let before = std::mem::replace(crypto, self::crypto(core, terms));
    crypto.at_least = at_least(terms, now);
    let Some(kept) = now.and_then(|now| now.crypto.as_ref()) else { return };
    for (key, old) in crypto.keys.iter_mut().zip(before.keys) {
        if kept.suite == key.suite {
            *key = LocalKey { offered: true, ..old };
        }
    }
    let required = kept.secure_profile || (crypto.offer == Encryption::Required && crypto.at_least.is_none());
    crypto.offer = if required { Encryption::Required } else { Encryption::Optional };
}

/// Whether our key has to change with a new agreement: one that was used before must not begin anew, and another device
/// at the peer's end does not know how far it has got.
///
/// Where the same device changes its own key ours stays: it need not be ready for another one before our answer is there.
pub(super) fn wants_fresh_keys(before: Option<&Agreement>, now: &Agreement) -> bool {
    let Some(crypto) = &now.crypto else { return false };
    let Some((before, old)) = before.and_then(|before| Some((before, before.crypto.as_ref()?))) else {
        return true;
    };
    old.suite != crypto.suite || (old.remote != crypto.remote && before.remote_rtp != now.remote_rtp)
}

/// Keys as the shard wants them; `None` for plain audio.
pub(super) fn media_keys(agreement: &Agreement) -> Option<MediaKeys> {
    let agreed = agreement.crypto.as_ref()?;
    let suite = Suite::from_name(agreed.suite)?;
    let master = |key: &Key| MasterKey::new(suite, key.octets()).ok();
    let remote = agreed.remote.iter().map(|remote| {
        let lasting = |key: MasterKey| match remote.lifetime {
            Some(packets) => key.lasting(packets),
            None => key,
        };
        let mki = remote.mki.and_then(|(value, length)| Mki::new(value, length));
        Some((lasting(master(&remote.key)?), mki))
    });
    Some(MediaKeys { local: master(&agreed.local)?, remote: remote.collect::<Option<Vec<_>>>()? })
}

fn draw(core: &mut Core, length: usize) -> Key {
    let mut octets = vec![0; length];
    core.rng.fill_bytes(&mut octets);
    Key::new(octets)
}
