//! TLS of a provider: its certificate is judged, and the look goes on.
//!
//! What is sent afterwards is secret to nobody, so an unfit certificate does not
//! end the look: it is what was found.

use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::aws_lc_rs;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::TlsConnector;

/// What was seen of TLS.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen {
    /// Whether a handshake came to an end of which anything was seen.
    pub(super) certificate: Option<Result<(), &'static str>>,
    /// `1.2` or `1.3`.
    pub(super) version: Option<&'static str>,
}

/// Judges certificates and writes down what it thinks of them.
#[derive(Debug)]
pub(super) struct Watch {
    judge: Arc<WebPkiServerVerifier>,
    seen: Mutex<Seen>,
}

impl Watch {
    /// With these authorities.
    ///
    /// # Errors
    /// There is no authority.
    pub(super) fn new(roots: RootCertStore) -> Result<Arc<Self>, Error> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let judge = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider)
            .build()
            .map_err(|error| Error::General(error.to_string()))?;
        Ok(Arc::new(Self { judge, seen: Mutex::default() }))
    }

    /// What was seen last.
    pub(super) fn seen(&self) -> Seen {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn note(&self, change: impl FnOnce(&mut Seen)) {
        change(&mut self.seen.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// A connector that takes any certificate and tells this watch of it.
    ///
    /// # Errors
    /// The library has no protocol version in common with itself.
    pub(super) fn connector(self: &Arc<Self>) -> Result<TlsConnector, Error> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .dangerous()
            .with_custom_certificate_verifier(self.clone())
            .with_no_client_auth();
        Ok(TlsConnector::from(Arc::new(config)))
    }
}

/// Why a certificate is unfit, in words that go on after "its certificate".
fn unfit(error: &Error) -> &'static str {
    let Error::InvalidCertificate(error) = error else { return "cannot be read" };
    match error {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "has expired",
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "is not valid yet"
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "is for another name"
        }
        CertificateError::BadSignature => "is not signed by whom it names",
        CertificateError::UnknownIssuer => "is of nobody who is known here",
        CertificateError::Revoked => "was revoked",
        _ => "is not fit for a server",
    }
}

impl ServerCertVerifier for Watch {
    fn verify_server_cert(
        &self,
        end: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let judged = self.judge.verify_server_cert(end, between, name, ocsp, now);
        self.note(|seen| {
            seen.certificate = Some(judged.map(|_| ()).map_err(|error| unfit(&error)));
        });
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.note(|seen| seen.version = Some("1.2"));
        self.judge.verify_tls12_signature(message, cert, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.note(|seen| seen.version = Some("1.3"));
        self.judge.verify_tls13_signature(message, cert, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.judge.supported_verify_schemes()
    }
}
