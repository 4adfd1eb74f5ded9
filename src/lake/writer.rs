//! Writes rows as immutable Parquet files.
//!
//! A file is made in memory, written under a hidden name beside its place, synced, and then linked to its
//! name, which never replaces: a reader sees a whole file or none. When the name is taken by the same bytes
//! there is nothing to do; by other bytes, it is refused. The bytes depend on the rows alone.

use super::rows::Origin;
use super::tables::{Table, schema, schema_id, to_batch};
use crate::time::Timestamp;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Rows of one file; more go to the next one of the same hour and run.
const FILE_ROWS: usize = 100_000;

/// The metadata key that names a file's table and version.
pub(super) const SCHEMA_KEY: &str = "spanlight.schema";

/// Why a lake cannot be written or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LakeError {
    /// A name that would not do as part of a file's name.
    #[error("the {what} `{name}` must be 1 to 64 letters, digits, `.`, `_` or `-`, and not begin with `.`")]
    Name {
        /// Which name.
        what: &'static str,
        /// As given.
        name: String,
    },
    /// The file system refused.
    #[error("{doing} {}: {source}; {}", path.display(), cure(source.kind()))]
    Io {
        /// What was being done.
        doing: &'static str,
        /// To which file or folder.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A file of this name holds other rows.
    #[error(
        "{} holds other rows than this run gives, maybe from another version; remove it or name another folder",
        path.display()
    )]
    Differs {
        /// The file.
        path: PathBuf,
    },
    /// The rows could not be encoded.
    #[error("encode rows of {table}: {source}")]
    Encode {
        /// The table.
        table: &'static str,
        /// What the encoder says.
        source: ParquetError,
    },
}

impl LakeError {
    pub(super) fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { doing, path, source }
    }
}

/// What an operator can do about it.
const fn cure(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => "free some space there or name another folder",
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
            "let this user write there or name another folder"
        }
        ErrorKind::NotFound => "name a folder that exists",
        ErrorKind::NotADirectory | ErrorKind::AlreadyExists => {
            "a file stands in its way: name another folder"
        }
        _ => "check the folder's file system",
    }
}

/// What a table's rows came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// The files that hold the rows.
    pub files: Vec<PathBuf>,
    /// How many of them were not there before.
    pub new: usize,
}

/// Writes the rows of one run into a lake's folder.
#[derive(Clone, Debug)]
pub struct Writer {
    root: PathBuf,
    origin: Origin,
}

impl Writer {
    /// A writer below `root`, which is made when it is missing.
    pub fn new(root: impl Into<PathBuf>, origin: Origin) -> Result<Self, LakeError> {
        let root = root.into();
        for (what, name) in [("sensor", &origin.sensor), ("run", &origin.run)] {
            let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
            if !plain || name.starts_with('.') || !(1..=64).contains(&name.len()) {
                return Err(LakeError::Name { what, name: name.clone() });
            }
        }
        fs::create_dir_all(&root).map_err(LakeError::io("make the folder", &root))?;
        Ok(Self { root, origin })
    }

    /// Writes all rows of a table, in any order: one file or more for each date.
    pub fn write<R: Table>(&self, mut rows: Vec<R>) -> Result<Written, LakeError> {
        let at = |row: &R| row.filed_at(&self.origin);
        rows.sort_by(|a, b| at(a).cmp(&at(b)).then_with(|| a.sort_key().cmp(&b.sort_key())));
        let mut written = Written::default();
        for day in rows.chunk_by(|a, b| at(a).day() == at(b).day()) {
            let first = day.first().map(at).unwrap_or_default();
            for (sequence, rows) in day.chunks(FILE_ROWS).enumerate() {
                let path = self.path::<R>(first, sequence);
                let bytes = encode(rows, &self.origin)
                    .map_err(|source| LakeError::Encode { table: R::NAME, source })?;
                written.new += usize::from(publish(&path, &bytes)?);
                written.files.push(path);
            }
        }
        Ok(written)
    }

    fn path<R: Table>(&self, first: Timestamp, sequence: usize) -> PathBuf {
        let hour = first.hour().rem_euclid(24);
        let Origin { sensor, run, .. } = &self.origin;
        self.root
            .join(R::NAME)
            .join(format!("v{}", R::VERSION))
            .join(format!("date={}", first.date()))
            .join(format!("sensor={sensor}"))
            .join(format!("{hour:02}-{run}-{sequence:04}.parquet"))
    }
}

/// Rows as the bytes of a Parquet file.
fn encode<R: Table>(rows: &[R], origin: &Origin) -> Result<Vec<u8>, ParquetError> {
    let properties = WriterProperties::builder()
        .set_created_by("spanlight".to_owned())
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(3)?))
        .set_key_value_metadata(Some(vec![KeyValue::new(SCHEMA_KEY.to_owned(), schema_id::<R>())]))
        .build();
    let mut writer = ArrowWriter::try_new(Vec::new(), Arc::new(schema::<R>()), Some(properties))?;
    writer.write(&to_batch(rows, origin))?;
    writer.into_inner()
}

