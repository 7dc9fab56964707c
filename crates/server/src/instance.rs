//! The name by which registrars know this server again after a restart (`+sip.instance`, RFC 5626 §4.1).
use crate::entropy;
use rand_core::Rng;
use std::{fs, io::Write, os::unix::fs::OpenOptionsExt, path::Path};

/// The name kept in this folder; made at the first start. `None`, with a warning, where it can be neither read nor kept:
/// a name that changed at each start would leave dead contacts behind.
pub fn instance(folder: &Path) -> Option<String> {
    let path = folder.join("instance");
    if let Ok(text) = fs::read_to_string(&path) {
        let kept = text.trim();
        if is_name(kept) {
            return Some(kept.to_owned());
        }
    }
    let name = fresh();
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    match options.open(&path).and_then(|mut file| writeln!(file, "{name}")) {
        Ok(()) => Some(name),
        Err(error) => {
            tracing::warn!(path = %path.display(), %error, "the instance name cannot be kept");
            None
        }
    }
}

/// A random UUID (RFC 9562 §5.4) as a URN.
fn fresh() -> String {
    let mut octets = [0; 16];
    entropy::rng().fill_bytes(&mut octets);
    octets[6] = octets[6] & 0x0f | 0x40;
    octets[8] = octets[8] & 0x3f | 0x80;
    let hex: String = octets.iter().map(|octet| format!("{octet:02x}")).collect();
    format!("urn:uuid:{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

fn is_name(text: &str) -> bool {
    let uuid = text.strip_prefix("urn:uuid:");
    uuid.is_some_and(|uuid| uuid.len() == 36 && uuid.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_outlives_restarts_and_a_broken_file_does_not() {
        let folder = tempfile::tempdir().expect("a folder");
        let name = instance(folder.path()).expect("a name");
        assert!(is_name(&name) && name.as_bytes()[23] == b'4', "{name}");
        assert_eq!(instance(folder.path()), Some(name.clone()));
        fs::write(folder.path().join("instance"), "urn:uuid:\"; x").expect("the test's own folder");
        let other = instance(folder.path()).expect("a name");
        assert!(is_name(&other) && other != name);
        assert_eq!(instance(&folder.path().join("missing")), None);
    }
}
