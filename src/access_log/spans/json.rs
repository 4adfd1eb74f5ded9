//! One span in OTLP's JSON (<https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding>): ids in hexadecimal
//! digits, 64-bit numbers as strings or not, `kind` as a number or, by older exporters, as its name.

use super::super::BadReason;
use super::super::fields::Value;
use super::{Frame, Reading, SERVER};
use crate::transaction::Transaction;
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, Visitor};
use std::borrow::Cow;
use std::fmt;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Span<'a> {
    #[serde(borrow, default, alias = "trace_id")]
    trace_id: Option<Cow<'a, str>>,
    #[serde(borrow, default, alias = "parent_span_id")]
    parent_span_id: Option<Cow<'a, str>>,
    #[serde(default)]
    kind: Kind,
    #[serde(default, alias = "start_time_unix_nano")]
    start_time_unix_nano: Number,
    #[serde(default, alias = "end_time_unix_nano")]
    end_time_unix_nano: Number,
    #[serde(borrow, default)]
    attributes: Vec<Attribute<'a>>,
}

#[derive(Deserialize)]
struct Attribute<'a> {
    #[serde(borrow)]
    key: Cow<'a, str>,
    #[serde(borrow, default)]
    value: AnyValue<'a>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::struct_field_names, reason = "the names of the format")]
struct AnyValue<'a> {
    #[serde(borrow, default, alias = "string_value")]
    string_value: Option<Cow<'a, str>>,
    #[serde(default, alias = "int_value")]
    int_value: Option<Number>,
    #[serde(default, alias = "bool_value")]
    bool_value: Option<bool>,
    #[serde(default, alias = "double_value")]
    double_value: Option<f64>,
    #[serde(borrow, default, alias = "array_value")]
    array_value: Option<ArrayValue<'a>>,
}

/// Items that are arrays themselves say nothing here.
#[derive(Deserialize)]
struct ArrayValue<'a> {
    #[serde(borrow, default)]
    values: Vec<Item<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Item<'a> {
    #[serde(borrow, default, alias = "string_value")]
    string_value: Option<Cow<'a, str>>,
}

/// Reads a span; `Ok(false)` when it is none that counts.
pub(super) fn parse(span: &[u8], reading: &mut Reading, into: &mut Transaction) -> Result<bool, BadReason> {
    let span: Span<'_> =
        serde_json::from_slice(span).map_err(|error| BadReason::Json { column: error.column() })?;
    if span.kind.0 != SERVER {
        return Ok(false);
    }
    reading.begin(into);
    for Attribute { key, value } in &span.attributes {
        let key = key.as_bytes();
        if let Some(text) = &value.string_value {
            reading.attribute(key, Value::Text(text.as_bytes()), into);
        } else if let Some(Number(number)) = value.int_value {
            reading.attribute(key, Value::Integer(number), into);
        } else if let Some(on) = value.bool_value {
            reading.attribute(key, Value::Bool(on), into);
        } else if let Some(number) = value.double_value {
            reading.attribute(key, Value::Float(number), into);
        } else if let Some(array) = &value.array_value {
            for text in array.values.iter().filter_map(|item| item.string_value.as_ref()) {
                reading.attribute(key, Value::Text(text.as_bytes()), into);
            }
        }
    }
    let id = |id: &Option<Cow<'_, str>>| {
        let digits = id.as_deref().unwrap_or_default();
        let digits = if digits.bytes().all(|digit| digit.is_ascii_hexdigit()) { digits } else { "" };
        digits.to_ascii_lowercase()
    };
    let (trace, parent) = (id(&span.trace_id), id(&span.parent_span_id));
    let frame = Frame {
        start: span.start_time_unix_nano.0,
        end: span.end_time_unix_nano.0,
        trace: trace.as_bytes(),
        parent: parent.as_bytes(),
    };
    reading.finish(frame, into)
}

/// `2` or `"SPAN_KIND_SERVER"`.
#[derive(Clone, Copy, Default)]
struct Kind(u64);

impl<'de> Deserialize<'de> for Kind {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Any<'a> {
            Number(u64),
            Name(#[serde(borrow)] Cow<'a, str>),
            Other(IgnoredAny),
        }
        Ok(Self(match Any::deserialize(json)? {
            Any::Number(number) => number,
            Any::Name(name) if name == "SPAN_KIND_SERVER" => SERVER,
            Any::Name(_) | Any::Other(_) => 0,
        }))
    }
}

/// A number that may be written as a string; a negative one, which no field here has, is 0.
#[derive(Clone, Copy, Default)]
struct Number(u64);

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        struct Read;
        impl Visitor<'_> for Read {
            type Value = Number;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number")
            }

            fn visit_u64<E>(self, number: u64) -> Result<Number, E> {
                Ok(Number(number))
            }

            fn visit_i64<E>(self, _: i64) -> Result<Number, E> {
                Ok(Number(0))
            }

            fn visit_f64<E>(self, number: f64) -> Result<Number, E> {
                Ok(Number(super::super::fields::to_integer(number).unwrap_or_default()))
            }

            fn visit_str<E>(self, text: &str) -> Result<Number, E> {
                Ok(Number(text.parse().unwrap_or_default()))
            }
        }
        json.deserialize_any(Read)
    }
}
