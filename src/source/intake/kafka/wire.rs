//! The protocol of Kafka: requests as bytes, and what responses say.
//!
//! Of each request one version is spoken, from before the "flexible" encodings, so that strings and lists have plain
//! lengths. Brokers from Kafka 2.3 to 4 know all of them. Whatever a length claims, no more is held than has come.
//!
//! <https://kafka.apache.org/protocol>

/// A kind of request in the version that is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Api {
    /// Its number.
    pub(super) key: i16,
    /// The version.
    pub(super) version: i16,
    /// Its name in the protocol.
    pub(super) name: &'static str,
}

const fn api(key: i16, version: i16, name: &'static str) -> Api {
    Api { key, version, name }
}

pub(super) const FETCH: Api = api(1, 4, "Fetch");
pub(super) const LIST_OFFSETS: Api = api(2, 2, "ListOffsets");
pub(super) const METADATA: Api = api(3, 4, "Metadata");
pub(super) const OFFSET_COMMIT: Api = api(8, 7, "OffsetCommit");
pub(super) const OFFSET_FETCH: Api = api(9, 5, "OffsetFetch");
pub(super) const FIND_COORDINATOR: Api = api(10, 1, "FindCoordinator");
pub(super) const JOIN_GROUP: Api = api(11, 5, "JoinGroup");
pub(super) const HEARTBEAT: Api = api(12, 3, "Heartbeat");
pub(super) const LEAVE_GROUP: Api = api(13, 1, "LeaveGroup");
pub(super) const SYNC_GROUP: Api = api(14, 3, "SyncGroup");
pub(super) const SASL_HANDSHAKE: Api = api(17, 1, "SaslHandshake");
pub(super) const API_VERSIONS: Api = api(18, 0, "ApiVersions");
pub(super) const SASL_AUTHENTICATE: Api = api(36, 0, "SaslAuthenticate");

/// What every broker must speak.
pub(super) const NEEDED: [Api; 10] = [
    FETCH,
    LIST_OFFSETS,
    METADATA,
    OFFSET_COMMIT,
    OFFSET_FETCH,
    FIND_COORDINATOR,
    JOIN_GROUP,
    HEARTBEAT,
    LEAVE_GROUP,
    SYNC_GROUP,
];

/// The code of an error, as responses carry it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Code(pub(super) i16);

impl Code {
    pub(super) const NONE: Self = Self(0);
    pub(super) const OFFSET_OUT_OF_RANGE: Self = Self(1);
    pub(super) const ILLEGAL_GENERATION: Self = Self(22);
    pub(super) const UNKNOWN_MEMBER: Self = Self(25);
    pub(super) const REBALANCE_IN_PROGRESS: Self = Self(27);
    pub(super) const MEMBER_ID_REQUIRED: Self = Self(79);

    /// `Ok` when there is no error.
    pub(super) fn check(self) -> Result<(), Self> {
        if self == Self::NONE { Ok(()) } else { Err(self) }
    }
}

impl std::fmt::Display for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = match self.0 {
            -1 => "an error it does not name",
            1 => "the offset is out of range",
            3 => "there is no such topic or partition",
            5 | 6 | 9 => "the partition has no leader there",
            14 => "the coordinator of the group is loading",
            15 => "there is no coordinator of the group",
            16 => "it is not the coordinator of the group",
            22 => "the group has gone on to another generation",
            23 => "the group's other members share partitions out in other ways",
            24 => "the group's name is not valid",
            25 => "it does not know this member of the group",
            26 => "the session timeout is out of its range",
            27 => "the group is being shared out anew",
            29 => "reading the topic is not allowed",
            30 => "the group may not be used",
            31 => "the cluster may not be used",
            33 => "it does not know the SASL mechanism",
            34 => "SASL is in another state",
            35 => "it does not know the version of the request",
            58 => "the name or password is not accepted",
            72 | 76 => "the listener or codec is not known there",
            81 => "the group has as many members as it may have",
            82 => "another member has the same instance id",
            _ => return write!(f, "error {}", self.0),
        };
        write!(f, "{name} (error {})", self.0)
    }
}

