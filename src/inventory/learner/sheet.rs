//! The names of one fold as numbers: segments, markers, parameters, and the prefixes and tails they form.

use hashbrown::HashMap;

use super::saved;
use super::segment::{self, Judged, Shape};
use super::store::{MARKER, REST};

/// A name, by number.
pub(super) type Sym = u32;
/// A sequence of names from the root on, by number.
pub(super) type Prefix = u32;
/// The sequence of no names.
pub(super) const EMPTY: u32 = 0;

/// How a parameter is written among names; what stands before and behind it is constant.
pub(super) const PARAMETER: &str = "\u{1}{}";

type Map<K, V> = HashMap<K, V, foldhash::fast::FixedState>;

/// What is known of a name by itself.
#[derive(Clone, Debug)]
pub(super) struct Symbol {
    pub(super) text: Box<str>,
    pub(super) judged: Judged,
    /// All values of a shape.
    pub(super) marker: bool,
    /// A whole parameter, or one with a suffix.
    pub(super) parameter: bool,
    /// The end of a path that found no room.
    pub(super) rest: bool,
    /// Where the suffix begins.
    stem: usize,
}

impl Symbol {
    pub(super) fn hard(&self) -> bool {
        self.judged.hard()
    }

    /// Whether it stands for a name that was not written.
    pub(super) fn hidden(&self) -> bool {
        self.text.starts_with(saved::PSEUDONYM)
    }

    /// `.json`, `:verb`, or nothing.
    pub(super) fn suffix(&self) -> &str {
        self.text.get(self.stem..).unwrap_or_default()
    }

    /// The name without its suffix.
    pub(super) fn stem(&self) -> &str {
        self.text.get(..self.stem).unwrap_or_default()
    }
}

/// The numbers of names, prefixes and tails.
#[derive(Clone, Debug, Default)]
pub(super) struct Sheet {
    symbols: Vec<Symbol>,
    by_text: Map<Box<str>, Sym>,
    chains: Vec<(u32, Sym)>,
    by_chain: Map<(u32, Sym), u32>,
}

impl Sheet {
    pub(super) fn new() -> Self {
        Self { chains: vec![(EMPTY, 0)], ..Self::default() }
    }

    pub(super) fn intern(&mut self, text: &str) -> Sym {
        if let Some(sym) = self.by_text.get(text) {
            return *sym;
        }
        let sym = u32::try_from(self.symbols.len()).expect("names are bounded far below 2^32");
        self.symbols.push(describe(text));
        self.by_text.insert(text.into(), sym);
        sym
    }

    /// The number of a name that was met.
    pub(super) fn find(&self, text: &str) -> Option<Sym> {
        self.by_text.get(text).copied()
    }

    /// The whole parameter.
    pub(super) fn parameter(&mut self, suffix: &str) -> Sym {
        self.intern(&format!("{PARAMETER}{suffix}"))
    }

    #[expect(clippy::indexing_slicing, reason = "numbers are only made by this sheet")]
    pub(super) fn get(&self, sym: Sym) -> &Symbol {
        &self.symbols[sym as usize]
    }

    pub(super) fn text(&self, sym: Sym) -> &str {
        &self.get(sym).text
    }

    /// The number of a chain with one more name; used for prefixes (root first) and tails (last first).
    pub(super) fn chain(&mut self, chain: u32, sym: Sym) -> u32 {
        if let Some(found) = self.by_chain.get(&(chain, sym)) {
            return *found;
        }
        let number = u32::try_from(self.chains.len()).expect("paths are bounded far below 2^32");
        self.chains.push((chain, sym));
        self.by_chain.insert((chain, sym), number);
        number
    }

    /// The name added last to a chain, and the chain before.
    pub(super) fn unchain(&self, chain: u32) -> Option<(u32, Sym)> {
        if chain == EMPTY { None } else { self.chains.get(chain as usize).copied() }
    }

    /// The names of a chain, in the order they were added.
    pub(super) fn names(&self, chain: u32) -> Vec<Sym> {
        let mut names = Vec::new();
        let mut at = chain;
        while let Some((before, sym)) = self.unchain(at) {
            names.push(sym);
            at = before;
        }
        names.reverse();
        names
    }
}

fn describe(text: &str) -> Symbol {
    let whole = |judged, marker, parameter, rest, stem| Symbol {
        text: text.into(),
        judged,
        marker,
        parameter,
        rest,
        stem,
    };
    if text == REST {
        return whole(Judged { shape: Shape::Other, value: 0.0 }, false, false, true, text.len());
    }
    if text.starts_with(PARAMETER) {
        return whole(Judged { shape: Shape::Other, value: 9.0 }, false, true, false, PARAMETER.len());
    }
    if let Some(letter) = text.strip_prefix(MARKER).and_then(|rest| rest.chars().next()) {
        let judged = Judged { shape: Shape::from_letter(letter), value: 9.0 };
        return whole(judged, true, false, false, 2);
    }
    if let Some((judged, _)) = saved::read(text) {
        return whole(judged, false, false, false, saved::STEM);
    }
    if text.contains(PARAMETER) {
        return whole(Judged { shape: Shape::Known, value: -4.0 }, false, false, false, text.len());
    }
    let (stem, _) = segment::split_suffix(text);
    whole(segment::judge(text), false, false, false, stem.len())
}
