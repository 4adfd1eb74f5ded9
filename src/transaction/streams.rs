//! Requests and responses of an HTTP/2 connection, told apart by stream.
//!
//! A stream is kept from its first head until both of its messages are over, then its exchange is handed on. What
//! was lost is charged to the stream it hit; where frames were lost altogether, every open stream is in doubt,
//! until its `content-length` proves that nothing is missing. A request that lost its path, or an answer that
//! lost its status, stays what was read of it: unknown is told as unknown.
//!
//! Streams and the bytes of bodies they keep are bounded: the oldest stream makes room, and a body that finds
//! none is counted and not kept.

use super::dialogue::{Heard, Listener};
use super::exchanges::{Exchanges, Origin, Pending, Sink};
use super::{End, Protocol};
use crate::anomaly::Anomaly;
use crate::flow::Moment;
use crate::http::grpc::{self, Told};
use crate::http::h2::{Receiver, Toward, second};
use crate::http::hpack::HeaderList;
use crate::time::Timestamp;
use std::collections::VecDeque;

/// The exchanges of one connection that are not over.
#[derive(Debug)]
pub(super) struct Streams {
    pub(super) origin: Origin,
    /// The numbers of `open`, in the same places: a short list that is looked through quickly.
    numbers: Vec<u32>,
    open: Vec<Stream>,
    /// Streams that carry another protocol since a CONNECT was accepted.
    tunnels: Vec<u32>,
    /// Open streams that their client reset; answers on their way may still come.
    reset: VecDeque<u32>,
    /// Bytes of bodies that are kept.
    kept: usize,
    /// A second of packet time, and requests in it that were reset before any answer.
    resets: (i64, u32),
}

#[derive(Debug)]
struct Stream {
    pending: Pending,
    asked: bool,
    /// The request asks for a WebSocket (RFC 8441).
    websocket: bool,
    /// Frames of the request, of the response may have been lost.
    doubt: [bool; 2],
    /// The lengths that the heads state.
    stated: [Option<u64>; 2],
}

/// Streams of a connection whose answers are awaited though their client reset them.
const MAX_RESET: usize = 16;

const REQUEST: usize = 0;
const RESPONSE: usize = 1;

impl Streams {
    pub(super) const fn new(origin: Origin) -> Self {
        Self {
            origin,
            numbers: Vec::new(),
            open: Vec::new(),
            tunnels: Vec::new(),
            reset: VecDeque::new(),
            kept: 0,
            resets: (0, 0),
        }
    }

    /// Takes a request that asked to go on with HTTP/2: the first stream answers it (RFC 7540 section 3.2).
    pub(super) fn upgraded<S: Sink>(&mut self, shared: &mut Exchanges<S>, mut pending: Pending) {
        let exchange = &mut *pending.exchange;
        exchange.protocol = Protocol::Http2;
        exchange.response.fields.clear();
        exchange.response.status = 0;
        pending.answered = false;
        pending.request_over = true;
        self.insert(shared, 1, pending, true);
    }

    fn place(&self, number: u32) -> Option<usize> {
        self.numbers.iter().position(|known| *known == number)
    }

    fn stream(&mut self, number: u32) -> Option<&mut Stream> {
        let place = self.place(number)?;
        self.open.get_mut(place)
    }

    fn insert<S: Sink>(&mut self, shared: &mut Exchanges<S>, number: u32, pending: Pending, asked: bool) {
        if self.open.len() >= shared.streams
            && let Some(oldest) = (0..)
                .zip(&self.open)
                .min_by_key(|(_, stream)| stream.pending.exchange.provenance)
                .map(|(place, _)| place)
        {
            self.odd(shared, Some(place_of(&self.numbers, oldest)), Anomaly::StreamLimit);
            self.hand_on(shared, oldest);
        }
        self.numbers.push(number);
        self.open.push(Stream { pending, asked, websocket: false, doubt: [false; 2], stated: [None; 2] });
    }

    /// Begins an exchange on a stream.
    fn begin<S: Sink>(&mut self, shared: &mut Exchanges<S>, number: u32, asked: bool, at: &Moment) {
        let mut pending = self.origin.begin(shared, at);
        pending.exchange.protocol = Protocol::Http2;
        self.insert(shared, number, pending, asked);
    }

