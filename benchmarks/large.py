"""A table larger than memory: 100M rows built, gated and published through `session.run`, with DuckDB held to 3 GB and the process to 4.

usage: python -m benchmarks.large [--rows N]

The source is written as one table of the lake first (by somebody else, in a process of its own, so that its memory does not count); the
model derives ten columns from it; its gate weighs not_null, accepted_values and a range over all rows. Uniqueness over 100M rows is
asked too: it spills.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.increment_run import one_run

from headgate.engines.duckdb.lake import open_lake
from headgate.run.session import open_session
from headgate.spec.project import LakeSpec

ROWS = 100_000_000
CONFIG = """name: large
lake:
  catalog: "sqlite:.headgate/catalog.sqlite"
  data: .headgate/data
  options: { memory_limit: 3GB }
state: "sqlite:///.headgate/state.db"
"""
SOURCE = "sources:\n  - name: shop\n    schema: raw\n    tables:\n      - name: orders\n"
MODEL = """{{ config(materialized='table') }}
select order_id, user_id, status, amount, round(amount * 1.2, 2) as gross, updated_at, cast(updated_at as date) as day,
  order_id % 7 as weekday, user_id % 50 as shop_id, amount > 500 as is_large
from {{ source('shop', 'orders') }}
"""
PROPERTIES = """models:
  - name: orders
    columns:
      - name: order_id
        data_tests: [not_null, unique]
      - name: status
        data_tests:
          - accepted_values: { values: [pending, shipped, delivered] }
      - name: amount
        data_tests:
          - accepted_range: { min_value: 0, max_value: 1000 }
"""


def fill(folder: str, rows: int) -> None:
    """The source's rows, a tenth at a time."""
    spec = LakeSpec(f"sqlite:{folder}/.headgate/catalog.sqlite", f"{folder}/.headgate/data", options={"memory_limit": "3GB"})
    lake = open_lake(spec, folder)
    try:
        with lake.transaction(("*",), author="bench", message="somebody else") as cursor:
            cursor.execute("CREATE SCHEMA lake.raw")
            cursor.execute(
                "CREATE TABLE lake.raw.orders (order_id BIGINT, user_id BIGINT, status VARCHAR, amount DOUBLE, updated_at TIMESTAMP)"
            )
            for first in range(0, rows, max(1, rows // 10)):
                cursor.execute(
                    "INSERT INTO lake.raw.orders SELECT i, i % 1000000, ['pending','shipped','delivered'][1 + i % 3], "
                    "(i * 7919 % 100000) / 100.0::DOUBLE, TIMESTAMP '2026-01-01' + to_seconds(i % 31536000) "
                    f"FROM range({first}, {min(rows, first + max(1, rows // 10))}) t(i)"
                )
    finally:
        lake.close()


def run(rows: int = ROWS) -> dict[str, Any]:
    """Seconds of the parts, rows a second, and the peak memory of the process in MB."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name).resolve() / "project"
        (folder / "models").mkdir(parents=True)
        for file, text in (
            ("headgate.yml", CONFIG),
            ("models/sources.yml", SOURCE),
            ("models/orders.sql", MODEL),
            ("models/orders.yml", PROPERTIES),
        ):
            (folder / file).write_text(text, encoding="utf-8")
        code = "import sys; from benchmarks.large import fill; fill(sys.argv[1], int(sys.argv[2]))"
        subprocess.run([sys.executable, "-c", code, str(folder), str(rows)], check=True)
        began = time.perf_counter()
        with open_session(str(folder)) as session:
            result, took = one_run(session)
        seconds = time.perf_counter() - began
    step = result.steps[-1]
    assert result.status == "done" and step.rows == rows, result
    return {
        "rows": rows,
        "seconds": round(seconds, 1),
        **{f"{part}_seconds": round(took[part], 1) for part in ("stage", "gate", "publish", "cpu")},
        "rows_per_second": round(rows / seconds),
        "checks": len(step.verdicts),
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "peak_mb_max": 4096,
    }


if __name__ == "__main__":
    asked = argparse.ArgumentParser()
    asked.add_argument("--rows", type=int, default=ROWS)
    sys.stdout.write(json.dumps(run(asked.parse_args().rows), indent=1) + "\n")