/// The response is not what the protocol says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("its answer is not as the protocol says")]
pub(super) struct Malformed;

/// Puts a request together.
#[derive(Debug, Default)]
pub(super) struct Writer(pub(super) Vec<u8>);

impl Writer {
    pub(super) fn i8(&mut self, value: i8) -> &mut Self {
        self.raw(&value.to_be_bytes())
    }

    pub(super) fn i16(&mut self, value: i16) -> &mut Self {
        self.raw(&value.to_be_bytes())
    }

    pub(super) fn i32(&mut self, value: i32) -> &mut Self {
        self.raw(&value.to_be_bytes())
    }

    pub(super) fn i64(&mut self, value: i64) -> &mut Self {
        self.raw(&value.to_be_bytes())
    }

    /// A text; one that is too long for the protocol is cut, which no broker takes for another's name.
    pub(super) fn string(&mut self, text: &str) -> &mut Self {
        let length = i16::try_from(text.len()).unwrap_or(i16::MAX);
        let kept = text.as_bytes().get(..usize::from(length.unsigned_abs())).unwrap_or_default();
        self.i16(length).raw(kept)
    }

    pub(super) fn nullable(&mut self, text: Option<&str>) -> &mut Self {
        match text {
            Some(text) => self.string(text),
            None => self.i16(-1),
        }
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.count(bytes.len()).raw(bytes)
    }

    /// How many items follow.
    pub(super) fn count(&mut self, count: usize) -> &mut Self {
        self.i32(i32::try_from(count).unwrap_or(i32::MAX))
    }

    fn raw(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.extend_from_slice(bytes);
        self
    }

    /// A list of topics, each with its name and a list.
    pub(super) fn topics<T>(
        &mut self,
        topics: &[(&str, Vec<T>)],
        mut each: impl FnMut(&mut Self, &T),
    ) -> &mut Self {
        self.count(topics.len());
        for (topic, partitions) in topics {
            self.string(topic).count(partitions.len());
            for partition in partitions {
                each(self, partition);
            }
        }
        self
    }
}

/// Takes a response apart.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    fn raw(&mut self, count: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(Malformed)?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (taken, rest) = self.0.split_first_chunk().ok_or(Malformed)?;
        self.0 = rest;
        Ok(*taken)
    }

    pub(super) fn i8(&mut self) -> Result<i8, Malformed> {
        self.array().map(i8::from_be_bytes)
    }

    pub(super) fn i16(&mut self) -> Result<i16, Malformed> {
        self.array().map(i16::from_be_bytes)
    }

    pub(super) fn i32(&mut self) -> Result<i32, Malformed> {
        self.array().map(i32::from_be_bytes)
    }

    pub(super) fn i64(&mut self) -> Result<i64, Malformed> {
        self.array().map(i64::from_be_bytes)
    }

    pub(super) fn code(&mut self) -> Result<Code, Malformed> {
        self.i16().map(Code)
    }

    pub(super) fn string(&mut self) -> Result<&'a str, Malformed> {
        self.nullable()?.ok_or(Malformed)
    }

    pub(super) fn nullable(&mut self) -> Result<Option<&'a str>, Malformed> {
        let Ok(length) = usize::try_from(self.i16()?) else { return Ok(None) };
        std::str::from_utf8(self.raw(length)?).map(Some).map_err(|_| Malformed)
    }

    /// Bytes; none where there are none.
    pub(super) fn bytes(&mut self) -> Result<&'a [u8], Malformed> {
        let Ok(length) = usize::try_from(self.i32()?) else { return Ok(&[]) };
        self.raw(length)
    }

    /// A list; empty where there is none. An item has at least a byte, so that the list is not longer than what came.
    pub(super) fn list<T>(
        &mut self,
        mut item: impl FnMut(&mut Self) -> Result<T, Malformed>,
    ) -> Result<Vec<T>, Malformed> {
        let count = self.i32()?.max(0);
        let mut all = Vec::new();
        for _ in 0..count {
            let before = self.0.len();
            all.push(item(self)?);
            if self.0.len() == before {
                return Err(Malformed);
            }
        }
        Ok(all)
    }

    /// What is left of a list of topics, each with a list of partitions.
    pub(super) fn topics<T>(
        &mut self,
        mut each: impl FnMut(&mut Self, &'a str) -> Result<T, Malformed>,
    ) -> Result<Vec<T>, Malformed> {
        let nested = self.list(|reader| {
            let topic = reader.string()?;
            reader.list(|reader| each(reader, topic))
        })?;
        Ok(nested.into_iter().flatten().collect())
    }
}

