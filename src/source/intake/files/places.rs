//! Which files are meant: paths, folders and patterns, and the names that rotation gives them.

use crate::time::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Files that are followed at a time; those that come later in the order of their paths are left out, and told.
pub(super) const MAX_FILES: usize = 16_384;

/// What is followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileSettings {
    places: Vec<Place>,
    /// Whether what is there at the very first start is passed over.
    pub(super) from_end: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    /// A file, or a folder with all files that are directly in it.
    Path(PathBuf),
    /// All files that a pattern matches.
    Pattern(String),
}

/// A path that is no place.
#[derive(Debug)]
pub struct BadPlace {
    /// Which of the paths.
    pub number: usize,
    /// What is wrong with it.
    pub why: String,
}

/// A file, as it stands now.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub(super) path: PathBuf,
    /// Device and inode.
    pub(super) identity: (u64, u64),
    pub(super) len: u64,
    pub(super) modified: Timestamp,
    /// Whether the settings name it; else rotation made its name from one that they name.
    pub(super) named: bool,
}

impl Found {
    fn new(path: PathBuf, metadata: &Metadata, named: bool) -> Self {
        Self {
            path,
            identity: (metadata.dev(), metadata.ino()),
            len: metadata.len(),
            modified: Timestamp::from_secs(
                metadata.mtime(),
                u32::try_from(metadata.mtime_nsec()).unwrap_or_default(),
            ),
            named,
        }
    }
}

impl FileSettings {
    /// Takes files, folders, and patterns with `*`, `?` and `[…]`. With `from_end` what is there at the very first start is
    /// passed over.
    pub fn new(paths: &[PathBuf], from_end: bool) -> Result<Self, BadPlace> {
        let place = |(number, path): (usize, &PathBuf)| {
            let Some(text) = path.to_str().filter(|text| text.contains(['*', '?', '['])) else {
                return Ok(Place::Path(path.clone()));
            };
            match glob::Pattern::new(text) {
                Ok(_) => Ok(Place::Pattern(text.to_owned())),
                Err(error) => Err(BadPlace { number, why: format!("must be a path or a pattern: {error}") }),
            }
        };
        let places = paths.iter().enumerate().map(place).collect::<Result<_, _>>()?;
        Ok(Self { places, from_end })
    }

    /// The folders that all of it lies in.
    #[must_use]
    pub fn folders(&self) -> Vec<PathBuf> {
        let folder = |place: &Place| match place {
            Place::Path(path) if path.is_dir() => path.clone(),
            Place::Path(path) => parent(path),
            Place::Pattern(pattern) => {
                let fixed: PathBuf = Path::new(pattern)
                    .components()
                    .take_while(|part| !part.as_os_str().to_string_lossy().contains(['*', '?', '[']))
                    .collect();
                if fixed.as_os_str().is_empty() { PathBuf::from(".") } else { fixed }
            }
        };
        self.places.iter().map(folder).collect()
    }

    /// All files there are, in the order of their paths, and how many found no room. `known` are paths that were followed
    /// under a name that is gone: what rotation made of them is looked for too.
    pub(super) fn list(&self, known: &[&Path]) -> (Vec<Found>, usize) {
        let mut found: BTreeMap<PathBuf, Found> = BTreeMap::new();
        let mut names: BTreeMap<PathBuf, BTreeSet<String>> = BTreeMap::new();
        let mut name = |path: &Path| {
            if let Some(name) = path.file_name().and_then(|name| name.to_str()) {
                names.entry(parent(path)).or_default().insert(name.to_owned());
            }
        };
        let mut over = 0;
        let mut take = |path: PathBuf, metadata: &Metadata, named: bool| {
            if found.len() < MAX_FILES || found.contains_key(&path) {
                found.entry(path.clone()).or_insert_with(|| Found::new(path, metadata, named));
            } else {
                over += 1;
            }
        };
        for place in &self.places {
            match place {
                Place::Path(path) => match fs::metadata(path) {
                    Ok(metadata) if metadata.is_dir() => {
                        for (path, metadata) in files_in(path) {
                            name(&path);
                            take(path, &metadata, true);
                        }
                    }
                    Ok(metadata) if metadata.is_file() => {
                        name(path);
                        take(path.clone(), &metadata, true);
                    }
                    // A device or socket is no log; what is missing may be renamed.
                    Ok(_) | Err(_) => name(path),
                },
                Place::Pattern(pattern) => {
                    let options = glob::MatchOptions {
                        case_sensitive: true,
                        require_literal_separator: true,
                        require_literal_leading_dot: true,
                    };
                    for path in glob::glob_with(pattern, options).into_iter().flatten().flatten() {
                        let Ok(metadata) = fs::metadata(&path) else { continue };
                        if metadata.is_file() {
                            name(&path);
                            take(path, &metadata, true);
                        }
                    }
                }
            }
        }
        for path in known {
            name(path);
        }
        for (folder, names) in &names {
            for (path, metadata) in files_in(folder) {
                let rotated = path
                    .file_name()
                    .and_then(|name| name.to_str())
                    .is_some_and(|name| rotated_from(name).iter().any(|original| names.contains(original)));
                if rotated {
                    take(path, &metadata, false);
                }
            }
        }
        (found.into_values().collect(), over)
    }
}

fn parent(path: &Path) -> PathBuf {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        Some(_) | None => PathBuf::from("."),
    }
}

