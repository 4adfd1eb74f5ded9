//! Requests and responses of an HTTP/1 connection: the answers come in the order of the questions.
//!
//! Causal delivery below means that a response comes after what its server had received; so a response that
//! finds no request waiting lost its request, and a request sent after the client had received more than its
//! predecessor knew of proves that the predecessor was answered.
//!
//! Where messages may have been lost, only what is certain is paired. A response behind lost ones answers the one
//! request that waits, unless a later request may have been lost too: that one's answer would look the same. On a
//! connection that pipelines, neither order nor acknowledgements tell how many messages a hole took: from then on
//! nothing is paired there.

use super::dialogue::Heard;
use super::exchanges::{Exchanges, Origin, Pending, Sink, Upgrade};
use super::{End, Protocol};
use crate::anomaly::Anomaly;
use crate::flow::Moment;
use crate::http::grpc::{self, Told};
use crate::http::h1::{BodyRule, Receiver};
use crate::http::h2::Toward;
use crate::http::head::{Head, Start};
use std::collections::VecDeque;

/// The exchanges of one connection that are not over.
#[derive(Debug)]
pub(super) struct Pairing {
    pub(super) origin: Origin,
    pub(super) pending: VecDeque<Pending>,
    answers: Missing,
    requests: Missing,
    /// Requests were lost, and no sign of an answer to them was seen since.
    unanswered: bool,
    /// A request was sent before its predecessor was answered.
    pipelines: bool,
    /// It cannot be told any more which request a response answers.
    pub(super) doubtful: bool,
}

/// What is missing of a direction since its last head.
#[derive(Clone, Copy, Debug)]
struct Missing {
    /// Bytes of TLS records; what that comes to is not known yet.
    unmeasured: bool,
    /// What could hide messages.
    messages: bool,
}

impl Missing {
    const NOTHING: Self = Self { unmeasured: false, messages: false };

    const fn any(self) -> bool {
        self.unmeasured || self.messages
    }
}

impl Pairing {
    pub(super) const fn new(origin: Origin) -> Self {
        Self {
            origin,
            pending: VecDeque::new(),
            answers: Missing::NOTHING,
            requests: Missing::NOTHING,
            unanswered: false,
            pipelines: false,
            doubtful: false,
        }
    }

    /// Something of a direction is missing; how much is told when more of it comes.
    pub(super) fn losing(&mut self, of_client: bool) {
        self.unanswered = of_client;
        let missing = if of_client { &mut self.requests } else { &mut self.answers };
        missing.unmeasured = true;
    }

    /// A direction goes on behind what was missing. `is_lost` says that messages may be among that.
    pub(super) fn goes_on(&mut self, of_client: bool, is_lost: bool) {
        let missing = if of_client { &mut self.requests } else { &mut self.answers };
        let announced = std::mem::replace(&mut missing.unmeasured, false);
        if is_lost {
            missing.messages = true;
            self.unanswered = of_client && (self.unanswered || !announced);
            self.doubtful |= self.pipelines;
        }
    }

    /// What a request tells of those before it, by what the client had received when it sent it.
    fn look_back<S: Sink>(&mut self, shared: &mut Exchanges<S>, first: &Moment) {
        // No answer came between the lost requests and this one: they were sent together.
        self.doubtful |= self.unanswered && self.requests.messages;
        self.requests = Missing::NOTHING;
        let Some(now) = first.ack else { return };
        if !self.answers.any() {
            self.pipelines |= self.pending.back().is_some_and(|before| {
                before.request_over
                    && (before.answered || before.ack.is_some_and(|then| now.since(then) <= 0))
            });
            return;
        }
        // The client sent this after it had received more than its predecessor knew of: that one was answered,
        // and the answer was lost.
        let mut place = 0;
        while let Some(before) = self.pending.get(place) {
            if before.answered || before.ack.is_none_or(|then| now.since(then) <= 0) {
                place += 1;
            } else if let Some(before) = self.pending.remove(place) {
                shared.hand_on(before);
            }
        }
    }

    /// A response begins: lets go of the requests that it cannot be told to answer.
    fn look_ahead<S: Sink>(&mut self, shared: &mut Exchanges<S>) {
        let answers = std::mem::replace(&mut self.answers, Missing::NOTHING);
        self.unanswered = false;
        let waiting = self.pending.len();
        self.doubtful |= answers.any() && waiting > 1;
        if self.doubtful || answers.any() && self.requests.any() {
            for pending in std::mem::take(&mut self.pending) {
                shared.hand_on(pending);
            }
        }
    }

