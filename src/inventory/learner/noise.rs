//! What is not an API: scanners, pages that answer everything, files of web pages, probes.
//!
//! Three tables are sums over what was seen: how each client fared, which answers came to hostile
//! requests, and what each operation answered to whom. The answer to a path that no application serves is the
//! yardstick: what a host answers to those, whether a page, JSON, a redirect to a login or a refusal, shows of no
//! other path that it is there. Whether a call counts is decided from them when
//! the learner folds, so that it never matters which call came first.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::Sighting;
use super::bottom::{Handful, Sample, Span};
use super::method::Method;
use super::rank::RankKey;
use super::saved::{self, SavedSample};
use super::store::Seen;
use crate::merge::Merge;
use crate::short;

/// How surely a path is an attacker's.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
pub(super) enum Hostility {
    /// Nothing about it is suspicious.
    #[default]
    None,
    /// Scanners look for it, and legacy applications have it: `login.php`.
    Suspicious,
    /// No application means to serve it: `.git`, `../`, `wp-login`.
    Hostile,
}

/// Names that hold one of these are hostile.
const HOSTILE_PARTS: [&[u8]; 22] = [
    b"..",
    b"%2e%2e",
    b"wp-admin",
    b"wp-login",
    b"wp-content",
    b"wp-includes",
    b"phpmyadmin",
    b"cgi-bin",
    b"actuator",
    b"struts",
    b"jmx-console",
    b"hnap1",
    b"boaform",
    b"server-status",
    b"web.config",
    b"${jndi",
    b"<script",
    b"%3cscript",
    b"union%20select",
    b"union+select",
    b"phpunit",
    b"%24%7bjndi",
];
/// Names that begin with one of these are hostile.
const HOSTILE_STARTS: [&[u8]; 8] =
    [b".git", b".env", b".svn", b".ds_store", b".aws", b".htaccess", b".vscode", b".ssh"];
/// Names that end with one of these are hostile.
const HOSTILE_ENDS: [&[u8]; 6] = [b".bak", b".sql", b".ini", b".old", b".swp", b".war"];
/// These names are hostile.
const HOSTILE_NAMES: [&[u8]; 3] = [b"solr", b"invoker", b"passwd"];
/// Names that end with one of these are suspicious.
const SUSPICIOUS_ENDS: [&[u8]; 7] = [b".php", b".asp", b".aspx", b".jsp", b".cgi", b".action", b".do"];

impl Hostility {
    /// The hostility of one segment.
    pub(super) fn of(segment: &[u8]) -> Self {
        // Numbers and UUIDs, which most identifiers are, hold no letter or sign of those names, and those of letters and
        // digits alone are few.
        let innocent = segment.iter().all(|byte| byte.is_ascii_hexdigit() || *byte == b'-')
            || (segment.iter().all(u8::is_ascii_alphanumeric) && !may_be_plain(segment));
        if innocent { Self::None } else { Self::listed(segment) }
    }

    /// What the lists say of a segment.
    fn listed(segment: &[u8]) -> Self {
        let lower = segment.get(..segment.len().min(256)).unwrap_or_default().to_ascii_lowercase();
        let any = |list: &[&[u8]], holds: &dyn Fn(&[u8]) -> bool| list.iter().any(|part| holds(part));
        if any(&HOSTILE_STARTS, &|part| lower.starts_with(part))
            || any(&HOSTILE_ENDS, &|part| lower.ends_with(part))
            || any(&HOSTILE_NAMES, &|part| lower == part)
            || any(&HOSTILE_PARTS, &|part| memchr::memmem::find(&lower, part).is_some())
        {
            Self::Hostile
        } else if any(&SUSPICIOUS_ENDS, &|part| lower.ends_with(part)) {
            Self::Suspicious
        } else {
            Self::None
        }
    }
}

/// Whether a name of letters and digits may be one of the hostile ones.
fn may_be_plain(name: &[u8]) -> bool {
    const FRONTS: [&[u8; 4]; 6] = [b"phpm", b"phpu", b"actu", b"stru", b"hnap", b"boaf"];
    HOSTILE_NAMES.iter().any(|known| name.eq_ignore_ascii_case(known))
        || name.windows(4).any(|four| {
            matches!(four.first(), Some(b'p' | b'P' | b'a' | b'A' | b's' | b'S' | b'h' | b'H' | b'b' | b'B'))
                && FRONTS.iter().any(|front| four.eq_ignore_ascii_case(*front))
        })
}

