//! TLS of the listeners: rustls, with certificates that are read again when their files change.
//!
//! Connections that stand keep what they began with; each new one gets the newest pair that was good. A bad new one is
//! told and changes nothing.

use super::files::{self, Watched};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject as _};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::{VerifierBuilderError, WebPkiClientVerifier};
use tokio_rustls::rustls::{self, RootCertStore, ServerConfig};

/// Where the TLS of a listener comes from: files in PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The server's certificate, and those between it and a root.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// Who signs the certificates of clients; without it none is asked for.
    pub client_ca: Option<PathBuf>,
    /// Whether a client without a certificate is turned away.
    pub client_required: bool,
}

/// Why there is no TLS as the files say.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// A file cannot be read.
    #[error("read {}: {source}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// A file does not hold what it should.
    #[error("{}: no {what} in PEM: {source}", path.display())]
    Pem {
        /// Which.
        path: PathBuf,
        /// What it should hold.
        what: &'static str,
        /// What is wrong.
        source: pem::Error,
    },
    /// The certificate of the server, with its key, is of no use.
    #[error("{} with {}: {source}", certificate.display(), key.display())]
    Pair {
        /// The certificate.
        certificate: PathBuf,
        /// Its key.
        key: PathBuf,
        /// Why not.
        source: rustls::Error,
    },
    /// The signers of clients are of no use.
    #[error("{}: {source}", path.display())]
    Signers {
        /// Which file.
        path: PathBuf,
        /// Why not.
        source: VerifierBuilderError,
    },
    /// A signer of clients is of no use.
    #[error("{}: {source}", path.display())]
    Signer {
        /// Which file.
        path: PathBuf,
        /// Why not.
        source: rustls::Error,
    },
}

/// The TLS of a listener as its files say now.
#[derive(Debug)]
pub(super) struct Certificates {
    files: TlsFiles,
    protocols: &'static [&'static [u8]],
    current: RwLock<Arc<ServerConfig>>,
    watched: Mutex<Watched>,
}

impl Certificates {
    /// Reads the files. `protocols` are those of ALPN, the best first.
    pub(super) fn load(files: TlsFiles, protocols: &'static [&'static [u8]]) -> Result<Self, TlsError> {
        let mut paths = vec![files.certificate.clone(), files.key.clone()];
        paths.extend(files.client_ca.clone());
        let watched = Mutex::new(Watched::new(paths));
        let current = RwLock::new(Arc::new(read(&files, protocols)?));
        Ok(Self { files, protocols, current, watched })
    }

    /// For the next connection.
    pub(super) fn current(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Reads the files again when they changed, or when `anyway`. Returns whether the new ones are good.
    pub(super) fn look(&self, anyway: bool) -> Option<bool> {
        let changed = self.watched.lock().unwrap_or_else(PoisonError::into_inner).changed();
        if !changed && !anyway {
            return None;
        }
        let certificate = self.files.certificate.display();
        match read(&self.files, self.protocols) {
            Ok(new) => {
                *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(new);
                tracing::info!(%certificate, "certificate read again");
                Some(true)
            }
            Err(error) => {
                tracing::warn!(%certificate, %error, "the new certificate is of no use, the old one stays");
                Some(false)
            }
        }
    }
}

fn read(files: &TlsFiles, protocols: &[&[u8]]) -> Result<ServerConfig, TlsError> {
    let chain = certificates(&files.certificate)?;
    let wrong = |source| TlsError::Pem { path: files.key.clone(), what: "private key", source };
    let key = PrivateKeyDer::from_pem_slice(&text(&files.key)?).map_err(wrong)?;
    let pair =
        |source| TlsError::Pair { certificate: files.certificate.clone(), key: files.key.clone(), source };
    let provider = Arc::new(ring::default_provider());
    let config = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(pair)?;
    let config = match &files.client_ca {
        None => config.with_no_client_auth(),
        Some(path) => {
            let mut roots = RootCertStore::empty();
            for signer in certificates(path)? {
                roots.add(signer).map_err(|source| TlsError::Signer { path: path.clone(), source })?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            let verifier = if files.client_required { verifier } else { verifier.allow_unauthenticated() };
            let verifier =
                verifier.build().map_err(|source| TlsError::Signers { path: path.clone(), source })?;
            config.with_client_cert_verifier(verifier)
        }
    };
    let mut config = config.with_single_cert(chain, key).map_err(pair)?;
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    Ok(config)
}

fn text(path: &Path) -> Result<Vec<u8>, TlsError> {
    files::read(path).map_err(|source| TlsError::Read { path: path.to_owned(), source })
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let wrong = |source| TlsError::Pem { path: path.to_owned(), what: "certificate", source };
    let all: Vec<_> =
        CertificateDer::pem_slice_iter(&text(path)?).collect::<Result<_, _>>().map_err(wrong)?;
    if all.is_empty() { Err(wrong(pem::Error::NoItemsFound)) } else { Ok(all) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    /// A certificate for `localhost` and its key, both in PEM.
    fn pair() -> (String, String) {
        let pair = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        (pair.cert.pem(), pair.signing_key.serialize_pem())
    }

    #[test]
    fn a_bad_new_pair_leaves_the_old_one() {
        let folder = tempfile::tempdir().unwrap();
        let files = TlsFiles {
            certificate: folder.path().join("cert.pem"),
            key: folder.path().join("key.pem"),
            client_ca: None,
            client_required: false,
        };
        let (certificate, key) = pair();
        fs::write(&files.certificate, &certificate).unwrap();
        assert!(matches!(Certificates::load(files.clone(), &[]), Err(TlsError::Read { .. })), "no key");
        fs::write(&files.key, &certificate).unwrap();
        assert!(matches!(Certificates::load(files.clone(), &[]), Err(TlsError::Pem { .. })), "no key in it");
        fs::write(&files.key, &key).unwrap();
        let certificates = Certificates::load(files.clone(), &[b"h2"]).unwrap();
        let first = certificates.current();
        assert_eq!(first.alpn_protocols, [b"h2"]);
        assert_eq!(certificates.look(false), None);

        let (other, other_key) = pair();
        fs::write(&files.certificate, other).unwrap();
        assert_eq!(certificates.look(true), Some(false), "the key is not this certificate's");
        assert!(Arc::ptr_eq(&first, &certificates.current()));
        fs::write(&files.key, other_key).unwrap();
        assert_eq!(certificates.look(true), Some(true));
        assert!(!Arc::ptr_eq(&first, &certificates.current()));
    }

    #[test]
    fn signers_of_clients_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let files = TlsFiles {
            certificate: path("cert.pem"),
            key: path("key.pem"),
            client_ca: Some(path("ca.pem")),
            client_required: true,
        };
        let (certificate, key) = pair();
        fs::write(&files.certificate, &certificate).unwrap();
        fs::write(&files.key, key).unwrap();
        fs::write(path("ca.pem"), "").unwrap();
        assert!(matches!(Certificates::load(files.clone(), &[]), Err(TlsError::Pem { .. })));
        fs::write(path("ca.pem"), certificate).unwrap();
        assert!(Certificates::load(files, &[]).is_ok());
    }
}
