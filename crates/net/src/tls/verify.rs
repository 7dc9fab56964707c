//! Whether a server is the one that we mean to talk to, and if not, why in one sentence.
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, OtherError, RootCertStore, SignatureScheme};
use std::net::IpAddr;
use std::sync::Arc;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

/// Believes a chain that ends in one of the authorities and bears the right name (RFC 5922 §7), or exactly one of
/// the pinned certificates.
#[derive(Debug)]
pub(crate) struct Verifier {
    pub(crate) roots: Arc<RootCertStore>,
    pub(crate) pinned: Vec<CertificateDer<'static>>,
    /// `roots` and `pinned` were named for this peer.
    pub(crate) is_own: bool,
    /// The name that is wanted in place of the URI's host.
    pub(crate) name: Option<String>,
    pub(crate) algorithms: WebPkiSupportedAlgorithms,
}

/// Why not; a sentence for the administrator.
#[derive(Debug)]
pub(crate) struct Refused(pub(crate) String);

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Refused {}

fn refused(sentence: String) -> Error {
    Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(Refused(sentence)))))
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let host = server_name.to_str().into_owned();
        let unreadable = || refused(format!("the certificate of {host} cannot be read"));
        let (_, seen) = X509Certificate::from_der(end_entity).map_err(|_| unreadable())?;
        let (from, until) = (seen.validity().not_before, seen.validity().not_after);
        let seconds = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
        if seconds > until.timestamp() {
            return Err(refused(format!(
                "the certificate of {host} expired on {until}: it must be renewed there"
            )));
        }
        if seconds < from.timestamp() {
            return Err(refused(format!(
                "the certificate of {host} is valid only from {from} on: one of the two clocks is wrong"
            )));
        }
        // Who pins a certificate need not care for its issuer nor its names.
        if self.pinned.iter().any(|pinned| pinned.as_ref() == end_entity.as_ref()) {
            return Ok(ServerCertVerified::assertion());
        }
        let parsed = ParsedCertificate::try_from(end_entity).map_err(|_| unreadable())?;
        verify_server_cert_signed_by_trust_anchor(
            &parsed,
            &self.roots,
            intermediates,
            now,
            self.algorithms.all,
        )
        .map_err(|error| refused(self.distrust(&host, &seen, &error)))?;
        let wanted = self.name.as_deref().unwrap_or(&host);
        let names = names(&seen);
        if names.iter().any(|name| is_same(name, wanted)) {
            return Ok(ServerCertVerified::assertion());
        }
        let bears = if names.is_empty() { "no name at all".to_owned() } else { names.join(", ") };
        Err(refused(format!(
            "the certificate of {host} is for {bears} and not for {wanted}: use the name that it bears, or have it \
             made anew"
        )))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

impl Verifier {
    fn distrust(&self, host: &str, seen: &X509Certificate<'_>, error: &Error) -> String {
        // A bad signature: an authority of the same name, but not the same.
        use CertificateError::{BadSignature, UnknownIssuer};
        let Error::InvalidCertificate(UnknownIssuer | BadSignature) = error else {
            return format!("the certificate of {host} is not accepted: {error}");
        };
        if self.is_own {
            return format!(
                "the certificate of {host} is neither in the file that the configuration names for it nor issued by \
                 an authority in it"
            );
        }
        if seen.subject() == seen.issuer() {
            return format!(
                "the certificate of {host} is self-signed: if it is the right one, put it in a file and name that as \
                 the trunk's `ca`"
            );
        }
        format!(
            "the certificate of {host} was issued by {}, whom this machine does not know: name that authority's \
             certificate as the trunk's `ca`",
            seen.issuer()
        )
    }
}

/// The SIP identities of a certificate (RFC 5922 §7.1): its `sip:` URIs, or if there are none its DNS names and
/// addresses, or if it has no alternative names the common name.
fn names(certificate: &X509Certificate<'_>) -> Vec<String> {
    let (mut uris, mut others) = (Vec::new(), Vec::new());
    let extension = certificate.subject_alternative_name().ok().flatten();
    for name in extension.iter().flat_map(|extension| &extension.value.general_names) {
        match name {
            GeneralName::URI(uri) => {
                if let Some(("sip", domain)) = uri.split_once(':')
                    && !domain.contains('@')
                {
                    uris.push(domain.to_owned());
                }
            }
            GeneralName::DNSName(name) => others.push((*name).to_owned()),
            GeneralName::IPAddress(octets) => {
                let v4 = <[u8; 4]>::try_from(*octets).map(IpAddr::from);
                let v6 = <[u8; 16]>::try_from(*octets).map(IpAddr::from);
                others.extend(v4.or(v6).map(|ip| ip.to_string()));
            }
            _ => {}
        }
    }
    // An address is not the business of SIP domains: it counts beside them.
    if !uris.is_empty() {
        uris.extend(others.into_iter().filter(|name| name.parse::<IpAddr>().is_ok()));
        return uris;
    }
    if others.is_empty() && extension.is_none() {
        let common = certificate.subject().iter_common_name().filter_map(|name| name.as_str().ok());
        return common.map(str::to_owned).collect();
    }
    others
}

/// Names are the same in either case and with or without the final dot; wildcards match nothing but themselves
/// (RFC 5922 §7.2).
fn is_same(name: &str, wanted: &str) -> bool {
    let bare = |text: &str| text.trim_end_matches('.').to_ascii_lowercase();
    bare(name) == bare(wanted)
}

/// A failed handshake as one sentence.
pub(crate) fn sentence(host: &str, error: &std::io::Error) -> String {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
    match inner {
        Some(Error::InvalidCertificate(CertificateError::Other(OtherError(refused)))) => refused.to_string(),
        Some(Error::InvalidMessage(_)) => {
            format!("{host} does not speak TLS on this port: check the port, or set the transport to tcp")
        }
        Some(Error::AlertReceived(alert)) => {
            let alert = format!("{alert:?}");
            match alert.as_str() {
                "UnknownCA"
                | "BadCertificate"
                | "CertificateUnknown"
                | "CertificateExpired"
                | "UnsupportedCertificate"
                | "AccessDenied"
                | "DecryptError" => format!(
                    "{host} does not accept our certificate ({alert}): it must be told to trust the certificate that \
                     we show"
                ),
                "CertificateRequired" => format!(
                    "{host} wants a client certificate: name one for this trunk, or switch that off there"
                ),
                "ProtocolVersion" => {
                    format!("{host} speaks neither TLS 1.2 nor TLS 1.3: it must be updated")
                }
                _ => format!("{host} broke off the TLS handshake ({alert})"),
            }
        }
        Some(Error::PeerIncompatible(why)) => {
            format!("{host} and we have no TLS version or cipher in common ({why:?})")
        }
        Some(error) => format!("the TLS handshake with {host} failed: {error}"),
        None if error.kind() == std::io::ErrorKind::UnexpectedEof => {
            format!("{host} closed the connection during the TLS handshake")
        }
        None => format!("the TLS handshake with {host} failed: {error}"),
    }
}
