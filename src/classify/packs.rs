//! Signature packs: the YAML files that say which keys and values mean which data class.
//!
//! The built-in packs are compiled in from `signatures/`; a user's packs add to them and replace what has
//! the same id. `signatures/README.md` describes the format. Unknown keys are refused and every problem of
//! every pack is reported at once.

use super::checks::Check;
use crate::problem::Problems;
use serde::Deserialize;
use std::collections::BTreeMap;

/// One YAML file: its name for messages, and its text.
#[derive(Clone, Copy, Debug)]
pub struct Pack<'a> {
    /// The file's name.
    pub name: &'a str,
    /// The YAML.
    pub text: &'a str,
}

macro_rules! packs {
    ($($file:literal),* $(,)?) => {
        /// The packs that are compiled in.
        pub const BUILT_IN: &[Pack<'static>] =
            &[$(Pack { name: $file, text: include_str!(concat!("../../signatures/", $file)) },)*];
    };
}

packs![
    "contact.yaml",
    "device.yaml",
    "health.yaml",
    "national_ids.yaml",
    "payment.yaml",
    "person.yaml",
    "secrets.yaml",
    "special.yaml"
];

/// The words that the built-in packs share.
pub const BUILT_IN_WORDS: Pack<'static> =
    Pack { name: "words.yaml", text: include_str!("../../signatures/words.yaml") };

/// Key phrases: a list, or comma-separated lines by language.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(untagged)]
enum Phrases {
    #[default]
    None,
    List(Vec<String>),
    Line(String),
    ByLanguage(BTreeMap<String, String>),
}

impl Phrases {
    fn all(&self) -> Vec<String> {
        let split =
            |line: &String| line.split(',').map(|phrase| phrase.trim().to_owned()).collect::<Vec<_>>();
        let mut all: Vec<String> = match self {
            Self::None => Vec::new(),
            Self::List(list) => list.clone(),
            Self::Line(line) => split(line),
            Self::ByLanguage(lines) => lines.values().flat_map(split).collect(),
        };
        all.retain(|phrase| !phrase.is_empty());
        all
    }
}

/// A signature as a file has it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SignatureFile {
    id: Option<String>,
    class: String,
    tier: u8,
    #[serde(default)]
    regulations: Vec<String>,
    check: Option<String>,
    shape: Option<String>,
    chance: Option<f32>,
    #[serde(default)]
    alone: bool,
    #[serde(default)]
    keys: Phrases,
    #[serde(default)]
    hints: Phrases,
    #[serde(default)]
    under: Phrases,
    #[serde(default)]
    veto: Phrases,
    #[serde(default)]
    not_under: Phrases,
    #[serde(default)]
    matches: Vec<String>,
    #[serde(default)]
    rejects: Vec<String>,
}

/// The words that are not any signature's own.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct WordsFile {
    #[serde(default)]
    stops: Phrases,
    #[serde(default)]
    roles: Phrases,
    #[serde(default)]
    metas: Phrases,
    #[serde(default)]
    things: Phrases,
    #[serde(default)]
    generic: Phrases,
    #[serde(default)]
    skeletons: Phrases,
    #[serde(default)]
    same: Vec<String>,
}

/// A pack as a file has it; signatures are read one by one, so that each can complain.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a pack: a map with `family` and `signatures`")]
struct PackFile {
    #[serde(rename = "family")]
    _family: String,
    signatures: Vec<serde_norway::Value>,
}

/// The words that are not any signature's own. See `signatures/README.md`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Words {
    /// Ignored in phrases and keys: of, de, the.
    pub(crate) stops: Vec<String>,
    /// Say whose, not what: customer, debtor, primary.
    pub(crate) roles: Vec<String>,
    /// Say that the value is about the thing, not the thing: count, type, verified.
    pub(crate) metas: Vec<String>,
    /// Name other things that have numbers and names: order, product, merchant.
    pub(crate) things: Vec<String>,
    /// Say nothing: value, identification, number.
    pub(crate) generic: Vec<String>,
    /// Words that are abbreviated by leaving out vowels.
    pub(crate) skeletons: Vec<String>,
    /// `(word, word it stands for)`.
    pub(crate) same: Vec<(String, String)>,
}

