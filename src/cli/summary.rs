//! The summary of an analysis: what a person reads first.

use super::style::{Colours, bytes, columns, plural, thousands, wrapped};
use crate::anomaly::Anomaly;
use crate::finding::{Severity, State};
use crate::flow::FlowCounters;
use crate::inventory::learner::ScannerSource;
use crate::inventory::rulings::Use;
use crate::inventory::versions::order;
#[cfg(feature = "lake")]
use crate::lake::rows::EventRow;
use crate::lake::rows::{Count, EndpointRow, FindingRow, ServiceRow};
use crate::limits::Limits;
use crate::packet::Fate;
use crate::pipeline::analyze::Taken;
use crate::pipeline::tables;
use crate::spec::DocumentSet;
use crate::time::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// What a summary is made of.
pub(super) struct View<'a> {
    pub(super) endpoints: &'a [EndpointRow],
    pub(super) findings: &'a [FindingRow],
    pub(super) services: &'a [ServiceRow],
    pub(super) scanners: &'a [ScannerSource],
    pub(super) taken: &'a Taken,
    pub(super) documents: Option<&'a DocumentSet>,
    pub(super) limits: &'a Limits,
    pub(super) rulings: &'a [Use],
    pub(super) lake: Option<&'a Path>,
    pub(super) all: bool,
    pub(super) complaints: usize,
}

/// Endpoints shown of a capability unless all are asked for.
const ENDPOINTS_SHOWN: usize = 16;
/// Findings shown of a severity unless all are asked for.
const FINDINGS_SHOWN: usize = 12;

/// The whole summary.
pub(super) fn text(view: &View<'_>, colours: Colours) -> String {
    let mut out = String::new();
    header(&mut out, view, colours);
    inventory(&mut out, view.endpoints, view.all, colours);
    callers(&mut out, view, colours);
    vantages(&mut out, view.endpoints, colours);
    hosts(&mut out, view.endpoints, colours);
    operation_versions(&mut out, view.endpoints, colours);
    owners(&mut out, view.endpoints, colours);
    others(&mut out, view.endpoints, colours);
    scanners(&mut out, view.scanners, view.all, colours);
    if view.documents.is_some() || !view.findings.is_empty() {
        let how = if view.all { Shown::All } else { Shown::Some };
        findings(&mut out, view.findings, how, colours);
    }
    behind_tls(&mut out, view, colours);
    rulings(&mut out, view.rulings, colours);
    not_understood(&mut out, view, colours);
    footer(&mut out, view, colours);
    out
}

fn line(out: &mut String, text: &str) {
    out.push_str(text.trim_end());
    out.push('\n');
}

fn section(out: &mut String, title: &str, about: &str, colours: Colours) {
    out.push('\n');
    line(out, &format!("{}  {}", colours.bold(title), about));
}

fn span(first: Timestamp, last: Timestamp) -> String {
    let text = |at: Timestamp| {
        let at = Timestamp::from_secs(at.as_nanos().div_euclid(1_000_000_000), 0).to_string();
        at.trim_end_matches('Z').replace('T', " ")
    };
    let (first, last) = (text(first), text(last));
    match (first.split_once(' '), last.split_once(' ')) {
        (Some((day, _)), Some((same, time))) if day == same => format!("{first} to {time} UTC"),
        _ => format!("{first} to {last} UTC"),
    }
}

fn header(out: &mut String, view: &View<'_>, colours: Colours) {
    let taken = view.taken;
    let names: Vec<&str> = taken
        .inputs
        .iter()
        .map(|input| Path::new(&input.name).file_name().and_then(|name| name.to_str()).unwrap_or(&input.name))
        .collect();
    let name = match names.as_slice() {
        [one] => (*one).to_owned(),
        all => plural(all.len() as u64, "input"),
    };
    let packets: u64 =
        taken.inputs.iter().filter(|input| input.format == "capture").map(|input| input.records).sum();
    let mut facts = Vec::new();
    if packets > 0 {
        facts.push(plural(packets, "packet"));
        facts.push(plural(taken.counters.flows.flows, "connection"));
    }
    facts.push(plural(taken.exchanges(), "exchange"));
    let (first, last) = tables::window(taken);
    if last > Timestamp::EPOCH {
        facts.push(span(first, last));
    }
    line(out, &format!("{}  {}  {}", colours.bold("spanlight"), name, colours.dim(&facts.join(" · "))));
}

/// Decisions of operators that changed nothing.
fn rulings(out: &mut String, rulings: &[Use], colours: Colours) {
    let idle: Vec<&Use> = rulings.iter().filter(|used| used.paths == used.overruled).collect();
    if idle.is_empty() {
        return;
    }
    let about = format!("{} of {} without effect", idle.len(), plural(rulings.len() as u64, "decision"));
    section(out, "Templates", &about, colours);
    for used in idle {
        let why =
            if used.paths == 0 { "matches nothing that was seen" } else { "a document says it already" };
        line(out, &format!("  {}  {}: {why}", colours.dim(&used.place), used.text));
    }
}

