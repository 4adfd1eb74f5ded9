//! Names that clients give to batches, so that one which is sent again counts once.
//!
//! A name is the print of an `Idempotency-Key` and of whose it is, with the print of what came under it: a key that comes
//! again with something else is a mistake of the client, and is told so. Names that the state holds are known for good;
//! one that is on its way lets others wait for the same outcome.

use crate::secret::{FingerprintKey, Purpose};
use crate::source::intake::{MAX_POSITIONS, Position, Positions};
use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::watch;

/// What stands before the names of batches among those of the source's streams.
const FRONT: &str = "batch-";

type Print = [u8; 16];

/// The batches of one source.
#[derive(Debug)]
pub(super) struct Keys {
    key: FingerprintKey,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    batches: BTreeMap<Print, Batch>,
    /// Those that are saved, the oldest first.
    saved: VecDeque<Print>,
}

#[derive(Debug)]
struct Batch {
    content: Print,
    /// Tells the outcome of one on its way.
    pending: Option<watch::Receiver<Option<bool>>>,
}

/// What a batch is that came.
#[derive(Debug)]
pub(super) enum Claim {
    /// A new one.
    New(Claimed),
    /// One that counts already.
    Saved,
    /// One on its way: whether it was saved will be told.
    Pending(watch::Receiver<Option<bool>>),
    /// Another one came under the same key.
    Other,
}

impl Keys {
    /// With the names that the state holds.
    pub(super) fn new(key: FingerprintKey, positions: &Positions) -> Arc<Self> {
        let mut told: Vec<_> = positions
            .iter()
            .filter_map(|(name, position)| match position {
                Position::Batch(came) => Some((*came, prints(name)?)),
                Position::File(_) | Position::Offset(_) | Position::Object { .. } | Position::Since(_) => {
                    None
                }
            })
            .collect();
        told.sort_unstable();
        let mut known = Known::default();
        for (_, (print, content)) in told {
            known.batches.insert(print, Batch { content, pending: None });
            known.saved.push_back(print);
        }
        Arc::new(Self { key, known: Mutex::new(known) })
    }

    /// Takes a batch that came under `key` of `owner`.
    pub(super) fn claim(self: &Arc<Self>, owner: &[u8], key: &[u8], content: &[u8]) -> Claim {
        let of = |parts: &[&[u8]]| *self.key.fingerprint(Purpose::Batch, &parts.concat()).bytes();
        // An owner has 32 bytes or none, so that no key of one is another's.
        let (print, content) = (of(&[b"k", owner, key]), of(&[b"c", content]));
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(batch) = known.batches.get(&print) {
            return match &batch.pending {
                _ if batch.content != content => Claim::Other,
                Some(pending) => Claim::Pending(pending.clone()),
                None => Claim::Saved,
            };
        }
        let (tell, pending) = watch::channel(None);
        known.batches.insert(print, Batch { content, pending: Some(pending) });
        Claim::New(Claimed { keys: Arc::clone(self), print, content, tell })
    }
}

/// A new batch on its way. Dropping it means that it was not saved, and may come again.
#[derive(Debug)]
pub(super) struct Claimed {
    keys: Arc<Keys>,
    print: Print,
    content: Print,
    tell: watch::Sender<Option<bool>>,
}

impl Claimed {
    /// Its name in the state.
    pub(super) fn name(&self) -> Arc<str> {
        let mut name = FRONT.to_owned();
        for (at, byte) in self.print.iter().chain(&self.content).enumerate() {
            // Writing to a string cannot fail.
            _ = write!(name, "{}{byte:02x}", if at == self.print.len() { "-" } else { "" });
        }
        name.into()
    }

    /// The state holds it.
    pub(super) fn saved(self) {
        let mut known = self.keys.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(batch) = known.batches.get_mut(&self.print) {
            batch.pending = None;
        }
        known.saved.push_back(self.print);
        while known.saved.len() > MAX_POSITIONS {
            let oldest = known.saved.pop_front();
            oldest.and_then(|oldest| known.batches.remove(&oldest));
        }
        drop(known);
        self.tell.send_replace(Some(true));
    }
}

impl Drop for Claimed {
    fn drop(&mut self) {
        if self.tell.borrow().is_some() {
            return;
        }
        let mut known = self.keys.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.batches.remove(&self.print);
        drop(known);
        self.tell.send_replace(Some(false));
    }
}

/// The prints in a name of the state.
fn prints(name: &str) -> Option<(Print, Print)> {
    let (print, content) = name.strip_prefix(FRONT)?.split_once('-')?;
    let of = |digits: &str| u128::from_str_radix(digits, 16).ok().filter(|_| digits.len() == 32);
    Some((of(print)?.to_be_bytes(), of(content)?.to_be_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Timestamp;

    fn keys(positions: &Positions) -> Arc<Keys> {
        Keys::new(FingerprintKey::new([7; 32]), positions)
    }

    #[test]
    fn a_batch_counts_once_whatever_happens_in_between() {
        let all = keys(&Positions::new());
        let Claim::New(first) = all.claim(b"", b"a", b"content") else { panic!("it is new") };
        let Claim::Pending(outcome) = all.claim(b"", b"a", b"content") else { panic!("it is on its way") };
        assert!(matches!(all.claim(b"", b"a", b"other"), Claim::Other));
        assert!(matches!(all.claim(&[1; 32], b"a", b"other"), Claim::New(_)), "somebody else's");
        let name = first.name();
        first.saved();
        assert_eq!(*outcome.borrow(), Some(true));
        assert!(matches!(all.claim(b"", b"a", b"content"), Claim::Saved));

        // After a restart.
        let at = Position::Batch(Timestamp::from_secs(1, 0));
        let all = keys(&Positions::from([(name.to_string(), at)]));
        assert!(matches!(all.claim(b"", b"a", b"content"), Claim::Saved));
        assert!(matches!(all.claim(b"", b"a", b"other"), Claim::Other));
        assert!(!name.contains("content"));
    }

    #[test]
    fn a_batch_that_was_not_saved_may_come_again() {
        let all = keys(&Positions::new());
        let Claim::New(first) = all.claim(b"", b"a", b"content") else { panic!("it is new") };
        let Claim::Pending(outcome) = all.claim(b"", b"a", b"content") else { panic!("it is on its way") };
        drop(first);
        assert_eq!(*outcome.borrow(), Some(false));
        assert!(matches!(all.claim(b"", b"a", b"other"), Claim::New(_)));
    }

    #[test]
    fn as_many_are_remembered_as_the_state_holds() {
        let all = keys(&Positions::new());
        for number in 0..=MAX_POSITIONS {
            let Claim::New(one) = all.claim(b"", &number.to_be_bytes(), b"") else { panic!("it is new") };
            one.saved();
        }
        assert_eq!(all.known.lock().unwrap().batches.len(), MAX_POSITIONS);
        assert!(matches!(all.claim(b"", &0_usize.to_be_bytes(), b""), Claim::New(_)));
        assert!(matches!(all.claim(b"", &1_usize.to_be_bytes(), b""), Claim::Saved));
    }
}
