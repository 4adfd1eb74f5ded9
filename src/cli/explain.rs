//! `spanlight inventory --explain`: why an endpoint is one, segment by segment.

use super::Outcome;
use super::output::{complain, to};
use super::style::{Colours, columns, plural, thousands, wrapped};
use crate::classify::Classifier;
use crate::inventory::delta::{Delta, Explanation};
use crate::inventory::learner::{SegmentAccount, Settled};
use crate::inventory::rulings::Rulings;
use crate::inventory::{Endpoint, nameless};
use crate::lake::rows::EndpointRow;
use crate::pipeline::analyze::Report;
use crate::pipeline::tables;
use crate::sink::jsonl;
use crate::spec::DocumentSet;
use anyhow::{Result, bail};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Endpoints that are explained at once.
const MOST: usize = 32;

/// What was asked about: `GET api.bank.example/v1/accounts/{id}`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Asked<'a> {
    method: Option<&'a str>,
    host: Option<&'a str>,
    path: &'a str,
}

impl<'a> Asked<'a> {
    fn read(text: &'a str) -> Result<Self> {
        let text = text.trim();
        let (method, rest) = match text.split_once(char::is_whitespace) {
            Some((method, rest)) if !method.contains('/') => (Some(method), rest.trim_start()),
            Some(_) | None => (None, text),
        };
        let rest = rest.split_once("://").map_or(rest, |(_, rest)| rest);
        // A host may stand before the path with or without a blank, as inventories are shown.
        let Some(at) = rest.find('/') else {
            bail!("--explain needs a path, as in 'GET /v1/accounts/{{accountId}}'");
        };
        let (host, path) = rest.split_at(at);
        let host = host.trim_end();
        Ok(Self { method, host: (!host.is_empty()).then_some(host), path: path.trim_end() })
    }

    /// The places of the endpoints that are meant.
    fn find(&self, report: &Report<'_>) -> Vec<usize> {
        let endpoints = &report.snapshot.inventory.endpoints;
        let meant = |endpoint: &Endpoint| {
            self.method.is_none_or(|method| method.eq_ignore_ascii_case(&endpoint.key.method))
                && self.host.is_none_or(|host| host.eq_ignore_ascii_case(&endpoint.key.host))
        };
        let wanted = nameless(self.path.trim_end_matches('/'));
        let same = |endpoint: &Endpoint| {
            if self.path.contains('{') {
                return nameless(&endpoint.key.template) == wanted;
            }
            let key = &endpoint.key;
            let found = report.snapshot.locate(&key.host, &key.method, self.path.as_bytes());
            found.is_some_and(|found| found.key == *key)
        };
        let all = endpoints.iter().enumerate();
        all.filter(|(_, endpoint)| meant(endpoint) && same(endpoint)).map(|(at, _)| at).collect()
    }
}

/// Explains what was asked about.
pub(super) fn run(
    asked: &str,
    delta: &Delta,
    report: &Report<'_>,
    known: (&DocumentSet, &Rulings),
    classifier: &Classifier,
    as_json: bool,
) -> Result<Outcome> {
    let asked = Asked::read(asked)?;
    let mut places = asked.find(report);
    if places.is_empty() {
        let nearest = nearest(asked.path, report);
        bail!("no endpoint has this template or is led to by this path{nearest}");
    }
    if places.len() > MOST {
        complain(&format!(
            "{} are meant, of which {MOST} are told: name method and host",
            plural(places.len() as u64, "endpoint")
        ));
        places.truncate(MOST);
    }
    // Those of operations under an endpoint follow it: without them a place is that of the snapshot.
    let mut rows = tables::endpoints(report, classifier, known.0);
    rows.retain(|row| row.operation.parent.is_none());
    let raw = (!asked.path.contains('{')).then_some(asked.path.as_bytes());
    let told: Vec<(&EndpointRow, Option<Explanation>)> = places
        .iter()
        .filter_map(|place| Some((rows.get(*place)?, delta.explain(&report.snapshot, *place, known, raw))))
        .collect();
    to("-".as_ref(), |out| {
        if as_json {
            return told
                .iter()
                .try_for_each(|(row, why)| jsonl::write_line(out, &as_value(row, why.as_ref())));
        }
        let colours = Colours::for_stdout();
        let mut text = String::new();
        for (at, (row, why)) in told.iter().enumerate() {
            if at > 0 {
                text.push('\n');
            }
            tell(&mut text, row, why.as_ref(), raw.is_some(), &rows, colours);
        }
        out.write_all(text.as_bytes())
    })?;
    Ok(Outcome::Done)
}

