//! Rolled files on their way to a lake that may be out of reach.
//!
//! A roll is a folder of whole files, laid out as they will stand in the lake. It is filled under a hidden name and
//! renamed when it is complete; whoever keeps the sensor's state then counts it as done, and only after that is it
//! carried over. Carrying is idempotent: a file that stands in the lake already is not written again, so it may be
//! interrupted anywhere and begun anew.
//!
//! ```text
//!  .000007.tmp/  ──whole──▶  000007/  ──counted in the state──▶  carried to the lake, file by file, then removed
//! ```

use super::writer::{LakeError, publish};
use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// The folder of rolls. See the module's doc.
#[derive(Clone, Debug)]
pub struct Spool {
    folder: PathBuf,
}

impl Spool {
    /// Opens the folder, which is made when it is missing. Rolls that were not finished, or whose number is not below
    /// `next`, were never counted: they are removed, for the state that they come from will give them again.
    pub fn open(folder: impl Into<PathBuf>, next: u64) -> Result<Self, LakeError> {
        let spool = Self { folder: folder.into() };
        fs::create_dir_all(&spool.folder).map_err(LakeError::io("make the folder", &spool.folder))?;
        for entry in fs::read_dir(&spool.folder).map_err(LakeError::io("read the folder", &spool.folder))? {
            let path = entry.map_err(LakeError::io("read the folder", &spool.folder))?.path();
            let counted = number_of(&path).is_some_and(|number| number < next);
            if !counted {
                fs::remove_dir_all(&path).map_err(LakeError::io("remove the uncounted", &path))?;
            }
        }
        Ok(spool)
    }

    fn hidden(&self, number: u64) -> PathBuf {
        self.folder.join(format!(".{number:06}.tmp"))
    }

    fn whole(&self, number: u64) -> PathBuf {
        self.folder.join(format!("{number:06}"))
    }

    /// An empty folder for the files of a roll.
    pub fn begin(&self, number: u64) -> Result<PathBuf, LakeError> {
        for folder in [self.hidden(number), self.whole(number)] {
            match fs::remove_dir_all(&folder) {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    return Err(LakeError::io("empty the folder", &folder)(error));
                }
                Ok(()) | Err(_) => {}
            }
        }
        let folder = self.hidden(number);
        fs::create_dir_all(&folder).map_err(LakeError::io("make the folder", &folder))?;
        Ok(folder)
    }

    /// All files of a roll are written.
    pub fn finish(&self, number: u64) -> Result<(), LakeError> {
        let whole = self.whole(number);
        fs::rename(self.hidden(number), &whole)
            .and_then(|()| File::open(&self.folder)?.sync_all())
            .map_err(LakeError::io("finish", &whole))
    }

    /// Takes an unfinished roll away.
    pub fn abandon(&self, number: u64) {
        // When it cannot be removed now, the next roll of this number or the next start does.
        drop(fs::remove_dir_all(self.hidden(number)));
    }

    /// The numbers of whole rolls, in order.
    pub fn rolls(&self) -> Result<Vec<u64>, LakeError> {
        let entries = fs::read_dir(&self.folder).map_err(LakeError::io("read the folder", &self.folder))?;
        let mut numbers: Vec<u64> = entries.filter_map(|entry| number_of(&entry.ok()?.path())).collect();
        numbers.sort_unstable();
        Ok(numbers)
    }

    /// Bytes of all files that wait.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        let size = |file: &PathBuf| fs::metadata(file).map_or(0, |known| known.len());
        files(&self.folder).map_or(0, |files| files.iter().map(size).sum())
    }

    /// Carries a roll over to `lake` and removes it. Returns how many of its files were not there before.
    pub fn carry(&self, number: u64, lake: &Path) -> Result<usize, LakeError> {
        // A lake that is not there now may be a file system that is not mounted: nothing is made in its place.
        fs::read_dir(lake).map_err(LakeError::io("reach the lake", lake))?;
        let roll = self.whole(number);
        let mut new = 0;
        for file in files(&roll).map_err(LakeError::io("read the folder", &roll))? {
            let Ok(place) = file.strip_prefix(&roll) else { continue };
            let bytes = fs::read(&file).map_err(LakeError::io("read", &file))?;
            new += usize::from(publish(&lake.join(place), &bytes)?);
            fs::remove_file(&file).map_err(LakeError::io("remove the carried", &file))?;
        }
        fs::remove_dir_all(&roll).map_err(LakeError::io("remove the carried", &roll))?;
        Ok(new)
    }
}

fn number_of(path: &Path) -> Option<u64> {
    path.file_name()?.to_str().filter(|name| name.bytes().all(|byte| byte.is_ascii_digit()))?.parse().ok()
}

/// All files below a folder, in order.
fn files(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut waiting = vec![folder.to_owned()];
    while let Some(folder) = waiting.pop() {
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() { waiting.push(entry.path()) } else { found.push(entry.path()) }
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lake::reader;
    use crate::lake::rows::{EndpointRow, ObservationRow, Origin};
    use crate::lake::writer::Writer;
    use crate::time::Timestamp;

    fn fill(spool: &Spool, number: u64) {
        let origin = Origin {
            sensor: "s".into(),
            run: format!("w-{number:06}"),
            key_id: "k".into(),
            window_start: Timestamp::EPOCH,
            window_end: Timestamp::from_secs(60, 0),
            coverage: 1.0,
        };
        let writer = Writer::new(spool.begin(number).unwrap(), origin).unwrap();
        writer.write(vec![EndpointRow { id: number.to_string(), ..Default::default() }]).unwrap();
        writer.write(vec![ObservationRow { endpoint: number.to_string(), ..Default::default() }]).unwrap();
    }

    #[test]
    fn a_roll_reaches_the_lake_once_however_often_it_is_carried() {
        let (state, lake) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let spool = Spool::open(state.path().join("spool"), 0).unwrap();
        fill(&spool, 3);
        spool.finish(3).unwrap();
        // Killed after the first file: it stands in the lake and in the spool.
        let first = files(&spool.whole(3)).unwrap().remove(0);
        publish(&lake.path().join(first.strip_prefix(spool.whole(3)).unwrap()), &fs::read(&first).unwrap())
            .unwrap();
        assert!(spool.bytes() > 0);
        assert_eq!(spool.carry(3, lake.path()).unwrap(), 1);
        assert_eq!(reader::latest_endpoints(lake.path()).unwrap().rows.len(), 1);
        assert_eq!((spool.rolls().unwrap(), spool.bytes()), (vec![], 0));
    }

    #[test]
    fn what_was_never_counted_is_removed_and_what_was_counted_stays() {
        let state = tempfile::tempdir().unwrap();
        let spool = Spool::open(state.path(), 0).unwrap();
        for number in [1, 2] {
            fill(&spool, number);
            spool.finish(number).unwrap();
        }
        fill(&spool, 3);
        assert_eq!(Spool::open(state.path(), 2).unwrap().rolls().unwrap(), [1]);
        assert_eq!(fs::read_dir(state.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_lake_that_is_out_of_reach_is_told_and_nothing_is_made_in_its_place() {
        let state = tempfile::tempdir().unwrap();
        let spool = Spool::open(state.path().join("spool"), 0).unwrap();
        fill(&spool, 1);
        spool.finish(1).unwrap();
        let lake = state.path().join("mount");
        let refused = spool.carry(1, &lake).unwrap_err().to_string();
        assert!(refused.contains("mount") && refused.contains("name a folder that exists"), "{refused}");
        assert!(!lake.exists());
        assert_eq!(spool.rolls().unwrap(), [1]);
    }
}
