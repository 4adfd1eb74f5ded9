//! Batches of records, as they lie in a partition.
//!
//! A batch is read whole or counted as unreadable and passed over, so that one that is damaged, or larger than what is
//! held, costs itself alone. Records below the offset asked for, which compressed batches bring along, are left out,
//! and so are those of transactions that were aborted.
//!
//! <https://kafka.apache.org/documentation/#messageformat>

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::io::Read;

/// The largest batch that is held, unpacked.
pub(super) const MAX_BATCH: usize = 64 << 20;
/// Bytes before the records of a batch.
const HEAD: usize = 61;
/// Bytes before what a batch counts as its length.
const LENGTH_END: usize = 12;

/// What came of walking the batches of a partition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Walked {
    /// The offset to go on from.
    pub(super) next: i64,
    /// Records without a value.
    pub(super) tombstones: u64,
    /// Batches that could not be read.
    pub(super) unreadable: u64,
    /// Batches in a layout from before Kafka 0.11.
    pub(super) outdated: u64,
}

/// Hands out each record from the offset `from` on that has a value, with its offset, until `each` says no more. `aborted`
/// are the producers and first offsets of transactions that were.
pub(super) fn walk(
    mut bytes: &[u8],
    from: i64,
    aborted: &[(i64, i64)],
    each: &mut dyn FnMut(i64, &[u8]) -> bool,
) -> Walked {
    let mut walked = Walked { next: from, ..Walked::default() };
    let mut aborting = BTreeSet::new();
    let mut aborted: Vec<(i64, i64)> = aborted.iter().map(|(producer, first)| (*first, *producer)).collect();
    aborted.sort_unstable_by(|a, b| b.cmp(a));
    while let Some((batch, rest)) = Batch::split(bytes) {
        bytes = rest;
        let batch = match batch {
            Head::Batch(batch) => batch,
            Head::Outdated(last) => {
                walked.outdated += 1;
                walked.next = walked.next.max(last.saturating_add(1));
                continue;
            }
            Head::Damaged(base) => {
                walked.unreadable += 1;
                walked.next = walked.next.max(base.saturating_add(1));
                continue;
            }
        };
        let behind = batch.last.saturating_add(1);
        while let Some((_, producer)) = aborted.pop_if(|(first, _)| *first <= batch.last) {
            aborting.insert(producer);
        }
        if batch.is_control {
            // Of both kinds of markers, since the first offset of the next transaction comes later.
            aborting.remove(&batch.producer);
        } else if batch.is_transactional && aborting.contains(&batch.producer) {
            // Nothing of it has happened.
        } else if behind > walked.next {
            match batch.records(walked.next, &mut walked.tombstones, each) {
                Ok(true) => {}
                Ok(false) => return walked,
                Err(Unreadable) => walked.unreadable += 1,
            }
        }
        walked.next = walked.next.max(behind);
    }
    walked
}

/// A batch cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Unreadable;

/// What the begin of a batch says.
#[derive(Clone, Copy, Debug)]
enum Head<'a> {
    /// A batch that may be read.
    Batch(Batch<'a>),
    /// The layout is from before Kafka 0.11; the offset of its last record.
    Outdated(i64),
    /// It is not possible; the offset it claims.
    Damaged(i64),
}

/// A batch with the facts of its head.
#[derive(Clone, Copy, Debug)]
struct Batch<'a> {
    base: i64,
    last: i64,
    codec: u8,
    is_transactional: bool,
    is_control: bool,
    producer: i64,
    count: i32,
    packed: &'a [u8],
}

impl<'a> Batch<'a> {
    /// The first batch and the bytes behind it. `None` when there is no whole one.
    fn split(bytes: &'a [u8]) -> Option<(Head<'a>, &'a [u8])> {
        let length = i32::from_be_bytes(*bytes.get(8..)?.first_chunk()?);
        let length = LENGTH_END.saturating_add(usize::try_from(length).unwrap_or_default());
        let (batch, rest) = bytes.split_at_checked(length)?;
        let base = i64::from_be_bytes(*batch.first_chunk()?);
        let head = match batch.get(16) {
            Some(0 | 1) => Head::Outdated(base),
            Some(2) => Self::parse(base, batch).map_or(Head::Damaged(base), Head::Batch),
            Some(_) | None => Head::Damaged(base),
        };
        Some((head, rest))
    }

