"""Reads a lake with DuckDB and pyarrow and prints what each of them sees, as one JSON object.

Usage: read_lake.py LAKE. Exits with 3 when a module is missing. With the module `datasketches` installed the
caller sketches are estimated by that library, too.
"""

import json
import sys
from pathlib import Path

try:
    import duckdb
    import pyarrow.dataset as dataset
    import pyarrow.parquet as parquet
except ImportError as error:
    print(f"{sys.executable}: {error}", file=sys.stderr)
    sys.exit(3)

try:
    import datasketches
except ImportError:
    datasketches = None

lake = Path(sys.argv[1])
tables = ["endpoints", "observations", "findings", "services", "capture"]


def files(table: str) -> str:
    return f"read_parquet('{lake}/{table}/v1/*/*/*.parquet', hive_partitioning = true)"


def query(sql: str) -> list:
    return [list(row) for row in duckdb.sql(sql).fetchall()]


def estimate(sketch: bytes) -> int | None:
    return round(datasketches.hll_sketch.deserialize(sketch).get_estimate()) if datasketches else None


seen_by_duckdb = {
    "rows": {table: query(f"select count(*) from {files(table)}")[0][0] for table in tables},
    "partitions": query(f"select distinct date::varchar, sensor from {files('observations')} order by all"),
    "classes": query(
        f"select url_template, c.class, c.valid from (select url_template, unnest(data_classes) as c"
        f" from {files('endpoints')}) order by all"
    ),
    "latency": query(
        f"select l.bucket, sum(l.count)::bigint from (select unnest(latency) as l from {files('observations')})"
        f" group by 1 order by 1"
    ),
    "first_seen": query(f"select epoch_us(min(first_seen)) from {files('endpoints')}")[0][0],
    "shadows": query(
        f"select kind, severity, server_address, document.line, standard_references[1]"
        f" from {files('findings')} order by all"
    ),
    "fates": query(f"select f.name, f.count from (select unnest(fates) as f from {files('capture')}) order by 1"),
    "services": query(
        f"select server_address, server_port, v.name, v.count, c.issuer from (select server_address, server_port,"
        f" unnest(tls_versions) as v, unnest(certificates) as c from {files('services')})"
    ),
    "origin": query(
        f"select distinct sensor_id, run_id, key_id, coverage, epoch_us(window_start), epoch_us(window_end)"
        f" from {files('endpoints')}"
    ),
    "sketches": [
        [callers, estimate(sketch)]
        for callers, sketch in query(
            f"select callers_estimate, callers_hll from {files('endpoints')} order by url_template"
        )
    ],
}

seen_by_pyarrow = {"rows": {}, "schemas": {}, "described": True}
for table in tables:
    data = dataset.dataset(lake / table / "v1", partitioning="hive", exclude_invalid_files=False).to_table()
    seen_by_pyarrow["rows"][table] = data.num_rows
    for file in sorted((lake / table / "v1").rglob("*.parquet")):
        schema = parquet.read_schema(file)
        metadata = parquet.read_metadata(file).metadata
        seen_by_pyarrow["schemas"][table] = metadata[b"spanlight.schema"].decode()
        seen_by_pyarrow["described"] &= all(b"description" in (field.metadata or {}) for field in schema)
endpoints = dataset.dataset(lake / "endpoints" / "v1", partitioning="hive").to_table().sort_by("url_template")
seen_by_pyarrow["classes"] = [
    [row["url_template"], c["class"], c["valid"]] for row in endpoints.to_pylist() for c in row["data_classes"]
]
seen_by_pyarrow["types"] = {
    name: str(endpoints.schema.field(name).type) for name in ["first_seen", "latency", "callers_hll", "sunset"]
}

print(json.dumps({"duckdb": seen_by_duckdb, "pyarrow": seen_by_pyarrow, "datasketches": bool(datasketches)}))
