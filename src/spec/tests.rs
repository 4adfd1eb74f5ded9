//! Document sets as a whole: what is read, what is told, what is routed.

use super::*;
use crate::schema::JsonType;
use proptest::prelude::*;

fn load(files: &[(&str, &str)]) -> (DocumentSet, Vec<String>) {
    let files = files.iter().map(|(name, text)| ((*name).to_owned(), text.as_bytes().to_vec())).collect();
    let (set, problems) = DocumentSet::load(files);
    (set, problems.as_slice().iter().map(ToString::to_string).collect())
}

const BANK: &str = "\
openapi: 3.0.3
info: {title: Accounts, version: '4.0'}
servers:
  - url: https://api.bank.example/open-banking/v4.0
paths:
  /accounts/{AccountId}:
    parameters:
      - $ref: 'shared.yaml#/parameters/AccountId'
    get:
      operationId: account
      parameters:
        - {name: page, in: query, schema: {type: integer}}
      responses:
        200:
          description: ok
          content:
            application/json; charset=utf-8:
              schema: {$ref: '#/components/schemas/Account'}
        '4XX': {$ref: 'shared.yaml#/responses/Error'}
    x-note: none
components:
  schemas:
    Account: {type: object, properties: {id: {type: string}, owner: {$ref: './shared.yaml#/schemas/Owner'}}}
";

const SHARED: &str = "\
parameters:
  AccountId: {name: AccountId, in: path, required: true, schema: {type: string, format: uuid}}
responses:
  Error: {description: no}
schemas:
  Owner: {type: object, properties: {name: {type: string}, friends: {type: array, items: {$ref: '#/schemas/Owner'}}}}
";

#[test]
fn a_document_is_read_with_what_it_refers_to() {
    let (set, problems) = load(&[("specs/bank.yaml", BANK), ("specs/shared.yaml", SHARED)]);
    assert!(problems.is_empty(), "{problems:?}");
    let [document] = set.documents() else { panic!("one document") };
    assert_eq!((document.title.as_str(), document.operations), ("Accounts", 1));
    let id = "9f6e1c7e-1111-4222-8333-444455556666";
    let found =
        set.route_path("API.bank.example:443", &format!("/open-banking/v4.0/accounts/{id}/")).unwrap();
    assert_eq!(set.template(found.route), "/open-banking/v4.0/accounts/{AccountId}");
    assert_eq!(set.route_path("api.bank.example", "/open-banking/v4.0/accounts/export"), None);
    let operations = set.operations_at(found.route, "api.bank.example");
    let operation = set.operation(*operations.first().unwrap()).unwrap();
    assert_eq!((operation.method.as_str(), operation.operation_id.as_deref()), ("GET", Some("account")));
    assert_eq!(operation.response_for(404), Some(StatusPattern::Class(4)));
    assert_eq!(operation.response_for(500), None);
    let mut schema = set.response_schema(operation, StatusPattern::Exact(200)).unwrap();
    for name in ["owner", "friends"] {
        schema = set.schema(&schema).properties.remove(name).unwrap();
    }
    let item = set.schema(&schema).items.unwrap();
    assert_eq!(set.schema(&item).properties.keys().collect::<Vec<_>>(), [&"friends", &"name"]);
    let mut places = [set.place_of(operation), set.place_of_schema(&item).unwrap()];
    set.find_lines(&mut places);
    let shown = places.map(|place| (place.file, place.line, place.pointer));
    assert_eq!(
        shown,
        [
            ("specs/bank.yaml".to_owned(), Some(9), "/paths/~1accounts~1{AccountId}/get".to_owned()),
            ("specs/shared.yaml".to_owned(), Some(6), "/schemas/Owner/properties/friends/items".to_owned()),
        ]
    );
}