    fn parse(base: i64, batch: &'a [u8]) -> Option<Self> {
        let (head, packed) = batch.split_at_checked(HEAD)?;
        let long = |at: usize| Some(i64::from_be_bytes(*head.get(at..)?.first_chunk()?));
        let int = |at: usize| Some(i32::from_be_bytes(*head.get(at..)?.first_chunk()?));
        let attributes = *head.get(22)?;
        Some(Self {
            base,
            last: base.checked_add(i64::from(int(23)?.max(0)))?,
            codec: attributes & 7,
            is_transactional: attributes & 0x10 != 0,
            is_control: attributes & 0x20 != 0,
            producer: long(43)?,
            count: int(57)?,
            packed,
        })
    }

    /// Hands its records out. Returns whether more are wanted. Nothing is handed out of a batch that cannot be unpacked.
    fn records(
        &self,
        from: i64,
        tombstones: &mut u64,
        each: &mut dyn FnMut(i64, &[u8]) -> bool,
    ) -> Result<bool, Unreadable> {
        let unpacked = unpack(self.codec, self.packed)?;
        let mut rest: &[u8] = &unpacked;
        for _ in 0..self.count {
            let length = usize::try_from(varint(&mut rest)?).map_err(|_| Unreadable)?;
            let (record, behind) = rest.split_at_checked(length).ok_or(Unreadable)?;
            rest = behind;
            let mut record = record.get(1..).ok_or(Unreadable)?;
            varint(&mut record)?;
            let offset = self.base.checked_add(varint(&mut record)?).ok_or(Unreadable)?;
            part(&mut record)?;
            let value = part(&mut record)?;
            match value {
                _ if offset < from => {}
                Some(value) if !each(offset, value) => return Ok(false),
                Some(_) => {}
                None => *tombstones += 1,
            }
        }
        Ok(true)
    }
}

/// A key or value behind its length; `None` where there is none.
fn part<'a>(record: &mut &'a [u8]) -> Result<Option<&'a [u8]>, Unreadable> {
    let Ok(length) = usize::try_from(varint(record)?) else { return Ok(None) };
    let (part, rest) = record.split_at_checked(length).ok_or(Unreadable)?;
    *record = rest;
    Ok(Some(part))
}

/// A number in groups of seven bits, the sign in the lowest.
fn varint(bytes: &mut &[u8]) -> Result<i64, Unreadable> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first().ok_or(Unreadable)?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok((value >> 1).cast_signed() ^ -(value & 1).cast_signed());
        }
    }
    Err(Unreadable)
}

/// Undoes the compression of a batch, up to [`MAX_BATCH`].
fn unpack(codec: u8, packed: &[u8]) -> Result<Cow<'_, [u8]>, Unreadable> {
    match codec {
        0 => Ok(Cow::Borrowed(packed)),
        1 => {
            #[expect(clippy::disallowed_types, reason = "its output is bounded by `bounded`")]
            let decoder = flate2::read::MultiGzDecoder::new(packed);
            bounded(decoder)
        }
        2 => snappy(packed).map(Cow::Owned),
        3 => bounded(lz4_flex::frame::FrameDecoder::new(packed)),
        4 => bounded(zstd::stream::read::Decoder::with_buffer(packed).map_err(|_| Unreadable)?),
        _ => Err(Unreadable),
    }
}

fn bounded<'a>(reader: impl Read) -> Result<Cow<'a, [u8]>, Unreadable> {
    let mut unpacked = Vec::new();
    let limit = MAX_BATCH as u64 + 1;
    reader.take(limit).read_to_end(&mut unpacked).map_err(|_| Unreadable)?;
    if unpacked.len() > MAX_BATCH { Err(Unreadable) } else { Ok(Cow::Owned(unpacked)) }
}

/// What Java's clients put before blocks of Snappy: a name and two versions.
const XERIAL: &[u8; 8] = b"\x82SNAPPY\0";

fn snappy(packed: &[u8]) -> Result<Vec<u8>, Unreadable> {
    let mut unpacked = Vec::new();
    let Some(framed) = packed.strip_prefix(XERIAL) else {
        block(packed, &mut unpacked)?;
        return Ok(unpacked);
    };
    let mut rest = framed.get(8..).ok_or(Unreadable)?;
    while let Some((length, behind)) = rest.split_first_chunk() {
        let length = usize::try_from(i32::from_be_bytes(*length)).map_err(|_| Unreadable)?;
        let (one, behind) = behind.split_at_checked(length).ok_or(Unreadable)?;
        rest = behind;
        block(one, &mut unpacked)?;
    }
    if rest.is_empty() { Ok(unpacked) } else { Err(Unreadable) }
}

