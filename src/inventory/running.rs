//! What is counted of the hour that is running, on its way into the facts of an endpoint.
//!
//! An exchange belongs to an hour, and all that an hour has the endpoint has too. Counting in both means looking through
//! a dozen maps for each exchange; here it is a few additions in one place, made over to both when the hour is over or the
//! facts are taken. The sums are the same, whatever the order of the hours.

use super::calls::{self, Outcome};
use super::facts::{EndpointFacts, Latencies};
use super::history::Trait;
use super::query_names::{Id, QueryNames, Shown};
use super::sketch::{Gathering, Seat};
use crate::caller::AuthScheme;
use crate::classify::{ClassSet, Classifier};
use crate::merge::Merge as _;
use crate::time::Timestamp;
use crate::transaction::Transaction;
use std::sync::Arc;

/// Statuses with a place of their own; few endpoints have more.
const STATUSES: usize = 6;
/// Names of query parameters with a place of their own, likewise.
const NAMES: usize = 16;

/// See the module's doc.
#[derive(Clone, Debug)]
pub(crate) struct Running {
    hour: i64,
    first_seen: Timestamp,
    last_seen: Timestamp,
    /// Exchanges by status; places with the count 0 are free.
    statuses: [(u16, u64); STATUSES],
    request_bytes: u64,
    response_bytes: u64,
    tls: u64,
    auth: [u64; AuthScheme::ALL.len()],
    /// By bucket.
    latencies: Vec<u64>,
    callers: Gathering,
    classes: Vec<(&'static str, u64)>,
    /// Remote calls by outcome.
    calls: Vec<(Outcome, u64)>,
    /// Names of query parameters that the sums have, and how often they came since.
    names: Vec<(Id, Arc<str>, u64)>,
}

impl Running {
    fn new(hour: i64) -> Self {
        Self {
            hour,
            first_seen: Timestamp::MAX,
            last_seen: Timestamp::from_nanos(i64::MIN),
            statuses: [(0, 0); STATUSES],
            request_bytes: 0,
            response_bytes: 0,
            tls: 0,
            auth: [0; AuthScheme::ALL.len()],
            latencies: Vec::new(),
            callers: Gathering::default(),
            classes: Vec::new(),
            calls: Vec::new(),
            names: Vec::new(),
        }
    }

    pub(super) const fn hour(&self) -> i64 {
        self.hour
    }

    /// Counts what every source tells of an exchange.
    pub(super) fn count(&mut self, exchange: &Transaction, at: Timestamp) {
        self.first_seen = self.first_seen.min(at);
        self.last_seen = self.last_seen.max(at);
        self.request_bytes += exchange.request.body.len;
        self.response_bytes += exchange.response.body.len;
        self.tls += u64::from(exchange.tls);
        // A call that lasts has no outcome yet.
        if let Some(outcome) = exchange.call.as_ref().filter(|_| exchange.part.ends()).map(calls::outcome) {
            match self.calls.iter_mut().find(|(known, _)| *known == outcome) {
                Some((_, count)) => *count += 1,
                None => self.calls.push((outcome, 1)),
            }
        }
        if let Some(latency) = exchange.latency_us {
            let bucket = usize::from(Latencies::bucket(latency));
            if self.latencies.len() <= bucket {
                self.latencies.resize(bucket + 1, 0);
            }
            if let Some(count) = self.latencies.get_mut(bucket) {
                *count += 1;
            }
        }
    }

    /// Counts a status; says whether there was room.
    fn count_status(&mut self, status: u16) -> bool {
        for (known, count) in &mut self.statuses {
            if *known == status || *count == 0 {
                *known = status;
                *count += 1;
                return true;
            }
        }
        false
    }
}

/// Where `hourly`, what is counted belongs to the running hour, which was opened for its exchange; else to the sums alone.
impl EndpointFacts {
    /// The counts of the hour, with room for an exchange of this status.
    pub(super) fn running(&mut self, hour: i64, status: u16) -> &mut Running {
        let ready =
            self.running.as_mut().is_some_and(|running| running.hour == hour && running.count_status(status));
        if !ready {
            self.close_hour();
            let fresh = self.running.insert(Box::new(Running::new(hour)));
            fresh.count_status(status);
        }
        self.running.get_or_insert_with(|| Box::new(Running::new(hour)))
    }

    fn open_hour(&mut self, hourly: bool) -> Option<&mut Running> {
        self.running.as_deref_mut().filter(|_| hourly)
    }

    /// Counts a caller.
    pub(super) fn call(&mut self, seat: Seat, hourly: bool) {
        match self.open_hour(hourly) {
            Some(running) => running.callers.insert(seat),
            None => self.callers.insert(seat),
        }
    }

