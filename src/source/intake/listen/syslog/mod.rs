//! Syslog as a way in: each message's text is a line of a log.
//!
//! Over UDP (RFC 5426), TCP (RFC 6587) and TLS (RFC 5425). Nobody acknowledges syslog: over TCP a lane without room stops
//! the reading, and so the sender; over UDP the kernel drops what its buffer cannot hold, which is counted.

mod framing;
mod message;

use super::drops::Drops;
use super::handover::{Handover, Stream};
use super::lines::Batch;
use super::{Io, UNIT_BYTES};
use crate::source::intake::Content;
use framing::{Frame, Frames};
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::{Instant, timeout};

/// How long a line waits for others to be handed on with.
const WAIT: Duration = Duration::from_millis(100);
/// Bytes of lines of one connection that are handed on together.
const CONNECTION_BYTES: usize = UNIT_BYTES / 4;
/// Bytes read at once.
const READ_BYTES: usize = 16 << 10;
/// Datagrams read before others have their turn.
const TURN: usize = 256;
/// The kernel's buffer for datagrams: what may come while a lane is busy.
const RECEIVE_BYTES: usize = 8 << 20;
/// How often the kernel's losses are looked up.
const LOOK: Duration = Duration::from_secs(5);
/// How long a peer may take to be told of the end.
const FAREWELL: Duration = Duration::from_secs(1);

/// Binds a socket for datagrams, with as large a buffer as may be had.
pub(super) fn bind(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    socket.bind(&address.into())?;
    widen(&socket)?;
    // The kernel reports twice what was asked for, for its own needs.
    let room = socket.recv_buffer_size()? / 2;
    if room < RECEIVE_BYTES {
        tracing::warn!(
            %address,
            bytes = room,
            wanted = RECEIVE_BYTES,
            "the buffer for datagrams is small, and a burst may be lost: raise net.core.rmem_max"
        );
    }
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

/// Beyond the host's bound when the process may do so, else up to it.
fn widen(socket: &Socket) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    if nix::sys::socket::setsockopt(socket, nix::sys::socket::sockopt::RcvBufForce, &RECEIVE_BYTES).is_ok() {
        return Ok(());
    }
    socket.set_recv_buffer_size(RECEIVE_BYTES)
}

/// Lines of one stream, on their way.
struct Pending {
    stream: Stream,
    batch: Batch,
    due: Option<Instant>,
    most: usize,
    /// Lines that were handed on.
    before: u64,
}

impl Pending {
    fn new(hand: &Arc<Handover>, most: usize) -> Self {
        Self { stream: hand.stream(), batch: Batch::default(), due: None, most, before: 0 }
    }

    fn is_full(&self) -> bool {
        self.batch.is_full(self.most)
    }

    /// Takes the text of a message.
    fn take(&mut self, message: &[u8], hand: &Handover) {
        let text = message::text(message);
        if text.is_empty() {
            return hand.count("messages_empty", 1);
        }
        if self.batch.is_empty() {
            self.due = Some(Instant::now() + WAIT);
        }
        self.batch.push(text);
    }

    /// Hands on what waits. Returns whether it was taken.
    async fn flush(&mut self, hand: &Handover) -> bool {
        self.due = None;
        if self.batch.is_empty() {
            return true;
        }
        let bytes = self.batch.take();
        let lines = u64::try_from(memchr::memchr_iter(b'\n', &bytes).count()).unwrap_or(u64::MAX);
        let content = Content::Lines { bytes, format: None, before: self.before };
        self.before = self.before.saturating_add(lines);
        let taken = self.stream.send(content).await;
        if !taken {
            hand.count("lines_lost_at_end", lines);
        }
        taken
    }
}

/// Waits until lines are due, for ever when there are none.
async fn due(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

/// Reads a connection until it or the sensor ends.
pub(super) async fn connection(mut io: Box<dyn Io>, hand: Arc<Handover>, max_message: usize) {
    let mut pending = Pending::new(&hand, CONNECTION_BYTES);
    let mut frames = Frames::new(max_message);
    let mut buffer = vec![0; READ_BYTES];
    let mut ended = hand.ended();
    loop {
        let read = tokio::select! {
            biased;
            () = &mut ended => break,
            () = due(pending.due) => {
                if !pending.flush(&hand).await {
                    return;
                }
                continue;
            }
            read = io.read(&mut buffer) => read.unwrap_or_default(),
        };
        let bytes = buffer.get(..read).filter(|bytes| !bytes.is_empty());
        let Some(bytes) = bytes else { break };
        let fed = frames.feed(bytes, &mut |frame| taken(frame, &mut pending, &hand));
        if fed.is_err() {
            hand.count("framing_lost", 1);
            tracing::debug!(log = hand.name(), "a connection was closed: its messages cannot be told apart");
            break;
        }
        if pending.is_full() && !pending.flush(&hand).await {
            return;
        }
    }
    frames.finish(&mut |frame| taken(frame, &mut pending, &hand));
    if pending.flush(&hand).await {
        // A peer that does not listen any more is not waited for.
        drop(timeout(FAREWELL, io.shutdown()).await);
    }
}

fn taken(frame: Frame<'_>, pending: &mut Pending, hand: &Handover) {
    match frame {
        Frame::Whole(message) => pending.take(message, hand),
        Frame::TooLong => hand.count("too_long_dropped", 1),
        Frame::Cut => hand.count("cut_dropped", 1),
    }
}

/// Reads datagrams until the sensor ends.
pub(super) async fn datagrams(socket: UdpSocket, hand: Arc<Handover>, max_message: usize) -> io::Result<()> {
    let mut drops = Drops::of(&socket);
    let socket = tokio::net::UdpSocket::from_std(socket)?;
    let mut pending = Pending::new(&hand, UNIT_BYTES);
    // No datagram is longer.
    let mut buffer = vec![0; 64 << 10];
    let mut look = tokio::time::interval(LOOK);
    let mut ended = hand.ended();
    loop {
        let is_ending = tokio::select! {
            biased;
            () = &mut ended => true,
            () = due(pending.due) => {
                if !pending.flush(&hand).await {
                    return Ok(());
                }
                continue;
            }
            _ = look.tick() => {
                hand.count("datagrams_lost", drops.look());
                continue;
            }
            ready = socket.readable() => {
                ready?;
                false
            }
        };
        // What came before the end still counts.
        while drain(&socket, &mut buffer, &mut pending, &hand, max_message) {
            if pending.is_full() && !pending.flush(&hand).await {
                return Ok(());
            }
            if !is_ending {
                break;
            }
        }
        if is_ending {
            pending.flush(&hand).await;
            hand.count("datagrams_lost", drops.look());
            return Ok(());
        }
        if pending.is_full() && !pending.flush(&hand).await {
            return Ok(());
        }
        tokio::task::yield_now().await;
    }
}

/// Reads what is there, for one turn. Returns whether there may be more.
fn drain(
    socket: &tokio::net::UdpSocket,
    buffer: &mut [u8],
    pending: &mut Pending,
    hand: &Handover,
    max_message: usize,
) -> bool {
    for _ in 0..TURN {
        if pending.is_full() {
            return true;
        }
        match socket.try_recv(buffer) {
            Ok(length) if length > max_message => hand.count("too_long_dropped", 1),
            Ok(length) => pending.take(buffer.get(..length).unwrap_or_default(), hand),
            Err(error) => {
                if error.kind() != io::ErrorKind::WouldBlock {
                    tracing::debug!(log = hand.name(), %error, "a datagram was not read");
                }
                return false;
            }
        }
    }
    true
}
