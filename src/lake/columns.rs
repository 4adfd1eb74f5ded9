//! Columns: a name, a description and a place in a row, from which schema, writing and reading follow.
//!
//! One definition serves both ways, so what is written is what is read. Counts are `INT64`, for many engines
//! know no unsigned numbers; instants are microseconds UTC, for many know no nanoseconds.

use super::rows::{BucketRow, CertificateRow, Count, DataClassRow, FormerRow, ParameterRow, VersionRow};
use crate::finding::DocumentPlace;
use crate::time::Timestamp;
use arrow::array::{
    Array, ArrayRef, BinaryArray, Float64Array, Int32Array, Int64Array, ListArray, StringArray, StructArray,
    TimestampMicrosecondArray,
};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::datatypes::{DataType, Field, Fields, TimeUnit};
use std::sync::Arc;

/// Reads and changes one place of a row.
pub(super) type Lens<R, T> = (fn(&R) -> &T, fn(&mut R) -> &mut T);

/// A column of the table whose rows are `R`.
pub struct Column<R> {
    /// The column's name.
    pub name: &'static str,
    /// What it means.
    pub doc: &'static str,
    pub(super) place: Place<R>,
}

/// Where in a row a column's value stands, and thereby its type.
pub(super) enum Place<R> {
    Text(Lens<R, String>),
    MaybeText(Lens<R, Option<String>>),
    Count(Lens<R, u64>),
    Grade(Lens<R, u8>),
    Real(Lens<R, f64>),
    Instant(Lens<R, Timestamp>),
    MaybeInstant(Lens<R, Option<Timestamp>>),
    Bytes(Lens<R, Vec<u8>>),
    Texts(Lens<R, Vec<String>>),
    Counts(Lens<R, Vec<Count>>),
    Statuses(Lens<R, Vec<(u16, u64)>>),
    Buckets(Lens<R, Vec<BucketRow>>),
    DataClasses(Lens<R, Vec<DataClassRow>>),
    Certificates(Lens<R, Vec<CertificateRow>>),
    Parameters(Lens<R, Vec<ParameterRow>>),
    Formers(Lens<R, Vec<FormerRow>>),
    Versions(Lens<R, Vec<VersionRow>>),
    Document(Lens<R, Option<DocumentPlace>>),
}

/// A column of another type than the schema says.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("column `{0}` is not of the type that its schema says")]
pub(super) struct WrongType(pub String);

/// Instants in the lake.
pub(super) fn instant_type() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

fn fields(list: &[(&str, DataType)]) -> Fields {
    list.iter().map(|(name, kind)| Field::new(*name, kind.clone(), false)).collect()
}

fn list_of(element: DataType) -> DataType {
    DataType::List(Arc::new(Field::new("element", element, false)))
}

fn counted(name: &str, kind: DataType) -> Fields {
    fields(&[(name, kind), ("count", DataType::Int64)])
}

fn data_class_fields() -> Fields {
    let always = fields(&[
        ("location", DataType::Utf8),
        ("field", DataType::Utf8),
        ("class", DataType::Utf8),
        ("tier", DataType::Int32),
        ("state", DataType::Utf8),
        ("confidence", DataType::Float64),
        ("present", DataType::Int64),
        ("valid", DataType::Int64),
        ("masked", DataType::Int64),
        ("distinct", DataType::Int64),
        ("reason", DataType::Utf8),
        ("former_state", DataType::Utf8),
    ]);
    let instants =
        ["first_seen", "last_seen", "changed"].map(|name| Arc::new(Field::new(name, instant_type(), true)));
    // Older files do not have it.
    let sampled = Arc::new(Field::new("sampled_one_in", DataType::Int64, true));
    always.iter().cloned().chain(instants).chain([sampled]).collect()
}

fn certificate_fields() -> Fields {
    fields(&[
        ("subject", DataType::Utf8),
        ("issuer", DataType::Utf8),
        ("not_after", instant_type()),
        ("shown", DataType::Int64),
        ("last_shown", instant_type()),
    ])
}

