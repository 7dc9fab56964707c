//! Offers, answers, keys for SRTP in them, and what a watcher reads in them.
#![no_main]
use passline_sdp::crypto::{Crypto, Key, LocalKey};
use passline_sdp::{Capabilities, Encryption, accept, answer, observe};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let mut caps = Capabilities::new([127, 0, 0, 1].into(), 4000, 1);
    let local = |suite, length| LocalKey { suite, key: Key::new(vec![7; length]), offered: true };
    let keys = vec![local("AES_CM_128_HMAC_SHA1_80", 30), local("AES_256_CM_HMAC_SHA1_80", 46)];
    for policy in [Encryption::Off, Encryption::Optional, Encryption::Required] {
        caps.crypto = Crypto { accept: policy, offer: policy, keys: keys.clone(), at_least: None };
        for agreement in [answer(bytes, &caps).map(|(_, agreement)| agreement), accept(bytes, &caps)] {
            let Ok(agreement) = agreement else { continue };
            assert!(policy != Encryption::Required || agreement.crypto.is_some(), "never plain");
            assert!(policy != Encryption::Off || agreement.crypto.is_none());
            for key in agreement.crypto.iter().flat_map(|crypto| &crypto.remote) {
                assert!(matches!(key.key.octets().len(), 30 | 46));
            }
        }
    }
    observe(bytes);
});
