//! The ways in that listen: what clients push to a sensor that runs.
//!
//! ```text
//!  Listen ─▶ Bound::new: ports, certificates, tokens ─▶ (privileges are dropped) ─▶ Way::run: one thread
//!
//!  client ─▶ place ─▶ TLS ─▶ syslog | HTTP | Envoy ─▶ Handover ─▶ Courier
//! ```
//!
//! One thread serves all connections of a way in. A client is a stranger: connections are bounded in all and for each address, and so is
//! all that one can make the sensor hold or wait for; what goes wrong with one ends it alone. Peers are named by their
//! address, and of what they send nothing is told.

mod budget;
mod certificates;
mod drops;
mod envoy;
mod files;
mod handover;
mod http;
mod lines;
mod places;
mod rate;
mod serving;
mod syslog;
mod tokens;

pub use certificates::{TlsError, TlsFiles};
pub use places::Connections;
pub use tokens::TokenError;

use super::{Hand, UNIT_BYTES, Way};
use certificates::Certificates;
use handover::Handover;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use places::Places;
use serving::Activity;
use std::convert::Infallible;
use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokens::Tokens;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::{Notify, mpsc, watch};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

/// How often it is looked whether the sensor ends.
const LOOK: Duration = Duration::from_millis(100);
/// How often files are looked at: certificates, tokens.
const LOOK_AT_FILES: Duration = Duration::from_secs(2);
/// How long the system is left alone after it refused a connection.
const PAUSE: Duration = Duration::from_millis(200);
/// How long the greeting of TLS may take.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// After how long a silent connection is asked whether its peer is still there.
const KEEP_ALIVE: Duration = Duration::from_secs(60);
/// Threads for what blocks: the last units at the end, decompression.
const BLOCKING: usize = 4;

/// A way in, as `logs:` describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listen {
    /// Syslog.
    Syslog(Syslog),
    /// Batches of lines and of spans over HTTP.
    Http(Http),
    /// Envoy's access log service over gRPC.
    EnvoyAls(EnvoyAls),
}

impl Listen {
    /// Where it takes connections.
    pub fn tcp(&self) -> impl Iterator<Item = SocketAddr> {
        let [one, other] = match self {
            Self::Syslog(syslog) => [syslog.tcp, syslog.tls.as_ref().map(|(address, _)| *address)],
            Self::Http(http) => [Some(http.listen), None],
            Self::EnvoyAls(envoy) => [Some(envoy.listen), None],
        };
        one.into_iter().chain(other)
    }

    /// The files that it reads.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        let (tls, tokens) = match self {
            Self::Syslog(syslog) => (syslog.tls.as_ref().map(|(_, files)| files), None),
            Self::Http(http) => (http.tls.as_ref(), http.tokens.as_ref()),
            Self::EnvoyAls(envoy) => (envoy.tls.as_ref(), envoy.tokens.as_ref()),
        };
        let tls =
            tls.into_iter().flat_map(|tls| [Some(&tls.certificate), Some(&tls.key), tls.client_ca.as_ref()]);
        tls.flatten().chain(tokens).map(PathBuf::as_path)
    }

    /// Whether whoever reaches its ports may send: it knows its clients neither by a token nor by a certificate.
    #[must_use]
    pub fn is_open(&self) -> bool {
        let required = |tls: &TlsFiles| tls.client_ca.is_some() && tls.client_required;
        match self {
            Self::Syslog(syslog) => {
                syslog.udp.is_some()
                    || syslog.tcp.is_some()
                    || syslog.tls.as_ref().is_some_and(|(_, files)| !required(files))
            }
            Self::Http(http) => http.tokens.is_none() && !http.tls.as_ref().is_some_and(required),
            Self::EnvoyAls(envoy) => envoy.tokens.is_none() && !envoy.tls.as_ref().is_some_and(required),
        }
    }
}

/// Syslog as a way in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Syslog {
    /// Where datagrams come in.
    pub udp: Option<SocketAddr>,
    /// Where connections come in.
    pub tcp: Option<SocketAddr>,
    /// Where connections with TLS come in, and its files.
    pub tls: Option<(SocketAddr, TlsFiles)>,
    /// The longest message that is read, in bytes; a longer one is skipped and counted.
    pub max_message: usize,
    /// Bounds on connections.
    pub connections: Connections,
}

