//! What is counted of remote calls: gRPC, gRPC-Web and Connect, whose outcome is not their HTTP status.

use crate::http::grpc::{CallProtocol, Told, status_name};
use crate::merge::Merge;
use crate::transaction::{Call, Messages, Transaction};
use std::collections::BTreeMap;

/// How a call ended: the number of its status, 255 for one that no standard has; `None` when none was told.
pub type Outcome = Option<u8>;

/// The name of an outcome: `ok`, `not_found`; `none` when none was told.
#[must_use]
pub fn outcome_name(outcome: Outcome) -> &'static str {
    outcome.map_or("none", |status| status_name(status.into()))
}

/// The outcome of a call.
#[must_use]
pub fn outcome(call: &Call) -> Outcome {
    call.status.map(|status| u8::try_from(status).ok().filter(|status| *status <= 16).unwrap_or(u8::MAX))
}

/// Whether streams were seen, as far as messages tell. What was unary so far may turn out to be more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Streaming {
    /// Never more than one message each way.
    Unary,
    /// Several messages to the server.
    Client,
    /// Several messages to the client.
    Server,
    /// Several both ways, in one call or another.
    Both,
}

impl Streaming {
    /// The stable name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unary => "unary",
            Self::Client => "client",
            Self::Server => "server",
            Self::Both => "bidi",
        }
    }
}

/// Names of compressions that are told; every other one is `other`.
const COMPRESSIONS: [&str; 7] = ["br", "deflate", "gzip", "identity", "lz4", "snappy", "zstd"];

/// Messages one way.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Flowing {
    /// Messages.
    pub messages: u64,
    /// Their bytes, compressed where they are.
    pub bytes: u64,
    /// Bytes of the largest.
    pub largest: u32,
    /// Calls with more than one.
    pub streams: u64,
    /// Calls by the compression they name for their messages.
    pub compressions: BTreeMap<u8, u64>,
}

impl Flowing {
    /// Counts messages of a call that had `earlier` before.
    fn count(&mut self, messages: Messages, earlier: u64, compression: Option<&[u8]>) {
        self.messages += messages.count;
        self.bytes += messages.bytes;
        self.largest = self.largest.max(messages.largest);
        self.streams += u64::from(earlier <= 1 && earlier + messages.count > 1);
        let Some(compression) = compression else { return };
        let known = COMPRESSIONS.iter().position(|name| compression.eq_ignore_ascii_case(name.as_bytes()));
        let known = known.and_then(|at| u8::try_from(at).ok()).unwrap_or(u8::MAX);
        *self.compressions.entry(known).or_default() += 1;
    }

    /// Calls by the name of the compression they told.
    pub fn compressions(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let name = |at: u8| COMPRESSIONS.get(usize::from(at)).copied().unwrap_or("other");
        self.compressions.iter().map(move |(at, count)| (name(*at), *count))
    }
}

impl Merge for Flowing {
    fn absorb(&mut self, other: Self) {
        self.messages.absorb(other.messages);
        self.bytes.absorb(other.bytes);
        self.largest = self.largest.max(other.largest);
        self.streams.absorb(other.streams);
        self.compressions.absorb(other.compressions);
    }
}

/// What was counted of an endpoint's calls.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct CallFacts {
    /// Calls by protocol.
    pub protocols: BTreeMap<CallProtocol, u64>,
    /// Calls by outcome and where it was told.
    pub outcomes: BTreeMap<(Outcome, Told), u64>,
    /// Calls that failed though their HTTP succeeded.
    pub failed: u64,
    /// Messages to the server.
    pub requests: Flowing,
    /// Messages to the client.
    pub responses: Flowing,
}

impl CallFacts {
    /// Counts a call, or what came of one that lasts.
    pub fn count(&mut self, call: &Call, exchange: &Transaction) {
        let begins = exchange.part.begins();
        *self.protocols.entry(call.protocol).or_default() += u64::from(begins);
        if exchange.part.ends() {
            *self.outcomes.entry((outcome(call), call.told)).or_default() += 1;
            self.failed += u64::from(failed(call, exchange.response.status));
        }
        let field = call.protocol.encoding_field();
        let earlier = exchange.earlier.as_deref().map_or_else(Call::default, |earlier| earlier.call);
        let request = exchange.request.fields.get(field).filter(|_| begins);
        self.requests.count(call.requests, earlier.requests.count, request.map(|name| *name.expose()));
        let response = exchange.response.fields.get(field).filter(|_| begins);
        self.responses.count(call.responses, earlier.responses.count, response.map(|name| *name.expose()));
    }

