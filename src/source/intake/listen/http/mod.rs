//! Logs and spans over HTTP: `POST /v1/logs` (or `/`) for batches of lines, `POST /v1/traces` for OTLP/HTTP.
//!
//! ```text
//!  request ─▶ who: token ─▶ how often ─▶ what: type, coding, length ─▶ body ─▶ decoded ─▶ key: new? ─▶ lane
//!                                                                                                       │
//!  answer ◀──────────────────────────── the state holds it ◀────────────────────────────────────────────┘
//! ```
//!
//! A batch is answered with success once the state on disk holds what it brought, and counts whole or not at all. With
//! an `Idempotency-Key` it counts once however often it is sent. What cannot be taken now is refused with a status that
//! says so, and nothing of it counts.

mod batch;
mod keys;

use super::Http;
use super::budget::{Budget, Held};
use super::handover::Handover;
use super::rate::{Asker, Rate};
use super::serving::Activity;
use super::tokens::{TokenPrint, Tokens};
use crate::source::intake::{Content, Hand, Position, Receipt, Refused, Settled};
use crate::source::now;
use batch::{Kind, Unfit};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Body as _, Bytes, Incoming};
use hyper::header::{
    ACCEPT_ENCODING, ALLOW, AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, EXPECT, HeaderName, HeaderValue,
    RETRY_AFTER, WWW_AUTHENTICATE,
};
use hyper::{HeaderMap, Method, Request, Response, StatusCode};
use keys::{Claim, Claimed, Keys};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, oneshot};
use tokio::time::{Instant, timeout, timeout_at};

/// How long a body may take to come in.
const BODY_TIME: Duration = Duration::from_secs(30);
/// How long a client may wait for its batch to be saved.
const SAVE_TIME: Duration = Duration::from_secs(60);
/// What of a body is read that is not wanted, so that its sender comes to read the answer.
const DISCARD_BYTES: usize = 1 << 20;
/// How long that may take.
const DISCARD_TIME: Duration = Duration::from_secs(2);
/// Bytes of bodies that are being read, of all clients; or four times the largest batch.
const READING_BYTES: usize = 64 << 20;
/// Batches that are decoded at a time.
const DECODING: usize = 4;
/// Batches that were handed on and are not saved yet. There are so many only while the state cannot be written.
const UNSAVED: usize = 4_096;
/// The longest name of a batch.
const MAX_KEY: usize = 255;
/// The codings that are undone.
const CODINGS: [&str; 6] = ["gzip", "x-gzip", "deflate", "zstd", "br", "identity"];
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// An HTTP endpoint.
#[derive(Debug)]
pub(super) struct Endpoint {
    hand: Arc<Handover>,
    tokens: Option<Arc<Tokens>>,
    rate: Rate,
    keys: Arc<Keys>,
    budget: Budget,
    decoding: Semaphore,
    unsaved: Arc<Semaphore>,
    max_batch: usize,
}

/// Why a request is refused: its status, what is said, and after how many seconds to try again.
#[derive(Debug)]
struct Refusal {
    status: StatusCode,
    text: &'static str,
    retry_after: Option<u64>,
    /// Its name among the counts.
    count: &'static str,
}

impl Refusal {
    const fn new(status: StatusCode, count: &'static str, text: &'static str) -> Self {
        Self { status, text, retry_after: None, count }
    }

    const fn malformed(status: StatusCode, text: &'static str) -> Self {
        Self::new(status, "requests_malformed", text)
    }

    const fn later(self, seconds: u64) -> Self {
        Self { retry_after: Some(seconds), ..self }
    }

    const fn too_large() -> Self {
        Self::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "requests_too_large",
            "the batch is too large: send smaller ones",
        )
    }

    const fn busy() -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, "requests_deferred", "the sensor is busy").later(1)
    }

    const fn ending() -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "requests_at_end", "the sensor is ending").later(5)
    }

    const fn not_saved() -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "requests_not_saved",
            "what the batch brought is not saved yet",
        )
        .later(5)
    }
}

