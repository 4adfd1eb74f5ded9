//! What is said of logs that the sensor fetches itself: topics and buckets.

use super::settings::WayIn;
use super::{AccessLogConfig, KafkaConfig, S3Config};
#[cfg(any(feature = "kafka", feature = "s3"))]
use super::{Commit, From, Mechanism};
use crate::access_log::LogFormat;
use crate::spec::wrong::Wrong;
use std::path::Path;
#[cfg(feature = "s3")]
use std::time::Duration;

/// The longest time between two looks at a bucket, in seconds.
#[cfg(feature = "s3")]
const MAX_POLL: u64 = 86_400;

/// What a source is called that has no name of its own.
pub(super) fn name(log: &AccessLogConfig) -> Option<String> {
    let AccessLogConfig { kafka: KafkaConfig { topics, .. }, s3: S3Config { bucket, prefix, .. }, .. } = log;
    let topic = topics.first().map(|topic| format!("kafka:{topic}"));
    topic.or_else(|| bucket.as_ref().map(|bucket| format!("s3://{bucket}/{prefix}")))
}

#[cfg(not(feature = "kafka"))]
pub(super) fn kafka(
    _: &AccessLogConfig,
    _: Option<&LogFormat>,
    at: &str,
    _: &Path,
    wrong: &mut Wrong,
) -> WayIn {
    wrong.push(at, "this build reads no topics: build with the feature `kafka`");
    WayIn::Stdin
}

#[cfg(not(feature = "s3"))]
pub(super) fn s3(_: &AccessLogConfig, at: &str, _: &Path, wrong: &mut Wrong) -> WayIn {
    wrong.push(at, "this build reads no buckets: build with the feature `s3`");
    WayIn::Stdin
}

/// Topics.
#[cfg(feature = "kafka")]
pub(super) fn kafka(
    log: &AccessLogConfig,
    format: Option<&LogFormat>,
    at: &str,
    folder: &Path,
    wrong: &mut Wrong,
) -> WayIn {
    use crate::source::intake::Settled;
    use crate::source::intake::kafka::{self, Begin, Identity, KafkaSettings, Sasl, TlsSettings};
    let kafka = &log.kafka;
    let key = |key: &str| format!("{at}/{key}");
    let mut brokers = Vec::new();
    for (n, written) in kafka.brokers.iter().enumerate() {
        let broker = written.rsplit_once(':').and_then(|(host, port)| {
            let host = host.trim_start_matches('[').trim_end_matches(']');
            Some((host.to_owned(), port.parse().ok()?)).filter(|(host, _)| !host.is_empty())
        });
        wrong.unless(broker.is_some(), &key(&format!("brokers/{n}")), "must be HOST:PORT");
        brokers.extend(broker);
    }
    wrong.unless(!kafka.brokers.is_empty(), &key("brokers"), "must name a broker, as HOST:PORT");
    wrong.unless(!kafka.topics.is_empty(), &key("topics"), "must name a topic");
    for (n, topic) in kafka.topics.iter().enumerate() {
        let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        let fits = (1..=249).contains(&topic.len()) && topic.chars().all(plain);
        let rule = "must be the name of a topic: 1 to 249 letters, digits, `.`, `_` and `-`";
        wrong.unless(fits, &key(&format!("topics/{n}")), rule);
    }
    for (name, written) in [("group", &kafka.group), ("instance", &kafka.instance)] {
        let fits = written.as_ref().is_none_or(|text| (1..=249).contains(&text.len()));
        wrong.unless(fits, &key(name), "must be 1 to 249 bytes");
    }
    let is_document = matches!(format, Some(LogFormat::Har | LogFormat::Recording(_)));
    wrong.unless(
        !is_document,
        &at.replace("/kafka", "/format"),
        "must be one of lines or spans: records of topics are no documents",
    );
    let path = |written: &Option<std::path::PathBuf>| written.as_ref().map(|path| folder.join(path));
    let identity = match (path(&kafka.cert), path(&kafka.cert_key)) {
        (Some(cert), Some(key)) => Some(Identity { cert, key }),
        (None, None) => None,
        (Some(_), None) | (None, Some(_)) => {
            wrong.push(key("cert"), "needs `cert_key`, and `cert_key` needs it");
            None
        }
    };
    let says_tls = kafka.ca.is_some() || identity.is_some();
    wrong.unless(kafka.tls || !says_tls, &key("tls"), "must be true for `ca`, `cert` and `cert_key`");
    let mechanism = match kafka.mechanism {
        Mechanism::Plain => kafka::Mechanism::Plain,
        Mechanism::ScramSha256 => kafka::Mechanism::ScramSha256,
        Mechanism::ScramSha512 => kafka::Mechanism::ScramSha512,
    };
    let sasl = match (kafka.user.clone(), path(&kafka.password_file)) {
        (Some(user), Some(password_file)) => Some(Sasl { mechanism, user, password_file }),
        (None, None) => None,
        (Some(_), None) | (None, Some(_)) => {
            wrong.push(key("user"), "needs `password_file`, and `password_file` needs it");
            None
        }
    };
    let shows = sasl.is_some() && kafka.mechanism == Mechanism::Plain;
    wrong.unless(
        kafka.tls || !shows,
        &key("mechanism"),
        "must not be `plain` without `tls`: the password would be seen",
    );
    WayIn::Kafka(KafkaSettings {
        brokers,
        ports: kafka.ports.clone(),
        topics: kafka.topics.clone(),
        group: kafka.group.clone().unwrap_or_else(|| "spanlight".to_owned()),
        instance: kafka.instance.clone(),
        from: match log.from {
            From::Start => Begin::Start,
            From::End => Begin::End,
        },
        commit: match kafka.commit {
            Commit::Lake => Settled::InLake,
            Commit::State => Settled::Saved,
        },
        tls: kafka.tls.then(|| TlsSettings { ca: path(&kafka.ca), identity }),
        sasl,
    })
}

