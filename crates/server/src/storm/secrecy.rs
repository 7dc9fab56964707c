//! Callers whose audio is encrypted: SRTP, keys by SDES (RFC 3711, RFC 4568).
use passline_rtp::srtp::{MasterKey, MediaKeys, Mki, Suite};
use passline_sdp::{
    Encryption,
    crypto::{Agreed, Crypto, Key, LocalKey},
};
use rand_core::Rng;

/// What a caller offers: this suite alone with a fresh key, and no call without it.
pub fn offer(suite: Suite, rng: &mut impl Rng) -> Crypto {
    let mut octets = vec![0; suite.master_length()];
    rng.fill_bytes(&mut octets);
    let key = LocalKey { suite: suite.name(), key: Key::new(octets), offered: true };
    let keys = vec![key];
    Crypto { accept: Encryption::Required, offer: Encryption::Required, keys, ..Crypto::default() }
}

/// The keys that an answer has brought; `None` where one of them does not fit its suite.
pub fn keys(agreed: &Agreed) -> Option<MediaKeys> {
    let suite = Suite::from_name(agreed.suite)?;
    let master = |key: &Key| MasterKey::new(suite, key.octets()).ok();
    let remote = agreed.remote.iter().map(|remote| {
        let mki = remote.mki.and_then(|(value, length)| Mki::new(value, length));
        Some((master(&remote.key)?, mki))
    });
    Some(MediaKeys { local: master(&agreed.local)?, remote: remote.collect::<Option<_>>()? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy;
    use passline_rtp::srtp::SecureMedia;
    use passline_sdp::{Capabilities, Cause};

    fn side(port: u16, crypto: Crypto) -> Capabilities {
        Capabilities { crypto, ..Capabilities::new([192, 0, 2, 1].into(), port, 1) }
    }

    #[test]
    fn what_both_sides_agree_on_opens_what_the_other_one_sends() {
        let mut rng = entropy::rng();
        for suite in Suite::ALL {
            let caller = side(4000, offer(suite, &mut rng));
            let callee = side(5000, offer(suite, &mut rng));
            let text = passline_sdp::offer(&caller);
            assert!(String::from_utf8_lossy(&text).contains("RTP/SAVP"));
            let (answer, theirs) = passline_sdp::answer(&text, &callee).unwrap();
            let ours = passline_sdp::accept(&answer, &caller).unwrap();
            let media = |agreed: Option<Agreed>| SecureMedia::new(keys(&agreed.unwrap()).unwrap());
            let (mut ours, mut theirs) = (media(ours.crypto), media(theirs.crypto));
            let mut packet = [0; 64];
            packet[0] = 0x80;
            packet[12..20].copy_from_slice(b"speaking");
            let length = ours.protect_rtp(&mut packet, 20).unwrap();
            assert!(!packet.windows(8).any(|octets| octets == b"speaking"), "{suite:?}");
            assert_eq!(theirs.unprotect_rtp(&mut packet[..length]), Ok(20));
            assert_eq!(&packet[12..20], b"speaking");
        }
    }

    #[test]
    fn a_plain_answer_is_refused() {
        let caller = side(4000, offer(Suite::AesCm128Sha1_80, &mut entropy::rng()));
        let (answer, _) = passline_sdp::answer(
            &passline_sdp::offer(&side(1, Crypto::default())),
            &side(5000, Crypto::default()),
        )
        .unwrap();
        let refusal = passline_sdp::accept(&answer, &caller).unwrap_err();
        assert_eq!(refusal.cause, Cause::EncryptionRequired);
    }
}
