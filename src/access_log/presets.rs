//! Formats that are known by name: those of `signatures/logs/`, and any that a user adds.
//!
//! A preset is a YAML file, so that a format needs no Rust: a format string for lines of text, or a map from fields to
//! meanings for JSON. Each brings lines that it must read, and may bring some that it must pass over; a test reads
//! them, and holds that detection tells the presets apart.

use super::field_map::{self, FieldMap};
use super::fields::Scratch;
use super::instant::{self, Clock};
use super::layout::Layout;
use crate::problem::Problems;
use crate::time::Timestamp;
use crate::transaction::Transaction;
use serde::Deserialize;
use serde_norway::{Mapping, Value as Yaml};
use std::sync::{Arc, OnceLock};

/// A known format of lines.
#[derive(Debug, PartialEq, Eq)]
pub struct Preset {
    /// How it is named on the command line: `aws_alb`.
    pub id: String,
    /// How people call it.
    pub title: String,
    kind: Kind,
    examples: Vec<String>,
    passed_over: Vec<String>,
}

#[derive(Debug, PartialEq, Eq)]
enum Kind {
    Layout(Layout),
    Json(FieldMap),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a format of logs: a map with `id`, `title` and `kind`")]
struct File {
    id: String,
    title: String,
    #[serde(default)]
    #[expect(dead_code, reason = "for those who read the file")]
    reference: String,
    #[serde(default)]
    kind: KindName,
    #[serde(default)]
    format: Option<String>,
    #[serde(default)]
    fields: Mapping,
    #[serde(default)]
    when: Mapping,
    #[serde(default)]
    constants: Mapping,
    #[serde(default)]
    others: Others,
    #[serde(default)]
    examples: Vec<String>,
    #[serde(default)]
    passed_over: Vec<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum KindName {
    #[default]
    Layout,
    Json,
}

/// What becomes of fields that a map does not name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Others {
    #[default]
    PassedOver,
    ByName,
}

macro_rules! presets {
    ($($file:literal),* $(,)?) => {
        const BUILT_IN: &[(&str, &str)] =
            &[$(($file, include_str!(concat!("../../signatures/logs/", $file))),)*];
    };
}

presets![
    "apache_json.yaml",
    "apigee.yaml",
    "aws_alb.yaml",
    "aws_api_gateway.yaml",
    "aws_api_gateway_clf.yaml",
    "aws_elb.yaml",
    "azure_app_gateway.yaml",
    "caddy.yaml",
    "cloudfront_json.yaml",
    "cloudfront_realtime.yaml",
    "envoy.yaml",
    "envoy_json.yaml",
    "f5_response.yaml",
    "f5_telemetry.yaml",
    "google_load_balancer.yaml",
    "haproxy_http.yaml",
    "istio.yaml",
    "istio_json.yaml",
    "kong.yaml",
    "nginx_json.yaml",
    "suricata.yaml",
    "traefik.yaml",
    "traefik_json.yaml",
    "tyk.yaml",
    "tyk_access.yaml",
    "tyk_stdout.yaml",
    "zeek_json.yaml",
];

/// The presets that are compiled in.
pub(super) fn built_in() -> &'static [Arc<Preset>] {
    static ALL: OnceLock<Vec<Arc<Preset>>> = OnceLock::new();
    ALL.get_or_init(|| {
        let load = |(name, text): &(&str, &str)| Preset::load(name, text).expect("tests load every preset");
        BUILT_IN.iter().map(load).map(Arc::new).collect()
    })
}

/// A clock for lines whose moment does not matter: examples, and lines that are only looked at.
pub(super) fn any_clock() -> Clock {
    Clock { reference: Some(Timestamp::from_secs(1_776_211_200, 0)), ..Clock::default() }
}

impl Preset {
    /// Reads a preset's file. Its examples must be read by its format.
    pub fn load(name: &str, text: &str) -> Result<Self, Problems> {
        let mut problems = Problems::default();
        let file: File = match serde_norway::from_str(text) {
            Ok(file) => file,
            Err(error) => {
                let line = error.location().map(|at| format!("line {}", at.line())).unwrap_or_default();
                problems.push(name, line, error.to_string());
                return Err(problems);
            }
        };
        let is_name = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '_';
        if file.id.is_empty() || !file.id.chars().all(is_name) {
            problems.push(name, "id", "must be lower-case letters, digits and `_`");
        }
        let Some(kind) = file.kind(name, &mut problems) else { return Err(problems) };
        let File { id, title, examples, passed_over, .. } = file;
        let preset = Self { id, title, kind, examples, passed_over };
        if problems.is_empty() {
            preset.try_examples(name, &mut problems);
        }
        problems.into_result(preset)
    }

