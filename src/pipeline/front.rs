//! From frames to segments: decoding, fragments put together, and the count of what became of each frame.
//!
//! A replay has one front before all shards; a live sensor one in each shard's thread.

use crate::packet::fragment::Fragments;
use crate::packet::{Decoded, Fate, Frame, LinkType, Options, Segment, decode, decode_inner};
use crate::pipeline::read::InputStats;

/// What stands before the shards. See the module's doc.
#[derive(Debug)]
pub struct Front {
    fragments: Fragments,
    options: Options,
}

impl Front {
    /// A front that has seen no fragment.
    #[must_use]
    pub fn new(options: Options) -> Self {
        Self { fragments: Fragments::default(), options }
    }

    /// Counts a frame in `stats` and hands its segment, if it holds one, to `deliver`.
    #[inline]
    pub fn frame(&mut self, frame: &Frame<'_>, stats: &mut InputStats, deliver: impl FnOnce(&Segment<'_>)) {
        stats.records += 1;
        stats.bytes += frame.bytes.len() as u64;
        stats.cut += u64::from(frame.wire_len as usize > frame.bytes.len());
        stats.at(frame.ts);
        let rebuilt;
        let mut decoded = decode(frame, &self.options);
        if let Decoded::Fragment(fragment) = decoded {
            decoded = match self.fragments.add(fragment) {
                Some(packet) => {
                    rebuilt = packet;
                    decode_inner(fragment.with(&rebuilt), frame.ts, &self.options)
                }
                None => Decoded::Other(Fate::Fragment),
            };
        }
        match decoded {
            Decoded::Tcp(segment) => {
                stats.segments += 1;
                deliver(&segment);
            }
            Decoded::Fragment(_) => *stats.fates.entry(Fate::Malformed).or_default() += 1,
            Decoded::Other(fate) => {
                *stats.fates.entry(fate).or_default() += 1;
                if let (Fate::UnknownLink, LinkType::Unknown(number)) = (fate, frame.link) {
                    *stats.unknown_links.entry(number).or_default() += 1;
                }
            }
        }
    }

    /// Packets whose fragments were given up to make room for others.
    #[must_use]
    pub const fn fragments_evicted(&self) -> u64 {
        self.fragments.evicted()
    }
}
