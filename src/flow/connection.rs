//! Both directions of one connection, delivered in causal order.
//!
//! A segment goes straight through when it is the next of its direction and everything it acknowledges
//! was delivered: the common case, which copies nothing. Otherwise it waits. A hole is given up once the
//! other end has acknowledged it and [`super::FlowLimits::reorder_wait`] of packet time has passed, when a
//! limit is reached, or when the connection ends; then a gap is delivered in its place.

use super::half::HalfStream;
use super::{Application, Chunk, Close, Direction, FlowCounters, FlowLimits, Moment, SeqNum};
use crate::anomaly::Anomaly;
use crate::packet::Segment;
use crate::time::Timestamp;

/// The two directions of a connection.
#[derive(Debug, Default)]
pub(super) struct Connection {
    low_to_high: HalfStream,
    high_to_low: HalfStream,
    /// Since when anything waits without progress.
    stalled: Option<Timestamp>,
}

/// The most bytes that can be on their way (RFC 7323 section 2.3).
const MAX_WINDOW: i64 = 1 << 30;

/// What a segment did to its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum After {
    Open,
    Closed(Close),
}

pub(super) struct Delivery<'a, A: Application> {
    pub(super) app: &'a mut A,
    pub(super) shared: &'a mut A::Shared,
    pub(super) limits: &'a FlowLimits,
    pub(super) counters: &'a mut FlowCounters,
}

impl<A: Application> Delivery<'_, A> {
    fn anomaly(&mut self, anomaly: Anomaly) {
        self.counters.anomalies.count(anomaly);
        self.app.anomaly(self.shared, anomaly);
    }
}

impl Connection {
    const fn half(&self, direction: Direction) -> &HalfStream {
        match direction {
            Direction::LowToHigh => &self.low_to_high,
            Direction::HighToLow => &self.high_to_low,
        }
    }

    const fn half_mut(&mut self, direction: Direction) -> &mut HalfStream {
        match direction {
            Direction::LowToHigh => &mut self.low_to_high,
            Direction::HighToLow => &mut self.high_to_low,
        }
    }

    /// Whether packets of both directions were seen.
    pub(super) const fn two_sided(&self) -> bool {
        self.low_to_high.seen && self.high_to_low.seen
    }

    /// Whether anything was delivered or waits.
    pub(super) fn in_use(&self) -> bool {
        [&self.low_to_high, &self.high_to_low].iter().any(|half| half.started || !half.waiting.is_empty())
    }

    /// Whether a SYN at `seq` opens this very connection rather than a later one.
    pub(super) fn repeats_syn(&self, direction: Direction, seq: SeqNum) -> bool {
        match self.half(direction).next {
            None => true,
            Some(next) => next == seq.plus(1) || !self.in_use(),
        }
    }

    /// Whether an answer to a SYN, at `seq`, belongs to this very connection: a mirror may deliver one late.
    pub(super) fn repeats_answer(&self, direction: Direction, seq: SeqNum) -> bool {
        match self.half(direction).next {
            None => true,
            Some(next) => (0..=MAX_WINDOW).contains(&next.since(seq.plus(1))) || !self.in_use(),
        }
    }

    /// Bytes that wait.
    pub(super) const fn waiting_bytes(&self) -> usize {
        self.low_to_high.waiting_bytes + self.high_to_low.waiting_bytes
    }

    /// Takes in a segment and delivers what can go.
    pub(super) fn segment<A: Application>(
        &mut self,
        segment: &Segment<'_>,
        moment: Moment,
        to: &mut Delivery<'_, A>,
    ) -> After {
        let direction = segment.direction;
        if let Some(ack) = segment.ack {
            self.half_mut(direction.reverse()).acknowledge(ack);
        }
        let mut seq = segment.seq;
        if segment.flags.syn {
            seq = seq.plus(1);
            let half = self.half_mut(direction);
            if half.next.is_none() || !half.started && half.waiting.is_empty() {
                half.next = Some(seq);
                half.guessed = false;
            }
            // The answer to a SYN tells where the other direction begins, should its packets come late.
            let other = self.half_mut(direction.reverse());
            if let (Some(ack), None) = (segment.ack, other.next) {
                other.next = Some(ack);
            }
        }
        let len = u32::try_from(segment.payload.len()).unwrap_or(u32::MAX).saturating_add(segment.cut);
        self.locate(direction, seq, len);
        if segment.flags.fin {
            let half = self.half_mut(direction);
            if half.fin.is_none() {
                half.fin = Some(seq.plus(len));
            }
        }
        if len > 0 {
            self.bytes(direction, seq, segment, moment, to);
        }
        if self.waiting_bytes() > 0 || self.stalled.is_some() {
            self.drain(to);
            self.lose_patience(moment.ts, to);
        }
        self.deliver_ends(&moment, to);
        if segment.flags.rst {
            return After::Closed(Close::Reset);
        }
        if self.low_to_high.ended && self.high_to_low.ended {
            return After::Closed(Close::Finished);
        }
        After::Open
    }

