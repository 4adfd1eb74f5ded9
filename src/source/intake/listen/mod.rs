//! The ways in that listen: what clients push to a sensor that runs.
//!
//! ```text
//!  Way ─▶ Bound::new: ports, certificates, tokens ─▶ (privileges are dropped) ─▶ serve: one thread
//!
//!  client ─▶ place ─▶ TLS ─▶ syslog | HTTP | Envoy ─▶ Hand ─▶ Courier
//! ```
//!
//! One thread serves all of them. A client is a stranger: connections are bounded in all and for each address, and so is
//! all that one can make the sensor hold or wait for; what goes wrong with one ends it alone. Peers are named by their
//! address, and of what they send nothing is told.

mod certificates;
mod drops;
mod files;
mod hand;
mod lines;
mod places;
mod syslog;

pub use certificates::{TlsError, TlsFiles};
pub use places::Connections;

use super::{Courier, LogSource, Tally, UNIT_BYTES};
use certificates::Certificates;
use hand::{Ends, Hand};
use places::Places;
use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::sync::{Arc, mpsc as std_mpsc};
use std::time::Duration;
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
pub enum Way {
    /// Syslog.
    Syslog(Syslog),
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
}

/// A way in whose ports are bound: connections wait in the kernel.
#[derive(Debug)]
pub struct Bound {
    doors: Vec<Door>,
    connections: Connections,
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
}

impl Bound {
    /// Binds the ports of a way in, for which a process may need privileges, and reads its files.
    pub fn new(way: Way) -> Result<Self, OpenError> {
        let mut doors = Vec::new();
        match way {
            Way::Syslog(Syslog { udp, tcp, tls, max_message, connections }) => {
                if let Some(address) = udp {
                    let bound = syslog::bind(address);
                    let socket = bound.map_err(|source| OpenError::Bind { address, over: "UDP", source })?;
                    doors.push(Door::Datagrams { socket, max_message });
                }
                let service = Service::Syslog { max_message };
                if let Some(address) = tcp {
                    doors.push(Door::open(address, None, &[], service.clone())?);
                }
                if let Some((address, files)) = tls {
                    doors.push(Door::open(address, Some(files), &[], service)?);
                }
                Ok(Self { doors, connections })
            }
        }
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

/// A way in that is about to be served.
#[derive(Debug)]
pub struct Serving {
    /// Its ports.
    pub bound: Bound,
    /// What it is a source of.
    pub source: Arc<LogSource>,
    /// Where it counts what it lost or refused.
    pub tally: Arc<Tally>,
}

/// All ways in that listen, served on a thread.
#[derive(Debug)]
pub struct Listeners {
    look: Arc<Notify>,
    done: std_mpsc::Receiver<()>,
}

/// Serves ways in on a thread of their own, until `courier` ends.
pub fn serve(all: Vec<Serving>, courier: Courier) -> io::Result<Listeners> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .max_blocking_threads(BLOCKING)
        .build()?;
    let look = Arc::new(Notify::new());
    let (tell, done) = std_mpsc::channel();
    let asked = Arc::clone(&look);
    std::thread::Builder::new().name("listeners".to_owned()).spawn(move || {
        runtime.block_on(run(all, courier, &asked));
        // Whoever is not there any more needs not know.
        tell.send(()).unwrap_or_default();
        runtime.shutdown_background();
    })?;
    Ok(Listeners { look, done })
}

impl Listeners {
    /// Reads certificates and tokens again now, whether or not their files changed.
    pub fn reload(&self) {
        self.look.notify_one();
    }

    /// Waits, once the courier ends, until every client has its answer. Returns whether it came to that in time.
    #[must_use]
    pub fn wait(&self, within: Duration) -> bool {
        self.done.recv_timeout(within).is_ok()
    }
}

/// What every connection has.
trait Io: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

/// What a listener's connections share.
#[derive(Clone)]
struct Shared {
    hand: Arc<Hand>,
    places: Arc<Places>,
    tls: Option<Arc<Certificates>>,
    service: Service,
    /// Held by all that is not done yet.
    busy: mpsc::Sender<()>,
}

async fn run(all: Vec<Serving>, courier: Courier, asked: &Notify) {
    let (ending, ended) = watch::channel(false);
    let (busy, mut idle) = mpsc::channel(1);
    let (ends, carry) = Ends::new(courier.clone());
    drop(tokio::spawn(carry));
    let mut certificates = Vec::new();
    for Serving { bound, source, tally } in all {
        let hand = Arc::new(Hand::new(courier.clone(), source, tally, ended.clone(), ends.clone()));
        let places = Places::new(bound.connections);
        for door in bound.doors {
            let (hand, busy) = (Arc::clone(&hand), busy.clone());
            match door {
                Door::Datagrams { socket, max_message } => drop(tokio::spawn(async move {
                    let served = syslog::datagrams(socket, Arc::clone(&hand), max_message).await;
                    if let Err(error) = served {
                        tracing::error!(log = hand.name(), %error, "datagrams are not read any more");
                    }
                    drop(busy);
                })),
                Door::Connections { listener, tls, service } => {
                    certificates.extend(tls.clone());
                    let places = Arc::clone(&places);
                    drop(tokio::spawn(accept(listener, Shared { hand, places, tls, service, busy })));
                }
            }
        }
    }
    drop((busy, ends));
    let mut look = tokio::time::interval(LOOK);
    let mut look_at_files = tokio::time::interval(LOOK_AT_FILES);
    while !courier.is_ending() {
        let anyway = tokio::select! {
            _ = look.tick() => continue,
            _ = look_at_files.tick() => false,
            () = asked.notified() => true,
        };
        for one in &certificates {
            one.look(anyway);
        }
    }
    drop(courier);
    // Nobody may listen any more.
    ending.send_replace(true);
    idle.recv().await;
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
            greet(connection, peer, &shared).await;
            drop((place, shared.busy));
        }));
    }
}

/// Takes a connection from its first byte to its last.
async fn greet(connection: TcpStream, peer: SocketAddr, shared: &Shared) {
    let alive = socket2::TcpKeepalive::new().with_time(KEEP_ALIVE).with_interval(KEEP_ALIVE / 6);
    let set = socket2::SockRef::from(&connection).set_tcp_keepalive(&alive);
    if let Err(error) = set.and_then(|()| connection.set_nodelay(true)) {
        tracing::debug!(log = shared.hand.name(), %peer, %error, "a connection could not be set up");
    }
    let Some(certificates) = &shared.tls else {
        return speak(Box::new(connection), shared).await;
    };
    let acceptor = TlsAcceptor::from(certificates.current());
    let greeted = tokio::select! {
        biased;
        () = shared.hand.ended() => return,
        greeted = timeout(HANDSHAKE, acceptor.accept(connection)) => greeted,
    };
    match greeted {
        Ok(Ok(connection)) => speak(Box::new(connection), shared).await,
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

async fn speak(io: Box<dyn Io>, shared: &Shared) {
    match shared.service {
        Service::Syslog { max_message } => {
            syslog::connection(io, Arc::clone(&shared.hand), max_message).await;
        }
    }
}

#[cfg(test)]
mod tests;
