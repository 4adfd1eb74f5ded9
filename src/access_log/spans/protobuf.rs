//! One span in protobuf: `opentelemetry.proto.trace.v1.Span`.

use super::super::BadReason;
use super::super::fields::Value;
use super::super::wire::{Field, bytes_of, fields};
use super::{Frame, Reading, SERVER};
use crate::transaction::Transaction;

/// Reads a span; `Ok(false)` when it is none that counts.
pub(super) fn parse(span: &[u8], reading: &mut Reading, into: &mut Transaction) -> Result<bool, BadReason> {
    let (mut kind, mut start, mut end) = (0, 0, 0);
    let (mut trace, mut parent) = (&b""[..], &b""[..]);
    fields(span, &mut |number, field| match number {
        1 => trace = field.bytes(),
        4 => parent = field.bytes(),
        6 => kind = field.number(),
        7 => start = field.number(),
        8 => end = field.number(),
        _ => {}
    })?;
    if kind != SERVER {
        return Ok(false);
    }
    reading.begin(into);
    let mut outcome = Ok(());
    fields(span, &mut |number, field| {
        if let (9, Field::Bytes(pair)) = (number, field) {
            outcome = outcome.and(attribute(pair, reading, into));
        }
    })?;
    outcome?;
    let (mut trace_digits, mut parent_digits) = ([0; 32], [0; 16]);
    let frame =
        Frame { start, end, trace: hex(trace, &mut trace_digits), parent: hex(parent, &mut parent_digits) };
    reading.finish(frame, into)
}

/// A `KeyValue`, whose value is an `AnyValue`.
fn attribute(pair: &[u8], reading: &mut Reading, into: &mut Transaction) -> Result<(), BadReason> {
    let (mut key, mut value) = (&b""[..], &b""[..]);
    fields(pair, &mut |number, field| match number {
        1 => key = field.bytes(),
        2 => value = field.bytes(),
        _ => {}
    })?;
    let mut array_of = None;
    fields(value, &mut |number, field| match (number, field) {
        (1, Field::Bytes(text)) => reading.attribute(key, Value::Text(text), into),
        (2, Field::Number(flag)) => reading.attribute(key, Value::Bool(flag != 0), into),
        // No attribute that matters is negative.
        (3, Field::Number(number)) if i64::try_from(number).is_ok() => {
            reading.attribute(key, Value::Integer(number), into);
        }
        (4, Field::Number(bits)) => reading.attribute(key, Value::Float(f64::from_bits(bits)), into),
        (5, Field::Bytes(array)) => {
            array_of = Some(array);
        }
        _ => {}
    })?;
    fields(array_of.unwrap_or_default(), &mut |number, item| {
        if let (1, Some(text)) = (number, bytes_of(item.bytes(), 1)) {
            reading.attribute(key, Value::Text(text), into);
        }
    })
}

/// The digits of an id; none when it has another length.
fn hex<'a>(id: &[u8], digits: &'a mut [u8]) -> &'a [u8] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    if id.len() * 2 != digits.len() {
        return b"";
    }
    let nibbles = id.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    for (digit, nibble) in digits.iter_mut().zip(nibbles) {
        *digit = DIGITS.get(usize::from(nibble)).copied().unwrap_or(b'0');
    }
    digits
}
