//! Descriptors become OpenAPI documents: one for each source with services.
//!
//! A method is `POST /package.Service/Method`, with any media type, and the routes of `google.api.http` besides. A message
//! is an object with its fields by both their names, that of the source and that of JSON, for a body may be either.

use super::{Described, Symbol, Symbols};
use crate::spec::reference::push_pointer;
use prost_reflect::prost_types::{FieldOptions, MethodOptions, ServiceOptions};
use prost_reflect::{
    DescriptorPool, DynamicMessage, ExtensionDescriptor, FieldDescriptor, FileDescriptor, Kind,
    MessageDescriptor, MethodDescriptor, Value as Dynamic,
};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Messages of a document; what lies behind is anything.
const MAX_MESSAGES: usize = 20_000;
/// Routes of one method.
const MAX_BINDINGS: usize = 64;

/// The documents of all sources with services that were given: `origins` has the names of their files.
pub(super) fn all(pool: &DescriptorPool, origins: &BTreeMap<String, String>) -> Vec<Described> {
    let lines: BTreeMap<String, Lines> =
        pool.files().map(|file| (file.name().to_owned(), Lines::of(&file))).collect();
    let http = pool.get_extension_by_name("google.api.http");
    pool.files()
        .filter(|file| file.services().len() > 0)
        .filter_map(|file| {
            let name = origins.get(file.name())?.clone();
            let mut writer = Writer {
                origins,
                lines: &lines,
                http: http.as_ref(),
                symbols: Symbols::new(),
                paths: BTreeMap::new(),
                wanted: Vec::new(),
            };
            Some(Described { value: writer.document(&file), name, symbols: writer.symbols })
        })
        .collect()
}

/// The lines of a file's symbols, by their paths in the descriptor.
struct Lines(BTreeMap<Vec<i32>, u32>);

impl Lines {
    fn of(file: &FileDescriptor) -> Self {
        let info = file.file_descriptor_proto().source_code_info.as_ref();
        let places = info.map(|info| info.location.as_slice()).unwrap_or_default();
        let line = |span: &[i32]| u32::try_from(*span.first()?).ok()?.checked_add(1);
        Self(places.iter().filter_map(|place| Some((place.path.clone(), line(&place.span)?))).collect())
    }
}

struct Writer<'a> {
    origins: &'a BTreeMap<String, String>,
    lines: &'a BTreeMap<String, Lines>,
    http: Option<&'a ExtensionDescriptor>,
    symbols: Symbols,
    /// Path items by path.
    paths: BTreeMap<String, Map<String, Value>>,
    /// Messages that schemas refer to.
    wanted: Vec<MessageDescriptor>,
}

