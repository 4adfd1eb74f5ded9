//! A value of JSON or YAML, held in little room.
//!
//! Documents are objects of few members, thousands of times the same names. A member takes 40 bytes here, and a name
//! that comes again none; a balanced tree for each object takes more than ten times as much.

use serde_json::{Number, Value};
use std::collections::HashSet;
use std::sync::Arc;

/// A value.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) enum Node {
    #[default]
    Null,
    Bool(bool),
    Number(Number),
    String(Box<str>),
    Array(Box<[Node]>),
    Object(Members),
}

/// The members of an object: in the order of their names, each of which is there once.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Members(Box<[(Arc<str>, Node)]>);

impl Members {
    /// Of members in any order. Of those of one name the last one counts, and the name is told to `twice`.
    pub(super) fn of(mut all: Vec<(Arc<str>, Node)>, twice: &mut dyn FnMut(&str)) -> Self {
        all.sort_by(|a, b| a.0.cmp(&b.0));
        all.dedup_by(|later, earlier| {
            let same = later.0 == earlier.0;
            if same {
                std::mem::swap(later, earlier);
                twice(&later.0);
            }
            same
        });
        Self(all.into_boxed_slice())
    }

    pub(super) fn get(&self, key: &str) -> Option<&Node> {
        let at = self.0.binary_search_by(|(name, _)| (**name).cmp(key)).ok()?;
        self.0.get(at).map(|(_, value)| value)
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.get(key).is_some()
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = (&str, &Node)> {
        self.0.iter().map(|(name, value)| (&**name, value))
    }

    pub(super) fn into_vec(self) -> Vec<(Arc<str>, Node)> {
        self.0.into_vec()
    }
}

impl Node {
    /// The member of this name.
    pub(super) fn get(&self, key: &str) -> Option<&Self> {
        self.as_object()?.get(key)
    }

    /// What a JSON pointer (RFC 6901) leads to.
    pub(super) fn pointer(&self, pointer: &str) -> Option<&Self> {
        if pointer.is_empty() {
            return Some(self);
        }
        pointer.strip_prefix('/')?.split('/').try_fold(self, |here, part| match here {
            Self::Object(members) if part.contains('~') => {
                members.get(&part.replace("~1", "/").replace("~0", "~"))
            }
            Self::Object(members) => members.get(part),
            Self::Array(items) if part == "0" || !part.starts_with(['0', '+']) => {
                items.get(part.parse::<usize>().ok()?)
            }
            Self::Null | Self::Bool(_) | Self::Number(_) | Self::String(_) | Self::Array(_) => None,
        })
    }

    pub(super) fn as_str(&self) -> Option<&str> {
        if let Self::String(text) = self { Some(text) } else { None }
    }

    /// A scalar as it is written; none for null.
    pub(super) fn word(&self) -> Option<String> {
        match self {
            Self::String(text) => Some((**text).to_owned()),
            Self::Number(number) => Some(number.to_string()),
            Self::Bool(flag) => Some(flag.to_string()),
            Self::Null | Self::Array(_) | Self::Object(_) => None,
        }
    }

    pub(super) fn as_bool(&self) -> Option<bool> {
        if let Self::Bool(flag) = self { Some(*flag) } else { None }
    }

    pub(super) fn as_u64(&self) -> Option<u64> {
        if let Self::Number(number) = self { number.as_u64() } else { None }
    }

    pub(super) fn as_array(&self) -> Option<&[Self]> {
        if let Self::Array(items) = self { Some(items) } else { None }
    }

    pub(super) fn as_object(&self) -> Option<&Members> {
        if let Self::Object(members) = self { Some(members) } else { None }
    }

    pub(super) const fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    pub(super) const fn is_string(&self) -> bool {
        matches!(self, Self::String(_))
    }

    pub(super) const fn is_array(&self) -> bool {
        matches!(self, Self::Array(_))
    }

    pub(super) const fn is_object(&self) -> bool {
        matches!(self, Self::Object(_))
    }

    /// The same of serde's making; names that come again take their room from `names`.
    pub(super) fn of(value: Value, names: &mut Names) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(flag) => Self::Bool(flag),
            Value::Number(number) => Self::Number(number),
            Value::String(text) => Self::String(text.into_boxed_str()),
            Value::Array(items) => Self::Array(items.into_iter().map(|item| Self::of(item, names)).collect()),
            Value::Object(members) => {
                let all =
                    members.into_iter().map(|(name, value)| (names.take(&name), Self::of(value, names)));
                Self::Object(Members::of(all.collect(), &mut |_| {}))
            }
        }
    }
}

impl From<Value> for Node {
    fn from(value: Value) -> Self {
        Self::of(value, &mut Names::default())
    }
}

impl From<Node> for Value {
    fn from(node: Node) -> Self {
        match node {
            Node::Null => Self::Null,
            Node::Bool(flag) => Self::Bool(flag),
            Node::Number(number) => Self::Number(number),
            Node::String(text) => Self::String(text.into_string()),
            Node::Array(items) => Self::Array(items.into_iter().map(Self::from).collect()),
            Node::Object(members) => {
                let all = members.into_vec().into_iter();
                Self::Object(all.map(|(name, value)| ((*name).to_owned(), Self::from(value))).collect())
            }
        }
    }
}

/// The names of a document, each kept once.
#[derive(Debug, Default)]
pub(super) struct Names(HashSet<Arc<str>>);

impl Names {
    pub(super) fn take(&mut self, name: &str) -> Arc<str> {
        if let Some(known) = self.0.get(name) {
            return Arc::clone(known);
        }
        let name: Arc<str> = name.into();
        self.0.insert(Arc::clone(&name));
        name
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn values() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::Bool),
            any::<i64>().prop_map(|number| json!(number)),
            any::<f64>().prop_map(|number| json!(number)),
            "[a-c~/0-2]{0,3}".prop_map(Value::String),
        ];
        leaf.prop_recursive(4, 32, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
                prop::collection::btree_map("[a-c~/0-2]{0,2}", inner, 0..4)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn a_node_is_what_serde_holds(value in values(), pointer in "(/([a-c0-2]|~0|~1|~){0,2}){0,3}|[a-c/]{0,3}") {
            let node = Node::from(value.clone());
            prop_assert_eq!(node.pointer(&pointer).cloned().map(Value::from), value.pointer(&pointer).cloned());
            prop_assert_eq!(node.as_u64(), value.as_u64());
            prop_assert_eq!(Value::from(node), value);
        }
    }
}