    fn hand_on<S: Sink>(&mut self, shared: &mut Exchanges<S>, place: usize) {
        if place >= self.open.len() {
            return;
        }
        let number = self.numbers.swap_remove(place);
        self.reset.retain(|reset| *reset != number);
        let mut stream = self.open.swap_remove(place);
        self.kept = self.kept.saturating_sub(stream.kept());
        stream.pending.request_over |= !stream.asked;
        shared.hand_on(stream.pending);
    }

    /// Hands a stream's exchange on once both messages are over.
    fn settle<S: Sink>(&mut self, shared: &mut Exchanges<S>, number: u32) {
        if let Some(place) = self.place(number)
            && let Some(stream) = self.open.get(place)
            && stream.pending.response_over
            && (stream.pending.request_over || !stream.asked)
        {
            self.hand_on(shared, place);
        }
    }

    /// Tells of exchanges that have been going on for a while.
    pub(super) fn tell<S: Sink>(&mut self, shared: &mut Exchanges<S>, now: Timestamp) {
        for stream in &mut self.open {
            let before = stream.kept();
            shared.report(&mut stream.pending, now);
            // A request that is told is decoded.
            self.kept = self.kept.saturating_sub(before) + stream.kept();
        }
    }

    /// Hands every exchange on; what was not over has ended as `end` says.
    pub(super) fn close<S: Sink>(&mut self, shared: &mut Exchanges<S>, end: End) {
        for (number, stream) in self.numbers.iter().zip(&mut self.open) {
            stream.cut(if self.reset.contains(number) { End::Reset } else { end });
        }
        while !self.open.is_empty() {
            self.hand_on(shared, 0);
        }
    }

    /// Counts an oddity and charges it to a stream, else to the next one.
    fn odd<S: Sink>(&mut self, shared: &mut Exchanges<S>, number: Option<u32>, anomaly: Anomaly) {
        shared.counters.anomalies.count(anomaly);
        match number.and_then(|number| self.stream(number)) {
            Some(stream) => stream.pending.exchange.anomalies.insert(anomaly),
            None => self.note(anomaly),
        }
    }

    /// Charges an oddity to the exchange that began last, else to the next one.
    pub(super) fn note(&mut self, anomaly: Anomaly) {
        match self.open.last_mut() {
            Some(stream) => stream.pending.exchange.anomalies.insert(anomaly),
            None => self.origin.odd.insert(anomaly),
        }
    }
}

fn place_of(numbers: &[u32], place: usize) -> u32 {
    numbers.get(place).copied().unwrap_or_default()
}

impl Stream {
    fn kept(&self) -> usize {
        let exchange = &self.pending.exchange;
        exchange.request.body.bytes.expose().len() + exchange.response.body.bytes.expose().len()
    }

    /// Nothing more will come of its messages.
    fn cut(&mut self, end: End) {
        let pending = &mut self.pending;
        let exchange = &mut *pending.exchange;
        if self.asked && !pending.request_over && exchange.request.body.end == End::Complete {
            exchange.request.body.end = end;
        }
        if pending.answered && !pending.response_over && exchange.response.body.end == End::Complete {
            exchange.response.body.end = end;
        }
        pending.request_over = true;
        pending.response_over = true;
    }

    /// A message ended as its frames say. If frames may be missing, its stated length proves that none is.
    fn complete(&mut self, message: usize) {
        let pending = &mut self.pending;
        let len = match message {
            REQUEST => pending.exchange.request_bytes(),
            _ => pending.exchange.response_bytes(),
        };
        let doubt = self.doubt.get(message).is_some_and(|doubt| *doubt);
        let stated = self.stated.get(message).copied().flatten();
        let bodyless = message == RESPONSE
            && (pending.exchange.request.method == b"HEAD"
                || matches!(pending.exchange.response.status, 204 | 304));
        if !doubt || bodyless || stated == Some(len) {
            return;
        }
        match message {
            REQUEST => pending.request_gap(u64::MAX),
            _ => pending.response_gap(u64::MAX),
        }
    }
}

/// One direction of a connection's frames, given to its streams.
pub(super) struct Messages<'a, S> {
    pub(super) streams: &'a mut Streams,
    pub(super) shared: &'a mut Exchanges<S>,
    pub(super) toward: Toward,
}

