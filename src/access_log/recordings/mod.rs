//! What proxies and test tools keep of the exchanges they saw or made, bodies too.
//!
//! ```text
//!                 ┌ netstrings::Netstrings ─▶ mitmproxy ─┐
//!  bytes ─▶ Items ┼ xml::Items ────────────▶ burp ───────┼─▶ message ─▶ Transaction
//!                 ├ Elements ──────────────▶ postman ────┤
//!                 └ Elements, tap::Wrappers ─▶ tap ──────┘
//! ```
//!
//! A splitter holds one item at a time, bounded, and a reader makes an exchange of it. Whatever an item holds that is no
//! exchange is set aside and counted. Envoy's streamed traces alone are put together from several items.

mod burp;
mod dates;
mod message;
mod mitmproxy;
mod netstrings;
mod postman;
mod tap;
mod xml;

use super::BadReason;
use super::elements::{Element, Elements, MAX_ELEMENT, Rule};
use crate::transaction::Transaction;
use message::Bodies;

/// The kinds of recordings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recording {
    /// Flows that mitmproxy saved.
    Mitmproxy,
    /// Items that Burp Suite exported as XML.
    Burp,
    /// A Postman collection, version 2: the examples saved in it.
    Postman,
    /// Traces of Envoy's tap filter in JSON.
    TapJson,
    /// Traces of Envoy's tap filter in protobuf: one, or many behind their lengths.
    TapProtobuf,
}

impl Recording {
    /// All kinds.
    pub const ALL: [Self; 5] = [Self::Mitmproxy, Self::Burp, Self::Postman, Self::TapJson, Self::TapProtobuf];

    /// Its name on the command line.
    #[must_use]
    pub const fn id(self) -> &'static str {
        match self {
            Self::Mitmproxy => "mitmproxy",
            Self::Burp => "burp",
            Self::Postman => "postman",
            Self::TapJson => "envoy_tap_json",
            Self::TapProtobuf => "envoy_tap_protobuf",
        }
    }

    /// How people call it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Mitmproxy => "mitmproxy flows",
            Self::Burp => "Burp items",
            Self::Postman => "Postman collection",
            Self::TapJson | Self::TapProtobuf => "Envoy tap",
        }
    }

    /// What one record of it is called.
    #[must_use]
    pub const fn record(self) -> &'static str {
        match self {
            Self::Mitmproxy => "flow",
            Self::Burp => "item",
            Self::Postman => "request",
            Self::TapJson | Self::TapProtobuf => "trace",
        }
    }

    /// What is set aside, as a sentence goes on behind its number.
    #[must_use]
    pub const fn aside(self) -> &'static str {
        match self {
            Self::Mitmproxy => "flows of TCP, UDP or DNS tell of no exchange",
            Self::Burp | Self::TapJson | Self::TapProtobuf => "records tell of no exchange",
            Self::Postman => {
                "requests or examples of the collection are no exchange: no answer is saved, or none with a `Date`, \
                 as what was written by hand or generated"
            }
        }
    }
}

/// Tells by its first bytes whether an input is a recording.
pub(super) fn detect(start: &[u8]) -> Option<Recording> {
    if mitmproxy::looks_like(start) {
        Some(Recording::Mitmproxy)
    } else if burp::looks_like(start) {
        Some(Recording::Burp)
    } else if postman::looks_like(start) {
        Some(Recording::Postman)
    } else if tap::looks_like_json(start) {
        Some(Recording::TapJson)
    } else if tap::looks_like_protobuf(start) {
        Some(Recording::TapProtobuf)
    } else {
        None
    }
}

/// Takes what came of each record; `Ok(false)` is one that is set aside. The exchange may be swapped for another.
pub(super) type Each<'e> = dyn FnMut(Result<bool, BadReason>, &mut Transaction) + 'e;

/// Reads one recording as it comes. See the module's doc.
#[derive(Debug)]
pub(super) struct Items {
    split: Split,
    bodies: Bodies,
    transaction: Transaction,
    streams: tap::Streams,
}

#[derive(Debug)]
enum Split {
    Mitmproxy(netstrings::Netstrings),
    Burp(xml::Items),
    Postman(Elements),
    TapJson(Elements),
    TapProtobuf(tap::Wrappers),
}

