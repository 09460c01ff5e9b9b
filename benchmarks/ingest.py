"""Landing of one large NDJSON and one large CSV file, everything on: inference, rejects, hashes, row numbers, gate, ledger, one commit.

usage: python benchmarks/ingest.py [ROWS]

Ratios, in CPU seconds too, are to a bare scan of the same file (typed columns, no inference, nothing written), and to the one bare
statement that appends it to a lake table with a load id and a file column in one commit: both in the same process.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import duckdb

from headgate.engines.duckdb.extensions import load_extension
from headgate.engines.duckdb.lake import open_lake
from headgate.extract.breaker import MemoryBreaker
from headgate.extract.drive import Drive
from headgate.extract.secrets import Secrets
from headgate.land.landing import land
from headgate.spec.errors import Location
from headgate.spec.ids import uuid7
from headgate.spec.names import Relation
from headgate.spec.project import LakeSpec, SourceTable

COLUMNS = (
    "{id: 'BIGINT', customer_id: 'BIGINT', status: 'VARCHAR', amount: 'DOUBLE', qty: 'BIGINT', email: 'VARCHAR', "
    "created_at: 'TIMESTAMP', note: 'VARCHAR'}"
)


def generate(folder: Path, rows: int) -> None:
    """Eight columns of orders, as NDJSON and as CSV."""
    with duckdb.connect() as connection:
        connection.execute(
            "CREATE TABLE t AS SELECT i AS id, h % 100000 AS customer_id, ['new','paid','shipped'][1 + h % 3] AS status, "
            "round((h // 7) % 100000 / 100.0, 2)::DOUBLE AS amount, (h // 11) % 50 AS qty, "
            "'user' || (h % 500000) || '@example.com' AS email, TIMESTAMP '2026-01-01' + to_seconds(i) AS created_at, "
            "CASE WHEN h % 10 = 0 THEN NULL ELSE md5(i::VARCHAR) END AS note "
            f"FROM (SELECT i, (hash(i) >> 2)::BIGINT h FROM range({rows}) t(i))"
        )
        iso = "strftime(created_at, '%Y-%m-%dT%H:%M:%S') AS created_at"
        connection.execute(f"COPY (SELECT * REPLACE ({iso}) FROM t) TO '{folder}/orders.jsonl' (FORMAT json)")
        connection.execute(f"COPY t TO '{folder}/orders.csv' (HEADER)")


def _reader(path: Path) -> str:
    if path.suffix == ".csv":
        return f"read_csv('{path}', header = true, columns = {COLUMNS})"
    return f"read_json('{path}', format = 'newline_delimited', columns = {COLUMNS})"


def scan(path: Path) -> float:
    """Seconds of a bare scan."""
    with duckdb.connect(config={"threads": os.cpu_count() or 2}) as connection:
        started = time.perf_counter()
        connection.execute(f"SELECT count(*), bit_xor(hash(x)) FROM {_reader(path)} x").fetchall()
        return time.perf_counter() - started


def bare_insert(root: Path, name: str) -> tuple[float, float]:
    """Wall and CPU seconds of the bare statement that writes the file into a fresh lake table."""
    with tempfile.TemporaryDirectory(dir=root) as place, duckdb.connect(config={"threads": os.cpu_count() or 2}) as connection:
        for extension in ("ducklake", "sqlite_scanner"):
            load_extension(connection, extension)
        connection.execute(f"ATTACH 'ducklake:sqlite:{place}/catalog.sqlite' AS bare (DATA_PATH '{place}/data/')")
        select = f"SELECT *, '{name}' AS _file, 'load-1' AS _load_id FROM {_reader(root / name)}"
        connection.execute(f"CREATE TABLE bare.orders AS {select} LIMIT 0")
        started, cpu = time.perf_counter(), time.process_time()
        connection.execute(f"INSERT INTO bare.orders {select}")
        return time.perf_counter() - started, time.process_time() - cpu


def land_file(root: Path, name: str) -> dict[str, Any]:
    """Land one file into a fresh lake; wall and CPU seconds."""
    table = SourceTable(
        "source.bench.shop.orders", "shop", "orders", "bench", Relation("raw_shop", "orders"), Location("shop.yml"), "files",
        options={"path": name}, primary_key=("id",),
    )  # fmt: skip
    place = root / f"lake-{name}"
    lake = open_lake(LakeSpec(f"sqlite:{place}/catalog.sqlite", f"{place}/data"), str(place))
    run_id, load_id = uuid7(), uuid7()
    workspace = lake.workspace(run_id)
    drive = Drive(table, lake, load_id, Secrets(str(root)), MemoryBreaker(), project_root=str(root))
    started, cpu = time.perf_counter(), time.process_time()
    result = land(table, lake, workspace, drive.attempts, run_id=run_id, load_id=load_id)
    seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
    workspace.discard()
    with lake.cursor() as cursor:  # type: ignore[attr-defined]
        wrong = cursor.execute("SELECT count(*) FROM lake.raw_shop.orders WHERE _position.seq <> id + 1").fetchone()
    lake.close()
    if result.status != "accepted" or wrong[0]:
        raise SystemExit(f"the load is wrong: {result.status} {result.reason}, {wrong[0]} rows with a wrong number")
    return {"rows": result.counts.rows_out, "seconds": round(seconds, 2), "cpu_seconds": round(cpu, 2)}


def run(rows: int = 5_000_000) -> dict[str, Any]:
    """Rows per second of NDJSON and CSV, and their ratios to a bare scan and a bare statement in the same run."""
    report: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        generate(root, rows)
        for label, name in (("ndjson", "orders.jsonl"), ("csv", "orders.csv")):
            bare = min(scan(root / name) for _ in range(2))
            inserted, inserted_cpu = min(bare_insert(root, name) for _ in range(2))
            landed = land_file(root, name)
            report[label] = {
                **landed,
                "rows_per_second": round(rows / landed["seconds"]),
                "scan_seconds": round(bare, 2),
                "ratio_to_scan": round(landed["seconds"] / bare, 2),
                "bare_insert_seconds": round(inserted, 2),
                "bare_insert_cpu_seconds": round(inserted_cpu, 2),
                "ratio_to_bare": round(landed["seconds"] / inserted, 2),
                "cpu_ratio_to_bare": round(landed["cpu_seconds"] / inserted_cpu, 2),
            }
    report["peak_memory_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    return report


if __name__ == "__main__":
    print(json.dumps(run(int(sys.argv[1]) if len(sys.argv) > 1 else 5_000_000), indent=2))