fn parameter_fields() -> Fields {
    fields(&[
        ("name", DataType::Utf8),
        ("segment", DataType::Int64),
        ("type", DataType::Utf8),
        ("class", DataType::Utf8),
    ])
}

fn former_fields() -> Fields {
    fields(&[("url_template", DataType::Utf8), ("since", instant_type()), ("replaced", instant_type())])
}

fn version_fields() -> Fields {
    fields(&[
        ("place", DataType::Utf8),
        ("name", DataType::Utf8),
        ("version", DataType::Utf8),
        ("count", DataType::Int64),
        ("first_seen", instant_type()),
        ("last_seen", instant_type()),
    ])
}

fn document_fields() -> Fields {
    Fields::from(vec![
        Field::new("file", DataType::Utf8, false),
        Field::new("line", DataType::Int32, true),
        Field::new("pointer", DataType::Utf8, false),
    ])
}

impl<R> Column<R> {
    /// The column in a schema.
    #[must_use]
    pub fn field(&self) -> Field {
        let (kind, nullable) = match &self.place {
            Place::Text(_) => (DataType::Utf8, false),
            Place::MaybeText(_) => (DataType::Utf8, true),
            Place::Count(_) => (DataType::Int64, false),
            Place::Grade(_) => (DataType::Int32, false),
            Place::Real(_) => (DataType::Float64, false),
            Place::Instant(_) => (instant_type(), false),
            Place::MaybeInstant(_) => (instant_type(), true),
            Place::Bytes(_) => (DataType::Binary, false),
            Place::Texts(_) => (list_of(DataType::Utf8), false),
            Place::Counts(_) => (list_of(DataType::Struct(counted("name", DataType::Utf8))), false),
            Place::Statuses(_) => {
                let element = counted("http_response_status_code", DataType::Int32);
                (list_of(DataType::Struct(element)), false)
            }
            Place::Buckets(_) => (list_of(DataType::Struct(counted("bucket", DataType::Int32))), false),
            Place::DataClasses(_) => (list_of(DataType::Struct(data_class_fields())), false),
            Place::Certificates(_) => (list_of(DataType::Struct(certificate_fields())), false),
            Place::Parameters(_) => (list_of(DataType::Struct(parameter_fields())), false),
            Place::Formers(_) => (list_of(DataType::Struct(former_fields())), false),
            Place::Versions(_) => (list_of(DataType::Struct(version_fields())), false),
            Place::Document(_) => (DataType::Struct(document_fields()), true),
        };
        Field::new(self.name, kind, nullable)
            .with_metadata([("description".to_owned(), self.doc.to_owned())].into())
    }

