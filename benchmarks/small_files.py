"""Landing thousands of small files in one load, then a few more beside them, then nothing new.

usage: python benchmarks/small_files.py [FILES]

`growth` tells whether the time grows faster than the number of files.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from headgate.engines.duckdb.lake import DuckLake, open_lake
from headgate.extract.breaker import MemoryBreaker
from headgate.extract.drive import Drive
from headgate.extract.secrets import Secrets
from headgate.land.landing import land
from headgate.spec.errors import Location
from headgate.spec.ids import uuid7
from headgate.spec.names import Relation
from headgate.spec.project import LakeSpec, SourceTable

MORE = 10


def write(folder: Path, ending: str, numbers: range) -> None:
    """Two rows a file."""
    folder.mkdir(parents=True, exist_ok=True)
    for n in numbers:
        text = f"id,name\n{n},x\n{n},y\n" if ending == "csv" else f'{{"id":{n},"name":"x"}}\n{{"id":{n},"name":"y"}}\n'
        (folder / f"{n:06}.{ending}").write_text(text)


def land_once(root: Path, lake: DuckLake, rows: int) -> tuple[float, float]:
    """Wall and CPU seconds of one load, which must bring `rows`."""
    table = SourceTable(
        "source.bench.shop.orders", "shop", "orders", "bench", Relation("raw_shop", "orders"), Location("shop.yml"), "files",
        options={"path": "in/*"},
    )  # fmt: skip
    run_id, load_id = uuid7(), uuid7()
    workspace = lake.workspace(run_id)
    drive = Drive(table, lake, load_id, Secrets(str(root)), MemoryBreaker(), project_root=str(root))
    started, cpu = time.perf_counter(), time.process_time()
    result = land(table, lake, workspace, drive.attempts, run_id=run_id, load_id=load_id)
    seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
    workspace.discard()
    if result.counts.rows_out != rows:
        raise SystemExit(f"the load is wrong: {result.status} {result.reason}, {result.counts.rows_out} rows")
    return seconds, cpu


def measure(ending: str, files: int) -> dict[str, Any]:
    """All files at once, some more, and nothing."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        write(root / "in", ending, range(files))
        lake = open_lake(LakeSpec(f"sqlite:{root}/catalog.sqlite", f"{root}/data"), str(root))
        first, cpu = land_once(root, lake, 2 * files)
        write(root / "in", ending, range(files, files + MORE))
        more, _ = land_once(root, lake, 2 * MORE)
        nothing, _ = land_once(root, lake, 0)
        lake.close()
    return {
        "seconds": round(first, 2),
        "cpu_seconds": round(cpu, 2),
        "milliseconds_a_file": round(1000 * cpu / files, 3),
        "ten_more_seconds": round(more, 2),
        "nothing_seconds": round(nothing, 2),
    }


def run(files: int = 10_000) -> dict[str, Any]:
    """CSV and NDJSON; milliseconds are of CPU."""
    report: dict[str, Any] = {"files": files}
    for ending in ("csv", "ndjson"):
        quarter = measure(ending, files // 4)
        whole = measure(ending, files)
        report[ending] = {**whole, "growth": round(whole["milliseconds_a_file"] / quarter["milliseconds_a_file"], 2)}
    return report


if __name__ == "__main__":
    print(json.dumps(run(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000), indent=2))
