//! Which operations a request asks for, where one URL stands for many: GraphQL, JSON-RPC, SOAP, XML-RPC, ISO 20022
//! messages, and the batches of OData.
//!
//! ```text
//!  method, content type, query, body ─▶ gate ─▶ graphql │ json │ soap │ odata ─▶ Call, one for each operation asked for
//!                                                              response ─▶ its Outcome, and what it holds
//! ```
//!
//! [`read`] looks at the content type and the first bytes of the body, and for nearly every request that is all. What a
//! URL is called says nothing: only the body is evidence, or the query where GraphQL is asked by GET. Bodies that were cut
//! give what was read of them. Names are a stranger's words and stay [`Sensitive`]; what of them may be shown is for the
//! inventory to say. Everything is linear in the bytes, bounded by [`Limits`], and without recursion.

pub mod graphql;
mod json;
mod odata;
mod soap;

use crate::limits::Limits;
use crate::payload::{form, multipart};
use crate::secret::Sensitive;
use crate::transaction::{Fields, Transaction};
use json::Value;
use std::borrow::Cow;

/// In which language an operation is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub enum Kind {
    /// GraphQL over HTTP.
    Graphql,
    /// JSON-RPC 1.0 and 2.0.
    JsonRpc,
    /// SOAP 1.1 and 1.2.
    Soap,
    /// XML-RPC.
    XmlRpc,
    /// A message of ISO 20022 without an envelope of SOAP.
    Iso20022,
    /// A request inside an OData `$batch`, also of those that do it alike.
    Odata,
}

impl Kind {
    /// The stable name: snake case.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Graphql => "graphql",
            Self::JsonRpc => "json_rpc",
            Self::Soap => "soap",
            Self::XmlRpc => "xml_rpc",
            Self::Iso20022 => "iso20022",
            Self::Odata => "odata",
        }
    }

    /// It as people write it.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Graphql => "GraphQL",
            Self::JsonRpc => "JSON-RPC",
            Self::Soap => "SOAP",
            Self::XmlRpc => "XML-RPC",
            Self::Iso20022 => "ISO 20022",
            Self::Odata => "OData",
        }
    }
}

/// The type of a GraphQL operation.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
pub enum OperationType {
    /// It reads.
    #[default]
    Query,
    /// It writes.
    Mutation,
    /// It goes on telling.
    Subscription,
}

impl OperationType {
    /// The word that begins it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Query => "query",
            Self::Mutation => "mutation",
            Self::Subscription => "subscription",
        }
    }

    fn of(word: &[u8]) -> Option<Self> {
        [Self::Query, Self::Mutation, Self::Subscription]
            .into_iter()
            .find(|one| one.name().as_bytes() == word)
    }
}

/// What a call carries, one way.
#[derive(Clone, Debug)]
pub enum Content<'a> {
    /// One JSON value.
    Json(Sensitive<&'a [u8]>),
    /// A body of this content type.
    Body(Option<&'a [u8]>, Sensitive<&'a [u8]>),
    /// A GraphQL document, and the object of its variables.
    Graphql(Sensitive<Cow<'a, [u8]>>, Option<Sensitive<Cow<'a, [u8]>>>),
}

/// How a call was answered, as the operation itself tells it.
#[derive(Clone, Debug, Default)]
pub struct Outcome<'a> {
    /// Whether an answer was found.
    pub answered: bool,
    /// Whether it is an error.
    pub failed: bool,
    /// Whether it says that there is no such operation, or that this was none.
    pub refused: bool,
    /// The code of the error, a stranger's word.
    pub code: Option<Sensitive<Cow<'a, [u8]>>>,
    /// A status of its own, where an answer holds several.
    pub status: Option<u16>,
}