/// The files directly in a folder, but for hidden ones. What cannot be looked at is as good as missing.
fn files_in(folder: &Path) -> impl Iterator<Item = (PathBuf, Metadata)> {
    let hidden = |path: &Path| path.file_name().is_none_or(|name| name.as_encoded_bytes().starts_with(b"."));
    fs::read_dir(folder).into_iter().flatten().flatten().filter_map(move |entry| {
        let path = entry.path();
        let metadata = fs::metadata(&path).ok()?;
        (metadata.is_file() && !hidden(&path)).then_some((path, metadata))
    })
}

/// The names that a file may have had before rotation gave it this one: `access.log` for `access.log.1`,
/// `access.log-20261126.gz`, `access-20261126.log` and `access.log.gz`.
fn rotated_from(name: &str) -> Vec<String> {
    let unpacked = [".gz", ".bz2", ".zst"].iter().find_map(|ending| name.strip_suffix(ending));
    let mut all: Vec<String> = unpacked.map(str::to_owned).into_iter().collect();
    let name = unpacked.unwrap_or(name);
    let mark = |text: &str| {
        ["old", "prev", "previous", "last", "bak"].contains(&text)
            || text.contains(|c: char| c.is_ascii_digit())
                && text.chars().all(|c| c.is_ascii_digit() || "-_.:TZ".contains(c))
    };
    let marks = |text: &str| -> Vec<usize> {
        text.match_indices(['.', '-', '_'])
            .filter(|(at, _)| *at > 0 && text.get(at + 1..).is_some_and(mark))
            .map(|(at, _)| at)
            .collect()
    };
    all.extend(marks(name).into_iter().filter_map(|at| name.get(..at)).map(str::to_owned));
    if let Some((stem, ending)) = name.rsplit_once('.') {
        let stems = marks(stem).into_iter().filter_map(|at| stem.get(..at));
        all.extend(stems.map(|stem| format!("{stem}.{ending}")));
    }
    all
}

/// Whether rotation may have made both names of one, in one folder or in one below it: only then may one file hold a copy
/// of what the other held. Logs of different names may well begin alike.
pub(super) fn are_related(one: &Path, other: &Path) -> bool {
    let (here, there) = (parent(one), parent(other));
    let near = here.starts_with(&there) || there.starts_with(&here);
    let names = |path: &Path| -> BTreeSet<String> {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        rotated_from(&name).into_iter().chain([name]).collect()
    };
    near && !names(one).is_disjoint(&names(other))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_before_rotation_is_among_those_told() {
        for (now, before) in [
            ("access.log.1", "access.log"),
            ("access.log.12.gz", "access.log"),
            ("access.log-20261126", "access.log"),
            ("access.log-20261126.zst", "access.log"),
            ("access.log.2026-11-26_23.bz2", "access.log"),
            ("access-20261126.log", "access.log"),
            ("access-2026-11-26T10:00:00Z.log.gz", "access.log"),
            ("access.log.old", "access.log"),
            ("access.log.gz", "access.log"),
        ] {
            assert!(rotated_from(now).contains(&before.to_owned()), "{now}: {:?}", rotated_from(now));
        }
        for (other, before) in
            [("access-admin.log", "access.log"), ("access.log", "access.log"), ("error.log.1", "access.log")]
        {
            assert!(!rotated_from(other).contains(&before.to_owned()), "{other}");
        }
    }

    #[test]
    fn only_what_rotation_names_alike_is_taken_for_a_copy() {
        for (one, other, related) in [
            ("/v/access.log.2.gz", "/v/access.log", true),
            ("/v/access.log.2.gz", "/v/access.log.1", true),
            ("/v/old/access-20261126.log", "/v/access.log.1", true),
            ("/v/a.log", "/v/b.log", false),
            ("/a/access.log", "/b/access.log.1", false),
        ] {
            assert_eq!(are_related(Path::new(one), Path::new(other)), related, "{one} {other}");
            assert_eq!(are_related(Path::new(other), Path::new(one)), related, "{other} {one}");
        }
    }

    #[test]
    fn a_place_is_a_file_a_folder_or_a_pattern() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for name in ["a.log", "a.log.1", "b.log", "b-admin.log", ".hidden.log", "c.txt"] {
            fs::write(at(name), name).unwrap();
        }
        fs::create_dir(at("d.log")).unwrap();
        let list = |paths: &[PathBuf], known: &[&Path]| -> Vec<(String, bool)> {
            let (found, over) = FileSettings::new(paths, false).unwrap().list(known);
            assert_eq!(over, 0);
            let name = |found: &Found| found.path.file_name().unwrap().to_str().unwrap().to_owned();
            found.iter().map(|found| (name(found), found.named)).collect()
        };
        let named = |names: &[(&str, bool)]| -> Vec<(String, bool)> {
            names.iter().map(|(name, named)| ((*name).to_owned(), *named)).collect()
        };
        assert_eq!(list(&[at("a.log")], &[]), named(&[("a.log", true), ("a.log.1", false)]));
        assert_eq!(
            list(&[at("*.log")], &[]),
            named(&[("a.log", true), ("a.log.1", false), ("b-admin.log", true), ("b.log", true)])
        );
        assert_eq!(list(&[folder.path().to_owned()], &[]).len(), 5);
        // What was followed under a name that is gone is found under the new one.
        fs::rename(at("b.log"), at("b.log.1")).unwrap();
        assert_eq!(list(&[at("c.txt")], &[&at("b.log")]), named(&[("b.log.1", false), ("c.txt", true)]));
        let bad = FileSettings::new(&[at("a"), at("[")], false).unwrap_err();
        assert_eq!(bad.number, 1);
        assert_eq!(FileSettings::new(&[at("*/x.log")], false).unwrap().folders(), [folder.path()]);
    }
}