/// The versions that a broker speaks of each request, and whether it speaks all that is needed.
pub(super) fn check_versions(response: &[u8], with_sasl: bool) -> Result<Result<(), Api>, Malformed> {
    let mut reader = Reader(response);
    if reader.code()? != Code::NONE {
        return Err(Malformed);
    }
    let spoken = reader.list(|reader| Ok((reader.i16()?, reader.i16()?, reader.i16()?)))?;
    let speaks = |api: &Api| {
        spoken.iter().any(|(key, least, most)| *key == api.key && (*least..=*most).contains(&api.version))
    };
    let sasl = [SASL_HANDSHAKE, SASL_AUTHENTICATE];
    let needed = NEEDED.iter().chain(sasl.iter().filter(|_| with_sasl));
    Ok(needed.copied().find(|api| !speaks(api)).map_or(Ok(()), Err))
}

/// The brokers, and the partitions of topics with their leaders.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Metadata {
    /// Number, host and port of each broker.
    pub(super) brokers: Vec<(i32, String, u16)>,
    pub(super) topics: Vec<Topic>,
}

/// A topic, what is wrong with it, and its partitions with the number of the leader.
pub(super) type Topic = (String, Code, Vec<(i32, i32)>);

/// Asks for topics, and has none made.
pub(super) fn metadata(topics: &[String]) -> Vec<u8> {
    let mut body = Writer::default();
    body.count(topics.len());
    for topic in topics {
        body.string(topic);
    }
    body.i8(0);
    body.0
}

impl Metadata {
    pub(super) fn parse(response: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader(response);
        reader.i32()?;
        let brokers = reader.list(|reader| {
            let broker = (reader.i32()?, reader.string()?.to_owned(), port(reader.i32()?)?);
            reader.nullable()?;
            Ok(broker)
        })?;
        reader.nullable()?;
        reader.i32()?;
        let topics = reader.list(|reader| {
            let code = reader.code()?;
            let name = reader.string()?.to_owned();
            reader.i8()?;
            let mut partitions = reader.list(|reader| {
                // A partition that has no leader now says so by its number.
                reader.code()?;
                let partition = (reader.i32()?, reader.i32()?);
                reader.list(Reader::i32)?;
                reader.list(Reader::i32)?;
                Ok(partition)
            })?;
            partitions.sort_unstable();
            Ok((name, code, partitions))
        })?;
        Ok(Self { brokers, topics })
    }
}

fn port(written: i32) -> Result<u16, Malformed> {
    u16::try_from(written).map_err(|_| Malformed)
}

/// Who keeps the group's members and offsets: its number, host and port.
pub(super) fn coordinator(response: &[u8]) -> Result<Result<(i32, String, u16), Code>, Malformed> {
    let mut reader = Reader(response);
    reader.i32()?;
    let code = reader.code()?;
    reader.nullable()?;
    if code != Code::NONE {
        return Ok(Err(code));
    }
    Ok(Ok((reader.i32()?, reader.string()?.to_owned(), port(reader.i32()?)?)))
}

