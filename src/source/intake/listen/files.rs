//! Files that are read again when they change: certificates, keys, tokens.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// The longest file that is read.
const MAX_FILE: u64 = 4 << 20;

/// What tells one version of a file from another; `None` while there is none.
type Stamp = Option<(SystemTime, u64)>;

/// Files that belong together.
#[derive(Debug)]
pub(super) struct Watched {
    paths: Vec<PathBuf>,
    seen: Vec<Stamp>,
    read: Vec<Stamp>,
}

impl Watched {
    /// Takes note of how they are now, before they are read.
    pub(super) fn new(paths: Vec<PathBuf>) -> Self {
        let stamps = stamps(&paths);
        Self { paths, seen: stamps.clone(), read: stamps }
    }

    /// Whether they should be read again. A certificate is replaced before its key or the other way round, so they
    /// must have been the same at two looks.
    pub(super) fn changed(&mut self) -> bool {
        let now = stamps(&self.paths);
        let settled = now == self.seen;
        let changed = settled && now != self.read;
        if changed {
            self.read.clone_from(&now);
        }
        self.seen = now;
        changed
    }
}

fn stamps(paths: &[PathBuf]) -> Vec<Stamp> {
    let stamp = |path: &PathBuf| {
        let facts = fs::metadata(path).ok()?;
        Some((facts.modified().ok()?, facts.len()))
    };
    paths.iter().map(stamp).collect()
}

/// The bytes of a file of bounded length.
pub(super) fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(MAX_FILE + 1).read_to_end(&mut bytes)?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length > MAX_FILE) {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("longer than {MAX_FILE} bytes")));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_read_again_once_they_rest() {
        let folder = tempfile::tempdir().unwrap();
        let paths = vec![folder.path().join("a"), folder.path().join("b")];
        fs::write(&paths[0], "a").unwrap();
        let mut watched = Watched::new(paths.clone());
        assert!(!watched.changed());
        fs::write(&paths[0], "longer").unwrap();
        assert!(!watched.changed(), "another may still be written");
        fs::write(&paths[1], "b").unwrap();
        assert!(!watched.changed());
        assert!(watched.changed());
        assert!(!watched.changed(), "once");
        fs::remove_file(&paths[1]).unwrap();
        assert!(!watched.changed());
        assert!(watched.changed());
    }
}