/// Which store a sighting belongs to: what is surely alive is kept apart from what a stranger can make
/// up, so that no scanner can crowd out the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tier {
    /// An API's answer.
    Proven,
    /// A sign of life that a page or a gateway gives to any path.
    Plausible,
    /// No sign of life.
    Dead,
}

/// What a sighting's answer says.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts of one answer")]
pub(super) struct Answer {
    pub(super) json: bool,
    pub(super) success: bool,
    pub(super) dead: bool,
    pub(super) missing: bool,
    /// A redirect, or a refusal with a body: what a login or a firewall may answer to any path.
    barred: bool,
    bodyless: bool,
    asset_type: bool,
    html: bool,
}

impl Answer {
    pub(super) fn of(sighting: &Sighting<'_>) -> Self {
        let kind = sighting.content_type;
        let json = !kind.is_empty() && kind.contains("json");
        let bodyless = kind.is_empty() && sighting.response_bytes == 0;
        let status = sighting.status.unwrap_or(0);
        let gone = matches!(status, 404 | 410);
        let dead = gone || matches!(status, 405 | 501) || (matches!(status, 400 | 401 | 403) && bodyless);
        Self {
            json,
            // Who goes on with another protocol grants what was asked for.
            success: (200..300).contains(&status) || status == 101,
            dead,
            barred: !dead && status != 304 && (300..500).contains(&status),
            missing: gone && json,
            bodyless,
            asset_type: !kind.is_empty() && is_asset_type(kind) || status == 304,
            html: !kind.is_empty() && kind == "text/html",
        }
    }

    pub(super) fn tier(self, method: Method, hostile: bool) -> Tier {
        if self.dead || method == Method::OPTIONS || method.diagnostic() {
            Tier::Dead
        } else if self.success && (self.json || !(self.html || self.asset_type || hostile)) {
            Tier::Proven
        } else {
            Tier::Plausible
        }
    }
}

/// Whether a file of this type belongs to a page.
fn is_asset_type(kind: &str) -> bool {
    kind.starts_with("image/")
        || kind.starts_with("font/")
        || kind == "text/css"
        || kind.ends_with("/javascript")
        || kind.ends_with("/x-javascript")
        || kind.starts_with("application/font")
        || kind.starts_with("application/x-font")
}

/// The extensions of the files that make up a page.
const ASSET_EXTENSIONS: [&str; 18] = [
    "js",
    "mjs",
    "css",
    "map",
    "png",
    "jpg",
    "jpeg",
    "gif",
    "svg",
    "ico",
    "webp",
    "avif",
    "woff",
    "woff2",
    "ttf",
    "eot",
    "otf",
    "webmanifest",
];

/// Whether a file name ends like a file of a page.
pub(super) fn is_asset_name(name: &[u8]) -> bool {
    memchr::memrchr(b'.', name).is_some_and(|at| {
        let extension = name.get(at + 1..).unwrap_or_default();
        ASSET_EXTENSIONS.iter().any(|known| extension.eq_ignore_ascii_case(known.as_bytes()))
    })
}

/// Whether a file at the root is one that browsers and crawlers ask for.
pub(super) fn is_root_file(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    matches!(
        lower.as_str(),
        "robots.txt"
            | "manifest.json"
            | "manifest.webmanifest"
            | "site.webmanifest"
            | "ads.txt"
            | "app-ads.txt"
            | "humans.txt"
            | "browserconfig.xml"
            | "security.txt"
            | "crossdomain.xml"
    ) || ["favicon", "apple-touch-icon", "sitemap"]
        .iter()
        .any(|start| lower.starts_with(start) && lower.contains('.'))
}