/// All endpoints with what is told of their hosts and versions; what is no API only on request.
pub(super) fn listing(endpoints: &[EndpointRow], with_others: bool, colours: Colours) -> String {
    let mut out = String::new();
    inventory(&mut out, endpoints, true, colours);
    hosts(&mut out, endpoints, colours);
    operation_versions(&mut out, endpoints, colours);
    owners(&mut out, endpoints, colours);
    if with_others {
        others(&mut out, endpoints, colours);
    }
    out
}

/// The endpoints, by capability and host.
fn inventory(out: &mut String, endpoints: &[EndpointRow], all: bool, colours: Colours) {
    let (apis, operations): (Vec<&EndpointRow>, Vec<&EndpointRow>) =
        endpoints.iter().filter(|row| row.class == "api").partition(|row| row.operation.parent.is_none());
    let hosts: BTreeSet<&str> = apis.iter().map(|row| row.host.as_str()).collect();
    let requests: u64 = apis.iter().map(|row| row.count).sum();
    let about = if apis.is_empty() {
        "no API endpoint was seen".to_owned()
    } else {
        let under = if operations.is_empty() {
            String::new()
        } else {
            format!(" and {} under them", plural(operations.len() as u64, "operation"))
        };
        format!(
            "{}{under} on {}, {}",
            plural(apis.len() as u64, "endpoint"),
            plural(hosts.len() as u64, "host"),
            plural(requests, "request")
        )
    };
    let mut under: BTreeMap<&str, Vec<&EndpointRow>> = BTreeMap::new();
    for row in operations {
        under.entry(row.operation.parent.as_deref().unwrap_or_default()).or_default().push(row);
    }
    section(out, "INVENTORY", &about, colours);
    let mut groups: BTreeMap<&str, Vec<&EndpointRow>> = BTreeMap::new();
    for row in apis {
        groups.entry(&row.capability).or_default().push(row);
    }
    for (capability, mut rows) in groups {
        rows.sort_by_key(|row| (&row.host, &row.path_template, &row.method));
        let callers = rows.iter().map(|row| row.callers).max().unwrap_or(0);
        let requests: u64 = rows.iter().map(|row| row.count).sum();
        out.push('\n');
        line(
            out,
            &format!(
                "  {}  {}",
                colours.bold(capability),
                colours.dim(&format!(
                    "{}, {}, up to {}",
                    plural(rows.len() as u64, "endpoint"),
                    plural(requests, "request"),
                    plural(callers, "caller")
                ))
            ),
        );
        let total = rows.len();
        if !all && total > ENDPOINTS_SHOWN {
            // The busiest, and whatever no document knows, say most.
            let known =
                |row: &EndpointRow| !matches!(row.spec.as_deref(), Some("shadow" | "undocumented_method"));
            rows.sort_by_key(|row| (known(row), std::cmp::Reverse(row.count)));
            rows.truncate(ENDPOINTS_SHOWN);
            rows.sort_by_key(|row| (&row.host, &row.path_template, &row.method));
        }
        let mut host = None;
        for row in &rows {
            if host != Some(&row.host) {
                line(
                    out,
                    &format!(
                        "    {}",
                        colours.dim(if row.host.is_empty() { "(no host)" } else { &row.host })
                    ),
                );
                host = Some(&row.host);
            }
            endpoint(out, row, colours);
            if let Some(operations) = under.get(row.id.as_str()) {
                operations_of(out, operations, all, colours);
            }
        }
        if rows.len() < total {
            line(out, &colours.dim(&format!("      … and {} more (--all)", total - rows.len())));
        }
    }
}

/// Operations shown of a URL unless all are asked for.
const OPERATIONS_SHOWN: usize = 12;

/// The operations under a URL, the busiest first unless all are shown.
fn operations_of(out: &mut String, rows: &[&EndpointRow], all: bool, colours: Colours) {
    let name = |row: &EndpointRow| {
        let operation = &row.operation;
        let kind = operation.operation_type.as_deref().map_or_else(String::new, |kind| format!("{kind} "));
        format!("{kind}{}", operation.name.as_deref().unwrap_or_default())
    };
    let mut rows = rows.to_vec();
    let total = rows.len();
    if !all {
        rows.sort_by_key(|row| std::cmp::Reverse(row.count));
        rows.truncate(OPERATIONS_SHOWN);
    }
    rows.sort_by_cached_key(|row| name(row));
    for row in &rows {
        let text = name(row);
        let pad = (path_columns() - 2).saturating_sub(text.chars().count());
        let front = format!("{:15}{}{:pad$}", "", colours.dim(&text), "");
        let errors = match row.operation.errors {
            0 => String::new(),
            errors => colours.warn(&format!(" {}", plural(errors, "error"))),
        };
        let data = classes(row, colours);
        line(out, &format!("{front}{:>8}  {:<11}{errors}{data}", thousands(row.count), authentication(row)));
    }
    if rows.len() < total {
        line(out, &colours.dim(&format!("{:15}… and {} more (--all)", "", total - rows.len())));
    }
}

