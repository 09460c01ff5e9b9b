"""Staging and publishing many small tables against the bare statements, and many commits one after another.

usage: python benchmarks/publish.py [TABLES] [COMMITS]

The bare statements are `CREATE TABLE … AS` for the same tables in one lake transaction: no staging, no proof, no ledger. The increment of
1M rows into 10M has a benchmark of its own, `increment.py`.
"""

from __future__ import annotations

import json
import resource
import statistics
import sys
import tempfile
import time
from typing import Any

from headgate.engines.duckdb.lake import DuckLake, open_lake
from headgate.publish.publish import Bundle, publish
from headgate.spec.names import Relation
from headgate.spec.project import LakeSpec
from headgate.spec.staged import REPLACE, RowCounts, Staged

RATIO_MAX = 1.3
SMALL = "SELECT i AS id, i % 10 AS g, i * 1.5 AS v, 'x' || i AS s FROM range(1000) t(i)"


def _open(folder: str) -> DuckLake:
    return open_lake(LakeSpec(f"sqlite:{folder}/catalog.sqlite", f"{folder}/data"), folder)


def staged_and_published(tables: int) -> dict[str, float]:
    """Seconds to stage and to publish `tables` tables of 1,000 rows."""
    with tempfile.TemporaryDirectory() as folder:
        lake = _open(folder)
        try:
            workspace = lake.workspace("run-1")
            cursor = workspace.cursor()
            began, values = time.perf_counter(), []
            for number in range(tables):
                relation = Relation("marts", f"m{number}")
                columns, rows, rows_sql, files = workspace.stage_query(relation, SMALL, cursor=cursor)
                counts = RowCounts(rows_in=rows, rows_out=rows)
                values.append(
                    Staged(
                        str(relation), f"model.bench.m{number}", relation, REPLACE, columns, rows_sql, files=files, counts=counts
                    )
                )
            staged = time.perf_counter()
            publish(lake, Bundle(tuple(values), "run-1", 1, ("bench", 1)))
            published = time.perf_counter()
            workspace.discard()
        finally:
            lake.close()
    return {"stage": staged - began, "publish": published - staged}


def bare(tables: int) -> float:
    """Seconds of the bare statements."""
    with tempfile.TemporaryDirectory() as folder:
        lake = _open(folder)
        try:
            began = time.perf_counter()
            with lake.transaction(("*",), author="bench", message="bare") as cursor:
                cursor.execute("CREATE SCHEMA lake.marts")
                for number in range(tables):
                    cursor.execute(f"CREATE TABLE lake.marts.m{number} AS {SMALL}")
            return time.perf_counter() - began
        finally:
            lake.close()


def commits(count: int, rows: int = 100, tables: int = 20) -> dict[str, float]:
    """Median milliseconds of the first and of the last tenth of `count` commits, and their ratio."""
    with tempfile.TemporaryDirectory() as folder:
        lake = _open(folder)
        try:
            with lake.transaction(("*",), author="bench", message="tables") as cursor:
                cursor.execute("CREATE SCHEMA lake.marts")
                for number in range(tables):
                    cursor.execute(f"CREATE TABLE lake.marts.m{number} (i BIGINT)")
            took = []
            for number in range(count):
                began = time.perf_counter()
                with lake.transaction(("*",), author="bench", message="tick") as cursor:
                    cursor.execute(f"INSERT INTO lake.marts.m{number % tables} SELECT i FROM range({rows}) t(i)")
                took.append((time.perf_counter() - began) * 1000)
        finally:
            lake.close()
    tenth = max(1, count // 10)
    first, last = statistics.median(took[:tenth]), statistics.median(took[-tenth:])
    return {"first_ms": round(first, 1), "last_ms": round(last, 1), "ratio": round(last / first, 2)}


def run(tables: int = 300, commit_count: int = 500) -> dict[str, Any]:
    """Seconds and ratios of everything above."""
    cpu = time.process_time()
    statements, ours = bare(tables), staged_and_published(tables)
    seconds = ours["stage"] + ours["publish"]
    return {
        "tables": tables,
        "stage_seconds": round(ours["stage"], 2),
        "publish_seconds": round(ours["publish"], 2),
        "bare_seconds": round(statements, 2),
        "ratio": round(seconds / statements, 2),
        "ratio_max": RATIO_MAX,
        "commits": commit_count,
        **{f"commit_{name}": value for name, value in commits(commit_count).items()},
        "commit_ratio_max": RATIO_MAX,
        "cpu_seconds": round(time.process_time() - cpu, 2),
        "peak_megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }


if __name__ == "__main__":
    chosen = [int(word) for word in sys.argv[1:]]
    sys.stdout.write(json.dumps(run(*chosen), indent=1) + "\n")
