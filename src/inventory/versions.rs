//! Which version of an API a call is for: told by the path, a header, the query or a media type.
//!
//! What an exchange tells is counted with its endpoint ([`Versions`]); what the path tells follows from the template.
//! Operations that differ in nothing but the version of their path are one family ([`family`]). Only what reads like a
//! version is kept: a short number, or a date of the calendar.

use super::EndpointKey;
use super::facts::EndpointFacts;
use crate::merge::Merge;
use crate::secret::Sensitive;
use crate::time::Timestamp;
use crate::transaction::Transaction;
use std::cmp::Ordering;
use std::collections::BTreeMap;

/// Where a version was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub enum VersionPlace {
    /// A segment of the path: `/v2/`, `/2010-04-01/`.
    Path,
    /// A request header: `Api-Version`, `Stripe-Version`.
    Header,
    /// A query parameter: `api-version`, `v`.
    Query,
    /// A media type: `application/vnd.bank.v2+json`, `;version=2`.
    Media,
}

impl VersionPlace {
    /// The stable name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Path => "path",
            Self::Header => "header",
            Self::Query => "query",
            Self::Media => "media_type",
        }
    }
}

/// A version, and what told it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub struct VersionKey {
    /// Where it was told.
    pub place: VersionPlace,
    /// The header or parameter, in lower case; empty for paths and media types.
    pub name: Box<str>,
    /// In lower case, without a leading `v`: `2`, `1.1`, `2024-06-20`.
    pub version: Box<str>,
}

/// How often and when a version was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct VersionUse {
    /// Exchanges.
    pub count: u64,
    /// The earliest.
    pub first_seen: Timestamp,
    /// The latest.
    pub last_seen: Timestamp,
}

impl Merge for VersionUse {
    fn absorb(&mut self, other: Self) {
        self.count.absorb(other.count);
        self.first_seen = self.first_seen.min(other.first_seen);
        self.last_seen = self.last_seen.max(other.last_seen);
    }
}

/// Versions of one endpoint that are kept apart; the first in their order stay.
const MAX_VERSIONS: usize = 64;

/// The versions that exchanges of one endpoint told, other than by their path.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Versions {
    by_key: BTreeMap<VersionKey, VersionUse>,
    /// Times a version found no room.
    overflow: u64,
}

impl Versions {
    fn count(&mut self, place: VersionPlace, name: &str, version: Box<str>, at: Timestamp) {
        let key = VersionKey { place, name: name.into(), version };
        let one = VersionUse { count: 1, first_seen: at, last_seen: at };
        if let Some(known) = self.by_key.get_mut(&key) {
            known.absorb(one);
        } else {
            self.by_key.insert(key, one);
            self.bound();
        }
    }

    fn bound(&mut self) {
        while self.by_key.len() > MAX_VERSIONS {
            self.overflow += self.by_key.pop_last().map_or(0, |(_, used)| used.count);
        }
    }

    /// The versions, by where and how they were told.
    pub fn iter(&self) -> impl Iterator<Item = (&VersionKey, &VersionUse)> {
        self.by_key.iter()
    }
}

impl Merge for Versions {
    fn absorb(&mut self, other: Self) {
        for (key, used) in other.by_key {
            match self.by_key.get_mut(&key) {
                Some(known) => known.absorb(used),
                None => {
                    self.by_key.insert(key, used);
                }
            }
        }
        self.overflow += other.overflow;
        self.bound();
    }
}