/// Whether a name is that of a page or document: a word with such an extension, not an identifier.
pub(super) fn is_document(name: &str) -> bool {
    let Some((stem, extension)) = name.rsplit_once('.') else { return false };
    let extension = extension.to_ascii_lowercase();
    matches!(extension.as_str(), "html" | "htm" | "xhtml" | "txt" | "md" | "pdf" | "docx" | "xlsx" | "pptx")
        && !stem.is_empty()
        && stem.bytes().all(|byte| byte.is_ascii_alphabetic() || matches!(byte, b'-' | b'_' | b'.'))
}

/// Whether a path's last name is one that only orchestrators use: `healthz`.
pub(super) fn is_probe_path(segments: &[&str]) -> bool {
    segments.last().is_some_and(|last| matches!(*last, "healthz" | "livez" | "readyz"))
}

/// Whether a path is where orchestrators ask whether a server is well.
pub(super) fn is_health_path(segments: &[&str]) -> bool {
    match segments {
        [one] => matches!(
            *one,
            "healthz"
                | "readyz"
                | "livez"
                | "ready"
                | "live"
                | "metrics"
                | "ping"
                | "health"
                | "_health"
                | "alive"
        ),
        [.., "healthz" | "readyz" | "livez"] => segments.len() <= 4,
        ["health" | "status" | "healthz" | "probe" | "probes", two] => {
            matches!(*two, "live" | "ready" | "alive" | "liveness" | "readiness" | "startup" | "ping")
        }
        _ => false,
    }
}

/// Whether a path is the health check of gRPC (`grpc.health.v1`), which orchestrators call by POST.
pub(super) fn is_grpc_health(segments: &[&str]) -> bool {
    matches!(segments, ["grpc.health.v1.Health", "Check" | "Watch" | "List"])
}

/// How one client fared.
#[derive(Clone, Debug, Default, serde::Serialize, serde::Deserialize)]
pub(super) struct Score {
    calls: u64,
    bad: u64,
    hostile: u64,
    /// The signatures of the pages it was answered.
    pages: Handful,
    /// Its address, once it has asked for what is not there.
    address: Option<IpAddr>,
}

/// Signatures that are kept of a client.
const CLIENT_PAGES: usize = 4;

impl Merge for Score {
    fn absorb(&mut self, other: Self) {
        self.calls += other.calls;
        self.bad += other.bad;
        self.hostile += other.hostile;
        self.pages.absorb(&other.pages, CLIENT_PAGES);
        self.address = self.address.or(other.address);
    }
}

/// A client that asks mostly for what is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ScannerSource {
    /// Where it calls from.
    pub address: IpAddr,
    /// Its calls.
    pub calls: u64,
    /// Those that got nothing, or what anything gets.
    pub bad: u64,
    /// Those for paths that no application serves.
    pub hostile: u64,
}

/// An answer that hostile requests got.
#[derive(Clone, Debug, Default, serde::Serialize, serde::Deserialize)]
pub(super) struct Page {
    answers: u64,
    /// The first names of the paths to which it came as JSON.
    under: Handful,
}

/// First names that are kept of an answer.
const PAGE_NAMES: usize = 2;

impl Page {
    /// Whether it is what anything gets: two hostile requests got it. JSON may also be what an operation answers that takes
    /// any value, such as `/files/{name}`, or what a framework answers below a name that only attackers ask for: it must
    /// have come below two names.
    fn answers_anything(&self) -> bool {
        let names = self.under.iter().count();
        if names == 0 { self.answers >= 2 } else { names >= 2 }
    }
}

impl Merge for Page {
    fn absorb(&mut self, other: Self) {
        self.answers += other.answers;
        self.under.absorb(&other.under, PAGE_NAMES);
    }
}

/// The additive tables.
#[derive(Clone, Debug)]
pub(super) struct Tables {
    key: RankKey,
    clients: Sample<Score>,
    /// What came to hostile requests, by signature.
    pages: Sample<Page>,
    operation_clients: usize,
    operation_answers: usize,
    last: LastPage,
    waiting: Vec<Fared>,
}

/// How a client fared with one request.
#[derive(Clone, Copy, Debug)]
struct Fared {
    client: u64,
    /// Its address, once it asked for what is not there.
    address: Option<IpAddr>,
    bad: bool,
    hostile: bool,
    /// The signature of the page it was answered.
    page: Option<u64>,
}

