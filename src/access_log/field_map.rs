//! Lines that are JSON objects whose fields a map explains: what a preset of kind `json` says.
//!
//! ```text
//! path of a leaf ─▶ conditions: does such a line count?
//!                └▶ map ─▶ what it means ─▶ Scratch ─▶ Transaction
//! ```
//!
//! A field that the map does not name is passed over, or known by its name where the preset says so. Of two fields that
//! tell the same, the one named first wins.

use super::BadReason;
use super::fields::{Scratch, Side, Value};
use super::instant::Pattern;
use super::json_lines::{self, Leaves};
use super::names::{Meaning, Unit};
use crate::transaction::Transaction;
use hashbrown::HashMap;

/// A compiled map. See the module's doc.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FieldMap {
    exact: HashMap<Box<str>, Told>,
    /// What begins so, the longest first.
    prefixes: Vec<(Box<str>, Told)>,
    conditions: Vec<Condition>,
    constants: Vec<(Told, Box<str>)>,
    by_name: bool,
}

/// What a field tells.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Told {
    Means(Meaning),
    /// The host that the TLS handshake named.
    Sni,
    /// The moment, written in a way of its own.
    Moment(u8, Pattern),
    /// Field lines of a head: of this name, or of what stands behind the prefix.
    Head(Side, Option<Box<str>>),
    /// What the other readers know by this name.
    Named(&'static str),
    /// The day, and the time of that day, both in UTC, where they are fields of their own.
    Date,
    TimeOfDay,
    Nothing,
}

/// A field that must have one of these values for a line to count.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Condition {
    path: Box<str>,
    /// Values; one with `*` at its end stands for what begins so, `*` alone for any.
    values: Vec<Box<str>>,
}

/// What a preset's file says of a map.
#[derive(Debug, Default)]
pub(super) struct Source<'s> {
    pub(super) fields: Vec<(&'s str, &'s str)>,
    pub(super) conditions: Vec<(&'s str, Vec<String>)>,
    pub(super) constants: Vec<(&'s str, &'s str)>,
    pub(super) by_name: bool,
}

/// Fields that a map may name.
const MAX_FIELDS: usize = 200;
/// The rank of what a map's first field tells; more than any name has.
const FIRST: u8 = 250;
/// The rank of a host that only the TLS handshake named.
const LEAST: u8 = 1;

/// What may stand behind a field, for those who misspell it.
const WORDS: &str = "time, date, time_of_day, method, request, target, query, host, sni, protocol, scheme, tls, status, request_bytes, \
    response_bytes, duration, client, forwarded_for, server_address, server_port, user, user_agent, referer, \
    request_id, trace_id, subject_dn, request_header, response_header, ignored";

impl FieldMap {
    /// Compiles a map; `wrong` is told of all that is wrong with it, by place.
    pub(super) fn compile(source: &Source<'_>, wrong: &mut dyn FnMut(String, String)) -> Self {
        let mut map = Self {
            exact: HashMap::default(),
            prefixes: Vec::new(),
            conditions: Vec::new(),
            constants: Vec::new(),
            by_name: source.by_name,
        };
        if source.fields.len() > MAX_FIELDS {
            wrong("fields".to_owned(), format!("names more than {MAX_FIELDS} fields"));
        }
        let mut has = Has::default();
        for (rank, (path, says)) in (1..).zip(source.fields.iter().take(MAX_FIELDS)) {
            let told = match told(says, FIRST.saturating_sub(rank), path.ends_with('*')) {
                Ok(told) => told,
                Err(what) => {
                    wrong(format!("fields.{path}"), what);
                    continue;
                }
            };
            has.note(&told);
            match path.strip_suffix('*') {
                Some(front) => map.prefixes.push((front.into(), told)),
                None => {
                    map.exact.insert((*path).into(), told);
                }
            }
        }
        map.prefixes.sort_by_key(|(front, _)| std::cmp::Reverse(front.len()));
        for (path, values) in &source.conditions {
            if values.is_empty() {
                wrong(format!("when.{path}"), "names no value".to_owned());
            }
            let values = values.iter().map(|value| value.as_str().into()).collect();
            map.conditions.push(Condition { path: (*path).into(), values });
        }
        for (says, value) in &source.constants {
            let told = told(says, LEAST, false);
            if let Ok(Told::Means(Meaning::Scheme | Meaning::Tls | Meaning::Host(_) | Meaning::Method)) =
                &told
            {
                map.constants.extend(
                    told.ok().inspect(|constant| has.note(constant)).map(|told| (told, (*value).into())),
                );
            } else {
                wrong(format!("constants.{says}"), "may be scheme, tls, host or method".to_owned());
            }
        }
        if let Some(lacks) = has.lacks() {
            wrong("fields".to_owned(), format!("lacks {lacks}: without it a line tells of no exchange"));
        }
        map
    }