/// One operation that a request asks for.
#[derive(Clone, Debug)]
pub struct Call<'a> {
    /// In which language.
    pub kind: Kind,
    /// The type of a GraphQL operation.
    pub operation_type: Option<OperationType>,
    /// Its name as the client wrote it: an operation's, a method's, an element's, a path.
    pub name: Option<Sensitive<Cow<'a, [u8]>>>,
    /// GraphQL's root fields by their true names, sorted; SOAP's action; the root element of a message.
    pub fields: Sensitive<Vec<Vec<u8>>>,
    /// The digest of a GraphQL document that the server keeps.
    pub persisted: Option<Sensitive<Cow<'a, [u8]>>>,
    /// Whether it asks for a schema.
    pub introspection: bool,
    /// What it asks with.
    pub request: Option<Content<'a>>,
    /// What was answered.
    pub responses: Vec<Content<'a>>,
    /// How it was answered.
    pub outcome: Outcome<'a>,
    /// Bytes of the request that are this call's.
    pub bytes: usize,
    /// Whether a bound kept some of it from being read.
    pub limited: bool,
}

impl Call<'_> {
    const fn new(kind: Kind) -> Self {
        Self {
            kind,
            operation_type: None,
            name: None,
            fields: Sensitive::new(Vec::new()),
            persisted: None,
            introspection: false,
            request: None,
            responses: Vec::new(),
            outcome: Outcome { answered: false, failed: false, refused: false, code: None, status: None },
            bytes: 0,
            limited: false,
        }
    }
}

/// Members of an envelope that are looked at.
const MAX_MEMBERS: usize = 32;
/// The longest name of an operation.
const MAX_NAME: usize = 256;

/// The operations that an exchange asks for, in its body or in this query, which may be left out when none of its parameters
/// [does](is_parameter); empty for nearly every one.
#[must_use]
pub fn read<'a>(
    exchange: &'a Transaction,
    query: Option<Sensitive<&'a [u8]>>,
    limits: &Limits,
) -> Vec<Call<'a>> {
    let (fields, body) = (&exchange.request.fields, exchange.request.body.bytes.expose().as_slice());
    if body.is_empty() {
        return match query {
            Some(query) => graphql_by_query(exchange, query.expose(), limits),
            None => Vec::new(),
        };
    }
    let Some(first) = body.iter().find(|byte| !byte.is_ascii_whitespace()) else { return Vec::new() };
    let front = match first {
        // A byte order mark; what follows it decides.
        0xef => body.strip_prefix(b"\xef\xbb\xbf").and_then(|rest| rest.trim_ascii_start().first()),
        first => Some(first),
    };
    match front {
        Some(b'{' | b'[') if begins_an_envelope(body) => json_calls(exchange, body, limits),
        Some(b'<') => soap::calls(exchange, content_type(fields), body),
        Some(b'-') => multipart_calls(exchange, body, limits),
        Some(_) if is_media(fields, b"application/graphql") => {
            let call = graphql_call(Some(Cow::Borrowed(body)), !is_whole(exchange), None, limits);
            answer_graphql(call.into_iter().collect(), exchange, false)
        }
        Some(_) | None => Vec::new(),
    }
}

fn content_type(fields: &Fields) -> Option<&[u8]> {
    fields.get("content-type").map(|value| *value.expose())
}

fn is_media(fields: &Fields, essence: &[u8]) -> bool {
    content_type(fields)
        .and_then(|value| value.get(..essence.len()))
        .is_some_and(|front| front.eq_ignore_ascii_case(essence))
}

/// Whether all of the request's body was kept.
const fn is_whole(exchange: &Transaction) -> bool {
    exchange.request.body.whole
}

/// Names that the first member of an envelope has.
const ENVELOPE: [&[u8]; 12] = [
    b"query",
    b"operationName",
    b"variables",
    b"extensions",
    b"documentId",
    b"jsonrpc",
    b"method",
    b"params",
    b"id",
    b"auth",
    b"requests",
    b"operationType",
];

/// Whether the first member of a JSON body is one of an envelope: a few bytes tell it of most that are none.
fn begins_an_envelope(body: &[u8]) -> bool {
    let front = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body).trim_ascii_start();
    let front = front.strip_prefix(b"[").map_or(front, <[u8]>::trim_ascii_start);
    let Some(name) =
        front.strip_prefix(b"{").map(<[u8]>::trim_ascii_start).and_then(|rest| rest.strip_prefix(b"\""))
    else {
        return false;
    };
    ENVELOPE.iter().any(|known| name.strip_prefix(*known).is_some_and(|rest| rest.first() == Some(&b'"')))
}

