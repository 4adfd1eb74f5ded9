//! Connections that speak HTTP: bounds on heads, streams and idling, and their end.

use super::handover::Handover;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use hyper_util::server::graceful::GracefulConnection;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// How long the head of a request may take, and how long a connection of HTTP/1 may wait for one.
const HEAD_TIME: Duration = Duration::from_secs(60);
/// How long a connection of HTTP/2 may be without a stream.
const IDLE_TIME: Duration = Duration::from_secs(300);
/// How often that is looked at.
const LOOK: Duration = Duration::from_secs(1);
/// How long a connection may stand on after it was asked to end, from when nothing is open any more.
const END_TIME: Duration = Duration::from_secs(2);
/// How long a client of HTTP/2 that is asked whether it is still there may take.
const PING_TIME: Duration = Duration::from_secs(20);
/// Bytes of one head.
const HEAD_BYTES: u32 = 16 << 10;
/// Fields of one head.
const HEAD_FIELDS: usize = 100;
/// Requests of one connection at a time.
const STREAMS: u32 = 64;
/// Bytes that one stream may send ahead of being read.
const STREAM_WINDOW: u32 = 128 << 10;
/// Bytes that one connection may send ahead of being read.
const CONNECTION_WINDOW: u32 = 256 << 10;

/// HTTP/1.
pub(super) fn http1() -> hyper::server::conn::http1::Builder {
    let mut builder = hyper::server::conn::http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME)
        .max_headers(HEAD_FIELDS)
        .max_buf_size(4 * HEAD_BYTES as usize);
    builder
}

/// HTTP/2.
pub(super) fn http2() -> hyper::server::conn::http2::Builder<TokioExecutor> {
    let mut builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .max_header_list_size(HEAD_BYTES)
        .max_concurrent_streams(STREAMS)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buf_size(CONNECTION_WINDOW as usize)
        .keep_alive_interval(super::KEEP_ALIVE)
        .keep_alive_timeout(PING_TIME);
    builder
}

/// What goes on in a connection.
#[derive(Clone, Debug, Default)]
pub(super) struct Activity(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    open: AtomicU64,
    begun: AtomicU64,
}

impl Activity {
    /// Something begins; it goes on until what is returned is dropped.
    pub(super) fn begin(&self) -> Open {
        self.0.open.fetch_add(1, Relaxed);
        self.0.begun.fetch_add(1, Relaxed);
        Open(Arc::clone(&self.0))
    }
}

/// Something that goes on.
#[derive(Debug)]
pub(super) struct Open(Arc<Counts>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Relaxed);
    }
}

/// Serves a connection until it is done, idles for too long, or the sensor ends and all that is open is answered.
pub(super) async fn drive<C: GracefulConnection>(connection: C, hand: Arc<Handover>, activity: Activity) {
    tokio::pin!(connection);
    let mut ended = hand.ended();
    let mut look = tokio::time::interval(LOOK);
    let (mut seen, mut idle) = (0, Duration::ZERO);
    let mut closing = false;
    loop {
        let is_ending = tokio::select! {
            biased;
            // Whether it went well is the client's concern.
            _ = connection.as_mut() => return,
            () = &mut ended, if !closing => true,
            _ = look.tick() => false,
        };
        let begun = activity.0.begun.load(Relaxed);
        let is_idle = activity.0.open.load(Relaxed) == 0 && begun == seen;
        idle = if is_idle { idle + LOOK } else { Duration::ZERO };
        seen = begun;
        if closing && idle > END_TIME {
            return;
        }
        if !closing && (is_ending || idle > IDLE_TIME) {
            closing = true;
            idle = Duration::ZERO;
            connection.as_mut().graceful_shutdown();
        }
    }
}
