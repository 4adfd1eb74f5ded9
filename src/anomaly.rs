//! Every oddity of the wire, counted.
//!
//! An anomaly is data about the peers or the tap, never an error of ours: the flow goes on. Each kind has
//! a stable name that outputs and metrics share. [`AnomalySet`] says which kinds one exchange met;
//! [`AnomalyCounts`] how often each was met.

use crate::merge::Merge;

macro_rules! anomalies {
    ($($(#[$doc:meta])+ $variant:ident => $name:literal,)+) => {
        /// One kind of oddity.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum Anomaly { $($(#[$doc])+ $variant,)+ }

        impl Anomaly {
            /// All kinds, in the order of their numbers.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// The stable name: snake case.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }
        }
    };
}

anomalies! {
    /// Bytes of a flow that the capture does not hold.
    Gap => "gap",
    /// Two copies of the same stream bytes differ; the configured policy chose one.
    OverlapDiffers => "overlap_differs",
    /// The flow was joined after its start.
    MidStream => "mid_stream",
    /// Only one direction of the flow was captured.
    OneSided => "one_sided",
    /// More bytes waited for a missing segment than the limit allows; the hole was given up.
    ReorderLimit => "reorder_limit",
    /// A connection began on the addresses and ports of one that had not ended.
    PortReuse => "port_reuse",
    /// Bytes where a message head was expected that are not HTTP.
    BadHead => "bad_head",
    /// A message head longer than the limit.
    HeadTooLong => "head_too_long",
    /// Header lines folded over several lines (RFC 9112 section 5.2, obsolete).
    ObsFold => "obs_fold",
    /// A request without `Host` that needs one (RFC 9112 section 3.2).
    MissingHost => "missing_host",
    /// More than one differing `Host`.
    SeveralHosts => "several_hosts",
    /// Both `Transfer-Encoding` and `Content-Length` (RFC 9112 section 6.1: possible smuggling).
    LengthAndChunked => "length_and_chunked",
    /// `Content-Length` values that differ or are not numbers.
    BadLength => "bad_length",
    /// Chunked framing that cannot be read.
    BadChunk => "bad_chunk",
    /// A response that no captured request asked for.
    UnexpectedResponse => "unexpected_response",
    /// More requests awaited their responses than the limit allows.
    PipelineLimit => "pipeline_limit",
    /// A body whose content coding could not be decoded.
    BadContentCoding => "bad_content_coding",
    /// A content coding that is not known.
    UnknownContentCoding => "unknown_content_coding",
    /// A body longer than what is inspected: its rest was counted only.
    BodyOverLimit => "body_over_limit",
    /// A packet shorter in the capture than it was on the wire.
    CutPacket => "cut_packet",
    /// A log line or entry that lacks what an exchange needs.
    IncompleteEntry => "incomplete_entry",
    /// Bytes where a frame of HTTP/2 or WebSocket was expected that are none, or a frame where it must not stand.
    BadFrame => "bad_frame",
    /// An HTTP/2 header block that cannot be decoded.
    BadHeaderBlock => "bad_header_block",
    /// Fields of a head whose name or value stood in a header block that was not captured.
    UnknownFields => "unknown_fields",
    /// An HTTP/2 end that asked for a larger header table than the other allows.
    HeaderTableLimit => "header_table_limit",
    /// One HTTP/2 header block in more CONTINUATION frames than the limit allows.
    ContinuationFlood => "continuation_flood",
    /// More HTTP/2 frames in a second that move nothing than the limit allows.
    FrameFlood => "frame_flood",
    /// More requests reset by their client in a second, before any answer, than the limit allows.
    RapidReset => "rapid_reset",
    /// More HTTP/2 streams open at a time than are kept.
    StreamLimit => "stream_limit",
    /// Messages of gRPC or WebSocket whose framing or compression cannot be read.
    BadMessage => "bad_message",
    /// TLS records that did not open with the keys of their connection.
    TlsUnopened => "tls_unopened",
    /// A TLS connection kept more waiting for its keys than the limit allows.
    TlsWaitingLimit => "tls_waiting_limit",
    /// A TLS 1.2 connection began a new handshake inside; what follows is not read.
    TlsRenegotiation => "tls_renegotiation",
    /// A trusted proxy hides its client, or names nothing that is an address.
    ForwardedHidden => "forwarded_hidden",
    /// Somebody who is no trusted proxy claims to call for others; not believed.
    ForwardedUnproven => "forwarded_unproven",
    /// Headers of trusted proxies name different clients; none is believed.
    ForwardedConflicting => "forwarded_conflicting",
    /// A TLS handshake message longer than the limit.
    HandshakeLimit => "handshake_limit",
    /// An answer that a collection of requests keeps as an example: it came once, and was not watched.
    SavedExample => "saved_example",
    /// A WebSocket message that decompresses to more than the limit, or compressed messages on more connections at a
    /// time than the limit allows; they were counted, not read.
    InflateLimit => "inflate_limit",
    /// A WebSocket handshake whose answer does not fit its question (RFC 6455 section 4.1).
    BadHandshake => "bad_handshake",
}

const KINDS: usize = Anomaly::ALL.len();
const _: () = assert!(KINDS <= 64, "a set holds one bit a kind");

/// Which kinds one exchange met.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AnomalySet(u64);

impl AnomalySet {
    /// Adds a kind.
    pub const fn insert(&mut self, anomaly: Anomaly) {
        self.0 |= 1 << anomaly as u8;
    }

    /// Whether a kind is in.
    #[must_use]
    pub const fn contains(self, anomaly: Anomaly) -> bool {
        self.0 & (1 << anomaly as u8) != 0
    }

    /// Whether none is in.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// All kinds of both.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The kinds, in the order of their numbers.
    pub fn iter(self) -> impl Iterator<Item = Anomaly> {
        Anomaly::ALL.iter().copied().filter(move |anomaly| self.contains(*anomaly))
    }
}

/// How often each kind was met.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnomalyCounts([u64; KINDS]);

impl Default for AnomalyCounts {
    fn default() -> Self {
        Self([0; KINDS])
    }
}

impl AnomalyCounts {
    /// Counts one.
    pub fn count(&mut self, anomaly: Anomaly) {
        self.add(anomaly, 1);
    }

    /// Counts `times` of a kind.
    pub fn add(&mut self, anomaly: Anomaly, times: u64) {
        if let Some(slot) = self.0.get_mut(anomaly as usize) {
            *slot = slot.saturating_add(times);
        }
    }

    /// The kinds that were met, with their counts.
    pub fn met(&self) -> impl Iterator<Item = (Anomaly, u64)> {
        Anomaly::ALL.iter().copied().zip(self.0).filter(|(_, count)| *count > 0)
    }
}

impl Merge for AnomalyCounts {
    fn absorb(&mut self, other: Self) {
        for (mine, theirs) in self.0.iter_mut().zip(other.0) {
            mine.absorb(theirs);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_tells_what_was_put_in() {
        let mut set = AnomalySet::default();
        set.insert(Anomaly::Gap);
        set.insert(Anomaly::ObsFold);
        assert_eq!(set.iter().map(Anomaly::name).collect::<Vec<_>>(), ["gap", "obs_fold"]);
    }
}
