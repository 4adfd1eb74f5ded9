//! Files become descriptors: sets as compilers write them, and sources, which are compiled here.
//!
//! A source is known to others by the path they import it by, and nobody says which folder such paths begin in. So a
//! source takes the name by which another file imports it, when its path ends in that, and else its own path.

use super::{Descriptors, document, tables};
use crate::payload::protobuf;
use crate::problem::Problems;
use crate::spec::Methods;
use crate::spec::load::Room;
use prost_reflect::DescriptorPool;
use protox::Compiler;
use protox::file::{File, FileResolver, GoogleFileResolver};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

/// Google's options for REST, which sources import and seldom bring along.
const HTTP: (&str, &str) = (
    "google/api/http.proto",
    "syntax = \"proto3\"; package google.api;
    message Http { repeated HttpRule rules = 1; bool fully_decode_reserved_expansion = 2; }
    message HttpRule {
      string selector = 1;
      oneof pattern { string get = 2; string put = 3; string post = 4; string delete = 5; string patch = 6;
        CustomHttpPattern custom = 8; }
      string body = 7; string response_body = 12; repeated HttpRule additional_bindings = 11;
    }
    message CustomHttpPattern { string kind = 1; string path = 2; }",
);
const ANNOTATIONS: (&str, &str) = (
    "google/api/annotations.proto",
    "syntax = \"proto3\"; package google.api;
    import \"google/api/http.proto\"; import \"google/protobuf/descriptor.proto\";
    extend google.protobuf.MethodOptions { HttpRule http = 72295728; }",
);

/// A descriptor on its way to the compiler.
struct Entry {
    /// The file, as the user named it.
    origin: String,
    file: File,
}

/// All that was given, by the names that imports use.
#[derive(Default)]
struct Given {
    entries: BTreeMap<String, Entry>,
}

impl Descriptors {
    /// Reads `files`: names as the user gave them, and bytes. Those called `.proto` are sources, all others descriptor
    /// sets. What cannot be read is told, and the rest goes on. The same files in any order give the same.
    #[must_use]
    pub fn load(mut files: Vec<(String, Vec<u8>)>) -> (Self, Problems) {
        files.sort();
        let mut problems = Problems::default();
        let (mut sources, mut sets) = (Vec::new(), Vec::new());
        let mut room = Room::default();
        for (name, bytes) in files {
            if !room.takes(&name, &bytes, &mut problems) {
                continue;
            }
            if Path::new(&name).extension().is_some_and(|ending| ending.eq_ignore_ascii_case("proto")) {
                match String::from_utf8(bytes) {
                    Ok(text) => sources.push((name, text)),
                    Err(_) => problems.push(&name, "", "not read: a source must be UTF-8"),
                }
            } else {
                sets.push((name, bytes));
            }
        }
        let mut given = Given::default();
        for (name, bytes) in &sets {
            given.add_set(name, bytes, &mut problems);
        }
        given.add_sources(sources, &mut problems);
        if given.entries.is_empty() {
            return (Self::default(), problems);
        }
        let (pool, origins) = given.compile(&mut problems);
        let (types, places) = tables::of(&pool);
        let mut methods = Methods { types, ..Methods::default() };
        for method in pool.services().flat_map(|service| service.methods().collect::<Vec<_>>()) {
            let place = |message: &prost_reflect::MessageDescriptor| places.get(message.full_name()).copied();
            let path = format!("/{}/{}", method.parent_service().full_name(), method.name());
            if let (Some(request), Some(response)) = (place(&method.input()), place(&method.output())) {
                methods.by_path.insert(path.into_bytes().into(), (request, response));
            }
        }
        (Self { documents: document::all(&pool, &origins), methods: Arc::new(methods) }, problems)
    }
}

