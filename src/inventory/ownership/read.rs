//! The file of ownership, each mistake told with its line and what would be right; the rest is used.

use super::{Claim, Exposure, Ownership, PathPattern, RetirementPolicy, Rule, Segment, ServiceLevel, Spans};
use crate::problem::Problems;
use crate::spec::lines::lines_of;
use crate::spec::wrong::{Wrong, below};
use crate::time::Timestamp;
use serde_json::{Map, Value};
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Patterns of hosts and paths in a file.
const MAX_RULES: usize = 10_000;
/// Bytes of a file.
const MAX_BYTES: usize = 4 << 20;
/// Contradictions that are told.
const MAX_CONTRADICTIONS: usize = 100;
/// Letters of a name.
const MAX_NAME: usize = 120;
/// Tags of one service.
const MAX_TAGS: usize = 32;
/// Segments of a pattern.
const MAX_SEGMENTS: usize = 24;
/// Days that are believed.
const MAX_DAYS: u64 = 3_650;

/// The properties that a service or path may be given.
const PROPERTIES: [&str; 6] = ["owner", "environment", "exposure", "sla", "retirement", "compliance"];

impl Ownership {
    /// Reads a file of ownership. What is wrong in it is told, and the rest is used.
    #[must_use]
    pub fn read(file: &str, bytes: &[u8]) -> (Self, Problems) {
        let (tree, wrong) = match Wrong::open(file, bytes, MAX_BYTES) {
            Ok(opened) => opened,
            Err(problems) => return (Self::default(), problems),
        };
        let mut reading = Reading { wrong, ..Reading::default() };
        match tree.value {
            Value::Object(sections) => reading.sections(&sections),
            Value::Null => {}
            Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
                reading.tell("", "must hold a list under `services`, a map under `environments`, or both");
            }
        }
        reading.settle(|pointers| lines_of(bytes, tree.format, pointers.iter().copied()));
        let Reading { mut rules, items, spans, wrong } = reading;
        // Of equals the first in the file stays in front.
        rules.sort_by_key(|(rule, _)| Reverse(rule.rank()));
        let problems = wrong.located(file, Some((bytes, tree.format)));
        (Self { rules: rules.into_iter().map(|(rule, _)| rule).collect(), items, spans }, problems)
    }
}

/// A file that is being read.
#[derive(Default)]
struct Reading {
    /// Each with its pointer.
    rules: Vec<(Rule, String)>,
    items: usize,
    spans: Spans,
    wrong: Wrong,
}

impl Reading {
    fn tell(&mut self, pointer: &str, message: impl Into<String>) {
        self.wrong.push(pointer, message);
    }

