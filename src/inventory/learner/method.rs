//! Request methods as small numbers, so that unknown ones cannot grow anything.

/// A request method; every method that is not in the list is [`Method::OTHER`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub(super) struct Method(u8);

/// The known methods: RFC 9110, PATCH, QUERY, `WebDAV`, and what caches add.
const NAMES: [&str; 25] = [
    "GET",
    "HEAD",
    "POST",
    "PUT",
    "PATCH",
    "DELETE",
    "OPTIONS",
    "TRACE",
    "CONNECT",
    "QUERY",
    "PROPFIND",
    "PROPPATCH",
    "MKCOL",
    "COPY",
    "MOVE",
    "LOCK",
    "UNLOCK",
    "REPORT",
    "SEARCH",
    "MERGE",
    "PURGE",
    "LINK",
    "UNLINK",
    "BATCH",
    "OTHER",
];

/// Places for what is remembered by method.
pub(super) const METHOD_SLOTS: usize = 8;

impl Method {
    pub(super) const GET: Self = Self(0);
    pub(super) const HEAD: Self = Self(1);
    pub(super) const POST: Self = Self(2);
    const PUT: Self = Self(3);
    const PATCH: Self = Self(4);
    const DELETE: Self = Self(5);
    pub(super) const OPTIONS: Self = Self(6);
    const TRACE: Self = Self(7);
    const CONNECT: Self = Self(8);
    const OTHER: Self = Self(24);

    /// The number of a method's name; case matters (RFC 9110, 9.1).
    pub(super) fn of(name: &str) -> Self {
        // Nearly all are one of these.
        match name {
            "GET" => return Self::GET,
            "POST" => return Self::POST,
            "PUT" => return Self::PUT,
            _ => {}
        }
        let at = NAMES.iter().position(|known| *known == name).and_then(|at| u8::try_from(at).ok());
        at.map_or(Self::OTHER, Self)
    }

    /// One of [`METHOD_SLOTS`] places: those that are used most have one of their own.
    pub(super) fn slot(self) -> usize {
        usize::from(self.0) % METHOD_SLOTS
    }

    pub(super) fn number(self) -> u64 {
        u64::from(self.0)
    }

    pub(super) fn name(self) -> &'static str {
        NAMES.get(usize::from(self.0)).copied().unwrap_or("OTHER")
    }

    /// Whether it changes or removes what the path names.
    pub(super) fn alters(self) -> bool {
        matches!(self, Self::PUT | Self::PATCH | Self::DELETE)
    }

    /// Whether it says nothing about the API behind the server.
    pub(super) fn diagnostic(self) -> bool {
        matches!(self, Self::TRACE | Self::CONNECT)
    }
}
