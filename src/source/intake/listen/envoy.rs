//! Envoy's access log service over gRPC: `envoy.service.accesslog.v3.AccessLogService/StreamAccessLogs`.
//!
//! Each message of a stream is handed on as it came. The service acknowledges nothing; a lane without room stops the
//! reading of a stream, and HTTP/2 then stops its sender.

use super::EnvoyAls;
use super::budget::{Budget, BufferOf, Held};
use super::handover::Handover;
use super::serving::Activity;
use super::tokens::Tokens;
use crate::http::content::{ContentDecoder, Decoded};
use crate::http::grpc;
use crate::source::intake::Content;
use http_body_util::BodyExt as _;
use hyper::body::{Body, Bytes, Frame, Incoming};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::{HeaderMap, Method, Request, Response, StatusCode};
use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

const METHOD: &str = "/envoy.service.accesslog.v3.AccessLogService/StreamAccessLogs";
/// Bytes of messages that are not whole yet, of all clients.
const READING_BYTES: usize = 64 << 20;
/// How long one message may take to come in.
const MESSAGE_TIME: Duration = Duration::from_secs(30);
const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");
const GRPC_ENCODING: HeaderName = HeaderName::from_static("grpc-encoding");
const GRPC_ACCEPT_ENCODING: HeaderName = HeaderName::from_static("grpc-accept-encoding");

/// How a call ends: the numbers of gRPC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Status {
    Ok = 0,
    DeadlineExceeded = 4,
    ResourceExhausted = 8,
    Unimplemented = 12,
    Internal = 13,
    Unavailable = 14,
    Unauthenticated = 16,
}

type End = (Status, &'static str);

const TOO_LARGE: End = (Status::ResourceExhausted, "a message is too large");

/// The service.
#[derive(Debug)]
pub(super) struct Service {
    hand: Arc<Handover>,
    tokens: Option<Arc<Tokens>>,
    budget: Budget,
    max_message: usize,
}

impl Service {
    pub(super) fn new(way: &EnvoyAls, hand: Arc<Handover>, tokens: Option<Arc<Tokens>>) -> Self {
        let budget = Budget::new(READING_BYTES.max(4 * way.max_message));
        Self { hand, tokens, budget, max_message: way.max_message }
    }

    /// Answers a call, once it ends.
    pub(super) async fn answer(&self, request: Request<Incoming>, activity: &Activity) -> Response<Answer> {
        let _open = activity.begin();
        let (head, mut body) = request.into_parts();
        let media = head.headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
        if grpc::coding(media) != Some(grpc::Coding::Binary) || head.method != Method::POST {
            self.hand.count("calls_refused", 1);
            let mut response = Response::new(Answer::default());
            *response.status_mut() = StatusCode::UNSUPPORTED_MEDIA_TYPE;
            return response;
        }
        let gzip = match self.check(head.uri.path(), &head.headers) {
            Ok(gzip) => gzip,
            Err((status, text)) => {
                self.hand.count("calls_refused", 1);
                let mut response = begin();
                // Nothing but trailers is a head.
                response.headers_mut().extend(trailers(status, text));
                return response;
            }
        };
        let (status, text) = match self.read(&mut body, gzip).await {
            Ok(()) => (Status::Ok, ""),
            Err(end) => end,
        };
        let mut response = begin();
        let frames = &mut response.body_mut().0;
        if status == Status::Ok {
            // An empty `StreamAccessLogsResponse`.
            frames.push_back(Frame::data(Bytes::from_static(&[0; 5])));
        } else if status != Status::Unavailable {
            self.hand.count("calls_broken", 1);
        }
        frames.push_back(Frame::trailers(trailers(status, text)));
        response
    }

    /// Whether the call is one of the service, and its messages may be compressed.
    fn check(&self, path: &str, headers: &HeaderMap) -> Result<bool, End> {
        if let Some(tokens) = &self.tokens {
            let given = headers.get(AUTHORIZATION).map(HeaderValue::as_bytes).unwrap_or_default();
            if tokens.check(given).is_none() {
                return Err((Status::Unauthenticated, "a token is wanted"));
            }
        }
        if path != METHOD {
            return Err((
                Status::Unimplemented,
                "only StreamAccessLogs of the access log service v3 is served",
            ));
        }
        match headers.get(GRPC_ENCODING).map(HeaderValue::as_bytes) {
            None | Some(b"identity") => Ok(false),
            Some(b"gzip") => Ok(true),
            Some(_) => Err((Status::Unimplemented, "of codings of messages gzip is undone")),
        }
    }

    /// Hands on every message until the stream ends.
    async fn read(&self, body: &mut Incoming, gzip: bool) -> Result<(), End> {
        let mut stream = self.hand.stream();
        let mut decoder = ContentDecoder::default();
        let mut messages = Messages::new(self.budget.buffer(), self.max_message);
        let mut ended = self.hand.ended();
        let mut until = None;
        loop {
            let frame = tokio::select! {
                biased;
                () = &mut ended => return Err((Status::Unavailable, "the sensor is ending")),
                frame = within(until, body.frame()) => frame?,
            };
            let bytes = match frame {
                None if messages.is_inside() => return Err((Status::Internal, "the last message is cut")),
                None => return Ok(()),
                // The client is gone: nobody reads the answer.
                Some(Err(_)) => return Err((Status::Unavailable, "")),
                Some(Ok(frame)) => frame.into_data().unwrap_or_default(),
            };
            let mut rest = &bytes[..];
            loop {
                // Where others hold it all, the client waits with us.
                let reserved = within(until, messages.buffer.reserve(rest.len())).await?;
                reserved.map_err(|_| TOO_LARGE)?;
                let Some((compressed, message, held)) = messages.next(&mut rest)? else { break };
                until = None;
                let message = match (compressed, gzip) {
                    (false, _) => message,
                    (true, true) => inflate(&mut decoder, message, self.max_message)?,
                    (true, false) => return Err((Status::Internal, "a compressed message without a coding")),
                };
                if !stream.send(Content::AccessLogService(message)).await {
                    return Err((Status::Unavailable, "the sensor is ending"));
                }
                drop(held);
            }
            if messages.is_inside() {
                until = until.or_else(|| Some(Instant::now() + MESSAGE_TIME));
            }
        }
    }
}

async fn within<T>(until: Option<Instant>, wanted: impl Future<Output = T>) -> Result<T, End> {
    match until {
        None => Ok(wanted.await),
        Some(until) => {
            let told = timeout_at(until, wanted).await;
            told.map_err(|_| (Status::DeadlineExceeded, "a message did not come in time"))
        }
    }
}

fn inflate(decoder: &mut ContentDecoder, mut message: Vec<u8>, most: usize) -> Result<Vec<u8>, End> {
    match decoder.decode(b"gzip", &mut message, most + 1) {
        _ if message.len() > most => Err(TOO_LARGE),
        Decoded::Whole => Ok(message),
        Decoded::Front | Decoded::Damaged | Decoded::Unknown => {
            Err((Status::Internal, "a message is not in its coding"))
        }
    }
}

/// Messages behind prefixes of five bytes: whether it is compressed, and the length.
struct Messages<'b> {
    prefix: [u8; 5],
    have: usize,
    buffer: BufferOf<'b>,
    most: usize,
}

