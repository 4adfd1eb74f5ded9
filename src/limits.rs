//! Every bound on what a peer can make the sensor keep.
//!
//! Reaching a bound evicts, truncates or stops detail, and counts; it never fails. While none is reached,
//! results do not depend on the number of shards or on how the input was split.

use std::time::Duration;

/// The bounds of one shard's flow, protocol and exchange state. Each doc comment says what raising costs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections tracked per shard; the longest idle one makes room. About 700 bytes each when idle.
    pub max_flows: usize,
    /// Packet time without a packet after which a connection counts as over.
    pub flow_idle: Duration,
    /// Bytes per direction that wait for a missing segment before the hole is given up.
    pub reorder_bytes: usize,
    /// Segments per direction that wait for a missing segment before the hole is given up.
    pub reorder_segments: usize,
    /// Bytes that all flows of a shard together keep waiting.
    pub reorder_bytes_total: usize,
    /// Packet time that later bytes wait for a missing segment which the peer has acknowledged.
    pub reorder_wait: Duration,
    /// Bytes of one message head. A longer one is skipped.
    pub head_bytes: usize,
    /// Header lines of one message head.
    pub head_lines: usize,
    /// Requests of one connection that await their responses.
    pub pipelined: usize,
    /// HTTP/2 streams of one connection whose exchanges are not over; the oldest makes room.
    pub streams: usize,
    /// Bytes of bodies that the open HTTP/2 streams of one connection keep together.
    pub stream_bytes: usize,
    /// Bytes of HPACK table per direction; peers agree on 4,096 unless they raise it.
    pub header_table: usize,
    /// CONTINUATION frames of one header block.
    pub continuations: u32,
    /// HTTP/2 frames that move nothing, per direction and second of packet time, before they count as a flood.
    pub idle_frames: u32,
    /// HTTP/2 requests reset before any answer, per second of packet time, before they count as a flood.
    pub early_resets: u32,
    /// Connections whose TLS secrets are kept, of all shards together; about 300 bytes each.
    pub tls_secrets: usize,
    /// Bytes of one TLS connection that wait for its keys, or for its server's answer.
    pub tls_waiting_bytes: usize,
    /// Bytes that all TLS connections of a shard together keep waiting.
    pub tls_waiting_bytes_total: usize,
    /// Packet time that records wait for keys which may still be told.
    pub tls_waiting: Duration,
    /// Bytes of one TLS handshake message. A longer one is skipped.
    pub tls_handshake_bytes: usize,
    /// Lost records of a TLS direction that are bridged by trying numbers; each costs a decryption.
    pub tls_lost_records: u64,
    /// Services behind TLS that are told apart.
    pub tls_services: usize,
    /// Bytes of one body that are kept for inspection, before and after content decoding.
    pub body_bytes: usize,
    /// Bytes that one message of a WebSocket may decompress to; what is beyond `body_bytes` is not kept.
    pub inflated_bytes: u64,
    /// Directions of WebSocket connections per shard whose compressed messages are read; about 50 kilobytes each.
    pub inflaters: usize,
    /// Nested encapsulations of one frame.
    pub tunnel_depth: usize,
    /// Lines of `--transactions` that are held until path templates are known.
    pub transaction_rows: usize,
    /// Nodes of one inferred body shape.
    pub shape_nodes: usize,
    /// Nesting depth of one body that is inspected.
    pub body_depth: usize,
    /// Query parameter names kept per endpoint.
    pub query_parameters: usize,
    /// Path segments, query parameters, headers and cookies per endpoint whose data classes are judged.
    pub loose_fields: usize,
    /// Keys of one exchange whose meaning may be worked out anew; about 10 µs each.
    pub fresh_keys: usize,
    /// One in how many values of a field is checked once a sample of that rate holds sixteen distinct ones; 1 checks
    /// all. More saves time and makes counts those of the sample.
    pub sample_values: usize,
    /// Segments of one path that are inspected.
    pub path_segments: usize,
    /// Operations that one request asks for and that are counted each by itself: calls of a batch.
    pub operation_calls: usize,
    /// Tokens of one GraphQL document.
    pub graphql_tokens: usize,
}

/// Operations that are told apart under one URL, of those that were answered and of those that were refused; the first
/// in their order stay, so that merging is blind to order. About 2 KB each.
pub const OPERATIONS: usize = 512;

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_flows: 65_536,
            flow_idle: Duration::from_secs(600),
            reorder_bytes: 1 << 20,
            reorder_segments: 1_024,
            reorder_bytes_total: 64 << 20,
            reorder_wait: Duration::from_millis(500),
            head_bytes: 256 << 10,
            head_lines: 4_096,
            pipelined: 1_024,
            streams: 1_024,
            stream_bytes: 16 << 20,
            header_table: 64 << 10,
            continuations: 64,
            idle_frames: 2_000,
            early_resets: 200,
            tls_secrets: 262_144,
            tls_waiting_bytes: 1 << 20,
            tls_waiting_bytes_total: 64 << 20,
            tls_waiting: Duration::from_secs(30),
            tls_handshake_bytes: 128 << 10,
            tls_lost_records: 64,
            tls_services: 4_096,
            body_bytes: 256 << 10,
            inflated_bytes: 16 << 20,
            inflaters: 4_096,
            tunnel_depth: 8,
            transaction_rows: 4_000_000,
            shape_nodes: 2_048,
            body_depth: 64,
            query_parameters: 128,
            loose_fields: 512,
            fresh_keys: 1_024,
            sample_values: 1,
            path_segments: 64,
            operation_calls: 256,
            graphql_tokens: 16_384,
        }
    }
}
