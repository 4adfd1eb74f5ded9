//! Typed netstrings (tnetstrings), of which mitmproxy's files are made: `LENGTH:PAYLOAD` and a byte for the type.
//!
//! [`Netstrings`] finds those that follow each other in a stream; [`Value`] reads one that is there.

use super::super::BadReason;

/// The longest that is held.
const MAX_NETSTRING: usize = 32 << 20;

/// Digits of a length.
const MAX_DIGITS: usize = 12;

/// A value; containers hold what is not read yet.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Value<'a> {
    /// Text or bytes.
    Bytes(&'a [u8]),
    /// A whole number.
    Integer(i64),
    /// A number.
    Float(f64),
    /// `true` or `false`.
    Bool(bool),
    /// Nothing.
    Null,
    /// Values.
    List(&'a [u8]),
    /// Keys and values by turns.
    Dict(&'a [u8]),
}

impl<'a> Value<'a> {
    /// Reads a value and gives back what is behind it.
    pub(super) fn read(input: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let front = input.get(..input.len().min(MAX_DIGITS + 1))?;
        let colon = memchr::memchr(b':', front)?;
        let (digits, rest) = input.split_at_checked(colon)?;
        let length: usize = std::str::from_utf8(digits).ok()?.parse().ok()?;
        let (payload, rest) = rest.get(1..)?.split_at_checked(length)?;
        let (kind, rest) = rest.split_first()?;
        let text = || std::str::from_utf8(payload).ok();
        let value = match kind {
            b',' | b';' => Self::Bytes(payload),
            b'#' => Self::Integer(text()?.parse().ok()?),
            b'^' => Self::Float(text()?.parse().ok()?),
            b'!' => Self::Bool(payload == b"true"),
            b'~' => Self::Null,
            b']' => Self::List(payload),
            b'}' => Self::Dict(payload),
            _ => return None,
        };
        Some((value, rest))
    }

    /// The values of a list; none of anything else. Ends where it cannot be read.
    pub(super) fn items(self) -> impl Iterator<Item = Value<'a>> {
        let mut rest = if let Self::List(items) = self { items } else { b"" };
        std::iter::from_fn(move || {
            let (value, behind) = Value::read(rest)?;
            rest = behind;
            Some(value)
        })
    }

    /// Hands each key of a dict with its value to `each`; `Err` where it cannot be read.
    pub(super) fn entries(self, each: &mut dyn FnMut(&'a [u8], Value<'a>)) -> Result<(), BadReason> {
        let mut rest = if let Self::Dict(entries) = self { entries } else { b"" };
        while !rest.is_empty() {
            let Some((Value::Bytes(key), behind)) = Value::read(rest) else {
                return Err(BadReason::Netstring);
            };
            let Some((value, behind)) = Value::read(behind) else { return Err(BadReason::Netstring) };
            rest = behind;
            each(key, value);
        }
        Ok(())
    }

    /// Its bytes; none when it has none.
    pub(super) const fn bytes(self) -> &'a [u8] {
        match self {
            Self::Bytes(bytes) => bytes,
            Self::Integer(_)
            | Self::Float(_)
            | Self::Bool(_)
            | Self::Null
            | Self::List(_)
            | Self::Dict(_) => b"",
        }
    }

    /// Its number.
    pub(super) fn number(self) -> Option<f64> {
        match self {
            #[expect(clippy::cast_precision_loss, reason = "ports, statuses and seconds are smaller")]
            Self::Integer(number) => Some(number as f64),
            Self::Float(number) => Some(number),
            Self::Bytes(_) | Self::Bool(_) | Self::Null | Self::List(_) | Self::Dict(_) => None,
        }
    }
}

/// Finds the netstrings of a stream. See the module's doc.
#[derive(Debug, Default)]
pub(super) struct Netstrings {
    state: State,
    found: bool,
    held: Vec<u8>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// `held` has the digits of a length.
    #[default]
    Length,
    /// So many bytes are to come, the type's too; `held` has what came, the length's too.
    Payload(usize),
    /// So many bytes are passed over.
    Skipping(usize),
    /// What stood there is none, so nothing says where the next begins.
    Lost,
}

