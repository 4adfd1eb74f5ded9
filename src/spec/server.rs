//! Servers: on which hosts and below which base path a document's operations live.
//!
//! OpenAPI 3 has `servers` with URLs that may be relative and hold variables; Swagger 2 has `host` and
//! `basePath`. A variable with an enumeration stands for each of its words; one without stands for anything in
//! a host name, and for its default in a path. A loopback host is a developer's default and names nobody.

use super::node::Node;
use super::reference::Place;

/// How many servers one URL with variables may stand for.
const MAX_EXPANSIONS: usize = 64;
/// How long a server's URL may be.
const MAX_URL: usize = 2_048;
/// How long a word of a variable may be.
const MAX_WORD: usize = 255;

/// Which hosts a server stands for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum HostRule {
    /// This host, lower case, without port.
    Exact(String),
    /// Hosts that have these parts in this order with something between each two: `["", ".api.example"]`.
    Pattern(Vec<String>),
    /// Any host: the document does not say.
    Any,
}

impl HostRule {
    pub(super) fn matches(&self, host: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Exact(name) => name == host,
            Self::Pattern(parts) => pieces_match(parts, host).is_some(),
        }
    }
}

/// Whether `text` is `parts` with something, never nothing, between each two; and what that is.
pub(super) fn pieces_match<'t>(parts: &[String], text: &'t str) -> Option<Vec<&'t str>> {
    let (first, rest) = parts.split_first()?;
    let mut left = text.strip_prefix(first.as_str())?;
    let Some((last, middle)) = rest.split_last() else { return left.is_empty().then(Vec::new) };
    let mut between = Vec::with_capacity(rest.len());
    for part in middle {
        // At least one character lies before the part.
        let skip = left.chars().next()?.len_utf8();
        let at = skip + left.get(skip..)?.find(part.as_str())?;
        between.push(left.get(..at)?);
        left = left.get(at + part.len()..)?;
    }
    let value = left.strip_suffix(last.as_str())?;
    if value.is_empty() {
        return None;
    }
    between.push(value);
    Some(between)
}

/// One host rule with a base path: empty or `/v1`, never with a slash at its end.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Server {
    pub(super) host: HostRule,
    pub(super) base: String,
}

impl Server {
    /// What a document without servers means.
    pub(super) fn anywhere() -> Self {
        Self { host: HostRule::Any, base: String::new() }
    }
}

/// The servers of a whole document, whatever its version.
pub(super) fn of_document(root: &Place<'_>) -> Vec<Server> {
    if root.raw("swagger").is_some() {
        swagger(root)
    } else {
        named(root, &mut |_, _| {}).unwrap_or_else(|| vec![Server::anywhere()])
    }
}

/// The servers of Swagger 2: `host` and `basePath` of the document.
pub(super) fn swagger(root: &Place<'_>) -> Vec<Server> {
    let base = base_path(root.text("basePath").unwrap_or_default());
    host_rules(root.text("host").unwrap_or_default(), &|_| None)
        .into_iter()
        .map(|host| Server { host, base: base.clone() })
        .collect()
}

/// The servers that `holder` (a document, path item or operation) names itself; `None` when it names none.
/// `odd` is told of each entry that makes no sense.
pub(super) fn named(holder: &Place<'_>, odd: &mut dyn FnMut(&Place<'_>, &str)) -> Option<Vec<Server>> {
    let list = holder.get("servers")?;
    let mut all = Vec::new();
    for entry in list.items() {
        let Some(url) = entry.text("url") else {
            odd(&entry, "a server needs a `url`");
            continue;
        };
        let variables = entry.value.get("variables");
        if url.len() > MAX_URL {
            odd(&entry, "a server's `url` of this length is not read");
            continue;
        }
        for server in expand(url.trim(), variables) {
            if !all.contains(&server) && all.len() < MAX_EXPANSIONS {
                all.push(server);
            }
        }
    }
    (!all.is_empty()).then_some(all)
}