impl From<Unfit> for Refusal {
    fn from(unfit: Unfit) -> Self {
        match unfit {
            Unfit::Damaged => Self::malformed(
                StatusCode::BAD_REQUEST,
                "the content is not in the coding that Content-Encoding states",
            ),
            Unfit::TooLarge => Self::too_large(),
            Unfit::NotJson => Self::malformed(
                StatusCode::BAD_REQUEST,
                "not JSON objects, or an array of them, up to its end",
            ),
            Unfit::OtlpLogs => Self::malformed(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "logs of OTLP tell of no exchanges: send spans to /v1/traces, or lines of an access log here",
            ),
        }
    }
}

impl Endpoint {
    pub(super) fn new(way: &Http, hand: Arc<Handover>, tokens: Option<Arc<Tokens>>, given: &Hand) -> Self {
        Self {
            hand,
            tokens,
            rate: Rate::new(way.requests_per_second),
            keys: Keys::new(given.key.clone(), &given.positions),
            budget: Budget::new(READING_BYTES.max(4 * way.max_batch)),
            decoding: Semaphore::new(DECODING),
            unsaved: Arc::new(Semaphore::new(UNSAVED)),
            max_batch: way.max_batch,
        }
    }

    /// Answers a request of this peer.
    pub(super) async fn answer(
        &self,
        request: Request<Incoming>,
        peer: IpAddr,
        activity: &Activity,
    ) -> Response<Full<Bytes>> {
        let _open = activity.begin();
        let (head, mut body) = request.into_parts();
        // Errors of OTLP are told in its own way, as far as the type of the content says which.
        let otlp = otlp_of(head.uri.path(), &head.headers);
        match self.take(&head.method, head.uri.path(), &head.headers, &mut body, peer).await {
            Ok(()) => success(otlp),
            Err(refusal) => {
                self.hand.count(refusal.count, 1);
                // Who asks before sending is told no without being asked to go on.
                if !head.headers.contains_key(EXPECT) {
                    discard(&mut body).await;
                }
                refused(&refusal, otlp)
            }
        }
    }