impl Given {
    /// Adds the files of a descriptor set: `protoc -o`, images of buf.
    fn add_set(&mut self, origin: &str, bytes: &[u8], problems: &mut Problems) {
        let parts = protobuf::parts(bytes, 1).filter(|parts| !parts.is_empty());
        let files: Option<Vec<File>> = parts.and_then(|parts| {
            parts.into_iter().map(|part| File::decode_file_descriptor_proto(part).ok()).collect()
        });
        let Some(files) = files.filter(|files| files.iter().all(|file| !file.name().is_empty())) else {
            let message = "not read: neither a descriptor set, as `protoc --include_imports -o FILE` and `buf build -o \
                           FILE.binpb` write it, nor a source whose name ends in .proto";
            problems.push(origin, "", message);
            return;
        };
        for file in files {
            let name = file.name().to_owned();
            let entry = Entry { origin: format!("{origin}/{name}"), file };
            // Sets made with their imports repeat them.
            self.entries.entry(name).or_insert(entry);
        }
    }

    /// Adds sources under the names by which they are imported.
    fn add_sources(&mut self, sources: Vec<(String, String)>, problems: &mut Problems) {
        let mut imports: BTreeSet<String> = self
            .entries
            .values()
            .flat_map(|entry| entry.file.file_descriptor_proto().dependency.clone())
            .collect();
        let mut parsed = Vec::new();
        for (path, text) in sources {
            let path = path.replace('\\', "/");
            match File::from_source(path.trim_start_matches(['/', '.']), &text) {
                Ok(file) => {
                    imports.extend(file.file_descriptor_proto().dependency.iter().cloned());
                    parsed.push((path, text));
                }
                Err(error) => tell(&error, &path, problems),
            }
        }
        for (path, text) in parsed {
            let own = path.trim_start_matches(['/', '.']);
            let name = imports.iter().filter(|import| ends_in(own, import)).max_by_key(|import| import.len());
            let name = name.map_or(own, String::as_str).to_owned();
            // The name is in the descriptor too: it is read once more under it.
            let Ok(file) = File::from_source(&name, &text) else { continue };
            // Of several that could be meant by an import, the first in the order of paths is.
            let name = if self.entries.contains_key(&name) { own.to_owned() } else { name };
            self.entries.entry(name).or_insert(Entry { origin: path, file });
        }
    }

    /// Compiles everything; what fails is told. Returns the origin of each file too.
    fn compile(self, problems: &mut Problems) -> (DescriptorPool, BTreeMap<String, String>) {
        let origins: BTreeMap<String, String> =
            self.entries.iter().map(|(name, entry)| (name.clone(), entry.origin.clone())).collect();
        let mut compiler = Compiler::with_file_resolver(Resolver(self.entries));
        let mut told = BTreeSet::new();
        for (name, origin) in &origins {
            if let Err(error) = compiler.open_file(name) {
                // What an import lacks fails again for each file that imports it.
                let at = error.file().and_then(|file| origins.get(file)).unwrap_or(origin);
                if told.insert(format!("{error:?}")) {
                    tell(&error, at, problems);
                }
                if at != origin {
                    problems.push(origin, "", format!("not read, for it imports {at}, which is not read"));
                }
            }
        }
        (compiler.descriptor_pool(), origins)
    }
}

/// Whether a path ends in what an import names.
fn ends_in(path: &str, import: &str) -> bool {
    path.strip_suffix(import).is_some_and(|front| front.is_empty() || front.ends_with('/'))
}

/// Tells what is wrong with a file, where, and the cure.
fn tell(error: &protox::Error, origin: &str, problems: &mut Problems) {
    // `name:line:column: what`.
    let text = format!("{error:?}");
    let file = error.file().unwrap_or_default();
    let place = text.strip_prefix(file).and_then(|rest| rest.strip_prefix(':')).unwrap_or_default();
    let line = place.split(':').next().and_then(|line| line.trim().parse::<u32>().ok());
    let cure = if error.is_file_not_found() {
        "; give the folder that import paths begin in, or a descriptor set made with --include_imports"
    } else {
        ""
    };
    let place = line.map(|line| format!("line {line}")).unwrap_or_default();
    problems.push(origin, place, format!("not read: {error}{cure}"));
}

struct Resolver(BTreeMap<String, Entry>);