/// An HTTP endpoint as a way in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Http {
    /// Where it listens.
    pub listen: SocketAddr,
    /// The files of its TLS; without them it speaks HTTP/1.1 in the clear.
    pub tls: Option<TlsFiles>,
    /// The file of tokens, one of which each request must bear.
    pub tokens: Option<PathBuf>,
    /// The largest batch, in bytes, as sent and as decoded.
    pub max_batch: usize,
    /// Requests a second of each token, or of each client where there are no tokens.
    pub requests_per_second: u32,
    /// Bounds on connections.
    pub connections: Connections,
}

/// Envoy's access log service as a way in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnvoyAls {
    /// Where it listens.
    pub listen: SocketAddr,
    /// The files of its TLS; without them it speaks HTTP/2 in the clear.
    pub tls: Option<TlsFiles>,
    /// The file of tokens, one of which each call must bear.
    pub tokens: Option<PathBuf>,
    /// The largest message, in bytes, as sent and as decoded.
    pub max_message: usize,
    /// Bounds on connections.
    pub connections: Connections,
}

/// Why a way in cannot be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// An address cannot be bound.
    #[error("listen on {address} over {over}: {source}")]
    Bind {
        /// Which.
        address: SocketAddr,
        /// `TCP` or `UDP`.
        over: &'static str,
        /// Why not.
        source: io::Error,
    },
    /// There is no TLS as told.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// There are no tokens as told.
    #[error(transparent)]
    Tokens(#[from] TokenError),
}

/// A way in whose ports are bound: connections wait in the kernel.
#[derive(Debug)]
pub struct Bound {
    doors: Vec<Door>,
    connections: Connections,
    reload: Reload,
}

/// One port.
#[derive(Debug)]
enum Door {
    Datagrams { socket: UdpSocket, max_message: usize },
    Connections { listener: TcpListener, tls: Option<Arc<Certificates>>, service: Service },
}

/// What is spoken on a connection.
#[derive(Clone, Debug)]
enum Service {
    Syslog { max_message: usize },
    Http(Http, Option<Arc<Tokens>>),
    EnvoyAls(EnvoyAls, Option<Arc<Tokens>>),
}

/// What is offered to TLS clients.
const NOTHING: &[&[u8]] = &[];
const ANY_HTTP: &[&[u8]] = &[HTTP2, b"http/1.1"];
const ONLY_HTTP2: &[&[u8]] = &[HTTP2];
const HTTP2: &[u8] = b"h2";

impl Bound {
    /// Binds the ports of a way in, for which a process may need privileges, and reads its files.
    pub fn new(way: Listen) -> Result<Self, OpenError> {
        match way {
            Listen::Syslog(Syslog { udp, tcp, tls, max_message, connections }) => {
                let mut doors = Vec::new();
                if let Some(address) = udp {
                    let bound = syslog::bind(address);
                    let socket = bound.map_err(|source| OpenError::Bind { address, over: "UDP", source })?;
                    doors.push(Door::Datagrams { socket, max_message });
                }
                let service = Service::Syslog { max_message };
                if let Some(address) = tcp {
                    doors.push(Door::open(address, None, NOTHING, service.clone())?);
                }
                if let Some((address, files)) = tls {
                    doors.push(Door::open(address, Some(files), NOTHING, service)?);
                }
                Ok(Self::of(doors, connections))
            }
            Listen::Http(way) => {
                let tokens = tokens(way.tokens.clone())?;
                let (address, tls, connections) = (way.listen, way.tls.clone(), way.connections);
                let door = Door::open(address, tls, ANY_HTTP, Service::Http(way, tokens))?;
                Ok(Self::of(vec![door], connections))
            }
            Listen::EnvoyAls(way) => {
                let tokens = tokens(way.tokens.clone())?;
                let (address, tls, connections) = (way.listen, way.tls.clone(), way.connections);
                let door = Door::open(address, tls, ONLY_HTTP2, Service::EnvoyAls(way, tokens))?;
                Ok(Self::of(vec![door], connections))
            }
        }
    }

    fn of(doors: Vec<Door>, connections: Connections) -> Self {
        Self { doors, connections, reload: Reload(Arc::default()) }
    }

    /// What has it read its files again.
    #[must_use]
    pub fn reload(&self) -> Reload {
        self.reload.clone()
    }

    /// Where it listens, in the order of the fields that said so.
    #[must_use]
    pub fn addresses(&self) -> Vec<SocketAddr> {
        let address = |door: &Door| match door {
            Door::Datagrams { socket, .. } => socket.local_addr().ok(),
            Door::Connections { listener, .. } => listener.local_addr().ok(),
        };
        self.doors.iter().filter_map(address).collect()
    }
}

