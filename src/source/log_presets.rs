//! Presets of a user's own, from files and folders.

use crate::access_log::{Catalogue, Preset};
use crate::problem::Problems;
use std::path::{Path, PathBuf};

/// A file that is larger is no preset.
const MAX_BYTES: u64 = 1 << 20;

/// The presets that are compiled in, and those of these YAML files and folders of them. All that is wrong is told at
/// once; two files of the same id are, too.
pub fn load(paths: &[PathBuf]) -> Result<Catalogue, Problems> {
    let mut problems = Problems::default();
    let mut presets: Vec<(String, Preset)> = Vec::new();
    let files: Vec<PathBuf> = paths.iter().flat_map(|path| files(path, &mut problems)).collect();
    for file in files {
        let name = file.display().to_string();
        let text = match std::fs::metadata(&file).and_then(|meta| {
            if meta.len() > MAX_BYTES {
                Err(std::io::ErrorKind::FileTooLarge.into())
            } else {
                std::fs::read_to_string(&file)
            }
        }) {
            Ok(text) => text,
            Err(error) => {
                problems.push(&name, "", error.to_string());
                continue;
            }
        };
        match Preset::load(&name, &text) {
            Ok(preset) => {
                if let Some((other, _)) = presets.iter().find(|(_, other)| other.id == preset.id) {
                    problems.push(&name, "id", format!("is that of {other}, too"));
                }
                presets.push((name, preset));
            }
            Err(more) => problems.absorb(more),
        }
    }
    problems.into_result(Catalogue::with(presets.into_iter().map(|(_, preset)| preset)))
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

#[cfg(test)]
mod tests {
    use super::*;

    const MINE: &str = "id: mine\ntitle: mine\nformat: '$msec|$request|$status'\nexamples: ['1776211206|GET /a HTTP/1.1|200']\n";

    #[test]
    fn presets_come_from_files_and_folders_and_all_that_is_wrong_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        write("a.yaml", MINE);
        write("readme.md", "no preset");
        let catalogue = load(&[folder.path().to_owned()]).unwrap();
        assert!(catalogue.named("mine").is_some() && catalogue.named("envoy").is_some());
        assert!(catalogue.self_test().is_empty());
        let bad = write("b.yml", "id: mine\ntitle: b\nformat: hello\n");
        let again = write("c.yml", MINE);
        let told =
            load(&[folder.path().to_owned(), folder.path().join("none.yaml")]).unwrap_err().to_string();
        for expected in [
            format!("{}: format: names no field", bad.display()),
            format!("{}: id: is that of", again.display()),
            "none.yaml: No such file".to_owned(),
        ] {
            assert!(told.contains(&expected), "{expected} is not in {told}");
        }
    }
}
