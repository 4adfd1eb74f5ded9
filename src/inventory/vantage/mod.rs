//! One call seen at several vantages: at the edge, at the gateway, at the service.
//!
//! ```text
//!  edge     GET api.bank.example/open-banking/v3/accounts/1   id a ──┐ counted: the outermost sighting
//!  gateway  GET gateway.internal/ob/v3/accounts/1             id a ──┤ an echo: tells what the one above did not
//!  service  GET accounts.svc/v3/accounts/1                    id a ──┘
//!  service  GET accounts.svc/v3/accounts/1                           ─ passed by the gateway
//! ```
//!
//! Each vantage learns by itself. Of each call a `Sighting` waits beside the facts that it was counted in, with keyed
//! hashes of the ids that travel with it. `settle` finds those that are one exchange and notes beside the facts of the
//! inner one how much of them was an echo, of which endpoint, and in what the two differ; only then do inner sightings count
//! in their hour. All of this adds up, and what
//! is one is decided from the set of sightings alone, so that neither order nor sharding can be seen. `Joined` then makes
//! one endpoint of those that echo each other: counts of the outermost, and of the inner ones what was no echo.
//!
//! Sightings that share an id are one exchange when they are the only ones of their vantages, or ask for the same with
//! the same method; so what a call caused elsewhere under the same trace is not taken for it. Sightings without a shared
//! id are one exchange when method, status, host and path are the same within two seconds, in turn; or when they share but
//! the end of the path, and no other sighting could be meant.

mod correlation;
mod join;
mod settle;

pub(super) use correlation::sighting;
pub use join::Hop;
pub(super) use join::Joined;
pub(super) use settle::{Layer, settle};

use super::calls::Outcome;
use super::facts::{HourFacts, Latencies};
use crate::caller::{AuthScheme, SchemeSet};
use crate::merge::Merge;
use crate::time::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A place that traffic is seen at.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub struct Vantage {
    /// How many are further out.
    rank: u8,
    label: Arc<str>,
}

impl Vantage {
    /// How many are further out.
    pub(super) const fn rank(&self) -> u8 {
        self.rank
    }

    /// Whether none is further out.
    pub(super) const fn is_outermost(&self) -> bool {
        self.rank == 0
    }

    /// A keyed hash of a path and method as one of this vantage.
    pub(super) fn place(&self, path: u64) -> u64 {
        path.wrapping_add(self.rank.into())
    }

    /// What the operator calls it.
    #[must_use]
    pub fn label(&self) -> &str {
        &self.label
    }
}

/// Which input is seen at which vantage.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Vantages(Vec<Option<Vantage>>);

/// Why labels make no vantages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadVantage {
    /// A label of other characters.
    #[error("must be 1 to 64 letters, digits, `.`, `_` and `-`")]
    Label,
    /// More than are told apart.
    #[error("at most {MAX_VANTAGES} vantages are told apart")]
    TooMany,
}

/// The most vantages.
const MAX_VANTAGES: usize = 16;

impl Vantages {
    /// Vantages by the labels of inputs; the first label is the outermost. Fewer than two are none: nothing is seen twice.
    pub fn new<'a>(labels: impl Iterator<Item = Option<&'a str>>) -> Result<Self, BadVantage> {
        let mut known: Vec<Vantage> = Vec::new();
        let mut inputs = Vec::new();
        for label in labels {
            let Some(label) = label else {
                inputs.push(None);
                continue;
            };
            let good = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
            if !(1..=64).contains(&label.len()) || !label.bytes().all(good) {
                return Err(BadVantage::Label);
            }
            let vantage = if let Some(found) = known.iter().find(|vantage| &*vantage.label == label) {
                found.clone()
            } else {
                let rank = u8::try_from(known.len()).map_err(|_| BadVantage::TooMany)?;
                known.push(Vantage { rank, label: label.into() });
                Vantage { rank, label: label.into() }
            };
            inputs.push(Some(vantage));
        }
        match known.len() {
            0 | 1 => Ok(Self::default()),
            2..=MAX_VANTAGES => Ok(Self(inputs)),
            _ => Err(BadVantage::TooMany),
        }
    }

    /// Vantages by number: the first label is input 1, and input 0 is of none.
    pub fn numbered<'a>(labels: impl Iterator<Item = &'a str>) -> Result<Self, BadVantage> {
        Self::new(std::iter::once(None).chain(labels.map(Some)))
    }

    /// The first input that is seen at a place; 0 when there is none, or vantages are not told apart.
    #[must_use]
    pub fn number_of(&self, label: &str) -> u32 {
        let found = self.0.iter().position(|one| one.as_ref().is_some_and(|one| &*one.label == label));
        found.and_then(|at| u32::try_from(at).ok()).unwrap_or_default()
    }

    /// Where an input is seen, when vantages are told apart.
    #[must_use]
    pub fn of(&self, input: u32) -> Option<&Vantage> {
        self.0.get(usize::try_from(input).ok()?)?.as_ref()
    }
}

/// Ids of one call that are kept.
pub(super) const MAX_IDS: usize = 3;
/// Sightings that may wait for others in one part of the inventory, about 100 bytes each. Beyond, a sighting counts by
/// itself.
pub(super) const MAX_WAITING: u64 = 1 << 20;

