//! What a key says about its value, before any value is looked at.
//!
//! Signatures name phrases in many languages; a key matches a phrase when it has all its words, in any
//! order, itself or together with what it stands in (`card: {number}`). Words that say *whose* are ignored;
//! words that say the value is only *about* the thing (`email_verified`, `tokenType`) veto. The result is a
//! [`KeyVerdict`]: a few candidates with strengths. It is computed once per field and kept there.

use super::ClassId;
use super::packs::{Signature, Words};
use super::tokens;
use std::collections::{BTreeMap, BTreeSet};

/// A class that a key suggests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The signature's position.
    pub(crate) signature: u16,
    /// Its class.
    pub class: ClassId,
    /// How strongly, up to 100.
    pub strength: u8,
}

/// What a property is to its siblings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Role {
    /// Nothing special.
    #[default]
    Plain,
    /// Its value names what a sibling holds: `schemeName`, `key`, `name`, `type`; the strongest word wins.
    Says(u8),
    /// It holds what a sibling names: `value`, `identification`.
    Said,
}

/// What a key says. See the module's doc.
#[derive(Clone, Debug, Default)]
pub struct KeyVerdict {
    /// Suggested classes, the likeliest first.
    pub candidates: Box<[Candidate]>,
    /// What it is to its siblings.
    pub role: Role,
    /// Whether its words name another thing with numbers of its own, so that chance hits mean nothing.
    pub other: bool,
}

/// The shortest word that is looked for in a compound of which the rest is not known.
const MIN_HEAD: usize = 5;
/// What joins the words of a compound of which only the front is known.
const JOINING: [&str; 10] = ["del", "della", "dell", "dela", "de", "du", "do", "da", "di", "van"];

/// Phrases by word. Built once from packs.
#[derive(Debug)]
pub(crate) struct KeyIndex {
    words: BTreeMap<String, u32>,
    /// Each word as it was first written, by its number.
    spellings: Vec<String>,
    kinds: Vec<Kind>,
    skeletons: BTreeMap<String, u32>,
    phrases: Vec<Phrase>,
    by_word: BTreeMap<u32, Vec<u32>>,
    vetoes: Vec<Vec<Vec<u32>>>,
    not_under: Vec<Vec<Vec<u32>>>,
}

#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "a word may be in any of the lists")]
struct Kind {
    stop: bool,
    role: bool,
    meta: bool,
    thing: bool,
    generic: bool,
}

#[derive(Debug)]
struct Phrase {
    signature: u16,
    words: Vec<u32>,
    above: Vec<u32>,
    strength: i32,
}

/// The words of a key as the vocabulary sees them.
#[derive(Clone, Debug, Default)]
struct Known {
    words: Vec<u32>,
    /// Joined pairs: `post code` is `postcode` too. Which two positions they cover.
    joined: Vec<(u32, usize)>,
    unknown: i32,
}

impl Known {
    fn has(&self, word: u32) -> bool {
        self.words.contains(&word) || self.joined.iter().any(|(known, _)| *known == word)
    }
}

