//! What is remembered of an endpoint beyond its hours: on which days it was called, and when what it does first showed.
//!
//! Hours are forgotten once they are told elsewhere; [`Days`] keep of each of the latest days that had calls how many were
//! answered and how many were for nothing, which is enough to see silence, the end, and the return. [`Firsts`] keep the hour in
//! which a status, a scheme, a data class or a parameter first showed. Both merge in any order.

use super::facts::HourFacts;
use crate::merge::Merge;
use crate::time::Timestamp;
use std::collections::BTreeMap;

/// Days with calls that are remembered; the latest.
pub const MAX_DAYS: usize = 64;
/// What of an endpoint is remembered with its first hour.
const MAX_FIRSTS: usize = 256;

/// What happened on one day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Day {
    /// Exchanges that were answered as by something that is there, or not at all.
    pub alive: u64,
    /// Those answered with 404.
    pub missing: u64,
    /// Those answered with 410: it is gone for good (RFC 9110 section 15.5.11).
    pub gone: u64,
}

impl Merge for Day {
    fn absorb(&mut self, other: Self) {
        self.alive.absorb(other.alive);
        self.missing.absorb(other.missing);
        self.gone.absorb(other.gone);
    }
}

/// What happened on the latest days that had calls, by day since the epoch.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Days(BTreeMap<i64, Day>);

impl Days {
    /// Takes over what happened in hours that are about to be forgotten.
    pub fn take_in<'h>(&mut self, hours: impl IntoIterator<Item = (&'h i64, &'h Box<HourFacts>)>) {
        for (hour, facts) in hours {
            self.0.entry(hour.div_euclid(24)).or_default().absorb(facts.day());
        }
        self.0.retain(|_, day| *day != Day::default());
        self.bound();
    }

    /// Takes note of calls on a day.
    pub fn count(&mut self, day: i64, calls: Day) {
        self.0.entry(day).or_default().absorb(calls);
        self.bound();
    }

    fn bound(&mut self) {
        while self.0.len() > MAX_DAYS {
            self.0.pop_first();
        }
    }

    /// The days, the earliest first.
    #[must_use]
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (i64, Day)> {
        self.0.iter().map(|(day, calls)| (*day, *calls))
    }

    /// The days up to this one.
    #[must_use]
    pub fn until(&self, day: i64) -> impl DoubleEndedIterator<Item = (i64, Day)> {
        self.0.range(..=day).map(|(day, calls)| (*day, *calls))
    }
}

impl Merge for Days {
    fn absorb(&mut self, other: Self) {
        self.0.absorb(other.0);
        self.bound();
    }
}

