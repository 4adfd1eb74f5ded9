//! Memory that clients of one way in may fill together with what is not complete yet.

use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Bytes of one share.
const SHARE: usize = 16 << 10;

/// Bytes for all.
#[derive(Clone, Debug)]
pub(super) struct Budget(Arc<Semaphore>);

impl Budget {
    pub(super) fn new(bytes: usize) -> Self {
        Self(Arc::new(Semaphore::new(bytes / SHARE)))
    }

    /// A buffer that is filled from this budget.
    pub(super) const fn buffer(&self) -> BufferOf<'_> {
        BufferOf { budget: self, bytes: Vec::new(), shares: 0, held: None }
    }
}

/// The budget is used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Exhausted;

/// Bytes within a budget. Dropping it frees them.
#[derive(Debug)]
pub(super) struct BufferOf<'b> {
    budget: &'b Budget,
    bytes: Vec<u8>,
    shares: usize,
    held: Option<OwnedSemaphorePermit>,
}

impl BufferOf<'_> {
    pub(super) const fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Adds bytes, as long as the budget has room.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Result<(), Exhausted> {
        let shares = (self.bytes.len() + bytes.len()).div_ceil(SHARE);
        let more = u32::try_from(shares.saturating_sub(self.shares)).map_err(|_| Exhausted)?;
        if more > 0 {
            let got = Arc::clone(&self.budget.0).try_acquire_many_owned(more).map_err(|_| Exhausted)?;
            match &mut self.held {
                Some(held) => held.merge(got),
                held @ None => *held = Some(got),
            }
            self.shares = shares;
        }
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    /// The bytes, and the budget is free again.
    pub(super) fn take(&mut self) -> Vec<u8> {
        (self.shares, self.held) = (0, None);
        std::mem::take(&mut self.bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_is_shared_and_comes_back() {
        let budget = Budget::new(4 * SHARE);
        let (mut one, mut other) = (budget.buffer(), budget.buffer());
        assert_eq!(one.push(&vec![0; 3 * SHARE]), Ok(()));
        assert_eq!(one.push(&[0; SHARE / 2]), Ok(()));
        assert_eq!(one.push(&[0; SHARE / 2]), Ok(()), "the share was taken");
        assert_eq!(other.push(&[0; 1]), Err(Exhausted));
        assert_eq!(one.take().len(), 4 * SHARE);
        assert_eq!(other.push(&[0; 1]), Ok(()));
        drop(other);
        assert_eq!(one.push(&vec![0; 4 * SHARE]), Ok(()));
    }
}