    /// Hands on the exchanges at the front that are over.
    fn settle<S: Sink>(&mut self, shared: &mut Exchanges<S>) {
        while self.pending.front().is_some_and(|pending| pending.request_over && pending.response_over) {
            if let Some(pending) = self.pending.pop_front() {
                shared.hand_on(pending);
            }
        }
    }

    fn odd<S: Sink>(&mut self, shared: &mut Exchanges<S>, anomaly: Anomaly) {
        shared.counters.anomalies.count(anomaly);
        match self.pending.back_mut() {
            Some(pending) => pending.exchange.anomalies.insert(anomaly),
            None => self.origin.odd.insert(anomaly),
        }
    }
}

pub(super) struct Requests<'a, S> {
    pub(super) pairing: &'a mut Pairing,
    pub(super) shared: &'a mut Exchanges<S>,
}

impl<S: Sink> Receiver for Requests<'_, S> {
    fn head(&mut self, head: &Head<'_>, first: &Moment, last: &Moment) -> BodyRule {
        let Start::Request { method, target } = head.start else { return BodyRule::AsFramed };
        self.pairing.look_back(self.shared, first);
        if self.pairing.pending.len() >= self.shared.pipelined
            && let Some(pending) = self.pairing.pending.pop_front()
        {
            // Its answer is still to come.
            self.pairing.doubtful = true;
            self.pairing.odd(self.shared, Anomaly::PipelineLimit);
            self.shared.hand_on(pending);
        }
        let mut pending = self.pairing.origin.begin(self.shared, first);
        let exchange = &mut *pending.exchange;
        exchange.protocol = if head.minor == 0 { Protocol::Http10 } else { Protocol::Http11 };
        let request = &mut exchange.request;
        request.method.extend_from_slice(method);
        request.target.expose_mut().extend_from_slice(target);
        let mut hosts = 0;
        let mut media = None;
        request.fields.copy_head(head.bytes, head.fields.iter().map(|field| (field.name, field.value)));
        for field in head.fields {
            hosts += usize::from(field.name.eq_ignore_ascii_case(b"host"));
            if field.name.eq_ignore_ascii_case(b"content-type") {
                media = Some(field.value);
            }
        }
        request.started = first.ts;
        request.ended = last.ts;
        exchange.anomalies = exchange.anomalies.union(head.anomalies);
        pending.keep_request = pending.media(media.unwrap_or_default()) && self.shared.body_bytes > 0;
        pending.connect = method == b"CONNECT";
        for anomaly in head.anomalies.iter() {
            self.shared.counters.anomalies.count(anomaly);
        }
        self.pairing.pending.push_back(pending);
        match hosts {
            0 if head.minor > 0 => self.pairing.odd(self.shared, Anomaly::MissingHost),
            0 | 1 => {}
            _ => self.pairing.odd(self.shared, Anomaly::SeveralHosts),
        }
        BodyRule::AsFramed
    }

    fn body(&mut self, bytes: &[u8], at: &Moment) {
        if let Some(pending) = self.pairing.pending.back_mut() {
            pending.exchange.request.ended = at.ts;
            pending.request_bytes(bytes, self.shared.body_bytes);
        }
    }

    fn body_gap(&mut self, lost: u64) {
        if let Some(pending) = self.pairing.pending.back_mut() {
            pending.request_gap(lost);
        }
    }

    fn end(&mut self, end: End, at: Option<&Moment>) {
        if let Some(pending) = self.pairing.pending.back_mut() {
            if let Some(at) = at {
                pending.exchange.request.ended = at.ts;
            }
            let body = &mut pending.exchange.request.body;
            if body.end == End::Complete {
                body.end = end;
            }
            pending.request_over = true;
        }
        self.pairing.settle(self.shared);
    }

    fn anomaly(&mut self, anomaly: Anomaly) {
        self.pairing.odd(self.shared, anomaly);
    }

    fn unread(&mut self, bytes: u64) {
        self.shared.counters.unread_bytes += bytes;
    }
}

pub(super) struct Responses<'a, S> {
    pub(super) pairing: &'a mut Pairing,
    pub(super) shared: &'a mut Exchanges<S>,
}

