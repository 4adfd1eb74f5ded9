//! What speaks for and against a name being a value: the features of one position, and their weights.
//!
//! A position is a node of the paths whose values above are folded already. A *column* is a method with
//! the path that follows; the *mates* of a name are the names that share a column with it, its *kin* those that share
//! most of its columns in which a name of the API follows.
//!
//! The weights are those of a logistic regression over traffic made from 79 public API documents: dense and thin, with
//! many styles of identifiers. What they are worth was told by weights that had been fitted to the other half of the
//! documents. Those of the likeness of answers come from real bodies of 15 documents: they are small on purpose, as
//! answers differ for many reasons.

use hashbrown::HashMap;

use super::bottom::Distinct;
use super::growth::{self, growth};
use super::method::Method;
use super::segment::{Shape, is_plural, real};
use super::sheet::{EMPTY, Prefix, Sheet, Sym};

/// The number of features.
pub(super) const FEATURES: usize = 75;

/// The feature that holds the likeness of answers; the next one says that it is unknown.
const LIKENESS: usize = 25;

/// Each feature's weight, and what it says in words.
#[rustfmt::skip]
const WEIGHTS: [(f64, &str); FEATURES] = [
    (0.5429, ""), // bias
    (0.0168, "its shape"), // shape
    (-0.0785, "its shape"), // shape_hi
    (-1.8254, "it reads like a word"), // shape_word
    (0.4880, "the shapes beside it"), // grp_shape
    (-1.9707, "a word APIs reserve"), // reserved
    (-0.0813, "how often it is called"), // logn
    (-0.7105, "calls that nothing beside it gets"), // logn_uniq
    (0.5562, "names used alike"), // k_col
    (0.1086, "names with the same paths below"), // k_tail
    (-0.2142, "ids used alike"), // hardcol
    (0.5993, "calls that nothing beside it gets"), // uniq
    (-1.1369, "no other name is used like it"), // uniq1
    (0.7107, "the names beside it keep growing"), // growth
    (1.2784, "the names beside it are a closed set"), // growth_neg
    (0.7991, "names seen once beside it"), // single
    (-1.0430, "calls of the names beside it"), // nk
    (-0.5936, "ids beside it"), // hard_here
    (2.2175, "it follows a plural"), // par_plural
    (-0.3156, "it follows a parameter"), // par_param
    (-2.4089, "it stands near the root"), // depth1
    (0.4409, "ids follow the same noun elsewhere"), // noun_id
    (0.3559, "names follow the same noun elsewhere"), // noun_lit
    (2.4445, "it is an id elsewhere"), // val_id
    (-2.3319, "it is a name elsewhere"), // val_lit
    (1.4899, "its answers are like those beside it"), // resp
    (0.7644, "no answers to compare"), // resp_no
    (-0.3415, "its answers differ from those beside it"), // resp_lo
    (1.1213, "it is changed or deleted"), // del_term
    (-1.5138, "it is only posted to"), // post_only
    (-0.7706, "it is called more than those beside it"), // outlier
    (-0.1105, "calls of the names beside it"), // grpn
    (0.9861, "ids are used alike"), // id_cols
    (0.4035, "ids are used alike"), // id_frac
    (-0.8461, "a name follows it"), // tail_verb
    (0.3838, "a word among growing names"), // w_x_growth
    (0.2207, "a word with the same paths below as others"), // w_x_ktail
    (3.0537, "values beside it"), // digits_in_group
    (-0.9886, "paths end at it"), // terminal
    (-0.0681, "it stands alone"), // onlychild
    (-1.2116, "ids do all it does"), // all_id
    (0.2520, "ids do all it does"), // all_id_many
    (0.2119, "ids used alike"), // idmates
    (2.1992, "the same pair of names elsewhere"), // bigram
    (0.4993, "its answers are like those of ids"), // resp_id
    (1.0993, "ids beside it"), // node_idfrac
    (-0.0375, "ids beside it"), // node_ids
    (0.4306, "the position keeps growing"), // node_growth
    (1.8352, "names seen once at the position"), // node_single
    (-0.4425, "names at the position"), // node_k
    (-1.9571, "it follows .well-known"), // wellknown
    (-0.8803, "it does what no id does"), // lit_cols
    (-0.8582, "a word that is only read"), // word_term_get
    (-0.6177, "its answers are like those of ids"), // resp_hi_id
    (-2.0358, "its answers differ from those of ids"), // resp_lo_id
    (-2.5695, "it is called more than those beside it, and answers differ"), // outlier_noresp
    (1.1842, "names with the same named paths below"), // kin_shared
    (-1.0037, "all below it lies below others too"), // kin_frac
    (-0.3465, "named paths below that nothing beside it has"), // kin_alone
    (0.7275, "it follows a plural, and shares what is below"), // kin_plural
    (2.2580, "the names beside it share what is below"), // cohesion
    (-2.0801, "used like names that share what is below"), // kin_mate
    (-1.1814, "it follows a plural of names that share what is below"), // cohesion_plural
    (0.0581, "many share what is below it"), // kin_many
    (1.7141, "it is spelt unlike the names of the API"), // odd_style
    (5.1052, "it is written like a constant"), // const
    (4.9197, "a dotted name with paths below"), // dotted_below
    (4.4650, "a version that is not of the API"), // loose_version
    (0.2784, "a reserved word among names that share what is below"), // reserved_cohesion
    (1.3378, "it follows the name of an attribute"), // attribute
    (2.8094, "others beside it have its verb"), // verb_mates
    (0.0729, "it stands beside it with another verb"), // stem_mates
    (-1.6422, "a value follows it"), // param_next
    (0.2742, "names with the same paths below its values"), // kin_deep
    (1.2534, "names with the same named paths below"), // kin_next
];