/// Columns of the path: what a count, a scheme, a verdict and some classes leave of a line.
fn path_columns() -> usize {
    columns().saturating_sub(60).max(12)
}

fn endpoint(out: &mut String, row: &EndpointRow, colours: Colours) {
    let auth = authentication(row);
    let auth_text = if auth == "none" { colours.warn(&format!("{auth:<11}")) } else { format!("{auth:<11}") };
    let verdict = match (row.spec.as_deref(), row.lifecycle.as_str()) {
        (Some("shadow"), _) => colours.alarm("shadow       "),
        (Some("undocumented_method"), _) => colours.alarm("shadow method"),
        (_, "sunset") => colours.alarm("past sunset  "),
        (Some("deprecated"), _) | (_, "deprecated") => colours.warn("deprecated   "),
        (Some(_), _) => colours.good("documented   "),
        (None, _) => String::new(),
    };
    let data = format!("{}{}", calls(row, colours), classes(row, colours));
    let path_length = row.path_template.chars().count();
    let room = path_columns();
    let pad = room.saturating_sub(path_length);
    let front = format!("      {:<6} {}", row.method, row.path_template);
    let rest = format!("{:>8}  {auth_text} {verdict}{data}", thousands(row.count));
    if path_length > room {
        line(out, &front);
        line(out, &format!("{:indent$}{rest}", "", indent = 13 + room));
    } else {
        line(out, &format!("{front}{:pad$}{rest}", ""));
    }
    if !row.messages.is_empty() {
        line(out, &colours.dim(&format!("             {}", dialogue(row))));
    }
}

/// What was said on an endpoint: `client: 7 messages (type=pay 3) · server: 23 messages (type=price 18)`.
fn dialogue(row: &EndpointRow) -> String {
    let side = |side: &str| {
        let sum = |sorts: [&str; 2]| -> u64 {
            let is_of = |count: &&Count| {
                count.name.strip_prefix(side).is_some_and(|sort| sorts.contains(&sort.trim_start()))
            };
            row.messages.iter().filter(is_of).map(|count| count.count).sum()
        };
        let messages = sum(["text", "binary"]);
        let mut kinds: Vec<(&str, u64)> = row
            .message_kinds
            .iter()
            .filter_map(|count| Some((count.name.strip_prefix(side)?.strip_prefix(' ')?, count.count)))
            .collect();
        kinds.sort_by_key(|(name, count)| (std::cmp::Reverse(*count), *name));
        let more = kinds.len().saturating_sub(KINDS_SHOWN);
        let mut named: Vec<String> = kinds
            .iter()
            .take(KINDS_SHOWN)
            .map(|(name, count)| format!("{name} {}", thousands(*count)))
            .collect();
        named.extend((more > 0).then(|| format!("+{more}")));
        let named = if named.is_empty() { String::new() } else { format!(" ({})", named.join(", ")) };
        (messages > 0).then(|| format!("{side}: {}{named}", plural(messages, "message")))
    };
    ["client", "server"].into_iter().filter_map(side).collect::<Vec<_>>().join(" · ")
}

/// Kinds of messages that are named for a side.
const KINDS_SHOWN: usize = 3;

/// How most of an endpoint's requests authenticate, with a `+` when some do not.
fn authentication(row: &EndpointRow) -> String {
    let strongest = row
        .auth
        .iter()
        .filter(|count| count.name != "none")
        .max_by_key(|count| (count.count, count.name.as_str()))
        .map(|count| count.name.as_str());
    let without = row.auth.iter().any(|count| count.name == "none" && count.count > 0);
    match (strongest, without) {
        (Some(scheme), false) => scheme.to_owned(),
        (Some(scheme), true) => format!("{scheme}?"),
        (None, true) => "none".to_owned(),
        (None, false) => "not told".to_owned(),
    }
}

/// What remote calls were: `grpc server-streaming, 3 failed`.
fn calls(row: &EndpointRow, colours: Colours) -> String {
    let calls = &row.calls;
    if calls.is_empty() {
        return String::new();
    }
    let protocols: Vec<String> =
        calls.protocols.iter().map(|protocol| protocol.name.replace('_', "-")).collect();
    let mut text = protocols.join("+");
    match calls.streaming.as_str() {
        "client" => text.push_str(" client-streaming"),
        "server" => text.push_str(" server-streaming"),
        "bidi" => text.push_str(" streaming"),
        _ => {}
    }
    if calls.failed == 0 {
        return format!(" {}", colours.dim(&text));
    }
    format!(" {}{}", colours.dim(&text), colours.warn(&format!(", {} failed", thousands(calls.failed))))
}

