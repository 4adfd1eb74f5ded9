//! Server-sent events (`text/event-stream`, HTML standard section 9.2) as their bytes pass.
//!
//! [`Reader`] takes a body in any cut, its lines ended by CR, LF or both, and tells a [`Receiver`] of each event when
//! its blank line comes. What an event holds is kept up to a limit. Behind a hole the reader waits for a blank line:
//! that ends an event whatever was lost.

/// Who is told of events.
pub trait Receiver {
    /// An event is over: its type, `message` where none was given, and its data, lines joined by LF, as much as is
    /// kept of its `length` in bytes.
    fn event(&mut self, name: &[u8], data: &[u8], length: u64);
    /// A line that is a comment, which keeps connections alive.
    fn comment(&mut self);
}

/// Whether a body of this content type is an event stream.
#[must_use]
pub fn is_event_stream(content_type: &[u8]) -> bool {
    let essence = content_type.split(|byte| *byte == b';').next().unwrap_or_default();
    essence.trim_ascii().eq_ignore_ascii_case(b"text/event-stream")
}

/// Reads one event stream.
#[derive(Debug, Default)]
pub struct Reader {
    place: Place,
    /// The name of a line's field, or the front of one that is too long to be known.
    name: Vec<u8>,
    /// The type of the event, and its data, as far as they are kept.
    event: Vec<u8>,
    data: Vec<u8>,
    has_data: bool,
    /// Bytes of the data, with those that are not kept.
    length: u64,
    /// The byte before was a CR: a LF behind it ends no line.
    after_cr: bool,
    /// Bytes of a byte order mark that were passed.
    mark: u8,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Place {
    /// At the start of the stream, where a byte order mark may stand.
    #[default]
    Start,
    /// At the start of a line.
    Line,
    /// In the name of a field.
    Name,
    /// Behind the colon: a space there is no part of the value.
    Colon(Field),
    /// In its value.
    Value(Field),
    /// Behind a hole: in a line of which the start is not known.
    Unknown,
    /// Behind a hole: at the start of a line.
    UnknownLine,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    Event,
    Data,
    /// `id`, `retry`, and what nobody knows.
    Other,
}

/// The longest name of a field that says something.
const MAX_NAME: usize = 5;
/// Bytes of an event's type that are kept.
const MAX_EVENT: usize = 128;
/// A buffer of data larger than this is not kept for the next event.
const MAX_SPARE: usize = 16 << 10;
const MARK: [u8; 3] = [0xef, 0xbb, 0xbf];

impl Reader {
    /// Takes the next bytes of the body; at most `cap` bytes of an event's data are kept.
    pub fn feed(&mut self, mut bytes: &[u8], cap: usize, receiver: &mut impl Receiver) {
        while let Some((byte, rest)) = bytes.split_first() {
            let lf_of_cr = std::mem::replace(&mut self.after_cr, false) && *byte == b'\n';
            if lf_of_cr {
                bytes = rest;
                continue;
            }
            if self.place == Place::Start {
                let expected = MARK.get(usize::from(self.mark));
                if expected == Some(byte) {
                    self.mark += 1;
                    bytes = rest;
                } else {
                    // Part of a mark is none, and no field's name either.
                    self.place =
                        if matches!(self.mark, 0 | 3) { Place::Line } else { Place::Value(Field::Other) };
                }
                continue;
            }
            let end = memchr::memchr2(b'\r', b'\n', bytes).unwrap_or(bytes.len());
            let (line, rest) = bytes.split_at(end);
            self.line(line, cap);
            bytes = rest;
            if let Some((end, rest)) = rest.split_first() {
                self.after_cr = *end == b'\r';
                self.end_line(cap, receiver);
                bytes = rest;
            }
        }
    }

    /// Bytes were never captured.
    pub fn lose(&mut self) {
        self.forget();
        self.place = Place::Unknown;
        self.after_cr = false;
    }

    /// Takes bytes of a line.
    fn line(&mut self, mut bytes: &[u8], cap: usize) {
        while let Some((byte, rest)) = bytes.split_first() {
            match self.place {
                Place::Start | Place::Line => {
                    self.name.clear();
                    self.place = Place::Name;
                }
                Place::Name if *byte == b':' => {
                    self.place = Place::Colon(self.field());
                    bytes = rest;
                }
                Place::Name => {
                    if self.name.len() <= MAX_NAME {
                        self.name.push(*byte);
                    }
                    bytes = rest;
                }
                Place::Colon(field) => {
                    self.begin_value(field, cap);
                    if *byte == b' ' {
                        bytes = rest;
                    }
                }
                Place::Value(field) => {
                    let (kept, most) = match field {
                        Field::Event => (&mut self.event, MAX_EVENT),
                        Field::Data => (&mut self.data, cap),
                        Field::Other => return,
                    };
                    let room = most.saturating_sub(kept.len());
                    kept.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
                    self.length += if field == Field::Data { bytes.len() as u64 } else { 0 };
                    return;
                }
                Place::UnknownLine => self.place = Place::Unknown,
                Place::Unknown => return,
            }
        }
    }

    fn field(&self) -> Field {
        match self.name.as_slice() {
            b"event" => Field::Event,
            b"data" => Field::Data,
            _ => Field::Other,
        }
    }

    fn begin_value(&mut self, field: Field, cap: usize) {
        match field {
            // The last one counts.
            Field::Event => self.event.clear(),
            Field::Data => {
                if self.has_data {
                    self.length += 1;
                    if self.data.len() < cap {
                        self.data.push(b'\n');
                    }
                }
                self.has_data = true;
            }
            Field::Other => {}
        }
        self.place = Place::Value(field);
    }