/// What is known of one name at a position, or of all values of one shape.
#[derive(Clone, Debug)]
pub(super) struct Value {
    pub(super) sym: Sym,
    pub(super) hard: bool,
    /// How many values it stands for.
    pub(super) distinct: f64,
    pub(super) calls: u64,
    /// The paths through it.
    pub(super) members: Vec<usize>,
}

/// What a path tells at a position.
pub(super) struct Use<'p> {
    pub(super) method: Method,
    pub(super) calls: u64,
    pub(super) keys: &'p [u64],
    /// What follows in the templates of the previous pass.
    pub(super) tail: u32,
}

/// Takes in the uses of a path one by one.
pub(super) type Each<'e> = dyn FnMut(Use<'_>) + 'e;

/// What the previous pass found, by which the next one judges.
#[derive(Clone, Debug, Default)]
pub(super) struct Feedback {
    /// Per noun: how many values and names followed it.
    pub(super) nouns: HashMap<String, (f64, f64), foldhash::fast::FixedState>,
    /// Per name: how often it was a value and a name.
    pub(super) names: HashMap<Sym, (u32, u32), foldhash::fast::FixedState>,
    pub(super) labels: HashMap<(Prefix, Sym), bool, foldhash::fast::FixedState>,
    /// Per position: values, names, and values without a hard shape.
    pub(super) totals: HashMap<Prefix, (f64, f64, f64), foldhash::fast::FixedState>,
    /// Names by how they are spelt.
    pub(super) styles: [f64; STYLES],
    /// Per pair of neighbouring names: the prefixes where it stands.
    pub(super) pairs: HashMap<(Sym, Sym), std::collections::BTreeSet<Prefix>, foldhash::fast::FixedState>,
}

/// The noun that the names below a prefix belong to.
pub(super) fn noun(sheet: &Sheet, prefix: Prefix) -> String {
    match sheet.unchain(prefix) {
        None => String::new(),
        Some((_, last)) if !sheet.get(last).parameter => sheet.text(last).to_ascii_lowercase(),
        Some((before, last)) => match sheet.unchain(before) {
            Some((_, noun)) => format!("{}/{}", sheet.text(noun), sheet.text(last)).to_ascii_lowercase(),
            None => sheet.text(last).to_ascii_lowercase(),
        },
    }
}

