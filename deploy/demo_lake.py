"""Shows what DuckDB and pyarrow see of the lake that `make demo` writes.

Usage: demo_lake.py LAKE
"""

import sys
from pathlib import Path

import duckdb
import pyarrow.dataset as dataset

lake = Path(sys.argv[1])


def show(title: str, sql: str) -> None:
    rows = duckdb.sql(sql)
    head, body = rows.columns, [[str(value) for value in row] for row in rows.fetchall()]
    widths = [max(map(len, column)) for column in zip(head, *body)]
    print(f"\n  {title}\n")
    for row in [head, *body]:
        print("    " + "  ".join(value.ljust(width) for value, width in zip(row, widths)).rstrip())


print(f"\nLAKE  {lake}, read by DuckDB {duckdb.__version__}")
show(
    "Endpoints that no document knows, the riskiest first",
    f"""
    SELECT http_request_method AS method, server_address || url_template AS endpoint, request_count AS requests,
           risk_tier AS tier, list_distinct([c.class FOR c IN data_classes IF c.state = 'confirmed']).len() AS classes
    FROM read_parquet('{lake}/endpoints/v1/*/*/*.parquet', hive_partitioning = true)
    WHERE endpoint_class = 'api' AND spec_verdict IN ('shadow', 'undocumented_method')
    ORDER BY tier DESC, requests DESC, endpoint LIMIT 5
    """,
)
show(
    "Findings by kind",
    f"""
    SELECT kind, count(*) AS findings, list(DISTINCT severity ORDER BY severity) AS severities
    FROM read_parquet('{lake}/findings/v1/*/*/*.parquet', hive_partitioning = true)
    GROUP BY kind ORDER BY findings DESC, kind LIMIT 6
    """,
)

print("\n  The same files, read by pyarrow\n")
for table in sorted(folder.name for folder in lake.iterdir() if folder.is_dir()):
    data = dataset.dataset(lake / table / "v1", partitioning="hive").to_table()
    print(f"    {table:<12} {data.num_rows:>4} rows, {data.num_columns} columns")