/// The confirmed data classes, the most sensitive first.
fn classes(row: &EndpointRow, colours: Colours) -> String {
    let mut tiers: BTreeMap<&str, u8> = BTreeMap::new();
    for class in row.data_classes.iter().filter(|class| class.state == "confirmed") {
        let name = class.class.rsplit('.').next().unwrap_or(&class.class);
        // What every authenticated request carries says nothing of this endpoint.
        if matches!(name, "bearer" | "jwt" | "session_cookie" | "basic_auth" | "api_key" | "ip")
            && class.location == "request.header"
        {
            continue;
        }
        // The least sensitive are in the inventory; here they would drown the others.
        if class.tier < 2 {
            continue;
        }
        let tier = tiers.entry(name).or_default();
        *tier = (*tier).max(class.tier);
    }
    let mut sorted: Vec<_> = tiers.into_iter().collect();
    sorted.sort_by_key(|(name, tier)| (std::cmp::Reverse(*tier), *name));
    let more = sorted.len().saturating_sub(6);
    let mut text: Vec<String> = sorted
        .into_iter()
        .take(6)
        .map(|(name, tier)| match tier {
            4.. => colours.alarm(name),
            3 => colours.warn(name),
            0..=2 => colours.dim(name),
        })
        .collect();
    if more > 0 {
        text.push(colours.dim(&format!("+{more}")));
    }
    if text.is_empty() { String::new() } else { format!(" {}", text.join(" ")) }
}

/// Who called, and how they proved it.
fn callers(out: &mut String, view: &View<'_>, colours: Colours) {
    let taken = view.taken;
    if taken.callers() == 0 {
        return;
    }
    let mut parts: Vec<String> = taken
        .schemes()
        .iter()
        .map(|(scheme, requests)| format!("{} {}", scheme.name(), thousands(*requests)))
        .collect();
    let known = taken.issuers();
    if !known.is_empty() {
        let issuers: Vec<&str> = known.keys().take(5).map(|issuer| &**issuer).collect();
        let more = known.len().saturating_sub(issuers.len());
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        parts.push(format!("tokens issued by {}{more}", issuers.join(", ")));
    }
    let callers = plural(taken.callers(), "caller");
    let about = if parts.is_empty() { callers } else { format!("{callers}: {}", parts.join(" · ")) };
    section(out, "CALLERS", &wrapped(&about, columns(), 9), colours);
}

/// What was seen at several places, and what these tell differently.
pub(super) fn vantages(out: &mut String, endpoints: &[EndpointRow], colours: Colours) {
    let mut sightings: BTreeMap<&str, u64> = BTreeMap::new();
    let (mut differences, mut past): (BTreeMap<&str, u64>, BTreeMap<&str, u64>) = Default::default();
    let mut at_several = 0;
    for row in endpoints {
        let mut places = BTreeSet::new();
        for name in &row.vantages {
            let label = name.name.split(' ').next().unwrap_or_default();
            *sightings.entry(label).or_default() += name.count;
            places.insert(label);
        }
        at_several += u64::from(places.len() > 1);
        for (counts, more) in [(&mut differences, &row.vantage_differences), (&mut past, &row.unseen_outside)]
        {
            for one in more {
                *counts.entry(&one.name).or_default() += one.count;
            }
        }
    }
    if sightings.is_empty() {
        return;
    }
    let parts: Vec<String> =
        sightings.iter().map(|(label, count)| format!("{label} {}", thousands(*count))).collect();
    let about = format!("{} seen at several: {}", plural(at_several, "endpoint"), parts.join(" · "));
    section(out, "VANTAGES", &wrapped(&about, columns(), 10), colours);
    let mut told: Vec<(u64, String)> = differences
        .into_iter()
        .map(|(what, count)| (count, what.to_owned()))
        .chain(past.into_iter().map(|(label, count)| (count, format!("at {label}, not seen further out"))))
        .collect();
    told.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
    for (count, what) in told {
        line(out, &format!("  {}: {what}", plural(count, "call")));
    }
}

/// Services with several hosts or base paths.
fn hosts(out: &mut String, endpoints: &[EndpointRow], colours: Colours) {
    let mut services: BTreeMap<&str, (&EndpointRow, BTreeMap<&str, u64>)> = BTreeMap::new();
    for row in endpoints.iter().filter(|row| row.class == "api" && row.operation.parent.is_none()) {
        let (_, bases) = services.entry(&row.service).or_insert_with(|| (row, BTreeMap::new()));
        *bases.entry(&row.base_path).or_default() += row.count;
    }
    let mut lines = Vec::new();
    for (name, (row, bases)) in services {
        if row.tenants > 0 {
            lines.push(format!("{name}: {} share one tree of endpoints", plural(row.tenants, "tenant")));
        }
        if !row.aliases.is_empty() {
            let names: Vec<&str> = row.aliases.iter().map(|alias| alias.name.as_str()).collect();
            let evidence = row.service_evidence.replace('_', " ");
            lines.push(format!("{name} is also {} ({evidence})", names.join(", ")));
        }
        if bases.len() > 1 {
            let bases: Vec<String> = bases
                .iter()
                .map(|(base, count)| {
                    let base = if base.is_empty() { "/" } else { base };
                    format!("{base} {}", thousands(*count))
                })
                .collect();
            lines.push(format!("{name} has one API below several base paths: {}", bases.join(" · ")));
        }
    }
    if lines.is_empty() {
        return;
    }
    section(out, "HOSTS", "", colours);
    for text in lines {
        line(out, &format!("  {}", wrapped(&text, columns(), 4)));
    }
}