/// The names that share a method and what follows.
struct Column {
    method: Method,
    tail: u32,
    /// Whether a name of the API follows.
    named: bool,
    /// Whether it follows next, not behind a value.
    next_named: bool,
    /// Values without a hard shape, with their calls.
    soft: Vec<(usize, u64)>,
    hard: bool,
    /// The response keys of each value that has some.
    keys: Vec<(usize, Vec<u64>)>,
    /// How many values have each key.
    pool: Vec<(u64, u32)>,
}

/// A position with everything that is counted at it.
pub(super) struct Position<'p> {
    sheet: &'p Sheet,
    values: &'p [Value],
    prefix: Prefix,
    depth: usize,
    columns: Vec<Column>,
    /// The columns of each value.
    of_value: Vec<Vec<usize>>,
}

/// A value's log-odds with the features they come from.
#[derive(Clone, Debug)]
pub(super) struct Verdict {
    pub(super) z: f64,
    features: Box<[f64; FEATURES]>,
}

impl Verdict {
    fn of(features: Box<[f64; FEATURES]>) -> Self {
        let z = features.iter().zip(WEIGHTS).map(|(feature, (weight, _))| feature * weight).sum();
        Self { z, features }
    }

    /// How like its answers are to those of its mates, if that is known.
    pub(super) fn likeness(&self) -> Option<f64> {
        self.features.get(LIKENESS).copied().filter(|_| self.features.get(LIKENESS + 1) == Some(&0.0))
    }

    /// The evidence that weighs most, in words.
    pub(super) fn reasons(&self, most: usize) -> Vec<(&'static str, f64)> {
        let mut all: Vec<(&'static str, f64)> = Vec::new();
        for (feature, (weight, words)) in self.features.iter().zip(WEIGHTS) {
            if words.is_empty() {
                continue;
            }
            match all.iter_mut().find(|(known, _)| *known == words) {
                Some((_, sum)) => *sum += feature * weight,
                None => all.push((words, feature * weight)),
            }
        }
        all.retain(|(_, weight)| weight.abs() >= 0.1);
        all.sort_by(|a, b| b.1.abs().total_cmp(&a.1.abs()));
        all.truncate(most);
        all
    }
}

impl<'p> Position<'p> {
    pub(super) fn new(
        sheet: &'p Sheet,
        values: &'p [Value],
        prefix: Prefix,
        depth: usize,
        uses: &dyn Fn(usize, &mut Each<'_>),
    ) -> Self {
        let mut columns: Vec<Column> = Vec::new();
        let mut index: HashMap<(Method, u32), usize, foldhash::fast::FixedState> = HashMap::default();
        let mut of_value = Vec::with_capacity(values.len());
        for (at, value) in values.iter().enumerate() {
            let mut mine: Vec<usize> = Vec::new();
            for member in &value.members {
                uses(*member, &mut |usage: Use<'_>| {
                    let number = *index.entry((usage.method, usage.tail)).or_insert_with(|| {
                        let below = sheet.names(usage.tail);
                        columns.push(Column {
                            method: usage.method,
                            tail: usage.tail,
                            named: below.iter().any(|sym| !sheet.get(*sym).parameter),
                            next_named: below.last().is_some_and(|sym| !sheet.get(*sym).parameter),
                            soft: Vec::new(),
                            hard: false,
                            keys: Vec::new(),
                            pool: Vec::new(),
                        });
                        columns.len() - 1
                    });
                    let Some(column) = columns.get_mut(number) else { return };
                    if value.hard {
                        column.hard = true;
                    } else {
                        match column.soft.last_mut() {
                            Some((last, calls)) if *last == at => *calls += usage.calls,
                            _ => {
                                column.soft.push((at, usage.calls));
                                mine.push(number);
                            }
                        }
                    }
                    if !usage.keys.is_empty() {
                        match column.keys.last_mut() {
                            Some((last, keys)) if *last == at => union(keys, usage.keys),
                            _ => column.keys.push((at, usage.keys.to_vec())),
                        }
                    }
                });
            }
            mine.sort_unstable();
            of_value.push(mine);
        }
        for column in &mut columns {
            let mut all: Vec<u64> = column.keys.iter().flat_map(|(_, keys)| keys.iter().copied()).collect();
            all.sort_unstable();
            for key in all {
                match column.pool.last_mut() {
                    Some((last, count)) if *last == key => *count += 1,
                    _ => column.pool.push((key, 1)),
                }
            }
        }
        Self { sheet, values, prefix, depth, columns, of_value }
    }