impl Items {
    pub(super) fn new(recording: Recording, body_bytes: usize) -> Self {
        Self {
            split: match recording {
                Recording::Mitmproxy => Split::Mitmproxy(netstrings::Netstrings::default()),
                Recording::Burp => Split::Burp(xml::Items::default()),
                Recording::Postman => Split::Postman(Elements::new(Rule::Postman, body_bytes)),
                Recording::TapJson => Split::TapJson(Elements::new(Rule::Tap, body_bytes)),
                Recording::TapProtobuf => Split::TapProtobuf(tap::Wrappers::default()),
            },
            bodies: Bodies::new(body_bytes),
            transaction: Transaction::default(),
            streams: tap::Streams::default(),
        }
    }

    /// Reads the next bytes and hands out what came of every record that ends in them.
    pub(super) fn feed(&mut self, bytes: &[u8], each: &mut Each<'_>) {
        let Self { split, bodies, transaction, streams } = self;
        match split {
            Split::Mitmproxy(flows) => flows.feed(bytes, &mut |flow| {
                let outcome = flow.and_then(|flow| mitmproxy::read(flow, bodies, transaction));
                each(outcome, transaction);
            }),
            Split::Burp(items) => items.feed(bytes, &mut |item| {
                let outcome = item.and_then(|item| burp::read(item, bodies, transaction));
                each(outcome, transaction);
            }),
            Split::Postman(items) => items.feed(bytes, &mut |item| match whole(item) {
                Ok(item) => postman::read(item, bodies, transaction, each),
                Err(reason) => each(Err(reason), transaction),
            }),
            Split::TapJson(traces) => traces.feed(bytes, &mut |trace| match whole(trace) {
                Ok(trace) => tap::read_json(trace, bodies, transaction, streams, each),
                Err(reason) => each(Err(reason), transaction),
            }),
            Split::TapProtobuf(wrappers) => wrappers.feed(bytes, &mut |wrapper| match wrapper {
                Ok((number, trace)) => {
                    tap::read_protobuf(number, trace, bodies, transaction, streams, each);
                }
                Err(reason) => each(Err(reason), transaction),
            }),
        }
    }

    /// Hands out what the end of the input leaves, and what is wrong with the end.
    pub(super) fn finish(&mut self, each: &mut Each<'_>) {
        self.streams.finish(&mut self.bodies, each);
        let reason = match &self.split {
            Split::Mitmproxy(flows) => flows.finish(),
            Split::Burp(items) => items.finish(),
            Split::Postman(items) | Split::TapJson(items) => items.finish(),
            Split::TapProtobuf(wrappers) => wrappers.finish(),
        };
        if let Some(reason) = reason {
            each(Err(reason), &mut self.transaction);
        }
    }
}