/// Operations that were called in several versions: which, and how much goes to older ones.
fn operation_versions(out: &mut String, endpoints: &[EndpointRow], colours: Colours) {
    let mut families: BTreeMap<(&str, &str, &str), BTreeMap<&str, u64>> = BTreeMap::new();
    for row in endpoints.iter().filter(|row| row.class == "api" && row.operation.parent.is_none()) {
        for version in &row.versions {
            let family = families.entry((&row.family, &version.place, &version.name)).or_default();
            *family.entry(&version.version).or_default() += version.count;
        }
    }
    // Of each set of versions: operations, requests, and those to the newest.
    let mut sets: BTreeMap<(String, Vec<&str>), [u64; 3]> = BTreeMap::new();
    let mut operations = 0;
    for ((_, place, name), counts) in families.into_iter().filter(|(_, counts)| counts.len() > 1) {
        let mut sorted: Vec<(&str, u64)> = counts.into_iter().collect();
        sorted.sort_by(|a, b| order(a.0, b.0).unwrap_or_else(|| a.0.cmp(b.0)));
        let place = if name.is_empty() { place.replace('_', " ") } else { format!("{place} {name}") };
        let newest = sorted.last().map_or(0, |(_, count)| *count);
        let requests: u64 = sorted.iter().map(|(_, count)| count).sum();
        let set = sets.entry((place, sorted.into_iter().map(|(version, _)| version).collect())).or_default();
        for (sum, more) in set.iter_mut().zip([1, requests, newest]) {
            *sum += more;
        }
        operations += 1;
    }
    if sets.is_empty() {
        return;
    }
    let about = format!("{} called in several versions", plural(operations, "operation"));
    section(out, "VERSIONS", &about, colours);
    for ((place, versions), [operations, requests, newest]) in sets {
        let text = format!(
            "{place} {}: {}, {} of {} not to the newest",
            versions.join(", "),
            plural(operations, "operation"),
            thousands(requests - newest),
            plural(requests, "request")
        );
        line(out, &format!("  {}", wrapped(&text, columns(), 2)));
    }
}

/// Who owns how much, and where it runs; nothing where nobody tells.
fn owners(out: &mut String, endpoints: &[EndpointRow], colours: Colours) {
    let apis = endpoints.iter().filter(|row| row.class == "api" && row.operation.parent.is_none());
    let mut owners: BTreeMap<Option<&str>, Vec<&EndpointRow>> = BTreeMap::new();
    let mut is_told = false;
    for row in apis {
        is_told |= row.owner.is_some() || row.environment.is_some() || row.exposure.is_some();
        owners.entry(row.owner.as_deref()).or_default().push(row);
    }
    if !is_told {
        return;
    }
    let named = owners.keys().flatten().count() as u64;
    let lacking = owners.get(&None).map_or(0, Vec::len) as u64;
    let about = match lacking {
        0 => plural(named, "owner"),
        _ => format!("{}, {} without one", plural(named, "owner"), plural(lacking, "endpoint")),
    };
    section(out, "OWNERS", &about, colours);
    for (owner, rows) in owners {
        let requests: u64 = rows.iter().map(|row| row.count).sum();
        let mut places: Vec<&str> = rows
            .iter()
            .flat_map(|row| [row.environment.as_deref(), row.exposure.as_deref()])
            .flatten()
            .collect();
        places.sort_unstable();
        places.dedup();
        let places = if places.is_empty() { String::new() } else { format!("  {}", places.join(", ")) };
        let name = owner.map_or_else(|| colours.warn("(nobody)"), str::to_owned);
        let counts = format!("{}, {}", plural(rows.len() as u64, "endpoint"), plural(requests, "request"));
        line(out, &format!("  {name}  {}{}", colours.dim(&counts), colours.dim(&places)));
    }
}

/// Changes of endpoints, a line each below the day they happened on.
#[cfg(feature = "lake")]
pub(super) fn events(rows: &[EventRow], colours: Colours) -> String {
    let mut out = String::new();
    let mut last_day = String::new();
    for row in rows {
        let at = row.at.to_string();
        let (day, time) = at.split_at_checked(10).unwrap_or((&at, ""));
        if day != last_day {
            line(&mut out, &colours.bold(day));
            day.clone_into(&mut last_day);
        }
        let time = time.get(1..9).unwrap_or_default();
        let what = match (row.before.as_str(), row.detail.as_str()) {
            ("", detail) => detail.to_owned(),
            (before, detail) => format!("{detail}, before {before}"),
        };
        let who = row.owner.as_ref().map_or_else(String::new, |owner| format!("  {owner}"));
        let place = format!("{} {}{}", row.method, row.host, row.path_template);
        let kind = row.kind.replace('_', " ");
        line(&mut out, &format!("  {}  {kind:<21} {what}  {place}{}", colours.dim(time), colours.dim(&who)));
    }
    if rows.is_empty() {
        line(&mut out, "no change of an endpoint is told");
    }
    out
}

