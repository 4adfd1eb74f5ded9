//! Key logs as files: read whole, and read on as they grow.

use crate::tls::keylog::{KeyLogReader, Keys};
use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::path::Path;
use zeroize::Zeroizing;

/// Bytes asked for at a time.
const BUFFER: usize = 64 << 10;

/// A key log that may be written still: browsers, servers and proxies append to it while connections begin.
#[derive(Debug)]
pub struct KeyLogFile {
    file: File,
    reader: KeyLogReader,
    buffer: Zeroizing<Vec<u8>>,
}

impl KeyLogFile {
    /// Opens a key log.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        if file.metadata()?.is_dir() {
            return Err(ErrorKind::IsADirectory.into());
        }
        Ok(Self { file, reader: KeyLogReader::default(), buffer: Zeroizing::new(vec![0; BUFFER]) })
    }

    /// Reads what was added since, and hands it to `keys`.
    pub fn read_on(&mut self, keys: &Keys) -> io::Result<()> {
        loop {
            match self.file.read(&mut self.buffer) {
                Ok(0) => return Ok(()),
                Ok(count) => self.reader.feed(self.buffer.get(..count).unwrap_or_default(), keys),
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
