//! `--spec`, `--descriptors`, `--templates`, `--ownership` and `--dispositions`: documents from files and folders, and
//! what people have decided on templates, tell of services and have decided on findings.

use crate::finding::Dispositions;
use crate::inventory::ownership::Ownership;
use crate::inventory::rulings::Rulings;
use crate::problem::Problems;
use crate::spec::{Descriptors, DocumentSet, Methods};
use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Largest document that is read.
const MAX_BYTES: u64 = 64 << 20;
/// How deep folders are searched.
const MAX_DEPTH: usize = 16;

/// What is looked for in a folder.
struct Wanted {
    endings: &'static [&'static str],
    /// What it is called.
    name: &'static str,
}

const SPECS: Wanted = Wanted { endings: &["yaml", "yml", "json"], name: "YAML or JSON document" };
const DESCRIPTORS: Wanted = Wanted {
    endings: &["proto", "binpb", "pb", "protoset", "desc", "fds"],
    name: ".proto source or descriptor set (.binpb, .pb, .protoset, .desc, .fds)",
};

/// The documents and methods of these files and folders. What is wrong with them is told in words; the rest is used.
pub(super) fn read(
    specs: &[PathBuf],
    descriptors: &[PathBuf],
    complaints: &mut Vec<String>,
) -> Result<(DocumentSet, Arc<Methods>)> {
    let files = load(specs, &SPECS, complaints)?;
    let told = load(descriptors, &DESCRIPTORS, complaints)?;
    Ok(join(files, told, complaints))
}

/// The documents of these files and folders, those that are not there among what is wrong.
pub(super) fn all_of(
    specs: &[PathBuf],
    descriptors: &[PathBuf],
    complaints: &mut Vec<String>,
) -> DocumentSet {
    let mut each = |paths: &[PathBuf], wanted: &Wanted| {
        let mut files = Vec::new();
        for path in paths {
            match load(std::slice::from_ref(path), wanted, complaints) {
                Ok(read) => files.extend(read),
                Err(error) => complaints.push(super::output::in_words(&error)),
            }
        }
        files
    };
    let (files, told) = (each(specs, &SPECS), each(descriptors, &DESCRIPTORS));
    join(files, told, complaints).0
}

/// Files with their bytes.
type Files = Vec<(String, Vec<u8>)>;

fn join(specs: Files, descriptors: Files, complaints: &mut Vec<String>) -> (DocumentSet, Arc<Methods>) {
    let descriptors = described(descriptors, complaints);
    let (documents, problems) = DocumentSet::load_with(specs, &descriptors);
    complaints.extend(problems.as_slice().iter().map(ToString::to_string));
    (documents, Arc::clone(descriptors.methods()))
}

#[cfg(feature = "grpc")]
fn described(files: Files, complaints: &mut Vec<String>) -> Descriptors {
    let (descriptors, problems) = Descriptors::load(files);
    complaints.extend(problems.as_slice().iter().map(ToString::to_string));
    descriptors
}

#[cfg(not(feature = "grpc"))]
fn described(files: Files, complaints: &mut Vec<String>) -> Descriptors {
    let untold = "not read: this build reads no descriptors; build with the feature 'grpc'";
    complaints.extend(files.into_iter().map(|(name, _)| format!("{name}: {untold}")));
    Descriptors::default()
}

/// The files named, and those in the folders named, with their bytes. What a folder holds beside what is wanted is
/// passed over. What cannot be read is told in words; the rest goes on.
fn load(paths: &[PathBuf], wanted: &Wanted, complaints: &mut Vec<String>) -> Result<Files> {
    let mut files = Vec::new();
    for path in paths {
        let known = fs::metadata(path).with_context(|| format!("open the document {}", path.display()))?;
        if known.is_dir() {
            let before = files.len();
            folder(path, 0, wanted, &mut files, complaints);
            if files.len() == before {
                complaints.push(format!("{}: no {} in this folder", path.display(), wanted.name));
            }
        } else {
            file(path, known.len(), &mut files, complaints);
        }
    }
    Ok(files)
}

/// What operators have decided on templates.
pub(super) fn rulings(path: Option<&Path>, complaints: &mut Vec<String>) -> Result<Rulings> {
    of_people(path, "templates", Rulings::read, complaints)
}

/// What operators tell of services.
pub(super) fn ownership(path: Option<&Path>, complaints: &mut Vec<String>) -> Result<Ownership> {
    of_people(path, "ownership", Ownership::read, complaints)
}

/// What people have decided on findings.
pub(super) fn dispositions(path: Option<&Path>, complaints: &mut Vec<String>) -> Result<Dispositions> {
    of_people(path, "dispositions", Dispositions::read, complaints)
}

/// A file that people write, if there is one. What is wrong with it is told in words; the rest goes on.
fn of_people<T: Default>(
    path: Option<&Path>,
    what: &str,
    read: fn(&str, &[u8]) -> (T, Problems),
    complaints: &mut Vec<String>,
) -> Result<T> {
    let Some(path) = path else { return Ok(T::default()) };
    let bytes = fs::read(path).with_context(|| format!("read the {what} {}", path.display()))?;
    let (told, problems) = read(&path.display().to_string(), &bytes);
    complaints.extend(problems.as_slice().iter().map(ToString::to_string));
    Ok(told)
}

fn folder(path: &Path, depth: usize, wanted: &Wanted, files: &mut Files, complaints: &mut Vec<String>) {
    let entries = match fs::read_dir(path) {
        Ok(entries) => entries,
        Err(error) => return complaints.push(format!("{}: {error}", path.display())),
    };
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| entry.ok().map(|entry| entry.path())).collect();
    paths.sort();
    for path in paths {
        let Ok(known) = fs::metadata(&path) else { continue };
        let is_document = path
            .extension()
            .is_some_and(|ending| wanted.endings.iter().any(|known| ending.eq_ignore_ascii_case(known)));
        if known.is_dir() {
            if depth < MAX_DEPTH {
                folder(&path, depth + 1, wanted, files, complaints);
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