    fn end_line(&mut self, cap: usize, receiver: &mut impl Receiver) {
        match self.place {
            Place::Start | Place::Line => {
                if self.has_data {
                    let name = if self.event.is_empty() { b"message" } else { self.event.as_slice() };
                    receiver.event(name, &self.data, self.length);
                }
                self.forget();
            }
            // A field without colon has an empty value.
            Place::Name => self.begin_value(self.field(), cap),
            Place::Colon(Field::Other) | Place::Value(Field::Other) if self.name.is_empty() => {
                receiver.comment();
            }
            Place::Colon(field) => self.begin_value(field, cap),
            Place::Value(_) | Place::UnknownLine => {}
            Place::Unknown => {
                self.place = Place::UnknownLine;
                return;
            }
        }
        self.place = Place::Line;
    }

    fn forget(&mut self) {
        self.event.clear();
        self.has_data = false;
        self.length = 0;
        if self.data.capacity() > MAX_SPARE {
            self.data = Vec::new();
        } else {
            self.data.clear();
        }
    }
}

/// Reads any bytes as a stream and asserts that cutting does not matter and that the cap holds.
pub fn fuzz(data: &[u8]) {
    const CAP: usize = 40;
    let mut told = [Told::default(), Told::default()];
    for (told, size) in told.iter_mut().zip([data.len().max(1), 1]) {
        let mut reader = Reader::default();
        data.chunks(size).for_each(|piece| reader.feed(piece, CAP, told));
    }
    let [whole, cut] = told;
    assert_eq!(whole, cut, "cutting does not matter");
    assert!(whole.events.iter().all(|(_, data, _)| data.len() <= CAP), "the cap holds");
}

/// What a fuzzed reader told.
#[derive(Debug, Default, PartialEq, Eq)]
struct Told {
    events: Vec<(Vec<u8>, Vec<u8>, u64)>,
    comments: usize,
}

impl Receiver for Told {
    fn event(&mut self, name: &[u8], data: &[u8], length: u64) {
        self.events.push((name.to_vec(), data.to_vec(), length));
    }

    fn comment(&mut self) {
        self.comments += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(stream: &[u8]) -> Told {
        let mut told = Told::default();
        Reader::default().feed(stream, 100, &mut told);
        told
    }

    fn event(name: &str, data: &str) -> (Vec<u8>, Vec<u8>, u64) {
        (name.as_bytes().to_vec(), data.as_bytes().to_vec(), data.len() as u64)
    }

    #[test]
    fn streams_of_the_standard_are_read() {
        for (stream, events, comments) in [
            (
                "data: This is the first message.\n\ndata: This is the second message, it\ndata: has two lines.\n\n",
                vec![
                    event("message", "This is the first message."),
                    event("message", "This is the second message, it\nhas two lines."),
                ],
                0,
            ),
            (
                "event: add\ndata: 73857293\n\nevent: remove\ndata: 2153\n\n",
                vec![event("add", "73857293"), event("remove", "2153")],
                0,
            ),
            (
                ": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n\n",
                vec![
                    event("message", "first event"),
                    event("message", "second event"),
                    event("message", " third event"),
                ],
                1,
            ),
            ("data\n\ndata\ndata\n\ndata:", vec![event("message", ""), event("message", "\n")], 0),
            ("data:test\n\ndata: test\n\n", vec![event("message", "test"), event("message", "test")], 0),
            // All three ends of lines, and a mark in front.
            (
                "\u{feff}data: a\r\ndata: b\r\n\r\n:\r\rdata: c\r\rdata: d\n\n",
                vec![event("message", "a\nb"), event("message", "c"), event("message", "d")],
                1,
            ),
            // A type without data is no event; the next one starts anew. Fields that nobody knows are passed over.
            (
                "event: lost\n\nretry: 5000\nother: x\ndata: y\n\ndata: cut off\n",
                vec![event("message", "y")],
                0,
            ),
            ("event: one\nevent: two\ndata: x\n\n", vec![event("two", "x")], 0),
        ] {
            assert_eq!(read(stream.as_bytes()), Told { events, comments }, "{stream:?}");
        }
    }

    #[test]
    fn a_hole_costs_the_events_it_hit() {
        let mut told = Told::default();
        let mut reader = Reader::default();
        reader.feed(b"data: one\n\ndata: tw", 100, &mut told);
        reader.lose();
        reader.feed(b"\ndata: three\n\ndata: four\n\n", 100, &mut told);
        assert_eq!(told.events, [event("message", "one"), event("message", "four")]);
    }

    #[test]
    fn long_data_is_kept_in_front() {
        let stream = format!("data: {}\n\ndata: next\n\n", "x".repeat(500));
        assert_eq!(
            read(stream.as_bytes()).events,
            [(b"message".to_vec(), vec![b'x'; 100], 500), event("message", "next")]
        );
    }

    #[test]
    fn the_content_type_tells() {
        for (content_type, told) in [
            ("text/event-stream", true),
            ("Text/Event-Stream;charset=utf-8", true),
            ("text/event-streams", false),
            ("text/plain", false),
        ] {
            assert_eq!(is_event_stream(content_type.as_bytes()), told, "{content_type}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_taken(data in proptest::collection::vec(any::<u8>(), 0..300)) {
            fuzz(&data);
        }

        #[test]
        fn any_lines_are_taken(lines in "(\u{feff})?(data|event|id|:|\n|\r|\r\n|: |x|data: [a-z]{0,60}){0,40}") {
            fuzz(lines.as_bytes());
        }
    }
}
