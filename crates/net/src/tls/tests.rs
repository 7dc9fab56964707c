//! Handshakes over a pair of pipes: whom we believe, and what we say if not.
use super::*;
use crate::{OwnCertificate, TlsPeer};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, SanType};
use rustls::pki_types::ServerName;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use tokio_rustls::client::TlsStream;

/// An authority and a folder for what it issues.
struct Authority {
    folder: tempfile::TempDir,
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Authority {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(rcgen::DnType::CommonName, "Test Authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer =
            CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("signed");
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("ca.pem"), issuer.pem()).expect("written");
        Authority { folder, issuer }
    }

    fn ca(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// Certificate and key files.
    fn issue(&self, name: &str, change: impl FnOnce(&mut CertificateParams)) -> (PathBuf, PathBuf) {
        let mut params = CertificateParams::new(vec![name.to_owned()]).expect("a name");
        change(&mut params);
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("signed");
        let path = |end: &str| self.folder.path().join(format!("{name}.{end}"));
        std::fs::write(path("crt"), certificate.pem()).expect("written");
        std::fs::write(path("key"), key.serialize_pem()).expect("written");
        (path("crt"), path("key"))
    }
}

fn server(files: &(PathBuf, PathBuf), change: impl FnOnce(&mut TlsConfig)) -> Setup {
    let certificate = OwnCertificate::Files { certificate: files.0.clone(), key: files.1.clone() };
    let mut config = TlsConfig { certificate, system_roots: false, ..TlsConfig::default() };
    change(&mut config);
    Setup::load(&config, &[]).expect("files")
}

fn client_of(peer: TlsPeer, extra: &[PathBuf]) -> Setup {
    let config = TlsConfig {
        system_roots: false,
        extra_roots: extra.to_vec(),
        peers: vec![peer],
        ..TlsConfig::default()
    };
    Setup::load(&config, &[]).expect("files")
}

/// Both sides shake hands; what the client says.
async fn shake(
    server: &Setup,
    client: &Setup,
    host: &str,
) -> Result<TlsStream<tokio::io::DuplexStream>, String> {
    let (ours, theirs) = tokio::io::duplex(65_536);
    let acceptor = server.acceptor.clone().expect("a certificate");
    let accepted = tokio::spawn(async move {
        if let Ok(mut stream) = acceptor.accept(theirs).await {
            // In TLS 1.3 the client learns only later that its certificate is refused.
            let _ = tokio::io::AsyncWriteExt::write_all(&mut stream, b"x").await;
            let _ = tokio::io::AsyncReadExt::read(&mut stream, &mut [0; 1]).await;
        }
    });
    let name = ServerName::try_from(host.to_owned()).expect("a name");
    let shaken = client.connector(host).connect(name, ours).await;
    let result = match shaken {
        Ok(mut stream) => match tokio::io::AsyncReadExt::read(&mut stream, &mut [0; 1]).await {
            Ok(1) => Ok(stream),
            Ok(_) => Err("closed".to_owned()),
            Err(error) => Err(sentence(host, &error)),
        },
        Err(error) => Err(sentence(host, &error)),
    };
    accepted.abort();
    result
}

async fn says(server: &Setup, client: &Setup, host: &str, words: &str) {
    let sentence = shake(server, client, host).await.expect_err("refused");
    assert!(sentence.contains(words), "{sentence:?} says nothing of {words:?}");
}

#[tokio::test]
async fn a_server_is_believed_for_the_right_reasons_only() {
    let authority = Authority::new();
    let pbx = server(&authority.issue("pbx.example", |_| {}), |_| {});
    let trusting = client_of(TlsPeer::default(), &[authority.ca()]);
    assert!(shake(&pbx, &trusting, "pbx.example").await.is_ok());
    assert!(shake(&pbx, &trusting, "PBX.example").await.is_ok());
    says(&pbx, &trusting, "other.example", "is for pbx.example and not for other.example").await;
    let stranger = client_of(TlsPeer::default(), &[]);
    says(&pbx, &stranger, "pbx.example", "issued by CN=Test Authority").await;
    let of_another = client_of(TlsPeer::default(), &[Authority::new().ca()]);
    says(&pbx, &of_another, "pbx.example", "does not know").await;
}

#[tokio::test]
async fn time_and_wildcards_and_sip_identities_count() {
    let authority = Authority::new();
    let trusting = client_of(TlsPeer::default(), &[authority.ca()]);
    let old = authority.issue("old.example", |params| {
        (params.not_before, params.not_after) =
            (rcgen::date_time_ymd(2000, 1, 1), rcgen::date_time_ymd(2001, 1, 1));
    });
    says(&server(&old, |_| {}), &trusting, "old.example", "expired on").await;
    let young =
        authority.issue("young.example", |params| params.not_before = rcgen::date_time_ymd(2090, 1, 1));
    says(&server(&young, |_| {}), &trusting, "young.example", "valid only from").await;
    // RFC 5922 §7.2.
    let wild = authority.issue("*.example", |_| {});
    says(&server(&wild, |_| {}), &trusting, "pbx.example", "is for *.example").await;
    let peer = TlsPeer { host: "pbx.example".into(), name: Some("*.example".into()), ..TlsPeer::default() };
    let named = client_of(peer, &[authority.ca()]);
    assert!(shake(&server(&wild, |_| {}), &named, "pbx.example").await.is_ok());
    // RFC 5922 §7.1: a sip: URI counts before DNS names.
    let identity = authority.issue("host1.example", |params| {
        let uri = "sip:example.org".try_into().expect("a URI");
        params.subject_alt_names.push(SanType::URI(uri));
    });
    assert!(shake(&server(&identity, |_| {}), &trusting, "example.org").await.is_ok());
    says(&server(&identity, |_| {}), &trusting, "host1.example", "is for example.org").await;
}

#[tokio::test]
async fn a_pinned_certificate_counts_alone() {
    let (one, two) = (Authority::new(), Authority::new());
    let files = one.issue("pbx.example", |_| {});
    let pbx = server(&files, |_| {});
    let pin = |ca: PathBuf| TlsPeer { host: "10.0.0.9".into(), ca: Some(ca), ..TlsPeer::default() };
    // The certificate itself: whatever its name and issuer are.
    assert!(shake(&pbx, &client_of(pin(files.0.clone()), &[]), "10.0.0.9").await.is_ok());
    // Another authority than the pinned one, even if others are believed.
    says(&pbx, &client_of(pin(two.ca()), &[one.ca()]), "10.0.0.9", "neither in the file").await;
}

#[tokio::test]
async fn clients_without_a_certificate_are_turned_away_where_one_is_required() {
    let authority = Authority::new();
    let pbx = server(&authority.issue("pbx.example", |_| {}), |config| {
        config.client_ca = Some(authority.ca());
        config.require_client_certificate = true;
    });
    let without = client_of(TlsPeer::default(), &[authority.ca()]);
    says(&pbx, &without, "pbx.example", "wants a client certificate").await;
    let peer =
        |files| TlsPeer { host: "pbx.example".into(), client_certificate: Some(files), ..TlsPeer::default() };
    let with = client_of(peer(authority.issue("us.example", |_| {})), &[authority.ca()]);
    assert!(shake(&pbx, &with, "pbx.example").await.is_ok());
    let other = Authority::new();
    let wrong = client_of(peer(other.issue("us.example", |_| {})), &[authority.ca()]);
    says(&pbx, &wrong, "pbx.example", "does not accept our certificate").await;
}

#[tokio::test]
async fn our_own_certificate_is_made_once_and_its_key_is_ours_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let own = |names: &[&str]| OwnCertificate::Folder {
        folder: folder.path().to_owned(),
        names: names.iter().map(|name| (*name).to_owned()).collect(),
    };
    let listeners = [SocketAddr::from(([192, 0, 2, 7], 5061))];
    let config = TlsConfig { certificate: own(&[]), system_roots: false, ..TlsConfig::default() };
    let setup = Setup::load(&config, &listeners).expect("made");
    let (certificate, key) = (folder.path().join("tls-certificate.pem"), folder.path().join("tls-key.pem"));
    let first = std::fs::read(&certificate).expect("there");
    let mode = std::fs::metadata(&key).expect("there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    // Who trusts it reaches us by name and by address.
    let client = client_of(TlsPeer::default(), std::slice::from_ref(&certificate));
    for host in ["localhost", "192.0.2.7", "127.0.0.1"] {
        assert!(shake(&setup, &client, host).await.is_ok(), "{host}");
    }
    let stranger = client_of(TlsPeer::default(), &[]);
    says(&setup, &stranger, "localhost", "self-signed").await;
    Setup::load(&config, &listeners).expect("read");
    assert_eq!(std::fs::read(&certificate).expect("there"), first);
}

#[test]
fn unusable_files_are_named() {
    let authority = Authority::new();
    let (one, two) = (authority.issue("one.example", |_| {}), authority.issue("two.example", |_| {}));
    let load = |certificate: &Path, key: &Path| {
        let certificate = OwnCertificate::Files { certificate: certificate.to_owned(), key: key.to_owned() };
        Setup::load(&TlsConfig { certificate, ..TlsConfig::default() }, &[]).err().expect("unusable")
    };
    assert!(load(Path::new("/nowhere.pem"), &one.1).contains("/nowhere.pem"));
    assert!(load(&one.0, &one.0).contains("no private key"));
    assert!(load(&one.1, &one.1).contains("no certificate"));
    assert!(load(&one.0, &two.1).contains("does not belong"));
    let listener = [SocketAddr::from(([127, 0, 0, 1], 5061))];
    assert!(
        Setup::load(&TlsConfig::default(), &listener).err().expect("none").contains("needs a certificate")
    );
}
