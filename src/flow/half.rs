//! One direction of a connection: which bytes come next and which wait.
//!
//! Segments that cannot be delivered yet are kept here, cut to what no earlier copy covers, sorted by
//! position and never overlapping. The [`super::connection`] decides when they may go.

use super::{Moment, SeqNum};
use std::collections::VecDeque;

/// Which copy of bytes that were sent twice, differing, is believed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OverlapPolicy {
    /// The copy that was captured first.
    #[default]
    First,
    /// The copy that was captured last, as long as none was delivered.
    Last,
}

/// Bytes that wait for their turn.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) seq: SeqNum,
    pub(super) bytes: Vec<u8>,
    /// Bytes behind `bytes` that were on the wire but not captured.
    pub(super) cut: u32,
    pub(super) moment: Moment,
}

impl Waiting {
    pub(super) fn len(&self) -> u32 {
        u32::try_from(self.bytes.len()).unwrap_or(u32::MAX).saturating_add(self.cut)
    }
}

/// What was delivered lately, to tell a repetition from a contradiction.
#[derive(Clone, Copy, Debug)]
struct Delivered {
    seq: SeqNum,
    len: u32,
    hash: u64,
}

const REMEMBERED: usize = 4;

/// One direction of a connection.
#[derive(Debug, Default)]
pub(super) struct HalfStream {
    /// The position of the next byte to deliver; unknown before the first packet of this direction.
    pub(super) next: Option<SeqNum>,
    /// `next` comes from a packet without bytes of a connection joined midway: it may be off by one.
    pub(super) guessed: bool,
    /// What the other end had received when it sent the first bytes that were delivered of it, where nothing had come of
    /// this direction yet. What is before that comes too late, and what is between that and the first bytes was lost.
    pub(super) received: Option<SeqNum>,
    /// Whether any packet of this direction was seen.
    pub(super) seen: bool,
    /// Whether any byte or gap was delivered.
    pub(super) started: bool,
    /// The highest position that the other end acknowledged.
    pub(super) acked: Option<SeqNum>,
    /// The position behind the last byte, once FIN was seen.
    pub(super) fin: Option<SeqNum>,
    /// Whether the end was delivered.
    pub(super) ended: bool,
    /// Sorted by position, not overlapping.
    pub(super) waiting: VecDeque<Waiting>,
    pub(super) waiting_bytes: usize,
    recent: [Option<Delivered>; REMEMBERED],
    newest: usize,
}

impl HalfStream {
    /// Whether every byte below `position` was delivered or given up.
    pub(super) fn has_reached(&self, position: SeqNum) -> bool {
        self.next.is_none_or(|next| next.since(position) >= 0)
    }

    /// Takes note of an acknowledgement from the other end.
    pub(super) fn acknowledge(&mut self, ack: SeqNum) {
        if self.acked.is_none_or(|known| ack.since(known) > 0) {
            self.acked = Some(ack);
        }
    }

    /// Takes note of a delivered segment.
    pub(super) fn remember(&mut self, seq: SeqNum, bytes: &[u8]) {
        self.newest = (self.newest + 1) % REMEMBERED;
        if let Some(slot) = self.recent.get_mut(self.newest) {
            *slot = Some(Delivered {
                seq,
                len: u32::try_from(bytes.len()).unwrap_or(u32::MAX),
                hash: digest(bytes),
            });
        }
    }

    /// Whether a repetition of delivered bytes is known to differ from what was delivered.
    pub(super) fn contradicts(&self, seq: SeqNum, bytes: &[u8]) -> bool {
        let len = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        let same = |known: &&Delivered| known.seq == seq && known.len == len;
        self.recent.iter().flatten().find(same).is_some_and(|known| known.hash != digest(bytes))
    }

