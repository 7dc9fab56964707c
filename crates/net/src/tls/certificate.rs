//! Certificates and keys from files, and our own, made at the first start.
use crate::OwnCertificate;
use rcgen::{CertificateParams, DnType, KeyPair};
use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::io::Write;
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// Names of our own files.
const CERTIFICATE: &str = "tls-certificate.pem";
const KEY: &str = "tls-key.pem";
/// Years for which our own certificate is made: it is pinned by peers, and changing it is work for two sides.
const YEARS: i32 = 10;

/// A chain and its key.
#[derive(Debug)]
pub(crate) struct Identity {
    pub(crate) chain: Vec<CertificateDer<'static>>,
    pub(crate) key: PrivateKeyDer<'static>,
}

impl Identity {
    /// The identity that the settings name, if any; makes it where it is to be made.
    pub(crate) fn own(own: &OwnCertificate, listeners: &[SocketAddr]) -> Result<Option<Identity>, String> {
        match own {
            OwnCertificate::None => Ok(None),
            OwnCertificate::Files { certificate, key } => Identity::read(certificate, key).map(Some),
            OwnCertificate::Folder { folder, names } => {
                let (certificate, key) = (folder.join(CERTIFICATE), folder.join(KEY));
                if !certificate.exists() || !key.exists() {
                    let names = if names.is_empty() { default_names(listeners) } else { names.clone() };
                    make(&names, &certificate, &key)?;
                }
                Identity::read(&certificate, &key).map(Some)
            }
        }
    }

    /// Reads PEM files.
    pub(crate) fn read(certificate: &Path, key: &Path) -> Result<Identity, String> {
        let chain = certificates(certificate)?;
        let key_der = PrivateKeyDer::from_pem_file(key).map_err(|error| {
            format!("{} holds no private key in PEM form that can be read ({error})", key.display())
        })?;
        let identity = Identity { chain, key: key_der };
        // A key of another certificate would show only at the first handshake.
        let signing = rustls::crypto::ring::sign::any_supported_type(&identity.key)
            .map_err(|error| format!("the key in {} cannot be used: {error}", key.display()))?;
        let certified = rustls::sign::CertifiedKey::new(identity.chain.clone(), signing);
        match certified.keys_match() {
            Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::KeyMismatch)) => Err(format!(
                "the key in {} does not belong to the certificate in {}: name the two files that were made together",
                key.display(),
                certificate.display()
            )),
            _ => Ok(identity),
        }
    }
}

/// All certificates of a PEM file; at least one.
pub(crate) fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let all: Result<Vec<_>, _> =
        CertificateDer::pem_file_iter(path).and_then(|certificates| certificates.collect());
    match all {
        Ok(all) if !all.is_empty() => Ok(all),
        Ok(_) => Err(format!("{} holds no certificate in PEM form", path.display())),
        Err(error) => Err(format!("the certificate file {} cannot be read: {error}", path.display())),
    }
}

/// Authorities of PEM files.
pub(crate) fn roots(paths: &[PathBuf], with_system: bool) -> Result<Arc<RootCertStore>, String> {
    let mut store = RootCertStore::empty();
    if with_system {
        // A system without authorities trusts nobody; the handshake says so.
        store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    }
    for path in paths {
        // What is no authority (a server's own certificate) is compared as it is, see `Verifier`.
        store.add_parsable_certificates(certificates(path)?);
    }
    Ok(Arc::new(store))
}

fn make(names: &[String], certificate: &Path, key: &Path) -> Result<(), String> {
    let fault =
        |error: rcgen::Error| format!("no certificate could be made for {}: {error}", names.join(", "));
    let mut params = CertificateParams::new(names.to_vec()).map_err(fault)?;
    params.distinguished_name.push(DnType::CommonName, names.first().map_or("passline", String::as_str));
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let year = 1970 + i32::try_from(seconds / 31_556_952).unwrap_or(0);
    params.not_before = rcgen::date_time_ymd(year, 1, 1);
    params.not_after = rcgen::date_time_ymd(year + YEARS, 1, 1);
    let pair = KeyPair::generate().map_err(fault)?;
    let signed = params.self_signed(&pair).map_err(fault)?;
    write(key, 0o600, &pair.serialize_pem())?;
    write(certificate, 0o644, &signed.pem())?;
    tracing::info!(certificate = %certificate.display(), names = names.join(", "), "made a TLS certificate");
    Ok(())
}

/// Writes aside and renames, so that no start finds half a file.
fn write(path: &Path, mode: u32, text: &str) -> Result<(), String> {
    let aside = path.with_extension("new");
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(mode);
    options
        .open(&aside)
        .and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.sync_all()))
        .and_then(|()| std::fs::rename(&aside, path))
        .map_err(|error| format!("{} cannot be written: {error}", path.display()))
}

fn default_names(listeners: &[SocketAddr]) -> Vec<String> {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let host = host.trim().to_owned();
    let addresses =
        listeners.iter().map(SocketAddr::ip).filter(|ip| !ip.is_unspecified()).map(|ip| ip.to_string());
    let fixed = ["localhost", "127.0.0.1", "::1"].map(str::to_owned);
    let mut names: Vec<String> = Vec::new();
    for name in std::iter::once(host).chain(addresses).chain(fixed) {
        if !name.is_empty() && name.is_ascii() && !names.contains(&name) {
            names.push(name);
        }
    }
    names
}