/// What a value of a signature looks like, beside its key.
#[derive(Clone, Debug)]
pub(crate) enum Proof {
    /// A compiled-in check.
    Check(Check),
    /// An anchored pattern.
    Shape(Box<regex_automata::meta::Regex>),
    /// A check and an anchored pattern.
    Both(Check, Box<regex_automata::meta::Regex>),
}

impl Proof {
    /// Whether `value` passes.
    pub(crate) fn passes(&self, value: &[u8]) -> bool {
        match self {
            Self::Check(check) => check.passes(value),
            Self::Shape(shape) => value.len() <= 512 && shape.is_match(value),
            Self::Both(check, shape) => check.passes(value) && value.len() <= 512 && shape.is_match(value),
        }
    }

    /// The check, when there is one.
    pub(crate) const fn check(&self) -> Option<Check> {
        match self {
            Self::Check(check) | Self::Both(check, _) => Some(*check),
            Self::Shape(_) => None,
        }
    }
}

/// A signature, ready for use.
#[derive(Clone, Debug)]
pub(crate) struct Signature {
    /// The name of the pack it is in.
    pub(crate) pack: String,
    pub(crate) id: String,
    pub(crate) class: String,
    pub(crate) tier: u8,
    pub(crate) regulations: Vec<String>,
    pub(crate) proof: Proof,
    pub(crate) chance: f32,
    pub(crate) alone: bool,
    pub(crate) keys: Vec<String>,
    pub(crate) hints: Vec<String>,
    /// `(ancestor, leaf)`.
    pub(crate) under: Vec<(String, String)>,
    pub(crate) veto: Vec<String>,
    pub(crate) not_under: Vec<String>,
    /// `(key path, value)` that must be found to be of the class.
    pub(crate) matches: Vec<(String, String)>,
    /// `(key path, value)` that must not.
    pub(crate) rejects: Vec<(String, String)>,
}