/// What is no API, by class.
fn others(out: &mut String, endpoints: &[EndpointRow], colours: Colours) {
    let about = [
        ("static", "files"),
        ("health", "health checks"),
        ("preflight", "preflights"),
        ("scanner", "scanners"),
        ("unknown", "never there (404, 405)"),
    ];
    let mut parts = Vec::new();
    for (class, name) in about {
        let (paths, requests) = endpoints
            .iter()
            .filter(|row| row.class == class && row.operation.parent.is_none())
            .fold((0_u64, 0), |(paths, requests), row| (paths + 1, requests + row.count));
        if paths > 0 {
            parts.push(format!("{name} {} in {}", thousands(requests), plural(paths, "path")));
        }
    }
    if !parts.is_empty() {
        section(out, "NOT APIS", &wrapped(&parts.join(" · "), columns(), 10), colours);
    }
}

/// Scanners shown unless all are asked for.
const SCANNERS_SHOWN: usize = 4;

/// Clients that ask mostly for what is not there, the busiest first.
fn scanners(out: &mut String, sources: &[ScannerSource], all: bool, colours: Colours) {
    let mut sorted: Vec<&ScannerSource> = sources.iter().collect();
    sorted.sort_by_key(|source| (std::cmp::Reverse(source.calls), source.address));
    let shown = if all { sorted.len() } else { SCANNERS_SHOWN.min(sorted.len()) };
    for source in sorted.iter().take(shown) {
        let text = format!(
            "  scans: {}  {}, {} for nothing, {} for what no application serves",
            source.address,
            plural(source.calls, "request"),
            thousands(source.bad),
            thousands(source.hostile)
        );
        line(out, &text);
    }
    if sorted.len() > shown {
        line(out, &colours.dim(&format!("  … and {} more (--all)", sorted.len() - shown)));
    }
}

/// Which findings are shown, and how much of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shown {
    /// The first few of each severity.
    Some,
    All,
    /// All, each with the id by which it can be decided on.
    #[cfg(feature = "lake")]
    WithIds,
}

/// The findings, the most severe first.
pub(super) fn findings(out: &mut String, findings: &[FindingRow], how: Shown, colours: Colours) {
    let severity_of = |row: &FindingRow| {
        Severity::ALL.into_iter().find(|severity| severity.name() == row.severity).unwrap_or(Severity::Info)
    };
    let mut counts = Vec::new();
    let is_due = |row: &FindingRow| State::named(&row.state).unwrap_or_default().is_due();
    let settled = findings.iter().filter(|row| !is_due(row)).count();
    for severity in Severity::ALL.into_iter().rev() {
        let count = findings.iter().filter(|row| is_due(row) && severity_of(row) == severity).count();
        if count > 0 {
            counts.push(colours.severity(severity, &format!("{count} {}", severity.name())));
        }
    }
    if settled > 0 {
        counts.push(format!("{settled} settled"));
    }
    let about = if counts.is_empty() { "none".to_owned() } else { counts.join(", ") };
    section(out, "FINDINGS", &about, colours);
    for severity in Severity::ALL.into_iter().rev() {
        let rows: Vec<&FindingRow> = findings.iter().filter(|row| severity_of(row) == severity).collect();
        let shown = if how == Shown::Some { FINDINGS_SHOWN.min(rows.len()) } else { rows.len() };
        for row in rows.iter().take(shown) {
            finding(out, row, severity, how, colours);
        }
        if rows.len() > shown {
            let kinds: BTreeMap<&str, u64> =
                rows.iter().skip(shown).fold(BTreeMap::new(), |mut kinds, row| {
                    *kinds.entry(row.kind.as_str()).or_default() += 1;
                    kinds
                });
            let kinds: Vec<String> =
                kinds.into_iter().map(|(kind, count)| format!("{count} {kind}")).collect();
            let text = format!(
                "… and {} more {}: {} (--all)",
                rows.len() - shown,
                severity.name(),
                kinds.join(", ")
            );
            out.push('\n');
            line(out, &format!("  {}", colours.dim(&wrapped(&text, columns(), 2))));
        }
    }
}

fn finding(out: &mut String, row: &FindingRow, severity: Severity, how: Shown, colours: Colours) {
    out.push('\n');
    let tag = colours.severity(severity, &format!("{:<8}", severity.name().to_uppercase()));
    let subject = format!("{} {}{}", row.method, row.host, row.path_template);
    let detail =
        if row.detail.is_empty() { String::new() } else { format!("  {}", colours.bold(&row.detail)) };
    let mut state = String::new();
    if row.state != State::Open.name() {
        state.push_str("  ");
        state.push_str(&row.state.replace('_', " "));
        state.extend(row.until.map(|until| format!(" until {}", until.date())));
        if !row.author.is_empty() {
            state.extend([" by ", &row.author, ": ", &row.reason]);
        }
        state = colours.dim(&state);
    }
    let id = match how {
        Shown::Some | Shown::All => String::new(),
        #[cfg(feature = "lake")]
        Shown::WithIds => format!("  {}", colours.dim(&row.id)),
    };
    line(out, &format!("  {tag} {}{id}{detail}{state}", colours.bold(&row.kind)));
    line(out, &format!("           {}", subject.trim_start()));
    let mut text = row.explanation.clone();
    if let Some(place) = &row.document {
        let at = place.line.map_or_else(String::new, |line| format!(":{line}"));
        let file = Path::new(&place.file).file_name().and_then(|name| name.to_str()).unwrap_or(&place.file);
        text = format!("{text} [{file}{at}]");
    }
    if !row.references.is_empty() {
        text = format!("{text} ({})", row.references.join(", "));
    }
    line(out, &format!("           {}", colours.dim(&wrapped(&text, columns(), 11))));
}