/// A partition's share of what was fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fetched<'a> {
    pub(super) topic: &'a str,
    pub(super) partition: i32,
    pub(super) code: Code,
    /// Transactions that came to nothing: their producers and first offsets.
    pub(super) aborted: Vec<(i64, i64)>,
    /// Batches of records, the last perhaps cut.
    pub(super) batches: &'a [u8],
}

/// Asks for records from these offsets on, of transactions only those that are committed.
pub(super) fn fetch(topics: &[(&str, Vec<(i32, i64)>)], wait_ms: i32, most: i32, most_each: i32) -> Vec<u8> {
    let mut body = Writer::default();
    body.i32(-1).i32(wait_ms).i32(1).i32(most).i8(1);
    body.topics(topics, |body, (partition, offset)| {
        body.i32(*partition).i64(*offset).i32(most_each);
    });
    body.0
}

/// What was fetched.
pub(super) fn fetched(response: &[u8]) -> Result<Vec<Fetched<'_>>, Malformed> {
    let mut reader = Reader(response);
    reader.i32()?;
    reader.topics(|reader, topic| {
        let (partition, code) = (reader.i32()?, reader.code()?);
        reader.i64()?;
        reader.i64()?;
        let aborted = reader.list(|reader| Ok((reader.i64()?, reader.i64()?)))?;
        Ok(Fetched { topic, partition, code, aborted, batches: reader.bytes()? })
    })
}

/// The first offset there is.
pub(super) const EARLIEST: i64 = -2;
/// The offset of the next record, those of open transactions not counted.
pub(super) const LATEST: i64 = -1;

/// Asks for the first or next offsets of partitions.
pub(super) fn list_offsets(topics: &[(&str, Vec<i32>)], which: i64) -> Vec<u8> {
    let mut body = Writer::default();
    body.i32(-1).i8(1);
    body.topics(topics, |body, partition| {
        body.i32(*partition).i64(which);
    });
    body.0
}

/// A topic, a partition, what went wrong with it, and an offset.
pub(super) type PartitionOffset = (String, i32, Code, i64);

/// The offsets asked for.
pub(super) fn listed_offsets(response: &[u8]) -> Result<Vec<PartitionOffset>, Malformed> {
    let mut reader = Reader(response);
    reader.i32()?;
    reader.topics(|reader, topic| {
        let (partition, code) = (reader.i32()?, reader.code()?);
        reader.i64()?;
        Ok((topic.to_owned(), partition, code, reader.i64()?))
    })
}

/// The offsets that the group has committed; negative where it has none.
pub(super) fn committed_offsets(response: &[u8]) -> Result<Result<Vec<PartitionOffset>, Code>, Malformed> {
    let mut reader = Reader(response);
    reader.i32()?;
    let offsets = reader.topics(|reader, topic| {
        let (partition, offset) = (reader.i32()?, reader.i64()?);
        reader.i32()?;
        reader.nullable()?;
        Ok((topic.to_owned(), partition, reader.code()?, offset))
    })?;
    Ok(reader.code()?.check().map(|()| offsets))
}

/// What went wrong with the offsets that were to be committed, first of all.
pub(super) fn commit_refused(response: &[u8]) -> Result<Result<(), Code>, Malformed> {
    let mut reader = Reader(response);
    reader.i32()?;
    let codes = reader.topics(|reader, _| {
        reader.i32()?;
        reader.code()
    })?;
    Ok(codes.into_iter().find(|code| *code != Code::NONE).map_or(Ok(()), Err))
}

/// What a member is told when the group comes together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Joined {
    pub(super) code: Code,
    pub(super) generation: i32,
    pub(super) leader: String,
    pub(super) member: String,
    /// All members and what they told, for the one that leads.
    pub(super) members: Vec<(String, Vec<u8>)>,
}