    /// Settles where a direction stands when it was joined midway.
    fn locate(&mut self, direction: Direction, seq: SeqNum, len: u32) {
        let half = self.half_mut(direction);
        half.seen = true;
        if half.next.is_none() || (half.guessed && len > 0) {
            // A probe of an idle connection is one byte behind.
            let guess = half.next.filter(|guess| (2..=MAX_WINDOW).contains(&seq.since(*guess)));
            let received = half.received.filter(|received| seq.since(*received).abs() <= MAX_WINDOW);
            half.next = Some(if len > 0 { received.or(guess).unwrap_or(seq) } else { seq });
            half.guessed = len == 0;
        }
    }

    fn bytes<A: Application>(
        &mut self,
        direction: Direction,
        mut seq: SeqNum,
        segment: &Segment<'_>,
        moment: Moment,
        to: &mut Delivery<'_, A>,
    ) {
        let may_go = segment.ack.is_none_or(|ack| self.half(direction.reverse()).has_reached(ack));
        let half = self.half_mut(direction);
        let (mut payload, mut cut) = (segment.payload, segment.cut);
        let Some(next) = half.next else { return };
        if let Some(fin) = half.fin {
            // Nothing follows the end.
            let room = usize::try_from(fin.since(seq)).unwrap_or(0);
            payload = payload.get(..room.min(payload.len())).unwrap_or_default();
        }
        let ahead = seq.since(next);
        if ahead < 0 {
            let stale = usize::try_from(-ahead).unwrap_or(usize::MAX);
            to.counters.repeated_segments += 1;
            if half.contradicts(seq, payload) {
                to.anomaly(Anomaly::OverlapDiffers);
            }
            if stale >= payload.len() + cut as usize {
                return;
            }
            let from_payload = stale.min(payload.len());
            payload = payload.get(from_payload..).unwrap_or_default();
            cut -= u32::try_from(stale - from_payload).unwrap_or(0);
            seq = next;
        }
        if ahead <= 0 && may_go && half.waiting.is_empty() {
            half.remember(segment.seq, segment.payload);
            self.deliver(direction, payload, cut, &moment, to);
            return;
        }
        to.counters.reordered_segments += 1;
        if half.keep(seq, payload, cut, moment, to.limits.overlap) {
            to.anomaly(Anomaly::OverlapDiffers);
        }
        self.stalled.get_or_insert(moment.ts);
    }

    fn deliver<A: Application>(
        &mut self,
        direction: Direction,
        bytes: &[u8],
        cut: u32,
        at: &Moment,
        to: &mut Delivery<'_, A>,
    ) {
        let half = self.half_mut(direction);
        let len = u32::try_from(bytes.len()).unwrap_or(u32::MAX).saturating_add(cut);
        half.next = half.next.map(|next| next.plus(len));
        half.started = true;
        let other = self.half_mut(direction.reverse());
        if other.next.is_none() && other.received.is_none() {
            other.received = at.ack;
        }
        if !bytes.is_empty() {
            to.counters.stream_bytes += bytes.len() as u64;
            to.app.chunk(to.shared, direction, Chunk::Data(bytes), at);
        }
        if cut > 0 {
            to.counters.lost_bytes += u64::from(cut);
            to.anomaly(Anomaly::CutPacket);
            to.app.chunk(to.shared, direction, Chunk::Gap(u64::from(cut)), at);
        }
    }

    /// Delivers every waiting piece that may go, in both directions, until none may.
    fn drain<A: Application>(&mut self, to: &mut Delivery<'_, A>) {
        loop {
            let mut moved = false;
            for direction in [Direction::LowToHigh, Direction::HighToLow] {
                while let Some(front) = self.half(direction).waiting.front()
                    && front.moment.ack.is_none_or(|ack| self.half(direction.reverse()).has_reached(ack))
                    && let Some(piece) = self.half_mut(direction).pop_ready()
                {
                    self.half_mut(direction).remember(piece.seq, &piece.bytes);
                    self.deliver(direction, &piece.bytes, piece.cut, &piece.moment, to);
                    moved = true;
                }
            }
            if !moved {
                break;
            }
            self.stalled = self.oldest_waiting();
        }
        if self.low_to_high.waiting.is_empty() && self.high_to_low.waiting.is_empty() {
            self.stalled = None;
        }
    }