/// `; 3 endpoints begin with /v1/accounts`
fn nearest(path: &str, report: &Report<'_>) -> String {
    let mut front = path.trim_end_matches('/');
    while let Some(at) = front.rfind('/').filter(|at| *at > 0) {
        front = front.get(..at).unwrap_or_default();
        let wanted = nameless(front);
        let begins = |endpoint: &&Endpoint| {
            let template = nameless(&endpoint.key.template);
            template.strip_prefix(&wanted).is_some_and(|rest| rest.starts_with('/'))
        };
        let count = report.snapshot.inventory.endpoints.iter().filter(begins).count();
        if count > 0 {
            return format!("; {} begin with {front}", plural(count as u64, "endpoint"));
        }
    }
    String::new()
}

const fn settled_words(settled: Settled) -> &'static str {
    match settled {
        Settled::Evidence => "by the evidence",
        Settled::Shape => "by its shape: nobody calls a part of an API so",
        Settled::Name => "by its shape, which names have: a version, a name of the trade",
        Settled::Constant => "a constant, whatever it looks like: the whole API lies behind it",
        Settled::Crowd => "many beside it have the same paths below and the same answers",
        Settled::Guard => "near the root a parameter must share what lies below it, and this one does not",
        Settled::Enumeration => "one of few words with the same operations below",
        Settled::Formats => "one thing in several data formats",
        Settled::Operator => "an operator decided so",
        Settled::Document => "a document says so",
    }
}

const fn settled_name(settled: Settled) -> &'static str {
    match settled {
        Settled::Evidence => "evidence",
        Settled::Shape => "shape",
        Settled::Name => "name",
        Settled::Constant => "constant",
        Settled::Crowd => "crowd",
        Settled::Guard => "guard",
        Settled::Enumeration => "enumeration",
        Settled::Formats => "formats",
        Settled::Operator => "operator",
        Settled::Document => "document",
    }
}

/// `about 830` or `3`.
fn values(count: f64) -> String {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count of values")]
    let rounded = count.round().max(0.0) as u64;
    if rounded > 32 { format!("about {}", thousands(rounded)) } else { thousands(rounded) }
}

