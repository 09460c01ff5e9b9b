"""A fixed piece of work to which every figure is put in proportion: 40 million rows hashed by DuckDB on two threads.

It touches no disk and little memory. A machine that is slower or busier is so for this too, so ratios to it can be compared between
machines and days where seconds cannot.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import duckdb

ROWS = 40_000_000
THREADS = 2


def run() -> dict[str, Any]:
    """Wall and CPU seconds of the scan."""
    with duckdb.connect(config={"threads": THREADS}) as connection:
        connection.execute("SELECT bit_xor(hash(i)) FROM range(1000) t(i)").fetchall()
        wall, cpu = time.perf_counter(), time.process_time()
        connection.execute(f"SELECT bit_xor(hash(i, i * 3, i::VARCHAR)) FROM range({ROWS}) t(i)").fetchall()
        return {"wall_seconds": time.perf_counter() - wall, "cpu_seconds": time.process_time() - cpu}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(run()) + "\n")
