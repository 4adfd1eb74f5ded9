//! Access logs and HAR files, from a stream that is decompressed already.

use crate::access_log::{Catalogue, LogFormat, LogReport, Preset, Reader};
use crate::time::Timestamp;
use crate::transaction::Transaction;
use anyhow::{Context, Result};
use std::io::{ErrorKind, Read};
use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// Bytes asked for at a time: few enough to leave what is learnt its place in the processor's caches.
const BUFFER: usize = 64 << 10;

/// What came of reading a log.
#[derive(Debug)]
pub struct LogRead {
    /// The records met until the end or the damage.
    pub report: LogReport,
    /// Bytes read, decompressed.
    pub bytes: u64,
    /// What ended the reading before the end: a damaged archive, a device's error.
    pub damage: Option<std::io::Error>,
}

/// Reads `input` to its end and hands every exchange to `sink`. What was read before damage counts.
pub fn read_log(mut input: impl Read, reader: &mut Reader, sink: &mut dyn FnMut(&Transaction)) -> LogRead {
    let mut buffer = vec![0; BUFFER];
    let mut bytes = 0;
    let damage = loop {
        match input.read(&mut buffer) {
            Ok(0) => break None,
            Ok(length) => {
                bytes += length as u64;
                reader.feed(buffer.get(..length).unwrap_or_default(), sink);
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => break Some(error),
        }
    };
    LogRead { report: reader.finish(sink).clone(), bytes, damage }
}

/// The format that is meant by a name of the catalogue, by the path of a preset's file, relative to `folder`, or by a
/// format string.
pub fn format_given(given: &str, folder: &Path, catalogue: &Catalogue) -> Result<LogFormat> {
    if let Some(known) = catalogue.named(given) {
        return Ok(known);
    }
    let is_file = Path::new(given).extension().is_some_and(|ending| ending == "yaml" || ending == "yml");
    let preset = if is_file {
        let file = folder.join(given);
        let text = std::fs::read_to_string(&file).with_context(|| format!("read the log format {given}"))?;
        Preset::load(given, &text)?
    } else {
        let names = catalogue.names().join(", ");
        Preset::of_format(given).with_context(|| {
            format!("the log format is neither a known name ({names}) nor a format string")
        })?
    };
    Ok(LogFormat::Layout(Arc::new(preset)))
}

/// When a file was last written, or now where that is not known: no line of it is much later.
#[must_use]
pub fn last_written(path: &Path) -> Timestamp {
    let file = std::fs::metadata(path).ok().filter(std::fs::Metadata::is_file);
    file.and_then(|file| file.modified().ok()).map_or_else(super::now, since_epoch)
}

fn since_epoch(time: SystemTime) -> Timestamp {
    Timestamp::EPOCH.plus(time.duration_since(UNIX_EPOCH).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Limits;

    /// Gives its bytes, then fails.
    struct Failing<'a>(&'a [u8]);

    impl Read for Failing<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            if self.0.is_empty() { Err(ErrorKind::UnexpectedEof.into()) } else { self.0.read(buffer) }
        }
    }

    #[test]
    fn what_stands_before_damage_is_read() {
        let log = b"10.0.0.1 - - [15/Apr/2026:00:00:06 +0000] \"GET /a HTTP/1.1\" 200 5\n10.0.0.1 - - [15";
        let mut seen = 0;
        let mut reader = Reader::new(LogFormat::Combined, 0, &Limits::default());
        let read = read_log(Failing(log), &mut reader, &mut |_| seen += 1);
        assert_eq!((seen, read.report.exchanges, read.report.bad), (1, 1, 1));
        assert_eq!(read.bytes, log.len() as u64);
        assert!(read.damage.is_some());
    }
}