    /// Reads a line without its end; `Ok(false)` when it is of this format and does not count.
    pub(super) fn parse(
        &self,
        line: &[u8],
        scratch: &mut Scratch,
        into: &mut Transaction,
    ) -> Result<bool, BadReason> {
        let mut mapped =
            Mapped { map: self, met: 0, refused: false, has: Has::default(), date: None, time: None };
        json_lines::walk(line, &mut mapped, scratch, into)?;
        let Mapped { met, refused, has, date, time, .. } = mapped;
        if refused {
            return Ok(false);
        }
        // What only names explain is no line of this map.
        if met < self.conditions.len() || self.by_name && has.lacks().is_some() {
            return Err(BadReason::NotAsMapped);
        }
        if let (Some(date), Some(time)) = (date, time) {
            let moment = [&date[..], b"T", &time, b"Z"].concat();
            scratch.put_as(Meaning::Time(LEAST), Value::Text(&moment), into);
        }
        for (told, value) in &self.constants {
            let unsaid = match told {
                Told::Means(Meaning::Method) => into.request.method.is_empty(),
                _ => true,
            };
            if unsaid {
                take(told, "", Value::Text(value.as_bytes()), scratch, into);
            }
        }
        scratch.finish(into).map(|()| true)
    }

    /// How many leaves of a line it explains.
    pub(super) fn explains(&self, line: &[u8]) -> usize {
        let mut count = Count { map: self, known: 0 };
        let read = json_lines::walk(line, &mut count, &mut Scratch::default(), &mut Transaction::default());
        if read.is_ok() { count.known } else { 0 }
    }

    fn find(&self, path: &str) -> Option<(&Told, usize)> {
        if let Some(told) = self.exact.get(path) {
            return Some((told, path.len()));
        }
        let of_prefix = self.prefixes.iter().find(|(front, _)| path.starts_with(&**front));
        of_prefix.map(|(front, told)| (told, front.len()))
    }
}

/// What an exchange needs, and whether a map tells it.
#[derive(Clone, Copy, Debug, Default)]
struct Has {
    request: bool,
    method: bool,
    target: bool,
    time: bool,
}

impl Has {
    fn note(&mut self, told: &Told) {
        match told {
            Told::Moment(..) | Told::TimeOfDay | Told::Means(Meaning::Time(_)) => self.time = true,
            Told::Means(Meaning::RequestLine) => self.request = true,
            Told::Means(Meaning::Method) => self.method = true,
            Told::Means(Meaning::Target(_)) => self.target = true,
            Told::Means(_) | Told::Sni | Told::Head(..) | Told::Named(_) | Told::Date | Told::Nothing => {}
        }
    }

    const fn lacks(self) -> Option<&'static str> {
        if !(self.request || self.method && self.target) {
            Some("the request, or its method and target")
        } else if !self.time {
            Some("the time")
        } else {
            None
        }
    }
}

/// What a word of the file means: `time`, `time ms`, `duration ns`, `request_header X-Name`.
fn told(says: &str, rank: u8, many: bool) -> Result<Told, String> {
    let (word, argument) =
        says.trim().split_once(' ').map_or((says.trim(), ""), |(word, rest)| (word, rest.trim()));
    let unit = || match argument {
        "" => Ok(Unit::AsWritten),
        "s" => Ok(Unit::Seconds),
        "ms" => Ok(Unit::Millis),
        "us" => Ok(Unit::Micros),
        "ns" => Ok(Unit::Nanos),
        _ => Err("a unit is s, ms, us or ns".to_owned()),
    };
    let head = |side| {
        if many == argument.is_empty() {
            Ok(Told::Head(side, (!many).then(|| argument.into())))
        } else {
            Err("name the header, or end the field with `*` for many".to_owned())
        }
    };
    let told = match word {
        "request_header" => return head(Side::Request),
        "response_header" => return head(Side::Response),
        "ignored" => return Ok(Told::Nothing),
        "duration" => Told::Means(Meaning::Latency(rank, unit()?)),
        "time" if !argument.is_empty() => Told::Moment(
            rank,
            Pattern::new(argument)
                .ok_or("a time is s, ms, us or ns since 1970, or written like %Y-%m-%d %H:%M:%S")?,
        ),
        _ if !argument.is_empty() => return Err(format!("nothing stands behind `{word}`")),
        "time" => Told::Means(Meaning::Time(rank)),
        "date" => Told::Date,
        "time_of_day" => Told::TimeOfDay,
        "method" => Told::Means(Meaning::Method),
        "request" => Told::Means(Meaning::RequestLine),
        "target" => Told::Means(Meaning::Target(rank)),
        "query" => Told::Means(Meaning::Query),
        "host" => Told::Means(Meaning::Host(rank)),
        "sni" => Told::Sni,
        "protocol" => Told::Means(Meaning::Protocol),
        "scheme" => Told::Means(Meaning::Scheme),
        "tls" => Told::Means(Meaning::Tls),
        "status" => Told::Means(Meaning::Status(rank)),
        "request_bytes" => Told::Means(Meaning::RequestBytes),
        "response_bytes" => Told::Means(Meaning::ResponseBytes(rank)),
        "client" => Told::Means(Meaning::Client(rank)),
        "forwarded_for" => Told::Named("x_forwarded_for"),
        "server_address" => Told::Means(Meaning::ServerAddress),
        "server_port" => Told::Means(Meaning::ServerPort),
        "user" => Told::Means(Meaning::User),
        "user_agent" => Told::Head(Side::Request, Some("User-Agent".into())),
        "referer" => Told::Head(Side::Request, Some("Referer".into())),
        "request_id" => Told::Head(Side::Request, Some("X-Request-Id".into())),
        "trace_id" => Told::Head(Side::Request, Some("X-B3-TraceId".into())),
        "subject_dn" => Told::Named("ssl_client_s_dn"),
        _ => return Err(format!("`{word}` is none of: {WORDS}")),
    };
    if many { Err("only headers may be many (`*`)".to_owned()) } else { Ok(told) }
}

