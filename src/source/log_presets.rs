//! Presets of a user's own, from files and folders.

use super::yaml_files;
use crate::access_log::{Catalogue, Preset};
use crate::problem::Problems;
use std::path::PathBuf;

/// The presets that are compiled in, and those of these YAML files and folders of them. All that is wrong is told at
/// once; two files of the same id are, too.
pub fn load(paths: &[PathBuf]) -> Result<Catalogue, Problems> {
    let mut problems = Problems::default();
    let files = yaml_files::read(paths, &mut problems);
    match of_texts(&files) {
        Ok(catalogue) => problems.into_result(catalogue),
        Err(more) => {
            problems.absorb(more);
            Err(problems)
        }
    }
}

/// The same of texts, each behind its name.
pub fn of_texts(files: &[(String, String)]) -> Result<Catalogue, Problems> {
    let mut problems = Problems::default();
    let mut presets: Vec<(&str, Preset)> = Vec::new();
    for (name, text) in files {
        match Preset::load(name, text) {
            Ok(preset) => {
                if let Some((other, _)) = presets.iter().find(|(_, other)| other.id == preset.id) {
                    problems.push(name, "id", format!("is that of {other}, too"));
                }
                presets.push((name, preset));
            }
            Err(more) => problems.absorb(more),
        }
    }
    problems.into_result(Catalogue::with(presets.into_iter().map(|(_, preset)| preset)))
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
