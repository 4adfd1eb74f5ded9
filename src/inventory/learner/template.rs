//! A learnt path: names, and parameters that are called after what stands before them.

use std::fmt;

use super::segment::{self, Shape};

/// One segment of a template.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TemplateSegment {
    /// A name of the API.
    Literal(String),
    /// A value, with what is constant around it.
    Parameter {
        /// Before the value, such as `lists.` in `lists.{format}`.
        before: String,
        /// The parameter's name, unique within the template.
        name: String,
        /// Behind the value, such as `.json` or `:cancel`.
        after: String,
        /// The shape of most of its values.
        shape: Shape,
    },
    /// Whatever follows; stands for paths that found no room.
    Rest,
}

impl TemplateSegment {
    fn parameter_name(&self) -> Option<String> {
        match self {
            Self::Parameter { name, .. } => Some(name.clone()),
            Self::Literal(_) | Self::Rest => None,
        }
    }
}

/// A learnt path. `Display` writes `/accounts/{accountId}/balances`.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Template {
    segments: Vec<TemplateSegment>,
}

/// A segment before parameters have names.
#[derive(Clone, Debug)]
pub(super) enum Part<'a> {
    Literal(&'a str),
    Parameter { before: &'a str, after: &'a str, shape: Shape },
    Rest,
}

impl Template {
    /// Names the parameters: after the plural before them, else after the shape of their values.
    pub(super) fn of(parts: &[Part<'_>]) -> Self {
        let mut segments: Vec<TemplateSegment> = Vec::with_capacity(parts.len());
        let mut taken: Vec<String> = Vec::new();
        let mut noun: Option<&str> = None;
        for part in parts {
            segments.push(match part {
                Part::Literal(text) => {
                    noun = Some(text);
                    TemplateSegment::Literal((*text).to_owned())
                }
                Part::Rest => TemplateSegment::Rest,
                Part::Parameter { before, after, shape } => {
                    let stem = noun.take().and_then(|noun| name_after(noun, *shape));
                    let stem = if before.ends_with('.') {
                        "format".to_owned()
                    } else {
                        stem.unwrap_or_else(|| shape.parameter_name().to_owned())
                    };
                    let mut name = stem.clone();
                    let mut number = 2;
                    while taken.contains(&name) {
                        name = format!("{stem}{number}");
                        number += 1;
                    }
                    taken.push(name.clone());
                    TemplateSegment::Parameter {
                        before: (*before).to_owned(),
                        name,
                        after: (*after).to_owned(),
                        shape: *shape,
                    }
                }
            });
        }
        Self { segments }
    }

    /// Calls a parameter something; what was called so before gets a number.
    pub(in crate::inventory) fn rename(&mut self, at: usize, new: &str) {
        let taken: Vec<String> = self.segments.iter().filter_map(TemplateSegment::parameter_name).collect();
        for (other, segment) in self.segments.iter_mut().enumerate() {
            let TemplateSegment::Parameter { name, .. } = segment else { continue };
            if other == at {
                new.clone_into(name);
            } else if name == new {
                // One more number than there are names: one is free.
                let free = |number: &usize| !taken.contains(&format!("{new}{number}"));
                *name = format!("{new}{}", (2..taken.len() + 3).find(free).unwrap_or_default());
            }
        }
    }

    /// The segments from the root on.
    #[must_use]
    pub fn segments(&self) -> &[TemplateSegment] {
        &self.segments
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.segments.is_empty() {
            return f.write_str("/");
        }
        for segment in &self.segments {
            match segment {
                TemplateSegment::Literal(text) => write!(f, "/{text}")?,
                TemplateSegment::Parameter { before, name, after, .. } => {
                    write!(f, "/{before}{{{name}}}{after}")?;
                }
                TemplateSegment::Rest => f.write_str("/{rest}")?,
            }
        }
        Ok(())
    }
}

/// `accounts` -> `accountId`, `standing-orders` -> `standingOrderId`; none below what is no plural.
fn name_after(noun: &str, shape: Shape) -> Option<String> {
    if matches!(shape, Shape::Date | Shape::Iban | Shape::Email) {
        return None;
    }
    let plain = noun.len() <= 40
        && noun.starts_with(|c: char| c.is_ascii_alphabetic())
        && noun.bytes().all(|byte| byte.is_ascii_alphabetic() || matches!(byte, b'-' | b'_'));
    if !plain || !segment::is_plural(noun) {
        return None;
    }
    let one = if let Some(stem) = noun.strip_suffix("ies") {
        format!("{stem}y")
    } else if ["sses", "xes", "ches", "shes"].iter().any(|end| noun.ends_with(end)) {
        noun.strip_suffix("es")?.to_owned()
    } else {
        noun.strip_suffix('s')?.to_owned()
    };
    let mut name = String::with_capacity(one.len() + 2);
    for word in one.split(['-', '_']).filter(|word| !word.is_empty()) {
        let mut letters = word.chars();
        let first = letters.next()?;
        if name.is_empty() {
            name.push(first.to_ascii_lowercase());
        } else {
            name.push(first.to_ascii_uppercase());
        }
        name.push_str(letters.as_str());
    }
    name.push_str("Id");
    Some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_called_after_what_they_follow() {
        let parameter = |shape| Part::Parameter { before: "", after: "", shape };
        for (parts, expected) in [
            (vec![], "/"),
            (vec![Part::Literal("accounts"), parameter(Shape::Uuid)], "/accounts/{accountId}"),
            (
                vec![Part::Literal("standing-orders"), parameter(Shape::Int)],
                "/standing-orders/{standingOrderId}",
            ),
            (
                vec![Part::Literal("parties"), parameter(Shape::Int), parameter(Shape::Int)],
                "/parties/{partyId}/{id}",
            ),
            (vec![parameter(Shape::Uuid), parameter(Shape::Uuid)], "/{uuid}/{uuid2}"),
            (vec![Part::Literal("accounts"), parameter(Shape::Iban)], "/accounts/{iban}"),
            (
                vec![
                    Part::Literal("Calls"),
                    Part::Parameter { before: "", after: ".json", shape: Shape::Token },
                ],
                "/Calls/{callId}.json",
            ),
            (vec![Part::Parameter { before: "lists.", after: "", shape: Shape::Known }], "/lists.{format}"),
            (vec![Part::Literal("a"), Part::Rest], "/a/{rest}"),
        ] {
            assert_eq!(Template::of(&parts).to_string(), expected);
        }
    }
}
