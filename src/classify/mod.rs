//! Data classes: what the values of an exchange are, judged by key, shape and validator.
//!
//! A [`Classifier`] is built once from signature packs and shared by all shards. It says of a key which
//! classes it suggests ([`Classifier::key`], once per field) and of a value which it may be
//! ([`Classifier::classify`], for every value). What comes of it is counted in [`FieldEvidence`], which merges in
//! any order and keeps no value, unless [`constants`] were asked for. [`evidence::judge`] turns the counts of a field into a confidence and a
//! state; [`Classifier::reason`] says why in words.

mod again;
pub mod checks;
pub mod constants;
pub mod evidence;
pub mod formats;
pub mod keys;
pub mod packs;
mod scan;
pub mod tokens;

pub use constants::Constants;
pub use evidence::{ClassEvidence, Fate, FieldEvidence, FieldTable, Hit, Judgement, Location, State};
pub use keys::{Candidate, KeyVerdict, Role};
pub(crate) use scan::{is_dull_number, tells_nothing};

use crate::payload::JsonType;
use crate::problem::Problems;
use checks::Check;
use keys::KeyIndex;
pub use packs::Pack;
use packs::Signature;
use std::sync::{Arc, Mutex, OnceLock};

/// A data class's number in its classifier: the built-in ones first, by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub struct ClassId(pub u8);

/// A set of data classes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClassSet(u128);

impl ClassSet {
    /// Adds all classes of another set.
    pub const fn insert_all(&mut self, other: Self) {
        self.0 |= other.0;
    }

    /// The classes that another set does not have.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Adds a class.
    pub const fn insert(&mut self, class: ClassId) {
        self.0 |= 1 << (class.0 & 127);
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The classes, by number.
    pub fn iter(self) -> impl Iterator<Item = ClassId> {
        let mut left = self.0;
        std::iter::from_fn(move || {
            let class = u8::try_from(left.trailing_zeros()).ok().filter(|class| *class < 128)?;
            left &= left - 1;
            Some(ClassId(class))
        })
    }
}

/// A data class.
#[derive(Clone, Debug)]
pub struct Class {
    /// Its stable name: `fin.iban`.
    pub name: &'static str,
    /// How sensitive: 4 most, 1 least.
    pub tier: u8,
    /// What regulates it.
    pub regulations: Vec<String>,
}

/// A signature whose values tell by themselves.
#[derive(Clone, Copy, Debug)]
struct Alone {
    signature: u16,
    class: ClassId,
    chance_ppm: u32,
}

/// Signatures, ready to judge keys and values. See the module's doc.
#[derive(Debug)]
pub struct Classifier {
    classes: Vec<Class>,
    signatures: Vec<(Signature, ClassId, u32)>,
    alone: Vec<Option<Alone>>,
    keys: KeyIndex,
}

impl Classifier {
    /// A classifier of the built-in packs and the user's, whose signatures replace built-in ones by id.
    pub fn new(user: &[Pack<'_>]) -> Result<Self, Problems> {
        let built_in = packs::load(packs::BUILT_IN)?;
        let words = packs::load_words(packs::BUILT_IN_WORDS)?;
        let all: Vec<Pack<'_>> = packs::BUILT_IN.iter().chain(user).copied().collect();
        let signatures = packs::load(&all)?;
        let mut names: Vec<&str> = built_in.iter().map(|signature| signature.class.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        let mut added: Vec<&str> = signatures
            .iter()
            .map(|signature| signature.class.as_str())
            .filter(|class| !names.contains(class))
            .collect();
        added.sort_unstable();
        added.dedup();
        names.extend(added);
        if names.len() > 128 {
            let mut problems = Problems::default();
            problems.push("", "", format!("{} data classes are more than 128", names.len()));
            return Err(problems);
        }
        let classes: Vec<Class> = names
            .iter()
            .map(|name| {
                let mine = || signatures.iter().filter(|signature| signature.class == *name);
                let mut regulations: Vec<String> =
                    mine().flat_map(|signature| signature.regulations.clone()).collect();
                regulations.sort();
                regulations.dedup();
                Class {
                    name: intern(name),
                    tier: mine().map(|signature| signature.tier).max().unwrap_or(1),
                    regulations,
                }
            })
            .collect();
        let keys = KeyIndex::new(&signatures, &words);
        let signatures: Vec<(Signature, ClassId, u32)> = signatures
            .into_iter()
            .map(|signature| {
                let at = classes.iter().position(|class| class.name == signature.class).unwrap_or_default();
                let chance_ppm = to_ppm(signature.chance);
                (signature, ClassId(u8::try_from(at).unwrap_or_default()), chance_ppm)
            })
            .collect();
        let mut alone = vec![None; Check::ALL.len()];
        for (at, (signature, class, chance_ppm)) in signatures.iter().enumerate() {
            let Some(check) =
                signature.proof.check().filter(|check| signature.alone || *check == Check::Phone)
            else {
                continue;
            };
            if let Some(slot) = alone.get_mut(check as usize) {
                slot.get_or_insert(Alone {
                    signature: u16::try_from(at).unwrap_or(u16::MAX),
                    class: *class,
                    chance_ppm: *chance_ppm,
                });
            }
        }
        Ok(Self { classes, signatures, alone, keys })
    }

    /// The classifier of the built-in packs alone, built at first use.
    #[must_use]
    pub fn built_in() -> Arc<Self> {
        static BUILT_IN: OnceLock<Arc<Classifier>> = OnceLock::new();
        Arc::clone(BUILT_IN.get_or_init(|| Arc::new(Self::new(&[]).expect("the built-in packs are tested"))))
    }

    /// All classes, by number.
    #[must_use]
    pub fn classes(&self) -> &[Class] {
        &self.classes
    }

    /// The class with a number of this classifier.
    #[must_use]
    pub fn class(&self, id: ClassId) -> Option<&Class> {
        self.classes.get(usize::from(id.0))
    }

    /// The stable name of a class; empty for a number that is not this classifier's.
    #[must_use]
    pub fn name(&self, id: ClassId) -> &'static str {
        self.class(id).map_or("", |class| class.name)
    }

    /// The number of the class called `name`.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<ClassId> {
        let at = self.classes.iter().position(|class| class.name == name)?;
        u8::try_from(at).ok().map(ClassId)
    }

