//! `spanlight key`: the key under which values are fingerprinted.

use super::Outcome;
use super::output::complain;
use crate::secret::FingerprintKey;
use anyhow::{Context, Result, bail};
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

/// Subcommands.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Make a new key: 32 random bytes, readable by its owner alone
    New {
        /// Where to write it; must not exist yet
        file: PathBuf,
    },
    /// Show the public id of a key, which stands in every row made with it
    Id {
        /// The key
        file: PathBuf,
    },
}

/// Runs a subcommand.
pub(super) fn run(command: &Command) -> Result<Outcome> {
    let (file, key) = match command {
        Command::New { file } => (file, make(file)?),
        Command::Id { file } => (file, load(file)?),
    };
    writeln!(std::io::stdout().lock(), "{}  {}", key.id(), file.display())?;
    Ok(Outcome::Done)
}

/// The key that an analysis uses: the file given, else the one in the state folder, made when missing.
pub(super) fn choose(file: Option<&Path>) -> Result<FingerprintKey> {
    if let Some(file) = file {
        return load(file);
    }
    let Some(file) = default_file() else {
        bail!("no place for a fingerprint key: set HOME or XDG_STATE_HOME, or give one with --key");
    };
    if file.exists() {
        return load(&file);
    }
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder).with_context(|| {
            format!("create {} for a fingerprint key, unless one is given with --key", folder.display())
        })?;
    }
    match make(&file) {
        Ok(key) => {
            complain(&format!(
                "made the fingerprint key {} (id {}); keep it: without it callers cannot be recognised again",
                file.display(),
                key.id()
            ));
            Ok(key)
        }
        // Another process may have made it in between.
        Err(error) => load(&file).map_err(|_| error),
    }
}

fn default_file() -> Option<PathBuf> {
    let state = std::env::var_os("XDG_STATE_HOME").filter(|path| !path.is_empty()).map(PathBuf::from);
    let state = state.or_else(|| {
        let home = std::env::var_os("HOME").filter(|path| !path.is_empty())?;
        Some(PathBuf::from(home).join(".local/state"))
    })?;
    Some(state.join("spanlight/fingerprint.key"))
}

pub(super) fn make(file: &Path) -> Result<FingerprintKey> {
    let mut bytes = [0; 32];
    File::open("/dev/urandom")
        .and_then(|mut random| random.read_exact(&mut bytes))
        .context("read /dev/urandom")?;
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    options
        .open(file)
        .and_then(|mut out| out.write_all(&bytes).and_then(|()| out.sync_all()))
        .with_context(|| format!("write the key {}", file.display()))?;
    Ok(FingerprintKey::new(bytes))
}

/// Reads a key.
pub(super) fn load(file: &Path) -> Result<FingerprintKey> {
    let bytes = fs::read(file).with_context(|| format!("read the key {}", file.display()))?;
    let Ok(key) = <[u8; 32]>::try_from(bytes.as_slice()) else {
        bail!(
            "{} is no fingerprint key: it has {} bytes, not 32; make one with 'spanlight key new'",
            file.display(),
            bytes.len()
        );
    };
    Ok(FingerprintKey::new(key))
}