    /// Whether streams were seen.
    #[must_use]
    pub const fn streaming(&self) -> Streaming {
        match (self.requests.streams > 0, self.responses.streams > 0) {
            (false, false) => Streaming::Unary,
            (true, false) => Streaming::Client,
            (false, true) => Streaming::Server,
            (true, true) => Streaming::Both,
        }
    }

    /// Calls by outcome, wherever it was told.
    #[must_use]
    pub fn by_outcome(&self) -> BTreeMap<Outcome, u64> {
        let mut all = BTreeMap::new();
        for ((outcome, _), count) in &self.outcomes {
            *all.entry(*outcome).or_default() += count;
        }
        all
    }
}

/// Whether a call failed though its HTTP status, a success, does not say so.
#[must_use]
pub fn failed(call: &Call, http: u16) -> bool {
    (200..300).contains(&http) && call.status.is_some_and(|status| status != 0)
}

impl Merge for CallFacts {
    fn absorb(&mut self, other: Self) {
        self.protocols.absorb(other.protocols);
        self.outcomes.absorb(other.outcomes);
        self.failed.absorb(other.failed);
        self.requests.absorb(other.requests);
        self.responses.absorb(other.responses);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn call(status: Option<u32>, requests: u64, responses: u64) -> Call {
        let messages = |count| Messages { count, bytes: count * 7, largest: 7 };
        Call {
            status,
            told: if status.is_some() { Told::Trailers } else { Told::Nowhere },
            requests: messages(requests),
            responses: messages(responses),
            ..Call::default()
        }
    }

    fn facts(calls: &[(Option<u32>, u64, u64)]) -> CallFacts {
        let mut facts = CallFacts::default();
        let mut exchange = Transaction::default();
        exchange.response.status = 200;
        exchange.request.fields.push(b"grpc-encoding", b"gzip");
        exchange.response.fields.push(b"Grpc-Encoding", b"made-up");
        for (status, requests, responses) in calls {
            facts.count(&call(*status, *requests, *responses), &exchange);
        }
        facts
    }

    #[test]
    fn streams_show_as_messages_come() {
        for (calls, streaming) in [
            (&[(1, 1), (1, 0)][..], Streaming::Unary),
            (&[(1, 1), (5, 1)], Streaming::Client),
            (&[(1, 1), (1, 2)], Streaming::Server),
            (&[(2, 1), (1, 2)], Streaming::Both),
        ] {
            let calls: Vec<_> = calls.iter().map(|(to, from)| (Some(0), *to, *from)).collect();
            assert_eq!(facts(&calls).streaming(), streaming, "{calls:?}");
        }
    }

    #[test]
    fn outcomes_are_numbers_that_a_standard_has() {
        let facts = facts(&[(Some(0), 1, 1), (Some(5), 1, 0), (Some(4_000_000), 1, 0), (None, 1, 0)]);
        let named: Vec<_> =
            facts.by_outcome().into_iter().map(|(outcome, count)| (outcome_name(outcome), count)).collect();
        assert_eq!(named, [("none", 1), ("ok", 1), ("not_found", 1), ("other", 1)]);
        assert_eq!(facts.failed, 2);
        assert_eq!(facts.requests.compressions().collect::<Vec<_>>(), [("gzip", 4)]);
        assert_eq!(facts.responses.compressions().collect::<Vec<_>>(), [("other", 4)]);
    }

    proptest! {
        #[test]
        fn order_and_grouping_do_not_matter(
            calls in proptest::collection::vec((proptest::option::of(0_u32..20), 0_u64..4, 0_u64..4), 0..20),
            cut in 0_usize..20,
        ) {
            let (left, right) = calls.split_at(cut.min(calls.len()));
            let (mut one, mut other) = (facts(left), facts(right));
            other.absorb(facts(left));
            one.absorb(facts(right));
            prop_assert_eq!(&one, &other);
            prop_assert_eq!(one, facts(&calls));
        }
    }
}
