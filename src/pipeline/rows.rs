//! The lines of `--transactions`: one exchange each, kept until path templates are known.

use crate::anomaly::AnomalySet;
use crate::inventory::collector::Observed;
use crate::inventory::inspect::Tag;
use crate::merge::Merge;
use crate::secret::{Fingerprint, Sensitive};
use crate::time::Timestamp;
use crate::transaction::dialogue::{DialogueKind, Tally};
use crate::transaction::{Call, Completeness, Protocol, Provenance, Transaction};
use std::net::{IpAddr, SocketAddr};

/// Which lines are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RowsWanted {
    /// None.
    #[default]
    None,
    /// Paths as templates.
    Redacted,
    /// Paths and queries as sent.
    Unredacted,
}

/// One exchange, as small as it can be kept.
#[derive(Clone, Debug)]
pub struct Row {
    /// Where it was read.
    pub provenance: Provenance,
    /// The protocol.
    pub protocol: Protocol,
    /// The method as sent.
    pub method: Box<str>,
    /// The host, lower case, without port.
    pub host: Box<str>,
    /// Path as sent.
    pub path: Sensitive<Box<[u8]>>,
    /// Query as sent, when it may be shown.
    pub query: Option<Sensitive<Box<[u8]>>>,
    /// The status; 0 without response.
    pub status: u16,
    /// Length of the request's body.
    pub request_body_len: u64,
    /// Length of the response's body.
    pub response_body_len: u64,
    /// Media type of the response.
    pub response_content_type: Option<Box<str>>,
    /// The client.
    pub client: Option<(IpAddr, Option<u16>)>,
    /// The server.
    pub server: Option<SocketAddr>,
    /// First byte.
    pub started: Timestamp,
    /// From the request's last byte to the response's first.
    pub latency_us: Option<u64>,
    /// The call, when this is gRPC.
    pub call: Option<Call>,
    /// What was said, when this is a WebSocket or a stream of events.
    pub dialogue: Option<Box<Said>>,
    /// How much was seen.
    pub completeness: Completeness,
    /// Whose credential.
    pub caller: Option<Fingerprint>,
    /// Oddities.
    pub anomalies: AnomalySet,
    /// Which data classes it carried where, for `--tags`.
    pub tags: Box<[Tag]>,
}

/// How much was said in an exchange.
#[derive(Clone, Debug)]
pub struct Said {
    /// How it went on.
    pub kind: DialogueKind,
    /// What the client said.
    pub to_server: Tally,
    /// What the server said.
    pub to_client: Tally,
    /// Why it was closed.
    pub close: Option<u16>,
}

impl Row {
    /// What is kept of an exchange.
    #[must_use]
    pub fn new(transaction: &Transaction, observed: &Observed) -> Self {
        let media = transaction.response.fields.get("content-type");
        Self {
            provenance: transaction.provenance,
            protocol: transaction.protocol,
            method: transaction.method().unwrap_or_default().into(),
            host: transaction.host().unwrap_or_default().into(),
            path: Sensitive::new((*transaction.path().expose()).into()),
            query: transaction.query().map(|query| Sensitive::new((*query.expose()).into())),
            status: transaction.response.status,
            request_body_len: transaction.request_bytes(),
            response_body_len: transaction.response_bytes(),
            response_content_type: media
                .and_then(|media| crate::inventory::collector::media_essence(media.expose()))
                .map(Into::into),
            client: observed.client,
            server: transaction.server,
            started: transaction.started(),
            latency_us: transaction.latency_us,
            call: transaction.whole_call(),
            dialogue: transaction.dialogue.as_deref().zip(transaction.whole_dialogue()).map(
                |(dialogue, [to_server, to_client])| {
                    Box::new(Said { kind: dialogue.kind, to_server, to_client, close: dialogue.close })
                },
            ),
            completeness: transaction.completeness,
            caller: observed.caller,
            anomalies: transaction.anomalies.union(observed.anomalies),
            tags: observed.tags.as_slice().into(),
        }
    }
}

/// The rows of a shard.
#[derive(Debug)]
pub struct Rows {
    wanted: RowsWanted,
    most: usize,
    kept: Vec<Row>,
    dropped: u64,
}

impl Rows {
    /// No rows yet, at most `most`.
    #[must_use]
    pub const fn new(wanted: RowsWanted, most: usize) -> Self {
        Self { wanted, most, kept: Vec::new(), dropped: 0 }
    }

    /// Whether any are kept.
    #[must_use]
    pub fn wanted(&self) -> bool {
        self.wanted != RowsWanted::None
    }

    /// Keeps a row while there is room.
    pub fn push(&mut self, mut row: Row) {
        if self.kept.len() >= self.most {
            self.dropped += 1;
            return;
        }
        if self.wanted != RowsWanted::Unredacted {
            row.query = None;
        }
        self.kept.push(row);
    }

    /// Rows that found no room.
    #[must_use]
    pub const fn dropped(&self) -> u64 {
        self.dropped
    }

    /// All rows in the order in which their exchanges began in the inputs.
    #[must_use]
    pub fn into_sorted(mut self) -> Vec<Row> {
        self.kept.sort_by_key(|row| row.provenance);
        self.kept
    }
}

impl Merge for Rows {
    fn absorb(&mut self, mut other: Self) {
        self.kept.append(&mut other.kept);
        self.dropped.absorb(other.dropped);
    }
}