#[test]
fn every_problem_is_told_and_the_rest_is_used() {
    let broken = "\
openapi: 3.1.0
paths:
  /a:
    get:
      responses:
        200: {description: ok, content: {application/json: {schema: {$ref: 'https://x.example/a.yaml#/b'}}}}
        okay: {description: what}
    post: 7
  b/{x}:
    get: {parameters: [{name: q}, {in: query}], responses: {}}
  /a2/{one}: {get: {responses: {200: {$ref: 'other.yaml#/b'}}}}
  /a2/{two}: {put: {}}
";
    let (set, problems) = load(&[
        ("broken.yaml", broken),
        ("notes.yaml", "a: 1"),
        ("old.json", r#"{"swagger": "1.2"}"#),
        ("picture.png", "\u{1}\u{2}: ["),
    ]);
    assert_eq!(set.routes().count(), 3);
    assert!(set.route_path("h", "/b/1").is_some());
    let expected = [
        "picture.png: line 1: not read",
        "broken.yaml: line 6, /paths/~1a/get/responses/200/content/application~1json/schema: `https://x.example/a.yaml#/b` leads to a URL",
        "broken.yaml: line 8, /paths/~1a/post: an operation must be an object",
        "broken.yaml: line 7, /paths/~1a/get/responses/okay: not a status",
        "broken.yaml: line 9, /paths/b~1{x}: a path must begin",
        "broken.yaml: line 10, /paths/b~1{x}/get/parameters/0: a parameter needs `in`",
        "broken.yaml: line 10, /paths/b~1{x}/get/parameters/1: a parameter needs a `name`",
        "broken.yaml: line 11, /paths/~1a2~1{one}/get/responses/200: `other.yaml#/b` leads to a file that was not given: give it",
        "notes.yaml: skipped",
        "old.json: version `1.2` is not read",
        "broken.yaml: line 12, /paths/~1a2~1{two}: the same path as `/a2/{one}`",
    ];
    for one in expected {
        assert!(problems.iter().any(|problem| problem.starts_with(one)), "{one}\n{problems:#?}");
    }
    assert_eq!(problems.len(), expected.len(), "{problems:#?}");
}

#[test]
fn swagger_2_says_the_same_in_other_words() {
    let (set, problems) = load(&[(
        "old.json",
        r##"{
        "swagger": "2.0", "host": "api.example:8443", "basePath": "/v2/", "produces": ["application/json"],
        "securityDefinitions": {"key": {"type": "apiKey", "in": "query", "name": "api_key"}},
        "parameters": {"limit": {"name": "limit", "in": "query", "type": "integer"}},
        "paths": {"/a/{id}.json": {
            "parameters": [{"name": "id", "in": "path", "type": "integer", "required": true}],
            "post": {
                "parameters": [{"$ref": "#/parameters/limit"}, {"name": "b", "in": "body", "schema": {"properties": {"x": {}}}}],
                "responses": {"default": {"schema": {"$ref": "#/definitions/A"}}}
            }
        }},
        "definitions": {"A": {"type": "object", "properties": {"y": {"type": "string", "x-nullable": true}}}}
    }"##,
    )]);
    assert!(problems.is_empty(), "{problems:?}");
    let found = set.route_path("api.example", "/v2/a/12.json").unwrap();
    assert_eq!((set.template(found.route), found.host), ("/v2/a/{id}.json", HostMatch::Exact));
    assert_eq!(set.route_path("api.example", "/v2/a/summary.json"), None);
    let (_, operation) = set.operations().next().unwrap();
    let (names, any) = set.query_names(operation);
    assert_eq!((names.keys().copied().collect::<Vec<_>>(), any), (vec!["api_key", "limit"], false));
    let request = set.schema(&set.request_schema(operation).unwrap());
    assert_eq!(request.properties.keys().collect::<Vec<_>>(), [&"x"]);
    let answer = set.response_schema(operation, StatusPattern::Default).unwrap();
    let property = set.schema(&answer).properties.remove("y").unwrap();
    assert!(set.schema(&property).types.has(JsonType::Null));
    assert_eq!(set.response_media(operation, StatusPattern::Default, "text/html"), Some(false));
}

#[test]
fn the_order_of_files_does_not_matter() {
    let a = r#"{"openapi": "3.0.0", "paths": {"/a/{x}": {"get": {}}}}"#;
    let b = r#"{"openapi": "3.0.0", "paths": {"/a/{y}": {"get": {}, "put": {}}}}"#;
    let shown = |files: &[(&str, &str)]| {
        let (set, problems) = load(files);
        let route = set.routes().next().unwrap();
        (set.template(route).to_owned(), set.operations_at(route, "h"), problems)
    };
    let (template, operations, problems) = shown(&[("a", a), ("b", b)]);
    assert_eq!((template.as_str(), operations.len(), problems.len()), ("/a/{x}", 3, 0));
    assert_eq!(shown(&[("b", b), ("a", a)]), (template, operations, problems));
}

