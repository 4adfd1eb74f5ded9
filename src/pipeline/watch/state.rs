//! The file that a sensor resumes from.
//!
//! All of what was learnt and counted stands in one file, written beside its name, synced and renamed, so that what
//! is read after a crash is one moment of the sensor's life, whole. The one before is kept: should the file be
//! damaged, the sensor goes on from there. A head names the format and the key, and a digest of the rest tells
//! damage. The folder is locked by the one sensor that uses it.

use crate::access_log::Quarantine;
use crate::inventory::changes::Known;
use crate::inventory::delta::Saved;
use crate::inventory::facts::EndpointFacts;
use crate::inventory::standing::Standings;
use crate::lake::rows::{CaptureRow, FindingRow, OperationRow};
use crate::source::intake::{MAX_POSITIONS, Position, Positions};
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// What is kept from one moment to the next, `F` being what is known of each operation.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct State<F> {
    /// The key of fingerprints, by its id.
    pub(super) key_id: String,
    /// The sensor's name in the lake.
    pub(super) sensor: String,
    /// Tells this sensor's files from those of others of its name: made anew with each new state.
    pub(super) run: String,
    /// What was learnt.
    pub(super) delta: Saved<F>,
    /// What is counted apart from it.
    pub(super) ledger: Ledger,
}

/// What has been told to the lake and what has not.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Ledger {
    /// The number of the next roll.
    pub(super) next_roll: u64,
    /// Since when nothing has been rolled.
    pub(super) opened: Timestamp,
    /// When this was written.
    pub(super) saved: Timestamp,
    /// Rows of `capture` for the time since then, by source.
    pub(super) capture: BTreeMap<String, CaptureRow>,
    /// The endpoints that the lake has been told of, by id.
    pub(super) endpoints: BTreeMap<String, ToldEndpoint>,
    /// The findings that the lake has been told of and that were open then, by id.
    pub(super) findings: BTreeMap<String, ToldFinding>,
    /// The services that the lake has been told of, by id, with what tells whether a row has changed.
    pub(super) services: BTreeMap<String, u64>,
    /// Up to where logs are counted, by source: what was learnt holds what is before, and nothing of what is behind.
    pub(super) positions: BTreeMap<String, Positions>,
    /// What was last said of data classes.
    pub(super) standings: Standings,
}

impl Ledger {
    /// Takes note that a stream of a source stands elsewhere now.
    pub(super) fn move_to(&mut self, source: &str, stream: &str, position: Option<Position>) {
        let positions = self.positions.entry(source.to_owned()).or_default();
        match position {
            Some(position) => positions.insert(stream.to_owned(), position),
            None => positions.remove(stream),
        };
        if positions.len() > MAX_POSITIONS {
            // A part of them at once, so that it is not done again for each.
            let mut moved: Vec<Timestamp> = positions.values().filter_map(Position::moved).collect();
            moved.sort_unstable();
            if let Some(keep_from) = moved.get(MAX_POSITIONS / 16).copied() {
                positions.retain(|_, position| position.moved().is_none_or(|moved| moved >= keep_from));
            }
        }
    }
}

/// An endpoint as the lake knows it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct ToldEndpoint {
    /// Tells whether its row has changed.
    pub(super) digest: u64,
    pub(super) host: String,
    pub(super) method: String,
    pub(super) template: String,
    pub(super) class: String,
    /// What it is under its URL, without counts.
    pub(super) operation: OperationRow,
    /// Which of its changes were told.
    pub(super) changes: Option<Known>,
}

/// A finding as the lake knows it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct ToldFinding {
    /// Tells whether its row has changed.
    pub(super) digest: u64,
    pub(super) row: FindingRow,
}

/// The name and version of the format. A version that cannot be read begins anew.
const MAGIC: &[u8; 16] = b"spanlight stat20";
const DIGEST: usize = 32;
/// The name of the file.
const FILE: &str = "inventory.state";
/// The largest state that is believed, unpacked.
const MAX_BYTES: usize = 4 << 30;

