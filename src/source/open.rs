//! An input opened: compression undone, and what it is told by its first bytes.

use anyhow::{Context, Result};
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Bytes looked at to tell what an input is.
const FRONT: usize = 16 << 10;

/// Bytes that tell a compression.
const MAGIC: usize = 10;

/// An opened input: its first bytes, and a reader that starts with them.
pub struct Opened {
    /// The first bytes, decompressed; fewer than asked for only when the input is that short.
    pub front: Vec<u8>,
    /// The whole of it, decompressed, from the first byte on.
    pub reader: Box<dyn Read + Send>,
    /// Bytes taken from the file so far, compressed as they are: for progress.
    pub taken: Arc<AtomicU64>,
}

impl std::fmt::Debug for Opened {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Opened({} bytes looked at)", self.front.len())
    }
}

/// Opens a file, a FIFO, or standard input as `-`; errors leave its name to the caller. With `follow`, a file that is still being written is
/// read on until nothing was added for that long.
pub fn open(path: &Path, follow: Option<Duration>) -> Result<Opened> {
    let taken = Arc::new(AtomicU64::new(0));
    let raw: Box<dyn Read + Send> = if path.as_os_str() == "-" {
        Box::new(io::stdin())
    } else {
        let file = File::open(path)?;
        if file.metadata()?.is_dir() {
            anyhow::bail!("a folder; name the files in it");
        }
        match follow {
            Some(patience) => Box::new(Following { file, patience }),
            None => Box::new(file),
        }
    };
    let counted = Counted { inner: raw, taken: Arc::clone(&taken) };
    let mut reader = unpacked(counted).context("read its first bytes")?;
    // A compressed file that is damaged in its first bytes still shows what it is.
    let front = peek(&mut reader, FRONT).context("decompress it")?;
    Ok(Opened { reader: Box::new(Chained::new(front.clone(), reader)), front, taken })
}

/// How a compressed input begins.
const GZIP: &[u8] = &[0x1f, 0x8b];
const ZSTD: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];

/// Whether an input that begins so is compressed.
#[must_use]
pub fn is_packed(front: &[u8]) -> bool {
    [GZIP, ZSTD].iter().any(|magic| front.starts_with(magic)) || is_bzip2(front)
}

/// The size of its blocks, then the start of one or the end of none.
const fn is_bzip2(front: &[u8]) -> bool {
    matches!(
        front,
        [
            b'B',
            b'Z',
            b'h',
            b'1'..=b'9',
            0x31 | 0x17,
            0x41 | 0x72,
            0x59 | 0x45,
            0x26 | 0x38,
            0x53 | 0x50,
            0x59 | 0x90,
            ..
        ]
    )
}

/// Undoes the compression that the first bytes tell of, when there is one.
pub fn unpacked(mut raw: impl Read + Send + 'static) -> io::Result<Box<dyn Read + Send>> {
    let magic = peek(&mut raw, MAGIC)?;
    let whole = Chained::new(magic.clone(), raw);
    Ok(if magic.starts_with(GZIP) {
        #[expect(clippy::disallowed_types, reason = "an input file, read in bounded pieces")]
        let decoder = flate2::read::MultiGzDecoder::new(io::BufReader::with_capacity(1 << 16, whole));
        Box::new(decoder)
    } else if magic.starts_with(ZSTD) {
        Box::new(zstd::stream::read::Decoder::new(whole)?)
    } else if is_bzip2(&magic) {
        #[expect(clippy::disallowed_types, reason = "an input file, read in bounded pieces")]
        let decoder = bzip2::read::MultiBzDecoder::new(whole);
        Box::new(decoder)
    } else {
        Box::new(whole)
    })
}

/// Bytes that were looked at already, then the rest.
pub fn chained(front: Vec<u8>, rest: impl Read + Send) -> impl Read + Send {
    Chained::new(front, rest)
}

/// Reads up to `most` bytes; a stream that gives less at a time is asked again until its end.
pub fn peek(reader: &mut impl Read, most: usize) -> io::Result<Vec<u8>> {
    let mut front = vec![0; most];
    let mut have = 0;
    while let Some(room) = front.get_mut(have..).filter(|room| !room.is_empty()) {
        match reader.read(room) {
            Ok(0) => break,
            Ok(count) => have += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) if have > 0 => break,
            Err(error) => return Err(error),
        }
    }
    front.truncate(have);
    Ok(front)
}

