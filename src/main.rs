//! The `spanlight` command.

use spanlight::limits::Limits;
use spanlight::packet::Options;
use spanlight::pipeline::read::{InputStats, Shards};
use spanlight::pipeline::rows::RowsWanted;
use spanlight::pipeline::shard::{Shard, ShardSettings};
use std::io::Write;

fn main() -> anyhow::Result<()> {
    let files: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with('-')).collect();
    let settings = ShardSettings {
        limits: Limits::default(),
        overlap: spanlight::flow::OverlapPolicy::First,
        inspect_bodies: std::env::var("NOBODIES").is_err(),
        rows: if std::env::var("NOROWS").is_err() { RowsWanted::Unredacted } else { RowsWanted::None },
    };
    let options = Options { tunnel_depth: 8, verify_checksums: false };
    let n = std::env::var("SHARDS").ok().and_then(|v| v.parse().ok()).unwrap_or(1);
    let mut shards = Shards::start(n, options, &|| Shard::new(&settings, Default::default()))?;
    for (i, f) in files.iter().enumerate() {
        let opened = spanlight::source::open::open(f.as_ref(), None)?;
        let mut stats = InputStats::default();
        shards.read_capture(i as u32, opened.reader, &mut stats, &mut |_| ());
        eprintln!("{stats:?}");
    }
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    for (intake, counters) in shards.finish() {
        eprintln!("{counters:?}");
        for row in intake.rows.into_sorted() {
            writeln!(
                out,
                "{}",
                serde_json::json!({"method": &*row.method, "host": &*row.host, "path": String::from_utf8_lossy(row.path.expose()), "status": row.status, "request_body_len": row.request_body_len, "response_body_len": row.response_body_len, "response_content_type": row.response_content_type.as_deref(), "completeness": row.completeness.name(), "query": row.query.map(|q| String::from_utf8_lossy(q.expose()).into_owned())})
            )?;
        }
    }
    Ok(())
}
