//! The fields of TLS structures: numbers, and vectors behind their lengths (RFC 8446 section 3).

/// What is left of a structure that is read from its front. Every answer is `None` when it ends early.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fields<'a>(pub(super) &'a [u8]);

impl<'a> Fields<'a> {
    pub(super) fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (front, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(front)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (front, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*front)
    }

    pub(super) fn u8(&mut self) -> Option<u8> {
        self.array().map(|[byte]| byte)
    }

    pub(super) fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_be_bytes)
    }

    fn u24(&mut self) -> Option<usize> {
        self.array().map(|[a, b, c]| usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c))
    }

    /// A vector behind one byte of length.
    pub(super) fn vector8(&mut self) -> Option<Self> {
        let length = self.u8()?;
        self.take(length.into()).map(Self)
    }

    /// A vector behind two bytes of length.
    pub(super) fn vector16(&mut self) -> Option<Self> {
        let length = self.u16()?;
        self.take(length.into()).map(Self)
    }

    /// A vector behind three bytes of length.
    pub(super) fn vector24(&mut self) -> Option<Self> {
        let length = self.u24()?;
        self.take(length).map(Self)
    }

    /// What is left, as numbers of two bytes.
    pub(super) fn numbers(self) -> impl Iterator<Item = u16> + use<'a> {
        self.0.as_chunks().0.iter().map(|pair| u16::from_be_bytes(*pair))
    }

    pub(super) const fn is_empty(self) -> bool {
        self.0.is_empty()
    }
}