fn tell(
    out: &mut String,
    row: &EndpointRow,
    why: Option<&Explanation>,
    by_path: bool,
    rows: &[EndpointRow],
    colours: Colours,
) {
    let lead = if by_path { "falls into  " } else { "" };
    // Writing to a string cannot fail, here and below.
    _ = writeln!(out, "{lead}{}", colours.bold(&format!("{} {}{}", row.method, row.host, row.path_template)));
    let mut facts = vec![format!("id {}", row.id), row.class.clone(), plural(row.count, "call")];
    if let Some(why) = why {
        facts.push(format!("from {}", plural(why.paths as u64, "path")));
        facts.push(format!("{:.0} % sure", row.template_confidence * 100.0));
        facts.extend(why.vantage.as_ref().map(|vantage| format!("as {vantage} saw it")));
    }
    _ = writeln!(out, "  {}", facts.join(" · "));
    let statuses: Vec<String> = row
        .statuses
        .iter()
        .map(|(status, count)| match status {
            0 => format!("none ×{}", thousands(*count)),
            status => format!("{status} ×{}", thousands(*count)),
        })
        .collect();
    let mut answers = format!("answers {}", statuses.join(", "));
    let same = |other: &&EndpointRow| {
        other.host == row.host && other.path_template == row.path_template && other.class == "api"
    };
    let others: Vec<&str> = rows
        .iter()
        .filter(same)
        .map(|other| other.method.as_str())
        .filter(|method| *method != row.method)
        .collect();
    if !others.is_empty() {
        _ = write!(answers, "; also {}", others.join(", "));
    }
    _ = writeln!(out, "  {answers}");
    for former in &row.former_templates {
        _ = writeln!(out, "  was {} until {}", former.path_template, former.replaced);
    }
    let Some(why) = why else {
        _ = writeln!(
            out,
            "  no part of an API, so no segment of it was weighed: {}",
            class_words(&row.class)
        );
        return;
    };
    out.push('\n');
    let names: Vec<&str> = row.path_template.split('/').filter(|name| !name.is_empty()).collect();
    let width = names.iter().map(|name| name.chars().count()).max().unwrap_or(0).clamp(4, 28);
    for (at, segment) in why.segments.iter().enumerate() {
        let name = names.get(at).copied().unwrap_or_default();
        let class = row.parameters.iter().find(|parameter| parameter.segment == at as u64 + 1);
        tell_segment(
            out,
            at + 1,
            (name, width),
            segment,
            class.map(|one| (one.kind.as_str(), one.class.as_str())),
            colours,
        );
    }
}

fn class_words(class: &str) -> &'static str {
    match class {
        "static" => "files of a web page",
        "scanner" => "only scanners ask for it",
        "preflight" => "questions of browsers before a request",
        "health" => "checks whether a server is well",
        _ => "nothing shows that it exists",
    }
}

fn tell_segment(
    out: &mut String,
    number: usize,
    (name, width): (&str, usize),
    segment: &SegmentAccount,
    parameter: Option<(&str, &str)>,
    colours: Colours,
) {
    let what = if segment.is_value { "parameter" } else { "name" };
    let padded = format!("{name:width$}");
    let name = if segment.is_value { colours.good(&padded) } else { colours.bold(&padded) };
    let mut verdict = settled_words(segment.settled).to_owned();
    if let Some(weighed) = segment.weighed {
        _ = write!(verdict, "; weighed {weighed:+.1}, a value from 0 on");
        if segment.settled == Settled::Evidence && (segment.odds - weighed).abs() > 0.05 {
            _ = write!(verdict, ", {:+.1} after what its shape says", segment.odds);
        }
    }
    _ = writeln!(out, "  {number:>2}  {name}  {what:9}  {verdict}");
    let mut line = |label: &str, text: String| {
        if !text.is_empty() {
            let text = wrapped(&text, columns(), 20);
            _ = writeln!(out, "      {}{text}", colours.dim(&format!("{label:14}")));
        }
    };
    if segment.is_value {
        let calls: u64 = segment.shapes.iter().map(|(_, _, calls)| calls).sum();
        let shapes: Vec<String> = segment
            .shapes
            .iter()
            .take(6)
            .map(|(shape, distinct, of)| {
                format!(
                    "{} × {} ({} % of calls)",
                    values(*distinct),
                    shape.describe(),
                    of * 100 / calls.max(1)
                )
            })
            .collect();
        let mut told = shapes.join(", ");
        if let Some((kind, class)) = parameter {
            _ = write!(told, "; type {kind}");
            if !class.is_empty() {
                _ = write!(told, ", data class {class}");
            }
        }
        line("values", told);
    } else if let Some((shape, _, _)) = segment.shapes.first() {
        line("shape", shape.describe().to_owned());
    }
    let (names, least) = (segment.names as u64, segment.spread.0);
    let besides = format!(
        "{} and {} values in all, {}; the names, and values of a shape together, are called {} to {} times, median {}, evenness {:.2}",
        plural(names, "name"),
        values(segment.values),
        plural(segment.calls, "call"),
        thousands(least),
        thousands(segment.spread.2),
        thousands(segment.spread.1),
        segment.evenness
    );
    let alone = segment.names + usize::from(segment.values > 0.0) == 1 && segment.values <= 1.5;
    line(
        "position",
        if alone { format!("nothing beside it, {}", plural(segment.calls, "call")) } else { besides },
    );
    let below = match segment.below {
        (0, _) => "nothing".to_owned(),
        (all, shared) => format!(
            "{}, {} of them below something else at the position, too",
            plural(all as u64, "operation"),
            thousands(shared as u64)
        ),
    };
    line("below", below);
    let terms = |for_value: bool| {
        let wanted = segment.evidence.iter().filter(|(_, weight)| (*weight > 0.0) == for_value);
        wanted.map(|(words, weight)| format!("{weight:+.1} {words}")).collect::<Vec<_>>().join(" · ")
    };
    line("for a value", terms(true));
    line("for a name", terms(false));
}