    /// The verdict on each value without a hard shape.
    pub(super) fn verdicts(&self, feedback: &Feedback, first_pass: bool) -> Vec<Option<Verdict>> {
        let here = Here::of(self, feedback);
        let mut seen = vec![usize::MAX; self.values.len()];
        self.values
            .iter()
            .enumerate()
            .map(|(at, value)| {
                (!value.hard)
                    .then(|| Verdict::of(self.features(at, value, &here, feedback, first_pass, &mut seen)))
            })
            .collect()
    }

    fn label(&self, feedback: &Feedback, value: usize) -> bool {
        self.values
            .get(value)
            .is_some_and(|value| feedback.labels.get(&(self.prefix, value.sym)) == Some(&true))
    }

    #[expect(clippy::too_many_lines, reason = "a list of features, each in a line or two")]
    #[expect(clippy::cast_precision_loss, reason = "call counts are far below 2^52")]
    fn features(
        &self,
        at: usize,
        value: &Value,
        here: &Here,
        feedback: &Feedback,
        first_pass: bool,
        stamp: &mut [usize],
    ) -> Box<[f64; FEATURES]> {
        let flag = |condition: bool| f64::from(u8::from(condition));
        let (kin_shared, kin_below) = self.kin(at);
        let kin_share = real(kin_shared) / real(kin_below.max(1));
        let symbol = self.sheet.get(value.sym);
        let mine: Vec<&Column> = self
            .of_value
            .get(at)
            .map(|numbers| numbers.iter().filter_map(|number| self.columns.get(*number)).collect())
            .unwrap_or_default();
        let calls = value.calls as f64;

        let mut mates: Vec<usize> = vec![at];
        let mut tail_mates = 0_usize;
        let (mut hard_columns, mut alone, mut id_columns, mut literal_columns) =
            (0_usize, 0_u64, 0_usize, 0_usize);
        let (mut alike, mut compared, mut pairs) = (0.0, 0_usize, 0_usize);
        if let Some(mark) = stamp.get_mut(at) {
            *mark = at;
        }
        let mut tail_seen: Vec<usize> = Vec::new();
        for column in &mine {
            let mut other_ids = false;
            for (mate, _) in &column.soft {
                if let Some(mark) = stamp.get_mut(*mate)
                    && *mark != at
                {
                    *mark = at;
                    mates.push(*mate);
                }
                other_ids |= *mate != at && self.label(feedback, *mate);
            }
            if column.tail != EMPTY {
                tail_seen.extend(column.soft.iter().map(|(mate, _)| *mate));
            }
            hard_columns += usize::from(column.hard);
            if column.soft.len() == 1 && !column.hard {
                alone += column.soft.first().map_or(0, |(_, calls)| *calls);
            }
            id_columns += usize::from((!first_pass && other_ids) || column.hard);
            literal_columns += usize::from(!first_pass && !column.hard && !other_ids);
            if let Some(likeness) = column.likeness(at) {
                alike += likeness;
                compared += 1;
            }
            if let Some((_, next)) = self.sheet.unchain(column.tail)
                && !self.sheet.get(next).parameter
            {
                let places = feedback.pairs.get(&(value.sym, next));
                let elsewhere =
                    places.map_or(0, |places| places.len() - usize::from(places.contains(&self.prefix)));
                pairs = pairs.max(elsewhere);
            }
        }
        tail_seen.sort_unstable();
        tail_seen.dedup();
        tail_mates += tail_seen.len();

        mates.sort_unstable();
        let of_mate = |mate: &usize| self.values.get(*mate);
        let mut counts: Vec<u64> = mates.iter().filter_map(of_mate).map(|mate| mate.calls).collect();
        counts.sort_unstable_by(|a, b| b.cmp(a));
        counts.truncate(growth::MOST);
        let k = real(mates.len());
        let n = counts.iter().sum::<u64>() as f64;
        let g = if mates.len() > 1 {
            (growth(&counts) / n.sqrt()).clamp(-1.5, 1.5)
        } else {
            (-0.25 * (n - 1.0)).max(-1.5)
        };
        let shape = symbol.judged.value;
        let shapes =
            mates.iter().filter_map(of_mate).map(|mate| self.sheet.get(mate.sym).judged.value).sum::<f64>()
                / k;
        let median = counts.get(counts.len() / 2).copied().unwrap_or(1).max(1) as f64;
        let once = real(counts.iter().filter(|count| **count == 1).count()) / k * (k / 4.0).min(1.0);
        let id_mates = real(
            mates.iter().filter(|mate| **mate != at && self.label(feedback, **mate)).count() + hard_columns,
        );
        let total = real(mine.len()).max(1.0);
        let all_id = flag(id_columns == mine.len() && id_mates > 0.0);
        let own = feedback.labels.get(&(self.prefix, value.sym)).copied();
        let ids_here = here.hard + here.soft_ids - flag(own == Some(true));
        let (as_id, as_name) = feedback.names.get(&value.sym).copied().unwrap_or_default();
        let as_id = f64::from(as_id) - flag(own == Some(true));
        let as_name = f64::from(as_name) - flag(own == Some(false));
        let resp = (compared > 0).then(|| alike / real(compared));
        let wordy = flag(shape < -1.0);
        let terminal = mine.iter().any(|column| column.tail == EMPTY);
        let alters = mine.iter().any(|column| column.tail == EMPTY && column.method.alters());
        let only =
            |method: Method| mine.len() == 1 && terminal && mine.iter().all(|column| column.method == method);
        let only_posted = only(Method::POST);
        let named_tail = mine.iter().any(|column| {
            self.sheet.unchain(column.tail).is_some_and(|(_, next)| {
                let next = self.sheet.get(next);
                !next.parameter || !next.suffix().is_empty()
            })
        });
        let log2 = |x: f64| x.max(1.0).log2();
        let kin_mate =
            kin_below == 0 && mates.iter().any(|mate| *mate != at && here.kin.get(*mate) == Some(&true));
        let kin_others = here.kin_count - flag(here.kin.get(at) == Some(&true));
        let reserved = symbol.judged.shape == Shape::Reserved;
        let (by_value, goes_on) = self.led_to_values(at);
        let shared = mine.iter().filter(|column| column.named && (column.hard || column.soft.len() > 1));
        let (next, deep) =
            shared.fold(
                (0, 0),
                |(next, deep), column| {
                    if column.next_named { (next + 1, deep) } else { (next, deep + 1) }
                },
            );
        let style = Style::of(symbol.stem());
        let (verb_mates, stem_mates) = self.verbs(at, value);
        let k_tail = log2(real(tail_mates));
        let outlier = if mates.len() > 2 { ((calls / median).ln() - 1.0).max(0.0) } else { 0.0 };
        // Ids are Zipf: one hot id is no name. Popularity speaks only with answers that differ.
        let unlike = match resp {
            Some(resp) => flag(resp < 0.75),
            None if here.answers => 1.0,
            None => 0.3,
        };
        let digits_beside = real(
            mates
                .iter()
                .filter_map(of_mate)
                .filter(|mate| self.sheet.get(mate.sym).judged.value > 0.0)
                .count(),
        ) / k;
        Box::new([
            1.0,
            shape.clamp(-5.0, 5.0),
            (shape - 1.0).max(0.0),
            wordy,
            shapes.clamp(-3.0, 5.0),
            flag(symbol.judged.shape == Shape::Reserved),
            calls.ln(),
            (alone as f64).ln_1p(),
            log2(k),
            k_tail,
            real(hard_columns).ln_1p(),
            flag(alone > 0),
            flag(alone == value.calls && value.calls > 1),
            g.max(0.0),
            (-g).max(0.0),
            once,
            (n / k).ln(),
            here.hard.ln_1p(),
            flag(here.plural),
            flag(here.below_parameter),
            flag(self.depth <= 1),
            here.noun_ids.max(0.0).ln_1p(),
            here.noun_names.max(0.0).ln_1p(),
            as_id.max(0.0).ln_1p(),
            as_name.max(0.0).ln_1p(),
            resp.unwrap_or(0.0),
            flag(resp.is_none()),
            flag(resp.is_some_and(|resp| resp < 0.35)),
            flag(alters),
            flag(only_posted),
            outlier,
            n.ln(),
            flag(id_columns > 0),
            real(id_columns) / total,
            flag(named_tail),
            wordy * g,
            wordy * k_tail,
            digits_beside,
            flag(terminal),
            flag(here.count <= 1.0),
            all_id,
            all_id * flag(mine.len() > 1),
            id_mates.ln_1p(),
            real(pairs).ln_1p(),
            all_id * resp.unwrap_or(0.6),
            ids_here / (here.count - 1.0).max(1.0),
            ids_here.max(0.0).ln_1p(),
            here.growth,
            here.once,
            here.count.max(1.0).ln(),
            flag(here.well_known),
            real(literal_columns) / total,
            flag(wordy > 0.0 && only(Method::GET) && own != Some(true)),
            all_id * flag(resp.is_some_and(|resp| resp >= 0.75)),
            all_id * flag(resp.is_some_and(|resp| resp < 0.5)),
            outlier * unlike,
            real(kin_shared).ln_1p(),
            kin_share,
            if kin_shared == 0 { real(kin_below).ln_1p() } else { 0.0 },
            flag(here.plural) * real(kin_shared).ln_1p(),
            here.cohesion,
            here.cohesion * flag(kin_mate),
            here.cohesion * flag(here.plural),
            kin_share * kin_others.max(0.0).ln_1p(),
            flag(style.is_some_and(|style| feedback.is_odd(style))),
            flag(style == Some(Style::Constant)),
            flag(symbol.judged.shape == Shape::Rpc && goes_on > 0),
            flag(symbol.judged.shape == Shape::Version && here.versions),
            flag(reserved) * here.cohesion,
            flag(here.attribute),
            real(verb_mates).ln_1p(),
            real(stem_mates).ln_1p(),
            real(by_value) / real(goes_on.max(1)),
            real(deep).ln_1p(),
            real(next).ln_1p(),
        ])
    }