impl<S: Sink> Messages<'_, S> {
    /// Whether a block begins a request, as far as can be told.
    fn is_request(block: &HeaderList) -> bool {
        block.iter().next().map_or(block.unknown > 0, |(name, _)| {
            name.first() == Some(&b':') && name != b":status"
                // The pseudo-fields stand in front, and those that are unknown are left out.
                || block.unknown > 0 && name.first() != Some(&b':')
        })
    }

    fn request(&mut self, number: u32, block: &HeaderList, whole: bool, first: &Moment, last: &Moment) {
        if self.streams.stream(number).is_some_and(|stream| stream.asked) || !Self::is_request(block) {
            // Trailers of a request say nothing of it.
            return;
        }
        if self.streams.place(number).is_none() {
            self.streams.begin(self.shared, number, true, first);
        }
        let keep = self.shared.body_bytes > 0;
        let Some(stream) = self.streams.stream(number) else { return };
        stream.asked = true;
        let pending = &mut stream.pending;
        let request = &mut pending.exchange.request;
        (request.started, request.ended) = (first.ts, last.ts);
        let (mut authority, mut host, mut media, mut protocol) = (None, None, None, false);
        for (name, value) in block.iter() {
            match name {
                b":method" => value.clone_into(&mut request.method),
                b":path" => value.clone_into(request.target.expose_mut()),
                b":authority" => authority = Some(value),
                b":protocol" => {
                    protocol = true;
                    stream.websocket = value.eq_ignore_ascii_case(b"websocket");
                }
                b"host" => host = host.or(Some(value)),
                b"content-type" => media = Some(value),
                b"content-length" => set(&mut stream.stated, REQUEST, number_in(value)),
                _ => {}
            }
        }
        pending.connect = request.method == b"CONNECT";
        if pending.connect
            && !protocol
            && let Some(authority) = authority
        {
            authority.clone_into(request.target.expose_mut());
        }
        // What follows a `:authority` under the name of Host says the same or less (RFC 9113 section 8.3.1).
        let named = authority.map(|authority| (&b"host"[..], authority));
        let fields = block.iter().filter(|(name, _)| name.first() != Some(&b':'));
        let fields = fields.filter(|(name, _)| authority.is_none() || *name != b"host");
        request.fields.copy_head(block.bytes(), named.into_iter().chain(fields));
        let has_target = !request.target.expose().is_empty();
        let media = media.unwrap_or_default();
        pending.keep_request = pending.media(media) && keep;
        let missing = !whole || block.unknown > 0;
        pending.fields_missing |= missing;
        if missing {
            self.streams.odd(self.shared, Some(number), Anomaly::UnknownFields);
        } else if !has_target {
            self.streams.odd(self.shared, Some(number), Anomaly::BadHead);
        }
        match (authority, host) {
            (None, None) if !missing => self.streams.odd(self.shared, Some(number), Anomaly::MissingHost),
            (Some(authority), Some(host)) if authority != host => {
                self.streams.odd(self.shared, Some(number), Anomaly::SeveralHosts);
            }
            (None | Some(_), None | Some(_)) => {}
        }
    }

    fn response(&mut self, number: u32, block: &HeaderList, whole: bool, first: &Moment, last: &Moment) {
        let status = block.iter().find(|(name, _)| *name == b":status").and_then(|(_, value)| {
            std::str::from_utf8(value).ok().filter(|value| value.len() == 3)?.parse::<u16>().ok()
        });
        if status.is_some_and(|status| (100..200).contains(&status)) {
            self.shared.counters.interim += 1;
            return;
        }
        let known = self.streams.stream(number);
        if known.as_ref().is_some_and(|stream| stream.pending.answered) {
            return self.trailers(number, block, whole);
        }
        // Trailers of an answer that was not seen look like a head that lost its status.
        let unseen = known.is_none();
        if unseen && status.is_none() {
            return;
        }
        if unseen {
            self.streams.begin(self.shared, number, false, first);
            self.streams.odd(self.shared, Some(number), Anomaly::UnexpectedResponse);
        }
        let Some(stream) = self.streams.stream(number) else { return };
        let pending = &mut stream.pending;
        pending.answered = true;
        let response = &mut pending.exchange.response;
        response.status = status.unwrap_or(0);
        (response.started, response.ended) = (first.ts, last.ts);
        let fields = block.iter().filter(|(name, _)| name.first() != Some(&b':'));
        response.fields.copy_head(block.bytes(), fields);
        let (mut media, mut coding, mut outcome) = (None, None, None);
        for (name, value) in block.iter() {
            match name {
                b"content-type" => media = Some(value),
                b"content-encoding" => coding = Some(value),
                b"content-length" => set(&mut stream.stated, RESPONSE, number_in(value)),
                b"grpc-status" => outcome = grpc::status(value),
                _ => {}
            }
        }
        pending.answer_media(media.unwrap_or_default(), coding, self.shared.body_bytes);
        if let Some(call) = &mut pending.exchange.call {
            call.end(outcome, Told::Head);
        }
        let missing = !whole || block.unknown > 0;
        pending.fields_missing |= missing;
        let websocket = stream.websocket;
        let accepted = pending.connect && status.is_some_and(|status| (200..300).contains(&status));
        if missing {
            self.streams.odd(self.shared, Some(number), Anomaly::UnknownFields);
        }
        if accepted && websocket {
            if let Some(stream) = self.streams.stream(number) {
                stream.pending.become_websocket(self.shared);
            }
        } else if accepted {
            self.tunnel(number);
        }
    }

    /// The stream carries another protocol from here on: its exchange is over.
    fn tunnel(&mut self, number: u32) {
        self.shared.counters.upgraded.flows += 1;
        if self.streams.tunnels.len() < self.shared.streams {
            self.streams.tunnels.push(number);
        }
        if let Some(place) = self.streams.place(number) {
            if let Some(stream) = self.streams.open.get_mut(place) {
                stream.pending.request_over = true;
                stream.pending.response_over = true;
            }
            self.streams.hand_on(self.shared, place);
        }
    }

    fn trailers(&mut self, number: u32, block: &HeaderList, whole: bool) {
        let Some(stream) = self.streams.stream(number) else { return };
        let Some(call) = &mut stream.pending.exchange.call else { return };
        let outcome = block.iter().find(|(name, _)| *name == b"grpc-status");
        match outcome.and_then(|(_, value)| grpc::status(value)) {
            Some(outcome) => (call.status, call.told) = (Some(outcome), Told::Trailers),
            None if !whole || block.unknown > 0 => {
                stream.pending.fields_missing = true;
                self.streams.odd(self.shared, Some(number), Anomaly::UnknownFields);
            }
            None => {}
        }
    }

    /// Whether bytes on a stream that is not open belong to a tunnel; they are counted.
    fn elsewhere(&mut self, number: u32, bytes: u64) {
        let counters = &mut self.shared.counters;
        if self.streams.tunnels.contains(&number) {
            counters.upgraded.bytes += bytes;
        } else {
            counters.unread_bytes += bytes;
        }
    }
}

