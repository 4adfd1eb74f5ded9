//! What became of the evidence for a class in a field, remembered, so that a class at the edge does not come and go.
//!
//! Evidence is judged anew each time it is looked at. [`Standings`] holds what was said the last time: a class that was
//! confirmed stays so until its confidence falls below [`KEEPS_CONFIRMED`], one that was suspected until it falls below
//! [`KEEPS_SUSPECTED`]. When the state changes, the time of the endpoint's latest exchange is its date, so that the
//! same exchanges lead to the same dates. Without memory (a single run over files) the judgement stands as it is.

use super::EndpointId;
use super::inspect::DataField;
use crate::classify::State;
use crate::time::Timestamp;
use std::collections::BTreeMap;

/// A confirmed class is no longer when its confidence falls below; it is confirmed from
/// [`CONFIRMED`](crate::classify::evidence::CONFIRMED) on.
pub const KEEPS_CONFIRMED: f32 = 0.7;
/// A class is no longer suspected when its confidence falls below; it is suspected from
/// [`SUSPECTED`](crate::classify::evidence::SUSPECTED) on.
pub const KEEPS_SUSPECTED: f32 = 0.35;
/// Classes in fields that are remembered. Those beyond are judged without memory.
const MAX: usize = 1 << 18;

/// What was said of classes in fields the last time they were looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Standings {
    by_endpoint: BTreeMap<u64, BTreeMap<String, Standing>>,
    held: usize,
}

/// What was said of a class in a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
struct Standing {
    state: State,
    change: Option<Change>,
}

/// When the state of a class changed last, and what it was before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Change {
    /// The time of the endpoint's latest exchange then.
    pub at: Timestamp,
    /// The state before.
    pub former: State,
}

impl Standings {
    /// Nothing is remembered.
    #[must_use]
    pub fn none() -> &'static Self {
        static NONE: Standings = Standings { by_endpoint: BTreeMap::new(), held: 0 };
        &NONE
    }

    /// Judges the fields of an endpoint in the light of what was said of them before; `at` is its latest exchange.
    pub fn settle(&self, endpoint: EndpointId, fields: &mut [DataField], at: Timestamp) {
        let Some(known) = self.by_endpoint.get(&endpoint.0) else { return };
        for field in fields {
            let Some(before) = known.get(&place(field)) else { continue };
            field.state = kept(before.state, field.confidence, field.state);
            field.change = if field.state == before.state {
                before.change
            } else {
                Some(Change { at, former: before.state })
            };
        }
    }

    /// Remembers what is said of the fields of an endpoint, which [`Standings::settle`] has judged.
    pub fn learn(&mut self, endpoint: EndpointId, fields: &[DataField]) {
        for field in fields.iter().filter(|field| field.state != State::Cleared || field.change.is_some()) {
            if self.held >= MAX {
                return;
            }
            let standing = Standing { state: field.state, change: field.change };
            let of_endpoint = self.by_endpoint.entry(endpoint.0).or_default();
            self.held += usize::from(of_endpoint.insert(place(field), standing).is_none());
        }
    }
}

/// Where a class stands in an endpoint, under names that do not change from run to run.
fn place(field: &DataField) -> String {
    format!("{}\0{}\0{}\0{}", field.location.name(), field.status, field.class, field.path)
}

/// The state of a class that was in another `before`: on its way down it is held a little longer.
fn kept(before: State, confidence: f32, judged: State) -> State {
    match before {
        State::Confirmed if confidence >= KEEPS_CONFIRMED => State::Confirmed,
        State::Confirmed | State::Suspected if confidence >= KEEPS_SUSPECTED => judged.max(State::Suspected),
        State::Confirmed | State::Suspected | State::Cleared => judged,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::classify::evidence::{CONFIRMED, SUSPECTED};
    use crate::classify::{ClassId, Location};

    fn field(confidence: f32) -> DataField {
        DataField {
            location: Location::ResponseBody,
            path: "$.iban".to_owned(),
            numbered: false,
            status: 200,
            id: ClassId(1),
            class: "fin.iban",
            tier: 3,
            present: 9,
            valid: 9,
            masked: 0,
            sampled_one_in: 1,
            distinct: 9,
            seen: None,
            confidence,
            state: if confidence >= CONFIRMED {
                State::Confirmed
            } else if confidence >= SUSPECTED {
                State::Suspected
            } else {
                State::Cleared
            },
            change: None,
            reason: String::new(),
        }
    }

    /// What is said of one field, look after look, and when that changed.
    fn said(confidences: &[f32]) -> Vec<(&'static str, Option<(u64, &'static str)>)> {
        let mut known = Standings::default();
        let mut all = Vec::new();
        for (second, confidence) in (0..).zip(confidences) {
            let mut fields = [field(*confidence)];
            known.settle(EndpointId(7), &mut fields, Timestamp::from_secs(second, 0));
            let mut next = Standings::default();
            next.learn(EndpointId(7), &fields);
            let bytes = postcard::to_stdvec(&next).unwrap();
            known = postcard::from_bytes(&bytes).unwrap();
            let change = fields[0]
                .change
                .map(|change| (change.at.since(Timestamp::EPOCH).as_secs(), change.former.name()));
            all.push((fields[0].state.name(), change));
        }
        all
    }

    #[test]
    fn a_confirmed_class_does_not_flap() {
        let all = said(&[0.9, 0.8, 0.71, 0.86, 0.75]);
        assert!(all.iter().all(|said| *said == ("confirmed", None)), "{all:?}");
    }

    #[test]
    fn what_changes_is_dated_and_its_former_state_told() {
        assert_eq!(
            said(&[0.6, 0.4, 0.9, 0.9, 0.6, 0.3, 0.3]),
            [
                ("suspected", None),
                ("suspected", None),
                ("confirmed", Some((2, "suspected"))),
                ("confirmed", Some((2, "suspected"))),
                ("suspected", Some((4, "confirmed"))),
                ("cleared", Some((5, "suspected"))),
                ("cleared", Some((5, "suspected"))),
            ]
        );
    }

    #[test]
    fn another_endpoint_is_judged_by_itself() {
        let mut known = Standings::default();
        known.learn(EndpointId(7), &[field(0.9)]);
        let mut fields = [field(0.75)];
        known.settle(EndpointId(8), &mut fields, Timestamp::EPOCH);
        assert_eq!((fields[0].state, fields[0].change), (State::Suspected, None));
    }
}