/// Why there is no state to resume from.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StateError {
    /// The file system refused.
    #[error("{doing} {}: {source}", path.display())]
    Io {
        /// What was being done.
        doing: &'static str,
        /// With which file or folder.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// It does not hold what was written.
    #[error("{} is damaged or of another version", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
    },
    /// Another process uses it.
    #[error("the folder {} is used by another sensor: stop it, or give this one a folder of its own", path.display())]
    Locked {
        /// The folder.
        path: PathBuf,
    },
}

fn failed(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StateError {
    let path = path.to_owned();
    move |source| StateError::Io { doing, path, source }
}

/// The folder of a sensor's state, locked.
#[derive(Debug)]
pub(super) struct StateFolder {
    folder: PathBuf,
    /// Held for the lock on it.
    _lock: File,
}

impl StateFolder {
    /// Opens the folder, which is made when it is missing, and locks it.
    pub(super) fn open(folder: &Path) -> Result<Self, StateError> {
        fs::create_dir_all(folder).map_err(failed("make the folder", folder))?;
        let path = folder.join("lock");
        let lock = File::create(&path).map_err(failed("open", &path))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { folder: folder.to_owned(), _lock: lock }),
            Err(fs::TryLockError::WouldBlock) => Err(StateError::Locked { path: folder.to_owned() }),
            Err(fs::TryLockError::Error(source)) => Err(failed("lock", &path)(source)),
        }
    }

    fn file(&self) -> PathBuf {
        self.folder.join(FILE)
    }

    fn previous(&self) -> PathBuf {
        self.folder.join("inventory.state.previous")
    }

    /// Writes the state in place of the one before, which is kept beside it.
    pub(super) fn write(&self, state: &State<&EndpointFacts>) -> Result<u64, StateError> {
        let (file, fresh) = (self.file(), self.folder.join(".inventory.state.tmp"));
        let bytes = encode(state).map_err(failed("encode", &file))?;
        let write = || {
            let mut out =
                OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
            out.write_all(&bytes)?;
            out.sync_all()
        };
        if let Err(source) = write() {
            // A part of it would only take room.
            drop(fs::remove_file(&fresh));
            return Err(failed("write", &file)(source));
        }
        drop(fs::remove_file(self.previous()));
        match fs::hard_link(&file, self.previous()) {
            // The first one has none before it; a file system without links keeps none.
            Ok(()) | Err(_) => {}
        }
        fs::rename(&fresh, &file)
            .and_then(|()| File::open(&self.folder)?.sync_all())
            .map_err(failed("write", &file))?;
        Ok(bytes.len() as u64)
    }

    /// Writes bad lines of logs, by their shape, in place of those before: what was met since the start.
    pub(super) fn write_aside(&self, aside: &Quarantine) -> Result<(), StateError> {
        let (file, fresh) = (self.folder.join("bad_lines.jsonl"), self.folder.join(".bad_lines.tmp"));
        let mut text = Vec::new();
        aside.write(&mut text).map_err(failed("encode", &file))?;
        fs::write(&fresh, text).and_then(|()| fs::rename(&fresh, &file)).map_err(failed("write", &file))
    }

    /// The latest state that is whole; `None` when there is none yet. What is damaged is told, moved aside and kept.
    pub(super) fn read(
        &self,
        complain: &mut dyn FnMut(&str),
    ) -> Result<Option<State<EndpointFacts>>, StateError> {
        for path in [self.file(), self.previous()] {
            let bytes = match fs::read(&path) {
                Ok(bytes) => bytes,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(source) => return Err(failed("read", &path)(source)),
            };
            if let Some(state) = decode(&bytes) {
                return Ok(Some(state));
            }
            let aside = path.with_extension("damaged");
            fs::rename(&path, &aside).map_err(failed("move aside", &path))?;
            let damaged = StateError::Damaged { path };
            let aside = aside.display();
            complain(&format!("{damaged}: kept as {aside}; going on from the one before, or anew"));
        }
        Ok(None)
    }
}