impl FileResolver for Resolver {
    fn open_file(&self, name: &str) -> Result<File, protox::Error> {
        if let Some(entry) = self.0.get(name) {
            return Ok(entry.file.clone());
        }
        match [HTTP, ANNOTATIONS].into_iter().find(|(known, _)| *known == name) {
            Some((_, text)) => File::from_source(name, text),
            None => GoogleFileResolver::new().open_file(name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::DocumentSet;

    const ACCOUNTS: &str = r#"syntax = "proto3";
package bank.v1;
import "bank/v1/types.proto";
import "google/api/annotations.proto";
service Accounts {
  rpc Get(GetRequest) returns (Account) {
    option (google.api.http) = { get: "/v1/{name=accounts/*}" additional_bindings { post: "/v1/accounts:get" body: "*" } };
  }
  rpc Old(GetRequest) returns (Account) { option deprecated = true; }
}
message GetRequest { string account_id = 1; string token = 2 [deprecated = true]; }
"#;
    const TYPES: &str = r#"syntax = "proto3";
package bank.v1;
enum State { NONE = 0; OPEN = 1; }
message Account {
  string iban = 1; State state = 2; repeated int64 cents = 3; map<string, Account> parts = 4;
  oneof holder { string person = 5; string company = 6; }
}
"#;

    fn files(all: &[(&str, &str)]) -> Vec<(String, Vec<u8>)> {
        all.iter().map(|(name, text)| ((*name).to_owned(), text.as_bytes().to_vec())).collect()
    }

    fn given() -> Vec<(String, Vec<u8>)> {
        files(&[("protos/bank/v1/accounts.proto", ACCOUNTS), ("protos/bank/v1/types.proto", TYPES)])
    }

    /// The set that a compiler writes of the sources, with its imports or without.
    fn set(imports: bool) -> Vec<u8> {
        let mut problems = Problems::default();
        let mut known = Given::default();
        let texts = given().into_iter().map(|(name, text)| (name, String::from_utf8(text).unwrap()));
        known.add_sources(texts.collect(), &mut problems);
        let mut compiler = Compiler::with_file_resolver(Resolver(known.entries));
        compiler.include_imports(imports).include_source_info(true);
        let name = if imports { "protos/bank/v1/accounts.proto" } else { "bank/v1/types.proto" };
        compiler.open_file("protos/bank/v1/accounts.proto").unwrap();
        assert!(compiler.files().any(|file| file.name() == name));
        compiler.encode_file_descriptor_set()
    }

    fn documents(files: Vec<(String, Vec<u8>)>) -> (DocumentSet, Descriptors, Vec<String>) {
        let (descriptors, mut problems) = Descriptors::load(files);
        let (set, more) = DocumentSet::load_with(Vec::new(), &descriptors);
        problems.absorb(more);
        (set, descriptors, problems.as_slice().iter().map(ToString::to_string).collect())
    }

    #[test]
    fn methods_are_operations_and_routes() {
        let (set, descriptors, problems) = documents(given());
        assert!(problems.is_empty(), "{problems:?}");
        let mut told: Vec<String> = set
            .operations()
            .map(|(_, operation)| {
                let place = set.place_of(operation);
                let (deprecated, line) = (operation.deprecated, place.line.unwrap_or_default());
                format!("{} {} {deprecated} {}:{line}", operation.method, operation.path, place.pointer)
            })
            .collect();
        told.sort();
        assert_eq!(
            told,
            [
                "GET /v1/accounts/{name} false bank.v1.Accounts.Get:6",
                "POST /bank.v1.Accounts/Get false bank.v1.Accounts.Get:6",
                "POST /bank.v1.Accounts/Old true bank.v1.Accounts.Old:9",
                "POST /v1/accounts:get false bank.v1.Accounts.Get:6",
            ]
        );
        let [document] = set.documents() else { panic!("one source has services") };
        assert_eq!(
            (document.file.as_str(), document.format.as_str()),
            ("protos/bank/v1/accounts.proto", "protobuf")
        );
        assert!(descriptors.methods().of(b"/bank.v1.Accounts/Get").is_some());
        assert!(descriptors.methods().of(b"/bank.v1.Accounts/Put").is_none());
        let routed = set.route_request_path("any.example", "POST", "/bank.v1.Accounts/Get").unwrap();
        let operation = set.operation(set.operations_at(routed.route, "any.example")[0]).unwrap();
        let schema = set.schema(&set.request_schema(operation).unwrap());
        let names: Vec<_> = schema.properties.keys().copied().collect();
        assert_eq!(names, ["accountId", "account_id", "token"]);
        assert!(set.schema(&schema.properties["token"]).deprecated && !schema.open);
        let place = set.place_of_schema(&schema.properties["token"]).unwrap();
        assert_eq!((place.pointer.as_str(), place.line), ("bank.v1.GetRequest.token", Some(11)));
        let answer = operation.response_for(200).unwrap();
        let account = set.schema(&set.response_schema(operation, answer).unwrap());
        let place = set.place_of_schema(&account.properties["iban"]).unwrap();
        assert_eq!(place.file, "protos/bank/v1/types.proto");
    }

    #[test]
    fn a_set_tells_what_its_sources_do() {
        let (set, descriptors, problems) = documents(vec![("bank.binpb".to_owned(), set(true))]);
        assert!(problems.is_empty(), "{problems:?}");
        assert_eq!(set.operations().count(), 4);
        assert!(descriptors.methods().of(b"/bank.v1.Accounts/Old").is_some());
        assert_eq!(set.documents()[0].file, "bank.binpb/protos/bank/v1/accounts.proto");
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place_and_cure_and_the_rest_goes_on() {
        let mut all = given();
        all.extend(files(&[
            ("broken.proto", "syntax = \"proto3\";\nmessage A {\n  strin x = 1\n}\n"),
            ("unknown.proto", "syntax = \"proto3\";\nmessage B {\n  Nothing x = 1;\n}\n"),
            ("alone.proto", "syntax = \"proto3\";\nimport \"far/away.proto\";\nmessage C { }\n"),
            ("noise.binpb", "no descriptors"),
        ]));
        all.push(("cut.binpb".to_owned(), set(false)));
        let (set, _, problems) = documents(all);
        assert_eq!(set.operations().count(), 4);
        let has = |front: &str, back: &str| {
            let found = problems.iter().any(|problem| problem.starts_with(front) && problem.contains(back));
            assert!(found, "{front} … {back} in {problems:#?}");
        };
        has("broken.proto: line ", "not read: ");
        has("unknown.proto: line 3: not read: ", "Nothing");
        has("alone.proto: line 2: not read: import 'far/away.proto' not found", "give the folder");
        has("noise.binpb: not read: neither a descriptor set", "--include_imports");
        assert_eq!(problems.len(), 4, "{problems:#?}");
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]

        /// Whatever becomes of a set or a source, loading answers, and what was loaded routes.
        #[test]
        fn damaged_descriptors_are_survived(
            places in proptest::collection::vec((0_usize..4_000, proptest::prelude::any::<u8>()), 1..6),
            source in "[a-zA-Z0-9 ;{}=\"\n.]{0,60}",
        ) {
            let mut damaged = set(true);
            for (place, byte) in places {
                let place = place % damaged.len();
                damaged[place] = byte;
            }
            let mut texts = ACCOUNTS.to_owned();
            texts.insert_str(texts.len() / 2, &source);
            let mut all = vec![("set.binpb".to_owned(), damaged)];
            documents(all.clone());
            all.extend(files(&[("bank/v1/accounts.proto", &texts), ("bank/v1/types.proto", TYPES)]));
            documents(all);
        }
    }

    #[test]
    fn the_order_of_files_does_not_matter() {
        let mut turned = given();
        turned.reverse();
        let told = |files| {
            let (set, _, _) = documents(files);
            set.operations().map(|(_, operation)| set.place_of(operation)).collect::<Vec<_>>()
        };
        assert_eq!(told(given()), told(turned));
    }
}