impl<S: Sink> Receiver for Messages<'_, S> {
    fn headers(&mut self, stream: u32, block: &HeaderList, whole: bool, first: &Moment, last: &Moment) {
        match self.toward {
            Toward::Server => self.request(stream, block, whole, first, last),
            Toward::Client => self.response(stream, block, whole, first, last),
        }
        if block.cut {
            self.streams.odd(self.shared, Some(stream), Anomaly::HeadTooLong);
        }
    }

    fn promise(&mut self, promised: u32, block: &HeaderList, whole: bool, first: &Moment, last: &Moment) {
        self.request(promised, block, whole, first, last);
        if let Some(stream) = self.streams.stream(promised) {
            stream.pending.request_over = true;
        }
    }

    fn data(&mut self, number: u32, bytes: &[u8], at: &Moment) {
        let room = self.shared.stream_bytes.saturating_sub(self.streams.kept);
        let (most, toward) = (self.shared.body_bytes, self.toward);
        let Some(stream) = self.streams.stream(number) else {
            return self.elsewhere(number, bytes.len() as u64);
        };
        let before = stream.kept();
        let pending = &mut stream.pending;
        if let Some(Listener::WebSocket(_)) = pending.listener {
            pending.exchange.response.ended = at.ts;
            return self.shared.listen(pending, toward, Heard::Bytes(bytes));
        }
        match toward {
            Toward::Server => {
                pending.exchange.request.ended = at.ts;
                let kept = pending.exchange.request.body.bytes.expose().len();
                pending.request_bytes(bytes, most.min(kept + room));
            }
            Toward::Client => {
                pending.exchange.response.ended = at.ts;
                let kept = pending.exchange.response.body.bytes.expose().len();
                pending.response_bytes(bytes, most.min(kept + room));
                self.shared.listen(pending, toward, Heard::Bytes(bytes));
            }
        }
        self.streams.kept += stream_growth(self.streams.stream(number), before);
    }

    fn data_gap(&mut self, number: u32, lost: u64) {
        let toward = self.toward;
        if let Some(stream) = self.streams.stream(number) {
            match toward {
                Toward::Server => stream.pending.request_gap(lost),
                Toward::Client => stream.pending.response_gap(lost),
            }
            self.shared.listen(&mut stream.pending, toward, Heard::Gap(lost));
        }
    }

    fn end(&mut self, number: u32, at: Option<&Moment>) {
        let toward = self.toward;
        if let Some(stream) = self.streams.stream(number) {
            match toward {
                Toward::Server => {
                    if let Some(at) = at {
                        stream.pending.exchange.request.ended = at.ts;
                    }
                    stream.complete(REQUEST);
                    stream.pending.request_over = true;
                }
                Toward::Client => {
                    if let Some(at) = at {
                        stream.pending.exchange.response.ended = at.ts;
                    }
                    stream.complete(RESPONSE);
                    stream.pending.response_over = true;
                }
            }
        }
        self.streams.settle(self.shared, number);
    }

    fn reset(&mut self, number: u32, at: &Moment) {
        self.streams.tunnels.retain(|known| *known != number);
        let Some(place) = self.streams.place(number) else { return };
        let Some(stream) = self.streams.open.get_mut(place) else { return };
        let early = self.toward == Toward::Server && !stream.pending.answered;
        match self.toward {
            Toward::Client => {
                stream.cut(End::Reset);
                self.streams.hand_on(self.shared, place);
            }
            Toward::Server => {
                if !stream.pending.request_over && stream.pending.exchange.request.body.end == End::Complete {
                    stream.pending.exchange.request.body.end = End::Reset;
                }
                stream.pending.request_over = true;
                if !self.streams.reset.contains(&number) {
                    self.streams.reset.push_back(number);
                }
                if self.streams.reset.len() > MAX_RESET
                    && let Some(oldest) = self.streams.reset.pop_front()
                    && let Some(place) = self.streams.place(oldest)
                {
                    if let Some(stream) = self.streams.open.get_mut(place) {
                        stream.cut(End::Reset);
                    }
                    self.streams.hand_on(self.shared, place);
                }
            }
        }
        if !early {
            return;
        }
        let (counted, resets) = &mut self.streams.resets;
        let second = second(at.ts);
        if *counted != second {
            (*counted, *resets) = (second, 0);
        }
        *resets = resets.saturating_add(1);
        if *resets == self.shared.early_resets.saturating_add(1) {
            self.streams.odd(self.shared, None, Anomaly::RapidReset);
        }
    }

    fn go_away(&mut self, last_stream: u32) {
        // It speaks of the streams that the other end began: odd ones are the client's.
        let parity = u32::from(self.toward == Toward::Client);
        while let Some(place) =
            self.streams.numbers.iter().position(|number| *number > last_stream && number % 2 == parity)
        {
            if let Some(stream) = self.streams.open.get_mut(place) {
                stream.cut(End::Closed);
            }
            self.streams.hand_on(self.shared, place);
        }
    }

    fn lost(&mut self) {
        let message = match self.toward {
            Toward::Server => REQUEST,
            Toward::Client => RESPONSE,
        };
        for stream in &mut self.streams.open {
            if let Some(doubt) = stream.doubt.get_mut(message) {
                *doubt = true;
            }
            // Nobody knows whether bytes of what is said are among what was lost.
            self.shared.listen(&mut stream.pending, self.toward, Heard::Gap(u64::MAX));
        }
    }

    fn anomaly(&mut self, anomaly: Anomaly) {
        self.shared.counters.anomalies.count(anomaly);
        self.streams.note(anomaly);
    }

    fn unread(&mut self, bytes: u64) {
        self.shared.counters.unread_bytes += bytes;
    }
}

