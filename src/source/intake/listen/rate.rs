//! How often a client may ask.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

use super::places;
use super::tokens::TokenPrint;

/// Clients remembered; those that asked longest ago make room.
const MAX_CLIENTS: usize = 4_096;
/// What one request costs, in the unit of [`Bucket::left`].
const REQUEST: u64 = 1_000_000;

/// Whose requests are counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Asker {
    /// Whoever has this token.
    Token([u8; 32]),
    /// A client without one.
    Client(IpAddr),
}

impl Asker {
    pub(super) fn new(token: Option<TokenPrint>, peer: IpAddr) -> Self {
        token.map_or_else(|| Self::Client(places::client(peer)), |token| Self::Token(*token.as_bytes()))
    }
}

/// Requests a second of each asker: as many at once, and then as many each second.
#[derive(Debug)]
pub(super) struct Rate {
    per_second: u32,
    buckets: Mutex<BTreeMap<Asker, Bucket>>,
}

#[derive(Clone, Copy, Debug)]
struct Bucket {
    /// In millionths of a request.
    left: u64,
    at: Instant,
}

impl Rate {
    pub(super) fn new(per_second: u32) -> Self {
        Self { per_second, buckets: Mutex::default() }
    }

    /// Whether one more request may be made now; else after how long.
    pub(super) fn take(&self, asker: Asker, now: Instant) -> Result<(), Duration> {
        let full = u64::from(self.per_second) * REQUEST;
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= MAX_CLIENTS && !buckets.contains_key(&asker) {
            let oldest = buckets.iter().min_by_key(|(_, bucket)| bucket.at).map(|(asker, _)| *asker);
            oldest.and_then(|oldest| buckets.remove(&oldest));
        }
        let bucket = buckets.entry(asker).or_insert(Bucket { left: full, at: now });
        let passed = now.saturating_duration_since(bucket.at).as_micros();
        let gained = u64::try_from(passed).unwrap_or(u64::MAX).saturating_mul(u64::from(self.per_second));
        bucket.left = bucket.left.saturating_add(gained).min(full);
        bucket.at = now;
        if let Some(left) = bucket.left.checked_sub(REQUEST) {
            bucket.left = left;
            return Ok(());
        }
        let missing = REQUEST - bucket.left;
        Err(Duration::from_micros(missing.div_ceil(u64::from(self.per_second.max(1)))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a moment to count from")]
    fn requests_come_back_with_time() {
        let rate = Rate::new(2);
        let asker = |number: u32| Asker::Client(IpAddr::from(number.to_be_bytes()));
        let begin = Instant::from_std(std::time::Instant::now());
        let after = |millis| begin + Duration::from_millis(millis);
        assert_eq!(rate.take(asker(1), after(0)), Ok(()));
        assert_eq!(rate.take(asker(1), after(0)), Ok(()));
        assert_eq!(rate.take(asker(1), after(0)), Err(Duration::from_millis(500)));
        assert_eq!(rate.take(asker(2), after(0)), Ok(()), "others have their own");
        assert_eq!(rate.take(asker(1), after(400)), Err(Duration::from_millis(100)));
        assert_eq!(rate.take(asker(1), after(500)), Ok(()));
        assert_eq!(rate.take(asker(1), after(60_000)), Ok(()));
        assert_eq!(rate.take(asker(1), after(60_000)), Ok(()));
        assert!(rate.take(asker(1), after(60_000)).is_err(), "no more than a second's are saved up");
        for number in 0..10_000 {
            assert_eq!(rate.take(asker(100 + number), after(60_001)), Ok(()));
        }
        assert!(rate.buckets.lock().unwrap().len() <= MAX_CLIENTS);
    }
}
