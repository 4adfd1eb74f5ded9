//! Catalogues as a whole: what is read of each format, and what is told.

use super::*;
use crate::spec::DocumentSet;
use proptest::prelude::*;

fn load(files: &[(&str, &str)]) -> (DocumentSet, Vec<String>) {
    let files = files.iter().map(|(name, text)| ((*name).to_owned(), text.as_bytes().to_vec())).collect();
    let (set, problems) = DocumentSet::load(files);
    (set, problems.as_slice().iter().map(ToString::to_string).collect())
}

/// How well the gateway routes `METHOD host/path`, and the names of the routes that do it best.
fn routing(set: &DocumentSet, request: &str) -> (Fit, Vec<String>) {
    let (method, rest) = request.split_once(' ').unwrap();
    let (host, template) = rest.split_at(rest.find('/').unwrap());
    let all = set.gateways().routing(host, method, template);
    let best = all.iter().map(|(_, fit)| *fit).max().unwrap_or(Fit::No);
    let best_ones = all.iter().filter(|(_, fit)| *fit == best);
    (best, best_ones.map(|(at, _)| set.gateways().routes().get(*at).unwrap().name.clone()).collect())
}

fn check(set: &DocumentSet, cases: &[(&str, Fit, &[&str])]) {
    for (request, fit, names) in cases {
        let (found, by) = routing(set, request);
        assert_eq!(
            (found, by.iter().map(String::as_str).collect::<Vec<_>>()),
            (*fit, names.to_vec()),
            "{request}"
        );
    }
}

const KONG: &str = r#"_format_version: "3.0"
services:
  - name: accounts
    url: http://accounts.internal:8080/core
    routes:
      - name: accounts
        hosts: [api.bank.example, "*.bank.test"]
        paths: [/accounts]
        methods: [get, POST]
        strip_path: true
      - name: limits
        hosts: [api.bank.example]
        paths:
          - ~/limits/(?<id>\d+)$
        strip_path: false
  - name: cards
    host: cards.internal
    path: /v2
    routes:
      - {name: cards, hosts: [api.bank.example], paths: [/cards], strip_path: false}
      - {name: beta, hosts: [api.bank.example], paths: [/beta], headers: {x-beta: ["1"]}}
      - {name: raw, protocols: [tcp], destinations: [{port: 9000}]}
  - name: gone
    enabled: false
    url: http://gone.internal
    routes: [{name: gone, paths: [/gone]}]
routes:
  - name: late
    service: {name: cards}
    hosts: [late.bank.example]
"#;

#[test]
fn kong_routes_by_prefix_and_pattern_and_tells_what_it_sends_on() {
    let (set, problems) = load(&[("kong.yaml", KONG)]);
    assert!(problems.is_empty(), "{problems:?}");
    assert!(set.is_empty(), "a catalogue describes nothing");
    let [catalogue] = set.gateways().catalogues() else { panic!("one catalogue") };
    assert_eq!((catalogue.gateway, catalogue.routes), ("Kong", 5));
    check(
        &set,
        &[
            ("GET api.bank.example:443/accounts/{accountId}", Fit::Yes, &["accounts"]),
            ("GET API.bank.example/accountsummary", Fit::Yes, &["accounts"]),
            ("POST a.b.bank.test/accounts", Fit::Yes, &["accounts"]),
            ("DELETE api.bank.example/accounts/{accountId}", Fit::No, &[]),
            ("GET other.example/accounts", Fit::No, &[]),
            ("GET api.bank.example/limits/17", Fit::Yes, &["limits"]),
            ("GET api.bank.example/limits/all", Fit::No, &[]),
            ("GET api.bank.example/limits/{limitId}", Fit::Maybe, &["limits"]),
            ("GET api.bank.example/beta/x", Fit::Maybe, &["beta"]),
            ("GET api.bank.example/gone", Fit::No, &[]),
            ("GET late.bank.example/anything", Fit::Yes, &["late"]),
            // Behind the gateway.
            ("GET accounts.internal/core/{accountId}", Fit::Yes, &["accounts"]),
            ("GET cards.internal/v2/cards/{cardId}", Fit::Yes, &["cards", "late"]),
        ],
    );
    for (host, named) in [
        ("api.bank.example", true),
        ("x.bank.test", true),
        ("accounts.internal", false),
        ("other.example", false),
    ] {
        assert_eq!(set.gateways().answers_for(host), named, "{host}");
    }
    let first = set.gateways().routes().iter().find(|route| route.name == "limits").unwrap();
    assert_eq!((first.place.line, first.place.pointer.as_str()), (Some(11), "/services/0/routes/1"));
}