impl<'b> Messages<'b> {
    const fn new(buffer: BufferOf<'b>, most: usize) -> Self {
        Self { prefix: [0; 5], have: 0, buffer, most }
    }

    const fn is_inside(&self) -> bool {
        self.have > 0
    }

    /// The next whole message that ends in `bytes`: whether it is compressed, and what it holds of the budget.
    fn next(&mut self, bytes: &mut &[u8]) -> Result<Option<(bool, Vec<u8>, Held)>, End> {
        let missing = self.prefix.iter_mut().skip(self.have);
        let mut read = 0;
        for (slot, byte) in missing.zip(*bytes) {
            *slot = *byte;
            read += 1;
        }
        self.have += read;
        *bytes = bytes.get(read..).unwrap_or_default();
        if self.have < self.prefix.len() {
            return Ok(None);
        }
        let [flags, a, b, c, d] = self.prefix;
        let length = usize::try_from(u32::from_be_bytes([a, b, c, d])).unwrap_or(usize::MAX);
        if flags > 1 {
            return Err((Status::Internal, "the prefix of a message is unknown"));
        }
        if length > self.most {
            return Err(TOO_LARGE);
        }
        let left = length.saturating_sub(self.buffer.len());
        let (part, rest) = bytes.split_at(left.min(bytes.len()));
        *bytes = rest;
        self.buffer.push(part).map_err(|_| TOO_LARGE)?;
        if part.len() < left {
            return Ok(None);
        }
        self.have = 0;
        let (message, held) = self.buffer.take();
        Ok(Some((flags == 1, message, held)))
    }
}

fn begin() -> Response<Answer> {
    let mut response = Response::new(Answer::default());
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    headers.insert(GRPC_ACCEPT_ENCODING, HeaderValue::from_static("identity,gzip"));
    response
}

fn trailers(status: Status, text: &'static str) -> HeaderMap {
    let mut trailers = HeaderMap::new();
    trailers.insert(GRPC_STATUS, HeaderValue::from(status as u16));
    if !text.is_empty() {
        trailers.insert(GRPC_MESSAGE, HeaderValue::from_static(text));
    }
    trailers
}

/// What is left of an answer.
#[derive(Debug, Default)]
pub(super) struct Answer(VecDeque<Frame<Bytes>>);

impl Body for Answer {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.pop_front().map(Ok))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(chunks: &[&[u8]]) -> Result<Vec<(bool, Vec<u8>)>, End> {
        let budget = Budget::new(1 << 20);
        let mut messages = Messages::new(budget.buffer(), 100);
        let mut out = Vec::new();
        for chunk in chunks {
            let mut rest = *chunk;
            while let Some((compressed, message, _)) = messages.next(&mut rest)? {
                out.push((compressed, message));
            }
            assert!(rest.is_empty());
        }
        Ok(out)
    }

    #[test]
    fn messages_are_bounded() {
        assert_eq!(
            read(&[&[0, 0, 0, 0, 2, 7, 8, 1, 0, 0, 0, 0]]),
            Ok(vec![(false, vec![7, 8]), (true, vec![])])
        );
        assert_eq!(read(&[&[0, 0, 0, 0, 101]]).unwrap_err().0, Status::ResourceExhausted);
        assert_eq!(read(&[&[2, 0, 0, 0, 0]]).unwrap_err().0, Status::Internal);
    }

    proptest! {
        #[test]
        fn chunks_do_not_matter(
            sizes in proptest::collection::vec(0_u8..102, 0..6),
            junk in proptest::collection::vec(any::<u8>(), 0..4),
            size in 1_usize..40,
        ) {
            let mut stream: Vec<u8> =
                sizes.iter().flat_map(|size| [vec![0, 0, 0, 0, *size], vec![*size; usize::from(*size)]].concat()).collect();
            stream.extend(junk);
            let chunks: Vec<&[u8]> = stream.chunks(size).collect();
            prop_assert_eq!(read(&chunks), read(&[&stream]));
        }
    }
}
