//! Bearer tokens (RFC 6750): who may send.

use super::files::{self, Watched};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError, RwLock};

/// The shortest token: fewer characters can be tried out.
const MIN_TOKEN: usize = 16;
/// The longest token.
const MAX_TOKEN: usize = 4_096;
/// Tokens of one file.
const MAX_TOKENS: usize = 1_024;

/// Why a file of tokens is of no use. What stands in it is secret: only lines are named.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// It cannot be read.
    #[error("read {}: {source}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// A line is no token.
    #[error(
        "{}: line {line} is no token: {MIN_TOKEN} to {MAX_TOKEN} letters, digits and signs without space",
        path.display()
    )]
    Token {
        /// Which file.
        path: PathBuf,
        /// Which line, from 1.
        line: usize,
    },
    /// There are none, or too many.
    #[error("{}: {count} tokens, where 1 to {MAX_TOKENS} are wanted", path.display())]
    Count {
        /// Which file.
        path: PathBuf,
        /// How many there are.
        count: usize,
    },
}

/// The print of a token, by which alone tokens are compared.
pub(super) type TokenPrint = blake3::Hash;

/// The tokens of a file: one a line, with comments behind `#`.
#[derive(Debug)]
pub(super) struct Tokens {
    path: PathBuf,
    prints: RwLock<Vec<TokenPrint>>,
    watched: Mutex<Watched>,
}

impl Tokens {
    pub(super) fn load(path: PathBuf) -> Result<Self, TokenError> {
        let watched = Mutex::new(Watched::new(vec![path.clone()]));
        let prints = RwLock::new(read(&path)?);
        Ok(Self { path, prints, watched })
    }

    /// The token that the value of an `Authorization` field holds, when it is one of these. How long that takes tells
    /// nothing: prints are compared, in constant time, all of them.
    pub(super) fn check(&self, authorization: &[u8]) -> Option<TokenPrint> {
        let (scheme, token) = authorization.split_at_checked(7)?;
        if !scheme.eq_ignore_ascii_case(b"bearer ") {
            return None;
        }
        let print = blake3::hash(token.trim_ascii());
        let prints = self.prints.read().unwrap_or_else(PoisonError::into_inner);
        let matching = prints.iter().filter(|one| **one == print).count();
        (matching > 0).then_some(print)
    }

    /// Reads the file again when it changed, or when `anyway`.
    pub(super) fn look(&self, anyway: bool) {
        let changed = self.watched.lock().unwrap_or_else(PoisonError::into_inner).changed();
        if !changed && !anyway {
            return;
        }
        match read(&self.path) {
            Ok(new) => {
                tracing::info!(file = %self.path.display(), tokens = new.len(), "tokens read again");
                *self.prints.write().unwrap_or_else(PoisonError::into_inner) = new;
            }
            Err(error) => tracing::warn!(%error, "the new tokens are of no use, the old ones stay"),
        }
    }
}

fn read(path: &Path) -> Result<Vec<TokenPrint>, TokenError> {
    let text = files::read(path).map_err(|source| TokenError::Read { path: path.to_owned(), source })?;
    let text = zeroize::Zeroizing::new(text);
    let mut prints = Vec::new();
    for (line, token) in text.split(|byte| *byte == b'\n').enumerate() {
        let token = token.trim_ascii();
        if token.is_empty() || token.starts_with(b"#") {
            continue;
        }
        let fits = (MIN_TOKEN..=MAX_TOKEN).contains(&token.len());
        if !fits || !token.iter().all(u8::is_ascii_graphic) {
            return Err(TokenError::Token { path: path.to_owned(), line: line + 1 });
        }
        prints.push(blake3::hash(token));
    }
    if !(1..=MAX_TOKENS).contains(&prints.len()) {
        return Err(TokenError::Count { path: path.to_owned(), count: prints.len() });
    }
    Ok(prints)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn tokens_are_known_by_the_whole_of_them() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokens");
        fs::write(&path, "# of the gateways\nfirst-token-0123456789\r\n\n  second-token-0123456789\n")
            .unwrap();
        let tokens = Tokens::load(path.clone()).unwrap();
        for (value, known) in [
            ("Bearer first-token-0123456789", true),
            ("bearer  second-token-0123456789", true),
            ("Bearer first-token-012345678", false),
            ("Bearer first-token-01234567890", false),
            ("Bearer # of the gateways", false),
            ("Bearer ", false),
            ("Basic first-token-0123456789", false),
            ("", false),
        ] {
            assert_eq!(tokens.check(value.as_bytes()).is_some(), known, "{value}");
        }
        fs::write(&path, "third-token-0123456789\n").unwrap();
        tokens.look(true);
        assert!(tokens.check(b"Bearer third-token-0123456789").is_some());
        assert!(tokens.check(b"Bearer first-token-0123456789").is_none());
        fs::write(&path, "short\n").unwrap();
        tokens.look(true);
        assert!(tokens.check(b"Bearer third-token-0123456789").is_some(), "the old ones stay");
    }

    #[test]
    fn a_file_of_no_use_is_refused_without_telling_what_it_holds() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokens");
        for (text, expected) in [
            ("long-enough-token-1\nhunter2\n", "line 2 is no token"),
            ("two words are no token\n", "line 1 is no token"),
            ("# none\n", "0 tokens"),
        ] {
            fs::write(&path, text).unwrap();
            let error = Tokens::load(path.clone()).unwrap_err().to_string();
            assert!(error.contains(expected) && !error.contains("hunter2"), "{error}");
        }
    }
}
