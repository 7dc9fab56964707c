//! Session keys: derived once from the master key, then used for each packet.
use super::{MasterKey, SrtpError, Suite};
use aes::{Aes128Enc, Aes256Enc};
use aes_gcm::aead::AeadInOut;
use aes_gcm::{Aes128Gcm, Aes256Gcm};
use ctr::cipher::{InnerIvInit, StreamCipher, StreamCipherCoreWrapper};
use ctr::{CtrCore, flavors::Ctr128BE};
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use zeroize::{Zeroize, Zeroizing};

/// Octets of the authentication key of HMAC-SHA1 (RFC 3711 §8.2).
const AUTHENTICATION: usize = 20;
/// Octets of the salt of the counter mode; the one of GCM is 12.
const SALT: usize = 14;

/// What the keys are for: the labels of RFC 3711 §4.3.1 begin here.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Use {
    Rtp = 0,
    Rtcp = 3,
}

/// One cipher with its key schedule; the crates wipe theirs when they are dropped.
enum Cipher {
    Cm128(Aes128Enc, Hmac<Sha1>),
    Cm256(Aes256Enc, Hmac<Sha1>),
    Gcm128(Aes128Gcm),
    Gcm256(Aes256Gcm),
}

/// The keystream of one packet, over these octets.
macro_rules! stream {
    ($kind:ty, $aes:expr, $iv:expr, $octets:expr) => {{
        let core = CtrCore::<&$kind, Ctr128BE>::inner_iv_init($aes, $iv.into());
        StreamCipherCoreWrapper::from_core(core).apply_keystream($octets)
    }};
}

/// Keys for RTP, or for RTCP, in one direction.
pub(crate) struct SessionKeys {
    cipher: Cipher,
    salt: [u8; SALT],
    tag: usize,
}

impl SessionKeys {
    /// Derives them (RFC 3711 §4.3, key derivation rate 0; RFC 6188 §3, RFC 7714 §11).
    pub(crate) fn derive(master: &MasterKey, purpose: Use) -> SessionKeys {
        let label = purpose as u8;
        let suite = master.suite();
        let mut key = Zeroizing::new([0; 32]);
        let mut authentication = Zeroizing::new([0; AUTHENTICATION]);
        let mut salt = [0; SALT];
        derive(master, label, &mut key[..suite.key_length()]);
        derive(master, label + 1, &mut authentication[..]);
        derive(master, label + 2, &mut salt[..suite.salt_length()]);
        SessionKeys::new(suite, purpose, &key, &authentication, salt)
    }

    /// From keys that were derived.
    pub(crate) fn new(
        suite: Suite,
        purpose: Use,
        key: &[u8; 32],
        authentication: &[u8; AUTHENTICATION],
        salt: [u8; SALT],
    ) -> SessionKeys {
        let mut half = Zeroizing::new([0; 16]);
        half.iter_mut().zip(key).for_each(|(to, from)| *to = *from);
        let (half, whole) = ((&*half).into(), key.into());
        // HMAC fills keys up with zeros to a block of its hash (RFC 2104 §2).
        let mut block = Zeroizing::new([0; 64]);
        block.iter_mut().zip(authentication).for_each(|(to, from)| *to = *from);
        let hmac = || <Hmac<Sha1> as KeyInit>::new((&*block).into());
        let cipher = match suite {
            Suite::AesCm128Sha1_80 | Suite::AesCm128Sha1_32 => Cipher::Cm128(Aes128Enc::new(half), hmac()),
            Suite::AesCm256Sha1_80 | Suite::AesCm256Sha1_32 => Cipher::Cm256(Aes256Enc::new(whole), hmac()),
            Suite::AeadAes128Gcm => Cipher::Gcm128(Aes128Gcm::new(half)),
            Suite::AeadAes256Gcm => Cipher::Gcm256(Aes256Gcm::new(whole)),
        };
        let tag = match purpose {
            Use::Rtp => suite.rtp_tag(),
            Use::Rtcp => suite.rtcp_tag(),
        };
        SessionKeys { cipher, salt, tag }
    }

    /// Octets of the tag.
    pub(crate) fn tag(&self) -> usize {
        self.tag
    }

    /// Whether cipher and tag are one (RFC 7714): the tag then stands before the index of RTCP, else behind it.
    pub(crate) fn is_aead(&self) -> bool {
        matches!(self.cipher, Cipher::Gcm128(_) | Cipher::Gcm256(_))
    }

    /// Counter mode: encrypts or decrypts; `index` is the 48 bits of RTP or the 31 bits of RTCP (RFC 3711 §4.1.1).
    pub(crate) fn apply(&self, source: u32, index: u64, octets: &mut [u8]) {
        let mut iv = [0; 16];
        iv[..SALT].copy_from_slice(&self.salt);
        mix(&mut iv[4..8], &source.to_be_bytes());
        mix(&mut iv[8..14], &index.to_be_bytes()[2..]);
        match &self.cipher {
            Cipher::Cm128(aes, _) => stream!(Aes128Enc, aes, &iv, octets),
            Cipher::Cm256(aes, _) => stream!(Aes256Enc, aes, &iv, octets),
            Cipher::Gcm128(_) | Cipher::Gcm256(_) => {}
        }
    }