/// Counts what an exchange tells of the version it is for. `media` is what the types of its bodies told; the query may be
/// left out when none of its parameters [tells](is_parameter) any.
pub(super) fn read(
    exchange: &Transaction,
    query: Option<Sensitive<&[u8]>>,
    media: Option<&str>,
    versions: &mut Option<Box<Versions>>,
) {
    let at = exchange.started();
    let mut accepted = None;
    for (name, value) in exchange.request.fields.iter() {
        // Few names are looked at: the last letter tells most apart.
        match name.len() {
            6 if name.eq_ignore_ascii_case(b"accept") => {
                accepted = accepted.or_else(|| of_media(value.expose()));
            }
            7..=40 if matches!(name.last(), Some(b'n' | b'N')) => {
                if let Some((name, version)) = of_header(name, value.expose()) {
                    versions.get_or_insert_default().count(VersionPlace::Header, &name, version, at);
                }
            }
            _ => {}
        }
    }
    if let Some(version) = media.map(Box::from).or(accepted) {
        versions.get_or_insert_default().count(VersionPlace::Media, "", version, at);
    }
    let Some(query) = query else { return };
    for pair in query.expose().split(|byte| *byte == b'&').take(MAX_PARAMETERS) {
        // The longest such name has eleven bytes.
        let Some(end) = pair.iter().take(12).position(|byte| *byte == b'=') else { continue };
        let Some((name, value)) = pair.split_at_checked(end) else { continue };
        let value = value.get(1..).unwrap_or_default();
        if let Some((name, version)) = of_parameter(name, value) {
            versions.get_or_insert_default().count(VersionPlace::Query, name, version, at);
            break;
        }
    }
}

/// Parameters of a query that are looked at.
const MAX_PARAMETERS: usize = 64;

/// Headers that tell an API's version whatever its form.
const HEADERS: [&str; 5] = ["version", "x-version", "accept-version", "x-ms-version", "x-api-ver"];
/// Before `-version`, what tells a version of something else.
const NOT_OF_APIS: [&str; 22] = [
    "mime", "app", "client", "sdk", "build", "os", "platform", "browser", "device", "agent", "protocol",
    "http", "tls", "server", "software", "firmware", "library", "package", "plugin", "content", "schema",
    "release",
];

/// The name in lower case and the version that a header tells.
fn of_header(name: &[u8], value: &[u8]) -> Option<(String, Box<str>)> {
    let ending = name.get(name.len().checked_sub(7)?..)?;
    if !ending.eq_ignore_ascii_case(b"version")
        || !name.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-')
    {
        return None;
    }
    let name = String::from_utf8_lossy(name).to_ascii_lowercase();
    let stem = name.strip_suffix("-version");
    if HEADERS.contains(&name.as_str()) || stem.is_some_and(|stem| stem.ends_with("api")) {
        return Some((name, canonical(value)?));
    }
    // `Stripe-Version: 2024-06-20`: one word before it, and a date, which versions of programs are not.
    let vendor = stem.is_some_and(|stem| {
        !stem.is_empty() && stem.bytes().all(|byte| byte.is_ascii_lowercase()) && !NOT_OF_APIS.contains(&stem)
    });
    let version = canonical(value).filter(|version| vendor && is_date(version))?;
    Some((name, version))
}

/// Parameters of a query that may tell an API's version.
const PARAMETERS: [&str; 6] = ["api-version", "api_version", "apiversion", "version", "ver", "v"];

/// Whether a parameter of a query may tell a version.
pub(super) fn is_parameter(name: &[u8]) -> bool {
    PARAMETERS.iter().any(|known| name.eq_ignore_ascii_case(known.as_bytes()))
}

/// The name and the version that a parameter of a query tells.
fn of_parameter(name: &[u8], value: &[u8]) -> Option<(&'static str, Box<str>)> {
    let name = PARAMETERS.into_iter().find(|known| name.eq_ignore_ascii_case(known.as_bytes()))?;
    let version = canonical(value)?;
    // A bare `version` is mostly a resource's own, and a `v` may be anything: they must read like an API's.
    let likely = match name {
        "v" => version.len() <= 4 && version.split('.').all(|part| part.len() <= 2),
        "version" | "ver" => version.len() <= 5 && (version.contains('.') || value.starts_with(b"v")),
        _ => true,
    };
    likely.then_some((name, version))
}