#[test]
fn paths_of_old_kong_files_are_patterns_by_their_letters() {
    let old = "_format_version: '1.1'\nservices: [{name: a, host: a, routes: [{name: a, hosts: [h], paths: ['/a/\\d+', /b]}]}]\n";
    let (set, problems) = load(&[("kong.yaml", old)]);
    assert!(problems.is_empty(), "{problems:?}");
    check(
        &set,
        &[("GET h/a/1", Fit::Yes, &["a"]), ("GET h/a/b", Fit::No, &[]), ("GET h/b/c", Fit::Yes, &["a"])],
    );
}

const ROUTES: &str = "\
# Source: chart/templates/service.yaml
---
apiVersion: v1
kind: Service
metadata: {name: accounts}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata:
  name: accounts
spec:
  hostnames: ['api.bank.example', '*.apps.bank.example']
  rules:
    - matches:
        - path: {type: PathPrefix, value: /accounts}
          method: GET
        - path: {type: Exact, value: /health}
    - matches:
        - path: {type: RegularExpression, value: '/v[0-9]+/cards'}
      filters:
        - type: URLRewrite
          urlRewrite: {path: {type: ReplacePrefixMatch, replacePrefixMatch: /cards}}
    - matches: [{headers: [{name: x-beta, value: '1'}]}]
---
apiVersion: gateway.networking.k8s.io/v1beta1
kind: HTTPRoute
metadata: {name: web}
spec:
  hostnames: [www.bank.example]
";

#[test]
fn routes_of_kubernetes_are_read_from_every_document_of_a_file() {
    let (set, problems) = load(&[("routes.yaml", ROUTES)]);
    assert!(problems.is_empty(), "{problems:?}");
    check(
        &set,
        &[
            ("GET api.bank.example/accounts/{accountId}", Fit::Yes, &["accounts"]),
            ("GET a.b.apps.bank.example/accounts", Fit::Yes, &["accounts"]),
            // The rule with headers takes any path of those who have them.
            ("GET api.bank.example/accountsummary", Fit::Maybe, &["accounts"]),
            ("GET api.bank.example/health", Fit::Yes, &["accounts"]),
            ("GET api.bank.example/v1/cards", Fit::Yes, &["accounts"]),
            ("GET api.bank.example/cards/{cardId}", Fit::Yes, &["accounts"]),
            ("GET www.bank.example/anything/at/all", Fit::Yes, &["web"]),
            ("GET bank.example/accounts", Fit::No, &[]),
        ],
    );
    let lines: Vec<_> = set.gateways().routes().iter().map(|route| route.place.line).collect();
    assert_eq!(lines, [Some(15), Some(17), Some(18), Some(19), Some(23), Some(28)]);
    let exact: Vec<_> = set.gateways().routes().iter().filter_map(Route::only_path).collect();
    assert_eq!(exact, ["/health"]);
    let list = r#"{"apiVersion": "v1", "kind": "List", "items": [{"apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute", "metadata": {"name": "a"}, "spec": {"rules": [{}]}}]}"#;
    let (set, problems) = load(&[("list.json", list)]);
    assert!(problems.is_empty(), "{problems:?}");
    check(&set, &[("GET h/x", Fit::Yes, &["a"])]);
}