    /// A layout that a user gives as a format string.
    pub fn of_format(format: &str) -> Result<Self, super::BadFormat> {
        let title = "access log of the given format".to_owned();
        let kind = Kind::Layout(Layout::compile(format)?);
        Ok(Self { id: "given".to_owned(), title, kind, examples: Vec::new(), passed_over: Vec::new() })
    }

    fn try_examples(&self, name: &str, problems: &mut Problems) {
        let mut scratch = Scratch::with_clock(any_clock());
        let mut read =
            |line: &str| self.read(line.trim().as_bytes(), &mut scratch, &mut Transaction::default());
        for (number, example) in self.examples.iter().enumerate() {
            match read(example) {
                Ok(true) => {}
                Ok(false) => {
                    problems.push(
                        name,
                        format!("examples[{number}]"),
                        "is passed over: `when` does not hold",
                    );
                }
                Err(reason) => problems.push(name, format!("examples[{number}]"), reason.to_string()),
            }
        }
        for (number, example) in self.passed_over.iter().enumerate() {
            match read(example) {
                Ok(false) => {}
                Ok(true) => problems.push(name, format!("passed_over[{number}]"), "is read as an exchange"),
                Err(reason) => problems.push(name, format!("passed_over[{number}]"), reason.to_string()),
            }
        }
    }

    /// Lines that it must read.
    pub(super) fn examples(&self) -> &[String] {
        &self.examples
    }

    /// Whether its lines are JSON objects.
    pub(super) const fn is_json(&self) -> bool {
        match &self.kind {
            Kind::Layout(_) => false,
            Kind::Json(_) => true,
        }
    }

    /// How much it knows of a line that it reads: of two formats that read it, the one that knows more is meant.
    pub(super) fn knows(&self, line: &[u8]) -> usize {
        match &self.kind {
            Kind::Layout(layout) => layout.fields(),
            Kind::Json(map) => map.explains(line),
        }
    }

    /// Reads a line, behind the tag that syslog or a container's runtime gave it if it has one; `Ok(false)` when it is meant to be passed over.
    pub(super) fn read(
        &self,
        line: &[u8],
        scratch: &mut Scratch,
        into: &mut Transaction,
    ) -> Result<bool, super::BadReason> {
        let mut parse = |line: &[u8]| match &self.kind {
            Kind::Layout(layout) => layout.parse(line, scratch, into).map(|()| true),
            Kind::Json(map) => map.parse(line, scratch, into),
        };
        // The first field would take the tag for its own.
        let is_bare = line.starts_with(b"{") && !instant::is_of_docker(line);
        let behind = if is_bare { None } else { instant::behind_tag(line) };
        let Some(behind) = behind else { return parse(line) };
        let outcome = parse(&behind);
        if outcome.is_ok() { outcome } else { parse(line) }
    }
}

impl File {
    /// Compiles what the file says of its lines.
    fn kind(&self, name: &str, problems: &mut Problems) -> Option<Kind> {
        match (self.kind, &self.format) {
            (KindName::Layout, Some(format)) => {
                for (key, map) in
                    [("fields", &self.fields), ("when", &self.when), ("constants", &self.constants)]
                {
                    if !map.is_empty() {
                        problems.push(name, key, "is for `kind: json`; a layout has a `format`");
                    }
                }
                match Layout::compile(format) {
                    Ok(layout) => Some(Kind::Layout(layout)),
                    Err(error) => {
                        problems.push(name, "format", error.to_string());
                        None
                    }
                }
            }
            (KindName::Layout, None) => {
                problems.push(
                    name,
                    "format",
                    "is missing: a layout needs one, a map of JSON fields `kind: json`",
                );
                None
            }
            (KindName::Json, Some(_)) => {
                problems.push(name, "format", "is for `kind: layout`; JSON has `fields`");
                None
            }
            (KindName::Json, None) => {
                let mut source =
                    field_map::Source { by_name: self.others == Others::ByName, ..Default::default() };
                for (key, map, into) in [
                    ("fields", &self.fields, &mut source.fields),
                    ("constants", &self.constants, &mut source.constants),
                ] {
                    for (path, says) in map {
                        match (path.as_str(), says.as_str()) {
                            (Some(path), Some(says)) => into.push((path, says)),
                            _ => problems.push(name, key, "must be texts: a field, and what it means"),
                        }
                    }
                }
                for (path, values) in &self.when {
                    let values = match values {
                        Yaml::Sequence(values) => values.iter().filter_map(scalar).collect(),
                        value => scalar(value).into_iter().collect(),
                    };
                    match path.as_str() {
                        Some(path) => source.conditions.push((path, values)),
                        None => problems.push(name, "when", "must name fields"),
                    }
                }
                let map = FieldMap::compile(&source, &mut |place, what| problems.push(name, place, what));
                Some(Kind::Json(map))
            }
        }
    }
}