    /// Keeps the parts of a segment that nothing covers yet. Returns whether covered parts differ.
    pub(super) fn keep(
        &mut self,
        mut seq: SeqNum,
        mut bytes: &[u8],
        cut: u32,
        moment: Moment,
        policy: OverlapPolicy,
    ) -> bool {
        let mut differs = false;
        let mut at = self.waiting.partition_point(|piece| piece.seq.plus(piece.len()).since(seq) <= 0);
        loop {
            match self.waiting.get_mut(at) {
                // The piece covers the front of what is left.
                Some(piece) if piece.seq.since(seq) <= 0 => {
                    let skip = usize::try_from(seq.since(piece.seq)).unwrap_or(0);
                    let covered = (piece.len() as usize).saturating_sub(skip).min(bytes.len());
                    let (again, rest) = bytes.split_at(covered);
                    let known = piece.bytes.get_mut(skip..).unwrap_or_default();
                    let both = known.len().min(again.len());
                    if let (Some(known), Some(again)) = (known.get_mut(..both), again.get(..both))
                        && known != again
                    {
                        differs = true;
                        if policy == OverlapPolicy::Last {
                            known.copy_from_slice(again);
                        }
                    }
                    seq = seq.plus(u32::try_from(covered).unwrap_or(u32::MAX));
                    bytes = rest;
                    if bytes.is_empty() {
                        return differs;
                    }
                    at += 1;
                }
                next => {
                    let room = next.map_or(i64::MAX, |piece| piece.seq.since(seq));
                    let fits = usize::try_from(room).unwrap_or(usize::MAX).min(bytes.len());
                    let (front, rest) = bytes.split_at(fits);
                    let last = rest.is_empty();
                    if !front.is_empty() || last && cut > 0 {
                        self.waiting_bytes += front.len();
                        let cut = if last {
                            u32::try_from(room.saturating_sub(fits.try_into().unwrap_or(0)))
                                .unwrap_or(cut)
                                .min(cut)
                        } else {
                            0
                        };
                        self.waiting.insert(at, Waiting { seq, bytes: front.to_vec(), cut, moment });
                        at += 1;
                    }
                    if last {
                        return differs;
                    }
                    seq = seq.plus(u32::try_from(fits).unwrap_or(u32::MAX));
                    bytes = rest;
                }
            }
        }
    }

    /// Takes the first waiting piece when it starts at or before the next byte, cut to what is new.
    pub(super) fn pop_ready(&mut self) -> Option<Waiting> {
        loop {
            let next = self.next?;
            let front = self.waiting.front()?;
            let ahead = front.seq.since(next);
            if ahead > 0 {
                return None;
            }
            let mut piece = self.waiting.pop_front()?;
            self.waiting_bytes -= piece.bytes.len();
            let stale = usize::try_from(-ahead).unwrap_or(0);
            if stale >= piece.len() as usize {
                continue;
            }
            let from_bytes = stale.min(piece.bytes.len());
            piece.bytes.drain(..from_bytes);
            piece.cut -= u32::try_from(stale - from_bytes).unwrap_or(0);
            piece.seq = next;
            return Some(piece);
        }
    }
}

/// Two running sums over words of eight bytes, in four lanes (Fletcher's checksum, widened): every byte and
/// its place counts, at the speed of reading. Whoever could make two segments collide would hide no more than
/// that they differ.
fn digest(bytes: &[u8]) -> u64 {
    let (mut sums, mut sums_of_sums) = ([0_u64; 4], [0_u64; 4]);
    let (blocks, rest) = bytes.as_chunks::<32>();
    let mut last = [0_u8; 32];
    if let Some(front) = last.get_mut(..rest.len()) {
        front.copy_from_slice(rest);
    }
    for block in blocks.iter().chain(std::iter::once(&last)) {
        let (words, _) = block.as_chunks::<8>();
        for ((sum, sum_of_sums), word) in sums.iter_mut().zip(&mut sums_of_sums).zip(words) {
            *sum = sum.wrapping_add(u64::from_le_bytes(*word));
            *sum_of_sums = sum_of_sums.wrapping_add(*sum);
        }
    }
    sums.iter()
        .chain(&sums_of_sums)
        .fold(0x5ea1, |all: u64, lane| (all ^ lane).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(23))
}