#[test]
fn a_word_where_no_method_fits_is_no_identifier() {
    let (set, _) = load(&[("a", r#"{"openapi": "3.0.0", "paths": {"/configs/{id}": {"get": {}}}}"#)]);
    for (method, path, expected) in [
        ("GET", "/configs/create", true),
        ("POST", "/configs/create", false),
        ("POST", "/configs/17", true),
        ("POST", "/configs/{id}", true),
        ("HEAD", "/configs/create", true),
    ] {
        assert_eq!(set.route_request_path("h", method, path).is_some(), expected, "{method} {path}");
    }
    let path = [PathSegment::Literal("configs"), PathSegment::Literal("create")];
    assert!(set.route_requests("h", &["POST", "GET"], &path).is_some());
    assert!(set.route_requests("h", &["POST", "PUT"], &path).is_none());
}

#[test]
fn a_document_that_is_refused_takes_no_other_with_it() {
    let cut = BANK.get(..BANK.find("{type: integer}").unwrap()).unwrap();
    let deep: String = (0..300).map(|depth| " ".repeat(depth) + "a:\n").collect();
    let bomb =
        format!("a: &a [{}]\nb: &b [{}]\nc: [{}]\n", "x,".repeat(99), "*a,".repeat(99), "*b,".repeat(99));
    let (set, problems) = load(&[
        ("bank.yaml", BANK),
        ("bomb.yaml", &bomb),
        ("cut.json", "{\"openapi\": \"3.0.0\",\n\"paths\": {\"/a\":\n{\"get\": {}"),
        ("cut.yaml", cut),
        ("deep.yaml", &deep),
        ("shared.yaml", SHARED),
    ]);
    assert_eq!(set.documents().len(), 1);
    assert!(set.route_path("api.bank.example", "/open-banking/v4.0/accounts/17").is_some());
    assert_eq!(problems.len(), 4, "{problems:#?}");
    for name in ["bomb.yaml", "cut.json", "cut.yaml", "deep.yaml"] {
        let told = format!("{name}: line ");
        assert!(problems.iter().any(|problem| problem.starts_with(&told)), "{name}\n{problems:#?}");
    }
    assert!(
        problems.iter().any(|problem| problem.starts_with("cut.json: line 3: not read")),
        "{problems:#?}"
    );
}

#[test]
fn references_that_lead_in_circles_are_told_and_end() {
    let a = "\
openapi: 3.1.0
info: {title: a, version: '1'}
paths:
  /a/{id}:
    $ref: 'b.yaml#/item'
  /b:
    get:
      parameters:
        - $ref: '#/components/parameters/One'
      responses:
        200: {description: ok, content: {application/json: {schema: {$ref: '#/components/schemas/Round'}}}}
components:
  parameters:
    One: {$ref: '#/components/parameters/Two'}
    Two: {$ref: '#/components/parameters/One'}
  schemas:
    Round: {allOf: [{$ref: '#/components/schemas/Round'}, {properties: {id: {type: string}}}]}
    Self: {$ref: '#/components/schemas/Self'}
";
    let b = "item: {$ref: 'a.yaml#/paths/~1a~1{id}'}\n";
    let (set, problems) = load(&[("a.yaml", a), ("b.yaml", b)]);
    for place in [
        "a.yaml: line 4, /paths/~1a~1{id}: ",
        "a.yaml: line 9, /paths/~1b/get/parameters/0: ",
        "a.yaml: line 18, /components/schemas/Self: ",
    ] {
        assert!(problems.iter().any(|problem| problem.starts_with(place)), "{place}\n{problems:#?}");
    }
    let found = set.route_path("h", "/b").unwrap();
    let id = *set.operations_at(found.route, "h").first().unwrap();
    let schema = set.response_schema(set.operation(id).unwrap(), StatusPattern::Exact(200)).unwrap();
    assert_eq!(set.schema(&schema).properties.keys().collect::<Vec<_>>(), [&"id"]);
}

#[test]
fn a_key_that_stands_twice_is_told_and_the_last_counts() {
    let yaml = "openapi: 3.0.0\npaths:\n  /a: {get: {}}\n  /a: {put: {}}\n";
    let json = "{\"openapi\": \"3.0.0\", \"paths\": {\n\"/a\": {\"get\": {}},\n\"/a\": {\"put\": {}}}}";
    for (name, text) in [("a.yaml", yaml), ("a.json", json)] {
        let (set, problems) = load(&[(name, text)]);
        assert_eq!(set.operations().map(|(_, one)| one.method.as_str()).collect::<Vec<_>>(), ["PUT"]);
        let [problem] = problems.as_slice() else { panic!("{problems:?}") };
        assert!(
            problem.starts_with(&format!("{name}: line ")) && problem.contains("/paths/~1a: "),
            "{problem}"
        );
    }
}

proptest! {
    /// Whatever the bytes: an answer, never a panic.
    #[test]
    fn any_bytes_are_survived(data in proptest::collection::vec(any::<u8>(), 0..600)) {
        fuzz(&data);
    }

    /// Documents torn and put together anew are survived as well.
    #[test]
    fn torn_documents_are_survived(from in 0_usize..900, to in 0_usize..900, filler in "[\\[\\]{}:&*<$#/ \n\"'|a-]{0,20}") {
        let mut bytes = BANK.as_bytes().to_vec();
        let (from, to) = (from.min(to).min(bytes.len()), to.max(from).min(bytes.len()));
        bytes.splice(from..to, filler.bytes());
        fuzz(&bytes);
    }
}