impl Joined {
    pub(super) fn parse(response: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader(response);
        reader.i32()?;
        let (code, generation) = (reader.code()?, reader.i32()?);
        reader.nullable()?;
        let leader = reader.nullable()?.unwrap_or_default().to_owned();
        let member = reader.nullable()?.unwrap_or_default().to_owned();
        let members = reader.list(|reader| {
            let member = reader.string()?.to_owned();
            reader.nullable()?;
            Ok((member, reader.bytes()?.to_vec()))
        })?;
        Ok(Self { code, generation, leader, member, members })
    }
}

/// The share of a member, when it is told.
pub(super) fn synced(response: &[u8]) -> Result<Result<Vec<u8>, Code>, Malformed> {
    let mut reader = Reader(response);
    reader.i32()?;
    let code = reader.code()?;
    let share = reader.bytes()?.to_vec();
    Ok(code.check().map(|()| share))
}

/// Of a response that says no more than whether it went well.
pub(super) fn plain_code(response: &[u8]) -> Result<Code, Malformed> {
    let mut reader = Reader(response);
    reader.i32()?;
    reader.code()
}

/// Reads arbitrary bytes as every response.
#[cfg(test)]
pub(super) fn fuzz(data: &[u8]) {
    use std::hint::black_box;
    black_box(check_versions(data, true)).ok();
    black_box(Metadata::parse(data)).ok();
    black_box(coordinator(data)).ok();
    black_box(fetched(data)).ok();
    black_box(listed_offsets(data)).ok();
    black_box(committed_offsets(data)).ok();
    black_box(commit_refused(data)).ok();
    black_box(Joined::parse(data)).ok();
    black_box(synced(data)).ok();
    black_box(plain_code(data)).ok();
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_broker_that_lacks_a_version_is_named_by_the_request() {
        let versions = |apis: &[(i16, i16, i16)]| {
            let mut body = Writer::default();
            body.i16(0).count(apis.len());
            for (key, least, most) in apis {
                body.i16(*key).i16(*least).i16(*most);
            }
            body.0
        };
        let mut all: Vec<_> = NEEDED.iter().map(|api| (api.key, 0, 99)).collect();
        assert_eq!(check_versions(&versions(&all), false), Ok(Ok(())));
        assert_eq!(check_versions(&versions(&all), true), Ok(Err(SASL_HANDSHAKE)));
        all[0].1 = FETCH.version + 1;
        assert_eq!(check_versions(&versions(&all), false), Ok(Err(FETCH)));
        assert_eq!(check_versions(&[0, 0, 0, 0, 0, 9], false), Err(Malformed));
    }

    #[test]
    fn a_list_claims_no_more_than_there_is() {
        assert_eq!(fetched(&[0, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff]), Err(Malformed));
        let mut reader = Reader(&[0x7f, 0xff, 0xff, 0xff]);
        assert_eq!(reader.list(|_| Ok(())), Err(Malformed), "items without a byte");
    }

    #[test]
    fn what_a_fetch_brings_is_read() {
        let mut body = Writer::default();
        body.i32(0).count(1).string("logs").count(2);
        body.i32(0).i16(0).i64(9).i64(8).count(1).i64(77).i64(3).bytes(b"batch");
        body.i32(1).i16(1).i64(-1).i64(-1).i32(-1).i32(-1);
        let first = Fetched {
            topic: "logs",
            partition: 0,
            code: Code::NONE,
            aborted: vec![(77, 3)],
            batches: b"batch",
        };
        let second = Fetched {
            partition: 1,
            code: Code::OFFSET_OUT_OF_RANGE,
            aborted: vec![],
            batches: b"",
            ..first.clone()
        };
        assert_eq!(fetched(&body.0), Ok(vec![first, second]));
    }

    proptest! {
        /// A broker may say anything.
        #[test]
        fn arbitrary_responses_are_survived(bytes in proptest::collection::vec(prop_oneof![Just(0_u8), any::<u8>()], 0..200)) {
            fuzz(&bytes);
        }
    }
}