    /// The columns that go on below a value by a name of the API: those that another has too, and all.
    fn kin(&self, at: usize) -> (usize, usize) {
        let mine = self.of_value.get(at).into_iter().flatten();
        let named = mine.filter_map(|number| self.columns.get(*number)).filter(|column| column.named);
        named.fold((0, 0), |(shared, all), column| {
            (shared + usize::from(column.hard || column.soft.len() > 1), all + 1)
        })
    }

    /// Of the columns that go on below a value: those in which a value follows next, but not below values of a hard
    /// shape too, and all.
    pub(super) fn led_to_values(&self, at: usize) -> (usize, usize) {
        let mine = self.of_value.get(at).into_iter().flatten();
        let below = mine.filter_map(|number| self.columns.get(*number)).filter(|column| column.tail != EMPTY);
        below.fold((0, 0), |(values, all), column| {
            (values + usize::from(!column.next_named && !column.hard), all + 1)
        })
    }

    /// How many others have the custom verb of a value, and how many are the same with another verb or none.
    fn verbs(&self, at: usize, value: &Value) -> (usize, usize) {
        let symbol = self.sheet.get(value.sym);
        let verb = symbol.suffix();
        if !verb.starts_with(':') {
            return (0, 0);
        }
        let others = self.values.iter().enumerate().filter(|(other, _)| *other != at);
        others.fold((0, 0), |(verbs, stems), (_, other)| {
            let other = self.sheet.get(other.sym);
            (
                verbs + usize::from(other.suffix() == verb),
                stems + usize::from(other.stem() == symbol.stem() && other.suffix() != verb),
            )
        })
    }