/// A bucket.
#[cfg(feature = "s3")]
pub(super) fn s3(log: &AccessLogConfig, at: &str, folder: &Path, wrong: &mut Wrong) -> WayIn {
    use crate::source::intake::s3::{Keys, S3Settings, port_of};
    use crate::time::Timestamp;
    let s3 = &log.s3;
    let key = |key: &str| format!("{at}/{key}");
    let bucket = s3.bucket.clone().unwrap_or_default();
    wrong.unless(!bucket.is_empty() && !bucket.contains('/'), &key("bucket"), "must be the name of a bucket");
    let is_url = s3.endpoint.as_deref().is_none_or(|url| port_of(url).is_some());
    wrong.unless(is_url, &key("endpoint"), "must be a URL such as https://minio.example:9000");
    let poll = s3.poll_secs.unwrap_or(60);
    let rule = format!("must be 1 to {MAX_POLL} seconds");
    wrong.unless((1..=MAX_POLL).contains(&poll), &key("poll_secs"), &rule);
    let keys = match (&s3.access_key_id, &s3.secret_access_key_file, s3.anonymous) {
        (None, None, true) => Keys::Anonymous,
        (None, None, false) => Keys::Environment,
        (Some(id), Some(file), false) => Keys::Pair { id: id.clone(), secret_file: folder.join(file) },
        (Some(_), Some(_), true) | (Some(_), None, _) | (None, Some(_), _) => {
            let rule = "needs `secret_access_key_file`, which needs it, and `anonymous` excludes both";
            wrong.push(key("access_key_id"), rule);
            Keys::Environment
        }
    };
    WayIn::S3(S3Settings {
        bucket,
        prefix: s3.prefix.clone(),
        region: s3.region.clone(),
        allow_http: s3.endpoint.as_deref().is_some_and(|url| url.starts_with("http:")),
        endpoint: s3.endpoint.clone(),
        ca: s3.ca.as_ref().map(|path| folder.join(path)),
        keys,
        from: match log.from {
            From::Start => Some(Timestamp::EPOCH),
            From::End => None,
        },
        poll: Duration::from_secs(poll),
    })
}