fn block(packed: &[u8], unpacked: &mut Vec<u8>) -> Result<(), Unreadable> {
    let length = snap::raw::decompress_len(packed).map_err(|_| Unreadable)?;
    let begin = unpacked.len();
    // Snappy packs no more than 64 bytes into 3: a claim beyond that is none.
    if length > packed.len().saturating_mul(64) || begin + length > MAX_BATCH {
        return Err(Unreadable);
    }
    unpacked.resize(begin + length, 0);
    let into = unpacked.get_mut(begin..).unwrap_or_default();
    snap::raw::Decoder::new().decompress(packed, into).map_err(|_| Unreadable).map(drop)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::Write;

    fn put_varint(value: i64, out: &mut Vec<u8>) {
        let mut zigzag = ((value << 1) ^ (value >> 63)).cast_unsigned();
        while zigzag >= 0x80 {
            out.push(zigzag.to_le_bytes()[0] | 0x80);
            zigzag >>= 7;
        }
        out.push(zigzag.to_le_bytes()[0]);
    }

    /// The records of a batch, packed as `codec` says.
    fn packed(values: &[Option<&[u8]>], codec: u8) -> Vec<u8> {
        let mut records = Vec::new();
        for (n, value) in values.iter().enumerate() {
            let mut record = vec![0];
            put_varint(7, &mut record);
            put_varint(i64::try_from(n).unwrap(), &mut record);
            put_varint(1, &mut record);
            record.push(b'k');
            match value {
                Some(value) => {
                    put_varint(i64::try_from(value.len()).unwrap(), &mut record);
                    record.extend_from_slice(value);
                }
                None => put_varint(-1, &mut record),
            }
            put_varint(0, &mut record);
            put_varint(i64::try_from(record.len()).unwrap(), &mut records);
            records.extend(record);
        }
        match codec {
            1 => {
                let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
                encoder.write_all(&records).unwrap();
                encoder.finish().unwrap()
            }
            2 => snap::raw::Encoder::new().compress_vec(&records).unwrap(),
            3 => {
                let mut encoder = lz4_flex::frame::FrameEncoder::new(Vec::new());
                encoder.write_all(&records).unwrap();
                encoder.finish().unwrap()
            }
            4 => zstd::stream::encode_all(records.as_slice(), 1).unwrap(),
            // Java's Snappy.
            102 => {
                let mut framed = XERIAL.to_vec();
                framed.extend([0, 0, 0, 1, 0, 0, 0, 1]);
                for piece in records.chunks(11) {
                    let block = snap::raw::Encoder::new().compress_vec(piece).unwrap();
                    framed.extend(u32::try_from(block.len()).unwrap().to_be_bytes());
                    framed.extend(block);
                }
                framed
            }
            _ => records,
        }
    }

    fn framed(base: i64, attributes: u8, producer: i64, last: i32, count: i32, packed: &[u8]) -> Vec<u8> {
        let mut batch = base.to_be_bytes().to_vec();
        batch.extend(i32::try_from(HEAD - LENGTH_END + packed.len()).unwrap().to_be_bytes());
        batch.extend([0, 0, 0, 0, 2, 0, 0, 0, 0, 0, attributes]);
        batch.extend(last.to_be_bytes());
        batch.extend([0; 16]);
        batch.extend(producer.to_be_bytes());
        batch.extend([0; 6]);
        batch.extend(count.to_be_bytes());
        batch.extend(packed);
        batch
    }

    fn batch(base: i64, values: &[Option<&[u8]>], codec: u8) -> Vec<u8> {
        let count = i32::try_from(values.len()).unwrap();
        framed(base, codec % 100, -1, count - 1, count, &packed(values, codec))
    }

    fn read(bytes: &[u8], from: i64, aborted: &[(i64, i64)]) -> (Vec<(i64, String)>, Walked) {
        let mut seen = Vec::new();
        let walked = walk(bytes, from, aborted, &mut |offset, value| {
            seen.push((offset, String::from_utf8_lossy(value).into_owned()));
            true
        });
        (seen, walked)
    }

    const VALUES: [Option<&[u8]>; 3] = [Some(b"one"), None, Some(b"three three three three three")];

    #[test]
    fn every_codec_gives_the_same_records() {
        for codec in [0, 1, 2, 3, 4, 102] {
            let (seen, walked) = read(&batch(10, &VALUES, codec), 10, &[]);
            let expected = [(10, "one".to_owned()), (12, "three three three three three".to_owned())];
            assert_eq!(seen, expected, "codec {codec}");
            assert_eq!(walked, Walked { next: 13, tombstones: 1, ..Walked::default() }, "codec {codec}");
        }
    }

    #[test]
    fn what_lies_below_the_offset_is_known_already() {
        let mut bytes = batch(0, &VALUES, 4);
        bytes.extend(batch(3, &VALUES, 0));
        let (seen, walked) = read(&bytes, 2, &[]);
        assert_eq!(seen.iter().map(|(offset, _)| *offset).collect::<Vec<_>>(), [2, 3, 5]);
        assert_eq!(walked.next, 6);
        assert_eq!(read(&bytes, 6, &[]).0, []);
    }

    #[test]
    fn a_batch_that_is_cut_is_left_for_the_next_time() {
        let mut bytes = batch(0, &VALUES, 0);
        bytes.extend(&batch(3, &VALUES, 0)[..40]);
        assert_eq!(read(&bytes, 0, &[]).1.next, 3);
    }

    #[test]
    fn a_batch_that_cannot_be_read_costs_itself_alone() {
        let mut bytes = framed(0, 4, -1, 8, 9, b"no zstd");
        bytes.extend(framed(9, 7, -1, 0, 1, b"no such codec"));
        let with_magic = |base, magic| {
            let mut batch = batch(base, &VALUES[..1], 0);
            batch[16] = magic;
            batch
        };
        bytes.extend(with_magic(10, 1));
        bytes.extend(with_magic(11, 3));
        let (seen, walked) = read(&bytes, 0, &[]);
        assert_eq!((seen, walked.next), (vec![], 12), "none of them is asked for again");
        bytes.extend(batch(12, &VALUES[..1], 0));
        let (seen, walked) = read(&bytes, 0, &[]);
        assert_eq!(seen, [(12, "one".to_owned())]);
        assert_eq!(walked, Walked { next: 13, unreadable: 3, outdated: 1, tombstones: 0 });
    }

    #[test]
    fn a_bomb_is_unreadable() {
        let bomb = zstd::stream::encode_all(std::io::repeat(0).take(MAX_BATCH as u64 + 1), 1).unwrap();
        assert_eq!(read(&framed(0, 4, -1, 0, 1, &bomb), 0, &[]).1.unreadable, 1);
        // A block of Snappy that claims four gigabytes.
        let claim = [0xff, 0xff, 0xff, 0xff, 0x0f, 0];
        assert_eq!(read(&framed(0, 2, -1, 0, 1, &claim), 0, &[]).1.unreadable, 1);
    }

    #[test]
    fn transactions_that_were_aborted_have_not_happened() {
        let records = packed(&[Some(b"x")], 0);
        let transactional = |base, producer| framed(base, 0x10, producer, 0, 1, &records);
        let marker = |base, producer| framed(base, 0x30, producer, 0, 1, &records);
        // 7 aborts at 3 and goes on with a transaction that is committed; 8 commits all along.
        let bytes = [
            transactional(0, 7),
            transactional(1, 8),
            transactional(2, 7),
            marker(3, 7),
            transactional(4, 7),
            marker(5, 7),
            marker(6, 8),
        ];
        let (seen, walked) = read(&bytes.concat(), 0, &[(7, 0)]);
        assert_eq!(seen.iter().map(|(offset, _)| *offset).collect::<Vec<_>>(), [1, 4]);
        assert_eq!(walked.next, 7);
    }

    #[test]
    fn reading_stops_where_it_is_told_to() {
        let mut seen = 0;
        let walked = walk(&batch(0, &VALUES, 0), 0, &[], &mut |_, _| {
            seen += 1;
            false
        });
        assert_eq!((seen, walked.next), (1, 0));
    }

    proptest! {
        /// Damage anywhere never panics, and the offset never goes back.
        #[test]
        fn damage_is_survived(codec in 0_u8..6, at in 0_usize..300, with in any::<[u8; 2]>(), cut in 0_usize..300) {
            let mut bytes = batch(5, &VALUES, codec);
            bytes.extend(batch(8, &VALUES, 0));
            bytes.truncate(cut.max(61));
            if let Some(place) = bytes.get_mut(at..at + 2) {
                place.copy_from_slice(&with);
            }
            let walked = walk(&bytes, 5, &[(1, 1)], &mut |offset, _| { assert!(offset >= 5); true });
            prop_assert!(walked.next >= 5);
        }
    }
}
