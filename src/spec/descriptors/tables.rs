//! Descriptors become the tables by which bodies are read.

use crate::payload::protobuf::{EnumType, FieldKind, FieldType, MessageType, MessageTypes, Scalar};
use prost_reflect::{DescriptorPool, Kind};
use std::collections::BTreeMap;

/// The tables of all messages, and the place of each by its full name.
pub(super) fn of(pool: &DescriptorPool) -> (MessageTypes, BTreeMap<String, u32>) {
    let numbered = |names: Vec<String>| -> BTreeMap<String, u32> { names.into_iter().zip(0..).collect() };
    let messages = numbered(pool.all_messages().map(|message| message.full_name().to_owned()).collect());
    let enums = numbered(pool.all_enums().map(|words| words.full_name().to_owned()).collect());
    let kind = |kind: &Kind, is_group: bool, is_map: bool| {
        Some(match kind {
            Kind::Double => FieldKind::Scalar(Scalar::Double),
            Kind::Float => FieldKind::Scalar(Scalar::Float),
            Kind::Int32 | Kind::Int64 => FieldKind::Scalar(Scalar::Signed),
            Kind::Uint32 | Kind::Uint64 => FieldKind::Scalar(Scalar::Unsigned),
            Kind::Sint32 | Kind::Sint64 => FieldKind::Scalar(Scalar::ZigZag),
            Kind::Fixed32 => FieldKind::Scalar(Scalar::Fixed32),
            Kind::Fixed64 => FieldKind::Scalar(Scalar::Fixed64),
            Kind::Sfixed32 => FieldKind::Scalar(Scalar::SignedFixed32),
            Kind::Sfixed64 => FieldKind::Scalar(Scalar::SignedFixed64),
            Kind::Bool => FieldKind::Scalar(Scalar::Bool),
            Kind::String => FieldKind::String,
            Kind::Bytes => FieldKind::Bytes,
            Kind::Enum(words) => FieldKind::Enum(*enums.get(words.full_name())?),
            Kind::Message(message) => {
                let place = *messages.get(message.full_name())?;
                match (is_map, is_group) {
                    (true, _) => FieldKind::Map(place),
                    (false, true) => FieldKind::Group(place),
                    (false, false) => FieldKind::Message(place),
                }
            }
        })
    };
    let mut types = MessageTypes::default();
    for message in pool.all_messages() {
        let own = message.fields().filter_map(|field| {
            Some(FieldType {
                number: field.number(),
                name: field.name().into(),
                kind: kind(&field.kind(), field.is_group(), field.is_map())?,
                repeated: field.is_list(),
            })
        });
        let extensions = message.extensions().filter_map(|field| {
            Some(FieldType {
                number: field.number(),
                name: format!("[{}]", field.full_name()).into(),
                kind: kind(&field.kind(), field.is_group(), field.is_map())?,
                repeated: field.is_list(),
            })
        });
        types.messages.push(MessageType::new(own.chain(extensions).collect()));
    }
    for words in pool.all_enums() {
        types
            .enums
            .push(EnumType::new(words.values().map(|word| (word.number(), word.name().into())).collect()));
    }
    (types, messages)
}
