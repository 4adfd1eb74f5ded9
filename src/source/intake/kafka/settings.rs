//! What a file says of topics, and what is read from other files before the sensor locks itself in.

use super::tls::{TlsError, tls};
use super::{Access, Begin, Kafka, Login, Mechanism};
use crate::secret::Sensitive;
use crate::source::intake::Settled;
use std::io;
use std::path::PathBuf;
use zeroize::Zeroizing;

/// Topics that are read, and as whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KafkaSettings {
    /// Brokers to begin with, as host and port; they name the others.
    pub brokers: Vec<(String, u16)>,
    /// Further ports that brokers have: the sandbox lets the sensor connect to these and those of `brokers`.
    pub ports: Vec<u16>,
    /// The topics.
    pub topics: Vec<String>,
    /// The consumer group.
    pub group: String,
    /// A name of this member that stays.
    pub instance: Option<String>,
    /// Where a partition begins that neither the state nor the group knows.
    pub from: Begin,
    /// When an offset is committed.
    pub commit: Settled,
    /// TLS, when it is to be used.
    pub tls: Option<TlsSettings>,
    /// Who we are, when it is asked for.
    pub sasl: Option<Sasl>,
}

/// Whom we trust, and who we are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsSettings {
    /// Authorities to trust in place of the system's.
    pub ca: Option<PathBuf>,
    /// What to show when asked who we are.
    pub identity: Option<Identity>,
}

/// Files of a certificate and its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The certificate, and those between it and its authority.
    pub cert: PathBuf,
    /// Its key.
    pub key: PathBuf,
}

/// A name, and the file of its password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sasl {
    /// How it is shown.
    pub mechanism: Mechanism,
    /// The name.
    pub user: String,
    /// The password's file; a line end behind it does not belong to it.
    pub password_file: PathBuf,
}

/// Why topics cannot be read at all.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KafkaError {
    /// There is no TLS.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The password cannot be read.
    #[error("{}: {source}", path.display())]
    Password {
        /// Its file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

impl KafkaSettings {
    /// Reads the password and the certificates. Nothing is sent yet, and no thread is started.
    pub fn open(&self) -> Result<Kafka, KafkaError> {
        let tls = self.tls.as_ref().map(|settings| {
            let identity = settings.identity.as_ref();
            let identity = identity.map(|identity| (identity.cert.as_path(), identity.key.as_path()));
            tls(settings.ca.as_deref(), identity)
        });
        let login = self.sasl.as_ref().map(|sasl| {
            let path = &sasl.password_file;
            let password = std::fs::read_to_string(path).map(Zeroizing::new);
            let password = password.map_err(|source| KafkaError::Password { path: path.clone(), source })?;
            let password = Zeroizing::new(password.trim_end_matches(['\r', '\n']).to_owned());
            let password = Sensitive::new(password);
            Ok::<_, KafkaError>(Login { mechanism: sasl.mechanism, user: sasl.user.clone(), password })
        });
        Ok(Kafka {
            brokers: self.brokers.clone(),
            topics: self.topics.clone(),
            group: self.group.clone(),
            instance: self.instance.clone(),
            from: self.from,
            commit: self.commit,
            access: Access { tls: tls.transpose()?, login: login.transpose()? },
        })
    }

    /// The ports that brokers are reached at.
    pub fn connect(&self) -> impl Iterator<Item = u16> {
        self.brokers.iter().map(|(_, port)| *port).chain(self.ports.iter().copied())
    }
}