impl KeyIndex {
    pub(crate) fn new(signatures: &[Signature], shared: &Words) -> Self {
        let mut index = Self {
            words: BTreeMap::new(),
            spellings: Vec::new(),
            kinds: Vec::new(),
            skeletons: BTreeMap::new(),
            phrases: Vec::new(),
            by_word: BTreeMap::new(),
            vetoes: Vec::new(),
            not_under: Vec::new(),
        };
        // Words that stand for another get its number, so that either may be written in phrases and keys.
        for (other, word) in &shared.same {
            let id = index.learn(word);
            index.words.insert(other.clone(), id);
        }
        for (list, mark) in [
            (&shared.stops, (|kind| kind.stop = true) as fn(&mut Kind)),
            (&shared.roles, |kind| kind.role = true),
            (&shared.metas, |kind| kind.meta = true),
            (&shared.things, |kind| kind.thing = true),
            (&shared.generic, |kind| kind.generic = true),
        ] {
            for phrase in list {
                for word in tokens::words(phrase) {
                    let id = index.learn(&word);
                    if let Some(kind) = index.kinds.get_mut(id as usize) {
                        mark(kind);
                    }
                }
            }
        }
        for phrase in &shared.skeletons {
            for word in tokens::words(phrase) {
                let id = index.learn(&word);
                let mut short: String = word.chars().take(1).collect();
                short.extend(word.chars().skip(1).filter(|letter| !"aeiou".contains(*letter)));
                if short.len() >= 2 && short.len() < word.len() && !index.words.contains_key(&short) {
                    index.skeletons.entry(short).or_insert(id);
                }
            }
        }
        for (at, signature) in signatures.iter().enumerate() {
            let number = u16::try_from(at).unwrap_or(u16::MAX);
            for (list, strength) in [(&signature.keys, 100), (&signature.hints, 45)] {
                for phrase in list {
                    index.add(number, phrase, "", strength);
                }
            }
            for (above, leaf) in &signature.under {
                index.add(number, leaf, above, 90);
            }
            let set = |index: &mut Self, list: &[String]| -> Vec<Vec<u32>> {
                list.iter()
                    .map(|phrase| tokens::words(phrase).iter().map(|word| index.learn(word)).collect())
                    .collect()
            };
            let (veto, not_under) = (set(&mut index, &signature.veto), set(&mut index, &signature.not_under));
            index.vetoes.push(veto);
            index.not_under.push(not_under);
        }
        index.skeletons.retain(|short, _| !index.words.contains_key(short));
        index
    }

    fn learn(&mut self, word: &str) -> u32 {
        if let Some(id) = self.words.get(word) {
            return *id;
        }
        let id = u32::try_from(self.kinds.len()).unwrap_or(u32::MAX);
        self.words.insert(word.to_owned(), id);
        self.spellings.push(word.to_owned());
        self.kinds.push(Kind::default());
        id
    }

    fn add(&mut self, signature: u16, phrase: &str, above: &str, strength: i32) {
        let mut ids = |text: &str| {
            let mut ids: Vec<u32> = tokens::words(text).iter().map(|word| self.learn(word)).collect();
            let kinds = &self.kinds;
            ids.retain(|id| !kinds.get(*id as usize).is_some_and(|kind| kind.stop));
            ids.sort_unstable();
            ids.dedup();
            ids
        };
        let (words, above) = (ids(phrase), ids(above));
        if words.is_empty() {
            return;
        }
        let number = u32::try_from(self.phrases.len()).unwrap_or(u32::MAX);
        for word in &words {
            self.by_word.entry(*word).or_default().push(number);
        }
        self.phrases.push(Phrase { signature, words, above, strength });
    }

    fn kind(&self, id: u32) -> Kind {
        self.kinds.get(id as usize).copied().unwrap_or_default()
    }

    /// The words of `name` that the vocabulary knows, glued ones split.
    fn known(&self, name: &str) -> Known {
        let mut known = Known::default();
        let words = tokens::words(name);
        for (at, word) in words.iter().enumerate() {
            if let Some(next) = words.get(at + 1) {
                let joined = self.words.get(&format!("{word}{next}"));
                known.joined.extend(joined.map(|id| (*id, known.words.len())));
            }
            if let Some(id) = self.look_up(word) {
                known.words.push(id);
            } else if let Some(parts) = self.split(word) {
                for (at, pair) in parts.windows(2).enumerate() {
                    if let [a, b] = pair {
                        let joined = self.spelling(*a).zip(self.spelling(*b)).map(|(a, b)| format!("{a}{b}"));
                        if let Some(id) = joined.and_then(|joined| self.words.get(&joined)) {
                            known.joined.push((*id, known.words.len() + at));
                        }
                    }
                }
                known.words.extend(parts);
            } else if let Some(id) = self.nearly(word) {
                known.words.push(id);
            } else {
                known.words.extend(self.split_off(word));
                known.unknown += 1;
            }
        }
        known
    }

