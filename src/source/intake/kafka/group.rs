//! How a group shares partitions out: what members tell of themselves, and the shares that the one who leads gives.
//!
//! Members name the topics they want; the leader deals each topic's partitions out in ranges, as Kafka's own clients do by
//! default ("range"), so that sensors and other clients may stand in one group.
//!
//! <https://kafka.apache.org/protocol#The_Messages_JoinGroup>

use super::wire::{Malformed, Reader, Writer};
use std::collections::{BTreeMap, BTreeSet};

/// What groups of consumers are called in the protocol.
pub(super) const PROTOCOL: &str = "consumer";
/// How shares are dealt out.
pub(super) const DEAL: &str = "range";

/// What a member tells of itself: the topics it wants.
pub(super) fn wanted(topics: &[String]) -> Vec<u8> {
    let mut body = Writer::default();
    body.i16(0).count(topics.len());
    for topic in topics {
        body.string(topic);
    }
    body.bytes(&[]);
    body.0
}

/// The topics that a member wants.
pub(super) fn wants(told: &[u8]) -> Result<BTreeSet<String>, Malformed> {
    let mut reader = Reader(told);
    reader.i16()?;
    let topics = reader.list(|reader| Ok(reader.string()?.to_owned()))?;
    Ok(topics.into_iter().collect())
}

/// Partitions, each with its topic.
pub(super) type Share = BTreeSet<(String, i32)>;

/// Deals out the partitions of each topic among the members that want it, in the order of their ids.
pub(super) fn deal(
    members: &BTreeMap<String, BTreeSet<String>>,
    topics: &BTreeMap<String, Vec<i32>>,
) -> BTreeMap<String, Share> {
    let mut shares: BTreeMap<String, Share> =
        members.keys().map(|member| (member.clone(), Share::new())).collect();
    for (topic, partitions) in topics {
        let takers: Vec<&String> =
            members.iter().filter(|(_, wants)| wants.contains(topic)).map(|(member, _)| member).collect();
        let (Some(each), Some(more)) =
            (partitions.len().checked_div(takers.len()), partitions.len().checked_rem(takers.len()))
        else {
            continue;
        };
        let mut rest = partitions.iter();
        for (n, taker) in takers.into_iter().enumerate() {
            let share = rest.by_ref().take(each + usize::from(n < more));
            shares.entry(taker.clone()).or_default().extend(share.map(|index| (topic.clone(), *index)));
        }
    }
    shares
}

/// A share as it is sent.
pub(super) fn packed(share: &Share) -> Vec<u8> {
    let mut topics: BTreeMap<&str, Vec<i32>> = BTreeMap::new();
    for (topic, partition) in share {
        topics.entry(topic).or_default().push(*partition);
    }
    let topics: Vec<_> = topics.into_iter().collect();
    let mut body = Writer::default();
    body.i16(0);
    body.topics(&topics, |body, partition| {
        body.i32(*partition);
    });
    body.bytes(&[]);
    body.0
}

/// The share that was sent. A member that has none may be sent nothing at all.
pub(super) fn unpacked(sent: &[u8]) -> Result<Share, Malformed> {
    if sent.is_empty() {
        return Ok(Share::new());
    }
    let mut reader = Reader(sent);
    reader.i16()?;
    let all = reader.topics(|reader, topic| Ok((topic.to_owned(), reader.i32()?)))?;
    Ok(all.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn topics(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn what_is_told_is_understood() {
        let told = wanted(&topics(&["a", "b"]));
        assert_eq!(wants(&told), Ok(topics(&["a", "b"]).into_iter().collect()));
        let share = Share::from([("a".to_owned(), 0), ("a".to_owned(), 3), ("b".to_owned(), 1)]);
        assert_eq!(unpacked(&packed(&share)), Ok(share));
        assert_eq!(unpacked(&[]), Ok(Share::new()));
        assert_eq!(unpacked(&[0, 0, 0]), Err(Malformed));
    }

    #[test]
    fn ranges_are_dealt_in_the_order_of_the_members() {
        let members = BTreeMap::from([
            ("x".to_owned(), topics(&["a", "b"]).into_iter().collect()),
            ("y".to_owned(), topics(&["a"]).into_iter().collect()),
        ]);
        let all = BTreeMap::from([("a".to_owned(), vec![0, 1, 2]), ("b".to_owned(), vec![0])]);
        let shares = deal(&members, &all);
        let share = |parts: &[(&str, i32)]| -> Share {
            parts.iter().map(|(topic, index)| ((*topic).to_owned(), *index)).collect()
        };
        assert_eq!(shares["x"], share(&[("a", 0), ("a", 1), ("b", 0)]));
        assert_eq!(shares["y"], share(&[("a", 2)]));
    }

    proptest! {
        /// Each partition goes to one member, whatever there is.
        #[test]
        fn nothing_is_dealt_twice_or_forgotten(members in 1_u8..6, partitions in 0_i32..20) {
            let wants: BTreeSet<String> = ["t".to_owned()].into();
            let members = (0..members).map(|n| (n.to_string(), wants.clone())).collect();
            let shares = deal(&members, &BTreeMap::from([("t".to_owned(), (0..partitions).collect())]));
            let mut all: Vec<i32> = shares.values().flatten().map(|(_, index)| *index).collect();
            all.sort_unstable();
            prop_assert_eq!(all, (0..partitions).collect::<Vec<_>>());
        }

        #[test]
        fn arbitrary_bytes_are_survived(bytes in proptest::collection::vec(prop_oneof![Just(0_u8), any::<u8>()], 0..60)) {
            std::hint::black_box(wants(&bytes)).ok();
            std::hint::black_box(unpacked(&bytes)).ok();
        }
    }
}