fn stream_growth(stream: Option<&mut Stream>, before: usize) -> usize {
    stream.map_or(0, |stream| stream.kept().saturating_sub(before))
}

fn set(slots: &mut [Option<u64>; 2], message: usize, value: Option<u64>) {
    if let Some(slot) = slots.get_mut(message) {
        *slot = value;
    }
}

fn number_in(value: &[u8]) -> Option<u64> {
    std::str::from_utf8(value).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::anomaly::AnomalySet;
    use crate::flow::FlowKey;
    use crate::http::hpack::{Decoder, ListLimits};
    use crate::limits::Limits;
    use crate::time::Timestamp;
    use crate::transaction::{Completeness, Transaction};

    #[derive(Default)]
    struct Kept(Vec<Transaction>);

    impl Sink for Kept {
        fn transaction(&mut self, transaction: &Transaction) {
            self.0.push(transaction.clone());
        }
    }

    fn limits() -> Limits {
        Limits { streams: 20, early_resets: 5, stream_bytes: 1_000, body_bytes: 400, ..Limits::default() }
    }

    struct Run {
        streams: Streams,
        shared: Exchanges<Kept>,
    }

    impl Run {
        fn new() -> Self {
            let end = |text: &str, port| (text.parse().unwrap(), port);
            let (key, client) = FlowKey::new(end("10.0.0.1", 4_000), end("10.0.0.2", 80), 0);
            let origin = Origin::new(key, client, false, None, AnomalySet::default());
            Self { streams: Streams::new(origin), shared: Exchanges::new(&limits(), true, Kept::default()) }
        }

        fn toward(&mut self, toward: Toward) -> Messages<'_, Kept> {
            Messages { streams: &mut self.streams, shared: &mut self.shared, toward }
        }

        /// A request for `/N`, over at once.
        fn ask(&mut self, number: u32) {
            let path = format!("/{number:03}");
            let block = [b"\x82\x86\x04\x04", path.as_bytes(), b"\x01\x01h"].concat();
            let at = moment(number);
            self.toward(Toward::Server).headers(number, &list(&block), true, &at, &at);
            self.toward(Toward::Server).end(number, Some(&at));
        }

        fn answer(&mut self, number: u32, block: &[u8]) {
            let at = moment(number);
            self.toward(Toward::Client).headers(number, &list(block), true, &at, &at);
        }

        fn finished(&self) -> &[Transaction] {
            &self.shared.sink.0
        }
    }

    fn moment(number: u32) -> Moment {
        Moment { ts: Timestamp::from_secs(1, 0), input: 0, frame: u64::from(number), ack: None }
    }

    fn list(block: &[u8]) -> HeaderList {
        let mut list = HeaderList::default();
        let limits = ListLimits { bytes: 1 << 16, lines: 100 };
        Decoder::joined(4_096).decode(block, limits, &mut list).unwrap();
        list
    }

    #[test]
    fn the_oldest_stream_makes_room() {
        let mut run = Run::new();
        (0..25).for_each(|number| run.ask(2 * number + 1));
        assert_eq!(run.streams.open.len(), 20);
        let paths: Vec<_> = run.finished().iter().map(|one| one.request.target.expose().clone()).collect();
        assert_eq!(paths, [b"/001", b"/003", b"/005", b"/007", b"/009"]);
        assert!(run.finished().iter().all(|one| one.anomalies.contains(Anomaly::StreamLimit)));
    }

    #[test]
    fn many_early_resets_are_named_once_and_keep_little() {
        let mut run = Run::new();
        for number in (0..100).map(|number| 2 * number + 1) {
            run.ask(number);
            run.toward(Toward::Server).reset(number, &moment(number));
        }
        assert!(run.streams.open.len() <= MAX_RESET);
        let named = |anomaly| run.shared.counters.anomalies.met().find(|(met, _)| *met == anomaly);
        assert_eq!(named(Anomaly::RapidReset), Some((Anomaly::RapidReset, 1)));
        assert_eq!(named(Anomaly::StreamLimit), None);
        run.streams.close(&mut run.shared, End::Closed);
        assert_eq!(run.finished().len(), 100);
        assert!(run.finished().iter().all(|one| one.completeness == Completeness::RequestOnly));
    }

    #[test]
    fn bodies_of_all_streams_share_a_budget() {
        let mut run = Run::new();
        for number in [1, 3, 5, 7] {
            run.ask(number);
            run.answer(number, b"\x88");
            run.toward(Toward::Client).data(number, &[b'x'; 350], &moment(number));
        }
        assert_eq!(run.streams.kept, 1_000);
        for number in [7, 5, 3, 1] {
            run.toward(Toward::Client).end(number, None);
        }
        assert_eq!(run.streams.kept, 0);
        let told: Vec<_> = run
            .finished()
            .iter()
            .map(|one| &one.response.body)
            .map(|body| (body.len, body.bytes.expose().len(), body.whole))
            .collect();
        assert_eq!(told, [(350, 0, false), (350, 300, false), (350, 350, true), (350, 350, true)]);
    }

    #[test]
    fn a_call_is_told_while_it_lasts() {
        use crate::transaction::Part;
        let mut run = Run::new();
        run.ask(1);
        run.answer(1, b"\x88\x0f\x10\x10application/grpc");
        let tell = |run: &mut Run, second| {
            run.streams.tell(&mut run.shared, Timestamp::from_secs(second, 0));
            run.finished().len()
        };
        run.toward(Toward::Client).data(1, b"\0\0\0\0\x03one\0\0\0\0\x02", &moment(1));
        assert_eq!(tell(&mut run, 1), 0, "it may be over soon");
        assert_eq!(tell(&mut run, 2), 1);
        assert_eq!(tell(&mut run, 3), 1, "nothing came since");
        run.toward(Toward::Client).data(1, b"ab\0\0\0\0\x01c", &moment(1));
        assert_eq!(tell(&mut run, 4), 2);
        run.toward(Toward::Client).data(1, b"\0\0\0\0\0", &moment(1));
        run.toward(Toward::Client).end(1, None);
        let told: Vec<_> = run
            .finished()
            .iter()
            .map(|one| (one.part, one.response.body.len, one.call.unwrap().responses.count))
            .collect();
        assert_eq!(told, [(Part::First, 13, 2), (Part::Further, 8, 1), (Part::Last, 5, 1)]);
        let last = &run.finished()[2];
        let messages = last.whole_call().unwrap().responses;
        assert_eq!((last.response_bytes(), messages.count, messages.bytes, messages.largest), (26, 4, 6, 3));
        assert_eq!((last.completeness, run.shared.counters.transactions), (Completeness::Complete, 1));
    }

    #[test]
    fn a_stated_length_ends_the_doubt() {
        for (stated, doubt, completeness) in [
            (&b"\x88"[..], false, Completeness::Complete),
            (b"\x88", true, Completeness::Partial),
            (b"\x88\x0f\x0d\x015", true, Completeness::Complete),
            (b"\x88\x0f\x0d\x019", true, Completeness::Partial),
            (b"\x89", true, Completeness::Complete),
        ] {
            let mut run = Run::new();
            run.ask(1);
            run.answer(1, stated);
            if doubt {
                run.toward(Toward::Client).lost();
            }
            if stated != b"\x89" {
                run.toward(Toward::Client).data(1, b"hello", &moment(1));
            }
            run.toward(Toward::Client).end(1, None);
            assert_eq!(run.finished()[0].completeness, completeness, "{stated:x?}");
        }
    }

    #[test]
    fn unknown_fields_are_told_as_unknown() {
        let mut run = Run::new();
        let at = moment(1);
        // A literal path, and an authority that stands in a table nobody saw.
        run.toward(Toward::Server).headers(1, &list(b"\x82\x86\x04\x02/a\xbe"), true, &at, &at);
        run.toward(Toward::Server).end(1, None);
        run.answer(1, b"\xbf");
        run.toward(Toward::Client).end(1, None);
        let one = &run.finished()[0];
        assert_eq!((one.method(), *one.path().expose(), one.host()), (Some("GET"), &b"/a"[..], None));
        assert_eq!((one.response.status, one.completeness), (0, Completeness::Partial));
        assert!(one.anomalies.contains(Anomaly::UnknownFields));
    }

    #[test]
    fn a_block_of_which_nothing_is_known_makes_no_exchange() {
        let mut run = Run::new();
        run.answer(1, b"\xbe");
        run.toward(Toward::Client).end(1, None);
        let at = moment(3);
        run.toward(Toward::Server).headers(3, &list(b"\xbe\xbf"), true, &at, &at);
        run.streams.close(&mut run.shared, End::Closed);
        assert!(run.finished().is_empty());
    }
}