    /// Of the columns that go on below a name: those that another value of `group` has too, and all.
    pub(super) fn shared_below(&self, at: usize, group: &dyn Fn(usize) -> bool) -> (usize, usize) {
        let Some(mine) = self.of_value.get(at) else { return (0, 0) };
        let below =
            mine.iter().filter_map(|number| self.columns.get(*number)).filter(|column| column.tail != EMPTY);
        let (mut shared, mut all) = (0, 0);
        for column in below {
            all += 1;
            shared +=
                usize::from(column.hard || column.soft.iter().any(|(mate, _)| *mate != at && group(*mate)));
        }
        (shared, all)
    }
}

impl Column {
    /// How like the answers of one value are to those of the others; none when it cannot be told.
    fn likeness(&self, at: usize) -> Option<f64> {
        let mine = self.keys.binary_search_by_key(&at, |(value, _)| *value).ok()?;
        let (_, mine) = self.keys.get(mine)?;
        let others = self.keys.len() - 1;
        if others == 0 {
            return None;
        }
        let (mut common, mut held, mut shared) = (0_usize, 0_usize, 0_usize);
        for (key, count) in &self.pool {
            let has = mine.binary_search(key).is_ok();
            let elsewhere = real(*count as usize - usize::from(has));
            if elsewhere >= 0.5 * real(others) {
                common += 1;
                held += usize::from(has);
            }
            shared += usize::from(has && *count > 1);
        }
        (common > 0).then(|| (real(held) / real(common)).min(real(shared) / real(mine.len())))
    }
}

/// What is the same for all values of a position.
#[expect(clippy::struct_excessive_bools, reason = "independent facts of one position")]
struct Here {
    /// Values, those of one shape counted singly.
    count: f64,
    /// Values of a hard shape.
    hard: f64,
    soft_ids: f64,
    noun_ids: f64,
    noun_names: f64,
    growth: f64,
    once: f64,
    plural: bool,
    below_parameter: bool,
    well_known: bool,
    /// Whether the keys of any answer are known.
    answers: bool,
    /// Which values have most of their named paths in common with others.
    kin: Vec<bool>,
    kin_count: f64,
    /// Their share among the values without a hard shape that are no reserved words.
    cohesion: f64,
    /// Whether versions here are not those of the API.
    versions: bool,
    /// Whether the name above is that of an attribute, which is followed by its value.
    attribute: bool,
}

impl Here {
    #[expect(clippy::cast_precision_loss, reason = "call counts are far below 2^52")]
    fn of(position: &Position<'_>, feedback: &Feedback) -> Self {
        let sheet = position.sheet;
        let soft = || position.values.iter().filter(|value| !value.hard);
        let mut counts: Vec<u64> = soft().map(|value| value.calls).collect();
        counts.sort_unstable_by(|a, b| b.cmp(a));
        counts.truncate(growth::MOST);
        let n = counts.iter().sum::<u64>() as f64;
        let k = real(counts.len());
        let once = real(counts.iter().filter(|count| **count == 1).count());
        let (ids, names, soft_ids) = feedback.totals.get(&position.prefix).copied().unwrap_or_default();
        let (noun_ids, noun_names) =
            feedback.nouns.get(&noun(sheet, position.prefix)).copied().unwrap_or((ids, names));
        let parent = sheet.unchain(position.prefix).map(|(_, last)| sheet.get(last));
        let kin: Vec<bool> = (0..position.values.len())
            .map(|at| position.kin(at))
            .map(|(shared, all)| shared > 0 && shared * 4 >= all * 3)
            .collect();
        let free = position
            .values
            .iter()
            .zip(&kin)
            .filter(|(value, _)| !value.hard && sheet.get(value.sym).judged.shape != Shape::Reserved);
        let (kin_count, frees) =
            free.fold((0.0, 0.0), |(kin, all), (_, is_kin)| (kin + f64::from(u8::from(*is_kin)), all + 1.0));
        let name = parent.filter(|parent| !parent.parameter).map_or("", |parent| &parent.text);
        Self {
            count: position.values.iter().map(|value| value.distinct).sum(),
            hard: position.values.iter().filter(|value| value.hard).map(|value| value.distinct).sum(),
            soft_ids,
            noun_ids: noun_ids - ids,
            noun_names: noun_names - names,
            growth: if counts.len() > 1 { (growth(&counts) / n.sqrt()).clamp(-1.5, 1.5) } else { 0.0 },
            once: if counts.is_empty() { 0.0 } else { once / k * (k / 4.0).min(1.0) },
            plural: parent.is_some_and(|parent| !parent.parameter && is_plural(&parent.text)),
            below_parameter: parent.is_some_and(|parent| parent.parameter),
            answers: position.columns.iter().any(|column| !column.keys.is_empty()),
            well_known: parent.is_some_and(|parent| *parent.text == *".well-known"),
            kin,
            kin_count,
            cohesion: if kin_count >= 2.0 { kin_count / frees } else { 0.0 },
            versions: has_parameter(sheet, position.prefix) || VERSIONED.contains(&name),
            attribute: ATTRIBUTES.contains(&name),
        }
    }
}

/// Collections of versions of something.
const VERSIONED: [&str; 9] =
    ["versions", "releases", "tags", "branches", "revisions", "refs", "heads", "version", "release"];
/// Attributes by which things are looked up.
const ATTRIBUTES: [&str; 12] =
    ["name", "names", "id", "ids", "key", "code", "slug", "by-name", "by-id", "email", "username", "handle"];

/// Whether a parameter stands in a prefix.
pub(super) fn has_parameter(sheet: &Sheet, prefix: Prefix) -> bool {
    let mut at = prefix;
    while let Some((before, sym)) = sheet.unchain(at) {
        if sheet.get(sym).parameter {
            return true;
        }
        at = before;
    }
    false
}

/// How words are joined in a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    Kebab,
    Snake,
    Camel,
    Pascal,
    Constant,
    Dotted,
}