/// What is kept of a call until it is known whether it was seen elsewhere.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub(super) struct Sighting {
    /// When it began.
    pub(super) at: Timestamp,
    /// Keyed hashes of the ids that travel with it; 0 for none.
    pub(super) ids: [u64; MAX_IDS],
    /// A keyed hash of host and path; 0 when there is nothing to tell it by.
    pub(super) name: u64,
    /// A keyed hash of the end of the path; 0 when there is nothing to tell it by.
    pub(super) tail: u64,
    /// A keyed hash of the method.
    pub(super) method: u64,
    pub(super) status: u16,
    pub(super) request_bytes: u64,
    pub(super) response_bytes: u64,
    pub(super) latency_us: Option<u64>,
    pub(super) tls: bool,
    /// How it ended, when it is a remote call.
    pub(super) call: Option<Outcome>,
    /// How it authenticates; `None` when its source cannot tell.
    pub(super) schemes: Option<SchemeSet>,
    /// The first half of the caller's fingerprint.
    pub(super) caller: Option<u64>,
}

impl Sighting {
    fn has_id(&self) -> bool {
        self.ids.iter().any(|id| *id != 0)
    }
}

/// In what two sightings of one exchange differ. The first word is of the outer one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub enum Difference {
    /// The status.
    Status(u16, u16),
    /// The method.
    Method,
    /// A credential was seen at the outer one alone.
    CredentialOutside,
    /// A credential was seen at the inner one alone.
    CredentialInside,
}

impl Difference {
    /// It in words, with the names of both vantages: `status edge 502 service 200`.
    #[must_use]
    pub fn between(self, outer: &Vantage, inner: &Vantage) -> String {
        let (outer, inner) = (outer.label(), inner.label());
        match self {
            Self::Status(one, other) => format!("status {outer} {one} {inner} {other}"),
            Self::Method => format!("method {outer} {inner}"),
            Self::CredentialOutside => format!("credential at {outer} not {inner}"),
            Self::CredentialInside => format!("credential at {inner} not {outer}"),
        }
    }
}

/// How often one endpoint echoed another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
struct Link {
    /// By an id.
    by_id: u64,
    /// By time, method, path and status.
    by_shape: u64,
}

impl Merge for Link {
    fn absorb(&mut self, other: Self) {
        self.by_id.absorb(other.by_id);
        self.by_shape.absorb(other.by_shape);
    }
}

/// What was counted of calls that a vantage further out had counted, as far as that one told it.
#[derive(Clone, Debug, Default, serde::Serialize, serde::Deserialize)]
struct Echo {
    requests: u64,
    statuses: BTreeMap<u16, u64>,
    auth: BTreeMap<AuthScheme, u64>,
    tls: u64,
    latencies: Latencies,
    request_bytes: u64,
    response_bytes: u64,
    /// By hour, for where the endpoint stays one of its own.
    hours: BTreeMap<i64, Box<HourFacts>>,
    /// By hour what was not told further out, for where it does not.
    untold: BTreeMap<i64, Box<HourFacts>>,
}

impl Merge for Echo {
    fn absorb(&mut self, other: Self) {
        self.requests.absorb(other.requests);
        self.statuses.absorb(other.statuses);
        self.auth.absorb(other.auth);
        self.tls.absorb(other.tls);
        self.latencies.absorb(other.latencies);
        self.request_bytes.absorb(other.request_bytes);
        self.response_bytes.absorb(other.response_bytes);
        self.hours.absorb(other.hours);
        self.untold.absorb(other.untold);
    }
}

/// Places, links and differences of one endpoint that are kept; the smallest stay.
const MAX_KEPT: usize = 64;

/// What an endpoint's facts at one vantage have to do with other vantages.
#[derive(Clone, Debug, Default, serde::Serialize, serde::Deserialize)]
pub struct VantageFacts {
    /// Keyed hashes of the paths, methods and vantage that were counted here: what links lead to.
    places: BTreeSet<u64>,
    waiting: Vec<Sighting>,
    echo: Echo,
    /// By a place of the endpoint that was echoed.
    links: BTreeMap<u64, Link>,
    /// By how far out the other was.
    differences: BTreeMap<(u8, Difference), u64>,
    /// Sightings that no vantage further out had, though one was watching.
    alone: u64,
}

fn bounded<K: Ord + Clone, V>(map: &mut BTreeMap<K, V>) {
    if let Some(first) = map.keys().nth(MAX_KEPT).cloned() {
        map.split_off(&first);
    }
}

impl VantageFacts {
    /// Takes note of where a sighting was counted, and keeps it when there is room.
    pub(super) fn sighted(&mut self, place: u64, sighting: Option<Sighting>) {
        self.places.insert(place);
        while self.places.len() > MAX_KEPT {
            self.places.pop_last();
        }
        self.waiting.extend(sighting);
    }

    /// Forgets what happened in which hour.
    pub(super) fn forget_hours(&mut self) {
        self.echo.hours.clear();
        self.echo.untold.clear();
    }

    /// Forgets hours before this one.
    pub(super) fn forget_before(&mut self, hour: i64) {
        self.echo.hours = self.echo.hours.split_off(&hour);
        self.echo.untold = self.echo.untold.split_off(&hour);
    }
}

impl Merge for VantageFacts {
    fn absorb(&mut self, other: Self) {
        self.places.absorb(other.places);
        while self.places.len() > MAX_KEPT {
            self.places.pop_last();
        }
        self.waiting.extend(other.waiting);
        self.echo.absorb(other.echo);
        self.links.absorb(other.links);
        bounded(&mut self.links);
        self.differences.absorb(other.differences);
        bounded(&mut self.differences);
        self.alone.absorb(other.alone);
    }
}

#[cfg(test)]
mod tests;
