//! Exports of AWS API Gateway: OpenAPI documents, some of whose paths are mere routes.
//!
//! `{proxy+}` stands for everything below, `x-amazon-apigateway-any-method` for every method, and `$default` for
//! what no other route takes. None of them describes an operation; what stands beside them does, and is routed too.

use super::super::operation::is_method;
use super::super::reference::Place;
use super::super::server::{self, HostRule};
use super::path::{End, Part, PathRule};
use super::{FoundRoute, Gateways};
use crate::spec::told::Told;

const ANY_METHOD: &str = "x-amazon-apigateway-any-method";
const DEFAULT: &str = "/$default";

/// Whether a path of an OpenAPI document is a route and describes nothing.
pub(in crate::spec) fn is_route_alone(path: &str) -> bool {
    path == DEFAULT || path.ends_with("+}")
}

/// Takes in the routes of a document, if it is an export.
pub(in crate::spec) fn read(root: &Place<'_>, gateways: &mut Gateways, told: &mut Told) {
    let Some(paths) = root.raw("paths") else { return };
    let is_export =
        paths.members().any(|(path, item)| is_route_alone(path) || item.raw(ANY_METHOD).is_some());
    if !is_export {
        return;
    }
    let servers = server::of_document(root);
    let mut routes = Vec::new();
    for (path, item) in paths.members() {
        for (method, operation) in item.members() {
            if method != ANY_METHOD && !is_method(method) {
                continue;
            }
            let methods = if method == ANY_METHOD { Vec::new() } else { vec![method.to_ascii_uppercase()] };
            for server in &servers {
                routes.push(FoundRoute {
                    name: operation.text("operationId").unwrap_or_default().to_owned(),
                    methods: methods.clone(),
                    hosts: if server.host == HostRule::Any { Vec::new() } else { vec![server.host.clone()] },
                    path: rule(&server.base, path),
                    conditional: false,
                    behind: false,
                    pointer: operation.pointer.clone(),
                });
            }
        }
    }
    let file = root.sources.name(root.file);
    // The lines of documents are found when they are told.
    gateways.add(file, "AWS API Gateway", routes, &|_| None, told);
}

fn rule(base: &str, path: &str) -> PathRule {
    if path == DEFAULT {
        return PathRule::below(base);
    }
    let mut end = End::Here;
    let mut parts = Vec::new();
    for text in base.split('/').chain(path.split('/')).filter(|text| !text.is_empty()) {
        if text.starts_with('{') && text.ends_with("+}") {
            end = End::Inside;
            break;
        }
        parts.push(if text.contains('{') { Part::Any } else { Part::Literal(text.to_owned()) });
    }
    PathRule::Segments { parts, end }
}
