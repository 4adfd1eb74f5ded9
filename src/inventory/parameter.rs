//! The parameters of a path template: what each is called, and what its values look like.

use super::learner::{Shape, Template, TemplateSegment};

/// A parameter of a path template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// Its name: the document's, the operator's, or one made from the noun before it or from the shape.
    pub name: String,
    /// The segment it stands in, from 0.
    pub segment: usize,
    /// The type of most of its values: `integer`, `uuid`, `date`, `iban`, `string` and the like.
    pub kind: &'static str,
}

/// The parameters of a template as it is shown, whose values have the shapes that were learnt.
pub(super) fn parameters(shown: &str, learnt: &Template) -> Vec<Parameter> {
    let segments = shown.split('/').filter(|segment| !segment.is_empty());
    let named = segments.enumerate().filter_map(|(segment, text)| {
        let (_, rest) = text.split_once('{')?;
        let (name, _) = rest.split_once('}')?;
        // What may not be shown is no parameter.
        (name != "…").then_some((segment, name))
    });
    named
        .map(|(segment, name)| {
            let kind = match learnt.segments().get(segment) {
                Some(TemplateSegment::Parameter { shape, .. }) => kind(*shape),
                Some(TemplateSegment::Literal(_) | TemplateSegment::Rest) | None => "string",
            };
            Parameter { name: name.to_owned(), segment, kind }
        })
        .collect()
}

/// The type of values of a shape.
const fn kind(shape: Shape) -> &'static str {
    match shape {
        Shape::Int | Shape::BigInt => "integer",
        Shape::Uuid => "uuid",
        Shape::Ulid => "ulid",
        Shape::Date => "date",
        Shape::Email => "email",
        Shape::Iban => "iban",
        Shape::Hex => "hex",
        Shape::Token => "token",
        Shape::Code => "code",
        Shape::Version => "version",
        Shape::Word
        | Shape::Words
        | Shape::Camel
        | Shape::Reserved
        | Shape::Known
        | Shape::Rpc
        | Shape::Dot
        | Shape::Upper
        | Shape::Punctuated
        | Shape::Mixed
        | Shape::Gibberish
        | Shape::Encoded
        | Shape::Long
        | Shape::Other => "string",
    }
}
