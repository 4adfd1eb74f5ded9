//! From the listeners to the lanes, without blocking the one thread that all connections share.

use super::super::{Content, Courier, LogSource, Refused, Tally, Unit};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};

/// How long whoever found a lane full waits before the next try.
const PAUSE: Duration = Duration::from_millis(5);
/// What all listeners of one source share.
#[derive(Debug)]
pub(super) struct Hand {
    courier: Courier,
    source: Arc<LogSource>,
    tally: Arc<Tally>,
    ending: watch::Receiver<bool>,
    ends: Ends,
}

impl Hand {
    pub(super) const fn new(
        courier: Courier,
        source: Arc<LogSource>,
        tally: Arc<Tally>,
        ending: watch::Receiver<bool>,
        ends: Ends,
    ) -> Self {
        Self { courier, source, tally, ending, ends }
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

    /// Waits until the sensor ends.
    pub(super) async fn ended(&self) {
        // Whoever would say so is gone when the sensor is.
        drop(self.ending.clone().wait_for(|ending| *ending).await);
    }

    pub(super) fn stream(self: &Arc<Self>) -> Stream {
        Stream { hand: Arc::clone(self), number: self.courier.stream(), used: false }
    }
}

/// Units in order. Its end is told when it is dropped.
#[derive(Debug)]
pub(super) struct Stream {
    hand: Arc<Hand>,
    number: u64,
    used: bool,
}

impl Stream {
    fn unit(&self, content: Content) -> Unit {
        Unit {
            source: Arc::clone(&self.hand.source),
            stream: self.number,
            content,
            moves: None,
            receipt: None,
        }
    }

    /// Hands on, and waits for room. Returns whether it was taken.
    pub(super) async fn send(&mut self, content: Content) -> bool {
        self.used = true;
        let courier = &self.hand.courier;
        let mut unit = self.unit(content);
        loop {
            if courier.is_ending() {
                // What was read must still go, and the lanes still take it: the courier knows for how long.
                let courier = courier.clone();
                return tokio::task::spawn_blocking(move || courier.send(unit)).await.unwrap_or(false);
            }
            match courier.offer(unit) {
                Ok(()) => return true,
                Err(Refused::Ending) => return false,
                Err(Refused::Full(back)) => unit = *back,
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        if self.used {
            self.hand.ends.tell(self.unit(Content::End));
        }
    }
}

/// Ends of streams on their way: nobody waits for them. There are no more than there were connections.
#[derive(Clone, Debug)]
pub(super) struct Ends {
    tell: mpsc::UnboundedSender<Unit>,
}

impl Ends {
    /// With what hands them on.
    pub(super) fn new(courier: Courier) -> (Self, impl Future<Output = ()> + Send + 'static) {
        let (tell, mut told) = mpsc::unbounded_channel::<Unit>();
        let carry = async move {
            while let Some(mut unit) = told.recv().await {
                while let Err(Refused::Full(back)) = courier.offer(unit) {
                    unit = *back;
                    tokio::time::sleep(PAUSE).await;
                }
            }
        };
        (Self { tell }, carry)
    }

    fn tell(&self, unit: Unit) {
        // When the listeners end, so do the lanes, and with them all streams.
        drop(self.tell.send(unit));
    }
}
