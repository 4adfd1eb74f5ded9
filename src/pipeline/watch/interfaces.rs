//! Keeps the interfaces open: waits for those that are not there, and opens those again that went away.
//!
//! An interface is opened for all lanes at once, since their handles form a group. When one handle fails, or the
//! kernel has another interface under the same name, all are closed and opened anew. An interface that is down keeps its
//! handles: packets come again when it is up.

use super::figures::Figures;
use super::lane::Command;
use crate::source::live::{self, Interface, LiveError};
use crossbeam_channel::{Receiver, Sender};
use std::collections::BTreeMap;
use std::sync::Arc;

/// How an interface stands.
#[derive(Debug, PartialEq, Eq)]
enum Standing {
    /// It is captured: as the interface of this number, which is up or not.
    Capturing { index: Option<u32>, up: bool },
    /// It is not, for the reason told.
    Waiting { told: String },
}

/// The keeper of interfaces.
pub(super) struct Interfaces {
    wanted: Vec<Interface>,
    standing: BTreeMap<String, Standing>,
    lanes: Vec<Sender<Command>>,
    lost: Receiver<(Arc<str>, String)>,
    figures: Arc<Figures>,
}

impl Interfaces {
    /// A keeper of these interfaces for the lanes that listen to `lanes`.
    pub(super) fn new(
        wanted: Vec<Interface>,
        lanes: Vec<Sender<Command>>,
        lost: Receiver<(Arc<str>, String)>,
        figures: Arc<Figures>,
    ) -> Self {
        for interface in &wanted {
            figures.set_capturing(&interface.name, false);
        }
        Self { wanted, standing: BTreeMap::new(), lanes, lost, figures }
    }

    /// Whether there are none.
    pub(super) const fn is_empty(&self) -> bool {
        self.wanted.is_empty()
    }

    /// Opens what can be opened. What will not pass by itself, such as a missing capability, is an error.
    pub(super) fn look(&mut self) -> Result<(), LiveError> {
        let mut failed: BTreeMap<Arc<str>, String> = BTreeMap::new();
        while let Ok((name, error)) = self.lost.try_recv() {
            failed.entry(name).or_insert(error);
        }
        for (name, error) in failed {
            if let Some(Standing::Capturing { .. }) = self.standing.get(&*name) {
                self.close(&name, &error);
            }
        }
        for interface in self.wanted.clone() {
            self.look_at(&interface)?;
        }
        Ok(())
    }

    fn look_at(&mut self, interface: &Interface) -> Result<(), LiveError> {
        let name = interface.name.as_str();
        let now = (index_of(name), live::is_up(name));
        match (self.standing.get_mut(name), now) {
            (Some(Standing::Capturing { index: Some(index), .. }), (known, _)) if known != Some(*index) => {
                self.close(name, "the interface is gone, or another has its name");
            }
            (Some(Standing::Capturing { up, .. }), (_, Some(is_up))) if *up != is_up => {
                *up = is_up;
                if is_up {
                    tracing::info!(interface = name, "the interface is up again");
                } else {
                    tracing::warn!(interface = name, "the interface is down: no packets until it is up");
                }
                return Ok(());
            }
            (Some(Standing::Capturing { .. }), _) => return Ok(()),
            (Some(Standing::Waiting { .. }) | None, _) => {}
        }
        let lanes = u32::try_from(self.lanes.len()).unwrap_or(u32::MAX);
        match live::open(interface, lanes) {
            Ok(handles) => {
                let link = handles.first().map(|handle| format!("{:?}", handle.link())).unwrap_or_default();
                let shared: Arc<str> = name.into();
                for (lane, handle) in self.lanes.iter().zip(handles) {
                    drop(lane.send(Command::Open(Arc::clone(&shared), Box::new(handle))));
                }
                tracing::info!(
                    interface = name,
                    shards = lanes,
                    ring_mib = interface.ring_bytes >> 20,
                    link,
                    "capturing on {name}"
                );
                self.figures.set_capturing(name, true);
                let standing =
                    Standing::Capturing { index: index_of(name), up: live::is_up(name).unwrap_or(true) };
                self.standing.insert(name.to_owned(), standing);
            }
            Err(error) if error.may_pass() => {
                let told = error.to_string();
                let known = matches!(self.standing.get(name), Some(Standing::Waiting { told: known }) if *known == told);
                if !known {
                    tracing::warn!(interface = name, reason = %error, "waiting for interface {name}");
                    self.standing.insert(name.to_owned(), Standing::Waiting { told });
                }
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    fn close(&mut self, name: &str, reason: &str) {
        tracing::error!(
            interface = name,
            reason,
            "lost the interface {name}: opening it again when it is there"
        );
        let shared: Arc<str> = name.into();
        for lane in &self.lanes {
            drop(lane.send(Command::Close(Arc::clone(&shared))));
        }
        self.figures.set_capturing(name, false);
        self.standing.insert(name.to_owned(), Standing::Waiting { told: String::new() });
    }

    /// Takes over the filters of other settings for the same interfaces.
    pub(super) fn take_filters(&mut self, new: &[Interface]) {
        for interface in &mut self.wanted {
            let Some(other) = new.iter().find(|other| other.name == interface.name) else { continue };
            if other.filter == interface.filter {
                continue;
            }
            interface.filter.clone_from(&other.filter);
            let shared: Arc<str> = interface.name.as_str().into();
            for lane in &self.lanes {
                drop(lane.send(Command::Filter(Arc::clone(&shared), Box::new(interface.clone()))));
            }
        }
    }
}

/// The kernel's number of an interface: another one under the same name has another.
fn index_of(name: &str) -> Option<u32> {
    std::fs::read_to_string(format!("/sys/class/net/{name}/ifindex")).ok()?.trim().parse().ok()
}