/// Requests whose clients' scores wait to be counted together: each score is a wait for memory, and those that do not depend
/// on each other are waited for at once.
const WAITING: usize = 32;

/// Host and kind of the last page, and their rank as a pair: both seldom change.
#[derive(Clone, Debug, Default)]
struct LastPage {
    host: String,
    kind: String,
    rank: Option<u64>,
}

impl Tables {
    pub(super) fn new(key: RankKey, limits: &super::LearnerLimits) -> Self {
        Self {
            key,
            clients: Sample::new(limits.clients),
            pages: Sample::new(limits.answers),
            operation_clients: limits.operation_clients,
            operation_answers: limits.operation_answers,
            last: LastPage::default(),
            waiting: Vec::new(),
        }
    }

    /// Counts a sighting in the tables and with its operation.
    pub(super) fn observe(
        &mut self,
        sighting: &Sighting<'_>,
        answer: Answer,
        hostility: Hostility,
        asset: bool,
        seen: &mut Seen,
    ) {
        seen.calls += 1;
        let hostile = hostility != Hostility::None;
        match hostility {
            Hostility::None => {}
            Hostility::Suspicious => seen.suspicious += 1,
            Hostility::Hostile => seen.hostile += 1,
        }
        let page = answer.success && sighting.status == Some(200) && (hostile || !answer.json);
        let signature = if page || answer.barred { self.signature(sighting, answer) } else { 0 };
        // What is shorter than its path echoes none: such differences wrap around, and are no yardstick.
        let less_path = sighting.response_bytes.wrapping_sub(sighting.path.len() as u64);
        let may_echo = sighting.response_bytes >= sighting.path.len() as u64;
        if (page || answer.barred) && hostile {
            let under = (page && answer.json).then(|| self.key.rank(first_name(sighting.path)));
            self.yardstick(signature, under);
            if page && may_echo {
                let echo = echo(self.key, self.kind(sighting, answer), less_path);
                self.yardstick(echo, under);
            }
        }
        let client = sighting.client;
        if client != 0 {
            let refused = matches!(sighting.status, Some(400 | 401 | 403 | 405)) && answer.bodyless;
            let missing = matches!(sighting.status, Some(404 | 410));
            let bad = missing || refused || ((page || answer.barred) && hostile);
            self.waiting.push(Fared {
                client,
                address: sighting.address.filter(|_| bad),
                bad,
                hostile,
                page: (page && !hostile).then_some(signature),
            });
            if self.waiting.len() >= WAITING {
                self.settle();
            }
        }
        if answer.dead {
            seen.dead += 1;
            seen.missing += u64::from(answer.missing);
            return;
        }
        if answer.success && answer.json {
            seen.json += 1;
            for (span, bytes) in seen.json_bytes.iter_mut().zip([sighting.response_bytes, less_path]) {
                span.add(bytes);
            }
            if page {
                seen.answers.add(signature, 1, self.operation_answers);
            }
            return;
        }
        if asset && (answer.asset_type || sighting.content_type.is_empty()) {
            seen.assets += 1;
        }
        if answer.success {
            seen.plain += 1;
            if page {
                seen.answers.add(signature, 1, self.operation_answers);
                for (span, bytes) in seen.page_bytes.iter_mut().zip([sighting.response_bytes, less_path]) {
                    span.add(bytes);
                }
            }
        } else {
            seen.other += 1;
            if answer.barred {
                seen.barred.add(signature, 1, self.operation_answers);
            }
        }
        if client != 0 {
            seen.clients.add(client, 1, self.operation_clients);
        }
    }

    /// Counts the requests that wait with their clients.
    pub(super) fn settle(&mut self) {
        for Fared { client, address, bad, hostile, page } in self.waiting.drain(..) {
            let Some(score) = self.clients.entry(client) else { continue };
            score.calls += 1;
            score.bad += u64::from(bad);
            score.hostile += u64::from(hostile);
            score.address = score.address.or(address);
            if let Some(signature) = page {
                score.pages.add(signature, 1, CLIENT_PAGES);
            }
        }
    }