fn as_value(row: &EndpointRow, why: Option<&Explanation>) -> Value {
    let rounded = |number: f64| (number * 100.0).round() / 100.0;
    let segments: Option<Vec<Value>> = why.map(|why| {
        let names = row.path_template.split('/').filter(|name| !name.is_empty());
        why.segments
            .iter()
            .zip(names)
            .map(|(segment, name)| {
                let evidence: BTreeMap<&str, f64> =
                    segment.evidence.iter().map(|(words, weight)| (*words, rounded(*weight))).collect();
                let shapes: Vec<Value> = segment
                    .shapes
                    .iter()
                    .map(|(shape, distinct, calls)| {
                        json!({ "shape": shape.describe(), "distinct": distinct.round(), "calls": calls })
                    })
                    .collect();
                json!({
                    "segment": name,
                    "is_parameter": segment.is_value,
                    "settled_by": settled_name(segment.settled),
                    "weighed": segment.weighed.map(rounded),
                    "log_odds": rounded(segment.odds),
                    "threshold": 0,
                    "evidence": evidence,
                    "names_at_position": segment.names,
                    "values_at_position": segment.values.round(),
                    "calls_at_position": segment.calls,
                    "calls_least": segment.spread.0,
                    "calls_median": segment.spread.1,
                    "calls_most": segment.spread.2,
                    "evenness": rounded(segment.evenness),
                    "shapes": shapes,
                    "operations_below": segment.below.0,
                    "operations_below_shared": segment.below.1,
                })
            })
            .collect()
    });
    let statuses: BTreeMap<String, u64> =
        row.statuses.iter().map(|(status, count)| (status.to_string(), *count)).collect();
    json!({
        "id": row.id,
        "host": row.host,
        "method": row.method,
        "path_template": row.path_template,
        "class": row.class,
        "count": row.count,
        "statuses": statuses,
        "template_confidence": row.template_confidence,
        "paths": why.map(|why| why.paths),
        "vantage": why.and_then(|why| why.vantage.as_deref()),
        "parameters": row.parameters,
        "former_templates": row.former_templates,
        "segments": segments,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_about_is_read_as_people_write_it() {
        let asked = |method, host, path| Asked { method, host, path };
        for (text, expected) in [
            ("GET /x/{id}", asked(Some("GET"), None, "/x/{id}")),
            ("/x/1", asked(None, None, "/x/1")),
            ("GET api.example /x", asked(Some("GET"), Some("api.example"), "/x")),
            ("api.example/x", asked(None, Some("api.example"), "/x")),
            ("POST https://api.example/x?y=1", asked(Some("POST"), Some("api.example"), "/x?y=1")),
        ] {
            assert_eq!(Asked::read(text).unwrap(), expected, "{text}");
        }
        assert!(Asked::read("GET").is_err());
    }
}