    /// Tells each key that is not known.
    fn only<'k>(&mut self, pointer: &str, map: &Map<String, Value>, known: impl Iterator<Item = &'k str>) {
        let known: Vec<&str> = known.collect();
        for key in map.keys().filter(|key| !known.contains(&key.as_str())) {
            let named: Vec<String> = known.iter().map(|known| format!("`{known}`")).collect();
            self.tell(&below(pointer, key), format!("is unknown here; there are {}", named.join(", ")));
        }
    }

    fn map<'v>(&mut self, pointer: &str, value: &'v Value, rule: &str) -> Option<&'v Map<String, Value>> {
        let map = value.as_object();
        if map.is_none() {
            self.tell(pointer, rule);
        }
        map
    }

    fn sections(&mut self, sections: &Map<String, Value>) {
        self.only("", sections, ["services", "environments", "lifecycle"].into_iter());
        match sections.get("services") {
            Some(Value::Array(services)) => {
                for (n, service) in services.iter().enumerate() {
                    self.service(&format!("/services/{n}"), service);
                }
            }
            None | Some(Value::Null) => {}
            Some(Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_)) => {
                self.tell("/services", "must be a list: begin each service with `- `");
            }
        }
        let rule = "must be a map of environments, each with its hosts: `production: [api.bank.example]`";
        if let Some(value) = sections.get("environments").filter(|value| !value.is_null())
            && let Some(environments) = self.map("/environments", value, rule)
        {
            for (name, hosts) in environments {
                let pointer = below("/environments", name);
                let environment = self.name(&pointer, name);
                let hosts = self.hosts(&pointer, Some(hosts)).unwrap_or_default();
                for host in hosts {
                    let claim = Claim { environment: environment.clone(), ..Claim::default() };
                    self.rule(Rule { host: Some(host), path: None, claim }, &pointer);
                }
            }
        }
        if let Some(value) = sections.get("lifecycle").filter(|value| !value.is_null())
            && let Some(map) =
                self.map("/lifecycle", value, "must be a map of `new_days` and `dormant_days`, or one")
        {
            self.only("/lifecycle", map, ["new_days", "dormant_days"].into_iter());
            let new_days = self.days("/lifecycle", map, "new_days");
            let dormant_days = self.days("/lifecycle", map, "dormant_days");
            let Spans { new_days: new, dormant_days: dormant } = Spans::default();
            self.spans =
                Spans { new_days: new_days.unwrap_or(new), dormant_days: dormant_days.unwrap_or(dormant) };
        }
    }

    fn service(&mut self, pointer: &str, value: &Value) {
        let rule = "must be a map: `hosts` and what is told of them, such as `owner`";
        let Some(map) = self.map(pointer, value, rule) else { return };
        self.only(pointer, map, ["hosts", "paths"].into_iter().chain(PROPERTIES));
        let Some(hosts) = self.hosts(&below(pointer, "hosts"), map.get("hosts")) else { return };
        let hosts: Vec<Option<String>> =
            if hosts.is_empty() { vec![None] } else { hosts.into_iter().map(Some).collect() };
        let claim = self.claim(pointer, map);
        let tells = claim != Claim::default();
        if tells {
            self.items += 1;
            for host in hosts.clone() {
                self.rule(Rule { host, path: None, claim: claim.clone() }, pointer);
            }
        }
        let paths = match map.get("paths") {
            Some(Value::Array(paths)) => paths.as_slice(),
            None | Some(Value::Null) => &[],
            Some(Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_)) => {
                self.tell(&below(pointer, "paths"), "must be a list: begin each path with `- `");
                return;
            }
        };
        if !tells && paths.is_empty() {
            self.tell(pointer, format!("tells nothing; give one of {}", listed(&PROPERTIES)));
        }
        for (n, path) in paths.iter().enumerate() {
            self.path(&format!("{pointer}/paths/{n}"), path, &hosts);
        }
    }

    fn path(&mut self, pointer: &str, value: &Value, hosts: &[Option<String>]) {
        let rule = "must be a map: `path` and what is told of it, such as `owner`";
        let Some(map) = self.map(pointer, value, rule) else { return };
        self.only(pointer, map, std::iter::once("path").chain(PROPERTIES));
        let at = below(pointer, "path");
        let Some(texts) = self.texts(&at, map.get("path")) else { return };
        if texts.is_empty() {
            self.tell(pointer, "needs `path`, such as `/v1/payments/**`");
        }
        let claim = self.claim(pointer, map);
        if claim == Claim::default() {
            self.tell(pointer, format!("tells nothing; give one of {}", listed(&PROPERTIES)));
            return;
        }
        self.items += 1;
        for text in texts {
            match path_of(&text) {
                Ok(path) => {
                    for host in hosts {
                        let rule =
                            Rule { host: host.clone(), path: Some(path.clone()), claim: claim.clone() };
                        self.rule(rule, &at);
                    }
                }
                Err(message) => self.tell(&at, message),
            }
        }
    }

    fn rule(&mut self, rule: Rule, pointer: &str) {
        match self.rules.len() {
            MAX_RULES => {
                self.tell(pointer, format!("more than {MAX_RULES} patterns; from here on none is used"));
                self.rules.push((rule, pointer.to_owned()));
            }
            more if more > MAX_RULES => {}
            _ => self.rules.push((rule, pointer.to_owned())),
        }
    }

    /// Tells rules that are for the same and say different things. `lines` knows the lines of pointers.
    fn settle(&mut self, lines: impl Fn(&[&str]) -> BTreeMap<String, u32>) {
        self.rules.truncate(MAX_RULES);
        let mut contradictions: Vec<(&str, &str)> = Vec::new();
        let mut subjects: BTreeMap<Subject<'_>, Claimed<'_>> = BTreeMap::new();
        for (rule, pointer) in &self.rules {
            let subject = (rule.host.as_deref(), format!("{:?}", rule.path));
            let Claimed { sum, earlier } = subjects.entry(subject).or_default();
            if contradictions.len() < MAX_CONTRADICTIONS && differ(sum, &rule.claim) {
                let other = earlier.iter().find(|(claim, at)| at != pointer && differ(claim, &rule.claim));
                contradictions.extend(other.map(|(_, other)| (pointer.as_str(), *other)));
            }
            sum.complete(&rule.claim);
            earlier.push((&rule.claim, pointer));
        }
        if contradictions.is_empty() {
            return;
        }
        let others: Vec<&str> = contradictions.iter().map(|(_, other)| *other).collect();
        let lines = lines(&others);
        for (pointer, other) in contradictions {
            let line = lines.get(other).copied().unwrap_or_default();
            let message = format!("line {line} says something else of the same, and counts; keep one");
            self.wrong.push(pointer, message);
        }
    }

    /// The texts of a list, or one text; none when there is none.
    fn texts(&mut self, pointer: &str, value: Option<&Value>) -> Option<Vec<String>> {
        match value {
            None | Some(Value::Null) => Some(Vec::new()),
            Some(Value::String(text)) => Some(vec![text.clone()]),
            Some(Value::Array(items)) if items.iter().all(Value::is_string) => {
                Some(items.iter().filter_map(|item| item.as_str().map(str::to_owned)).collect())
            }
            Some(Value::Array(_) | Value::Bool(_) | Value::Number(_) | Value::Object(_)) => {
                self.tell(
                    pointer,
                    "must be a text or a list of texts: put what reads like a number in quotes",
                );
                None
            }
        }
    }

    /// The patterns of hosts; `None` when one is wrong: what was meant for some must not be for all.
    fn hosts(&mut self, pointer: &str, value: Option<&Value>) -> Option<Vec<String>> {
        let hosts = self.texts(pointer, value)?;
        if value.is_some() && hosts.is_empty() {
            self.tell(pointer, "names no host; leave `hosts` out where every host is meant");
            return None;
        }
        let hosts: Vec<String> = hosts.iter().map(|host| host.to_ascii_lowercase()).collect();
        let fine = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:[]*".contains(&byte);
        if hosts.iter().any(|host| host.is_empty() || !host.bytes().all(fine)) {
            self.tell(
                pointer,
                "must be names of hosts without scheme and path, such as `api.bank.example` or `*.bank.example`",
            );
            return None;
        }
        Some(hosts)
    }

    fn name(&mut self, pointer: &str, text: &str) -> Option<Arc<str>> {
        let fine = !text.trim().is_empty() && text.len() <= MAX_NAME && !text.chars().any(char::is_control);
        if !fine {
            self.tell(pointer, format!("must be a name of up to {MAX_NAME} letters in one line"));
        }
        fine.then(|| text.trim().into())
    }

    fn named(&mut self, pointer: &str, map: &Map<String, Value>, key: &str) -> Option<Arc<str>> {
        let at = below(pointer, key);
        match map.get(key)? {
            Value::String(text) => self.name(&at, text),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
                self.tell(&at, "must be a text: put what reads like a number in quotes");
                None
            }
        }
    }

    fn days(&mut self, pointer: &str, map: &Map<String, Value>, key: &str) -> Option<u32> {
        let days = map.get(key)?;
        let good = days.as_u64().filter(|days| (1..=MAX_DAYS).contains(days));
        if good.is_none() {
            self.tell(&below(pointer, key), format!("must be a number of days from 1 to {MAX_DAYS}"));
        }
        u32::try_from(good?).ok()
    }

    fn claim(&mut self, pointer: &str, map: &Map<String, Value>) -> Claim {
        let owner = self.named(pointer, map, "owner");
        let environment = self.named(pointer, map, "environment");
        let exposure = map.get("exposure").and_then(|value| {
            let known = value.as_str().and_then(|text| {
                Exposure::ALL.into_iter().find(|exposure| exposure.name().eq_ignore_ascii_case(text))
            });
            if known.is_none() {
                self.tell(&below(pointer, "exposure"), "must be `internal`, `partner` or `public`");
            }
            known
        });
        let at = below(pointer, "compliance");
        let tags = map.get("compliance").and_then(|value| self.texts(&at, Some(value)));
        let compliance = tags.and_then(|tags| {
            if tags.len() > MAX_TAGS {
                self.tell(&at, format!("has more than {MAX_TAGS} tags"));
                return None;
            }
            let mut tags: Vec<String> = tags
                .iter()
                .filter_map(|tag| self.name(&at, tag))
                .map(|tag| tag.to_ascii_lowercase())
                .collect();
            tags.sort_unstable();
            tags.dedup();
            Some(Arc::from(tags))
        });
        let sla = map.get("sla").and_then(|value| self.sla(&below(pointer, "sla"), value));
        let retirement =
            map.get("retirement").and_then(|value| self.retirement(&below(pointer, "retirement"), value));
        Claim { owner, environment, exposure, sla, retirement, compliance }
    }

    fn sla(&mut self, pointer: &str, value: &Value) -> Option<ServiceLevel> {
        let rule = "must be a map of `availability` and `p95_ms`, or one";
        let map = self.map(pointer, value, rule)?;
        self.only(pointer, map, ["availability", "p95_ms"].into_iter());
        let availability = map.get("availability").and_then(|value| {
            let good = value.as_f64().filter(|share| *share > 0.0 && *share <= 100.0);
            if good.is_none() {
                self.tell(
                    &below(pointer, "availability"),
                    "must be a percentage above 0, up to 100, such as `99.9`",
                );
            }
            good
        });
        let p95_ms = map.get("p95_ms").and_then(|value| {
            let good = value.as_u64().filter(|latency| (1..=86_400_000).contains(latency));
            if good.is_none() {
                self.tell(&below(pointer, "p95_ms"), "must be a number of milliseconds, such as `300`");
            }
            good
        });
        (availability.is_some() || p95_ms.is_some()).then_some(ServiceLevel { availability, p95_ms })
    }

    fn retirement(&mut self, pointer: &str, value: &Value) -> Option<RetirementPolicy> {
        let rule = "must be a map of `notice_days`, `dormant_days`, `sunset`, or some of them";
        let map = self.map(pointer, value, rule)?;
        self.only(pointer, map, ["notice_days", "dormant_days", "sunset"].into_iter());
        let notice_days = self.days(pointer, map, "notice_days");
        let dormant_days = self.days(pointer, map, "dormant_days");
        let sunset = map.get("sunset").and_then(|value| {
            let date = value.as_str().and_then(Timestamp::parse_date);
            if date.is_none() {
                self.tell(&below(pointer, "sunset"), "must be a day, such as `2027-01-31`");
            }
            date
        });
        let policy = RetirementPolicy { notice_days, dormant_days, sunset };
        (policy != RetirementPolicy::default()).then_some(policy)
    }
}

