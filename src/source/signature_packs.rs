//! Packs of data-class signatures of a user's own, from files and folders.

use super::yaml_files;
use crate::classify::{Classifier, Pack};
use crate::problem::Problems;
use std::path::PathBuf;
use std::sync::Arc;

/// The classifier of the packs that are compiled in, and those of these YAML files and folders of them, which replace
/// built-in signatures by id. All that is wrong is told at once.
pub fn load(paths: &[PathBuf]) -> Result<Arc<Classifier>, Problems> {
    if paths.is_empty() {
        return Ok(Classifier::built_in());
    }
    let mut problems = Problems::default();
    let files = yaml_files::read(paths, &mut problems);
    let packs: Vec<Pack<'_>> = files.iter().map(|(name, text)| Pack { name, text }).collect();
    match Classifier::new(&packs) {
        Ok(classifier) => problems.into_result(Arc::new(classifier)),
        Err(more) => {
            problems.absorb(more);
            Err(problems)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packs_come_from_files_and_folders_and_all_that_is_wrong_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, keys: &str| {
            let text = format!(
                "family: mine\nsignatures:\n- {{class: mine.{name}, tier: 2, shape: '^[0-9]{{4}}$', keys: [{keys}]}}\n"
            );
            std::fs::write(folder.path().join(format!("{name}.yaml")), text).unwrap();
        };
        write("a", "badge");
        write("b", "locker");
        let classifier = load(&[folder.path().to_owned()]).unwrap();
        assert!(classifier.find("mine.a").is_some() && classifier.find("mine.b").is_some());
        assert!(classifier.find("fin.iban").is_some());
        std::fs::write(folder.path().join("c.yaml"), "family: c\nsignatures: [{class: c}]\n").unwrap();
        let told = load(&[folder.path().to_owned(), "none.yaml".into()]).unwrap_err().to_string();
        for expected in ["none.yaml: No such file", "c.yaml: signatures[0] (c): missing field"] {
            assert!(told.contains(expected), "{expected} is not in {told}");
        }
    }
}