    async fn take(
        &self,
        method: &Method,
        path: &str,
        headers: &HeaderMap,
        body: &mut Incoming,
        peer: IpAddr,
    ) -> Result<(), Refusal> {
        if !matches!(path, "/" | "/v1/logs" | "/v1/traces") {
            return Err(Refusal::malformed(
                StatusCode::NOT_FOUND,
                "logs are taken at /v1/logs, spans at /v1/traces",
            ));
        }
        if method != Method::POST {
            return Err(Refusal::malformed(StatusCode::METHOD_NOT_ALLOWED, "only POST is taken"));
        }
        let token = self.token(headers)?;
        if let Err(wait) = self.rate.take(Asker::new(token, peer), Instant::now()) {
            let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
            return Err(Refusal::new(StatusCode::TOO_MANY_REQUESTS, "requests_limited", "too many requests")
                .later(seconds.max(1)));
        }
        if self.hand.is_ending() {
            return Err(Refusal::ending());
        }
        let kind = kind(path, headers)?;
        let encoding = encoding(headers)?;
        let name = name(headers)?;
        let (bytes, held) = tokio::select! {
            biased;
            () = self.hand.ended() => return Err(Refusal::ending()),
            bytes = self.read(body) => bytes?,
        };

        let turn = self.decoding.acquire().await.map_err(|_| Refusal::ending())?;
        // What takes long must not hold up others.
        let (keys, most) = (Arc::clone(&self.keys), self.max_batch);
        let prepared = tokio::task::spawn_blocking(move || {
            let bytes = batch::decode(&encoding, bytes, most)?;
            let owner = token.as_ref().map_or(&[][..], |token| token.as_bytes());
            let claim = name.map(|name| keys.claim(owner, name.as_bytes(), &bytes));
            Ok::<_, Unfit>((batch::content(kind, bytes)?, claim))
        });
        let (content, claim) = prepared.await.map_err(|_| Refusal::ending())??;
        let claimed = match claim {
            None => None,
            Some(Claim::New(claimed)) => Some(claimed),
            Some(Claim::Saved) => return Ok(()),
            Some(Claim::Pending(mut outcome)) => {
                drop((content, held, turn));
                let told = timeout(SAVE_TIME, outcome.wait_for(Option::is_some)).await;
                let saved = told.is_ok_and(|told| told.is_ok_and(|saved| *saved == Some(true)));
                return if saved { Ok(()) } else { Err(Refusal::not_saved()) };
            }
            Some(Claim::Other) => {
                return Err(Refusal::malformed(
                    StatusCode::UNPROCESSABLE_ENTITY,
                    "another batch came under this Idempotency-Key",
                ));
            }
        };
        // A batch without lines brings nothing that could be lost.
        let Some(content) = content else { return Ok(()) };
        let saved = self.offer(content, claimed)?;
        // From here on only the lane holds it.
        drop((held, turn));
        match timeout(SAVE_TIME, saved).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(Refusal::not_saved()),
        }
    }

    fn token(&self, headers: &HeaderMap) -> Result<Option<TokenPrint>, Refusal> {
        let Some(tokens) = &self.tokens else { return Ok(None) };
        let given = headers.get(AUTHORIZATION).map(HeaderValue::as_bytes).unwrap_or_default();
        tokens.check(given).map(Some).ok_or(Refusal::new(
            StatusCode::UNAUTHORIZED,
            "requests_unauthorized",
            "a token is wanted: Authorization: Bearer",
        ))
    }

    async fn read(&self, body: &mut Incoming) -> Result<(Vec<u8>, Held), Refusal> {
        let most = u64::try_from(self.max_batch).unwrap_or(u64::MAX);
        if body.size_hint().lower() > most {
            return Err(Refusal::too_large());
        }
        let until = Instant::now() + BODY_TIME;
        let mut buffer = self.budget.buffer();
        loop {
            let Ok(frame) = timeout_at(until, body.frame()).await else {
                return Err(Refusal::new(
                    StatusCode::REQUEST_TIMEOUT,
                    "requests_timed_out",
                    "the body did not come in time",
                ));
            };
            match frame {
                None => return Ok(buffer.take()),
                Some(Err(_)) => {
                    return Err(Refusal::malformed(StatusCode::BAD_REQUEST, "the body ended too early"));
                }
                Some(Ok(frame)) => {
                    let Ok(bytes) = frame.into_data() else { continue };
                    if buffer.len() + bytes.len() > self.max_batch {
                        return Err(Refusal::too_large());
                    }
                    buffer.push(&bytes).map_err(|_| Refusal::busy())?;
                }
            }
        }
    }

    /// Hands a batch on, and returns what tells that it is saved.
    fn offer(&self, content: Content, claimed: Option<Claimed>) -> Result<oneshot::Receiver<()>, Refusal> {
        let moves = claimed.as_ref().map(|claimed| (claimed.name(), Some(Position::Batch(now()))));
        let place = Arc::clone(&self.unsaved).try_acquire_owned().map_err(|_| Refusal::busy())?;
        let (tell, saved) = oneshot::channel();
        let tell = Box::new(move || {
            drop(place);
            if let Some(claimed) = claimed {
                claimed.saved();
            }
            // The client may have left.
            tell.send(()).unwrap_or_default();
        });
        let receipt = Receipt { when: Settled::Saved, tell };
        // Each batch is read on its own: what one client sends says nothing of what the next one does.
        match self.hand.stream().offer(content, moves, receipt) {
            Ok(()) => Ok(saved),
            Err(Refused::Full(_)) => Err(Refusal::busy()),
            Err(Refused::Ending) => Err(Refusal::ending()),
        }
    }
}

/// The media type without its parameters, in lower case.
fn media_type(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(CONTENT_TYPE)?.to_str().ok()?;
    Some(value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase())
}

fn kind(path: &str, headers: &HeaderMap) -> Result<Kind, Refusal> {
    let media = media_type(headers);
    if path == "/v1/traces" {
        return match media.as_deref() {
            Some("application/x-protobuf" | "application/protobuf") => Ok(Kind::Spans),
            Some("application/json") => Ok(Kind::SpansJson),
            Some(_) | None => Err(Refusal::malformed(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "spans are taken as application/x-protobuf or application/json",
            )),
        };
    }
    match media.as_deref() {
        Some(
            "application/x-ndjson"
            | "application/ndjson"
            | "application/jsonl"
            | "application/x-jsonlines"
            | "application/jsonlines"
            | "application/json-lines"
            | "application/x-json-stream"
            | "text/plain",
        )
        | None => Ok(Kind::Lines),
        Some("application/json") => Ok(Kind::Json),
        Some(_) => Err(Refusal::malformed(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "lines are taken as application/x-ndjson, application/json or text/plain",
        )),
    }
}