/// What a rule is for: host and path as they stand.
type Subject<'a> = (Option<&'a str>, String);

/// What is told of a subject so far: all together, and each with its pointer.
#[derive(Default)]
struct Claimed<'a> {
    sum: Claim,
    earlier: Vec<(&'a Claim, &'a str)>,
}

/// Whether two claims give a property differently.
fn differ(one: &Claim, other: &Claim) -> bool {
    let (mut ahead, mut behind) = (one.clone(), other.clone());
    ahead.complete(other);
    behind.complete(one);
    ahead != behind
}

fn listed(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// `/v1/payments/**`, `/v1/accounts/{accountId}`, `/v1/*/status`.
fn path_of(text: &str) -> Result<PathPattern, String> {
    let Some(path) = text.strip_prefix('/') else {
        return Err("a path begins with `/`; hosts go under `hosts`".to_owned());
    };
    if text.bytes().any(|byte| byte.is_ascii_control() || b" ?#\"".contains(&byte)) {
        return Err("a path is written without a query, blanks and quotes".to_owned());
    }
    let mut segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
    let all_below = segments.last() == Some(&"**");
    if all_below {
        segments.pop();
    }
    if segments.len() > MAX_SEGMENTS {
        return Err(format!("a path has at most {MAX_SEGMENTS} segments"));
    }
    let read = |segment: &str| match segment {
        "*" => Ok(Segment::Any),
        "**" => Err("`**` stands for all below and is the last segment; `*` is one segment".to_owned()),
        _ if segment.starts_with('{') && segment.ends_with('}') => Ok(Segment::Any),
        _ if segment.contains('*') => {
            Err("`*` stands for a whole segment, `**` at the end for all below".to_owned())
        }
        _ => Ok(Segment::Name(segment.to_owned())),
    };
    let segments = segments.into_iter().map(read).collect::<Result<_, _>>()?;
    Ok(PathPattern { segments, below: all_below })
}

/// Reads any bytes: nothing panics, and what is read can be asked.
pub fn fuzz(data: &[u8]) {
    let (ownership, _) = Ownership::read("fuzz.yaml", data);
    assert!(ownership.rules.len() <= MAX_RULES, "bounded");
    let mut ranks = ownership.rules.iter().map(Rule::rank);
    let mut above = ranks.next();
    for rank in ranks {
        assert!(above >= Some(rank), "the most specific stands first");
        above = Some(rank);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn problems(text: &str) -> Vec<String> {
        let (_, problems) = Ownership::read("o.yaml", text.as_bytes());
        problems.as_slice().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn every_mistake_is_told_with_its_line_and_its_cure() {
        let text = "services:\n  - hosts: https://api.bank.example/\n    owner: a\n  - owner: 7\n  - hosts: []\n    owner: a\n  \
                    - hosts: a.example\n    exposure: world\n    sla: {availability: 120, p95: 3}\n    retirement: {sunset: soon, notice_days: 0}\n    \
                    compliance: [3]\n    team: x\n  - hosts: b.example\n    paths:\n    - {path: v1/a, owner: b}\n    - {path: /v1/**/a, owner: b}\n    \
                    - {path: /v1/a}\n  - c.example\nenvironments: [a]\nlifecycle: {new_days: -1}\nowners: {}\n";
        let told = problems(text);
        let expected = [
            "o.yaml: line 2, services[0].hosts: must be names of hosts without scheme and path, such as `api.bank.example` or `*.bank.example`",
            "o.yaml: line 4, services[1].owner: must be a text: put what reads like a number in quotes",
            "o.yaml: line 4, services[1]: tells nothing; give one of `owner`, `environment`, `exposure`, `sla`, `retirement`, `compliance`",
            "o.yaml: line 5, services[2].hosts: names no host; leave `hosts` out where every host is meant",
            "o.yaml: line 7, services[3]: tells nothing; give one of `owner`, `environment`, `exposure`, `sla`, `retirement`, `compliance`",
            "o.yaml: line 8, services[3].exposure: must be `internal`, `partner` or `public`",
            "o.yaml: line 9, services[3].sla.p95: is unknown here; there are `availability`, `p95_ms`",
            "o.yaml: line 9, services[3].sla.availability: must be a percentage above 0, up to 100, such as `99.9`",
            "o.yaml: line 10, services[3].retirement.notice_days: must be a number of days from 1 to 3650",
            "o.yaml: line 10, services[3].retirement.sunset: must be a day, such as `2027-01-31`",
            "o.yaml: line 11, services[3].compliance: must be a text or a list of texts: put what reads like a number in quotes",
            "o.yaml: line 12, services[3].team: is unknown here; there are `hosts`, `paths`, `owner`, `environment`, `exposure`, `sla`, `retirement`, `compliance`",
            "o.yaml: line 15, services[4].paths[0].path: a path begins with `/`; hosts go under `hosts`",
            "o.yaml: line 16, services[4].paths[1].path: `**` stands for all below and is the last segment; `*` is one segment",
            "o.yaml: line 17, services[4].paths[2]: tells nothing; give one of `owner`, `environment`, `exposure`, `sla`, `retirement`, `compliance`",
            "o.yaml: line 18, services[5]: must be a map: `hosts` and what is told of them, such as `owner`",
            "o.yaml: line 19, environments: must be a map of environments, each with its hosts: `production: [api.bank.example]`",
            "o.yaml: line 20, lifecycle.new_days: must be a number of days from 1 to 3650",
            "o.yaml: line 21, owners: is unknown here; there are `services`, `environments`, `lifecycle`",
        ];
        assert_eq!(told, expected);
    }

    #[test]
    fn contradictions_are_told_and_the_first_counts() {
        let text = "environments:\n  prod: a.example\nservices:\n- {hosts: [a.example, b.example], owner: one}\n\
                    - {hosts: b.example, owner: two}\n- {hosts: b.example, exposure: public}\n- {hosts: a.example, environment: test}\n";
        let expected = [
            "o.yaml: line 2, environments.prod: line 7 says something else of the same, and counts; keep one",
            "o.yaml: line 5, services[1]: line 4 says something else of the same, and counts; keep one",
        ];
        assert_eq!(problems(text), expected);
        assert!(problems("").is_empty());
        assert_eq!(problems("- a\n").len(), 1);
    }

    #[test]
    fn all_that_is_told_is_read() {
        let text = "lifecycle: {dormant_days: 90}\nservices:\n- hosts: '*.bank.example'\n  owner: ' team '\n  sla: {availability: 99.9, p95_ms: 300}\n  \
                    retirement: {notice_days: 180, dormant_days: 60, sunset: 2027-01-31}\n  compliance: [PSD2, pci-dss, psd2]\n";
        let (ownership, problems) = Ownership::read("o.yaml", text.as_bytes());
        assert!(problems.is_empty(), "{problems}");
        assert_eq!(ownership.spans(), Spans { new_days: 7, dormant_days: 90 });
        let claim = &ownership.rules[0].claim;
        assert_eq!(claim.owner.as_deref(), Some("team"));
        assert_eq!(claim.tags(), ["pci-dss", "psd2"]);
        assert_eq!(claim.sla, Some(ServiceLevel { availability: Some(99.9), p95_ms: Some(300) }));
        let retirement = claim.retirement.unwrap();
        assert_eq!((retirement.notice_days, retirement.dormant_days), (Some(180), Some(60)));
        assert_eq!(retirement.sunset, Timestamp::from_civil(2027, 1, 31));
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(data in proptest::collection::vec(any::<u8>(), 0..400)) {
            fuzz(&data);
        }

        #[test]
        fn any_rule_is_survived(
            hosts in proptest::collection::vec("[a-z.*]{0,8}", 0..4),
            paths in proptest::collection::vec("[/a-z{}*]{0,12}", 0..5),
        ) {
            let paths: Vec<Value> =
                paths.into_iter().map(|path| serde_json::json!({"path": path, "owner": "o"})).collect();
            let file = serde_json::json!({"services": [{"hosts": hosts, "owner": "a", "paths": paths}]});
            fuzz(file.to_string().as_bytes());
        }
    }
}