/// The calls of a JSON body: an envelope, a batch of them, or one a line.
fn json_calls<'a>(exchange: &'a Transaction, body: &'a [u8], limits: &Limits) -> Vec<Call<'a>> {
    let mut values = json::values(body);
    let Some(first) = values.next() else { return Vec::new() };
    let batch = first.is_array();
    let items: Vec<Value<'a>> = if batch {
        first.items().take(limits.operation_calls + 1).collect()
    } else {
        std::iter::once(first).chain(values).take(limits.operation_calls + 1).collect()
    };
    let over = items.len() > limits.operation_calls;
    let items = items.get(..items.len().min(limits.operation_calls)).unwrap_or_default();
    let Some(first) = items.first().filter(|first| first.is_object()) else { return Vec::new() };
    if !batch && let Some(requests) = first.member(b"requests").filter(|requests| requests.is_array()) {
        return odata::json_calls(exchange, requests, limits);
    }
    let rpc = json::rpc_calls(items.iter().copied(), limits.operation_calls);
    let mut calls = if rpc.is_empty() {
        let calls: Vec<Call<'a>> =
            items.iter().map_while(|item| graphql_envelope(*item, !is_whole(exchange), limits)).collect();
        answer_graphql(calls, exchange, batch)
    } else {
        json::answer_rpc(rpc, &answers(exchange, limits.operation_calls))
    };
    if let Some(last) = calls.last_mut() {
        last.limited |= over;
    }
    calls
}

/// The JSON values of an answer: one, the items of an array, one a line, one an event (`text/event-stream`), one a part.
fn answers(exchange: &Transaction, most: usize) -> Vec<Value<'_>> {
    let (fields, body) = (&exchange.response.fields, exchange.response.body.bytes.expose().as_slice());
    if is_media(fields, b"text/event-stream") {
        let data = body.split(|byte| *byte == b'\n').filter_map(|line| line.strip_prefix(b"data:"));
        return data.filter_map(|data| json::values(data).next()).take(most).collect();
    }
    if is_media(fields, b"multipart/") {
        let parts = multipart::parts(content_type(fields).unwrap_or_default(), body);
        return parts.filter_map(|(_, content)| json::values(content).next()).take(most).collect();
    }
    let mut values = json::values(body);
    match values.next() {
        Some(first) if first.is_array() => first.items().take(most).collect(),
        Some(first) => std::iter::once(first).chain(values).take(most).collect(),
        None => Vec::new(),
    }
}

/// A GraphQL request in JSON.
fn graphql_envelope<'a>(object: Value<'a>, cut: bool, limits: &Limits) -> Option<Call<'a>> {
    let mut parts = GraphqlParts::default();
    let mut query = None;
    for (name, value) in object.members().take(MAX_MEMBERS) {
        match name {
            b"query" => query = Some(value),
            b"operationName" => parts.name = value.whole_text(),
            b"variables" if value.is_object() => parts.variables = Some(Cow::Borrowed(value.raw)),
            b"extensions" => parts.persisted = persisted(value),
            b"documentId" => parts.persisted = value.whole_text(),
            _ => {}
        }
    }
    let cut = cut && query.is_some_and(|query| !query.whole);
    let mut call = graphql_call(query.and_then(Value::text), cut, Some(parts), limits)?;
    call.bytes = object.raw.len();
    Some(call)
}

/// `{"persistedQuery":{"version":1,"sha256Hash":"…"}}`
fn persisted(extensions: Value<'_>) -> Option<Cow<'_, [u8]>> {
    extensions.member(b"persistedQuery")?.member(b"sha256Hash")?.whole_text()
}

/// What stands beside a GraphQL document.
#[derive(Default)]
struct GraphqlParts<'a> {
    name: Option<Cow<'a, [u8]>>,
    variables: Option<Cow<'a, [u8]>>,
    persisted: Option<Cow<'a, [u8]>>,
}