/// Clients' fingerprints shown of a service.
const CLIENTS_SHOWN: usize = 2;
/// Services shown behind TLS unless all are asked for.
const SERVICES_SHOWN: usize = 12;

/// The services behind TLS, with what their connections came to.
fn behind_tls(out: &mut String, view: &View<'_>, colours: Colours) {
    let http = &view.taken.counters.http;
    if view.services.is_empty() {
        return;
    }
    let about = format!(
        "{}: {} ({}) read with keys, {} ({}) not read",
        plural(view.services.len() as u64, "service"),
        plural(http.tls_read.flows, "connection"),
        bytes(http.tls_read.bytes),
        thousands(http.tls.flows),
        bytes(http.tls.bytes)
    );
    section(out, "TLS SERVICES", &about, colours);
    services(out, view.services, view.all, colours);
    let unlisted = view.taken.delta.services().unlisted;
    if unlisted > 0 {
        line(out, &format!("    {} to services that found no room", plural(unlisted, "connection")));
    }
}

/// Services behind TLS, and how they are protected.
pub(super) fn services(out: &mut String, rows: &[ServiceRow], all: bool, colours: Colours) {
    let mut rows: Vec<&ServiceRow> = rows.iter().collect();
    rows.sort_by_key(|row| (std::cmp::Reverse(row.bytes), &row.host, &row.address));
    let shown = if all { rows.len() } else { SERVICES_SHOWN };
    for row in rows.iter().take(shown) {
        let front = format!("  {:<48} {:>8}", row.host, thousands(row.sessions));
        let versions: Vec<&str> = row.versions.iter().rev().map(|version| version.name.as_str()).collect();
        let versions = if versions.is_empty() { "no answer seen".to_owned() } else { versions.join(", ") };
        line(out, &format!("{front} {:>9}  {versions}", bytes(row.bytes)));
        if !row.problems.is_empty() {
            let problems: Vec<&str> = row.problems.iter().map(|problem| problem.name.as_str()).collect();
            line(out, &format!("    {}", colours.alarm(&wrapped(&problems.join(" · "), columns(), 4))));
        }
        line(out, &format!("    {}", colours.dim(&wrapped(&posture(row).join(" · "), columns(), 4))));
    }
    if rows.len() > shown {
        line(out, &colours.dim(&format!("    … and {} more (--all)", rows.len() - shown)));
    }
}

/// What is known of a service, in words.
fn posture(row: &ServiceRow) -> Vec<String> {
    let mut facts = Vec::new();
    if row.sni.is_some() {
        let (open, close) = if row.address.contains(':') { ("[", "]") } else { ("", "") };
        facts.push(format!("{open}{}{close}:{}", row.address, row.port));
    }
    for counts in [&row.alpn, &row.ciphers, &row.groups] {
        facts.extend(counts.iter().map(|count| count.name.clone()));
    }
    for (count, what) in [
        (row.read, "read with keys"),
        (row.resumed, "resumed"),
        (row.early_data, "with early data"),
        (row.encrypted_hellos, "with ECH"),
        (row.asks_certificate, "asked for client certificates"),
        (row.with_certificate, "client certificates"),
    ] {
        if count > 0 {
            facts.push(format!("{} {what}", thousands(count)));
        }
    }
    facts.extend(row.ja4.iter().take(CLIENTS_SHOWN).map(|print| format!("JA4 {}", print.name)));
    let more = row.ja4.len().saturating_sub(CLIENTS_SHOWN);
    if more > 0 {
        facts.push(format!("{} of clients", plural(more as u64, "more kind")));
    }
    for certificate in &row.certificates {
        let issuer = if certificate.issuer.is_empty() { "an unnamed issuer" } else { &certificate.issuer };
        let ends = certificate.not_after.to_string();
        let day = ends.split('T').next().unwrap_or_default();
        facts.push(format!("certificate by {issuer} until {day}"));
    }
    facts
}