/// Takes what a field tells.
fn take(told: &Told, rest: &str, value: Value<'_>, scratch: &mut Scratch, into: &mut Transaction) {
    match told {
        Told::Means(meaning) => scratch.put_as(*meaning, value, into),
        Told::Sni => {
            into.tls |= !matches!(value, Value::Text(b"" | b"-"));
            scratch.put_as(Meaning::Host(LEAST), value, into);
        }
        Told::Moment(rank, pattern) => scratch.put_moment(*rank, pattern, value),
        Told::Named(name) => scratch.put(name, value, into),
        Told::Head(side, Some(name)) => Scratch::put_header(*side, name, value, into),
        // Variables of nginx have `_` where header names have `-`.
        Told::Head(side, None) if rest.contains('_') => {
            Scratch::put_header(*side, &rest.replace('_', "-"), value, into);
        }
        Told::Head(side, None) => Scratch::put_header(*side, rest, value, into),
        // Put together by whoever takes them.
        Told::Date | Told::TimeOfDay | Told::Nothing => {}
    }
}

/// Takes the leaves of a line as a map explains them.
struct Mapped<'m> {
    map: &'m FieldMap,
    /// Conditions that were met.
    met: usize,
    /// Whether one was not.
    refused: bool,
    /// What the map has told so far.
    has: Has,
    date: Option<Short>,
    time: Option<Short>,
}

/// A text that is short, or nothing.
type Short = Box<[u8]>;
/// Longer ones are no date and no time of a day.
const SHORT: usize = 32;

impl Leaves for Mapped<'_> {
    fn leaf(&mut self, path: &str, value: Value<'_>, scratch: &mut Scratch, into: &mut Transaction) {
        for condition in self.map.conditions.iter().filter(|condition| *condition.path == *path) {
            if condition.is_met(value) {
                self.met += 1;
            } else {
                self.refused = true;
            }
        }
        match self.map.find(path) {
            Some((told, front)) => {
                self.has.note(told);
                match (told, value) {
                    (Told::Date, Value::Text(text)) if text.len() <= SHORT => self.date = Some(text.into()),
                    (Told::TimeOfDay, Value::Text(text)) if text.len() <= SHORT => {
                        self.time = Some(text.into());
                    }
                    (told, value) => take(told, path.get(front..).unwrap_or_default(), value, scratch, into),
                }
            }
            None if self.map.by_name => scratch.put(path, value, into),
            None => {}
        }
    }

    fn again(&mut self) {
        *self = Self { map: self.map, met: 0, refused: false, has: Has::default(), date: None, time: None };
    }
}

impl Condition {
    fn is_met(&self, value: Value<'_>) -> bool {
        let number;
        let text = match value {
            Value::Text(text) => text,
            Value::Bool(on) => (if on { "true" } else { "false" }).as_bytes(),
            Value::Integer(whole) => {
                number = whole.to_string();
                number.as_bytes()
            }
            Value::Float(_) => return false,
        };
        self.values.iter().any(|allowed| match allowed.strip_suffix('*') {
            Some(front) => text.starts_with(front.as_bytes()),
            None => text == allowed.as_bytes(),
        })
    }
}

/// Counts the leaves that a map explains.
struct Count<'m> {
    map: &'m FieldMap,
    known: usize,
}

impl Leaves for Count<'_> {
    fn leaf(&mut self, path: &str, _: Value<'_>, _: &mut Scratch, _: &mut Transaction) {
        let is_condition = self.map.conditions.iter().any(|condition| *condition.path == *path);
        self.known += usize::from(is_condition || self.map.find(path).is_some());
    }

    fn again(&mut self) {
        self.known = 0;
    }
}