/// Reads packs; later ones replace signatures of earlier ones by id.
pub(crate) fn load(packs: &[Pack<'_>]) -> Result<Vec<Signature>, Problems> {
    let mut problems = Problems::default();
    let mut all: Vec<Signature> = Vec::new();
    for pack in packs {
        let file: PackFile = match serde_norway::from_str(pack.text) {
            Ok(file) => file,
            Err(error) => {
                problems.push(pack.name, "", error.to_string());
                continue;
            }
        };
        let mut mine: Vec<Signature> = Vec::new();
        for (at, value) in file.signatures.into_iter().enumerate() {
            let place = match value.get("id").or_else(|| value.get("class")).and_then(|id| id.as_str()) {
                Some(id) => format!("signatures[{at}] ({id})"),
                None => format!("signatures[{at}]"),
            };
            match serde_norway::from_value::<SignatureFile>(value) {
                Ok(file) => {
                    let Some(signature) = ready(file, pack.name, &place, &mut problems) else { continue };
                    if mine.iter().any(|known| known.id == signature.id) {
                        problems.push(pack.name, place, "the id is used twice in this pack");
                        continue;
                    }
                    mine.push(signature);
                }
                Err(error) => problems.push(pack.name, place, error.to_string()),
            }
        }
        for signature in mine {
            match all.iter_mut().find(|known| known.id == signature.id) {
                Some(known) => *known = signature,
                None => all.push(signature),
            }
        }
    }
    tell_duplicates(&all, &mut problems);
    problems.into_result(all)
}

fn ready(file: SignatureFile, name: &str, place: &str, problems: &mut Problems) -> Option<Signature> {
    let before = problems.as_slice().len();
    let mut complain = |message: String| problems.push(name, place, message);
    if !(1..=4).contains(&file.tier) {
        complain("tier must be 1 to 4".to_owned());
    }
    if file.class.is_empty()
        || !file.class.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "._".contains(c))
    {
        complain("class must be words of a-z, 0-9 and _ with dots between".to_owned());
    }
    let check = match &file.check {
        Some(check) => {
            let found = Check::named(check);
            if found.is_none() {
                complain(format!("there is no check called {check:?}"));
            }
            found
        }
        None => None,
    };
    let shape = match &file.shape {
        Some(shape) if !is_anchored(shape) => {
            complain("shape must be anchored: begin with ^ and end with $, each alternative, too".to_owned());
            None
        }
        Some(shape) => match regex_automata::meta::Regex::new(shape) {
            Ok(regex) => Some(Box::new(regex)),
            Err(error) => {
                complain(format!("shape is not a pattern: {error}"));
                None
            }
        },
        None => None,
    };
    let proof = match (check, shape) {
        (Some(check), None) => Some(Proof::Check(check)),
        (None, Some(shape)) => Some(Proof::Shape(shape)),
        (Some(check), Some(shape)) => Some(Proof::Both(check, shape)),
        (None, None) => {
            if file.check.is_none() && file.shape.is_none() {
                complain("needs a check or a shape".to_owned());
            }
            None
        }
    };
    let chance = file.chance.unwrap_or_else(|| check.map_or(0.3, Check::chance));
    if !(chance > 0.0 && chance < 1.0) {
        complain("chance must lie between 0 and 1".to_owned());
    }
    let mut pairs = |lines: &[String], what: &str, separator: &str| {
        let mut pairs = Vec::new();
        for line in lines {
            match line.split_once(separator) {
                Some((left, right)) => pairs.push((left.trim().to_owned(), right.trim().to_owned())),
                None => complain(format!("{what} needs {:?} in the middle", separator.trim())),
            }
        }
        pairs
    };
    let under = pairs(&file.under.all(), "under", " > ");
    let matches = pairs(&file.matches, "matches", " = ");
    let rejects = pairs(&file.rejects, "rejects", " = ");
    let (keys, hints) = (file.keys.all(), file.hints.all());
    if keys.is_empty() && hints.is_empty() && under.is_empty() && !file.alone {
        complain("can never match: needs keys, hints, under or alone".to_owned());
    }
    if file.alone && !check.is_some_and(Check::tells_alone) {
        complain("alone needs a check whose values tell by themselves, such as iban or luhn_iin".to_owned());
    }
    if problems.as_slice().len() > before {
        return None;
    }
    Some(Signature {
        pack: name.to_owned(),
        id: file.id.unwrap_or_else(|| file.class.clone()),
        class: file.class,
        tier: file.tier,
        regulations: file.regulations,
        proof: proof?,
        chance,
        alone: file.alone,
        keys,
        hints,
        under,
        veto: file.veto.all(),
        not_under: file.not_under.all(),
        matches,
        rejects,
    })
}

/// Whether a pattern can only match whole values. One that is no pattern is for others to refuse.
fn is_anchored(shape: &str) -> bool {
    use regex_syntax::hir::Look;
    regex_syntax::parse(shape).map_or(true, |pattern| {
        let properties = pattern.properties();
        properties.look_set_prefix().contains(Look::Start) && properties.look_set_suffix().contains(Look::End)
    })
}

/// Tells of each phrase that is a key of two classes with the same check: one of them could never be found by it.
pub(crate) fn tell_duplicates(signatures: &[Signature], problems: &mut Problems) {
    let mut known: BTreeMap<(Vec<String>, Check), &Signature> = BTreeMap::new();
    for signature in signatures {
        let Some(check) = signature.proof.check() else { continue };
        for phrase in &signature.keys {
            let mut words = super::tokens::words(phrase);
            words.sort_unstable();
            words.dedup();
            let other = *known.entry((words, check)).or_insert(signature);
            if other.class != signature.class {
                problems.push(
                    &signature.pack,
                    signature.id.as_str(),
                    format!("the key {phrase:?} is one of {}, too, with the same check", other.id),
                );
            }
        }
    }
}

