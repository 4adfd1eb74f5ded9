//! A bucket: what is in it, and the bytes of one object. Asked from a thread that waits, and looks whether the sensor ends.

use super::super::Courier;
use super::{Keys, S3Settings};
use crate::time::Timestamp;
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::list::{PaginatedListOptions, PaginatedListStore};
use object_store::{
    BackoffConfig, Certificate, ClientOptions, Error, GetOptions, ObjectMeta, ObjectStore, RetryConfig,
};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;
use zeroize::Zeroizing;

/// How long a connection may take to be made.
const REACH: Duration = Duration::from_secs(5);
/// How long an answer, or the next bytes of one, may take.
const ANSWER: Duration = Duration::from_secs(45);
/// How often whoever waits looks whether the sensor ends.
const LOOK: Duration = Duration::from_millis(200);
/// Keys asked for at a time.
const PAGE: usize = 1_000;

/// A bucket that can be asked.
pub struct Bucket {
    pub(super) s3: S3Settings,
    store: AmazonS3,
    runtime: Arc<Runtime>,
}

impl std::fmt::Debug for Bucket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Bucket({})", self.s3.bucket)
    }
}

/// Why a bucket cannot be asked at all.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BucketError {
    /// What is said of it makes no sense.
    #[error("{0}")]
    Settings(Box<object_store::Error>),
    /// A file of certificates, or of a key, cannot be read.
    #[error("{}: {why}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why not.
        why: String,
    },
    /// The system does not give what is needed.
    #[error("{0}")]
    Io(#[from] io::Error),
}

/// What is wrong with a bucket.
#[derive(Debug, thiserror::Error)]
pub(super) enum Trouble {
    /// It does not do what it is asked.
    #[error("{0}")]
    Store(Box<Error>),
    /// It does not answer.
    #[error("no answer in {} seconds", ANSWER.as_secs())]
    Silent,
    /// The sensor ends.
    #[error("the sensor ends")]
    Ending,
}

/// An object as it was listed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Listed {
    /// When it was put there. First, as objects are read in this order.
    pub(super) modified: Timestamp,
    /// Its key.
    pub(super) key: String,
    /// Tells one version of it from another.
    pub(super) version: [u8; 16],
    tag: Option<String>,
}

/// What came of asking for an object.
pub(super) enum Found {
    /// Its bytes.
    Body(Body),
    /// It is not there any more, or another one by now.
    Gone,
    /// It may not be read.
    Refused(String),
}

impl Bucket {
    /// Makes ready to ask. Certificates and keys are read now; nothing is sent yet, and no thread is started.
    pub fn open(s3: &S3Settings) -> Result<Self, BucketError> {
        let read = |path: &PathBuf| std::fs::read(path).map_err(|error| unreadable(path, &error));
        // An answer may take as long as lanes take to read it; patience is kept with each piece of it.
        let mut client = ClientOptions::new()
            .with_allow_http(s3.allow_http)
            .with_connect_timeout(REACH)
            .with_timeout_disabled();
        if let Some(path) = &s3.ca {
            let all = Certificate::from_pem_bundle(&read(path)?).map_err(|error| unreadable(path, &error))?;
            if all.is_empty() {
                return Err(unreadable(path, &"it holds no certificate"));
            }
            client = all.into_iter().fold(client, ClientOptions::with_root_certificate);
        }
        let retry = RetryConfig {
            backoff: BackoffConfig::default(),
            max_retries: 3,
            retry_timeout: Duration::from_secs(20),
        };
        let mut builder = match &s3.keys {
            Keys::Environment => AmazonS3Builder::from_env(),
            Keys::Anonymous => AmazonS3Builder::new().with_skip_signature(true),
            Keys::Pair { id, secret_file } => {
                let secret = Zeroizing::new(read(secret_file)?);
                let secret = std::str::from_utf8(&secret).map_err(|error| unreadable(secret_file, &error))?;
                AmazonS3Builder::new()
                    .with_access_key_id(id)
                    .with_secret_access_key(secret.trim_end_matches(['\r', '\n']))
            }
        };
        builder = builder.with_bucket_name(&s3.bucket).with_client_options(client).with_retry(retry);
        if let Some(region) = &s3.region {
            builder = builder.with_region(region);
        }
        if let Some(endpoint) = &s3.endpoint {
            builder = builder.with_endpoint(endpoint);
        }
        let store = builder.build().map_err(|error| BucketError::Settings(Box::new(error)))?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        Ok(Self { s3: s3.clone(), store, runtime: Arc::new(runtime) })
    }

