//! The ids that travel with a call, and what else tells it again at another vantage.
//!
//! | told as | id |
//! |---|---|
//! | `X-Request-ID`, `X-Correlation-ID`, `Request-Id`, `x-fapi-interaction-id`, of request or answer, or a field of the log | the value |
//! | `traceparent` (W3C), `b3`, `X-B3-TraceId`, `X-Cloud-Trace-Context` | the trace |
//! | `X-Amzn-Trace-Id` | `Root` |
//! | `CF-Ray` | the value before the place |
//!
//! An id is the same whatever its letters' case and its dashes. It is kept as a keyed hash.

use super::{MAX_IDS, Sighting};
use crate::caller::Caller;
use crate::inventory::calls::outcome;
use crate::secret::{FingerprintKey, Purpose};
use crate::transaction::{Completeness, Fields, Transaction};

/// How an id stands in a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Whole,
    /// Behind the first dash, up to the next.
    TraceParent,
    /// Up to the first dash or slash.
    Front,
    /// Behind `Root=1-`, or the whole where there is none.
    Root,
}

/// Names that carry an id.
const NAMES: [(&str, Form); 14] = [
    ("x-request-id", Form::Whole),
    ("request-id", Form::Whole),
    ("x-correlation-id", Form::Whole),
    ("correlation-id", Form::Whole),
    ("x-fapi-interaction-id", Form::Whole),
    ("x-amzn-requestid", Form::Whole),
    ("x-amz-cf-id", Form::Whole),
    ("x-b3-traceid", Form::Whole),
    ("trace-id", Form::Root),
    ("traceparent", Form::TraceParent),
    ("b3", Form::Front),
    ("x-cloud-trace-context", Form::Front),
    ("cf-ray", Form::Front),
    ("x-amzn-trace-id", Form::Root),
];

/// The shortest id: shorter ones are counters.
const MIN_ID: usize = 8;
/// The longest, in bytes.
const MAX_ID: usize = 128;

/// The id that a header carries: letters and digits in lower case.
fn id_in(name: &[u8], value: &[u8]) -> Option<Vec<u8>> {
    let (_, form) = NAMES.iter().find(|(known, _)| name.eq_ignore_ascii_case(known.as_bytes()))?;
    let part = match form {
        Form::Whole => Some(value),
        Form::TraceParent => value.split(|byte| *byte == b'-').nth(1),
        Form::Front => value.split(|byte| matches!(byte, b'-' | b'/')).next(),
        Form::Root => {
            let root =
                value.split(|byte| *byte == b';').find_map(|part| part.trim_ascii().strip_prefix(b"Root="));
            Some(root.map_or(value, |root| root.strip_prefix(b"1-").unwrap_or(root)))
        }
    }?;
    if part.len() > MAX_ID {
        return None;
    }
    let id: Vec<u8> =
        part.iter().filter(|byte| byte.is_ascii_alphanumeric()).map(u8::to_ascii_lowercase).collect();
    let first = id.first()?;
    (id.len() >= MIN_ID && id.iter().any(|byte| byte != first)).then_some(id)
}

/// What is kept of a call until it is known whether it was seen at another vantage.
pub(in crate::inventory) fn sighting(
    exchange: &Transaction,
    host: &str,
    caller: &Caller,
    key: &FingerprintKey,
) -> Sighting {
    let hash = |value: &[u8]| key.fingerprint(Purpose::Correlation, value).rank().max(1);
    let mut ids = [0; MAX_IDS];
    let mut slots = ids.iter_mut();
    let mut known: Vec<Vec<u8>> = Vec::new();
    let mut take = |fields: &Fields| {
        for (name, value) in fields.iter() {
            // Most headers are none of these.
            if !(2..=21).contains(&name.len()) {
                continue;
            }
            let Some(id) = id_in(name, value.expose()).filter(|id| !known.contains(id)) else { continue };
            let Some(slot) = slots.next() else { return };
            *slot = hash(&id);
            known.push(id);
        }
    };
    take(&exchange.request.fields);
    take(&exchange.told);
    take(&exchange.response.fields);
    let blind = exchange.completeness == Completeness::Logged && caller.schemes.is_empty();
    Sighting {
        at: exchange.started(),
        ids,
        name: tail(exchange.path().expose())
            .map_or(0, |_| hash(&[host.as_bytes(), exchange.path().expose()].concat())),
        tail: tail(exchange.path().expose()).map_or(0, hash),
        method: hash(&exchange.request.method),
        status: exchange.response.status,
        request_bytes: exchange.request.body.len,
        response_bytes: exchange.response.body.len,
        latency_us: exchange.latency_us,
        tls: exchange.tls,
        call: exchange.call.as_ref().map(outcome),
        schemes: (!blind && caller.fingerprint.is_some()).then_some(caller.schemes),
        caller: caller.fingerprint.map(|caller| caller.rank()),
    }
}

/// The last two segments of a path: what is before them differs from hop to hop.
fn tail(path: &[u8]) -> Option<&[u8]> {
    let path = path.strip_suffix(b"/").unwrap_or(path);
    let mut slashes = memchr::memrchr_iter(b'/', path);
    let last = slashes.next()?;
    let start = slashes.next().unwrap_or(last);
    path.get(start..).filter(|tail| tail.len() > 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_id_is_known_in_every_header() {
        let trace = Some(b"4bf92f3577b34da6a3ce929d0e0e4736".to_vec());
        for (name, value, expected) in [
            ("X-Request-ID", "4BF92F35-77b3-4da6-a3ce-929d0e0e4736", trace.clone()),
            ("x-fapi-interaction-id", "4bf92f35-77b3-4da6-a3ce-929d0e0e4736", trace.clone()),
            ("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", trace.clone()),
            ("b3", "4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-1", trace.clone()),
            ("X-Cloud-Trace-Context", "4bf92f3577b34da6a3ce929d0e0e4736/1;o=1", trace.clone()),
            ("X-Amzn-Trace-Id", "Self=1-a;Root=1-4bf92f35-77b34da6a3ce929d0e0e4736", trace),
            ("CF-Ray", "230b030023ae2822-SJC", Some(b"230b030023ae2822".to_vec())),
            ("X-Request-ID", "1234", None),
            ("X-Request-ID", "00000000-0000-0000-0000-000000000000", None),
            ("X-Api-Key", "4bf92f3577b34da6a3ce929d0e0e4736", None),
        ] {
            assert_eq!(id_in(name.as_bytes(), value.as_bytes()), expected, "{name}: {value}");
        }
    }

    #[test]
    fn the_end_of_a_path_is_the_same_at_every_hop() {
        for (path, expected) in [
            ("/open-banking/v3/accounts/1", Some("/accounts/1")),
            ("/accounts/1/", Some("/accounts/1")),
            ("/accounts", Some("/accounts")),
            ("/", None),
            ("", None),
            ("*", None),
        ] {
            assert_eq!(tail(path.as_bytes()), expected.map(str::as_bytes), "{path}");
        }
    }
}