/// Kinds of [`Style`].
pub(super) const STYLES: usize = 6;

impl Style {
    /// The style of a name; none of a single word in lower case, nor of what is no words at all.
    pub(super) fn of(name: &str) -> Option<Self> {
        let has = |is: fn(&u8) -> bool| name.bytes().any(|byte| is(&byte));
        if !name.starts_with(|first: char| first.is_ascii_alphabetic()) {
            return None;
        }
        let (lower, upper) = (has(u8::is_ascii_lowercase), has(u8::is_ascii_uppercase));
        if name.contains('.') {
            Some(Self::Dotted)
        } else if upper && !lower && name.len() > 3 {
            Some(Self::Constant)
        } else if name.contains('_') {
            Some(Self::Snake)
        } else if name.contains('-') {
            Some(Self::Kebab)
        } else if name.starts_with(|first: char| first.is_ascii_uppercase()) {
            Some(Self::Pascal)
        } else {
            upper.then_some(Self::Camel)
        }
    }
}

impl Feedback {
    /// Whether hardly any name of the API is spelt so.
    fn is_odd(&self, style: Style) -> bool {
        let all: f64 = self.styles.iter().sum();
        all >= 5.0 && self.styles.get(style as usize).is_some_and(|names| *names <= all * 0.1)
    }
}

/// Adds sorted keys to sorted keys.
pub(super) fn union(keys: &mut Vec<u64>, more: &[u64]) {
    keys.extend_from_slice(more);
    keys.sort_unstable();
    keys.dedup();
}

/// The number of distinct values of the sketches of one position.
pub(super) fn distinct<'d>(sketches: impl Iterator<Item = &'d Distinct>, limit: usize) -> f64 {
    let mut all = Distinct::default();
    for sketch in sketches {
        all.absorb(sketch, limit);
    }
    all.estimate(limit).max(1.0)
}