impl Writer<'_> {
    fn document(&mut self, file: &FileDescriptor) -> Value {
        for service in file.services() {
            for method in service.methods() {
                self.method(&method);
            }
        }
        let mut schemas = Map::new();
        let mut known = BTreeSet::new();
        while let Some(message) = self.wanted.pop() {
            if !known.insert(message.full_name().to_owned()) {
                continue;
            }
            let schema = if known.len() > MAX_MESSAGES { json!({}) } else { self.message(&message) };
            schemas.insert(message.full_name().to_owned(), schema);
        }
        let paths: Map<String, Value> = std::mem::take(&mut self.paths)
            .into_iter()
            .map(|(path, item)| (path, Value::Object(item)))
            .collect();
        json!({
            "openapi": "3.1.0",
            "info": {"title": file.package_name(), "version": ""},
            "paths": paths,
            "components": {"schemas": schemas},
        })
    }

    fn symbol(&mut self, pointer: String, file: &FileDescriptor, name: &str, path: &[i32]) {
        let origin = self.origins.get(file.name()).map_or(file.name(), String::as_str);
        let line = self.lines.get(file.name()).and_then(|lines| lines.0.get(path)).copied();
        self.symbols.insert(pointer, Symbol { file: origin.to_owned(), name: name.to_owned(), line });
    }

    fn method(&mut self, method: &MethodDescriptor) {
        let service = method.parent_service();
        let path = format!("/{}/{}", service.full_name(), method.name());
        let own = method.method_descriptor_proto().options.as_ref();
        let whole = service.service_descriptor_proto().options.as_ref();
        let deprecated =
            own.is_some_and(MethodOptions::deprecated) || whole.is_some_and(ServiceOptions::deprecated);
        let (request, response) = (self.reference(&method.input()), self.reference(&method.output()));
        let operation = json!({
            "operationId": method.full_name(),
            "deprecated": deprecated,
            "requestBody": {"content": {"*/*": {"schema": request}}},
            "responses": {"200": {"content": {"*/*": {"schema": response}}}, "default": {}},
        });
        self.route(&path, "post", operation, method);
        let Some(http) = self.http else { return };
        let options = method.options();
        if options.has_extension(http)
            && let Dynamic::Message(rule) = &*options.get_extension(http)
        {
            let mut rules = vec![rule.clone()];
            if let Some(Dynamic::List(more)) = rule.get_field_by_name("additional_bindings").as_deref() {
                let more = more.iter().filter_map(Dynamic::as_message).cloned();
                rules.extend(more.take(MAX_BINDINGS));
            }
            for rule in &rules {
                self.transcoded(rule, method, deprecated);
            }
        }
    }

    fn route(&mut self, path: &str, verb: &str, operation: Value, method: &MethodDescriptor) {
        let mut pointer = String::from("/paths");
        push_pointer(&mut pointer, path);
        push_pointer(&mut pointer, verb);
        let item = self.paths.entry(path.to_owned()).or_default();
        if item.contains_key(verb) {
            return;
        }
        item.insert(verb.to_owned(), operation);
        self.symbol(pointer.clone(), &method.parent_file(), method.full_name(), method.path());
        // What is odd about a whole body is mended in its message.
        let (request, response) = (method.input(), method.output());
        for (place, message) in [("requestBody", request), ("responses/200", response)] {
            let place = format!("{pointer}/{place}/content");
            self.symbol(place, &message.parent_file(), message.full_name(), message.path());
        }
    }

    /// A route of `google.api.http`.
    fn transcoded(&mut self, rule: &DynamicMessage, method: &MethodDescriptor, deprecated: bool) {
        let text = |name: &str| {
            let value = rule.get_field_by_name(name)?;
            value.as_str().filter(|text| !text.is_empty()).map(str::to_owned)
        };
        let verbs = ["get", "put", "post", "delete", "patch"];
        let Some((verb, path)) = verbs.into_iter().find_map(|verb| Some((verb, text(verb)?))) else { return };
        let Some(path) = template(&path) else { return };
        let parameters: Vec<Value> = names(&path)
            .map(|name| json!({"in": "path", "name": name, "required": true, "schema": {}}))
            .chain([json!({"in": "querystring", "name": "", "schema": {}})])
            .collect();
        let mut operation = json!({
            "operationId": method.full_name(),
            "deprecated": deprecated,
            "parameters": parameters,
        });
        let answer = match text("response_body") {
            Some(name) => method.output().get_field_by_name(&name).map(|field| self.field(&field)),
            None => Some(self.reference(&method.output())),
        };
        let answer = answer.unwrap_or_default();
        let mut put = |key: &str, value: Value| {
            if let Some(operation) = operation.as_object_mut() {
                operation.insert(key.to_owned(), value);
            }
        };
        put(
            "responses",
            json!({"200": {"content": {"application/json": {"schema": answer}}}, "default": {}}),
        );
        let body = match text("body").as_deref() {
            None => None,
            Some("*") => Some(self.reference(&method.input())),
            Some(name) => method.input().get_field_by_name(name).map(|field| self.field(&field)),
        };
        if let Some(body) = body {
            put("requestBody", json!({"content": {"application/json": {"schema": body}}}));
        }
        self.route(&path, verb, operation, method);
    }

    fn reference(&mut self, message: &MessageDescriptor) -> Value {
        // In JSON these are written each in a way of its own.
        if message.package_name() == "google.protobuf" {
            return if message.name() == "Empty" {
                json!({"type": "object", "additionalProperties": false})
            } else {
                json!({})
            };
        }
        self.wanted.push(message.clone());
        let mut pointer = String::from("#/components/schemas");
        push_pointer(&mut pointer, message.full_name());
        json!({"$ref": pointer})
    }

    fn message(&mut self, message: &MessageDescriptor) -> Value {
        let mut pointer = String::from("/components/schemas");
        push_pointer(&mut pointer, message.full_name());
        self.symbol(pointer.clone(), &message.parent_file(), message.full_name(), message.path());
        pointer.push_str("/properties");
        let mut properties = Map::new();
        for field in message.fields() {
            let schema = self.field(&field);
            let mut named: Vec<&str> = vec![field.name(), field.json_name()];
            named.dedup();
            for name in named {
                let mut pointer = pointer.clone();
                push_pointer(&mut pointer, name);
                self.symbol(pointer, &field.parent_file(), field.full_name(), field.path());
                properties.insert(name.to_owned(), schema.clone());
            }
        }
        for extension in message.extensions() {
            properties.insert(format!("[{}]", extension.full_name()), json!({}));
        }
        json!({"type": ["object", "null"], "properties": properties, "additionalProperties": false})
    }

    fn field(&mut self, field: &FieldDescriptor) -> Value {
        let mut schema = match field.kind() {
            Kind::Message(entry) if field.is_map() => {
                let value = entry.map_entry_value_field();
                let value = self.of_kind(&value.kind());
                json!({"type": ["object", "null"], "additionalProperties": value})
            }
            kind => self.of_kind(&kind),
        };
        if field.is_list() {
            schema = json!({"type": ["array", "null"], "items": schema});
        }
        let deprecated =
            field.field_descriptor_proto().options.as_ref().is_some_and(FieldOptions::deprecated);
        if deprecated { json!({"allOf": [schema], "deprecated": true}) } else { schema }
    }

    fn of_kind(&mut self, kind: &Kind) -> Value {
        match kind {
            // JSON writes what may be no number, or is too long for one, as text.
            Kind::Double | Kind::Float => json!({"type": ["number", "integer", "string", "null"]}),
            Kind::Int64 | Kind::Uint64 | Kind::Sint64 | Kind::Fixed64 | Kind::Sfixed64 => {
                json!({"type": ["integer", "string", "null"]})
            }
            Kind::Int32 | Kind::Uint32 | Kind::Sint32 | Kind::Fixed32 | Kind::Sfixed32 => {
                json!({"type": ["integer", "null"]})
            }
            Kind::Bool => json!({"type": ["boolean", "null"]}),
            Kind::String | Kind::Bytes | Kind::Enum(_) => json!({"type": ["string", "null"]}),
            Kind::Message(message) => self.reference(message),
        }
    }
}

