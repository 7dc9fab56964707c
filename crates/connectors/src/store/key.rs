//! The key file beside the database: what lies in the database is of no use without it.
use super::StoreError;
use crate::hash::{hex, unhex};
use passline_identity::Secret;
use ring::{
    aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    hmac,
    rand::{SecureRandom, SystemRandom},
};
use std::{
    fs,
    io::{ErrorKind, Write},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::Arc,
};
use zeroize::Zeroizing;

/// Keys derived from the key file, one per use.
#[derive(Clone)]
pub(crate) struct Keys {
    names: Arc<hmac::Key>,
    escrow: Arc<LessSafeKey>,
    /// For the hasher.
    pub(crate) hashes: Zeroizing<[u8; 32]>,
    /// Kept in the database: proves that file and database belong together.
    pub(crate) check: [u8; 32],
}

impl Keys {
    /// Where the key of a database lies.
    pub(crate) fn path(database: &Path) -> PathBuf {
        let mut name = database.as_os_str().to_owned();
        name.push(".key");
        name.into()
    }

    /// Reads the key file.
    pub(crate) fn load(path: &Path) -> Result<Self, StoreError> {
        let text =
            Zeroizing::new(fs::read_to_string(path).map_err(|fault| StoreError::File(path.into(), fault))?);
        let master: Option<[u8; 32]> = unhex(text.trim()).and_then(|bytes| bytes.try_into().ok());
        let master = Zeroizing::new(master.ok_or_else(|| {
            StoreError::Unusable(format!("{} holds no key of 64 hex digits", path.display()))
        })?);
        Ok(Self::derive(&master))
    }

    /// Makes the key file (0600) unless there is one, and reads it.
    pub(crate) fn create(path: &Path) -> Result<Self, StoreError> {
        let file = |fault| StoreError::File(path.into(), fault);
        if !path.exists() {
            let mut master = Zeroizing::new([0; 32]);
            fill(&mut master[..])?;
            let text = Zeroizing::new(hex(&master[..]) + "\n");
            let mut draft = path.as_os_str().to_owned();
            draft.push(format!(".{}", std::process::id()));
            let draft = PathBuf::from(draft);
            let written = fs::OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(true)
                .mode(0o600)
                .open(&draft)
                .and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.sync_all()))
                // A link, not a rename: of two processes that start at once, the second must take the first's key.
                .and_then(|()| match fs::hard_link(&draft, path) {
                    Err(fault) if fault.kind() == ErrorKind::AlreadyExists => Ok(()),
                    other => other,
                });
            let _ = fs::remove_file(&draft);
            written.map_err(file)?;
            if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
                fs::File::open(folder).and_then(|folder| folder.sync_all()).map_err(file)?;
            }
        }
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).map_err(file)?;
        Self::load(path)
    }

    fn derive(master: &[u8; 32]) -> Self {
        let master = hmac::Key::new(hmac::HMAC_SHA256, master);
        let key = |purpose: &str| {
            let mut key = Zeroizing::new([0; 32]);
            key.copy_from_slice(hmac::sign(&master, purpose.as_bytes()).as_ref());
            key
        };
        let escrow =
            UnboundKey::new(&CHACHA20_POLY1305, &key("escrow")[..]).expect("32 octets are a ChaCha20 key");
        Self {
            names: Arc::new(hmac::Key::new(hmac::HMAC_SHA256, &key("names")[..])),
            escrow: Arc::new(LessSafeKey::new(escrow)),
            hashes: key("hashes"),
            check: *key("check"),
        }
    }

    /// A keyed hash: the same for the same text, telling nothing of it.
    pub(crate) fn name(&self, purpose: &str, text: &str) -> [u8; 32] {
        let mut context = hmac::Context::with_key(&self.names);
        context.update(purpose.as_bytes());
        context.update(&[0]);
        context.update(text.as_bytes());
        let mut out = [0; 32];
        out.copy_from_slice(context.sign().as_ref());
        out
    }

    /// Encrypts with ChaCha20-Poly1305 (RFC 8439) under a random nonce; `place` says where it is kept, so that a
    /// ciphertext copied to another row does not open.
    pub(crate) fn seal(&self, place: &str, clear: &Secret) -> Result<Vec<u8>, StoreError> {
        let mut nonce = [0; NONCE_LEN];
        fill(&mut nonce)?;
        let mut sealed = Vec::with_capacity(clear.expose().len() + 16);
        sealed.extend_from_slice(clear.expose().as_bytes());
        self.escrow
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(place.as_bytes()),
                &mut sealed,
            )
            .map_err(|_| StoreError::Invalid("cannot encrypt".into()))?;
        Ok([&nonce[..], &sealed].concat())
    }

    /// The reverse of [`Keys::seal`].
    pub(crate) fn open(&self, place: &str, sealed: &[u8]) -> Result<Secret, StoreError> {
        let bad = || StoreError::Unusable("an escrowed code cannot be decrypted".into());
        let (nonce, text) = sealed.split_first_chunk::<NONCE_LEN>().ok_or_else(bad)?;
        let mut text = Zeroizing::new(text.to_vec());
        let clear = self
            .escrow
            .open_in_place(Nonce::assume_unique_for_key(*nonce), Aad::from(place.as_bytes()), &mut text)
            .map_err(|_| bad())?;
        Ok(Secret::new(std::str::from_utf8(clear).map_err(|_| bad())?))
    }
}

fn fill(bytes: &mut [u8]) -> Result<(), StoreError> {
    SystemRandom::new().fill(bytes).map_err(|_| StoreError::Invalid("no randomness".into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_code_opens_only_in_its_place_with_its_key() {
        let (keys, other) = (Keys::derive(&[1; 32]), Keys::derive(&[2; 32]));
        let sealed = keys.seal("ada/LAPTOP-1", &Secret::new("111111-222222")).unwrap();
        assert_eq!(keys.open("ada/LAPTOP-1", &sealed).unwrap().expose(), "111111-222222");
        assert!(keys.open("bob/LAPTOP-1", &sealed).is_err());
        assert!(other.open("ada/LAPTOP-1", &sealed).is_err());
        assert!(keys.open("ada/LAPTOP-1", &sealed[..8]).is_err());
        assert!(!sealed.windows(6).any(|window| window == b"111111"));
    }

    #[test]
    fn the_key_file_is_private_and_made_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.db.key");
        let first = Keys::create(&path).unwrap();
        assert_eq!(first.check, Keys::create(&path).unwrap().check);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "no draft is left");
        assert_ne!(first.check, first.name("check", ""));
    }

    #[test]
    fn a_damaged_key_file_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("k");
        fs::write(&path, "short").unwrap();
        assert!(Keys::load(&path).err().unwrap().to_string().contains("64 hex"));
    }
}
