"""Rows a second from a real PostgreSQL into the lake, against the bare scan of the same table.

usage: python benchmarks/extract_postgres.py [ROWS]

The server is the tests' own. "scan" reads every value in the scanner and keeps none; "landed" is the connector's batch with load id, time
and place written to a lake table in one commit; "again" is the increment that finds nothing new.
"""

from __future__ import annotations

import json
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

import psycopg

from headgate.engines.duckdb.lake import open_lake
from headgate.extract.breaker import MemoryBreaker
from headgate.extract.drive import Drive
from headgate.extract.extensions import load_extension
from headgate.extract.secrets import Secrets
from headgate.land.landing import land
from headgate.spec.ids import uuid7
from headgate.spec.names import quote_literal
from headgate.spec.project import LakeSpec
from servers.postgres import PostgresServer
from sources.lakes import source_table

GOAL_ROWS_PER_SECOND = 1_100_000
MAKE = """
CREATE TABLE orders AS SELECT i::bigint AS id, (i % 1000)::bigint AS customer_id, 'status' || i % 5 AS status,
  (i * 0.01)::double precision AS amount, (i % 7)::bigint AS qty, 'user' || i || '@example.com' AS email,
  timestamp '2024-01-01' + i * interval '1 second' AS created_at, repeat('n', 20) AS note FROM generate_series(1, {rows}) i
"""


def _timed(work: Callable[[], Any]) -> tuple[float, float, Any]:
    began, cpu = time.perf_counter(), time.process_time()
    result = work()
    return time.perf_counter() - began, time.process_time() - cpu, result


def _scan(lake: Any, dsn: str) -> None:
    cursor = lake.cursor()
    load_extension(cursor, "postgres_scanner")
    cursor.execute(f"ATTACH {quote_literal(dsn)} AS bench_scan (TYPE postgres, READ_ONLY)")
    cursor.execute("SELECT count(*), bit_xor(hash(o)) FROM bench_scan.public.orders o").fetchall()
    cursor.execute("DETACH bench_scan")
    cursor.close()


def run(rows: int = 2_000_000) -> dict[str, Any]:
    """Measure all three over a table of `rows` rows; seconds, CPU seconds of this process, rows a second, and the ratio."""
    with PostgresServer() as server, tempfile.TemporaryDirectory() as folder:
        dsn = server.dsn(server.create_database())
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute(MAKE.format(rows=rows))  # type: ignore[arg-type]
            connection.execute("CREATE INDEX ON orders (created_at)")
            connection.execute("ANALYZE orders")
        lake = open_lake(LakeSpec(f"sqlite:{folder}/catalog.sqlite", f"{folder}/data"), folder)
        table = source_table("orders", "postgres", dsn, primary_key=("id",), cursor="created_at")

        def landed() -> int:
            workspace, load_id = lake.workspace(uuid7()), uuid7()
            drive = Drive(table, lake, load_id, Secrets(), MemoryBreaker())
            try:
                return land(table, lake, workspace, drive.attempts, run_id=workspace.run_id, load_id=load_id).counts.rows_out
            finally:
                workspace.discard()

        try:
            scan = min((_timed(lambda: _scan(lake, dsn)) for _ in range(2)), key=lambda t: t[0])
            first, again = _timed(landed), _timed(landed)
        finally:
            lake.close()
    assert first[2] == rows and again[2] == 0, (first[2], again[2])
    return {
        "rows": rows,
        "scan_seconds": round(scan[0], 2),
        "landed_seconds": round(first[0], 2),
        "landed_cpu_seconds": round(first[1], 2),
        "landed_rows_per_second": round(rows / first[0]),
        "again_seconds": round(again[0], 3),
        "landed_to_scan": round(first[0] / scan[0], 2),
        "goal_rows_per_second": GOAL_ROWS_PER_SECOND,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }


if __name__ == "__main__":
    print(json.dumps(run(*(int(argument) for argument in sys.argv[1:])), indent=2))