    /// The column's values of all rows.
    pub(super) fn array(&self, rows: &[R]) -> ArrayRef {
        match &self.place {
            Place::Text((of, _)) => texts(rows.iter().map(|row| of(row).as_str())),
            Place::MaybeText((of, _)) => {
                Arc::new(rows.iter().map(|row| of(row).as_deref()).collect::<StringArray>())
            }
            Place::Count((of, _)) => counts(rows.iter().map(|row| *of(row))),
            Place::Grade((of, _)) => numbers(rows.iter().map(|row| i32::from(*of(row)))),
            Place::Real((of, _)) => reals(rows.iter().map(|row| *of(row))),
            Place::Instant((of, _)) => instants(rows.iter().map(|row| Some(*of(row)))),
            Place::MaybeInstant((of, _)) => instants(rows.iter().map(|row| *of(row))),
            Place::Bytes((of, _)) => Arc::new(BinaryArray::from_iter_values(rows.iter().map(of))),
            Place::Texts((of, _)) => {
                let flat = rows.iter().flat_map(of).map(String::as_str);
                list(rows.iter().map(|row| of(row).len()), texts(flat))
            }
            Place::Counts((of, _)) => {
                let flat = || rows.iter().flat_map(of);
                let columns =
                    vec![texts(flat().map(|item| item.name.as_str())), counts(flat().map(|item| item.count))];
                structs(rows.iter().map(|row| of(row).len()), counted("name", DataType::Utf8), columns)
            }
            Place::Statuses((of, _)) => {
                let flat = || rows.iter().flat_map(of);
                let columns =
                    vec![numbers(flat().map(|item| i32::from(item.0))), counts(flat().map(|item| item.1))];
                let element = counted("http_response_status_code", DataType::Int32);
                structs(rows.iter().map(|row| of(row).len()), element, columns)
            }
            Place::Buckets((of, _)) => {
                let flat = || rows.iter().flat_map(of);
                let columns = vec![
                    numbers(flat().map(|item| i32::from(item.bucket))),
                    counts(flat().map(|item| item.count)),
                ];
                structs(rows.iter().map(|row| of(row).len()), counted("bucket", DataType::Int32), columns)
            }
            Place::DataClasses((of, _)) => {
                let columns = data_class_arrays(|| rows.iter().flat_map(of));
                structs(rows.iter().map(|row| of(row).len()), data_class_fields(), columns)
            }
            Place::Certificates((of, _)) => {
                let flat = || rows.iter().flat_map(of);
                let columns = vec![
                    texts(flat().map(|item| item.subject.as_str())),
                    texts(flat().map(|item| item.issuer.as_str())),
                    instants(flat().map(|item| Some(item.not_after))),
                    counts(flat().map(|item| item.shown)),
                    instants(flat().map(|item| Some(item.last_shown))),
                ];
                structs(rows.iter().map(|row| of(row).len()), certificate_fields(), columns)
            }
            Place::Parameters((of, _)) => {
                let flat = || rows.iter().flat_map(of);
                let columns = vec![
                    texts(flat().map(|item| item.name.as_str())),
                    counts(flat().map(|item| item.segment)),
                    texts(flat().map(|item| item.kind.as_str())),
                    texts(flat().map(|item| item.class.as_str())),
                ];
                structs(rows.iter().map(|row| of(row).len()), parameter_fields(), columns)
            }
            Place::Formers((of, _)) => {
                let flat = || rows.iter().flat_map(of);
                let columns = vec![
                    texts(flat().map(|item| item.path_template.as_str())),
                    instants(flat().map(|item| Some(item.since))),
                    instants(flat().map(|item| Some(item.replaced))),
                ];
                structs(rows.iter().map(|row| of(row).len()), former_fields(), columns)
            }
            Place::Versions((of, _)) => {
                let flat = || rows.iter().flat_map(of);
                let columns = vec![
                    texts(flat().map(|item| item.place.as_str())),
                    texts(flat().map(|item| item.name.as_str())),
                    texts(flat().map(|item| item.version.as_str())),
                    counts(flat().map(|item| item.count)),
                    instants(flat().map(|item| Some(item.first_seen))),
                    instants(flat().map(|item| Some(item.last_seen))),
                ];
                structs(rows.iter().map(|row| of(row).len()), version_fields(), columns)
            }
            Place::Document((of, _)) => documents(rows.iter().map(|row| of(row).as_ref())),
        }
    }