    fn spelling(&self, id: u32) -> Option<&str> {
        self.spellings.get(id as usize).map(String::as_str)
    }

    fn look_up(&self, word: &str) -> Option<u32> {
        if let Some(id) = self.words.get(word) {
            return Some(*id);
        }
        for ending in ["s", "es", "en", "n", "er", "i"] {
            let stem = word.strip_suffix(ending).filter(|stem| stem.len() >= 3);
            if let Some(id) = stem.and_then(|stem| self.words.get(stem)) {
                return Some(*id);
            }
        }
        self.skeletons.get(word).copied()
    }

    /// Splits a glued word into known ones, longest words first; linking letters of German are allowed.
    fn split(&self, word: &str) -> Option<Vec<u32>> {
        if word.len() < 5 || word.len() > 64 || !word.is_ascii() {
            return None;
        }
        // best[i]: score and cut of the best split of the first i letters.
        let mut best: Vec<Option<(usize, usize, Option<u32>)>> = vec![None; word.len() + 1];
        if let Some(first) = best.first_mut() {
            *first = Some((0, 0, None));
        }
        for end in 1..=word.len() {
            for start in end.saturating_sub(24)..end {
                let Some(Some((score, ..))) = best.get(start).copied() else { continue };
                let Some(part) = word.get(start..end) else { continue };
                let gain = match part.len() {
                    1 if start > 0 && end < word.len() && matches!(part, "s" | "n" | "e") => Some((0, None)),
                    2 if start > 0 && end < word.len() && matches!(part, "en" | "er" | "es") => {
                        Some((0, None))
                    }
                    1 => None,
                    2 => self
                        .words
                        .get(part)
                        .filter(|_| {
                            (start == 0 || end == word.len())
                                && matches!(part, "id" | "nr" | "no" | "ip" | "nm" | "cd" | "ss" | "tx")
                                || start > 0 && matches!(part, "de" | "di" | "do" | "da" | "du")
                        })
                        .map(|id| (2, Some(*id))),
                    len => self.words.get(part).map(|id| (len * len, Some(*id))),
                };
                let Some((gain, id)) = gain else { continue };
                let total = score + gain;
                if let Some(slot) =
                    best.get_mut(end).filter(|slot| slot.is_none_or(|(known, ..)| total > known))
                {
                    *slot = Some((total, start, id));
                }
            }
        }
        let mut parts = Vec::new();
        let mut end = word.len();
        while end > 0 {
            let (_, start, id) = (*best.get(end)?)?;
            parts.extend(id);
            end = start;
        }
        parts.reverse();
        (parts.len() > 1).then_some(parts)
    }

    /// The word at the end of a compound whose front is not known (`arbeidstelefon`), or at its front when a
    /// preposition joins the rest (`telefonodelhogar`).
    fn split_off(&self, word: &str) -> Option<u32> {
        if word.len() < 8 || word.len() > 64 || !word.is_ascii() {
            return None;
        }
        let last = (2..=word.len().saturating_sub(MIN_HEAD))
            .find_map(|start| self.words.get(word.get(start..)?).copied());
        last.or_else(|| {
            (MIN_HEAD..word.len().saturating_sub(4)).rev().find_map(|end| {
                let (front, rest) = word.split_at_checked(end)?;
                let joined = |with: &&str| rest.len() >= with.len() + 3 && rest.starts_with(*with);
                JOINING.iter().any(joined).then(|| self.words.get(front).copied())?
            })
        })
    }

    /// A known long word that differs in one letter.
    fn nearly(&self, word: &str) -> Option<u32> {
        if word.len() < 7 {
            return None;
        }
        let first = word.chars().next()?;
        let mut found = None;
        let mut end = String::new();
        end.push(first);
        for (known, id) in self.words.range(end..).take_while(|(known, _)| known.starts_with(first)) {
            if known.len() >= 7
                && known.len().abs_diff(word.len()) <= 1
                && one_apart(known.as_bytes(), word.as_bytes())
            {
                if found.is_some() {
                    return None;
                }
                found = Some(*id);
            }
        }
        found
    }