/// The version that a media type tells, of the first in a list that does.
pub(super) fn of_media(value: &[u8]) -> Option<Box<str>> {
    let may_tell = |value: &[u8]| {
        memchr::memmem::find(value, b"vnd.").is_some() || memchr::memmem::find(value, b"json").is_some()
    };
    if value.len() < 12 || value.len() > 512 || !may_tell(value) {
        return None;
    }
    value.split(|byte| *byte == b',').take(8).find_map(|range| {
        let mut parts = range.split(|byte| *byte == b';');
        let essence = parts.next()?.trim_ascii();
        let of_data = essence.ends_with(b"json")
            || essence.ends_with(b"xml")
            || memchr::memmem::find(essence, b"vnd.").is_some();
        if !of_data {
            return None;
        }
        let told = parts.find_map(|parameter| {
            let at = parameter.iter().position(|byte| *byte == b'=')?;
            let (name, version) = parameter.split_at_checked(at)?;
            let name = name.trim_ascii();
            let known = [&b"version"[..], b"v", b"api-version", b"ver"];
            known.iter().any(|known| name.eq_ignore_ascii_case(known)).then_some(())?;
            canonical(unquoted(version.get(1..)?.trim_ascii()))
        });
        told.or_else(|| in_essence(essence))
    })
}

/// Values of parameters may be quoted.
fn unquoted(value: &[u8]) -> &[u8] {
    value.strip_prefix(b"\"").and_then(|inner| inner.strip_suffix(b"\"")).unwrap_or(value)
}

/// `v2` in `application/vnd.bank.v2+json`.
fn in_essence(essence: &[u8]) -> Option<Box<str>> {
    let starts = memchr::memmem::find_iter(essence, b"v");
    for at in starts {
        let before = at.checked_sub(1).and_then(|before| essence.get(before));
        if !matches!(before, Some(b'.' | b'-')) {
            continue;
        }
        let rest = essence.get(at + 1..)?;
        let end = rest.iter().position(|byte| !byte.is_ascii_digit() && *byte != b'.').unwrap_or(rest.len());
        let number = rest.get(..end)?;
        let number = number.strip_suffix(b".").unwrap_or(number);
        if matches!(rest.get(number.len()), None | Some(b'+' | b'-' | b'.'))
            && let Some(version) = canonical(number)
        {
            return Some(version);
        }
    }
    None
}

/// A version in lower case without its `v`; `None` when it does not read like one.
fn canonical(value: &[u8]) -> Option<Box<str>> {
    let text = std::str::from_utf8(value.trim_ascii()).ok().filter(|text| text.len() <= 24)?;
    let text = text.strip_prefix(['v', 'V']).unwrap_or(text);
    let text = text.to_ascii_lowercase();
    (is_number(&text) || is_date(&text)).then(|| text.into())
}

/// `2`, `1.1`, `3.1.11`
fn is_number(text: &str) -> bool {
    let mut parts = text.split('.');
    let first = parts.next().is_some_and(|part| (1..=3).contains(&part.len()));
    let digits = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    first
        && digits
        && text.len() <= 12
        && text.split('.').count() <= 4
        && parts.all(|part| (1..=4).contains(&part.len()))
}

/// `2024-06-20`, `2021-04-10-preview`, `2024-06-20.acacia`
fn is_date(text: &str) -> bool {
    let Some((date, behind)) = text.split_at_checked(10) else { return false };
    let mut parts = date.split('-');
    let mut number = |length: usize| {
        let part = parts.next()?;
        (part.len() == length && part.bytes().all(|byte| byte.is_ascii_digit()))
            .then(|| part.parse::<u16>().ok())?
    };
    let (Some(year), Some(month), Some(day)) = (number(4), number(2), number(2)) else { return false };
    let good = (2000..2100).contains(&year) && (1..=12).contains(&month) && (1..=31).contains(&day);
    let word = behind.strip_prefix(['-', '.']);
    good && (behind.is_empty()
        || word.is_some_and(|word| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase())))
}

/// The segment of a path template that is a version, and the version in it: `/v2.1/`, `/2010-04-01/`. None stands
/// behind a parameter.
#[must_use]
pub fn of_path(template: &str) -> Option<(&str, Box<str>)> {
    template
        .split('/')
        .filter(|segment| !segment.is_empty())
        .take(MAX_DEPTH)
        .take_while(|segment| !segment.contains('{'))
        .find_map(|segment| {
            let lower = segment.to_ascii_lowercase();
            let numbered = lower.strip_prefix('v').is_some_and(is_number);
            (numbered || is_date(&lower) || is_bare(&lower)).then(|| (segment, canonical(segment.as_bytes())))
        })
        .and_then(|(segment, version)| Some((segment, version?)))
}