/// A path of `google.api.http` as OpenAPI has it: `{name=shelves/*}` is `shelves/{name}`. `None` for one that a template
/// cannot say: `**` stands for any number of segments.
fn template(path: &str) -> Option<String> {
    let mut out = String::with_capacity(path.len());
    let mut rest = path;
    while let Some((before, after)) = rest.split_once('{') {
        let (inside, tail) = after.split_once('}')?;
        out.push_str(before);
        let (name, pattern) = inside.split_once('=').unwrap_or((inside, "*"));
        let mut stars = 0;
        for (n, part) in pattern.split('/').enumerate() {
            if n > 0 {
                out.push('/');
            }
            match part {
                "**" => return None,
                "*" => {
                    stars += 1;
                    let number = if stars > 1 { stars.to_string() } else { String::new() };
                    for part in ["{", name, &number, "}"] {
                        out.push_str(part);
                    }
                }
                literal => out.push_str(literal),
            }
        }
        rest = tail;
    }
    out.push_str(rest);
    (out.starts_with('/') && !out.contains('*')).then_some(out)
}

/// The names in a template.
fn names(template: &str) -> impl Iterator<Item = &str> {
    template.split('{').skip(1).filter_map(|part| Some(part.split_once('}')?.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_rest_become_templates() {
        for (path, expected) in [
            ("/v1/accounts", Some("/v1/accounts")),
            ("/v1/{name}", Some("/v1/{name}")),
            ("/v1/{name=shelves/*/books/*}:move", Some("/v1/shelves/{name}/books/{name2}:move")),
            ("/v1/{account.id}/entries", Some("/v1/{account.id}/entries")),
            ("/v1/{name=**}", None),
            ("/v1/*/x", None),
            ("/v1/{open", None),
        ] {
            assert_eq!(template(path).as_deref(), expected, "{path}");
        }
    }
}
