//! Key logs (RFC 9850, the format of NSS), and the secrets of all connections by their client's random.
//!
//! ```text
//! CLIENT_RANDOM <client random> <master secret>                 TLS 1.2
//! CLIENT_HANDSHAKE_TRAFFIC_SECRET <client random> <secret>      TLS 1.3, and four more labels
//! ```
//!
//! [`KeyLogReader`] takes bytes as they come, lines in any pieces. [`Keys`] is what readers of key logs and the shards
//! share: touched when a line is read, when a connection agrees on keys, and while one waits for them. Secrets
//! live in memory only, and their memory is wiped when they are dropped.

use super::hello::Random;
use dashmap::DashMap;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use zeroize::{Zeroize, Zeroizing};

/// What a secret is for, after its label in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Label {
    /// The master secret of TLS 1.2.
    Master,
    /// TLS 1.3, the client's, before the server answers.
    ClientEarly,
    /// TLS 1.3, the client's part of the handshake.
    ClientHandshake,
    /// TLS 1.3, the server's part of the handshake.
    ServerHandshake,
    /// TLS 1.3, the client's data, until its first key update.
    ClientApplication,
    /// TLS 1.3, the server's data, until its first key update.
    ServerApplication,
}

/// How many labels there are.
const LABELS: usize = 6;

impl Label {
    fn parse(word: &[u8]) -> Option<Self> {
        Some(match word {
            b"CLIENT_RANDOM" => Self::Master,
            b"CLIENT_EARLY_TRAFFIC_SECRET" => Self::ClientEarly,
            b"CLIENT_HANDSHAKE_TRAFFIC_SECRET" => Self::ClientHandshake,
            b"SERVER_HANDSHAKE_TRAFFIC_SECRET" => Self::ServerHandshake,
            b"CLIENT_TRAFFIC_SECRET_0" => Self::ClientApplication,
            b"SERVER_TRAFFIC_SECRET_0" => Self::ServerApplication,
            _ => return None,
        })
    }
}

/// The longest secret: as long as SHA-384's output, or a master secret.
const MAX_SECRET: usize = 48;

/// A secret. It has no `Display`, its `Debug` does not show it, and its memory is wiped in the end.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Secret {
    bytes: Zeroizing<[u8; MAX_SECRET]>,
    length: usize,
}

impl Secret {
    /// Takes a secret of up to 48 bytes.
    pub(super) fn new(secret: &[u8]) -> Option<Self> {
        let mut bytes = Zeroizing::new([0; MAX_SECRET]);
        bytes.get_mut(..secret.len())?.copy_from_slice(secret);
        Some(Self { bytes, length: secret.len() })
    }

    /// The secret itself: for deriving keys from it, and for nothing else.
    pub(super) fn expose(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[secret]")
    }
}

/// The secrets of one connection, as far as told.
#[derive(Clone, Debug, Default)]
pub(super) struct Secrets(Vec<(Label, Secret)>);

impl Secrets {
    pub(super) fn find(&self, label: Label) -> Option<&Secret> {
        self.0.iter().find(|(known, _)| *known == label).map(|(_, secret)| secret)
    }

    fn add(&mut self, label: Label, secret: Secret) {
        if self.0.len() == self.0.capacity() {
            // A vector that grew by itself would leave copies behind that nobody wipes.
            let mut roomier = Vec::with_capacity(if label == Label::Master { 1 } else { LABELS });
            roomier.extend(self.0.iter().cloned());
            self.0 = roomier;
        }
        self.0.push((label, secret));
    }
}

/// The secrets that key logs told, by client random: shared by whoever reads key logs and all shards.
///
/// At most as many connections as the limit says are kept; the one told first makes room. Whoever runs for long has
/// them forgotten by age, too: [`Keys::age`].
#[derive(Debug)]
pub struct Keys {
    by_random: DashMap<Random, Secrets>,
    /// In the order in which they were told, each with the age it came in.
    order: Mutex<VecDeque<(Random, u32)>>,
    limit: usize,
    /// The present age, counted from 0.
    present: AtomicU32,
    /// Secrets told so far: whoever waits for one looks again when this has grown.
    told: AtomicU64,
    evicted: AtomicU64,
    expected: AtomicBool,
}