/// Segments of a path among which its version stands.
const MAX_DEPTH: usize = 6;

/// `2.0`: a number with a point is no position in a list.
fn is_bare(segment: &str) -> bool {
    segment.contains('.') && is_number(segment)
}

/// Which of two versions of one kind is older; `None` when they are of different kinds.
#[must_use]
pub fn order(one: &str, other: &str) -> Option<Ordering> {
    if is_date(one) && is_date(other) {
        return Some(one.cmp(other));
    }
    if !(is_number(one) && is_number(other)) {
        return None;
    }
    let parts = |text: &str| -> Vec<u32> {
        let mut parts: Vec<u32> = text.split('.').map(|part| part.parse().unwrap_or(0)).collect();
        while parts.len() > 1 && parts.last() == Some(&0) {
            parts.pop();
        }
        parts
    };
    Some(parts(one).cmp(&parts(other)))
}

/// The versions that an endpoint was called in: that of its path, then what calls told.
#[must_use]
pub fn of_endpoint(key: &EndpointKey, facts: &EndpointFacts) -> Vec<(VersionKey, VersionUse)> {
    let path = of_path(&key.template).filter(|_| facts.requests > 0).map(|(_, version)| {
        let used =
            VersionUse { count: facts.requests, first_seen: facts.first_seen, last_seen: facts.last_seen };
        (VersionKey { place: VersionPlace::Path, name: "".into(), version }, used)
    });
    let told = facts.versions.iter().flat_map(|versions| versions.iter());
    path.into_iter().chain(told.map(|(key, used)| (key.clone(), *used))).collect()
}