impl<S: Sink> Receiver for Responses<'_, S> {
    fn head(&mut self, head: &Head<'_>, first: &Moment, last: &Moment) -> BodyRule {
        let Start::Response { status } = head.start else { return BodyRule::AsFramed };
        if matches!(status, 100 | 102..=199) {
            self.shared.counters.interim += 1;
            return BodyRule::None;
        }
        // A server may answer before the request is over; the answer to the next one ends that.
        while self.pairing.pending.front().is_some_and(|pending| pending.response_over) {
            if let Some(pending) = self.pairing.pending.pop_front() {
                self.shared.hand_on(pending);
            }
        }
        self.pairing.look_ahead(self.shared);
        if self.pairing.pending.is_empty() {
            let mut pending = self.pairing.origin.begin(self.shared, first);
            pending.request_over = true;
            pending.exchange.protocol = if head.minor == 0 { Protocol::Http10 } else { Protocol::Http11 };
            self.pairing.pending.push_back(pending);
            self.pairing.odd(self.shared, Anomaly::UnexpectedResponse);
        }
        let Some(pending) = self.pairing.pending.front_mut() else { return BodyRule::AsFramed };
        let exchange = &mut *pending.exchange;
        exchange.response.status = status;
        let (mut media, mut coding, mut outcome) = (None, None, None);
        let lines = head.fields.iter().map(|field| (field.name, field.value));
        exchange.response.fields.copy_head(head.bytes, lines);
        for field in head.fields {
            if field.name.eq_ignore_ascii_case(b"content-type") {
                media = Some(field.value);
            } else if field.name.eq_ignore_ascii_case(b"grpc-status") {
                outcome = grpc::status(field.value);
            } else if status == 101 && field.name.eq_ignore_ascii_case(b"upgrade") {
                let names = |wanted: &[u8]| {
                    field
                        .value
                        .split(|byte| *byte == b',')
                        .any(|name| name.trim_ascii().eq_ignore_ascii_case(wanted))
                };
                if names(b"h2c") {
                    pending.upgrades = Some(Upgrade::Http2);
                } else if names(b"websocket") {
                    pending.upgrades = Some(Upgrade::WebSocket);
                }
            } else if field.name.eq_ignore_ascii_case(b"content-encoding") {
                coding = Some(field.value);
            }
        }
        exchange.response.started = first.ts;
        exchange.response.ended = last.ts;
        exchange.anomalies = exchange.anomalies.union(head.anomalies);
        for anomaly in head.anomalies.iter() {
            self.shared.counters.anomalies.count(anomaly);
        }
        let is_head = exchange.request.method == b"HEAD";
        pending.answered = true;
        pending.answer_media(media.unwrap_or_default(), coding, self.shared.body_bytes);
        if let Some(call) = &mut pending.exchange.call {
            call.end(outcome, Told::Head);
        }
        let accepted = (200..300).contains(&status);
        match status {
            101 => BodyRule::Tunnel,
            204 | 304 => BodyRule::None,
            _ if pending.connect && accepted => BodyRule::Tunnel,
            _ if is_head => BodyRule::None,
            _ => BodyRule::AsFramed,
        }
    }

    fn body(&mut self, bytes: &[u8], at: &Moment) {
        if let Some(pending) = self.pairing.pending.front_mut() {
            pending.exchange.response.ended = at.ts;
            pending.response_bytes(bytes, self.shared.body_bytes);
            self.shared.listen(pending, Toward::Client, Heard::Bytes(bytes));
        }
    }

    fn body_gap(&mut self, lost: u64) {
        if let Some(pending) = self.pairing.pending.front_mut() {
            pending.response_gap(lost);
            self.shared.listen(pending, Toward::Client, Heard::Gap(lost));
        }
    }

    fn end(&mut self, end: End, at: Option<&Moment>) {
        if let Some(pending) = self.pairing.pending.front_mut() {
            if let Some(at) = at {
                pending.exchange.response.ended = at.ts;
            }
            if pending.upgrades.is_some() {
                return;
            }
            let body = &mut pending.exchange.response.body;
            if body.end == End::Complete {
                body.end = end;
            }
            pending.response_over = true;
        }
        self.pairing.settle(self.shared);
    }

    fn anomaly(&mut self, anomaly: Anomaly) {
        self.pairing.odd(self.shared, anomaly);
    }

    fn unread(&mut self, bytes: u64) {
        self.shared.counters.unread_bytes += bytes;
    }
}