    /// What the key `name`, inside `above` (the nearest first), says.
    #[expect(clippy::too_many_lines, reason = "one rule after the other; apart they would not read better")]
    pub(crate) fn verdict(
        &self,
        name: &str,
        above: &[&str],
        class_of: &dyn Fn(u16) -> ClassId,
        chance_of: &dyn Fn(u16) -> f32,
    ) -> KeyVerdict {
        let own = self.known(name);
        let around: Vec<Known> = above.iter().take(4).map(|name| self.known(name)).collect();
        let generic = own.unknown == 0
            && own.words.iter().all(|word| self.kind(*word).generic || self.kind(*word).stop);
        let mut best: BTreeMap<u16, (i32, usize)> = BTreeMap::new();
        let mut consider = |phrase: &Phrase, strength: i32| {
            let size = phrase.words.len() + phrase.above.len();
            let slot = best.entry(phrase.signature).or_insert((0, 0));
            *slot = (*slot).max((strength, size));
        };
        let near = around.first();
        let mut seen = BTreeSet::new();
        let own_words = own.words.iter().copied().chain(own.joined.iter().map(|(id, _)| *id));
        let near_words = near
            .iter()
            .flat_map(|near| near.words.iter().copied().chain(near.joined.iter().map(|(id, _)| *id)));
        let start: Vec<u32> =
            if generic { own_words.chain(near_words).collect() } else { own_words.collect() };
        for word in start {
            for number in self.by_word.get(&word).into_iter().flatten() {
                if !seen.insert(*number) {
                    continue;
                }
                let Some(phrase) = self.phrases.get(*number as usize) else { continue };
                let in_own = phrase.words.iter().filter(|word| own.has(**word)).count();
                let in_near = phrase
                    .words
                    .iter()
                    .all(|word| own.has(*word) || near.is_some_and(|near| near.has(*word)));
                if !in_near || (in_own == 0 && !generic) {
                    continue;
                }
                let borrowed = phrase.words.len() - in_own;
                if !phrase.above.is_empty() {
                    let all_above =
                        phrase.above.iter().all(|word| around.iter().any(|known| known.has(*word)));
                    if !all_above || borrowed > 0 {
                        continue;
                    }
                }
                let vetoed = |all: Option<&Vec<Vec<u32>>>, known: &Known| {
                    all.is_some_and(|all| {
                        all.iter().any(|veto| {
                            veto.iter().all(|word| known.words.contains(word))
                                && veto.iter().any(|word| !phrase.words.contains(word))
                        })
                    })
                };
                let signature = usize::from(phrase.signature);
                if vetoed(self.vetoes.get(signature), &own)
                    || (phrase.strength < 60 && phrase.above.is_empty())
                        && around.iter().take(2).any(|known| vetoed(self.not_under.get(signature), known))
                {
                    continue;
                }
                let mut strength = phrase.strength - 15 * own.unknown.min(3);
                if borrowed > 0 {
                    strength -= 12;
                }
                let mut ok = true;
                for (at, word) in own.words.iter().enumerate() {
                    let covered = phrase.words.contains(word)
                        || own.joined.iter().any(|(id, start)| {
                            phrase.words.contains(id) && (at == *start || at == start + 1)
                        });
                    let kind = self.kind(*word);
                    if covered || kind.stop || kind.role {
                        continue;
                    }
                    if kind.meta || kind.thing {
                        ok = false;
                        break;
                    }
                    if !kind.generic {
                        strength -= 10;
                    }
                }
                if borrowed > 0
                    && near.is_some_and(|near| {
                        near.words.iter().any(|word| self.kind(*word).meta && !phrase.words.contains(word))
                    })
                {
                    ok = false;
                }
                if ok && strength >= 25 {
                    consider(phrase, strength);
                }
            }
        }
        let mut ranked: Vec<(i32, usize, u16)> = best
            .into_iter()
            .filter(|(_, (strength, _))| *strength > 0)
            .map(|(signature, (strength, size))| (strength, size, signature))
            .collect();
        ranked.sort_by(|a, b| {
            b.0.cmp(&a.0)
                .then(b.1.cmp(&a.1))
                .then(chance_of(a.2).total_cmp(&chance_of(b.2)))
                .then(a.2.cmp(&b.2))
        });
        ranked.truncate(8);
        let candidates: Box<[Candidate]> = ranked
            .into_iter()
            .map(|(strength, _, signature)| Candidate {
                signature,
                class: class_of(signature),
                strength: u8::try_from(strength.clamp(0, 100)).unwrap_or(0),
            })
            .collect();
        let other = candidates.is_empty()
            && own.words.iter().any(|word| {
                self.kind(*word).meta || self.kind(*word).thing || (self.kind(*word).generic && !generic)
            });
        KeyVerdict { candidates, role: role(name), other }
    }
}

