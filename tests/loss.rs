//! What a lossy tap costs: exchanges, and parts of them, but no request takes another's answer, and no byte is forgotten.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

mod common;

use common::fixture;
use spanlight::flow::{FlowCounters, FlowLimits, FlowTable, OverlapPolicy};
use spanlight::limits::Limits;
use spanlight::packet::{Frame, LinkType, Options, Separate};
use spanlight::pipeline::front::Front;
use spanlight::pipeline::read::InputStats;
use spanlight::source::capture_file::CaptureReader;
use spanlight::source::open::open;
use spanlight::time::Timestamp;
use spanlight::tls::keylog::{KeyLogReader, Keys};
use spanlight::transaction::pairing::{Conversation, Exchanges, HttpCounters, Sink};
use spanlight::transaction::{Protocol, Transaction};
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A capture in memory, and the secrets for it.
struct Capture {
    path: PathBuf,
    frames: Vec<(Timestamp, LinkType, u32, Vec<u8>)>,
    keys: Option<Vec<u8>>,
}

impl Capture {
    fn load(path: PathBuf) -> Self {
        let opened = open(&path, None).unwrap();
        let mut reader = CaptureReader::new(opened.reader).unwrap();
        let mut frames = Vec::new();
        while let Ok(Some(Frame { ts, link, wire_len, bytes })) = reader.next_frame() {
            frames.push((ts, link, wire_len, bytes.to_vec()));
        }
        let keys = std::fs::read(path.with_extension("keys")).ok();
        Self { path, frames, keys }
    }

    /// What is read of it when some frames are missing.
    fn read(&self, is_lost: &dyn Fn(usize) -> bool) -> Heard {
        self.read_counted(is_lost, self.keys.as_deref()).0
    }

    /// The same, with what was counted, and other keys.
    fn read_counted(
        &self,
        is_lost: &dyn Fn(usize) -> bool,
        key_log: Option<&[u8]>,
    ) -> (Heard, FlowCounters, HttpCounters) {
        let (limits, keys) = (Limits::default(), Arc::new(Keys::new(1 << 12)));
        if let Some(log) = key_log {
            KeyLogReader::default().feed(log, &keys);
        }
        let mut exchanges = Exchanges::new(&limits, true, Heard::default()).with_keys(&limits, keys);
        let mut flows: FlowTable<Conversation<Heard>> =
            FlowTable::new(FlowLimits::new(&limits, OverlapPolicy::default()));
        let options = Options {
            tunnel_depth: limits.tunnel_depth,
            separate: Separate::default(),
            verify_checksums: false,
        };
        let (mut front, mut stats) = (Front::new(options), InputStats::default());
        for (number, (ts, link, wire_len, bytes)) in self.frames.iter().enumerate() {
            if is_lost(number) {
                continue;
            }
            let frame = Frame { ts: *ts, link: *link, wire_len: *wire_len, bytes };
            front.frame(&frame, &mut stats, |segment| {
                flows.segment(segment, 0, number as u64, &mut exchanges);
            });
        }
        flows.finish(&mut exchanges);
        exchanges.finish();
        let counted = (flows.take_counters(), exchanges.take_counters());
        (exchanges.sink, counted.0, counted.1)
    }
}

/// The connection of a request, and the frame that it began in.
type Place = (Option<(IpAddr, Option<u16>)>, Option<SocketAddr>, u64);

/// A request and its answer.
#[derive(Debug, PartialEq)]
struct Pair {
    place: Place,
    method: Vec<u8>,
    target: Vec<u8>,
    status: u16,
    answered: Timestamp,
}

#[derive(Debug, Default)]
struct Heard {
    pairs: Vec<Pair>,
    requests: Vec<Place>,
}

impl Heard {
    /// Whether a pair is among these. Of a head that was read in part the target may be missing.
    fn has(&self, pair: &Pair) -> bool {
        self.pairs.iter().any(|known| {
            let target = if pair.target.is_empty() { &pair.target } else { &known.target };
            (known.place, known.status, known.answered) == (pair.place, pair.status, pair.answered)
                && known.method == pair.method
                && *target == pair.target
        })
    }
}

impl Sink for Heard {
    fn transaction(&mut self, transaction: &Transaction) {
        let (request, response) = (&transaction.request, &transaction.response);
        if request.method.is_empty() {
            return;
        }
        // After a loss an HTTP/2 request may be found to begin in a later record of TLS: its stream says which it is.
        let is_http2 = transaction.protocol == Protocol::Http2;
        let frame = if is_http2 { 0 } else { transaction.provenance.record };
        let place = (transaction.client, transaction.server, frame);
        if response.status != 0 {
            self.pairs.push(Pair {
                place,
                method: request.method.clone(),
                target: request.target.expose().clone(),
                status: response.status,
                answered: response.started,
            });
        }
        self.requests.push(place);
    }
}