/// The stable id that versions of one operation share: sixteen hexadecimal digits of BLAKE3 over method, service and
/// template, without the names of parameters, the version in the path and the `base` path in front.
#[must_use]
pub fn family(key: &EndpointKey, service: &str, base: &str) -> String {
    let version = of_path(&key.template).map(|(segment, _)| segment);
    let mut left_out = false;
    let path = key.template.strip_prefix(base).unwrap_or(&key.template);
    let mut template = String::with_capacity(path.len());
    for segment in path.split('/').filter(|segment| !segment.is_empty()) {
        if !left_out && Some(segment) == version {
            left_out = true;
            continue;
        }
        template.push('/');
        template.push_str(segment);
    }
    EndpointKey { host: service.to_owned(), template, method: key.method.clone() }.id().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_version_is_read_where_it_is_told() {
        for (name, value, expected) in [
            ("Api-Version", "2", Some("2")),
            ("X-API-Version", "v2.1", Some("2.1")),
            ("Accept-Version", "1.x", None),
            ("Stripe-Version", "2024-06-20.acacia", Some("2024-06-20.acacia")),
            ("Notion-Version", "2022-06-28", Some("2022-06-28")),
            ("X-GitHub-Api-Version", "2022-11-28", Some("2022-11-28")),
            ("X-App-Version", "7.3.1", None),
            ("Mime-Version", "1.0", None),
            ("Sec-WebSocket-Version", "13", None),
            ("Client-Version", "2024-06-20", None),
            ("Api-Version", "secret", None),
        ] {
            let found = of_header(name.as_bytes(), value.as_bytes()).map(|(_, version)| version);
            assert_eq!(found.as_deref(), expected, "{name}: {value}");
        }
        for (value, expected) in [
            ("application/vnd.bank.v2+json", Some("2")),
            ("application/vnd.bank-v2.1+json;charset=utf-8", Some("2.1")),
            ("application/vnd.github.v3.raw+json", Some("3")),
            ("application/json; version=2", Some("2")),
            ("text/html, application/json;v=\"1.1\";q=0.9", Some("1.1")),
            ("text/html,application/signed-exchange;v=b3;q=0.7", None),
            ("text/html;version=5, */*", None),
            ("application/vnd.ms-excel", None),
            ("application/json", None),
        ] {
            assert_eq!(of_media(value.as_bytes()).as_deref(), expected, "{value}");
        }
        for (name, value, expected) in [
            ("api-version", "2021-04-10-preview", Some("2021-04-10-preview")),
            ("v", "2", Some("2")),
            ("v", "2024-01-01", None),
            ("v", "8721936", None),
            ("v", "517", None),
            ("version", "12.17.3", None),
            ("version", "3", None),
            ("version", "v3", Some("3")),
            ("version", "1.1", Some("1.1")),
            ("vv", "2", None),
        ] {
            let found = of_parameter(name.as_bytes(), value.as_bytes()).map(|(_, version)| version);
            assert_eq!(found.as_deref(), expected, "{name}={value}");
        }
        for (template, expected) in [
            ("/v1/accounts", Some("1")),
            ("/open-banking/v3.1/aisp/accounts/{id}", Some("3.1")),
            ("/2010-04-01/Accounts/{id}", Some("2010-04-01")),
            ("/api/2.0/users", Some("2.0")),
            ("/repos/{id}/v1", None),
            ("/values", None),
            ("/1987-05-12/born", None),
            ("/via/12", None),
        ] {
            assert_eq!(of_path(template).map(|(_, version)| version).as_deref(), expected, "{template}");
        }
    }

    #[test]
    fn versions_of_one_operation_are_one_family() {
        let of = |method: &str, template: &str| {
            let key =
                EndpointKey { host: "api.example".into(), template: template.into(), method: method.into() };
            family(&key, &key.host, "")
        };
        let first = of("GET", "/v1/accounts/{id}");
        assert_eq!(first, of("GET", "/v2/accounts/{accountId}"));
        assert_eq!(first, of("GET", "/accounts/{id}"), "one without a version is of the family");
        assert_ne!(first, of("PUT", "/v2/accounts/{id}"));
        assert_ne!(first, of("GET", "/v2/accounts"));
        let key = EndpointKey {
            host: "api.example".into(),
            template: "/prod/v2/accounts/{x}".into(),
            method: "GET".into(),
        };
        assert_eq!(first, family(&key, "api.example", "/prod"));
    }

    #[test]
    fn versions_have_an_order_within_their_kind() {
        use Ordering::{Equal, Greater, Less};
        for (one, other, expected) in [
            ("1", "2", Some(Less)),
            ("10", "9", Some(Greater)),
            ("2.0", "2", Some(Equal)),
            ("2.10", "2.9", Some(Greater)),
            ("2010-04-01", "2008-08-01", Some(Greater)),
            ("2", "2008-08-01", None),
        ] {
            assert_eq!(order(one, other), expected, "{one} {other}");
        }
    }

    fn key(number: u8) -> VersionKey {
        VersionKey { place: VersionPlace::Query, name: "v".into(), version: number.to_string().into() }
    }

    fn told(calls: &[(u8, i64)]) -> Versions {
        let mut versions = Versions::default();
        for (number, at) in calls {
            let key = key(*number);
            versions.count(key.place, &key.name, key.version, Timestamp::from_secs(*at, 0));
        }
        versions
    }

    proptest! {
        /// However calls are shared out and merged, the same is known, also where there is no room for all versions.
        #[test]
        fn parts_merge_to_the_whole(calls in prop::collection::vec((0_u8..120, 0_i64..1_000), 0..300), cut in 0_usize..300) {
            let (front, back) = calls.split_at(cut.min(calls.len()));
            let mut one = told(front);
            one.absorb(told(back));
            let mut other = told(back);
            other.absorb(told(front));
            prop_assert_eq!(&one, &other);
            prop_assert_eq!(&one, &told(&calls));
            prop_assert!(one.by_key.len() <= MAX_VERSIONS);
            let kept: u64 = one.by_key.values().map(|used| used.count).sum();
            prop_assert_eq!(kept + one.overflow, calls.len() as u64);
        }

        /// Whatever is sent, nothing breaks, and what is kept reads like a version.
        #[test]
        fn any_bytes_are_survived(name in prop::collection::vec(any::<u8>(), 0..50), value in prop::collection::vec(any::<u8>(), 0..80)) {
            let found = [
                of_header(&name, &value).map(|(_, version)| version),
                of_parameter(&name, &value).map(|(_, version)| version),
                of_media(&value),
                of_path(&String::from_utf8_lossy(&value)).map(|(_, version)| version),
            ];
            for version in found.into_iter().flatten() {
                prop_assert!(is_number(&version) || is_date(&version));
            }
        }
    }
}