    /// Puts the column's values into rows that were made for them.
    pub(super) fn put(&self, array: &dyn Array, rows: &mut [R]) -> Result<(), WrongType> {
        let wrong = || WrongType(self.name.to_owned());
        match &self.place {
            Place::Text((_, of)) => {
                let array = downcast::<StringArray>(array).ok_or_else(wrong)?;
                each(rows, |at, row| text_at(array, at).clone_into(of(row)));
            }
            Place::MaybeText((_, of)) => {
                let array = downcast::<StringArray>(array).ok_or_else(wrong)?;
                each(rows, |at, row| *of(row) = array.is_valid(at).then(|| text_at(array, at).to_owned()));
            }
            Place::Count((_, of)) => {
                let array = downcast::<Int64Array>(array).ok_or_else(wrong)?;
                each(rows, |at, row| *of(row) = count_at(array, at));
            }
            Place::Grade((_, of)) => {
                let array = downcast::<Int32Array>(array).ok_or_else(wrong)?;
                each(rows, |at, row| *of(row) = number_at(array, at));
            }
            Place::Real((_, of)) => {
                let array = downcast::<Float64Array>(array).ok_or_else(wrong)?;
                each(rows, |at, row| *of(row) = if array.is_valid(at) { array.value(at) } else { 0.0 });
            }
            Place::Instant((_, of)) => {
                let array = downcast::<TimestampMicrosecondArray>(array).ok_or_else(wrong)?;
                each(rows, |at, row| *of(row) = instant_at(array, at).unwrap_or_default());
            }
            Place::MaybeInstant((_, of)) => {
                let array = downcast::<TimestampMicrosecondArray>(array).ok_or_else(wrong)?;
                each(rows, |at, row| *of(row) = instant_at(array, at));
            }
            Place::Bytes((_, of)) => {
                let array = downcast::<BinaryArray>(array).ok_or_else(wrong)?;
                each(rows, |at, row| {
                    *of(row) = if array.is_valid(at) { array.value(at).to_vec() } else { Vec::new() };
                });
            }
            Place::Texts((_, of)) => {
                let list = Items::of(array).ok_or_else(wrong)?;
                let array = downcast::<StringArray>(list.0.values().as_ref()).ok_or_else(wrong)?;
                each(rows, |at, row| *of(row) = list.at(at, |item| text_at(array, item).to_owned()));
            }
            Place::Counts((_, of)) => {
                let list = Items::of(array).ok_or_else(wrong)?;
                let (names, counts): (&StringArray, &Int64Array) = list.pair().ok_or_else(wrong)?;
                each(rows, |at, row| {
                    *of(row) = list.at(at, |item| Count {
                        name: text_at(names, item).to_owned(),
                        count: count_at(counts, item),
                    });
                });
            }
            Place::Statuses((_, of)) => {
                let list = Items::of(array).ok_or_else(wrong)?;
                let (names, counts): (&Int32Array, &Int64Array) = list.pair().ok_or_else(wrong)?;
                each(rows, |at, row| {
                    *of(row) = list.at(at, |item| (number_at(names, item), count_at(counts, item)));
                });
            }
            Place::Buckets((_, of)) => {
                let list = Items::of(array).ok_or_else(wrong)?;
                let (names, counts): (&Int32Array, &Int64Array) = list.pair().ok_or_else(wrong)?;
                each(rows, |at, row| {
                    *of(row) = list.at(at, |item| BucketRow {
                        bucket: number_at(names, item),
                        count: count_at(counts, item),
                    });
                });
            }
            Place::DataClasses((_, of)) => {
                let list = Items::of(array).ok_or_else(wrong)?;
                let item = DataClassColumns::of(&list).ok_or_else(wrong)?;
                each(rows, |at, row| *of(row) = list.at(at, |at| item.at(at)));
            }
            Place::Certificates((_, of)) => {
                let list = Items::of(array).ok_or_else(wrong)?;
                let item = CertificateColumns::of(&list).ok_or_else(wrong)?;
                each(rows, |at, row| *of(row) = list.at(at, |at| item.at(at)));
            }
            Place::Parameters((_, of)) => put_parameters(array, rows, *of).ok_or_else(wrong)?,
            Place::Formers((_, of)) => put_formers(array, rows, *of).ok_or_else(wrong)?,
            Place::Versions((_, of)) => {
                let list = Items::of(array).ok_or_else(wrong)?;
                let item = VersionColumns::of(&list).ok_or_else(wrong)?;
                each(rows, |at, row| *of(row) = list.at(at, |at| item.at(at)));
            }
            Place::Document((_, of)) => {
                let array = downcast::<StructArray>(array).ok_or_else(wrong)?;
                let file: &StringArray = member(array, "file").ok_or_else(wrong)?;
                let line: &Int32Array = member(array, "line").ok_or_else(wrong)?;
                let pointer: &StringArray = member(array, "pointer").ok_or_else(wrong)?;
                each(rows, |at, row| {
                    *of(row) = array.is_valid(at).then(|| DocumentPlace {
                        file: text_at(file, at).to_owned(),
                        line: line.is_valid(at).then(|| number_at(line, at)),
                        pointer: text_at(pointer, at).to_owned(),
                    });
                });
            }
        }
        Ok(())
    }
}