/// Bytes that were looked at already, then the rest.
struct Chained<R> {
    front: io::Cursor<Vec<u8>>,
    rest: R,
}

impl<R: Read> Chained<R> {
    fn new(front: Vec<u8>, rest: R) -> Self {
        Self { front: io::Cursor::new(front), rest }
    }
}

impl<R: Read> Read for Chained<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match self.front.read(buf)? {
            0 => self.rest.read(buf),
            count => Ok(count),
        }
    }
}

struct Counted<R> {
    inner: R,
    taken: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buf)?;
        self.taken.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

/// A file that may still grow.
struct Following {
    file: File,
    patience: Duration,
}

/// Between two looks at a file that may have grown.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

impl Read for Following {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let mut waited = Duration::ZERO;
        loop {
            let count = self.file.read(buf)?;
            if count > 0 || buf.is_empty() || waited >= self.patience {
                return Ok(count);
            }
            std::thread::sleep(LOOK_AGAIN);
            waited += LOOK_AGAIN;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    /// All that can be read of a file that holds `bytes`, and what ended it.
    fn read(bytes: &[u8]) -> (Vec<u8>, Option<String>) {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(bytes).unwrap();
        let mut opened = match open(file.path(), None) {
            Ok(opened) => opened,
            Err(error) => return (Vec::new(), Some(format!("{error:#}"))),
        };
        let mut all = Vec::new();
        let ended = opened.reader.read_to_end(&mut all).err().map(|error| error.to_string());
        (all, ended)
    }

    fn gzip(plain: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(plain).unwrap();
        encoder.finish().unwrap()
    }

    fn bzip2(plain: &[u8]) -> Vec<u8> {
        let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
        encoder.write_all(plain).unwrap();
        encoder.finish().unwrap()
    }

    fn zstd(plain: &[u8]) -> Vec<u8> {
        let mut encoder = zstd::stream::Encoder::new(Vec::new(), 1).unwrap();
        encoder.include_checksum(true).unwrap();
        encoder.write_all(plain).unwrap();
        encoder.finish().unwrap()
    }

    /// A log of some 300 kB that does not repeat itself, for several blocks of each format.
    fn log() -> Vec<u8> {
        (0_u64..)
            .map(|n| format!("{} line {n}\n", n.wrapping_mul(0x9e37_79b9_7f4a_7c15)))
            .take(10_000)
            .collect::<String>()
            .into_bytes()
    }

    type Pack = fn(&[u8]) -> Vec<u8>;

    const FORMATS: [(&str, Pack); 3] = [("gzip", gzip), ("bzip2", bzip2), ("zstd", zstd)];

    #[test]
    fn compressed_files_of_one_or_more_streams_are_read_whole() {
        let plain = log();
        let (front, back) = plain.split_at(70_001);
        for (name, pack) in FORMATS {
            assert_eq!(read(&pack(&plain)), (plain.clone(), None), "{name}");
            let streams = [pack(front), pack(b""), pack(back)].concat();
            assert_eq!(read(&streams), (plain.clone(), None), "{name} in streams");
        }
        assert_eq!(
            read(b"BZh9 is no start of an archive"),
            (b"BZh9 is no start of an archive".to_vec(), None)
        );
    }

    #[test]
    fn what_stands_before_a_cut_or_damage_is_read_and_the_end_is_told() {
        let plain = log();
        for (name, pack) in FORMATS {
            let packed = pack(&plain);
            let cut = packed.len() * 9 / 10;
            let (read_of_cut, ended) = read(&packed[..cut]);
            assert!(ended.is_some(), "{name} cut");
            assert!(
                read_of_cut.len() > FRONT && plain.starts_with(&read_of_cut),
                "{name}: {}",
                read_of_cut.len()
            );
            let mut damaged = packed.clone();
            damaged[cut..cut + 8].fill(0x55);
            let (read_of_damaged, ended) = read(&damaged);
            assert!(ended.is_some() && read_of_damaged != plain, "{name} damaged");
            assert!(read(&packed[..12]).1.is_some(), "{name}: nothing but a head");
        }
    }
}
