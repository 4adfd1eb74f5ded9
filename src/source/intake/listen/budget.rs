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

/// What is taken out of a budget until it is dropped.
pub(super) type Held = Option<OwnedSemaphorePermit>;

/// Bytes within a budget.
#[derive(Debug)]
pub(super) struct BufferOf<'b> {
    budget: &'b Budget,
    bytes: Vec<u8>,
    shares: usize,
    held: Held,
}

impl BufferOf<'_> {
    pub(super) const fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Shares that are wanted for `more` bytes.
    fn wanted(&self, more: usize) -> Result<u32, Exhausted> {
        let shares = (self.bytes.len() + more).div_ceil(SHARE).saturating_sub(self.shares);
        u32::try_from(shares).map_err(|_| Exhausted)
    }

    fn keep(&mut self, got: OwnedSemaphorePermit) {
        self.shares += got.num_permits();
        match &mut self.held {
            Some(held) => held.merge(got),
            held @ None => *held = Some(got),
        }
    }

    /// Waits until the budget has room for `more` bytes.
    pub(super) async fn reserve(&mut self, more: usize) -> Result<(), Exhausted> {
        let wanted = self.wanted(more)?;
        if wanted > 0 {
            let got = Arc::clone(&self.budget.0).acquire_many_owned(wanted).await;
            self.keep(got.map_err(|_| Exhausted)?);
        }
        Ok(())
    }

    /// Adds bytes, if the budget has room for them now.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Result<(), Exhausted> {
        let wanted = self.wanted(bytes.len())?;
        if wanted > 0 {
            let got = Arc::clone(&self.budget.0).try_acquire_many_owned(wanted);
            self.keep(got.map_err(|_| Exhausted)?);
        }
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    /// The bytes, with what they take out of the budget.
    pub(super) fn take(&mut self) -> (Vec<u8>, Held) {
        self.shares = 0;
        (std::mem::take(&mut self.bytes), self.held.take())
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
        let (bytes, held) = one.take();
        assert_eq!(bytes.len(), 4 * SHARE);
        assert_eq!(other.push(&[0; 1]), Err(Exhausted), "they are still there");
        drop(held);
        assert_eq!(other.push(&[0; 1]), Ok(()));
        drop(other);
        assert_eq!(one.push(&vec![0; 4 * SHARE]), Ok(()));
    }
}