impl Netstrings {
    /// Hands out every netstring that ends in `bytes`.
    pub(super) fn feed(&mut self, mut bytes: &[u8], each: &mut dyn FnMut(Result<Value<'_>, BadReason>)) {
        while let Some((&byte, rest)) = bytes.split_first() {
            match self.state {
                State::Lost => return,
                State::Length if byte.is_ascii_digit() && self.held.len() < MAX_DIGITS => {
                    self.held.push(byte);
                    bytes = rest;
                }
                State::Length => {
                    let digits = std::str::from_utf8(&self.held).ok().filter(|_| byte == b':');
                    // One more for the type.
                    let length = digits.and_then(|digits| digits.parse::<usize>().ok()?.checked_add(1));
                    self.held.push(byte);
                    bytes = rest;
                    self.state = match length {
                        None => {
                            each(Err(BadReason::Netstring));
                            State::Lost
                        }
                        Some(length) if length > MAX_NETSTRING => State::Skipping(length),
                        Some(length) => State::Payload(length),
                    };
                    self.found |= length.is_some();
                }
                State::Payload(left) => {
                    let (now, later) = bytes.split_at(left.min(bytes.len()));
                    bytes = later;
                    self.held.extend_from_slice(now);
                    self.state = State::Payload(left - now.len());
                    if left == now.len() {
                        each(Value::read(&self.held).map(|(value, _)| value).ok_or(BadReason::Netstring));
                        self.begin();
                    }
                }
                State::Skipping(left) => {
                    let (now, later) = bytes.split_at(left.min(bytes.len()));
                    bytes = later;
                    self.state = State::Skipping(left - now.len());
                    if left == now.len() {
                        each(Err(BadReason::TooLong { limit: MAX_NETSTRING }));
                        self.begin();
                    }
                }
            }
        }
    }

    fn begin(&mut self) {
        self.state = State::Length;
        self.held.clear();
        self.held.shrink_to(4 << 20);
    }

    /// What the end of the input says is wrong.
    pub(super) const fn finish(&self) -> Option<BadReason> {
        match self.state {
            State::Lost => None,
            State::Length if self.held.is_empty() => {
                if self.found {
                    None
                } else {
                    Some(BadReason::NoEntries)
                }
            }
            State::Length | State::Payload(_) | State::Skipping(_) => Some(BadReason::Cut),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_every_type_are_read() {
        for (text, expected) in [
            ("2:hi,", Some(Value::Bytes(b"hi"))),
            ("2:hi;", Some(Value::Bytes(b"hi"))),
            ("2:-7#", Some(Value::Integer(-7))),
            ("3:1.5^", Some(Value::Float(1.5))),
            ("4:true!", Some(Value::Bool(true))),
            ("0:~", Some(Value::Null)),
            ("8:1:1#1:2#]", Some(Value::List(b"1:1#1:2#"))),
            ("8:1:a;1:2#}", Some(Value::Dict(b"1:a;1:2#"))),
            ("2:hi?", None),
            ("9:hi,", None),
            ("x:hi,", None),
            ("", None),
        ] {
            assert_eq!(Value::read(text.as_bytes()).map(|(value, _)| value), expected, "{text}");
        }
    }

    #[test]
    fn what_follows_each_other_is_found_and_damage_is_told() {
        for (input, expected, end) in [
            ("1:a,1:b,", vec![Ok("a"), Ok("b")], None),
            ("1:a,2:b", vec![Ok("a")], Some(BadReason::Cut)),
            ("1:a,5", vec![Ok("a")], Some(BadReason::Cut)),
            ("1:a,x", vec![Ok("a"), Err(BadReason::Netstring)], None),
            ("1:a?1:b,", vec![Err(BadReason::Netstring), Ok("b")], None),
            ("", vec![], Some(BadReason::NoEntries)),
        ] {
            for chunk in [1, 2, 100] {
                let mut strings = Netstrings::default();
                let mut seen = Vec::new();
                for chunk in input.as_bytes().chunks(chunk) {
                    strings.feed(chunk, &mut |value| {
                        seen.push(value.map(|value| String::from_utf8_lossy(value.bytes()).into_owned()));
                    });
                }
                let expected: Vec<_> = expected.iter().map(|value| value.map(str::to_owned)).collect();
                assert_eq!((seen, strings.finish()), (expected, end), "{input} by {chunk}");
            }
        }
    }

    #[test]
    fn one_over_the_limit_costs_itself_only() {
        let mut input = format!("{MAX_NETSTRING}:").into_bytes();
        input.extend(std::iter::repeat_n(b'x', MAX_NETSTRING));
        input.extend_from_slice(b",1:b,");
        let mut strings = Netstrings::default();
        let mut seen = Vec::new();
        strings.feed(&input, &mut |value| seen.push(value.map(|value| value.bytes().to_vec())));
        assert_eq!(seen, [Err(BadReason::TooLong { limit: MAX_NETSTRING }), Ok(b"b".to_vec())]);
    }
}
