//! What inspecting a body did to its shape, to be done again when the very same body comes again.

use crate::classify::{ClassSet, Hit};
use crate::inventory::facts::BodyShape;
use crate::schema::{JsonType, NodeId};
use crate::time::Timestamp;

/// What inspecting a body did to its shape. Clients poll: when the very same body comes again, the same is done
/// again without reading it. The outcome is that of reading it, so nothing but time depends on what is kept.
#[derive(Debug, Default)]
pub(super) struct Recording {
    /// A node's number and, in the lowest three bits, the type its value had or [`VALUE`].
    pub(super) steps: Vec<u32>,
    pub(super) hits: Vec<(NodeId, Hit, u64)>,
    pub(super) classes: ClassSet,
}

/// A step that counts a value as seen.
pub(super) const VALUE: u32 = 7;

/// Bodies shorter than this are read: that costs no more.
pub(super) const MIN_BODY: usize = 96;

/// Bodies remembered per shard; beyond, all are forgotten.
pub(super) const MAX_BODIES: usize = 16_384;

/// Steps of all bodies remembered per shard: four bytes each.
pub(super) const MAX_STEPS: usize = 1 << 20;

impl Recording {
    pub(super) fn step(&mut self, node: NodeId, what: u32) {
        self.steps.push(node.number() << 3 | what);
    }

    /// Does to `shape` what the body did.
    pub(super) fn replay(&self, shape: &mut BodyShape, now: Timestamp) {
        shape.begin();
        for step in &self.steps {
            let node = NodeId::new(step >> 3);
            match JsonType::ALL.get((step & 7) as usize) {
                Some(kind) => {
                    shape.count(node, *kind);
                }
                None => {
                    if let Some(evidence) = shape.evidence_mut(node) {
                        evidence.values += 1;
                    }
                }
            }
        }
        for (node, hit, hash) in &self.hits {
            if let Some(evidence) = shape.evidence_mut(*node) {
                evidence.count(*hit, *hash, now);
            }
        }
    }
}
