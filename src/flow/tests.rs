//! What the flow table promises, on an application that writes down what it is given.

use super::*;
use crate::flow::{Chunk, Direction, SeqNum};
use crate::packet::Flags;
use proptest::prelude::*;

#[derive(Default)]
struct Log(Vec<String>);

struct Recorder;

impl Application for Recorder {
    type Shared = Log;

    fn open(_: &mut Log, _: FlowKey, _: Option<Direction>) -> Self {
        Self
    }

    fn chunk(&mut self, log: &mut Log, direction: Direction, chunk: Chunk<'_>, _: &Moment) {
        let arrow = if direction == Direction::LowToHigh { '>' } else { '<' };
        log.0.push(match chunk {
            Chunk::Data(bytes) => format!("{arrow}{}", String::from_utf8_lossy(bytes)),
            Chunk::Gap(lost) => format!("{arrow}({lost})"),
        });
    }

    fn end_of_stream(&mut self, log: &mut Log, direction: Direction, _: &Moment) {
        log.0.push(if direction == Direction::LowToHigh { ">." } else { "<." }.to_owned());
    }

    fn anomaly(&mut self, _: &mut Log, _: Anomaly) {}

    fn close(self, log: &mut Log, how: Close) {
        log.0.push(format!("{how:?}"));
    }
}