impl Keys {
    /// Holds the secrets of up to `limit` connections; about 300 bytes each.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self {
            by_random: DashMap::new(),
            order: Mutex::default(),
            limit,
            present: AtomicU32::new(0),
            told: AtomicU64::new(0),
            evicted: AtomicU64::new(0),
            expected: AtomicBool::new(false),
        }
    }

    /// Says that more secrets may come: connections whose keys are not known yet wait for them from now on.
    pub fn expect_more(&self) {
        self.expected.store(true, Ordering::Relaxed);
    }

    /// Whether more secrets may come.
    #[must_use]
    pub fn are_expected(&self) -> bool {
        self.expected.load(Ordering::Relaxed)
    }

    /// Secrets told so far.
    #[must_use]
    pub fn told(&self) -> u64 {
        self.told.load(Ordering::Acquire)
    }

    /// Connections whose secrets were dropped to make room for others'.
    #[must_use]
    pub fn evicted(&self) -> u64 {
        self.evicted.load(Ordering::Relaxed)
    }

    /// Begins another age, and forgets the secrets of connections that were told more than `kept` ages ago. Returns how
    /// many connections that were.
    pub fn age(&self, kept: u32) -> u64 {
        let present = self.present.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
        let mut forgotten = 0;
        let mut order = self.order.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some((oldest, age)) = order.front()
            && present.wrapping_sub(*age) > kept
        {
            self.by_random.remove(oldest);
            order.pop_front();
            forgotten += 1;
        }
        forgotten
    }

    /// Connections whose secrets are kept now.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.order.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    pub(super) fn knows(&self, random: &Random) -> bool {
        self.by_random.contains_key(random)
    }

    pub(super) fn find(&self, random: &Random) -> Option<Secrets> {
        self.by_random.get(random).map(|secrets| secrets.clone())
    }

    fn insert(&self, random: Random, label: Label, secret: Secret) {
        let mut entry = self.by_random.entry(random).or_default();
        if entry.find(label).is_some() {
            return;
        }
        let is_new = entry.0.is_empty();
        entry.add(label, secret);
        drop(entry);
        if is_new {
            let mut order = self.order.lock().unwrap_or_else(PoisonError::into_inner);
            order.push_back((random, self.present.load(Ordering::Relaxed)));
            while order.len() > self.limit
                && let Some((oldest, _)) = order.pop_front()
            {
                self.by_random.remove(&oldest);
                self.evicted.fetch_add(1, Ordering::Relaxed);
            }
        }
        self.told.fetch_add(1, Ordering::Release);
    }
}

/// The longest line of a key log that is read: a label, a random, a secret.
const MAX_LINE: usize = 512;

/// Reads a key log in whatever pieces it comes.
#[derive(Debug, Default)]
pub struct KeyLogReader {
    line: Zeroizing<Vec<u8>>,
    /// The line is too long: the rest of it is passed over.
    skip: bool,
    /// Secrets that were read.
    pub secrets: u64,
    /// Lines that are neither a secret, nor a comment, nor a label that is not needed.
    pub bad_lines: u64,
}

impl KeyLogReader {
    /// Takes the next bytes and hands what they tell to `keys`.
    pub fn feed(&mut self, mut bytes: &[u8], keys: &Keys) {
        while let Some(end) = memchr::memchr(b'\n', bytes) {
            let (front, rest) = bytes.split_at(end);
            self.extend(front);
            self.end_line(keys);
            bytes = rest.get(1..).unwrap_or_default();
        }
        self.extend(bytes);
    }

    /// Takes the last line, which may lack its end.
    pub fn finish(&mut self, keys: &Keys) {
        self.end_line(keys);
    }

    fn extend(&mut self, bytes: &[u8]) {
        if self.line.len() + bytes.len() > MAX_LINE {
            self.skip = true;
            self.line.zeroize();
        } else if !self.skip {
            // Once and for all: a buffer that grew would leave copies behind.
            self.line.reserve_exact(MAX_LINE);
            self.line.extend_from_slice(bytes);
        }
    }

    fn end_line(&mut self, keys: &Keys) {
        if std::mem::take(&mut self.skip) {
            self.bad_lines += 1;
        } else {
            match parse(&self.line) {
                Line::Secret(random, label, secret) => {
                    self.secrets += 1;
                    keys.insert(random, label, secret);
                }
                Line::Other => {}
                Line::Bad => self.bad_lines += 1,
            }
        }
        self.line.zeroize();
    }
}

enum Line {
    Secret(Random, Label, Secret),
    /// A comment, or a secret that is not needed.
    Other,
    Bad,
}

fn parse(line: &[u8]) -> Line {
    let line = line.trim_ascii();
    if line.is_empty() || line.first() == Some(&b'#') {
        return Line::Other;
    }
    let mut words = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    let (Some(label), Some(random), Some(secret), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return Line::Bad;
    };
    let Some(label) = Label::parse(label) else {
        let plain =
            label.iter().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || *byte == b'_');
        return if plain { Line::Other } else { Line::Bad };
    };
    let mut key = [0; 32];
    let mut bytes = Zeroizing::new([0; MAX_SECRET]);
    let known = unhex(random, &mut key) == Some(32);
    let secret = unhex(secret, &mut *bytes).and_then(|length| Secret::new(bytes.get(..length)?));
    match secret.filter(|_| known) {
        // Of SHA-256 or SHA-384, or a master secret.
        Some(secret) if matches!(secret.length, 32 | 48) => Line::Secret(key, label, secret),
        Some(_) | None => Line::Bad,
    }
}