/// Puts parameters into rows; `None` when the array holds none.
fn put_parameters<R>(
    array: &dyn Array,
    rows: &mut [R],
    of: fn(&mut R) -> &mut Vec<ParameterRow>,
) -> Option<()> {
    let list = Items::of(array)?;
    let items = list.structs()?;
    let text = |name| member::<StringArray>(items, name);
    let (names, kinds, classes) = (text("name")?, text("type")?, text("class")?);
    let segments: &Int64Array = member(items, "segment")?;
    each(rows, |at, row| {
        *of(row) = list.at(at, |at| ParameterRow {
            name: text_at(names, at).to_owned(),
            segment: count_at(segments, at),
            kind: text_at(kinds, at).to_owned(),
            class: text_at(classes, at).to_owned(),
        });
    });
    Some(())
}

/// Puts earlier templates into rows; `None` when the array holds none.
fn put_formers<R>(array: &dyn Array, rows: &mut [R], of: fn(&mut R) -> &mut Vec<FormerRow>) -> Option<()> {
    let list = Items::of(array)?;
    let items = list.structs()?;
    let templates: &StringArray = member(items, "url_template")?;
    let instant = |name| member::<TimestampMicrosecondArray>(items, name);
    let (since, replaced) = (instant("since")?, instant("replaced")?);
    each(rows, |at, row| {
        *of(row) = list.at(at, |at| FormerRow {
            path_template: text_at(templates, at).to_owned(),
            since: instant_at(since, at).unwrap_or_default(),
            replaced: instant_at(replaced, at).unwrap_or_default(),
        });
    });
    Some(())
}

/// The members of data classes, in the order of their fields.
fn data_class_arrays<'a, I: Iterator<Item = &'a DataClassRow>>(rows: impl Fn() -> I) -> Vec<ArrayRef> {
    vec![
        texts(rows().map(|item| item.location.as_str())),
        texts(rows().map(|item| item.field.as_str())),
        texts(rows().map(|item| item.class.as_str())),
        numbers(rows().map(|item| i32::from(item.tier))),
        texts(rows().map(|item| item.state.as_str())),
        reals(rows().map(|item| item.confidence)),
        counts(rows().map(|item| item.present)),
        counts(rows().map(|item| item.valid)),
        counts(rows().map(|item| item.masked)),
        counts(rows().map(|item| item.distinct)),
        texts(rows().map(|item| item.reason.as_str())),
        texts(rows().map(|item| item.former_state.as_str())),
        instants(rows().map(|item| item.first_seen)),
        instants(rows().map(|item| item.last_seen)),
        instants(rows().map(|item| item.changed)),
        counts(rows().map(|item| item.sampled_one_in)),
    ]
}

pub(super) fn texts<'a>(values: impl Iterator<Item = &'a str>) -> ArrayRef {
    Arc::new(values.map(Some).collect::<StringArray>())
}

fn counts(values: impl Iterator<Item = u64>) -> ArrayRef {
    Arc::new(Int64Array::from_iter_values(values.map(|value| i64::try_from(value).unwrap_or(i64::MAX))))
}

fn numbers(values: impl Iterator<Item = i32>) -> ArrayRef {
    Arc::new(Int32Array::from_iter_values(values))
}

pub(super) fn reals(values: impl Iterator<Item = f64>) -> ArrayRef {
    Arc::new(Float64Array::from_iter_values(values))
}

pub(super) fn instants(values: impl Iterator<Item = Option<Timestamp>>) -> ArrayRef {
    let micros: TimestampMicrosecondArray = values.map(|value| value.map(Timestamp::as_micros)).collect();
    Arc::new(micros.with_timezone("UTC"))
}