/// One packet of a test: direction, position, acknowledgement, flags, bytes, bytes cut off.
struct Packet(Direction, u32, u32, &'static str, Vec<u8>, u32);

fn c(seq: u32, ack: u32, flags: &'static str, bytes: &str) -> Packet {
    Packet(Direction::LowToHigh, seq, ack, flags, bytes.as_bytes().to_vec(), 0)
}

fn s(seq: u32, ack: u32, flags: &'static str, bytes: &str) -> Packet {
    Packet(Direction::HighToLow, seq, ack, flags, bytes.as_bytes().to_vec(), 0)
}

fn limits() -> FlowLimits {
    FlowLimits::new(&Limits::default(), OverlapPolicy::First)
}

fn run_with(limits: FlowLimits, packets: &[Packet], apart: Duration) -> (Vec<String>, FlowCounters) {
    let (key, _) = FlowKey::new(([192, 0, 2, 1].into(), 1000), ([192, 0, 2, 2].into(), 80), 0);
    let mut table = FlowTable::<Recorder>::new(limits);
    let mut log = Log::default();
    let mut ts = Timestamp::EPOCH;
    for (frame, Packet(direction, seq, ack, flags, bytes, cut)) in packets.iter().enumerate() {
        let segment = Segment {
            ts,
            key,
            direction: *direction,
            seq: SeqNum(*seq),
            ack: (*ack > 0).then_some(SeqNum(*ack)),
            flags: Flags { syn: flags.contains('S'), fin: flags.contains('F'), rst: flags.contains('R') },
            payload: bytes,
            cut: *cut,
            identity: u32::try_from(frame).unwrap_or(0),
        };
        table.segment(&segment, 0, frame as u64, &mut log);
        ts = ts.plus(apart);
    }
    table.finish(&mut log);
    (log.0, table.take_counters())
}

fn run(packets: &[Packet]) -> Vec<String> {
    run_with(limits(), packets, Duration::from_millis(1)).0
}

#[test]
fn a_connection_is_delivered_from_syn_to_fin() {
    let packets = [
        c(99, 0, "S", ""),
        s(199, 100, "S", ""),
        c(100, 200, "", "ask"),
        s(200, 103, "", "tell"),
        c(103, 204, "F", ""),
        s(204, 104, "F", ""),
        c(104, 205, "", ""),
    ];
    assert_eq!(run(&packets), [">ask", "<tell", ">.", "<.", "Finished"]);
}

#[test]
fn a_response_never_overtakes_its_request() {
    let packets = [c(99, 0, "S", ""), s(199, 100, "S", ""), s(200, 103, "", "tell"), c(100, 200, "", "ask")];
    assert_eq!(run(&packets), [">ask", "<tell", "Open"]);
}

#[test]
fn a_lost_request_delays_its_response_only_so_long() {
    let packets = [
        c(99, 0, "S", ""),
        s(199, 100, "S", ""),
        s(200, 103, "", "tell"),
        c(103, 204, "", "again"),
        s(204, 108, "", "more"),
    ];
    assert_eq!(run(&packets), [">(3)", "<tell", ">again", "<more", "Open"]);
    let (log, counters) = run_with(limits(), &packets, Duration::from_secs(1));
    assert_eq!(log, [">(3)", "<tell", ">again", "<more", "Open"]);
    assert_eq!((counters.gaps, counters.lost_bytes), (1, 3));
}

#[test]
fn the_first_copy_wins_and_the_difference_is_counted() {
    let packets = [c(100, 1, "", "abc"), c(106, 1, "", "ghi"), c(103, 1, "", "defXYZ"), c(100, 1, "", "aXc")];
    let (log, counters) = run_with(limits(), &packets, Duration::ZERO);
    assert_eq!(log, [">abc", ">def", ">ghi", "Open"]);
    let met: Vec<_> = counters.anomalies.met().filter(|(kind, _)| *kind == Anomaly::OverlapDiffers).collect();
    assert_eq!(met, [(Anomaly::OverlapDiffers, 2)]);
}

#[test]
fn the_last_copy_wins_when_asked_for() {
    let packets = [c(100, 1, "", "abc"), c(106, 1, "", "ghi"), c(103, 1, "", "defXYZ")];
    let last = FlowLimits { overlap: OverlapPolicy::Last, ..limits() };
    assert_eq!(run_with(last, &packets, Duration::ZERO).0, [">abc", ">def", ">XYZ", "Open"]);
}

#[test]
fn probes_and_repetitions_deliver_nothing_twice() {
    let packets = [
        c(99, 0, "S", ""),
        c(99, 0, "S", ""),
        s(199, 100, "S", ""),
        c(100, 200, "", "ab"),
        c(101, 200, "", "b"),
        c(101, 200, "", ""),
        c(102, 200, "", "c"),
        c(102, 200, "", "cd"),
    ];
    assert_eq!(run(&packets), [">ab", ">c", ">d", "Open"]);
}

#[test]
fn sequence_numbers_wrap() {
    let packets = [c(u32::MAX - 1, 1, "", "abc"), c(2, 1, "", "ef"), c(1, 1, "", "d")];
    assert_eq!(run(&packets), [">abc", ">d", ">ef", "Open"]);
}

#[test]
fn a_cut_packet_costs_only_what_is_missing() {
    let packets = [Packet(Direction::LowToHigh, 100, 1, "", b"ab".to_vec(), 3), c(105, 1, "", "fg")];
    assert_eq!(run(&packets), [">ab", ">(3)", ">fg", "Open"]);
}

#[test]
fn ports_are_used_again_by_a_new_connection() {
    let packets = [
        c(99, 0, "S", ""),
        c(100, 0, "", "one"),
        c(5_000, 0, "S", ""),
        c(5_001, 0, "", "two"),
        c(5_004, 0, "R", ""),
        c(5_001, 0, "", "two"),
        c(9_000, 0, "S", ""),
        c(9_001, 0, "", "three"),
    ];
    assert_eq!(run(&packets), [">one", "Open", ">two", "Reset", ">three", "Open"]);
}

#[test]
fn what_was_acknowledged_before_the_first_bytes_of_a_direction_is_known_to_be_lost() {
    // Joined midway: that the other side had sent up to 500 is seen from an acknowledgement, or from a bare packet of its.
    let joined = [c(100, 500, "", "ask"), s(540, 103, "", "late answer")];
    assert_eq!(run(&joined), [">ask", "<(40)", "<late answer", "Open"]);
    let bare = [s(500, 100, "", ""), c(100, 500, "", "ask"), s(540, 103, "", "late answer")];
    assert_eq!(run(&bare), [">ask", "<(40)", "<late answer", "Open"]);
    // What was answered before the join comes too late to be asked.
    let reversed = [s(500, 104, "", "answer"), c(101, 500, "", "ask"), c(104, 506, "", "next")];
    assert_eq!(run(&reversed), ["<answer", ">next", "Open"]);
}

#[test]
fn an_answer_to_a_syn_that_was_not_seen_opens_a_new_connection() {
    let first = [c(99, 0, "S", ""), s(499, 100, "S", ""), c(100, 500, "", "a"), s(500, 101, "", "b")];
    let second = [s(7_000, 3_000, "S", ""), c(3_000, 7_001, "", "c"), s(7_001, 3_001, "", "d")];
    let all: Vec<Packet> = first.into_iter().chain(second).collect();
    assert_eq!(run(&all), [">a", "<b", "Open", ">c", "<d", "Open"]);
    // The same answer, late.
    let late = [c(99, 0, "S", ""), c(100, 500, "", "a"), s(500, 101, "", "b"), s(499, 100, "S", "")];
    assert_eq!(run(&late), [">a", "<b", "Open"]);
}

#[test]
fn an_idle_connection_is_over() {
    let packets = [c(100, 1, "", "one"), c(900, 1, "", "two")];
    let (log, counters) = run_with(limits(), &packets, Duration::from_secs(700));
    assert_eq!(log, [">one", "Open", ">two", "Open"]);
    assert_eq!(counters.flows, 2);
}

#[test]
fn a_full_table_makes_room_by_the_longest_idle() {
    let mut table = FlowTable::<Recorder>::new(FlowLimits { max_flows: 2, ..limits() });
    let mut log = Log::default();
    let mut ts = Timestamp::EPOCH;
    for port in [1, 2, 1, 3, 2] {
        ts = ts.plus(Duration::from_secs(1));
        let (key, direction) = FlowKey::new(([192, 0, 2, 1].into(), port), ([192, 0, 2, 2].into(), 80), 0);
        let name = port.to_string();
        let segment = Segment {
            ts,
            key,
            direction,
            seq: SeqNum(1),
            ack: None,
            flags: Flags::default(),
            payload: name.as_bytes(),
            cut: 0,
            identity: 0,
        };
        table.segment(&segment, 0, 0, &mut log);
    }
    assert_eq!(log.0, [">1", ">2", "Open", ">3", "Open", ">2"]);
    assert_eq!(table.take_counters().evicted, 2);
}

#[test]
fn the_packet_that_a_mirror_delivers_twice_is_counted_once() {
    let (key, direction) = FlowKey::new(([192, 0, 2, 1].into(), 1000), ([192, 0, 2, 2].into(), 80), 0);
    let send = |packets: &[(u64, u32)]| {
        let mut table = FlowTable::<Recorder>::new(limits());
        let mut log = Log::default();
        for (millis, identity) in packets {
            let segment = Segment {
                ts: Timestamp::EPOCH.plus(Duration::from_millis(*millis)),
                key,
                direction,
                seq: SeqNum(1),
                ack: None,
                flags: Flags::default(),
                payload: b"GET",
                cut: 0,
                identity: *identity,
            };
            table.segment(&segment, 0, 0, &mut log);
        }
        let counters = table.take_counters();
        (counters.duplicates, counters.repeated_segments, log.0)
    };
    assert_eq!(send(&[(0, 7), (1, 7)]), (1, 0, vec![">GET".to_owned()]), "the same packet");
    assert_eq!(send(&[(0, 7), (1, 8)]), (0, 1, vec![">GET".to_owned()]), "sent again");
    assert_eq!(send(&[(0, 7), (300, 7)]), (0, 1, vec![">GET".to_owned()]), "sent again, as some stacks do");
}

proptest! {
    /// Any order, overlap and repetition of the segments of a stream yields the stream.
    #[test]
    fn order_and_overlap_do_not_matter(
        stream in proptest::collection::vec(b'a'..=b'z', 1..300),
        extra in proptest::collection::vec((0_usize..300, 1_usize..40), 0..20),
        order in proptest::collection::vec(any::<u32>(), 80),
        start in any::<u32>(),
    ) {
        let mut pieces: Vec<(usize, usize)> =
            (0..stream.len()).step_by(7).map(|at| (at, (at + 7).min(stream.len()))).collect();
        pieces.extend(extra.iter().map(|(at, len)| (*at % stream.len(), (*at % stream.len() + len).min(stream.len()))));
        let mut shuffled: Vec<_> = pieces.into_iter().zip(order).collect();
        shuffled.sort_by_key(|(_, rank)| *rank);
        let mut packets = vec![Packet(Direction::LowToHigh, start, 0, "S", Vec::new(), 0)];
        for ((from, to), _) in shuffled {
            let seq = start.wrapping_add(1).wrapping_add(u32::try_from(from).unwrap());
            packets.push(Packet(Direction::LowToHigh, seq, 0, "", stream[from..to].to_vec(), 0));
        }
        let (log, counters) = run_with(limits(), &packets, Duration::ZERO);
        let text: String = log.iter().filter_map(|line| line.strip_prefix('>')).collect();
        prop_assert_eq!(text.as_bytes(), &stream[..]);
        prop_assert_eq!(counters.gaps, 0);
        prop_assert_eq!(counters.anomalies.met().filter(|(kind, _)| *kind == Anomaly::OverlapDiffers).count(), 0);
    }

    /// Whatever the numbers say, delivery ends and nothing panics.
    #[test]
    fn any_segments_are_taken(
        packets in proptest::collection::vec((any::<bool>(), 0_u32..200, 0_u32..200, 0_u8..8, 0_usize..60, 0_u32..4), 0..60),
    ) {
        let packets: Vec<_> = packets
            .into_iter()
            .map(|(up, seq, ack, flags, len, cut)| {
                let direction = if up { Direction::LowToHigh } else { Direction::HighToLow };
                let flags = ["", "S", "F", "R", "", "", "SF", ""][usize::from(flags)];
                Packet(direction, seq, ack, flags, vec![b'x'; len], cut)
            })
            .collect();
        run_with(FlowLimits { reorder_bytes: 100, ..limits() }, &packets, Duration::from_millis(40));
    }
}