/// Makes `bytes` visible as `path` and tells whether it was not there before.
pub(super) fn publish(path: &Path, bytes: &[u8]) -> Result<bool, LakeError> {
    if is_there(path, bytes)? {
        return Ok(false);
    }
    let folder = path.parent().unwrap_or(path);
    fs::create_dir_all(folder).map_err(LakeError::io("make the folder", folder))?;
    let name = path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
    let hidden = Hidden(folder.join(format!(".{name}.{}.tmp", std::process::id())));
    hidden.fill(bytes).map_err(LakeError::io("write", path))?;
    match fs::hard_link(&hidden.0, path) {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            return is_there(path, bytes).map(|_| false);
        }
        // A file system without links: the name is free as far as was seen just now.
        Err(error) if matches!(error.kind(), ErrorKind::Unsupported | ErrorKind::PermissionDenied) => {
            fs::rename(&hidden.0, path).map_err(LakeError::io("write", path))?;
        }
        Err(error) => return Err(LakeError::io("write", path)(error)),
    }
    if cfg!(unix) {
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(LakeError::io("sync", folder))?;
    }
    Ok(true)
}

/// Whether `path` holds `bytes`; other bytes are refused.
fn is_there(path: &Path, bytes: &[u8]) -> Result<bool, LakeError> {
    match fs::read(path) {
        Ok(known) if known == bytes => Ok(true),
        Ok(_) => Err(LakeError::Differs { path: path.to_owned() }),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(LakeError::io("read", path)(error)),
    }
}

/// A file under a name that no reader looks at; it goes when this goes.
struct Hidden(PathBuf);

impl Hidden {
    fn fill(&self, bytes: &[u8]) -> io::Result<()> {
        let mut file = File::create(&self.0)?;
        file.write_all(bytes)?;
        file.sync_all()
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        // When it was renamed or never made there is nothing to remove, and nobody to tell.
        drop(fs::remove_file(&self.0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lake::rows::{EndpointRow, ObservationRow};

    fn origin() -> Origin {
        Origin {
            sensor: "s-1".into(),
            run: "00ff".into(),
            key_id: "k".into(),
            window_start: Timestamp::from_secs(1_776_211_206, 0),
            window_end: Timestamp::from_secs(1_776_297_606, 0),
            coverage: 1.0,
        }
    }

    fn files(root: &Path) -> Vec<String> {
        let mut found = Vec::new();
        let mut folders = vec![root.to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() { folders.push(path) } else { found.push(path) }
            }
        }
        let mut names: Vec<_> =
            found.iter().map(|path| path.strip_prefix(root).unwrap().display().to_string()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_name_follows_from_table_hour_and_run() {
        let lake = tempfile::tempdir().unwrap();
        let writer = Writer::new(lake.path(), origin()).unwrap();
        writer.write(vec![EndpointRow::default()]).unwrap();
        let hours = [493_396, 493_392, 493_416];
        writer.write(hours.map(|hour| ObservationRow { hour, ..Default::default() }).into()).unwrap();
        assert_eq!(
            files(lake.path()),
            [
                "endpoints/v1/date=2026-04-16/sensor=s-1/00-00ff-0000.parquet",
                "observations/v1/date=2026-04-15/sensor=s-1/00-00ff-0000.parquet",
                "observations/v1/date=2026-04-16/sensor=s-1/00-00ff-0000.parquet",
            ]
        );
    }

    #[test]
    fn the_same_rows_in_any_order_change_nothing_and_others_are_refused() {
        let lake = tempfile::tempdir().unwrap();
        let writer = Writer::new(lake.path(), origin()).unwrap();
        let row = |host: &str| EndpointRow { host: host.into(), ..Default::default() };
        let first = writer.write(vec![row("a"), row("b")]).unwrap();
        let second = writer.write(vec![row("b"), row("a")]).unwrap();
        assert_eq!((first.new, second.new, &first.files), (1, 0, &second.files));
        let refused = writer.write(vec![row("a"), row("c")]).unwrap_err().to_string();
        assert!(refused.contains("0000.parquet holds other rows"), "{refused}");
        assert_eq!(files(lake.path()).len(), 1);
    }

    #[test]
    fn no_rows_make_no_file() {
        let lake = tempfile::tempdir().unwrap();
        let written = Writer::new(lake.path(), origin()).unwrap().write::<EndpointRow>(vec![]).unwrap();
        assert_eq!((written, files(lake.path()).len()), (Written::default(), 0));
    }

    #[test]
    fn what_cannot_be_written_is_told_with_the_cure_and_leaves_nothing() {
        let lake = tempfile::tempdir().unwrap();
        let writer = Writer::new(lake.path(), origin()).unwrap();
        fs::write(lake.path().join("endpoints"), "in the way").unwrap();
        let refused = writer.write(vec![EndpointRow::default()]).unwrap_err().to_string();
        assert!(refused.contains("endpoints") && refused.contains("name another folder"), "{refused}");
        assert_eq!(files(lake.path()), ["endpoints"]);
        let full = LakeError::io("write", Path::new("/lake/a"))(ErrorKind::StorageFull.into());
        assert_eq!(
            full.to_string(),
            "write /lake/a: no storage space; free some space there or name another folder"
        );
    }

    #[test]
    fn names_that_would_leave_their_folder_are_refused() {
        for sensor in ["", "a/b", "..", ".a", "a b"] {
            let origin = Origin { sensor: sensor.into(), ..origin() };
            assert!(matches!(Writer::new("unused", origin), Err(LakeError::Name { .. })), "{sensor}");
        }
    }
}