/// A call, if the text is a GraphQL document or a digest stands for one.
fn graphql_call<'a>(
    text: Option<Cow<'a, [u8]>>,
    cut: bool,
    parts: Option<GraphqlParts<'a>>,
    limits: &Limits,
) -> Option<Call<'a>> {
    let parts = parts.unwrap_or_default();
    let bounds = graphql::Bounds { tokens: limits.graphql_tokens, depth: limits.body_depth };
    let mut call = Call::new(Kind::Graphql);
    let text = text.filter(|text| !text.is_empty());
    if let Some(text) = &text {
        let document = graphql::Document::read(text, cut, bounds)?;
        let chosen = document.choose(parts.name.as_deref());
        call.operation_type = Some(chosen.kind);
        call.name = chosen.name.map(|name| Sensitive::new(Cow::Owned(name.to_vec())));
        call.fields = Sensitive::new(chosen.fields.iter().map(|field| field.to_vec()).collect());
        call.introspection = chosen.introspection;
        call.limited = document.is_limited();
        call.bytes = text.len();
    } else {
        parts.persisted.as_ref()?;
    }
    if call.name.is_none() {
        call.name = parts.name.filter(|name| (1..=MAX_NAME).contains(&name.len())).map(Sensitive::new);
    }
    call.persisted = parts.persisted.map(Sensitive::new);
    call.request =
        Some(Content::Graphql(Sensitive::new(text.unwrap_or_default()), parts.variables.map(Sensitive::new)));
    Some(call)
}

/// Parameters of a query by which a GraphQL request is known.
const PARAMETERS: [&[u8]; 3] = [b"query", b"extensions", b"documentId"];

/// Whether a query parameter of this name may ask for an operation.
#[must_use]
pub fn is_parameter(name: &[u8]) -> bool {
    PARAMETERS.contains(&name)
}

/// A GraphQL request in a query: `?query=…&operationName=…&variables=…&extensions=…`.
fn graphql_by_query<'a>(exchange: &'a Transaction, query: &'a [u8], limits: &Limits) -> Vec<Call<'a>> {
    let begins = |pair: &[u8]| {
        PARAMETERS.iter().any(|name| pair.strip_prefix(*name).is_some_and(|rest| rest.starts_with(b"=")))
    };
    let mut others = memchr::memchr_iter(b'&', query).filter_map(|at| query.get(at + 1..));
    if !begins(query) && !others.any(begins) {
        return Vec::new();
    }
    let (mut parts, mut text) = (GraphqlParts::default(), None);
    for (name, value) in form::pairs(query).take(limits.query_parameters) {
        let decoded = || {
            let mut scratch = Vec::new();
            Cow::Owned(value.decode(&mut scratch).to_vec())
        };
        match name.raw() {
            b"query" => text = Some(decoded()),
            b"operationName" => parts.name = Some(decoded()),
            b"variables" => parts.variables = Some(decoded()),
            b"documentId" => parts.persisted = Some(decoded()),
            b"extensions" => {
                let extensions: Cow<'a, [u8]> = decoded();
                let digest = json::values(&extensions).next().and_then(persisted);
                parts.persisted = digest.map(|digest| Cow::Owned(digest.into_owned()));
            }
            _ => {}
        }
    }
    answer_graphql(graphql_call(text, false, Some(parts), limits).into_iter().collect(), exchange, false)
}

/// Finds the answers of GraphQL calls: those of a batch by their place in it.
fn answer_graphql<'a>(mut calls: Vec<Call<'a>>, exchange: &'a Transaction, batch: bool) -> Vec<Call<'a>> {
    let answers = if calls.is_empty() { Vec::new() } else { answers(exchange, MAX_ANSWERS) };
    let alone = calls.len() == 1 && !batch;
    for (at, call) in calls.iter_mut().enumerate() {
        let mine = if alone { answers.as_slice() } else { answers.get(at..=at).unwrap_or_default() };
        for answer in mine.iter().filter(|answer| answer.is_object()) {
            let outcome = graphql_outcome(*answer);
            call.outcome.answered |= outcome.answered;
            call.outcome.failed |= outcome.failed;
            call.outcome.refused |= outcome.refused;
            call.outcome.code = call.outcome.code.take().or(outcome.code);
            // A schema is no data of anybody.
            if !call.introspection {
                call.responses.push(Content::Json(Sensitive::new(answer.raw)));
            }
        }
    }
    calls
}