    /// Counts an answer to a hostile request; for JSON with the rank of the first name of the path.
    fn yardstick(&mut self, signature: u64, under: Option<u64>) {
        if let Some(page) = self.pages.entry(signature) {
            page.answers += 1;
            if let Some(first) = under {
                page.under.add(first, 1, PAGE_NAMES);
            }
        }
    }

    fn signature(&mut self, sighting: &Sighting<'_>, answer: Answer) -> u64 {
        let page = page(self.key, self.kind(sighting, answer), sighting.response_bytes);
        match sighting.status {
            Some(status) if status != 200 => self.key.rank_pair(page, status.into()),
            Some(_) | None => page,
        }
    }

    /// The rank of a host and the media type of an answer as a pair.
    fn kind(&mut self, sighting: &Sighting<'_>, answer: Answer) -> u64 {
        let kind = if answer.json { JSON } else { sighting.content_type };
        let last = &mut self.last;
        match last.rank {
            Some(rank) if same(&last.host, sighting.host) && same(&last.kind, kind) => rank,
            Some(_) | None => {
                let host = self.key.rank(sighting.host.as_bytes());
                sighting.host.clone_into(&mut last.host);
                kind.clone_into(&mut last.kind);
                *last.rank.insert(self.key.rank_pair(host, self.key.rank(kind.as_bytes())))
            }
        }
    }

    /// What is written of the tables: how clients fared, and the pages that answer everything.
    pub(super) fn save(&self) -> (SavedSample<Score>, SavedSample<Page>) {
        debug_assert!(self.waiting.is_empty(), "what was observed is settled before it is looked at");
        (SavedSample::of(&self.clients), SavedSample::of(&self.pages))
    }

    /// Puts back what was written.
    pub(super) fn restore(&mut self, clients: SavedSample<Score>, pages: SavedSample<Page>) {
        self.clients.restore(clients.kept, clients.bound, clients.dropped);
        self.pages.restore(pages.kept, pages.bound, pages.dropped);
    }

    pub(super) fn absorb(&mut self, mut other: Self) {
        self.settle();
        other.settle();
        self.clients.absorb(other.clients);
        self.pages.absorb(other.pages);
    }

    /// How many clients and signatures found no room.
    pub(super) const fn dropped(&self) -> (u64, u64) {
        (self.clients.dropped, self.pages.dropped)
    }

    /// Who is a scanner, and which pages answer everything: those that hostile requests got, or three different
    /// paths. `places` has the number of paths for each signature of an HTML page.
    pub(super) fn verdicts(&self, places: &BTreeMap<u64, usize>) -> Verdicts {
        debug_assert!(self.waiting.is_empty(), "what was observed is settled before it is looked at");
        let hostile: BTreeMap<u64, &Page> = self.pages.sorted().into_iter().collect();
        let mut pages: Vec<u64> = hostile
            .iter()
            .filter(|(_, page)| page.answers_anything())
            .map(|(signature, _)| *signature)
            .collect();
        pages.extend(
            places
                .iter()
                .filter(|(page, places)| **places + usize::from(hostile.contains_key(*page)) >= 3)
                .map(|(page, _)| *page),
        );
        pages.sort_unstable();
        pages.dedup();
        let mut scanners = Vec::new();
        let mut sources = Vec::new();
        for (client, score) in self.clients.sorted() {
            let soft: u64 = score
                .pages
                .iter()
                .filter(|(page, _)| pages.binary_search(page).is_ok())
                .map(|(_, count)| count)
                .sum();
            let bad = score.bad + soft;
            if score.calls >= 2 && bad * 2 >= score.calls && (score.hostile > 0 || score.calls >= 5) {
                scanners.push(client);
                let (calls, hostile) = (score.calls, score.hostile);
                sources.extend(score.address.map(|address| ScannerSource { address, calls, bad, hostile }));
            }
        }
        sources.sort();
        Verdicts { key: self.key, scanners, sources, pages }
    }
}

/// The first name of a path.
fn first_name(path: &[u8]) -> &[u8] {
    path.split(|byte| *byte == b'/').find(|name| !name.is_empty()).unwrap_or_default()
}

/// Stands for all media types of JSON, and is that of pages.
const JSON: &str = "json";
const HTML: &str = "text/html";