fn tokens(path: Option<PathBuf>) -> Result<Option<Arc<Tokens>>, TokenError> {
    path.map(|path| Tokens::load(path).map(Arc::new)).transpose()
}

impl Door {
    fn open(
        address: SocketAddr,
        tls: Option<TlsFiles>,
        protocols: &'static [&'static [u8]],
        service: Service,
    ) -> Result<Self, OpenError> {
        let tls = tls.map(|files| Certificates::load(files, protocols).map(Arc::new)).transpose()?;
        let bound =
            TcpListener::bind(address).and_then(|listener| listener.set_nonblocking(true).map(|()| listener));
        let listener = bound.map_err(|source| OpenError::Bind { address, over: "TCP", source })?;
        Ok(Self::Connections { listener, tls, service })
    }
}

/// Has a way in read its certificates and tokens again.
#[derive(Clone, Debug)]
pub struct Reload(Arc<Notify>);

impl Reload {
    /// Now, whether or not the files changed.
    pub fn now(&self) {
        self.0.notify_one();
    }
}

impl Way for Bound {
    fn run(self: Box<Self>, hand: Hand) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .max_blocking_threads(BLOCKING)
            .build();
        match runtime {
            Ok(runtime) => {
                runtime.block_on(serve(*self, hand));
                runtime.shutdown_background();
            }
            Err(error) => tracing::error!(log = %hand.source.name, %error, "nothing is listened for"),
        }
    }
}

/// What every connection has.
trait Io: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

/// What a listener's connections share.
#[derive(Clone)]
struct Shared {
    hand: Arc<Handover>,
    places: Arc<Places>,
    tls: Option<Arc<Certificates>>,
    speaker: Speaker,
    /// Held by all that is not done yet.
    busy: mpsc::Sender<()>,
}

/// Who speaks on a listener's connections.
#[derive(Clone)]
enum Speaker {
    Syslog { max_message: usize },
    Http(Arc<http::Endpoint>),
    EnvoyAls(Arc<envoy::Service>),
}

/// Serves until the sensor ends and every client has its answer.
async fn serve(bound: Bound, hand: Hand) {
    let (ending, ended) = watch::channel(false);
    let (busy, mut idle) = mpsc::channel(1);
    let (handover, carry) = Handover::new(&hand, ended);
    let handover = Arc::new(handover);
    let carry = tokio::spawn(carry);
    let places = Places::new(bound.connections);
    let (mut certificates, mut all_tokens, mut answers) = (Vec::new(), Vec::new(), false);
    for door in bound.doors {
        let (ours, busy) = (Arc::clone(&handover), busy.clone());
        let (listener, tls, speaker) = match door {
            Door::Datagrams { socket, max_message } => {
                drop(tokio::spawn(async move {
                    let served = syslog::datagrams(socket, Arc::clone(&ours), max_message).await;
                    if let Err(error) = served {
                        tracing::error!(log = ours.name(), %error, "datagrams are not read any more");
                    }
                    drop(busy);
                }));
                continue;
            }
            Door::Connections { listener, tls, service } => match service {
                Service::Syslog { max_message } => (listener, tls, Speaker::Syslog { max_message }),
                Service::Http(way, tokens) => {
                    all_tokens.extend(tokens.clone());
                    answers = true;
                    let endpoint = http::Endpoint::new(&way, Arc::clone(&ours), tokens, &hand);
                    (listener, tls, Speaker::Http(Arc::new(endpoint)))
                }
                Service::EnvoyAls(way, tokens) => {
                    all_tokens.extend(tokens.clone());
                    let called = envoy::Service::new(&way, Arc::clone(&ours), tokens);
                    (listener, tls, Speaker::EnvoyAls(Arc::new(called)))
                }
            },
        };
        certificates.extend(tls.clone());
        let shared = Shared { hand: ours, places: Arc::clone(&places), tls, speaker, busy };
        drop(tokio::spawn(accept(listener, shared)));
    }
    drop(busy);
    let mut look = tokio::time::interval(LOOK);
    let mut look_at_files = tokio::time::interval(LOOK_AT_FILES);
    while !hand.courier.is_ending() {
        let anyway = tokio::select! {
            _ = look.tick() => continue,
            _ = look_at_files.tick() => false,
            () = bound.reload.0.notified() => true,
        };
        for one in &certificates {
            one.look(anyway);
        }
        for one in &all_tokens {
            one.look(anyway);
        }
    }
    drop(hand);
    if answers {
        // Nothing more is handed on; those who wait for their answer do so until the state is saved.
        handover.let_go();
    }
    // Those who are not there any more need not hear it.
    ending.send_replace(true);
    idle.recv().await;
    drop(carry.await);
}

