//! From the listeners to the lanes, without blocking the one thread that all connections share.

use super::super::{Content, Courier, Hand, LogSource, Position, Receipt, Refused, Tally, Unit};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use tokio::sync::{mpsc, watch};

/// How long whoever found a lane full waits before the next try.
const PAUSE: Duration = Duration::from_millis(5);
/// Ends of streams that may wait for room before nothing more is begun.
const MAX_ENDS: usize = 1_024;

/// What all listeners of one way in share.
#[derive(Debug)]
pub(super) struct Handover {
    /// Given up at the end: lanes may wait until nobody can reach them.
    courier: RwLock<Option<Courier>>,
    source: Arc<LogSource>,
    tally: Arc<Tally>,
    ending: watch::Receiver<bool>,
    tell_end: mpsc::UnboundedSender<Unit>,
    /// Ends of streams on their way.
    ends: Arc<AtomicUsize>,
}

impl Handover {
    /// With what hands on the ends of streams, for which nobody waits, until the sensor ends: then all streams do.
    pub(super) fn new(
        hand: &Hand,
        ending: watch::Receiver<bool>,
    ) -> (Self, impl Future<Output = ()> + Send + 'static) {
        let (tell_end, mut told) = mpsc::unbounded_channel::<Unit>();
        let ends = Arc::new(AtomicUsize::new(0));
        let (left, courier) = (Arc::clone(&ends), hand.courier.clone());
        let mut ended = ending.clone();
        let carry = async move {
            loop {
                let told = tokio::select! {
                    biased;
                    _ = ended.wait_for(|ending| *ending) => return,
                    told = told.recv() => told,
                };
                let Some(mut unit) = told else { return };
                while let Err(Refused::Full(back)) = courier.offer(unit) {
                    unit = *back;
                    tokio::time::sleep(PAUSE).await;
                }
                left.fetch_sub(1, Relaxed);
            }
        };
        let handover = Self {
            courier: RwLock::new(Some(hand.courier.clone())),
            source: Arc::clone(&hand.source),
            tally: Arc::clone(&hand.tally),
            ending,
            tell_end,
            ends,
        };
        (handover, carry)
    }

    /// The source's name.
    pub(super) fn name(&self) -> &str {
        &self.source.name
    }

    pub(super) fn count(&self, name: &'static str, more: u64) {
        if more > 0 {
            self.tally.count(name, more);
        }
    }

    fn courier(&self) -> Option<Courier> {
        self.courier.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Hands nothing on any more.
    pub(super) fn let_go(&self) {
        *self.courier.write().unwrap_or_else(PoisonError::into_inner) = None;
    }

    pub(super) fn is_ending(&self) -> bool {
        self.courier().is_none_or(|courier| courier.is_ending())
    }

    /// Waits until the sensor ends.
    pub(super) fn ended(&self) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let mut ending = self.ending.clone();
        // Whoever would say so is gone when the sensor is.
        Box::pin(async move { drop(ending.wait_for(|ending| *ending).await) })
    }

    pub(super) fn stream(self: &Arc<Self>) -> Stream {
        let number = self.courier().map_or(0, |courier| courier.stream());
        Stream { handover: Arc::clone(self), number, used: false }
    }
}

/// Units in order. Its end is told when it is dropped.
#[derive(Debug)]
pub(super) struct Stream {
    handover: Arc<Handover>,
    number: u64,
    used: bool,
}

impl Stream {
    fn unit(&self, content: Content) -> Unit {
        let source = Arc::clone(&self.handover.source);
        Unit { source, stream: self.number, content, moves: None, receipt: None }
    }

    /// Hands on, and waits for room. Returns whether it was taken.
    pub(super) async fn send(&mut self, content: Content) -> bool {
        self.used = true;
        let Some(courier) = self.handover.courier() else { return false };
        let mut unit = self.unit(content);
        loop {
            if courier.is_ending() {
                // What was read must still go, and the lanes still take it: the courier knows for how long.
                return tokio::task::spawn_blocking(move || courier.send(unit)).await.unwrap_or(false);
            }
            // Ends of other streams have waited for longer.
            if self.handover.ends.load(Relaxed) < MAX_ENDS {
                match courier.offer(unit) {
                    Ok(()) => return true,
                    Err(Refused::Ending) => return false,
                    Err(Refused::Full(back)) => unit = *back,
                }
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Hands on when there is room now.
    pub(super) fn offer(
        &mut self,
        content: Content,
        moves: Option<(Arc<str>, Option<Position>)>,
        receipt: Receipt,
    ) -> Result<(), Refused> {
        let unit = Unit { moves, receipt: Some(receipt), ..self.unit(content) };
        if self.handover.ends.load(Relaxed) >= MAX_ENDS {
            return Err(Refused::Full(Box::new(unit)));
        }
        self.handover.courier().ok_or(Refused::Ending)?.offer(unit)?;
        self.used = true;
        Ok(())
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        if self.used && self.handover.tell_end.send(self.unit(Content::End)).is_ok() {
            self.handover.ends.fetch_add(1, Relaxed);
        }
    }
}
