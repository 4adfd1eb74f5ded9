//! HTTP from stream bytes: which protocol a connection speaks, and its messages.
//!
//! [`detect`] looks at content, never at port numbers. [`h1::Reader`] turns one direction of an HTTP/1
//! connection into heads, body bytes and ends, across any segmentation and around gaps; [`h2::Connection`] does so
//! for both directions of an HTTP/2 connection, with fields from [`hpack`]. [`grpc`] tells the messages of a call
//! apart, [`websocket`] those behind a handshake, [`event_stream`] the events of an answer. [`proxy`] reads what a balancer puts in front of it all. [`content`] is the one place that decompresses, and it caps what comes out.

pub mod content;
pub mod detect;
pub mod event_stream;
pub mod grpc;
pub mod h1;
pub mod h2;
pub mod h2_frame;
pub mod head;
pub mod hpack;
pub mod huffman;
pub mod proxy;
pub mod websocket;

/// How a message's body ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum End {
    /// As its framing says.
    #[default]
    Complete,
    /// Bytes of it were never captured.
    Gap,
    /// The connection was reset.
    Reset,
    /// The capture or connection ended before the framing said so.
    Closed,
}
