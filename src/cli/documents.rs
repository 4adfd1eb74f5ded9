//! `--spec`: documents from files and folders.

use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};

/// Largest document that is read.
const MAX_BYTES: u64 = 64 << 20;
/// How deep folders are searched.
const MAX_DEPTH: usize = 16;

/// The files named, and those in the folders named, with their bytes. What a folder holds beside YAML and
/// JSON is passed over. What cannot be read is told in words; the rest goes on.
pub(super) fn load(paths: &[PathBuf], complaints: &mut Vec<String>) -> Result<Vec<(String, Vec<u8>)>> {
    let mut files = Vec::new();
    for path in paths {
        let known = fs::metadata(path).with_context(|| format!("open the document {}", path.display()))?;
        if known.is_dir() {
            let before = files.len();
            folder(path, 0, &mut files, complaints);
            if files.len() == before {
                complaints.push(format!("{}: no YAML or JSON document in this folder", path.display()));
            }
        } else {
            file(path, known.len(), &mut files, complaints);
        }
    }
    Ok(files)
}

fn folder(path: &Path, depth: usize, files: &mut Vec<(String, Vec<u8>)>, complaints: &mut Vec<String>) {
    let entries = match fs::read_dir(path) {
        Ok(entries) => entries,
        Err(error) => return complaints.push(format!("{}: {error}", path.display())),
    };
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| entry.ok().map(|entry| entry.path())).collect();
    paths.sort();
    for path in paths {
        let Ok(known) = fs::metadata(&path) else { continue };
        let is_document = path.extension().is_some_and(|ending| {
            ["yaml", "yml", "json"].iter().any(|known| ending.eq_ignore_ascii_case(known))
        });
        if known.is_dir() {
            if depth < MAX_DEPTH {
                folder(&path, depth + 1, files, complaints);
            }
        } else if is_document {
            file(&path, known.len(), files, complaints);
        }
    }
}

fn file(path: &Path, length: u64, files: &mut Vec<(String, Vec<u8>)>, complaints: &mut Vec<String>) {
    if length > MAX_BYTES {
        return complaints.push(format!("{}: larger than {} MiB, not read", path.display(), MAX_BYTES >> 20));
    }
    match fs::read(path) {
        Ok(bytes) => files.push((path.display().to_string(), bytes)),
        Err(error) => complaints.push(format!("{}: {error}", path.display())),
    }
}
