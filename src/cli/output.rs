//! Where output goes: standard output, a file, or a complaint on standard error.

use anyhow::{Context, Result};
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

/// Writes to a file, or to standard output for `-`. A file is written beside its name first and renamed
/// when it is whole.
pub(super) fn to(path: &Path, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<()> {
    if path.as_os_str() == "-" {
        let mut out = BufWriter::new(io::stdout().lock());
        write(&mut out).and_then(|()| out.flush()).context("write to standard output")?;
        return Ok(());
    }
    // A FIFO or device cannot be replaced by a file.
    let special = path.metadata().is_ok_and(|known| !known.is_file());
    if special {
        let mut out = BufWriter::new(File::create(path).with_context(|| format!("open {}", path.display()))?);
        return write(&mut out)
            .and_then(|()| out.flush())
            .with_context(|| format!("write {}", path.display()));
    }
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(".tmp");
    let temporary = path.with_file_name(name);
    let written = File::create(&temporary).and_then(|file| {
        let mut out = BufWriter::new(file);
        write(&mut out)?;
        out.flush()
    });
    let renamed = written.and_then(|()| std::fs::rename(&temporary, path));
    if renamed.is_err() {
        drop(std::fs::remove_file(&temporary));
    }
    renamed.with_context(|| format!("write {}", path.display()))
}

/// An error with its causes, each told once: some say themselves what their cause is.
pub(super) fn in_words(error: &anyhow::Error) -> String {
    error.chain().map(ToString::to_string).fold(String::new(), |text, cause| match text.as_str() {
        "" => cause,
        told if told.contains(&cause) => text,
        _ => format!("{text}: {cause}"),
    })
}

/// Says on standard error what went wrong.
pub(super) fn complain(message: &str) {
    // When standard error is gone, nobody is left to tell.
    drop(writeln!(io::stderr().lock(), "spanlight: {message}"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_is_told_once() {
        #[derive(Debug, thiserror::Error)]
        #[error("make the folder a: {source}; free some space there")]
        struct Full {
            source: io::Error,
        }
        let full = Full { source: io::Error::other("no space") };
        let error = anyhow::Error::new(full).context("write the lake a");
        assert_eq!(in_words(&error), "write the lake a: make the folder a: no space; free some space there");
        let error = anyhow::Error::new(io::Error::other("no space")).context("write a");
        assert_eq!(in_words(&error), "write a: no space");
    }
}