    /// Counts a way of authentication.
    pub(super) fn authenticate(&mut self, scheme: AuthScheme, hourly: bool) {
        match self.open_hour(hourly).and_then(|running| running.auth.get_mut(scheme as usize)) {
            Some(count) => *count += 1,
            None => *self.auth.entry(scheme).or_default() += 1,
        }
    }

    /// Counts an exchange that carried these data classes in its hour.
    pub(super) fn carry(&mut self, classes: ClassSet, (hour, hourly): (i64, bool), classifier: &Classifier) {
        for class in classes.iter().map(|class| classifier.name(class)) {
            let Some(running) = self.open_hour(hourly) else {
                let hour = self.hours.entry(hour).or_default();
                *hour.data_classes.entry(class).or_default() += 1;
                continue;
            };
            match running.classes.iter_mut().find(|(known, _)| *known == class) {
                Some((_, count)) => *count += 1,
                None => running.classes.push((class, 1)),
            }
        }
    }

    /// Counts the names of query parameters, of which so many are kept, and notes the hour in which each first came.
    pub(super) fn count_names(&mut self, names: &QueryNames, (hour, hourly): (i64, bool), most: usize) {
        for Shown { text, id } in names.iter() {
            // Where the name was met in the hour before, that is all.
            let running = self.open_hour(hourly);
            if let (Some(running), Some(id)) = (running, id)
                && let Some((_, _, count)) = running.names.iter_mut().find(|(known, _, _)| *known == id)
            {
                *count += 1;
                continue;
            }
            if let Some(known) = self.query.get_mut(&**text) {
                *known += 1;
                // What comes late may be the first, though it is not the first that is counted.
                if hour < self.last_seen.hour() {
                    self.firsts.note(Trait::Parameter(text), hour);
                }
            } else if self.query.len() < most {
                self.firsts.note(Trait::Parameter(text), hour);
                self.query.insert(text.to_string(), 1);
            } else {
                self.query_overflow += 1;
                continue;
            }
            let running = self.open_hour(hourly).filter(|running| running.names.len() < NAMES);
            if let (Some(running), Some(id)) = (running, id) {
                running.names.push((id, Arc::clone(text), 0));
            }
        }
    }

    /// Forgets the names of query parameters.
    pub(super) fn forget_names(&mut self) {
        let running = self.running.as_mut().map(|running| std::mem::take(&mut running.names));
        let waiting: u64 = running.iter().flatten().map(|(_, _, count)| count).sum();
        self.query_overflow += std::mem::take(&mut self.query).values().sum::<u64>() + waiting;
    }

    /// Makes the counts of the running hour over to the sums.
    pub(super) fn close_hour(&mut self) {
        let Some(running) = self.running.take() else { return };
        let Running {
            hour,
            first_seen,
            last_seen,
            statuses,
            auth,
            latencies,
            callers,
            classes,
            calls,
            names,
            ..
        } = *running;
        self.first_seen = self.first_seen.min(first_seen);
        self.last_seen = self.last_seen.max(last_seen);
        self.request_bytes += running.request_bytes;
        self.response_bytes += running.response_bytes;
        self.tls += running.tls;
        let facts = self.hours.entry(hour).or_default();
        facts.request_bytes += running.request_bytes;
        facts.response_bytes += running.response_bytes;
        for (status, count) in statuses.into_iter().filter(|(_, count)| *count > 0) {
            self.requests += count;
            *self.statuses.entry(status).or_default() += count;
            facts.count_status(status, count);
            self.firsts.note(Trait::Status(status), hour);
        }
        for (bucket, count) in (0_u16..).zip(latencies).filter(|(_, count)| *count > 0) {
            self.latencies.count_in(bucket, count);
            facts.latencies.count_in(bucket, count);
        }
        for (scheme, count) in AuthScheme::ALL.into_iter().zip(auth).filter(|(_, count)| *count > 0) {
            *self.auth.entry(scheme).or_default() += count;
            self.firsts.note(Trait::Auth(scheme.name()), hour);
        }
        for (class, count) in classes {
            *facts.data_classes.entry(class).or_default() += count;
            self.firsts.note(Trait::Class(class), hour);
        }
        for (outcome, count) in calls {
            *facts.calls.entry(outcome).or_default() += count;
        }
        for (_, name, count) in names {
            match self.query.get_mut(&*name) {
                Some(known) => *known += count,
                None => self.query_overflow += count,
            }
        }
        let callers = callers.whole();
        self.callers.absorb(callers.clone());
        facts.callers.absorb(callers);
    }
}