/// The signature of a page of this length.
fn page(key: RankKey, kind: u64, bytes: u64) -> u64 {
    key.rank_pair(kind, bytes)
}

/// The signature of a page that is so much longer than the path it answers.
fn echo(key: RankKey, kind: u64, less_path: u64) -> u64 {
    key.rank_pair(key.rank_pair(kind, less_path), 1 << 40)
}

/// Whether two texts are the same.
pub(super) fn same(a: &str, b: &str) -> bool {
    short::same(a.as_bytes(), b.as_bytes())
}

/// What the tables say in the end.
#[derive(Clone, Debug)]
pub(super) struct Verdicts {
    key: RankKey,
    scanners: Vec<u64>,
    pub(super) sources: Vec<ScannerSource>,
    pages: Vec<u64>,
}

impl Verdicts {
    /// Whether all answers of a kind are what nonsense gets on the host of this rank.
    fn is_yardstick(&self, host: u64, kind: &str, [bytes, less_path]: [Span; 2]) -> bool {
        let kind = self.key.rank_pair(host, self.key.rank(kind.as_bytes()));
        let known = |signature: u64| self.pages.binary_search(&signature).is_ok();
        bytes.single().is_some_and(|bytes| known(page(self.key, kind, bytes)))
            || less_path.single().is_some_and(|less| known(echo(self.key, kind, less)))
    }

    /// The rank of a host.
    pub(super) fn rank_of(&self, host: &str) -> u64 {
        saved::rank(host).unwrap_or_else(|| self.key.rank(host.as_bytes()))
    }

    /// Whether a scanner got answers of an operation.
    pub(super) fn is_scanned(&self, seen: &Seen) -> bool {
        seen.clients.iter().any(|(client, _)| self.scanners.binary_search(&client).is_ok())
    }

    /// How many of an operation's calls on the host of this rank speak for its existence.
    pub(super) fn proven_calls(&self, seen: &Seen, host: u64) -> u64 {
        if seen.hostile > 0 && seen.json == 0 {
            return 0;
        }
        let soft: u64 = seen
            .answers
            .iter()
            .filter(|(page, _)| self.pages.binary_search(page).is_ok())
            .map(|(_, count)| count)
            .sum();
        let mut scanned = 0;
        let mut honest = 0;
        for (client, count) in seen.clients.iter() {
            if self.scanners.binary_search(&client).is_ok() {
                scanned += count;
            } else {
                honest += count;
            }
        }
        let mut open = seen.plain + seen.other;
        if scanned > 0 {
            open = if honest == 0 {
                open.saturating_sub(scanned) * u64::from(!seen.clients.overflowed())
            } else {
                open - scanned
            };
        }
        let barred: u64 = seen
            .barred
            .iter()
            .filter(|(answer, _)| self.pages.binary_search(answer).is_ok())
            .map(|(_, count)| count)
            .sum();
        if seen.plain > 0 && self.is_yardstick(host, HTML, seen.page_bytes) {
            open = open.saturating_sub(seen.plain);
        } else {
            open = open.saturating_sub(barred);
        }
        let json = if seen.json > 0 && self.is_yardstick(host, JSON, seen.json_bytes) {
            0
        } else if seen.hostile + seen.suspicious > 0 {
            seen.json.saturating_sub(soft)
        } else {
            seen.json
        };
        json + open.saturating_sub(soft.saturating_sub(seen.json - json))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// What is passed over without a look at the lists is on none of them.
        #[test]
        fn only_what_is_on_no_list_is_passed_over(front in "[a-hA-H0-9.-]{0,5}", at in 0_usize..33, upper in any::<bool>(), back in "[a-z0-9-]{0,5}") {
            let names: Vec<&[u8]> =
                HOSTILE_PARTS.iter().chain(&HOSTILE_STARTS).chain(&HOSTILE_NAMES).copied().collect();
            let name = names.get(at).copied().unwrap_or_default();
            let name = if upper { name.to_ascii_uppercase() } else { name.to_vec() };
            let whole = [front.as_bytes(), &name, back.as_bytes()].concat();
            for segment in [&name, &whole] {
                prop_assert_eq!(Hostility::of(segment), Hostility::listed(segment));
            }
        }
    }
}
