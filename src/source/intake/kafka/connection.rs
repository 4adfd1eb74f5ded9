//! A connection to a broker: TCP or TLS, who we are, and one request after the other.

use super::scram::{Hash, Scram, ScramError};
use super::wire::{self, Api, Code, Malformed, Reader, Writer};
use crate::secret::Sensitive;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::rand::{SecureRandom, SystemRandom};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};
use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::time::{Duration, Instant};
use zeroize::Zeroizing;

/// The longest response that is taken.
const MAX_RESPONSE: usize = 128 << 20;
/// How long a broker may take to be reached.
const REACH: Duration = Duration::from_secs(5);
/// How long a request may take to be sent.
const SEND: Duration = Duration::from_secs(10);
/// How long an answer may take that needs no waiting.
pub(super) const ANSWER: Duration = Duration::from_secs(20);
/// How often whoever waits looks whether the sensor ends.
const LOOK: Duration = Duration::from_millis(200);
/// Bytes read at a time.
const PIECE: usize = 64 << 10;
/// What we call ourselves.
const CLIENT: &str = "spanlight";

/// How brokers are reached, and who we are to them.
#[derive(Clone, Default)]
pub struct Access {
    /// TLS, when it is to be used.
    pub tls: Option<Arc<ClientConfig>>,
    /// Who we are, when it is asked for.
    pub login: Option<Login>,
}

impl std::fmt::Debug for Access {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Access(TLS: {}, {:?})", self.tls.is_some(), self.login)
    }
}

/// A name with its password.
#[derive(Clone, Debug)]
pub struct Login {
    /// How it is shown.
    pub mechanism: Mechanism,
    /// The name.
    pub user: String,
    /// The password.
    pub password: Sensitive<Zeroizing<String>>,
}

/// How a password is shown to a broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mechanism {
    /// As it is.
    Plain,
    /// By a proof with SHA-256.
    ScramSha256,
    /// By a proof with SHA-512.
    ScramSha512,
}

impl Mechanism {
    const fn name(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::ScramSha256 => "SCRAM-SHA-256",
            Self::ScramSha512 => "SCRAM-SHA-512",
        }
    }
}