fn expand(url: &str, variables: Option<&Node>) -> Vec<Server> {
    let variable = |name: &str| Variable::of(variables?.get(name)?);
    // `{server}/v1`, where the variable holds scheme and host.
    if let Some((name, rest)) = url.strip_prefix('{').and_then(|tail| tail.split_once('}'))
        && !rest.starts_with("://")
        && let Some(found) = variable(name)
        && found.words().any(|word| word.contains("//") || word.starts_with('/'))
    {
        return found.words().flat_map(|word| expand(&format!("{word}{rest}"), variables)).collect();
    }
    let (host, path) = split_url(url);
    let hosts = host_rules(host, &variable);
    let bases = words_for(path, &variable);
    let mut all = Vec::new();
    for host in hosts {
        for base in &bases {
            all.push(Server { host: host.clone(), base: base_path(base) });
        }
    }
    all.truncate(MAX_EXPANSIONS);
    all
}

/// Host with port, and path.
fn split_url(url: &str) -> (&str, &str) {
    let url = url.split(['?', '#']).next().unwrap_or_default();
    let after_scheme = url.split_once("://").map(|(_, rest)| rest).or_else(|| url.strip_prefix("//"));
    if let Some(rest) = after_scheme {
        return rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
    }
    if url.starts_with('/') || url.starts_with('.') {
        return ("", url);
    }
    // `api.example.com/v1` without scheme; a first part without dot is a relative path.
    let (first, _) = url.split_once('/').unwrap_or((url, ""));
    if first.contains('.') { url.split_at(first.len()) } else { ("", url) }
}

fn base_path(path: &str) -> String {
    let mut base = String::new();
    for part in path.split('/').filter(|part| !part.is_empty() && *part != "." && *part != "..") {
        base.push('/');
        base.push_str(part);
    }
    base
}

struct Variable<'a> {
    default: Option<&'a Node>,
    words: Vec<&'a Node>,
}

impl<'a> Variable<'a> {
    fn of(value: &'a Node) -> Option<Self> {
        value.is_object().then(|| Self {
            default: value.get("default"),
            words: value.get("enum").and_then(Node::as_array).into_iter().flatten().collect(),
        })
    }

    /// The default first, then the other words.
    fn words(&self) -> impl Iterator<Item = String> {
        let mut all: Vec<String> = Vec::new();
        for word in self.default.iter().chain(&self.words) {
            let Some(word) = word.word() else { continue };
            // No word brings variables of its own.
            if !all.contains(&word) && word.len() <= MAX_WORD && !word.contains('{') {
                all.push(word);
            }
        }
        all.into_iter()
    }
}

fn host_rules<'v>(host: &str, variable: &dyn Fn(&str) -> Option<Variable<'v>>) -> Vec<HostRule> {
    let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
    let mut rules: Vec<HostRule> = Vec::new();
    let mut add = |rule: HostRule| {
        if !rules.contains(&rule) && rules.len() < MAX_EXPANSIONS {
            rules.push(rule);
        }
    };
    for word in words_for(host, variable) {
        add(fixed_host(&word));
    }
    // A variable without enumeration may be anything.
    let mut parts = vec![String::new()];
    let mut free = false;
    for piece in pieces(host) {
        match piece {
            Piece::Text(text) => {
                if let Some(last) = parts.last_mut() {
                    last.push_str(text);
                }
            }
            Piece::Variable(name) => {
                if variable(name).is_none_or(|found| found.words.is_empty()) {
                    free = true;
                }
                parts.push(String::new());
            }
        }
    }
    if free {
        if let Some(last) = parts.last_mut() {
            last.truncate(without_port(last).len());
        }
        // A port that is a variable leaves `host:` before it.
        if let [.., before, last] = parts.as_mut_slice()
            && last.is_empty()
            && before.ends_with(':')
        {
            before.pop();
            parts.pop();
        }
        let parts: Vec<String> = parts.iter().map(|part| part.to_ascii_lowercase()).collect();
        match parts.as_slice() {
            [only] => add(fixed_host(only)),
            several if several.iter().all(|part| part.chars().all(|letter| !letter.is_alphanumeric())) => {
                add(HostRule::Any);
            }
            _ => add(HostRule::Pattern(parts)),
        }
    }
    rules
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if !port.is_empty() && port.bytes().all(|digit| digit.is_ascii_digit()) => name,
        _ => host.strip_suffix(':').unwrap_or(host),
    }
}

fn fixed_host(host: &str) -> HostRule {
    let name = without_port(host).to_ascii_lowercase();
    match name.as_str() {
        "" | "localhost" | "127.0.0.1" | "0.0.0.0" | "[::1]" => HostRule::Any,
        text if text.contains('{') => HostRule::Any,
        _ => HostRule::Exact(name),
    }
}