/// What an endpoint may do, as far as it is remembered since when it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trait<'a> {
    /// It answers with a status.
    Status(u16),
    /// It is called with a scheme of authentication.
    Auth(&'a str),
    /// It carries a class of data.
    Class(&'a str),
    /// It is called with a query parameter.
    Parameter(&'a str),
    /// Its bodies have a property.
    Property(&'a str),
    /// It is called in a version.
    Version(&'a str),
}

impl Trait<'_> {
    /// Tells traits from one another, the same in every process: 64-bit FNV-1a.
    #[must_use]
    pub fn digest(self) -> u64 {
        let status;
        let (kind, text) = match self {
            Self::Status(number) => {
                status = number.to_be_bytes();
                (b's', &status[..])
            }
            Self::Auth(name) => (b'a', name.as_bytes()),
            Self::Class(name) => (b'c', name.as_bytes()),
            Self::Parameter(name) => (b'p', name.as_bytes()),
            Self::Property(name) => (b'b', name.as_bytes()),
            Self::Version(name) => (b'v', name.as_bytes()),
        };
        std::iter::once(&kind).chain(text).fold(0xcbf2_9ce4_8422_2325, |digest: u64, byte| {
            (digest ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
        })
    }
}

/// The hours in which traits first showed, by digest. Where there is no room for all, those of the smallest digests.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Firsts(Vec<(u64, i64)>);

impl Firsts {
    /// Takes note of a trait in an hour since the epoch.
    pub fn note(&mut self, what: Trait<'_>, hour: i64) {
        self.insert(what.digest(), hour);
    }

    fn insert(&mut self, digest: u64, hour: i64) {
        match self.0.binary_search_by_key(&digest, |(known, _)| *known) {
            Ok(at) => {
                if let Some((_, first)) = self.0.get_mut(at) {
                    *first = hour.min(*first);
                }
            }
            Err(at) if at < MAX_FIRSTS => {
                self.0.insert(at, (digest, hour));
                self.0.truncate(MAX_FIRSTS);
            }
            Err(_) => {}
        }
    }

    /// The start of the hour in which a trait first showed, as far as remembered.
    #[must_use]
    pub fn of(&self, what: Trait<'_>) -> Option<Timestamp> {
        let at = self.0.binary_search_by_key(&what.digest(), |(known, _)| *known).ok()?;
        let (_, hour) = self.0.get(at)?;
        Some(Timestamp::from_secs(hour.saturating_mul(3_600), 0))
    }
}

impl Merge for Firsts {
    fn absorb(&mut self, other: Self) {
        for (digest, hour) in other.0 {
            self.insert(digest, hour);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn days(calls: &[(i64, u64)]) -> Days {
        let mut days = Days::default();
        for (day, alive) in calls {
            days.count(*day, Day { alive: *alive, ..Day::default() });
        }
        days
    }

    fn firsts(noted: &[(u16, i64)]) -> Firsts {
        let mut firsts = Firsts::default();
        for (status, hour) in noted {
            firsts.note(Trait::Status(*status), *hour);
        }
        firsts
    }

    #[test]
    fn what_has_the_same_name_is_told_apart_by_its_kind() {
        let all = [Trait::Auth("x"), Trait::Class("x"), Trait::Parameter("x"), Trait::Property("x")];
        let mut digests: Vec<u64> = all.iter().map(|one| one.digest()).collect();
        digests.push(Trait::Version("x").digest());
        digests.push(Trait::Status(120).digest());
        digests.sort_unstable();
        digests.dedup();
        assert_eq!(digests.len(), 6);
        assert_eq!(
            firsts(&[(200, 7), (200, 5)]).of(Trait::Status(200)),
            Some(Timestamp::from_secs(18_000, 0))
        );
        assert_eq!(firsts(&[(200, 7)]).of(Trait::Status(201)), None);
    }

    proptest! {
        /// However calls are shared out and merged, the same is known, also where there is no room for all.
        #[test]
        fn parts_merge_to_the_whole(
            calls in prop::collection::vec((0_i64..150, 1_u64..9), 0..300),
            noted in prop::collection::vec((0_u16..400, 0_i64..1_000), 0..400),
            cut in 0_usize..300,
        ) {
            let (front, back) = calls.split_at(cut.min(calls.len()));
            let mut one = days(front);
            one.absorb(days(back));
            prop_assert!(one.0.len() <= MAX_DAYS);
            let mut whole: BTreeMap<i64, u64> = BTreeMap::new();
            for (day, alive) in &calls {
                *whole.entry(*day).or_default() += alive;
            }
            let latest: Vec<(i64, u64)> = whole.into_iter().rev().take(MAX_DAYS).collect();
            let kept: Vec<(i64, u64)> = one.iter().rev().map(|(day, calls)| (day, calls.alive)).collect();
            prop_assert_eq!(kept, latest);
            let (front, back) = noted.split_at(cut.min(noted.len()));
            let mut one = firsts(back);
            one.absorb(firsts(front));
            prop_assert_eq!(&one, &firsts(&noted));
            prop_assert!(one.0.len() <= MAX_FIRSTS);
        }
    }
}
