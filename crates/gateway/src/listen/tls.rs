//! TLS by rustls, with aws-lc-rs and nothing older than TLS 1.2.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::ServerConfig;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use surgewall_core::config::schema::Tls;
use surgewall_core::files;
use surgewall_core::limits::CREDENTIAL_FILE_BYTES_MAX;
use tokio_rustls::TlsAcceptor;

/// The public listener cannot speak TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("{} cannot be read: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Other users of the machine can read the key.
    #[error("{} can be read by other users: chmod 600 it", path.display())]
    WorldReadable {
        /// The file.
        path: PathBuf,
    },
    /// The file holds no PEM of the kind.
    #[error("{} holds no {what} in PEM form", path.display())]
    NoPem {
        /// The file.
        path: PathBuf,
        /// `certificate` or `private key`.
        what: &'static str,
    },
    /// Certificate and key do not go together.
    #[error("the certificate and the key do not go together: {0}")]
    Mismatch(#[from] rustls::Error),
}

/// An acceptor for the certificate and key that `tls` names.
///
/// # Errors
/// A file that cannot be read or parsed, a key that others can read, or two
/// that do not belong together.
pub fn acceptor(tls: &Tls) -> Result<TlsAcceptor, TlsError> {
    let cert_pem = read(&tls.cert_file)?;
    let no_pem = |path: &Path, what| TlsError::NoPem { path: path.to_owned(), what };
    let chain = CertificateDer::pem_slice_iter(&cert_pem)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|_| no_pem(&tls.cert_file, "certificate"))?;
    if chain.is_empty() {
        return Err(no_pem(&tls.cert_file, "certificate"));
    }
    refuse_world_readable(&tls.key_file)?;
    let key = PrivateKeyDer::from_pem_slice(&read(&tls.key_file)?)
        .map_err(|_| no_pem(&tls.key_file, "private key"))?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    files::read_bounded(path, CREDENTIAL_FILE_BYTES_MAX)
        .map_err(|source| TlsError::Read { path: path.to_owned(), source })
}

fn refuse_world_readable(path: &Path) -> Result<(), TlsError> {
    use std::os::unix::fs::PermissionsExt as _;
    let found = std::fs::metadata(path)
        .map_err(|source| TlsError::Read { path: path.to_owned(), source })?;
    if found.permissions().mode() & 0o077 == 0 {
        Ok(())
    } else {
        Err(TlsError::WorldReadable { path: path.to_owned() })
    }
}