    /// Hands `each` all objects below the prefix. Keys that cannot be asked for are counted.
    pub(super) fn list(&self, courier: &Courier, each: &mut dyn FnMut(Listed)) -> Result<u64, Trouble> {
        let mut unreadable = 0;
        let mut most = PAGE;
        let mut behind = None;
        loop {
            let options = PaginatedListOptions {
                offset: behind.clone(),
                max_keys: Some(most),
                ..PaginatedListOptions::default()
            };
            let prefix = Some(self.s3.prefix.as_str()).filter(|prefix| !prefix.is_empty());
            match wait(&self.runtime, courier, self.store.list_paginated(prefix, options))? {
                Ok(page) => {
                    let last = page.result.objects.iter().map(|object| object.location.as_ref()).max();
                    let is_last = page.page_token.is_none() || last.is_none();
                    behind = last.map(str::to_owned);
                    page.result.objects.into_iter().map(Listed::new).for_each(&mut *each);
                    if is_last {
                        return Ok(unreadable);
                    }
                    most = PAGE.min(most * 2);
                }
                // A key that is none for the crate hides its whole page: the others are asked for apart from it.
                Err(Error::InvalidPath { .. }) if most > 1 => most /= 2,
                Err(Error::InvalidPath { source }) => {
                    let Some(key) = key_of(&source) else {
                        return Err(Trouble::Store(Box::new(Error::InvalidPath { source })));
                    };
                    unreadable += 1;
                    behind = Some(key);
                    most = PAGE;
                }
                Err(error) => return Err(Trouble::Store(Box::new(error))),
            }
        }
    }

    /// Asks for an object as it was listed.
    pub(super) fn get(&self, courier: &Courier, object: &Listed) -> Result<Found, Trouble> {
        let options = GetOptions { if_match: object.tag.clone(), ..GetOptions::default() };
        let Ok(path) = object_store::path::Path::parse(&object.key) else { return Ok(Found::Gone) };
        match wait(&self.runtime, courier, self.store.get_opts(&path, options))? {
            Ok(result) => Ok(Found::Body(Body {
                runtime: Arc::clone(&self.runtime),
                courier: courier.clone(),
                stream: result.into_stream(),
                piece: Bytes::new(),
                is_broken: Arc::default(),
            })),
            Err(Error::NotFound { .. } | Error::Precondition { .. }) => Ok(Found::Gone),
            Err(error @ (Error::PermissionDenied { .. } | Error::Unauthenticated { .. })) => {
                Ok(Found::Refused(error.to_string()))
            }
            Err(error) => Err(Trouble::Store(Box::new(error))),
        }
    }
}

fn unreadable(path: &Path, why: &dyn std::fmt::Display) -> BucketError {
    BucketError::File { path: path.to_owned(), why: why.to_string() }
}

/// The key that is none.
fn key_of(error: &object_store::path::Error) -> Option<String> {
    match error {
        object_store::path::Error::EmptySegment { path }
        | object_store::path::Error::BadSegment { path, .. }
        | object_store::path::Error::NonUnicode { path, .. }
        | object_store::path::Error::PrefixMismatch { path, .. } => Some(path.clone()),
        _ => None,
    }
}

impl Listed {
    fn new(object: ObjectMeta) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&object.size.to_le_bytes());
        hasher.update(object.e_tag.as_deref().unwrap_or_default().as_bytes());
        let mut version = [0; 16];
        hasher.finalize_xof().fill(&mut version);
        Self {
            modified: Timestamp::from_millis(object.last_modified.timestamp_millis()),
            key: object.location.into(),
            version,
            tag: object.e_tag,
        }
    }
}

/// Waits for an answer, as long as the sensor runs and patience lasts.
#[expect(clippy::disallowed_methods, reason = "an edge: patience with a server is no packet's time")]
fn wait<T>(runtime: &Runtime, courier: &Courier, answer: impl Future<Output = T>) -> Result<T, Trouble> {
    let until = Instant::now() + ANSWER;
    runtime.block_on(async {
        let mut answer = pin!(answer);
        loop {
            match tokio::time::timeout(LOOK, answer.as_mut()).await {
                Ok(answer) => return Ok(answer),
                Err(_) if courier.is_ending() => return Err(Trouble::Ending),
                Err(_) if Instant::now() >= until => return Err(Trouble::Silent),
                Err(_) => {}
            }
        }
    })
}

/// The bytes of an object, as they come.
pub(super) struct Body {
    runtime: Arc<Runtime>,
    courier: Courier,
    stream: BoxStream<'static, object_store::Result<Bytes>>,
    piece: Bytes,
    is_broken: Arc<AtomicBool>,
}

impl Body {
    /// Tells whether it was the connection that failed, and not what came over it.
    pub(super) fn is_broken(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.is_broken)
    }
}

impl Read for Body {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.piece.is_empty() {
            let broken = |error: String| {
                self.is_broken.store(true, Relaxed);
                io::Error::other(error)
            };
            match wait(&self.runtime, &self.courier, self.stream.next()) {
                Ok(None) => return Ok(0),
                Ok(Some(Ok(piece))) => self.piece = piece,
                Ok(Some(Err(error))) => return Err(broken(error.to_string())),
                Err(trouble) => return Err(broken(trouble.to_string())),
            }
        }
        let count = self.piece.len().min(buffer.len());
        let taken = self.piece.split_to(count);
        buffer.get_mut(..count).unwrap_or_default().copy_from_slice(&taken);
        Ok(count)
    }
}