fn list(lengths: impl Iterator<Item = usize>, values: ArrayRef) -> ArrayRef {
    let element = Arc::new(Field::new("element", values.data_type().clone(), false));
    Arc::new(ListArray::new(element, OffsetBuffer::from_lengths(lengths), values, None))
}

fn structs(lengths: impl Iterator<Item = usize>, fields: Fields, columns: Vec<ArrayRef>) -> ArrayRef {
    list(lengths, Arc::new(StructArray::new(fields, columns, None)))
}

fn documents<'a>(values: impl Iterator<Item = Option<&'a DocumentPlace>> + Clone) -> ArrayRef {
    let line = |place: &DocumentPlace| place.line.and_then(|line| i32::try_from(line).ok());
    let columns: Vec<ArrayRef> = vec![
        texts(values.clone().map(|place| place.map_or("", |place| &place.file))),
        Arc::new(values.clone().map(|place| place.and_then(line)).collect::<Int32Array>()),
        texts(values.clone().map(|place| place.map_or("", |place| &place.pointer))),
    ];
    let there: Vec<bool> = values.map(|place| place.is_some()).collect();
    Arc::new(StructArray::new(document_fields(), columns, Some(NullBuffer::from(there))))
}

pub(super) fn downcast<A: 'static>(array: &dyn Array) -> Option<&A> {
    array.as_any().downcast_ref()
}

fn member<'a, A: 'static>(array: &'a StructArray, name: &str) -> Option<&'a A> {
    downcast(array.column_by_name(name)?.as_ref())
}

fn each<R>(rows: &mut [R], mut put: impl FnMut(usize, &mut R)) {
    for (at, row) in rows.iter_mut().enumerate() {
        put(at, row);
    }
}

pub(super) fn text_at(array: &StringArray, at: usize) -> &str {
    if array.is_valid(at) { array.value(at) } else { "" }
}

fn count_at(array: &Int64Array, at: usize) -> u64 {
    if array.is_valid(at) { u64::try_from(array.value(at)).unwrap_or_default() } else { 0 }
}

fn number_at<T: TryFrom<i32> + Default>(array: &Int32Array, at: usize) -> T {
    if array.is_valid(at) { T::try_from(array.value(at)).unwrap_or_default() } else { T::default() }
}

pub(super) fn instant_at(array: &TimestampMicrosecondArray, at: usize) -> Option<Timestamp> {
    array.is_valid(at).then(|| Timestamp::from_micros(array.value(at)))
}

/// A column of lists.
struct Items<'a>(&'a ListArray);

impl<'a> Items<'a> {
    fn of(array: &'a dyn Array) -> Option<Self> {
        downcast(array).map(Self)
    }

    /// The items of one row.
    fn at<T>(&self, at: usize, make: impl FnMut(usize) -> T) -> Vec<T> {
        let bound = |at: usize| self.0.value_offsets().get(at).and_then(|&at| usize::try_from(at).ok());
        if self.0.is_null(at) {
            return Vec::new();
        }
        (bound(at).unwrap_or_default()..bound(at + 1).unwrap_or_default()).map(make).collect()
    }

    /// The items of all rows, one behind the other.
    fn structs(&self) -> Option<&'a StructArray> {
        downcast(self.0.values().as_ref())
    }

    /// Both members of a list of pairs, whatever they are called.
    fn pair<A: 'static, B: 'static>(&self) -> Option<(&'a A, &'a B)> {
        let columns = downcast::<StructArray>(self.0.values().as_ref())?.columns();
        let [first, second] = columns else { return None };
        Some((downcast(first.as_ref())?, downcast(second.as_ref())?))
    }
}

/// The members of a list of certificates.
struct CertificateColumns<'a> {
    subject: &'a StringArray,
    issuer: &'a StringArray,
    not_after: &'a TimestampMicrosecondArray,
    shown: &'a Int64Array,
    last_shown: &'a TimestampMicrosecondArray,
}

