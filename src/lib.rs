//! Spanlight finds the APIs in mirrored traffic and access logs: which endpoints exist, what data each one
//! carries, who calls it, and which of them no OpenAPI document knows. It is passive: it never sends a packet
//! to what it watches.
//!
//! ```text
//!  source ─▶ packet ─▶ flow ─▶ (tls) ─▶ http ─▶ transaction ─▶ caller / classify / schema ─▶ inventory ─▶ compare ─▶ lake, sink
//!                                          ▲                                         ▲           finding
//!                             access_log ──┘                                 spec ───┘
//! ```
//!
//! # Layers
//!
//! A module uses only modules of a smaller number; modules of the same number are strangers, but for those of
//! layer 0, the words that all others speak. Layers 0 to 10 are **sans-IO**: no file, socket, thread, async,
//! clock, arrow or clap. They are fed bytes and packet time and return values, which is why a capture replays
//! to the same answer every time. `tests/layers.rs` reads this table and holds the code against it.
//!
//! | n | modules | what they are for |
//! |---|---|---|
//! | 0 | [`time`], [`secret`], [`merge`], [`anomaly`], [`limits`], [`problem`], [`short`] | packet time; values that must not leave, and their keyed fingerprints; the law of merging; oddities of the wire; every bound on what a peer can make us keep; what is wrong with an input, and where; looking for bytes in short texts |
//! | 1 | [`packet`] | a captured frame becomes a TCP segment: link types, tunnels, fragments |
//! | 2 | [`flow`] | segments become the bytes of two streams, in order, with gaps of known length |
//! | 3 | [`http`], [`tls`] | stream bytes become heads, bodies and ends; the one decompressor, capped. TLS records become hellos, and with keys the bytes inside |
//! | 4 | [`transaction`] | a request with its response, or what was seen of them |
//! | 5 | [`access_log`], [`payload`] | log lines and HAR entries become transactions; bodies become keys and scalars, walked once without a document in memory, for `classify` and `schema` alike |
//! | 6 | [`caller`], [`classify`], [`schema`], [`operation`] | who calls and how they prove it; what the values are; which shapes bodies have; which operations a request asks for, where one URL stands for many |
//! | 7 | [`spec`] | OpenAPI documents, and descriptors of gRPC services, as routes and promises |
//! | 8 | [`inventory`] | endpoints with their path templates, and the facts of each |
//! | 9 | [`finding`] | conclusions, one for each subject, with evidence |
//! | 10 | [`compare`] | the inventory held against the documents |
//! | 11 | [`lake`] | rows, and tables of them as Parquet |
//! | 12 | [`source`], [`sink`], [`sandbox`], [`web`] | the edges: captures, interfaces and logs in, JSON lines and metrics out; what the process may still do |
//! | 13 | [`pipeline`], [`config`] | threads and queues, which know all of the above; what a sensor is told in its file |
//! | 14 | [`cli`] | the command line: one file for each subcommand |
//!
//! # What travels
//!
//! | from | to | as |
//! |---|---|---|
//! | `source` | `packet` | [`packet::Frame`]: captured bytes with their time |
//! | `packet` | `flow` | [`packet::Segment`]: one TCP packet, borrowed from its frame |
//! | `flow` | `http` | [`flow::Chunk`]: bytes in stream order, or a gap |
//! | `flow` | `tls` | the same, with the [`flow::Moment`] of the packet: what records hold keeps the moment that completed them |
//! | `tls` | `transaction` | [`tls::connection::Event`]: bytes inside, gaps in them, ends; [`tls::service::Services`]: what each service shows without keys |
//! | `http` | `transaction` | calls of [`http::h1::Receiver`], [`http::h2::Receiver`]: head, body, end; of [`http::websocket::Receiver`], [`http::event_stream::Receiver`]: messages |
//! | `transaction`, `access_log` | `inventory` | [`transaction::Transaction`], borrowed: one buffer a connection, reused; one that lasts in parts ([`transaction::Part`]) |
//! | shards | the end of the run, the keeper of a sensor | [`inventory::delta::Delta`], joined by [`merge::Merge`] in any order |
//! | `inventory` | `compare` | [`inventory::Endpoint`]: an identity and its merged facts |
//! | `compare` | `lake`, `sink` | [`finding::Finding`]: a stable id, a severity, evidence |
//!
//! # Privacy
//!
//! Values of bodies, tokens, queries, headers, cookies and paths are [`secret::Sensitive`] and do not leave
//! their shard: they end as a class, a count, a shape or a keyed [`secret::Fingerprint`]. What may be written is
//! the method, the host, the status, names of headers, parameters and properties, addresses, and a path segment
//! that a document names or that is a plain word or version. [`inventory::privacy`] decides. Each `.expose()` is a
//! place to review. Words that read like constants of a program are values too: [`classify::constants`] has them in
//! memory, and only when somebody asks for enumerations.
//!
//! # Threads
//!
//! A shard owns its connections, parsers, caches and counters: no lock, clock, allocation or log line per packet.
//! With one shard all happens on the calling thread. With more, a reader hands segments in batches through bounded
//! queues to the shard that their [`flow::FlowKey`] chooses; a replay waits when a queue is full. While no limit is
//! reached, the result does not depend on the number of shards or on how the input was split.
//!
//! A sensor (`pipeline::watch`) has a thread for each shard, which reads its own rings and hands on only what the kernel
//! could not place; one that keeps the inventory, saves and rolls; and one that carries files to the lake. Shards
//! wait for none of them.

pub mod access_log;
pub mod anomaly;
pub mod caller;
pub mod classify;
pub mod cli;
pub mod compare;
pub mod config;
pub mod finding;
pub mod flow;
pub mod http;
pub mod inventory;
pub mod lake;
pub mod limits;
pub mod merge;
pub mod operation;
pub mod packet;
pub mod payload;
pub mod pipeline;
pub mod problem;
#[cfg(all(feature = "live", target_os = "linux"))]
pub mod sandbox;
pub mod schema;
pub mod secret;
pub mod short;
pub mod sink;
pub mod source;
pub mod spec;
pub mod time;
pub mod tls;
pub mod transaction;
pub mod web;