/// Reads the shared words.
pub(crate) fn load_words(pack: Pack<'_>) -> Result<Words, Problems> {
    match serde_norway::from_str::<WordsFile>(pack.text) {
        Ok(file) => Ok(Words {
            stops: file.stops.all(),
            roles: file.roles.all(),
            metas: file.metas.all(),
            things: file.things.all(),
            generic: file.generic.all(),
            skeletons: file.skeletons.all(),
            same: file
                .same
                .iter()
                .filter_map(|line| line.split_once('='))
                .flat_map(|(word, others)| {
                    others.split(',').map(|other| (other.trim().to_owned(), word.trim().to_owned()))
                })
                .collect(),
        }),
        Err(error) => {
            let mut problems = Problems::default();
            problems.push(pack.name, "", error.to_string());
            Err(problems)
        }
    }
}

/// What a pack was tested with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tested {
    /// The pack's name.
    pub pack: String,
    /// Its signatures, those that a later pack replaced left out.
    pub signatures: usize,
    /// Examples that must match.
    pub matches: usize,
    /// Examples that must not.
    pub rejects: usize,
}

/// Runs the examples of the built-in packs and these against all signatures: what was tried, or all that fails.
pub fn self_test(user: &[Pack<'_>]) -> Result<Vec<Tested>, Problems> {
    let classifier = super::Classifier::new(user)?;
    let problems = classifier.test_examples();
    problems.into_result(classifier.tested())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_packs_hold_what_they_say() {
        let tested = self_test(&[]).unwrap_or_else(|problems| panic!("{problems}"));
        assert_eq!(tested.len(), BUILT_IN.len());
        assert!(tested.iter().all(|tested| tested.matches >= tested.signatures && tested.rejects > 0));
    }

    #[test]
    fn every_problem_of_a_pack_is_told_at_once() {
        let text = "family: x\nsignatures:\n- {class: a.b, tier: 9, check: nope, keys: [k]}\n\
            - {class: a.c, tier: 1, shape: 'x+', keys: [k], colour: red}\n- {class: a.d, tier: 1, shape: 'x+', keys: [k]}\n";
        let problems = load(&[Pack { name: "mine.yaml", text }]).unwrap_err().to_string();
        for part in ["tier must be", "no check called", "unknown field `colour`", "must be anchored"] {
            assert!(problems.contains(part), "{part}: {problems}");
        }
    }

    #[test]
    fn what_could_not_work_is_refused() {
        for (signatures, expected) in [
            ("- {class: a.b, tier: 1, shape: '^x|y$', keys: [k]}", "must be anchored"),
            ("- {class: a.b, tier: 1, shape: '^x$', alone: true}", "alone needs a check"),
            ("- {class: a.b, tier: 1, check: otp, alone: true}", "alone needs a check"),
            ("- {class: a.b, tier: 1, keys: [k]}", "needs a check or a shape"),
            ("- {class: a.b, tier: 1, shape: '^x$'}", "can never match"),
            (
                "- {class: a.b, tier: 1, check: otp, keys: [badge code]}\n- {class: a.c, tier: 1, check: otp, keys: [code badge]}",
                "the key \"code badge\" is one of a.b, too",
            ),
            (
                "- {class: a.b, tier: 1, shape: '^x$', keys: [k]}\n- {class: a.b, tier: 1, shape: '^y$', keys: [l]}",
                "the id is used twice",
            ),
        ] {
            let text = format!("family: x\nsignatures:\n{signatures}\n");
            let told = load(&[Pack { name: "mine.yaml", text: &text }]).unwrap_err().to_string();
            assert!(told.contains(expected), "{expected} is not in {told}");
        }
        let whole = "family: x\nsignatures:\n- {class: a.b, tier: 1, shape: '^(?:x|y)$', keys: [k]}\n";
        assert!(load(&[Pack { name: "mine.yaml", text: whole }]).is_ok());
    }
}