    /// The tag over `octets` and the `rest` that is not sent, or not here (RFC 3711 §4.2), into `tag`.
    pub(crate) fn sign(&self, octets: &[u8], rest: &[u8], tag: &mut [u8]) {
        if let Cipher::Cm128(_, hmac) | Cipher::Cm256(_, hmac) = &self.cipher {
            let mac = hmac.clone().chain_update(octets).chain_update(rest).finalize().into_bytes();
            tag.iter_mut().zip(mac).for_each(|(to, from)| *to = from);
        }
    }

    /// Whether this is the tag, in a time that tells nothing of the right one.
    ///
    /// # Errors
    /// [`SrtpError::Authentication`] if it is not.
    pub(crate) fn verify(&self, octets: &[u8], rest: &[u8], tag: &[u8]) -> Result<(), SrtpError> {
        let (Cipher::Cm128(_, hmac) | Cipher::Cm256(_, hmac)) = &self.cipher else {
            return Err(SrtpError::Authentication);
        };
        let mac = hmac.clone().chain_update(octets).chain_update(rest);
        mac.verify_truncated_left(tag).map_err(|_| SrtpError::Authentication)
    }

    /// Galois/counter mode: encrypts in place, and writes the tag (RFC 7714 §8, §9).
    pub(crate) fn seal(
        &self,
        source: u32,
        index: u64,
        clear: &[u8],
        octets: &mut [u8],
        tag: &mut [u8],
    ) -> Result<(), SrtpError> {
        let iv = self.nonce(source, index);
        let sealed = match &self.cipher {
            Cipher::Gcm128(gcm) => gcm.encrypt_inout_detached((&iv).into(), clear, octets.into()),
            Cipher::Gcm256(gcm) => gcm.encrypt_inout_detached((&iv).into(), clear, octets.into()),
            Cipher::Cm128(..) | Cipher::Cm256(..) => return Err(SrtpError::Length),
        };
        let sealed = sealed.map_err(|_| SrtpError::Length)?;
        tag.iter_mut().zip(sealed).for_each(|(to, from)| *to = from);
        Ok(())
    }

    /// The way back; what does not authenticate is not decrypted.
    ///
    /// # Errors
    /// [`SrtpError::Authentication`].
    pub(crate) fn unseal(
        &self,
        source: u32,
        index: u64,
        clear: &[u8],
        octets: &mut [u8],
        tag: &[u8],
    ) -> Result<(), SrtpError> {
        let iv = self.nonce(source, index);
        let tag: &[u8; 16] = tag.try_into().map_err(|_| SrtpError::Authentication)?;
        let opened = match &self.cipher {
            Cipher::Gcm128(gcm) => gcm.decrypt_inout_detached((&iv).into(), clear, octets.into(), tag.into()),
            Cipher::Gcm256(gcm) => gcm.decrypt_inout_detached((&iv).into(), clear, octets.into(), tag.into()),
            Cipher::Cm128(..) | Cipher::Cm256(..) => return Err(SrtpError::Authentication),
        };
        opened.map_err(|_| SrtpError::Authentication)
    }

    fn nonce(&self, source: u32, index: u64) -> [u8; 12] {
        let mut iv = [0; 12];
        iv.copy_from_slice(&self.salt[..12]);
        mix(&mut iv[2..6], &source.to_be_bytes());
        mix(&mut iv[6..12], &index.to_be_bytes()[2..]);
        iv
    }
}

impl Drop for SessionKeys {
    fn drop(&mut self) {
        self.salt.zeroize();
    }
}

fn mix(into: &mut [u8], octets: &[u8]) {
    into.iter_mut().zip(octets).for_each(|(to, from)| *to ^= from);
}

/// One kind of session key: the master key's keystream at a place that the label gives.
fn derive(master: &MasterKey, label: u8, out: &mut [u8]) {
    let mut iv = [0; 16];
    iv.iter_mut().zip(master.salt()).for_each(|(to, from)| *to = *from);
    // Label and index / rate, with a rate of 0, are 56 bits that end where the salt does.
    iv[7] ^= label;
    if let Ok(key) = <&[u8; 16]>::try_from(master.key()) {
        let aes = Aes128Enc::new(key.into());
        stream!(Aes128Enc, &aes, &iv, out);
    } else if let Ok(key) = <&[u8; 32]>::try_from(master.key()) {
        let aes = Aes256Enc::new(key.into());
        stream!(Aes256Enc, &aes, &iv, out);
    }
    iv.zeroize();
}