/// The state in a folder, whoever uses it: it is replaced as a whole.
pub(super) fn peek(folder: &Path) -> Result<Option<State<EndpointFacts>>, StateError> {
    let path = folder.join(FILE);
    match fs::read(&path) {
        Ok(bytes) => decode(&bytes).map(Some).ok_or(StateError::Damaged { path }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(failed("read", &path)(source)),
    }
}

fn encode(state: &State<&EndpointFacts>) -> io::Result<Vec<u8>> {
    let plain = postcard::to_stdvec(state).map_err(io::Error::other)?;
    let packed = zstd::bulk::compress(&plain, 1)?;
    let mut bytes = Vec::with_capacity(packed.len() + MAGIC.len() + DIGEST + 8);
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(blake3::hash(&packed).as_bytes());
    bytes.extend_from_slice(&(plain.len() as u64).to_le_bytes());
    bytes.extend_from_slice(&packed);
    Ok(bytes)
}

#[expect(
    clippy::disallowed_methods,
    reason = "our own file: its digest was checked and its length is bounded"
)]
fn decode(bytes: &[u8]) -> Option<State<EndpointFacts>> {
    let rest = bytes.strip_prefix(MAGIC)?;
    let (digest, rest) = rest.split_at_checked(DIGEST)?;
    let (length, packed) = rest.split_first_chunk::<8>()?;
    let length = usize::try_from(u64::from_le_bytes(*length)).ok().filter(|length| *length <= MAX_BYTES)?;
    if blake3::hash(packed).as_bytes() != digest {
        return None;
    }
    let plain = zstd::bulk::decompress(packed, length).ok()?;
    postcard::from_bytes(&plain).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::classify::Classifier;
    use crate::inventory::delta::Delta;
    use crate::inventory::learner::ValuePaths;
    use crate::secret::FingerprintKey;

    fn write(folder: &StateFolder, next_roll: u64) {
        let delta = Delta::new(&FingerprintKey::new([1; 32]));
        let state = State {
            key_id: "k".into(),
            sensor: "s".into(),
            run: "r".into(),
            delta: delta.save(&Classifier::built_in(), &ValuePaths::default()),
            ledger: Ledger { next_roll, ..Ledger::default() },
        };
        folder.write(&state).unwrap();
    }

    fn next_roll(folder: &StateFolder) -> (Option<u64>, Vec<String>) {
        let mut complaints = Vec::new();
        let state = folder.read(&mut |complaint| complaints.push(complaint.to_owned())).unwrap();
        (state.map(|state| state.ledger.next_roll), complaints)
    }

    #[test]
    fn a_damaged_state_is_kept_aside_and_the_one_before_is_read() {
        let place = tempfile::tempdir().unwrap();
        let folder = StateFolder::open(place.path()).unwrap();
        assert_eq!(next_roll(&folder), (None, vec![]));
        write(&folder, 1);
        write(&folder, 2);
        assert_eq!(next_roll(&folder), (Some(2), vec![]));
        let mut bytes = fs::read(folder.file()).unwrap();
        for cut in [0, 7, 16, 50, bytes.len() - 1] {
            assert!(decode(&bytes[..cut]).is_none(), "cut at {cut}");
        }
        *bytes.last_mut().unwrap() ^= 1;
        fs::write(folder.file(), &bytes).unwrap();
        let (next, complaints) = next_roll(&folder);
        assert_eq!((next, complaints.len()), (Some(1), 1));
        assert!(complaints[0].contains("inventory.damaged"), "{complaints:?}");
    }

    #[test]
    fn two_sensors_do_not_share_a_folder() {
        let place = tempfile::tempdir().unwrap();
        let _first = StateFolder::open(place.path()).unwrap();
        let refused = StateFolder::open(place.path()).unwrap_err().to_string();
        assert!(refused.contains("another sensor"), "{refused}");
    }
}