const ENVOY: &str = r#"
static_resources:
  listeners:
    - name: edge
      filter_chains:
        - filters:
            - name: envoy.filters.network.http_connection_manager
              typed_config:
                route_config:
                  name: edge
                  virtual_hosts:
                    - name: bank
                      domains: ["api.bank.example:443", "*-api.bank.example"]
                      routes:
                        - match: {prefix: /accounts, headers: [{name: ":method", string_match: {exact: GET}}]}
                          route: {cluster: accounts}
                        - match: {path_separated_prefix: /cards}
                          route: {cluster: cards, prefix_rewrite: /v2/cards}
                        - name: status
                          match: {path: /status}
                          route: {cluster: cards}
                        - match: {safe_regex: {regex: "/users/[^/]+"}}
                          route: {cluster: users}
                        - match: {prefix: /}
                          direct_response: {status: 404}
"#;

#[test]
fn envoy_routes_are_found_where_they_stand() {
    let (set, problems) = load(&[("envoy.yaml", ENVOY)]);
    assert!(problems.is_empty(), "{problems:?}");
    let cases: &[(&str, Fit, &[&str])] = &[
        ("GET api.bank.example/accounts/{accountId}", Fit::Yes, &["bank"]),
        ("POST api.bank.example/accounts/{accountId}", Fit::No, &[]),
        ("GET eu-api.bank.example/accountsummary", Fit::Yes, &["bank"]),
        ("GET api.bank.example/cards", Fit::Yes, &["bank"]),
        ("GET api.bank.example/cardsets", Fit::No, &[]),
        ("GET api.bank.example/v2/cards/{cardId}", Fit::Yes, &["bank"]),
        ("GET api.bank.example/status", Fit::Yes, &["status"]),
        ("GET api.bank.example/users/{userId}", Fit::Yes, &["bank"]),
        ("GET api.bank.example/users/a/b", Fit::No, &[]),
    ];
    check(&set, cases);
    let status = set.gateways().routes().iter().find(|route| route.name == "status").unwrap();
    assert_eq!(status.place.line, Some(19));
    let hosts = r#"[{"name": "a", "domains": ["*"], "routes": [{"match": {"pathSeparatedPrefix": "/a"}, "route": {"cluster": "a"}}]}]"#;
    for text in [
        format!(r#"{{"name": "r", "virtualHosts": {hosts}}}"#),
        format!(
            r#"{{"resources": [{{"@type": "type.googleapis.com/envoy.config.route.v3.RouteConfiguration", "virtual_hosts": {hosts}}}]}}"#
        ),
        format!(
            r#"{{"configs": [{{"@type": "type.googleapis.com/envoy.admin.v3.RoutesConfigDump", "static_route_configs": [{{"route_config": {{"virtual_hosts": {hosts}}}}}]}}]}}"#
        ),
    ] {
        let (set, problems) = load(&[("a.json", &text)]);
        assert!(problems.is_empty(), "{problems:?}");
        check(&set, &[("GET h/a/b", Fit::Yes, &["a"]), ("GET h/b", Fit::No, &[])]);
        assert!(!set.gateways().answers_for("h"), "`*` names no host");
    }
}

#[test]
fn exports_of_aws_are_documents_but_for_what_is_a_mere_route() {
    let export = r#"{
        "swagger": "2.0", "host": "x.execute-api.example", "basePath": "/prod",
        "paths": {
            "/accounts/{id}": {"get": {"operationId": "account", "responses": {"200": {"description": "ok"}}}},
            "/pay/{proxy+}": {"post": {"responses": {}}},
            "/any": {"x-amazon-apigateway-any-method": {"responses": {}}},
            "/$default": {"x-amazon-apigateway-any-method": {"isDefaultRoute": true}}
        }
    }"#;
    let (set, problems) = load(&[("aws.json", export)]);
    assert!(problems.is_empty(), "{problems:?}");
    let paths: Vec<_> = set.operations().map(|(_, one)| one.path.as_str()).collect();
    assert_eq!(paths, ["/accounts/{id}"]);
    let [catalogue] = set.gateways().catalogues() else { panic!("one catalogue") };
    assert_eq!((catalogue.gateway, catalogue.routes), ("AWS API Gateway", 4));
    let all = |text: &str| {
        let (method, template) = text.split_once(' ').unwrap();
        let all = set.gateways().routing("x.execute-api.example", method, template);
        all.iter()
            .map(|(at, _)| set.gateways().routes().get(*at).unwrap().place.pointer.clone())
            .collect::<Vec<_>>()
    };
    let any = "x-amazon-apigateway-any-method";
    let default = format!("/paths/~1$default/{any}");
    assert_eq!(
        all("GET /prod/accounts/{accountId}"),
        [default.clone(), "/paths/~1accounts~1{id}/get".to_owned()]
    );
    assert_eq!(all("POST /prod/pay/a/{x}"), [default.clone(), "/paths/~1pay~1{proxy+}/post".to_owned()]);
    assert_eq!(all("POST /prod/pay"), std::slice::from_ref(&default));
    assert_eq!(all("PUT /prod/any"), [default, format!("/paths/~1any/{any}")]);
    assert!(all("GET /other").is_empty());
    let (set, _) = load(&[("plain.json", r#"{"swagger": "2.0", "paths": {"/a": {"get": {}}}}"#)]);
    assert!(set.gateways().is_empty());
}

#[test]
fn every_mistake_is_told_with_its_line_and_the_rest_is_used() {
    let kong = "\
_format_version: '7.0'
services:
  - name: a
    routes:
      - name: a
        hosts: [h]
        paths:
          - a
          - ~/(b
          - 7
      - empty
      - name: none
      - name: bad
        paths: [{}]
        hosts: [i]
      - name: free
        hosts: [j]
        expression: http.path ^= \"/x\"
";
    let routes = "\
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
spec:
  hostnames: [k]
  rules:
    - matches:
        - path: {type: Glob, value: /a*}
---
a: [
";
    let envoy = "virtual_hosts:\n  - name: a\n    domains: [h]\n    routes:\n      - match: {prefix: /a}\n      - {}\n      - match: {odd: 1}\n  - name: b\n    routes: []\n";
    let list = "_format_version: '3.0'\nservices: [{name: a, routes: [{name: b, hosts: [l], paths: /a}]}]\n";
    let (set, problems) = load(&[
        ("a.yaml", list),
        ("envoy.yaml", envoy),
        ("kong.yaml", kong),
        ("other.yaml", "apiVersion: v1\nkind: Service\n---\napiVersion: v1\nkind: Secret\n"),
        ("routes.yaml", routes),
    ]);
    let expected = [
        "a.yaml: line 2, /services/0/routes/0/paths: must be a list",
        "envoy.yaml: line 6, /virtual_hosts/0/routes/1: a route needs a `match`",
        "envoy.yaml: line 7, /virtual_hosts/0/routes/2/match: a match of a kind",
        "envoy.yaml: line 8, /virtual_hosts/1: a virtual host needs `domains`",
        "kong.yaml: line 1, /_format_version: a version that is not known",
        "kong.yaml: line 11, /services/0/routes/1: must be an object",
        "kong.yaml: line 10, /services/0/routes/0/paths/2: must be a text",
        "kong.yaml: line 8, /services/0/routes/0/paths/0: a path must begin with `/`",
        "kong.yaml: line 9, /services/0/routes/0/paths/1: a pattern that is not read",
        "kong.yaml: line 12, /services/0/routes/2: a route without hosts, methods and paths",
        "kong.yaml: line 14, /services/0/routes/3/paths/0: must be a text",
        "kong.yaml: line 18, /services/0/routes/4/expression: an expression is not read",
        "other.yaml: skipped: none of its YAML documents",
        "routes.yaml: an HTTPRoute needs a `spec`",
        "routes.yaml: line 10, /spec/rules/0/matches/0/path: a `type` that is not known",
        "routes.yaml: line 13: not read: did not find expected node content",
    ];
    for one in expected {
        assert!(problems.iter().any(|problem| problem.starts_with(one)), "{one}\n{problems:#?}");
    }
    assert_eq!(problems.len(), expected.len(), "{problems:#?}");
    let some = Fit::Maybe;
    check(
        &set,
        &[
            ("GET h/a", Fit::Yes, &["a", "a"]),
            ("GET i/a", some, &["bad"]),
            ("GET j/a", some, &["free"]),
            ("GET l/b", some, &["b"]),
        ],
    );
}

#[test]
fn routes_and_patterns_are_bounded() {
    let many: Vec<String> = (0..MAX_PATTERNS + 5)
        .map(|n| format!("      - {{hosts: [h], paths: [\"~/{n}/[a-z]+\"]}}\n"))
        .collect();
    let many = many.concat();
    let text = format!("_format_version: '3.0'\nservices:\n  - name: a\n    routes:\n{many}");
    let (set, problems) = load(&[("kong.yaml", &text)]);
    assert_eq!(problems.len(), 5, "{problems:#?}");
    assert_eq!(routing(&set, "GET h/7/ab").0, Fit::Yes);
    let one = "---\nkind: HTTPRoute\napiVersion: gateway.networking.k8s.io/v1\nspec: {}\n";
    let (set, problems) = load(&[("a.yaml", &one.repeat(MAX_PARTS + 3))]);
    assert_eq!(
        problems,
        [format!("a.yaml: line 4001: more than {MAX_PARTS} YAML documents; what follows is not read")]
    );
    assert_eq!(set.gateways().routes().len(), MAX_PARTS);
}

#[test]
fn the_order_of_files_does_not_matter() {
    let shown = |files: &[(&str, &str)]| {
        let (set, problems) = load(files);
        (
            format!("{:?}", set.gateways().catalogues()),
            format!("{:?}", set.gateways().routes().len()),
            problems,
        )
    };
    let (a, b) = (("a.yaml", KONG), ("b.yaml", ROUTES));
    assert_eq!(shown(&[a, b]), shown(&[b, a]));
}

proptest! {
    /// The parts of a file are its lines, whatever the bytes.
    #[test]
    fn parts_are_the_whole(text in "(---|--- a|----|-|a: b|\n){0,20}") {
        let parts: Vec<_> = yaml_parts(text.as_bytes()).collect();
        prop_assert_eq!(parts.iter().flat_map(|(_, part)| part.to_vec()).collect::<Vec<_>>(), text.as_bytes());
        let mut lines = 0;
        for (before, part) in parts {
            prop_assert_eq!(before, lines);
            lines += u32::try_from(part.split(|byte| *byte == b'\n').count() - 1).unwrap();
        }
    }

    /// Torn catalogues are survived.
    #[test]
    fn torn_catalogues_are_survived(which in 0_usize..3, from in 0_usize..1_400, to in 0_usize..1_400, filler in "[\\[\\]{}:&*<~|()/ \n\"'a-]{0,20}") {
        let mut bytes = [KONG, ROUTES, ENVOY].get(which).unwrap().as_bytes().to_vec();
        let (from, to) = (from.min(to).min(bytes.len()), to.max(from).min(bytes.len()));
        bytes.splice(from..to, filler.bytes());
        let (set, _) = DocumentSet::load(vec![("a.yaml".to_owned(), bytes)]);
        for route in set.gateways().routes() {
            prop_assert!(route.place.file == "a.yaml");
        }
        let routing = set.gateways().routing("api.bank.example", "GET", "/accounts/{id}");
        prop_assert!(routing.len() <= set.gateways().routes().len());
    }
}