fn scalar(value: &Yaml) -> Option<String> {
    match value {
        Yaml::String(text) => Some(text.clone()),
        Yaml::Bool(on) => Some(on.to_string()),
        Yaml::Number(number) => Some(number.to_string()),
        Yaml::Null | Yaml::Sequence(_) | Yaml::Mapping(_) | Yaml::Tagged(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access_log::Catalogue;

    #[test]
    fn every_preset_reads_its_examples_and_is_told_from_the_others() {
        for (name, text) in BUILT_IN {
            Preset::load(name, text).unwrap_or_else(|problems| panic!("{problems}"));
        }
        let problems = Catalogue::default().self_test();
        assert!(problems.is_empty(), "{problems}");
    }

    /// What an example tells, but for its header fields.
    fn told(exchange: &Transaction) -> String {
        let text = |text: Option<&str>| text.unwrap_or("-").to_owned();
        let target = String::from_utf8_lossy(exchange.request.target.expose()).into_owned();
        let client = exchange.client.map_or_else(|| "-".to_owned(), |(client, _)| client.to_string());
        format!(
            "{} {} {} {} {} {} {:?} {} {} {}",
            text(exchange.method()),
            text(exchange.host().as_deref()),
            target,
            exchange.response.status,
            exchange.response.body.len,
            exchange.request.body.len,
            exchange.latency_us,
            client,
            if exchange.tls { "tls" } else { "clear" },
            exchange.started(),
        )
    }

    #[test]
    fn every_preset_tells_what_its_vendor_documents() {
        for (id, expected) in [
            ("apache_json", "GET api.example /v1/a?b=c 200 431 0 Some(15000) 192.0.2.7 clear 06.672Z"),
            ("apigee", "GET api.example /v1/a?b=c 200 0 0 None 192.0.2.7 tls 06.672Z"),
            ("aws_alb", "GET www.example.com /v1/a 200 57 0 Some(48000) 192.0.2.7 tls 06.186641Z"),
            ("aws_api_gateway", "GET - /v1/a 200 56 0 None 192.0.2.7 tls 06Z"),
            ("aws_api_gateway_clf", "GET - /v1/a 200 56 0 None 192.0.2.7 clear 06Z"),
            ("aws_elb", "GET www.example.com /v1/a 200 29 0 Some(1048) 192.0.2.7 clear 06.945958Z"),
            ("azure_app_gateway", "GET api.example /v1/a?b=c 200 466 0 Some(34000) 192.0.2.7 tls 06Z"),
            ("caddy", "GET api.example /v1/a?b=c 200 56 0 Some(15000) 192.0.2.7 tls 06.672Z"),
            ("cloudfront_json", "GET api.example /v1/a?b=c 200 356 0 Some(15000) 192.0.2.7 tls 06Z"),
            ("cloudfront_realtime", "GET api.example /v1/a?b=c 200 356 0 Some(15000) 192.0.2.7 tls 06.672Z"),
            ("envoy", "POST api.example /v1/a 204 0 154 Some(226000) 192.0.2.7 clear 06.310Z"),
            ("envoy_json", "GET api.example /v1/a?b=c 200 56 0 Some(15000) 192.0.2.7 clear 06.310Z"),
            ("f5_response", "GET - /v1/a?b=c 200 0 0 Some(15000) 192.0.2.7 clear 06Z"),
            ("f5_telemetry", "GET - /v1/a?b=c 200 0 0 Some(15000) 192.0.2.7 clear 06Z"),
            ("google_load_balancer", "GET api.example /v1/a?b=c 200 273 0 Some(15000) 192.0.2.7 tls 06.672Z"),
            ("haproxy_http", "GET - /v1/a 200 2750 0 Some(109000) 192.0.2.7 clear 06.655Z"),
            ("istio", "GET httpbin /v1/a 200 178 0 Some(3000) 192.0.2.7 clear 06.310Z"),
            ("istio_json", "GET api.example /v1/a 200 56 0 Some(15000) 192.0.2.7 clear 06.421Z"),
            ("kong", "GET api.example /v1/a?b=c 200 9982 0 Some(15000) 192.0.2.7 tls 06.672Z"),
            ("nginx_json", "GET api.example /v1/a?b=c 200 56 0 Some(15000) 192.0.2.7 tls 06Z"),
            ("suricata", "GET api.example /v1/a?b=c 200 56 0 None 192.0.2.7 clear 06.672Z"),
            ("traefik", "GET - /v1/a 200 56 0 Some(15000) 192.0.2.7 clear 06Z"),
            ("traefik_json", "GET api.example /v1/a?b=c 200 56 0 Some(15000) 192.0.2.7 tls 06.672Z"),
            ("tyk", "GET api.example /v1/a 200 0 0 Some(15000) 192.0.2.7 clear 06.672Z"),
            ("tyk_access", "GET api.example /v1/a 200 0 0 Some(15000) 192.0.2.7 clear 06Z"),
            ("tyk_stdout", "GET api.example /v1/a 200 0 0 Some(15000) 192.0.2.7 clear 06.672Z"),
            ("zeek_json", "GET api.example /v1/a?b=c 200 56 0 None 192.0.2.7 clear 06.672Z"),
        ] {
            let preset = built_in().iter().find(|preset| preset.id == id).unwrap();
            let mut exchange = Transaction::default();
            let example = preset.examples.first().unwrap().as_bytes();
            preset.read(example, &mut Scratch::with_clock(any_clock()), &mut exchange).unwrap();
            assert_eq!(told(&exchange), expected.replace(" 06", " 2026-04-15T00:00:06"), "{id}");
        }
    }

    #[test]
    fn header_fields_come_through_from_objects_lists_and_prefixes() {
        for (id, header, expected) in [
            ("caddy", "accept", "*/*"),
            ("caddy", "content-type", "application/json"),
            ("kong", "via", "1.1 kong/3.8.0.0-enterprise-edition"),
            ("kong", "x-request-id", "f3d1"),
            ("traefik_json", "user-agent", "curl"),
            ("traefik_json", "content-type", "application/json"),
            ("nginx_json", "x-request-id", "7"),
            ("zeek_json", "content-type", "application/json"),
        ] {
            let preset = built_in().iter().find(|preset| preset.id == id).unwrap();
            let mut exchange = Transaction::default();
            let example = preset.examples.first().unwrap().as_bytes();
            preset.read(example, &mut Scratch::default(), &mut exchange).unwrap();
            let found = exchange.request.fields.get(header).or_else(|| exchange.response.fields.get(header));
            assert_eq!(
                found.map(|value| value.expose().to_vec()).as_deref(),
                Some(expected.as_bytes()),
                "{id} {header}"
            );
        }
    }

    #[test]
    fn a_broken_preset_is_told_with_its_place() {
        for (text, place) in [
            ("id: a\ntitle: b\nformats: c\n", "line 3"),
            ("id: a\ntitle: b\nformat: '$status'\n", "format"),
            ("id: a\ntitle: b\nformat: '$msec $request|$status'\nexamples: ['x']\n", "examples[0]"),
            ("id: a b\ntitle: b\nformat: '$msec $request|$status'\n", "id: must be"),
            ("id: a\ntitle: b\n", "format: is missing"),
            ("id: a\ntitle: b\nformat: '$msec $request|$status'\nwhen: {a: b}\n", "when: is for"),
            ("id: a\ntitle: b\nkind: json\nformat: x\n", "format: is for"),
            ("id: a\ntitle: b\nkind: json\nfields: {t: time, m: method}\n", "fields: lacks the request"),
            ("id: a\ntitle: b\nkind: json\nfields: {r: request}\n", "fields: lacks the time"),
            (
                "id: a\ntitle: b\nkind: json\nfields: {t: time, r: reqest}\n",
                "fields.r: `reqest` is none of: time,",
            ),
            (
                "id: a\ntitle: b\nkind: json\nfields: {t: time, r: request, d: duration h}\n",
                "fields.d: a unit is",
            ),
            ("id: a\ntitle: b\nkind: json\nfields: {t: time %Y, r: request}\n", "fields.t: a time is"),
            (
                "id: a\ntitle: b\nkind: json\nfields: {t: time, r: request, 'h.*': status}\n",
                "fields.h.*: only headers",
            ),
            (
                "id: a\ntitle: b\nkind: json\nfields: {t: time, r: request, h: request_header}\n",
                "fields.h: name the header",
            ),
            (
                "id: a\ntitle: b\nkind: json\nfields: {t: time, r: request}\nconstants: {status: 200}\n",
                "constants: must be texts",
            ),
            (
                "id: a\ntitle: b\nkind: json\nfields: {t: time, r: request}\nconstants: {status: '200'}\n",
                "constants.status: may be",
            ),
            (
                "id: a\ntitle: b\nkind: json\nfields: {t: time, r: request}\nwhen: {k: x}\nexamples: ['{\"t\":1776211206,\"r\":\"GET /\",\"k\":\"y\"}']\n",
                "examples[0]: is passed over",
            ),
            (
                "id: a\ntitle: b\nkind: json\nfields: {t: time, r: request}\npassed_over: ['{\"t\":1776211206,\"r\":\"GET /\"}']\n",
                "passed_over[0]: is read",
            ),
        ] {
            let told = Preset::load("mine.yaml", text).unwrap_err().to_string();
            assert!(told.starts_with("mine.yaml: ") && told.contains(place), "{told}");
        }
    }
}