enum Piece<'t> {
    Text(&'t str),
    Variable(&'t str),
}

fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut all = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        let Some((name, tail)) = after.split_once('}') else { break };
        if !before.is_empty() {
            all.push(Piece::Text(before));
        }
        all.push(Piece::Variable(name));
        rest = tail;
    }
    if !rest.is_empty() {
        all.push(Piece::Text(rest));
    }
    all
}

/// `text` with each variable replaced by each of its words; an unknown variable stays as it is.
fn words_for<'v>(text: &str, variable: &dyn Fn(&str) -> Option<Variable<'v>>) -> Vec<String> {
    let mut all = vec![String::new()];
    for piece in pieces(text) {
        match piece {
            Piece::Text(text) => all.iter_mut().for_each(|one| one.push_str(text)),
            Piece::Variable(name) => {
                let mut words: Vec<String> =
                    variable(name).map(|found| found.words().collect()).unwrap_or_default();
                if words.is_empty() {
                    words.push(format!("{{{name}}}"));
                }
                all = all
                    .iter()
                    .flat_map(|one| words.iter().map(move |word| format!("{one}{word}")))
                    .take(MAX_EXPANSIONS)
                    .collect();
            }
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn shown(url: &str, variables: &Node) -> Vec<String> {
        expand(url, Some(variables))
            .into_iter()
            .map(|server| match server.host {
                HostRule::Any => format!("*{}", server.base),
                HostRule::Exact(name) => format!("{name}{}", server.base),
                HostRule::Pattern(parts) => format!("{}{}", parts.join("*"), server.base),
            })
            .collect()
    }

    #[test]
    fn a_url_says_hosts_and_base_paths() {
        let none = json!({});
        for (url, variables, expected) in [
            ("https://API.example.com:8443/v1/", &none, vec!["api.example.com/v1"]),
            ("/open-banking/v4.0/aisp", &none, vec!["*/open-banking/v4.0/aisp"]),
            ("./v2", &none, vec!["*/v2"]),
            ("api.example.com/v1", &none, vec!["api.example.com/v1"]),
            ("http://localhost:8080/api", &none, vec!["*/api"]),
            ("//api.example.com", &none, vec!["api.example.com"]),
            (
                "https://{region}.api.example.com/{version}",
                &json!({"region": {"default": "eu", "enum": ["eu", "us"]}, "version": {"default": "v1"}}),
                vec!["eu.api.example.com/v1", "us.api.example.com/v1"],
            ),
            (
                "https://{tenant}.example.com",
                &json!({"tenant": {"default": "demo"}}),
                vec!["demo.example.com", "*.example.com"],
            ),
            (
                "http://{host}:{port}/api",
                &json!({"host": {"default": "localhost"}, "port": {"enum": ["1", "2"], "default": "1"}}),
                vec!["*/api"],
            ),
            ("{server}/v3", &json!({"server": {"default": "https://a.example"}}), vec!["a.example/v3"]),
            ("{a}/v3", &json!({"a": {"default": "{a}//"}}), vec!["*/{a}/v3"]),
            ("{scheme}://a.example", &json!({"scheme": {"default": "https"}}), vec!["a.example"]),
        ] {
            assert_eq!(shown(url, &variables.clone().into()), expected, "{url}");
        }
    }

    #[test]
    fn a_pattern_needs_something_at_each_gap() {
        let parts = |text: &str| text.split('*').map(str::to_owned).collect::<Vec<_>>();
        for (pattern, text, expected) in [
            ("*.json", "a.json", Some(vec!["a"])),
            ("*.json", ".json", None),
            ("img-*", "img-7", Some(vec!["7"])),
            ("*:verb", "a:verb", Some(vec!["a"])),
            ("*,*", "1.5,2", Some(vec!["1.5", "2"])),
            ("*-*-x", "a-b-x", Some(vec!["a", "b"])),
            ("a", "a", Some(vec![])),
            ("*,*", ",,", None),
            ("é*é", "éüé", Some(vec!["ü"])),
        ] {
            assert_eq!(pieces_match(&parts(pattern), text), expected, "{pattern} {text}");
        }
    }
}
