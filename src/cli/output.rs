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

/// Says on standard error what went wrong.
pub(super) fn complain(message: &str) {
    // When standard error is gone, nobody is left to tell.
    drop(writeln!(io::stderr().lock(), "spanlight: {message}"));
}