/// Numbers that look random and are the same at every run (splitmix64).
fn mixed(seed: u64, number: u64) -> u64 {
    let mut word = (seed << 32 | number).wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    word = (word ^ word >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ word >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ word >> 31
}

/// Loses frames in so many ways. Returns how many pairs were found, of how many that could have been.
fn lose(capture: &Capture, ways: u64) -> (usize, usize) {
    let whole = capture.read(&|_| false);
    let (mut found, mut possible) = (0, 0);
    for way in 0..ways {
        // One frame in ten, in thirty, in a hundred; or a burst.
        let is_lost = |number: usize| {
            let number = number as u64;
            match way % 4 {
                0 => mixed(way, number).is_multiple_of(10),
                1 => mixed(way, number).is_multiple_of(30),
                2 => mixed(way, number).is_multiple_of(100),
                _ => mixed(way, number / 6).is_multiple_of(12),
            }
        };
        let heard = capture.read(&is_lost);
        for pair in &heard.pairs {
            if !whole.has(pair) {
                let lost: Vec<usize> = (0..capture.frames.len()).filter(|number| is_lost(*number)).collect();
                panic!(
                    "{} {} was given a {} of {}, without frames {lost:?} of {}",
                    String::from_utf8_lossy(&pair.method),
                    String::from_utf8_lossy(&pair.target),
                    pair.status,
                    pair.answered,
                    capture.path.display(),
                );
            }
        }
        found += heard.pairs.len();
        possible += heard.requests.len();
    }
    (found, possible)
}

fn captures(folder: &str) -> Vec<Capture> {
    let mut all: Vec<PathBuf> =
        std::fs::read_dir(fixture(folder)).unwrap().map(|entry| entry.unwrap().path()).collect();
    all.sort();
    // In one case two requests claim the same place, and when one is lost, the other is right; in two others answers were
    // captured twice, at two times.
    let is_capture = |path: &Path| {
        let name = path.to_str().unwrap();
        let is_unclear =
            ["overlap_differing", "retransmission", "span_twice"].iter().any(|case| name.contains(case));
        !is_unclear && (name.trim_end_matches(".gz").split('.').next_back() == Some("pcap"))
    };
    all.into_iter().filter(|path| is_capture(path)).map(Capture::load).collect()
}

#[test]
fn no_request_takes_the_answer_of_another() {
    // Of the requests that were seen, so many in a hundred have their answer all the same: most were lost with it.
    for (folder, ways, least) in
        [("tls", 60, 85), ("http2", 12, 90), ("wire", 100, 88), ("openbanking", 8, 92)]
    {
        let (found, seen) = captures(folder).iter().fold((0, 0), |(found, seen), capture| {
            let (more, of) = lose(capture, ways);
            (found + more, seen + of)
        });
        assert!(found * 100 >= seen * least, "{found} of {seen} requests of {folder} have their answer");
    }
}

/// Ways of losing frames, by their number; the first loses none.
fn loses(way: u64, number: usize) -> bool {
    let number = number as u64;
    match way {
        0 => false,
        1 => number < 7,
        2 => number < 40,
        _ => mixed(way, number).is_multiple_of(20),
    }
}

#[test]
fn every_byte_of_a_stream_is_understood_or_has_its_reason() {
    let mut met: std::collections::BTreeSet<&str> = std::collections::BTreeSet::new();
    for capture in ["tls", "http2", "wire", "openbanking"].into_iter().flat_map(captures) {
        for keys in [capture.keys.as_deref(), None] {
            for way in 0..8 {
                let (_, flows, http) = capture.read_counted(&|number| loses(way, number), keys);
                let reasons = http.not_understood();
                let not: u64 = reasons.iter().map(|(_, bytes)| bytes).sum();
                let told = || format!("{}, way {way}: {reasons:?}", capture.path.display());
                assert_eq!(http.stream_bytes, flows.stream_bytes, "{}", told());
                assert_eq!(http.understood() + not, http.stream_bytes, "{}", told());
                met.extend(reasons.iter().filter(|(_, bytes)| *bytes > 0).map(|(name, _)| name));
            }
        }
    }
    // What each reason is for is held below; here all must have come up.
    let all = HttpCounters::default().not_understood();
    assert_eq!(met, all.iter().map(|(name, _)| *name).collect());
}

#[test]
fn what_is_not_understood_has_the_reason_that_it_should() {
    let reasons = |case: &str, keyed: bool| -> Vec<&'static str> {
        let capture = Capture::load(fixture(case));
        let (_, _, http) = capture.read_counted(&|_| false, capture.keys.as_deref().filter(|_| keyed));
        http.not_understood().into_iter().filter(|(_, bytes)| *bytes > 0).map(|(name, _)| name).collect()
    };
    for (case, keyed, expected) in [
        ("tls/tls13_aes_128_gcm_sha256.pcap", true, &[][..]),
        ("tls/tls13_aes_128_gcm_sha256.pcap", false, &["tls"]),
        ("wire/not_http.pcap", true, &["other_protocol"]),
        ("wire/midstream_body.pcap", true, &["joined_midway"]),
        ("wire/unknown_coding.pcap", true, &["unknown_coding"]),
        ("wire/chunked.pcap", true, &[]),
        ("http2/nginx.pcap.gz", true, &[]),
    ] {
        assert_eq!(reasons(case, keyed), expected, "{case}");
    }
}
