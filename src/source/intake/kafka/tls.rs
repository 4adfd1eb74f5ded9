//! Whom we trust, and who we are, when brokers are reached over TLS.

use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// A file cannot be read.
    #[error("{}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why not.
        source: pem::Error,
    },
    /// Nobody is trusted.
    #[error("{0} holds no certificate that can be trusted")]
    NoRoots(String),
    /// The certificate and key are not fit for TLS.
    #[error("{}: {source}", path.display())]
    Identity {
        /// The certificate's file.
        path: PathBuf,
        /// What is wrong.
        source: rustls::Error,
    },
}

/// TLS that trusts the authorities in `ca`, else those of the system, and shows the certificates and key in `identity`. The
/// files are read once.
pub(super) fn tls(
    ca: Option<&Path>,
    identity: Option<(&Path, &Path)>,
) -> Result<Arc<ClientConfig>, TlsError> {
    let mut roots = RootCertStore::empty();
    let (trusted, place) = if let Some(path) = ca {
        (certificates(path)?, path.display().to_string())
    } else {
        (rustls_native_certs::load_native_certs().certs, "the system's store".to_owned())
    };
    roots.add_parsable_certificates(trusted);
    if roots.is_empty() {
        return Err(TlsError::NoRoots(place));
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring has what TLS 1.2 and 1.3 need")
        .with_root_certificates(roots);
    let config = match identity {
        Some((path, key)) => {
            let key = PrivateKeyDer::from_pem_file(key)
                .map_err(|source| TlsError::File { path: key.to_owned(), source })?;
            builder
                .with_client_auth_cert(certificates(path)?, key)
                .map_err(|source| TlsError::Identity { path: path.to_owned(), source })?
        }
        None => builder.with_no_client_auth(),
    };
    Ok(Arc::new(config))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let file = |source| TlsError::File { path: path.to_owned(), source };
    CertificateDer::pem_file_iter(path).map_err(file)?.collect::<Result<_, _>>().map_err(file)
}