/// Bytes of streams that are missing, and what they are missing by as far as that shows.
fn not_captured(flows: &FlowCounters) -> Vec<String> {
    let mut lines = Vec::new();
    let cut = flows.anomalies.met().find(|(anomaly, _)| *anomaly == Anomaly::CutPacket);
    if let Some((_, cut)) = cut {
        lines.push(format!(
            "{} of TCP captured in part, by too short a snapshot length: capture them whole, as tcpdump -s 0 does",
            plural(cut, "packet")
        ));
    }
    if flows.gaps > 0 || flows.lost_bytes > 0 {
        let lost = bytes(flows.lost_bytes);
        let what = match flows.gaps {
            0 => lost,
            gaps => format!("{} ({lost})", plural(gaps, "hole")),
        };
        lines.push(format!("{what} of streams were not captured; the exchanges they hit say so"));
    }
    lines
}

/// What was not understood, and why.
fn not_understood(out: &mut String, view: &View<'_>, colours: Colours) {
    let taken = view.taken;
    let (flows, http) = (&taken.counters.flows, &taken.counters.http);
    let mut lines: Vec<String> = Vec::new();
    let mut opaque = |counted: crate::transaction::pairing::Opaque, what: &str| {
        if counted.flows > 0 {
            lines.push(format!("{} ({}) {what}", plural(counted.flows, "connection"), bytes(counted.bytes)));
        }
    };
    opaque(http.tls, "spoke TLS and were not read: their keys are not known (--keylog)");
    opaque(http.upgraded, "changed to a protocol that is not read, by Upgrade or CONNECT");
    opaque(http.other, "spoke no HTTP");
    opaque(http.midway, "joined midway, in which nothing was recognised");
    if http.unopened_bytes > 0 {
        lines.push(format!("{} of TLS records did not open with their keys", bytes(http.unopened_bytes)));
    }
    if http.unknown_coding_bytes > 0 {
        let sent = bytes(http.unknown_coding_bytes);
        lines.push(format!("{sent} of bodies have a content coding that is not known"));
    }
    lines.extend(not_captured(flows));
    if flows.mid_stream > 0 {
        lines.push(format!("{} joined after their start", plural(flows.mid_stream, "connection")));
    }
    if flows.one_sided > 0 {
        lines.push(format!("{} seen in one direction only", plural(flows.one_sided, "connection")));
    }
    if flows.duplicates > 0 {
        lines.push(format!(
            "{} came twice, as mirrors deliver them that copy both ways: counted once",
            plural(flows.duplicates, "packet")
        ));
    }
    if http.unread_bytes > 0 {
        lines.push(format!(
            "{} on HTTP connections belong to no message that could be read",
            bytes(http.unread_bytes)
        ));
    }
    let mut fates: BTreeMap<Fate, u64> = BTreeMap::new();
    for input in &taken.inputs {
        for (fate, count) in &input.fates {
            *fates.entry(*fate).or_default() += count;
        }
    }
    let fates: Vec<String> = fates
        .into_iter()
        .map(|(fate, count)| {
            let what = match fate {
                Fate::UnknownLink => "of an unknown link type",
                Fate::NotIp => "without IP",
                Fate::Udp => "of UDP",
                Fate::Quic => "that begin QUIC connections, which are not seen inside",
                Fate::OtherTransport => "of other transports",
                Fate::Fragment => "fragments",
                Fate::Malformed => "malformed",
                Fate::BadChecksum => "with a wrong checksum",
                Fate::TooDeep => "nested too deep",
            };
            format!("{} {what}", thousands(count))
        })
        .collect();
    if !fates.is_empty() {
        lines.push(format!("packets that carry no TCP: {}", fates.join(", ")));
    }
    let mut anomalies = http.anomalies.clone();
    crate::merge::Merge::absorb(&mut anomalies, flows.anomalies.clone());
    let met: Vec<String> =
        anomalies.met().map(|(anomaly, count)| format!("{} {}", anomaly.name(), thousands(count))).collect();
    if !met.is_empty() {
        lines.push(format!("anomalies: {}", met.join(", ")));
    }
    for input in &taken.inputs {
        for damage in &input.damage {
            lines.push(format!("{}: {damage}", input.name));
        }
    }
    if view.complaints > 0 {
        lines.push(format!(
            "{} with the documents or templates, told above",
            plural(view.complaints as u64, "problem")
        ));
    }
    for reached in taken.limits_reached(view.limits) {
        lines.push(format!("limit reached: {reached}"));
    }
    if lines.is_empty() {
        return;
    }
    section(out, "NOT UNDERSTOOD", "", colours);
    for text in lines {
        line(out, &format!("  {}", wrapped(&text, columns(), 4)));
    }
}

fn footer(out: &mut String, view: &View<'_>, colours: Colours) {
    let mut parts = Vec::new();
    if let Some(documents) = view.documents {
        parts.push(plural(documents.documents().len() as u64, "document") + " compared");
        let catalogues = documents.gateways().catalogues().len() as u64;
        if catalogues > 0 {
            parts.push(plural(catalogues, "gateway catalogue") + " read");
        }
    }
    if let Some(folder) = view.lake {
        parts.push(format!("added to the lake {}", folder.display()));
    }
    if !parts.is_empty() {
        out.push('\n');
        line(out, &colours.dim(&parts.join(" · ")));
    }
}