fn whole(element: Element<'_>) -> Result<&[u8], BadReason> {
    match element {
        Element::Whole(bytes) => Ok(bytes),
        Element::TooLong => Err(BadReason::TooLong { limit: MAX_ELEMENT }),
        Element::Cut => Err(BadReason::Cut),
        Element::Stray => Err(BadReason::Json { column: 1 }),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{LogFormat, LogReport, Reader, detect as detect_format, fingerprint};
    use super::*;
    use crate::limits::Limits;
    use proptest::prelude::*;

    const COLLECTION: &str = r#"{"info":{"name":"bank","schema":"https://schema.getpostman.com/json/collection/v2.1.0/collection.json"},"item":[{"name":"folder","description":"\"item\":[{","item":[{"name":"a","request":{"method":"GET","url":"http://a.example/a"},"response":[{"code":200,"header":[{"key":"Date","value":"Wed, 15 Apr 2026 00:00:06 GMT"}],"body":"{\"item\":[1]}"},{"code":200,"header":[],"body":"{}"}]},{"item":[]},{"name":"b","request":{"method":"GET","url":"http://a.example/b"}}],"event":[{"script":{"exec":["item",[]]}}]},{"name":"c","response":7},{"request":"http://a.example/c","response":[{"code":204,"header":"Date: Wed, 15 Apr 2026 00:00:06 GMT"}]}],"variable":[{"key":"base","value":"x"}]}"#;
    const TAP: &str = "{\"http_buffered_trace\":{\"request\":{\"headers\":[{\"key\":\":method\",\"value\":\"GET\"},{\"key\":\":path\",\"value\":\"/a\"}],\"headers_received_time\":\"2026-04-15T00:00:06Z\"}}}\n{\"http_streamed_trace_segment\":{\"trace_id\":\"1\",\"request_headers\":{\"headers\":[]}}}\n";

    fn samples() -> Vec<(Recording, Vec<u8>)> {
        let flows = [mitmproxy::tests::flow(None), mitmproxy::tests::flow(Some(b"x"))].concat();
        let request = "GET /a HTTP/1.1\r\nHost: a.example\r\n\r\n";
        let items =
            burp::tests::export(&[(request, b"HTTP/1.1 200 OK\r\n\r\nhi", true), (request, b"", false)]);
        vec![
            (Recording::Mitmproxy, flows),
            (Recording::Burp, items.into_bytes()),
            (Recording::Postman, COLLECTION.as_bytes().to_vec()),
            (Recording::TapJson, TAP.as_bytes().to_vec()),
            (Recording::TapProtobuf, tap::tests::sample()),
        ]
    }

    fn read(recording: Recording, input: &[u8], chunk: usize) -> (Vec<u64>, LogReport) {
        let limits = Limits { body_bytes: 16, ..Limits::default() };
        let mut reader = Reader::new(LogFormat::Recording(recording), 0, &limits);
        let mut seen = Vec::new();
        let mut sink = |transaction: &Transaction| seen.push(fingerprint(transaction));
        input.chunks(chunk).for_each(|chunk| reader.feed(chunk, &mut sink));
        let report = reader.finish(&mut sink).clone();
        (seen, report)
    }

    #[test]
    fn each_is_known_by_content_and_by_name() {
        for (recording, input) in samples() {
            let format = LogFormat::Recording(recording);
            assert_eq!(detect_format(&input), Some(format.clone()), "{recording:?}");
            assert_eq!(LogFormat::named(recording.id()), Some(format.clone()));
            assert!(LogFormat::names().contains(&recording.id()) && format.is_unmistakable());
        }
    }

    #[test]
    fn exchanges_what_is_set_aside_and_what_is_bad_are_counted() {
        for ((recording, input), (exchanges, aside, bad)) in
            samples().into_iter().zip([(2, 0, 0), (2, 0, 0), (2, 2, 1), (1, 0, 1), (2, 0, 0)])
        {
            let (seen, report) = read(recording, &input, 1_000);
            assert_eq!(
                (report.exchanges, report.aside, report.bad),
                (exchanges, aside, bad),
                "{recording:?}"
            );
            assert_eq!(report.records, exchanges + aside + bad, "{recording:?}");
            assert_eq!(seen.len() as u64, exchanges);
        }
    }

    #[test]
    fn what_is_cut_costs_what_it_hits() {
        for (recording, input) in samples() {
            let (_, whole) = read(recording, &input, 1_000);
            let (_, cut) = read(recording, &input[..input.len() - 3], 1_000);
            assert!(cut.bad > whole.bad || recording == Recording::TapJson, "{recording:?}: {cut:?}");
            assert!(cut.exchanges + 1 >= whole.exchanges, "{recording:?}: {cut:?}");
        }
    }

    proptest! {
        /// Damage never panics, and chunks do not matter.
        #[test]
        fn damaged_recordings_are_survived(which in 0_usize..5, at in 0_usize..2_000, with in any::<[u8; 2]>(), cut in 0_usize..4_000) {
            let (recording, mut bytes) = samples().swap_remove(which);
            bytes.truncate(cut.max(bytes.len() / 2));
            let at = at % bytes.len();
            if let Some(place) = bytes.get_mut(at..at + 2) {
                place.copy_from_slice(&with);
            }
            std::hint::black_box(detect_format(&bytes));
            let whole = read(recording, &bytes, bytes.len().max(1));
            prop_assert_eq!(&whole, &read(recording, &bytes, 1));
            prop_assert_eq!(whole.0.len() as u64, whole.1.exchanges);
        }
    }
}