fn encoding(headers: &HeaderMap) -> Result<Vec<u8>, Refusal> {
    let all: Vec<&str> =
        headers.get_all(CONTENT_ENCODING).iter().map(|value| value.to_str().unwrap_or("?")).collect();
    let all = all.join(",");
    let known =
        |coding: &str| coding.is_empty() || CODINGS.iter().any(|known| coding.eq_ignore_ascii_case(known));
    if all.split(',').map(str::trim).all(known) {
        return Ok(all.into_bytes());
    }
    Err(Refusal::malformed(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "of content codings gzip, deflate, zstd and br are undone",
    ))
}

/// The name that the client gives to its batch.
fn name(headers: &HeaderMap) -> Result<Option<HeaderValue>, Refusal> {
    let mut all = headers.get_all(IDEMPOTENCY_KEY).iter();
    let Some(name) = all.next() else { return Ok(None) };
    if all.next().is_none() && (1..=MAX_KEY).contains(&name.len()) {
        return Ok(Some(name.clone()));
    }
    Err(Refusal::malformed(StatusCode::BAD_REQUEST, "one Idempotency-Key is taken, of 1 to 255 characters"))
}

/// Reads some of what is left, so that a client which sends first and reads later sees its answer.
async fn discard(body: &mut Incoming) {
    let read = async {
        let mut left = DISCARD_BYTES;
        while let Some(Ok(frame)) = body.frame().await {
            let length = frame.data_ref().map_or(0, Bytes::len);
            match left.checked_sub(length) {
                Some(rest) => left = rest,
                None => return,
            }
        }
    };
    // It is the client's loss.
    drop(timeout(DISCARD_TIME, read).await);
}

/// How answers to spans are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Otlp {
    Protobuf,
    Json,
}

fn otlp_of(path: &str, headers: &HeaderMap) -> Option<Otlp> {
    let json = media_type(headers).is_some_and(|media| media == "application/json");
    (path == "/v1/traces").then_some(if json { Otlp::Json } else { Otlp::Protobuf })
}

/// An empty `ExportTraceServiceResponse` is no byte of protobuf.
fn success(otlp: Option<Otlp>) -> Response<Full<Bytes>> {
    match otlp {
        None => Response::new(Full::default()),
        Some(Otlp::Protobuf) => typed("application/x-protobuf", Bytes::new()),
        Some(Otlp::Json) => typed("application/json", Bytes::from_static(b"{}")),
    }
}

fn typed(media: &'static str, body: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media));
    response
}

fn refused(refusal: &Refusal, otlp: Option<Otlp>) -> Response<Full<Bytes>> {
    let text = refusal.text;
    let mut response = match otlp {
        None => typed("text/plain; charset=utf-8", Bytes::from(format!("{text}\n"))),
        // `google.rpc.Status`, of which only the message matters. Texts here are short and plain.
        Some(Otlp::Protobuf) => {
            let length = u8::try_from(text.len()).ok().filter(|length| *length < 0x80).unwrap_or_default();
            let text = text.as_bytes().get(..usize::from(length)).unwrap_or_default();
            typed("application/x-protobuf", Bytes::from([&[0x12, length], text].concat()))
        }
        Some(Otlp::Json) => {
            typed("application/json", Bytes::from(serde_json::json!({ "message": text }).to_string()))
        }
    };
    *response.status_mut() = refusal.status;
    let headers = response.headers_mut();
    if let Some(seconds) = refusal.retry_after {
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    match refusal.status {
        StatusCode::UNAUTHORIZED => {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"spanlight\""));
        }
        StatusCode::METHOD_NOT_ALLOWED => {
            headers.insert(ALLOW, HeaderValue::from_static("POST"));
        }
        StatusCode::UNSUPPORTED_MEDIA_TYPE => {
            headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("gzip, deflate, zstd, br"));
        }
        _ => {}
    }
    response
}