async fn accept(listener: TcpListener, shared: Shared) {
    let listener = match tokio::net::TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => return tracing::error!(log = shared.hand.name(), %error, "connections are not taken"),
    };
    loop {
        let accepted = tokio::select! {
            biased;
            () = shared.hand.ended() => return,
            accepted = listener.accept() => accepted,
        };
        let (connection, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                shared.hand.count("connections_not_accepted", 1);
                tracing::debug!(log = shared.hand.name(), %error, "a connection was not accepted");
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        let Some(place) = shared.places.take(peer.ip()) else {
            shared.hand.count("connections_refused", 1);
            tracing::debug!(log = shared.hand.name(), %peer, "a connection was refused: there are too many");
            continue;
        };
        let shared = shared.clone();
        drop(tokio::spawn(async move {
            let busy = shared.busy.clone();
            greet(connection, peer, shared).await;
            drop((place, busy));
        }));
    }
}

/// Takes a connection from its first byte to its last.
async fn greet(connection: TcpStream, peer: SocketAddr, shared: Shared) {
    let alive = socket2::TcpKeepalive::new().with_time(KEEP_ALIVE).with_interval(KEEP_ALIVE / 6);
    let set = socket2::SockRef::from(&connection).set_tcp_keepalive(&alive);
    if let Err(error) = set.and_then(|()| connection.set_nodelay(true)) {
        tracing::debug!(log = shared.hand.name(), %peer, %error, "a connection could not be set up");
    }
    let Some(certificates) = &shared.tls else {
        return speak(Box::new(connection), peer, false, shared).await;
    };
    let acceptor = TlsAcceptor::from(certificates.current());
    let greeted = tokio::select! {
        biased;
        () = shared.hand.ended() => return,
        greeted = timeout(HANDSHAKE, acceptor.accept(connection)) => greeted,
    };
    match greeted {
        Ok(Ok(connection)) => {
            let http2 = connection.get_ref().1.alpn_protocol() == Some(HTTP2);
            speak(Box::new(connection), peer, http2, shared).await;
        }
        Ok(Err(error)) => {
            shared.hand.count("tls_handshakes_failed", 1);
            tracing::debug!(log = shared.hand.name(), %peer, %error, "TLS did not come about");
        }
        Err(_) => {
            shared.hand.count("tls_handshakes_failed", 1);
            tracing::debug!(log = shared.hand.name(), %peer, "TLS did not come about in time");
        }
    }
}

fn speak(io: Box<dyn Io>, peer: SocketAddr, http2: bool, shared: Shared) -> Speaking {
    let hand = shared.hand;
    let activity = Activity::default();
    let going_on = activity.clone();
    match shared.speaker {
        Speaker::Syslog { max_message } => Box::pin(syslog::connection(io, hand, max_message)),
        Speaker::Http(endpoint) => {
            let service = service_fn(move |request| -> Answering<_> {
                let (endpoint, activity) = (Arc::clone(&endpoint), going_on.clone());
                Box::pin(async move { Ok(endpoint.answer(request, peer.ip(), &activity).await) })
            });
            if http2 {
                let connection = serving::http2().serve_connection(TokioIo::new(io), service);
                Box::pin(serving::drive(connection, hand, activity))
            } else {
                let connection = serving::http1().serve_connection(TokioIo::new(io), service);
                Box::pin(serving::drive(connection, hand, activity))
            }
        }
        // gRPC is HTTP/2 whether or not a client says so.
        Speaker::EnvoyAls(called) => {
            let service = service_fn(move |request| -> Answering<_> {
                let (called, activity) = (Arc::clone(&called), going_on.clone());
                Box::pin(async move { Ok(called.answer(request, &activity).await) })
            });
            let connection = serving::http2().serve_connection(TokioIo::new(io), service);
            Box::pin(serving::drive(connection, hand, activity))
        }
    }
}

/// A connection that is served.
type Speaking = Pin<Box<dyn Future<Output = ()> + Send>>;

/// An answer that is worked on.
type Answering<B> = Pin<Box<dyn Future<Output = Result<hyper::Response<B>, Infallible>> + Send>>;

#[cfg(test)]
mod tests;