/// Answers to one GraphQL call, as a subscription or a deferred part has them.
const MAX_ANSWERS: usize = 1_024;

fn graphql_outcome(answer: Value<'_>) -> Outcome<'_> {
    let (mut data, mut errors) = (None, None);
    for (name, value) in answer.members().take(MAX_MEMBERS) {
        match name {
            b"data" => data = Some(value),
            b"errors" => errors = value.items().next(),
            _ => {}
        }
    }
    let code = errors.and_then(|error| error.member(b"extensions")?.member(b"code")?.whole_text());
    Outcome {
        answered: data.is_some() || errors.is_some(),
        failed: errors.is_some(),
        // Without `data` nothing was executed (section 7.1 of the specification): it was refused as a request.
        refused: errors.is_some() && data.is_none() && answer.whole && !is_denial(code.as_deref()),
        code: code.map(Sensitive::new),
        status: None,
    }
}

/// Whether a code says that the caller may not, or that the server could not: the operation is there.
fn is_denial(code: Option<&[u8]>) -> bool {
    let words: [&[u8]; 5] = [
        b"UNAUTHENTICATED",
        b"FORBIDDEN",
        b"INTERNAL_SERVER_ERROR",
        b"PERSISTED_QUERY_NOT_FOUND",
        b"UNAUTHORIZED",
    ];
    code.is_some_and(|code| words.contains(&code))
}

/// The calls of a multipart body: an OData batch, GraphQL with files, or SOAP with attachments.
fn multipart_calls<'a>(exchange: &'a Transaction, body: &'a [u8], limits: &Limits) -> Vec<Call<'a>> {
    let fields = &exchange.request.fields;
    if !is_media(fields, b"multipart/") {
        return Vec::new();
    }
    let kind = content_type(fields).unwrap_or_default();
    let Some((head, content)) = multipart::parts(kind, body).next() else { return Vec::new() };
    if is_media(fields, b"multipart/mixed") {
        return odata::multipart_calls(exchange, kind, body, limits);
    }
    if is_media(fields, b"multipart/related") {
        return soap::calls(exchange, multipart::field(head, b"content-type"), content);
    }
    let name =
        multipart::field(head, b"content-disposition").and_then(|field| multipart::parameter(field, b"name"));
    if name == Some(b"operations") && begins_an_envelope(content) {
        return json_calls(exchange, content, limits);
    }
    Vec::new()
}

/// Reads `data` as the body of requests and answers of every kind and asserts that whatever is told is bounded.
pub fn fuzz(data: &[u8]) {
    let limits = Limits { operation_calls: 8, graphql_tokens: 256, ..Limits::default() };
    let types: [&[u8]; 6] = [
        b"application/json",
        b"text/xml",
        b"multipart/mixed; boundary=b",
        b"multipart/form-data; boundary=b",
        b"multipart/related; boundary=b",
        b"application/graphql",
    ];
    for kind in types {
        let mut exchange = Transaction::default();
        exchange.request.method.extend_from_slice(b"POST");
        exchange.request.target.expose_mut().extend_from_slice(b"/x");
        exchange.request.fields.push(b"content-type", kind);
        exchange.response.fields.push(b"content-type", kind);
        for body in [&mut exchange.request.body, &mut exchange.response.body] {
            body.bytes.expose_mut().extend_from_slice(data);
        }
        let calls = read(&exchange, None, &limits);
        assert!(calls.len() <= limits.operation_calls, "more calls than are read");
        for call in calls {
            let long = call.name.as_ref().is_some_and(|name| name.expose().len() > data.len().max(MAX_NAME));
            assert!(!long, "a name that is longer than the body");
        }
    }
    let nothing = Transaction::default();
    let calls = graphql_by_query(&nothing, data, &limits);
    assert!(calls.len() <= 1, "a query asks for one operation");
}

#[cfg(test)]
mod tests;
