//! Key logs as files: read whole, read on as they grow, and followed through rotation.

use crate::tls::keylog::{KeyLogReader, Keys};
use std::fs::{File, Metadata};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// A socket that agents write secrets to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeySocketSettings {
    /// Where it is made.
    pub path: PathBuf,
    /// Its mode: whoever may write to it may connect.
    pub mode: u32,
    /// The users that may write, by name or number, beside root and the sensor's own; all that may connect when empty.
    pub users: Vec<String>,
}

/// Bytes asked for at a time.
const BUFFER: usize = 64 << 10;
/// More than the longest line of a key log.
const LINE: usize = 4 << 10;

/// A key log that may be written still: browsers, servers and proxies append to it while connections begin.
#[derive(Debug)]
pub struct KeyLogFile {
    file: File,
    reader: KeyLogReader,
    buffer: Zeroizing<Vec<u8>>,
    /// Bytes of the file that were read or passed over.
    position: u64,
}

impl KeyLogFile {
    /// Opens a key log.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        if file.metadata()?.is_dir() {
            return Err(ErrorKind::IsADirectory.into());
        }
        let buffer = Zeroizing::new(vec![0; BUFFER]);
        Ok(Self { file, reader: KeyLogReader::default(), buffer, position: 0 })
    }

    /// Passes over all but about the last `kept` bytes, up to where a line begins.
    fn pass_over(&mut self, kept: u64) -> io::Result<()> {
        let Some(front) = self.file.metadata()?.len().checked_sub(kept).filter(|front| *front > 0) else {
            return Ok(());
        };
        self.file.seek(SeekFrom::Start(front))?;
        let piece = self.buffer.get_mut(..LINE).unwrap_or_default();
        let count = self.file.read(piece)?;
        let piece = piece.get(..count).unwrap_or_default();
        let line = memchr::memchr(b'\n', piece).map_or(count, |end| end + 1);
        self.position = front + line as u64;
        self.file.seek(SeekFrom::Start(self.position))?;
        Ok(())
    }

    /// Reads what was added since, and hands it to `keys`.
    pub fn read_on(&mut self, keys: &Keys) -> io::Result<()> {
        loop {
            match self.file.read(&mut self.buffer) {
                Ok(0) => return Ok(()),
                Ok(count) => {
                    self.position += count as u64;
                    self.reader.feed(self.buffer.get(..count).unwrap_or_default(), keys);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Reads to the end and takes the last line, which may lack its end.
    pub fn finish(&mut self, keys: &Keys) -> io::Result<()> {
        self.read_on(keys)?;
        self.reader.finish(keys);
        Ok(())
    }

    /// Secrets that were read, and lines that could not be.
    #[must_use]
    pub const fn counts(&self) -> (u64, u64) {
        (self.reader.secrets, self.reader.bad_lines)
    }
}

/// Bytes at the end of a key log that are read of what was there before: the secrets of connections that begin now stand
/// there, if any.
const RECENT: u64 = 4 << 20;

/// A key log that is followed by name: as it grows, through rotation and truncation, and when it comes into being later.
#[derive(Debug)]
pub struct FollowedKeyLog {
    path: PathBuf,
    open: Option<(KeyLogFile, Identity)>,
    /// What was counted of the files before this one.
    before: (u64, u64),
    /// What was last told of why it cannot be read.
    complaint: Option<ErrorKind>,
}

/// Which file it is, whatever its name.
type Identity = (u64, u64);

#[cfg(unix)]
fn identity(metadata: &Metadata) -> Identity {
    use std::os::unix::fs::MetadataExt;
    (metadata.dev(), metadata.ino())
}

#[cfg(not(unix))]
fn identity(_: &Metadata) -> Identity {
    (0, 0)
}

impl FollowedKeyLog {
    /// A key log of this name, whether or not it is there yet.
    #[must_use]
    pub const fn new(path: PathBuf) -> Self {
        Self { path, open: None, before: (0, 0), complaint: None }
    }

    /// Its name.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads what was added since, in whichever file. Returns why it cannot be read, once for each reason.
    pub fn look(&mut self, keys: &Keys) -> Option<io::Error> {
        match self.read(keys) {
            Ok(()) => {
                self.complaint = None;
                None
            }
            Err(error) if self.complaint == Some(error.kind()) => None,
            Err(error) => {
                self.complaint = Some(error.kind());
                Some(error)
            }
        }
    }

    fn read(&mut self, keys: &Keys) -> io::Result<()> {
        if let Some((file, _)) = &mut self.open {
            file.read_on(keys)?;
        }
        let found = match std::fs::metadata(&self.path) {
            Ok(found) => found,
            // Moved away: who writes it may hold it open still.
            Err(error) if error.kind() == ErrorKind::NotFound && self.open.is_some() => return Ok(()),
            Err(error) => return Err(error),
        };
        match &self.open {
            Some((file, known)) if *known == identity(&found) && found.len() >= file.position => {
                return Ok(());
            }
            Some(_) | None => {}
        }
        let is_first = self.open.is_none() && self.before == (0, 0);
        let mut next = KeyLogFile::open(&self.path)?;
        let known = identity(&next.file.metadata()?);
        if is_first {
            next.pass_over(RECENT)?;
        }
        next.read_on(keys)?;
        if let Some((mut old, _)) = self.open.replace((next, known)) {
            old.finish(keys)?;
            let (secrets, bad_lines) = old.counts();
            self.before = (self.before.0 + secrets, self.before.1 + bad_lines);
        }
        Ok(())
    }

    /// Secrets that were read, and lines that could not be.
    #[must_use]
    pub fn counts(&self) -> (u64, u64) {
        let (secrets, bad_lines) = self.open.as_ref().map_or((0, 0), |(file, _)| file.counts());
        (self.before.0 + secrets, self.before.1 + bad_lines)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::io::Write;

    fn line(random: usize) -> String {
        format!("CLIENT_RANDOM {random:064x} {}\n", "ab".repeat(48))
    }

    fn append(path: &Path, text: &str) {
        let mut file = fs::OpenOptions::new().create(true).append(true).open(path).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    #[test]
    fn a_log_is_followed_through_growth_rotation_and_truncation() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.log");
        let (keys, mut log) = (Keys::new(1_000), FollowedKeyLog::new(path.clone()));
        assert_eq!(log.look(&keys).map(|error| error.kind()), Some(ErrorKind::NotFound));
        assert!(log.look(&keys).is_none(), "told once");
        let (front, back) = (&line(1)[..30], &line(1)[30..]);
        append(&path, front);
        assert!(log.look(&keys).is_none());
        assert_eq!(keys.told(), 0, "half a line is none");
        append(&path, back);
        log.look(&keys);
        assert_eq!(keys.told(), 1);
        // Moved, written on under its old name's descriptor, and made anew.
        let moved = folder.path().join("keys.log.1");
        fs::rename(&path, &moved).unwrap();
        append(&moved, &line(2));
        log.look(&keys);
        assert_eq!(keys.told(), 2);
        append(&moved, &line(3));
        append(&path, &line(4));
        log.look(&keys);
        assert_eq!(keys.told(), 4, "the end of the old one is read, too");
        // Emptied in place.
        append(&path, &line(5));
        log.look(&keys);
        fs::write(&path, line(6)).unwrap();
        log.look(&keys);
        assert_eq!(keys.told(), 6);
        // Deleted, and back.
        fs::remove_file(&path).unwrap();
        assert!(log.look(&keys).is_none());
        append(&path, &line(7));
        append(&path, "no secret\n");
        log.look(&keys);
        assert_eq!((keys.told(), log.counts()), (7, (7, 1)));
    }

    #[test]
    fn of_a_long_history_the_end_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.log");
        let lines = usize::try_from(RECENT).unwrap() / line(0).len() + 1_000;
        fs::write(&path, (0..lines).map(line).collect::<String>()).unwrap();
        let (keys, mut log) = (Keys::new(1_000_000), FollowedKeyLog::new(path.clone()));
        log.look(&keys);
        let (secrets, bad_lines) = log.counts();
        assert_eq!(bad_lines, 0, "from where a line begins");
        assert!(secrets > 20_000 && secrets < lines as u64 - 900, "{secrets} of {lines}");
        append(&path, &line(lines));
        log.look(&keys);
        assert_eq!(log.counts().0, secrets + 1);
    }
}