/// Whether two words differ by one letter added, dropped or replaced.
fn one_apart(a: &[u8], b: &[u8]) -> bool {
    let (short, long) = if a.len() <= b.len() { (a, b) } else { (b, a) };
    let same = short.iter().zip(long).take_while(|(a, b)| a == b).count();
    let skip = usize::from(short.len() == long.len());
    short.get(same + skip..) == long.get(same + 1..)
}

/// What a property is to its siblings, by its name.
fn role(name: &str) -> Role {
    let mut plain = String::with_capacity(name.len());
    plain.extend(name.chars().filter(char::is_ascii_alphanumeric).map(|letter| letter.to_ascii_lowercase()));
    match plain.as_str() {
        "schemename" | "identifiertype" | "idtype" | "identificationtype" | "documenttype"
        | "accountidtype" | "proxytype" | "aliastype" | "schmenm" => Role::Says(4),
        "scheme" | "key" | "fieldname" | "attributename" | "parametername" | "paramname" | "field"
        | "attribute" | "param" | "property" => Role::Says(3),
        "name" | "n" | "k" | "label" | "code" | "title" | "question" | "id" => Role::Says(2),
        "type" | "system" | "kind" | "category" => Role::Says(1),
        "value"
        | "val"
        | "v"
        | "identification"
        | "identifier"
        | "number"
        | "data"
        | "content"
        | "text"
        | "stringvalue"
        | "fieldvalue"
        | "attributevalue"
        | "answer"
        | "contactvalue"
        | "idvalue"
        | "idnumber"
        | "identificationnumber"
        | "documentnumber" => Role::Said,
        _ => Role::Plain,
    }
}

#[cfg(test)]
mod tests {
    use crate::classify::Classifier;

    fn likeliest(path: &str) -> &'static str {
        let classifier = Classifier::built_in();
        let mut names: Vec<&str> = path.split('.').collect();
        names.reverse();
        let (name, above) = names.split_first().expect("a path has a name");
        let verdict = classifier.key(name, above);
        verdict.candidates.first().map_or("none", |candidate| classifier.name(candidate.class))
    }

    #[test]
    fn keys_are_understood_however_they_are_written() {
        for (path, class) in [
            ("kundentelefonnummer", "contact.phone"),
            // A front that no list has, a preposition inside, one behind what is known.
            ("lomamatkapuhelin", "contact.phone"),
            ("numerodaconta", "fin.account_number"),
            ("telefonodelhogar", "contact.phone"),
            ("CdtrAcct.Id.IBAN", "fin.iban"),
            ("Dbtr.PstlAdr.PstCd", "contact.postcode"),
            ("ημερομηνία_γέννησης", "person.dob"),
            ("生年月日", "person.dob"),
            ("megaproduktname", "none"),
        ] {
            assert_eq!(likeliest(path), class, "{path}");
        }
    }

    #[test]
    fn a_veto_of_two_words_needs_both() {
        assert_eq!(likeliest("kullanici_soyadi"), "person.name");
        assert_ne!(likeliest("bruger_navn"), "person.name");
        assert_eq!(likeliest("navn"), "person.name");
    }
}