/// Reads hexadecimal digits into the front of `out`. Returns how many bytes they were.
fn unhex(text: &[u8], out: &mut [u8]) -> Option<usize> {
    let (pairs, rest) = text.as_chunks::<2>();
    if !rest.is_empty() || pairs.len() > out.len() {
        return None;
    }
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    for ([high, low], byte) in pairs.iter().zip(out) {
        *byte = digit(*high)? << 4 | digit(*low)?;
    }
    Some(pairs.len())
}

/// Reads any bytes as a key log; the invariant is that pieces do not matter.
pub fn fuzz(data: &[u8]) {
    let read = |size: usize| {
        let (keys, mut reader) = (Keys::new(16), KeyLogReader::default());
        data.chunks(size).for_each(|piece| reader.feed(piece, &keys));
        reader.finish(&keys);
        assert!(keys.by_random.len() <= 16, "the limit holds");
        (reader.secrets, reader.bad_lines, keys.told())
    };
    assert_eq!(read(1), read(data.len().max(1)), "pieces do not matter");
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn line(label: &str, random: u8, secret: usize) -> String {
        format!("{label} {} {}\n", format!("{random:02x}").repeat(32), "Ab".repeat(secret))
    }

    #[test]
    fn lines_become_secrets_of_their_connection() {
        let log = [
            "# written by a browser\r\n".to_owned(),
            line("CLIENT_RANDOM", 1, 48),
            line("SERVER_TRAFFIC_SECRET_0", 2, 32),
            line("SERVER_TRAFFIC_SECRET_0", 2, 48),
            line("EXPORTER_SECRET", 2, 32),
            line("CLIENT_RANDOM", 3, 20),
            "CLIENT_RANDOM zz 11\n".to_owned(),
            "RSA Session-ID:00 Master-Key:11\n".to_owned(),
            "x".repeat(2_000),
            "\n".to_owned(),
            line("CLIENT_HANDSHAKE_TRAFFIC_SECRET", 2, 32).trim_end().to_owned(),
        ]
        .concat();
        let (keys, mut reader) = (Keys::new(8), KeyLogReader::default());
        reader.feed(log.as_bytes(), &keys);
        assert_eq!((reader.secrets, reader.bad_lines), (3, 3), "the last line is not over");
        reader.finish(&keys);
        assert_eq!((reader.secrets, keys.told()), (4, 3), "what was told twice counts once");
        let secrets = keys.find(&[2; 32]).unwrap();
        assert_eq!(secrets.find(Label::ServerApplication).unwrap().expose(), [0xab; 32]);
        assert!(secrets.find(Label::ClientHandshake).is_some() && secrets.find(Label::Master).is_none());
        assert!(keys.find(&[3; 32]).is_none());
        assert_eq!(
            format!("{secrets:?}"),
            "Secrets([(ServerApplication, [secret]), (ClientHandshake, [secret])])"
        );
    }

    #[test]
    fn the_first_told_make_room() {
        let (keys, mut reader) = (Keys::new(2), KeyLogReader::default());
        for random in 1..=4 {
            reader.feed(line("CLIENT_RANDOM", random, 48).as_bytes(), &keys);
        }
        assert_eq!(keys.evicted(), 2);
        assert_eq!([1, 2, 3, 4].map(|random| keys.find(&[random; 32]).is_some()), [false, false, true, true]);
    }

    #[test]
    fn the_old_are_forgotten() {
        let (keys, mut reader) = (Keys::new(8), KeyLogReader::default());
        reader.feed(line("CLIENT_RANDOM", 1, 48).as_bytes(), &keys);
        assert_eq!(keys.age(1), 0);
        reader.feed(line("CLIENT_RANDOM", 2, 48).as_bytes(), &keys);
        assert_eq!((keys.age(1), keys.connections()), (1, 1));
        assert_eq!([1, 2].map(|random| keys.find(&[random; 32]).is_some()), [false, true]);
        // Who was forgotten may be told again.
        reader.feed(line("CLIENT_RANDOM", 1, 48).as_bytes(), &keys);
        assert!(keys.find(&[1; 32]).is_some());
    }

    #[test]
    fn all_secrets_of_a_connection_find_room() {
        let (keys, mut reader) = (Keys::new(8), KeyLogReader::default());
        for label in [
            "CLIENT_RANDOM",
            "CLIENT_EARLY_TRAFFIC_SECRET",
            "CLIENT_HANDSHAKE_TRAFFIC_SECRET",
            "SERVER_HANDSHAKE_TRAFFIC_SECRET",
            "CLIENT_TRAFFIC_SECRET_0",
            "SERVER_TRAFFIC_SECRET_0",
        ] {
            reader.feed(line(label, 1, 48).as_bytes(), &keys);
        }
        let secrets = keys.by_random.get(&[1; 32]).unwrap();
        assert_eq!((secrets.0.len(), secrets.0.capacity()), (LABELS, LABELS));
    }

    proptest! {
        #[test]
        fn any_bytes_are_taken(data in proptest::collection::vec(any::<u8>(), 0..700)) {
            fuzz(&data);
        }
    }
}