impl<'a> CertificateColumns<'a> {
    fn of(list: &Items<'a>) -> Option<Self> {
        let array: &'a StructArray = downcast(list.0.values().as_ref())?;
        Some(Self {
            subject: member(array, "subject")?,
            issuer: member(array, "issuer")?,
            not_after: member(array, "not_after")?,
            shown: member(array, "shown")?,
            last_shown: member(array, "last_shown")?,
        })
    }

    fn at(&self, at: usize) -> CertificateRow {
        CertificateRow {
            subject: text_at(self.subject, at).to_owned(),
            issuer: text_at(self.issuer, at).to_owned(),
            not_after: instant_at(self.not_after, at).unwrap_or_default(),
            shown: count_at(self.shown, at),
            last_shown: instant_at(self.last_shown, at).unwrap_or_default(),
        }
    }
}

/// The members of a list of data classes.
struct DataClassColumns<'a> {
    texts: [&'a StringArray; 5],
    tier: &'a Int32Array,
    confidence: &'a Float64Array,
    counts: [&'a Int64Array; 4],
    /// What older files do not have.
    former_state: Option<&'a StringArray>,
    sampled: Option<&'a Int64Array>,
    instants: [Option<&'a TimestampMicrosecondArray>; 3],
}

impl<'a> DataClassColumns<'a> {
    fn of(list: &Items<'a>) -> Option<Self> {
        let array: &'a StructArray = downcast(list.0.values().as_ref())?;
        let text = |name| member(array, name);
        let count = |name| member(array, name);
        Some(Self {
            texts: [text("location")?, text("field")?, text("class")?, text("state")?, text("reason")?],
            tier: member(array, "tier")?,
            confidence: member(array, "confidence")?,
            counts: [count("present")?, count("valid")?, count("masked")?, count("distinct")?],
            former_state: member(array, "former_state"),
            sampled: member(array, "sampled_one_in"),
            instants: ["first_seen", "last_seen", "changed"].map(|name| member(array, name)),
        })
    }

    fn at(&self, at: usize) -> DataClassRow {
        let [first_seen, last_seen, changed] = self.instants.map(|array| instant_at(array?, at));
        let [location, field, class, state, reason] = self.texts.map(|array| text_at(array, at).to_owned());
        let [present, valid, masked, distinct] = self.counts.map(|array| count_at(array, at));
        DataClassRow {
            location,
            field,
            class,
            tier: number_at(self.tier, at),
            state,
            confidence: if self.confidence.is_valid(at) { self.confidence.value(at) } else { 0.0 },
            present,
            valid,
            masked,
            distinct,
            reason,
            first_seen,
            last_seen,
            changed,
            former_state: self.former_state.map(|array| text_at(array, at).to_owned()).unwrap_or_default(),
            sampled_one_in: self.sampled.map_or(1, |array| count_at(array, at)).max(1),
        }
    }
}

/// The members of a list of versions.
struct VersionColumns<'a> {
    texts: [&'a StringArray; 3],
    count: &'a Int64Array,
    instants: [&'a TimestampMicrosecondArray; 2],
}

impl<'a> VersionColumns<'a> {
    fn of(list: &Items<'a>) -> Option<Self> {
        let array: &'a StructArray = downcast(list.0.values().as_ref())?;
        let text = |name| member(array, name);
        let instant = |name| member(array, name);
        Some(Self {
            texts: [text("place")?, text("name")?, text("version")?],
            count: member(array, "count")?,
            instants: [instant("first_seen")?, instant("last_seen")?],
        })
    }

    fn at(&self, at: usize) -> VersionRow {
        let [place, name, version] = self.texts.map(|array| text_at(array, at).to_owned());
        let [first_seen, last_seen] = self.instants.map(|array| instant_at(array, at).unwrap_or_default());
        VersionRow { place, name, version, count: count_at(self.count, at), first_seen, last_seen }
    }
}