    /// What the key `name` says, standing in `above`, the nearest first.
    #[must_use]
    pub fn key(&self, name: &str, above: &[&str]) -> KeyVerdict {
        let class_of = |signature: u16| {
            self.signatures.get(usize::from(signature)).map_or(ClassId(0), |(_, class, _)| *class)
        };
        let chance_of =
            |signature: u16| self.signature(signature).map_or(1.0, |(signature, _)| signature.chance);
        self.keys.verdict(name, above, &class_of, &chance_of)
    }

    fn signature(&self, number: u16) -> Option<(&Signature, u32)> {
        self.signatures.get(usize::from(number)).map(|(signature, _, chance_ppm)| (signature, *chance_ppm))
    }

    fn alone(&self, check: Check) -> Option<Alone> {
        self.alone.get(check as usize).copied().flatten()
    }

    /// Why a class is thought to be in a field, without a value: `9 of 9 distinct values pass iban; key 'iban'`.
    #[must_use]
    pub fn reason(&self, known: &ClassEvidence, values: u64, field: &str) -> String {
        let check = self
            .signatures
            .iter()
            .find(|(_, class, _)| *class == known.class)
            .and_then(|(signature, ..)| signature.proof.check())
            .map_or("its shape", Check::name);
        let distinct = evidence::judge(known, values).distinct;
        let of = if known.strength > 0 { known.tried } else { values.saturating_sub(known.masked) };
        let mut reason = format!("{} of {of} values, {distinct} distinct, pass {check}", known.valid);
        if known.embedded {
            reason.push_str(", inside text");
        }
        let last = field.rsplit(['.', '/']).next().unwrap_or(field).trim_end_matches("[*]");
        if known.strength > 0 && !last.is_empty() && last != "$" {
            reason.push_str("; key '");
            reason.push_str(last);
            reason.push('\'');
        }
        if known.masked > 0 {
            reason.push_str("; ");
            reason.push_str(&known.masked.to_string());
            reason.push_str(" masked");
        }
        reason
    }

    /// How many signatures and examples there are of each pack, in the packs' order.
    #[must_use]
    pub fn tested(&self) -> Vec<packs::Tested> {
        let mut all: Vec<packs::Tested> = Vec::new();
        for (signature, ..) in &self.signatures {
            let at = all.iter().position(|tested| tested.pack == signature.pack).unwrap_or_else(|| {
                all.push(packs::Tested { pack: signature.pack.clone(), ..packs::Tested::default() });
                all.len() - 1
            });
            if let Some(tested) = all.get_mut(at) {
                tested.signatures += 1;
                tested.matches += signature.matches.len();
                tested.rejects += signature.rejects.len();
            }
        }
        all
    }

    /// Runs every signature's examples: `matches` must be found to be of its class, `rejects` must not.
    #[must_use]
    pub fn test_examples(&self) -> Problems {
        let mut problems = Problems::default();
        for (signature, class, _) in &self.signatures {
            if signature.matches.is_empty() {
                problems.push(&signature.pack, signature.id.as_str(), "has no example that must match");
            }
            for (examples, wanted) in [(&signature.matches, true), (&signature.rejects, false)] {
                for (key, value) in examples {
                    let mut path: Vec<&str> = key.split('.').collect();
                    path.reverse();
                    let Some((name, above)) = path.split_first() else { continue };
                    let verdict = self.key(name, above);
                    let mut hits = Vec::new();
                    self.classify(&verdict, JsonType::String, value.as_bytes(), &mut hits);
                    let found = hits.iter().find(|hit| hit.fate == Fate::Valid && hit.class == *class);
                    if found.is_some() != wanted {
                        let got: Vec<&str> = hits
                            .iter()
                            .filter(|hit| hit.fate == Fate::Valid)
                            .map(|hit| self.name(hit.class))
                            .collect();
                        let suggested: Vec<&str> =
                            verdict.candidates.iter().map(|candidate| self.name(candidate.class)).collect();
                        let must = if wanted { "must match" } else { "must not match" };
                        problems.push(
                            &signature.pack,
                            signature.id.as_str(),
                            format!(
                                "example under {key:?} {must}: found {got:?}, key suggests {suggested:?}"
                            ),
                        );
                    }
                }
            }
        }
        problems
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share between 0 and 1")]
fn to_ppm(chance: f32) -> u32 {
    (f64::from(chance) * 1e6).round() as u32
}

/// A class's name for the life of the process: few, and the same at every reload.
pub(crate) fn intern(name: &str) -> &'static str {
    static NAMES: Mutex<Vec<&'static str>> = Mutex::new(Vec::new());
    let mut names = NAMES.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if let Some(known) = names.iter().find(|known| **known == name) {
        return known;
    }
    let name: &'static str = Box::leak(name.to_owned().into_boxed_str());
    names.push(name);
    name
}
