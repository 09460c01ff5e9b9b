"""Does the lake slow down with its history? 5,000 commits of 100 rows over 20 tables, each with its row in the ledger.

usage: python -m benchmarks.commits [COMMITS]

Every commit goes through the lake's one write transaction and the ledger as a publication does: fence, newest versions, data, proof. The
ratio is the mean of the last 500 commits to the mean of commits 500 to 1,000 (of a short run: last tenth to second tenth). `cpu_ratio` is
the same of CPU seconds, which other work on the machine does not move.
"""

from __future__ import annotations

import json
import resource
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from headgate.engines.duckdb.lake import open_lake
from headgate.publish.publish import Bundle, publish
from headgate.spec.names import Column, Relation
from headgate.spec.project import LakeSpec
from headgate.spec.staged import APPEND, REPLACE, RowCounts, Staged

TABLES = 20
ROWS = 100
WINDOW = 500


def _staged(number: int, version: str | None) -> Staged:
    relation = Relation("marts", f"m{number % TABLES}")
    rows = f"(SELECT i AS id, 'x' || i AS s FROM range({number * ROWS}, {(number + 1) * ROWS}) t(i))"
    columns = (Column("id", "BIGINT"), Column("s", "VARCHAR"))
    counts = RowCounts(rows_in=ROWS, rows_out=ROWS)
    kind = APPEND if version else REPLACE
    return Staged(
        str(relation), f"model.bench.{relation.name}", relation, kind, columns, rows, counts=counts, base_version=version
    )


def run(count: int = 5000) -> dict[str, Any]:
    """Milliseconds of the windows compared, and their ratios."""
    wall, cpu = [], []
    versions: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as folder:
        lake = open_lake(LakeSpec(f"sqlite:{folder}/catalog.sqlite", f"{folder}/data"), folder)
        try:
            for number in range(count):
                staged = _staged(number, versions.get(f"marts.m{number % TABLES}"))
                began, began_cpu = time.perf_counter(), time.process_time()
                said = publish(lake, Bundle((staged,), f"run-{number}", 1, ("bench", 1)))
                wall.append((time.perf_counter() - began) * 1000)
                cpu.append((time.process_time() - began_cpu) * 1000)
                versions |= said.published
        finally:
            lake.close()
        catalog = sum(f.stat().st_size for f in Path(folder).glob("catalog.sqlite*"))
    window = min(WINDOW, max(1, count // 10))
    first, last = slice(window, 2 * window), slice(-window, None)
    return {
        "commits": count,
        "rows_each": ROWS,
        "tables": TABLES,
        "early_ms": round(statistics.fmean(wall[first]), 1),
        "late_ms": round(statistics.fmean(wall[last]), 1),
        "ratio": round(statistics.fmean(wall[last]) / statistics.fmean(wall[first]), 2),
        "early_cpu_ms": round(statistics.fmean(cpu[first]), 1),
        "late_cpu_ms": round(statistics.fmean(cpu[last]), 1),
        "cpu_ratio": round(statistics.fmean(cpu[last]) / statistics.fmean(cpu[first]), 2),
        "catalog_mb": round(catalog / 1e6, 1),
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(run(*(int(word) for word in sys.argv[1:])), indent=1) + "\n")