/// What is wrong with a broker.
#[derive(Debug, thiserror::Error)]
pub(super) enum Trouble {
    /// It is not reached.
    #[error("{host}:{port} is not reached: {source}")]
    Reach { host: String, port: u16, source: io::Error },
    /// The connection broke.
    #[error("the connection to the broker broke: {0}")]
    Broken(#[from] io::Error),
    /// The broker is not the one it should be, or TLS fails in another way.
    #[error("TLS with {host}: {source}")]
    Tls { host: String, source: rustls::Error },
    /// The connection ended.
    #[error("the broker closed the connection{}", if *.during_login { " when it was told who we are" } else { "" })]
    Closed { during_login: bool },
    /// It does not answer.
    #[error("the broker does not answer to {0}")]
    Silent(&'static str),
    /// It answers what nobody understands.
    #[error("{0}: {1}")]
    Malformed(&'static str, Malformed),
    /// The answer is longer than what is held.
    #[error("an answer of {length} bytes is longer than the {MAX_RESPONSE} that are taken")]
    TooLong { length: usize },
    /// It is too old, or something else.
    #[error("the broker does not speak {} version {}: Kafka 2.3 or later does", .0.name, .0.version)]
    Lacks(Api),
    /// It refuses.
    #[error("{0}: {1}")]
    Refused(&'static str, Code),
    /// The broker cannot be trusted with the proof, or does not accept it.
    #[error(transparent)]
    Scram(#[from] ScramError),
    /// No name of a host.
    #[error("{0} is no name of a host")]
    Name(String),
    /// The system has no random numbers.
    #[error("there are no random numbers")]
    Random,
    /// The sensor ends.
    #[error("the sensor ends")]
    Ending,
}

/// The edge's clock.
#[expect(clippy::disallowed_methods, reason = "an edge: patience with a broker is no packet's time")]
pub(super) fn now() -> Instant {
    Instant::now()
}

/// Whether it is only not yet.
fn waits(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted)
}

enum Stream {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

/// A connection on which a broker knows who we are.
pub(super) struct Connection {
    stream: Stream,
    last: i32,
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Connection({} requests)", self.last)
    }
}

impl Connection {
    /// Reaches a broker and tells it who we are. `ending` says whether to give up.
    pub(super) fn open(
        host: &str,
        port: u16,
        access: &Access,
        ending: &dyn Fn() -> bool,
    ) -> Result<Self, Trouble> {
        let reach = |source| Trouble::Reach { host: host.to_owned(), port, source };
        let mut reached = Err(io::ErrorKind::AddrNotAvailable.into());
        for address in (host, port).to_socket_addrs().map_err(reach)? {
            if ending() {
                return Err(Trouble::Ending);
            }
            reached = TcpStream::connect_timeout(&address, REACH);
            if reached.is_ok() {
                break;
            }
        }
        let tcp = reached.map_err(reach)?;
        tcp.set_nodelay(true)?;
        tcp.set_read_timeout(Some(LOOK))?;
        tcp.set_write_timeout(Some(SEND))?;
        let stream = match &access.tls {
            Some(config) => {
                let name =
                    ServerName::try_from(host.to_owned()).map_err(|_| Trouble::Name(host.to_owned()))?;
                let tls = ClientConnection::new(Arc::clone(config), name)
                    .map_err(|source| Trouble::Tls { host: host.to_owned(), source })?;
                Stream::Tls(Box::new(StreamOwned::new(tls, tcp)))
            }
            None => Stream::Plain(tcp),
        };
        let mut connection = Self { stream, last: 0 };
        connection.greet(access, ending).map_err(|trouble| match trouble {
            // rustls hands its errors through the stream.
            Trouble::Broken(error) => match error.get_ref().and_then(|inner| inner.downcast_ref()) {
                Some(source) => Trouble::Tls { host: host.to_owned(), source: rustls::Error::clone(source) },
                None => Trouble::Broken(error),
            },
            other => other,
        })?;
        Ok(connection)
    }

    fn greet(&mut self, access: &Access, ending: &dyn Fn() -> bool) -> Result<(), Trouble> {
        let versions = self.call(wire::API_VERSIONS, &[], ANSWER, ending)?;
        wire::check_versions(&versions, access.login.is_some())
            .map_err(|malformed| Trouble::Malformed(wire::API_VERSIONS.name, malformed))?
            .map_err(Trouble::Lacks)?;
        let Some(login) = &access.login else { return Ok(()) };
        self.log_in(login, ending).map_err(|trouble| match trouble {
            Trouble::Closed { .. } => Trouble::Closed { during_login: true },
            other => other,
        })
    }

    fn log_in(&mut self, login: &Login, ending: &dyn Fn() -> bool) -> Result<(), Trouble> {
        let mut body = Writer::default();
        body.string(login.mechanism.name());
        let answer = self.call(wire::SASL_HANDSHAKE, &body.0, ANSWER, ending)?;
        let api = wire::SASL_HANDSHAKE.name;
        let code = Reader(&answer).code().map_err(|malformed| Trouble::Malformed(api, malformed))?;
        code.check().map_err(|code| Trouble::Refused(api, code))?;
        let password = login.password.expose().as_str();
        let hash = match login.mechanism {
            Mechanism::Plain => {
                let shown = Zeroizing::new(format!("\0{}\0{password}", login.user));
                return self.show(shown.as_bytes(), ending).map(drop);
            }
            Mechanism::ScramSha256 => Hash::Sha256,
            Mechanism::ScramSha512 => Hash::Sha512,
        };
        let mut nonce = [0; 24];
        SystemRandom::new().fill(&mut nonce).map_err(|_| Trouble::Random)?;
        let scram = Scram::start(hash, &login.user, STANDARD.encode(nonce));
        let answer = self.show(scram.first().as_bytes(), ending)?;
        let (proof, proven) = scram.prove(&answer, password)?;
        let answer = self.show(proof.as_bytes(), ending)?;
        Ok(proven.check(&answer)?)
    }

    /// A step of the login, with the broker's answer.
    fn show(&mut self, bytes: &[u8], ending: &dyn Fn() -> bool) -> Result<String, Trouble> {
        let api = wire::SASL_AUTHENTICATE;
        let mut body = Writer::default();
        body.bytes(bytes);
        let answer = self.call(api, &body.0, ANSWER, ending)?;
        let malformed = |malformed| Trouble::Malformed(api.name, malformed);
        let mut reader = Reader(&answer);
        let code = reader.code().map_err(malformed)?;
        reader.nullable().map_err(malformed)?;
        code.check().map_err(|code| Trouble::Refused("the login", code))?;
        let bytes = reader.bytes().map_err(malformed)?;
        String::from_utf8(bytes.to_vec()).map_err(|_| malformed(Malformed))
    }

    /// Sends a request and waits for its answer, without the head.
    pub(super) fn call(
        &mut self,
        api: Api,
        body: &[u8],
        patience: Duration,
        ending: &dyn Fn() -> bool,
    ) -> Result<Vec<u8>, Trouble> {
        self.last = self.last.wrapping_add(1);
        let mut frame = Writer::default();
        frame.i16(api.key).i16(api.version).i32(self.last).string(CLIENT);
        frame.0.extend_from_slice(body);
        let mut sent = Writer::default();
        sent.bytes(&frame.0);
        self.write(&sent.0, api.name, ending)?;
        let until = now() + patience;
        let length = self.read(4, until, api.name, ending)?;
        let length = Reader(&length).i32().ok().and_then(|length| usize::try_from(length).ok());
        let length = length.ok_or(Trouble::Malformed(api.name, Malformed))?;
        if length > MAX_RESPONSE {
            return Err(Trouble::TooLong { length });
        }
        let mut answer = self.read(length, until, api.name, ending)?;
        match answer.split_first_chunk() {
            Some((number, _)) if i32::from_be_bytes(*number) == self.last => {
                answer.drain(..4);
                Ok(answer)
            }
            Some(_) | None => Err(Trouble::Malformed(api.name, Malformed)),
        }
    }

    /// Sends all of it. In TLS that may mean to wait for the other side first.
    fn write(
        &mut self,
        mut bytes: &[u8],
        what: &'static str,
        ending: &dyn Fn() -> bool,
    ) -> Result<(), Trouble> {
        let until = now() + SEND;
        loop {
            let written = match &mut self.stream {
                Stream::Plain(stream) => stream.write(bytes),
                Stream::Tls(stream) if bytes.is_empty() => stream.flush().map(|()| 0),
                Stream::Tls(stream) => stream.write(bytes),
            };
            match written {
                Ok(count) => {
                    let is_flushed = bytes.is_empty() || matches!(self.stream, Stream::Plain(_));
                    bytes = bytes.get(count..).unwrap_or_default();
                    if bytes.is_empty() && is_flushed {
                        return Ok(());
                    }
                }
                Err(error) if waits(&error) => {}
                Err(error) => return Err(error.into()),
            }
            if ending() {
                return Err(Trouble::Ending);
            }
            if now() >= until {
                return Err(Trouble::Silent(what));
            }
        }
    }

    /// Reads exactly so many bytes.
    fn read(
        &mut self,
        length: usize,
        until: Instant,
        what: &'static str,
        ending: &dyn Fn() -> bool,
    ) -> Result<Vec<u8>, Trouble> {
        let mut bytes = Vec::new();
        while bytes.len() < length {
            let have = bytes.len();
            bytes.resize(length.min(have + PIECE), 0);
            let room = bytes.get_mut(have..).unwrap_or_default();
            let read = match &mut self.stream {
                Stream::Plain(stream) => stream.read(room),
                Stream::Tls(stream) => stream.read(room),
            };
            match read {
                Ok(0) => return Err(Trouble::Closed { during_login: false }),
                Ok(count) => bytes.truncate(have + count),
                Err(error) if waits(&error) => bytes.truncate(have),
                Err(error) => return Err(error.into()),
            }
            if ending() {
                return Err(Trouble::Ending);
            }
            if bytes.len() < length && now() >= until {
                return Err(Trouble::Silent(what));
            }
        }
        Ok(bytes)
    }
}