    fn oldest_waiting(&self) -> Option<Timestamp> {
        let front = |half: &HalfStream| half.waiting.front().map(|piece| piece.moment.ts);
        [front(&self.low_to_high), front(&self.high_to_low)].into_iter().flatten().min()
    }

    /// Gives holes up that will not be filled, or that cost too much to wait for.
    pub(super) fn lose_patience<A: Application>(&mut self, now: Timestamp, to: &mut Delivery<'_, A>) {
        while let Some(since) = self.stalled {
            let full = [&self.low_to_high, &self.high_to_low].iter().any(|half| {
                half.waiting_bytes > to.limits.reorder_bytes
                    || half.waiting.len() > to.limits.reorder_segments
            });
            let Some((direction, until)) = self.hole() else { break };
            let half = self.half(direction);
            let acknowledged = !half.seen || half.acked.is_none_or(|acked| acked.since(until) >= 0);
            let overdue = acknowledged && now.since(since) >= to.limits.reorder_wait;
            if !full && !overdue {
                break;
            }
            if full {
                to.anomaly(Anomaly::ReorderLimit);
            }
            self.give_up(direction, until, to);
            self.drain(to);
        }
    }

    /// The hole that blocks the piece captured first: its direction, and the position behind it.
    fn hole(&self) -> Option<(Direction, SeqNum)> {
        let direction = [Direction::LowToHigh, Direction::HighToLow]
            .into_iter()
            .filter_map(|direction| {
                let moment = self.half(direction).waiting.front()?.moment;
                Some(((moment.input, moment.frame), direction))
            })
            .min()?
            .1;
        let half = self.half(direction);
        let front = half.waiting.front()?;
        if half.next.is_some_and(|next| front.seq.since(next) > 0) {
            return Some((direction, front.seq));
        }
        // It waits for what it acknowledges: the hole is in the other direction.
        let other = self.half(direction.reverse());
        let ack = front.moment.ack?;
        let until = match other.waiting.front() {
            Some(piece)
                if other.next.is_some_and(|next| piece.seq.since(next) > 0) && piece.seq.since(ack) < 0 =>
            {
                piece.seq
            }
            Some(_) | None => ack,
        };
        Some((direction.reverse(), until))
    }

    fn give_up<A: Application>(&mut self, direction: Direction, until: SeqNum, to: &mut Delivery<'_, A>) {
        let half = self.half_mut(direction);
        let Some(next) = half.next else { return };
        let lost = u64::try_from(until.since(next)).unwrap_or(0);
        half.next = Some(until);
        // The position of a direction's end counts as one byte in acknowledgements (RFC 9293 section 3.4).
        if lost == 0 || half.fin == Some(next) {
            return;
        }
        let moment = half.waiting.front().map(|piece| piece.moment);
        let moment =
            moment.or_else(|| self.half(direction.reverse()).waiting.front().map(|piece| piece.moment));
        if let Some(moment) = moment {
            self.half_mut(direction).started = true;
            to.counters.gaps += 1;
            to.counters.lost_bytes += lost;
            to.anomaly(Anomaly::Gap);
            to.app.chunk(to.shared, direction, Chunk::Gap(lost), &moment);
        }
    }

    fn deliver_ends<A: Application>(&mut self, at: &Moment, to: &mut Delivery<'_, A>) {
        for direction in [Direction::LowToHigh, Direction::HighToLow] {
            let half = self.half_mut(direction);
            if let Some(fin) = half.fin
                && !half.ended
                && half.waiting.is_empty()
                && half.next.is_some_and(|next| next.since(fin) >= 0)
            {
                half.ended = true;
                // What the other end acknowledges includes the FIN itself.
                half.next = Some(fin.plus(1));
                to.app.end_of_stream(to.shared, direction, at);
            }
        }
    }

    /// Delivers everything that waits, with gaps where bytes never came.
    pub(super) fn flush<A: Application>(&mut self, to: &mut Delivery<'_, A>) {
        self.drain(to);
        while self.stalled.is_some()
            && let Some((direction, until)) = self.hole()
        {
            self.give_up(direction, until, to);
            self.drain(to);
        }
    }
}
