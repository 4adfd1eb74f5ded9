//! YAML files that a user names, alone or by their folder: presets of logs, packs of signatures.

use crate::problem::Problems;
use std::path::{Path, PathBuf};

/// A file that is larger is none of these.
const MAX_BYTES: u64 = 1 << 20;

/// Each file's name and text. What cannot be read is told, and the rest is read.
pub fn read(paths: &[PathBuf], problems: &mut Problems) -> Vec<(String, String)> {
    let files: Vec<PathBuf> = paths.iter().flat_map(|path| files(path, problems)).collect();
    let mut texts = Vec::new();
    for file in files {
        let name = file.display().to_string();
        let text = std::fs::metadata(&file).and_then(|meta| {
            if meta.len() > MAX_BYTES {
                Err(std::io::ErrorKind::FileTooLarge.into())
            } else {
                std::fs::read_to_string(&file)
            }
        });
        match text {
            Ok(text) => texts.push((name, text)),
            Err(error) => problems.push(&name, "", error.to_string()),
        }
    }
    texts
}

/// The file itself, or the YAML files of a folder in the order of their names.
fn files(path: &Path, problems: &mut Problems) -> Vec<PathBuf> {
    if !path.is_dir() {
        return vec![path.to_owned()];
    }
    let is_yaml = |file: &PathBuf| file.extension().is_some_and(|ending| ending == "yaml" || ending == "yml");
    match std::fs::read_dir(path) {
        Ok(entries) => {
            let mut files: Vec<PathBuf> =
                entries.flatten().map(|entry| entry.path()).filter(is_yaml).collect();
            files.sort();
            if files.is_empty() {
                problems.push(&path.display().to_string(), "", "holds no YAML file");
            }
            files
        }
        Err(error) => {
            problems.push(&path.display().to_string(), "", error.to_string());
            Vec::new()
        }
    }
}
