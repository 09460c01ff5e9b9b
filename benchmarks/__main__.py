"""Run the benchmarks one after another, each in a process of its own, and say how they compare.

usage: python -m benchmarks [NAME…] [--quick] [--rows N]

For each: wall and CPU seconds, peak memory, the ratio of its CPU seconds to a calibration scan done just before it, and every target
with what was measured. `--quick` takes small sizes: the shape of the figures, in a minute or two; its targets are those of the full
sizes. `--rows` is for `large`. Everything is kept in `benchmarks/results/<date>.json`.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import sys
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.listed import LISTED, Listed, Weighed, weigh
from benchmarks.process import cost

RESULTS = Path(__file__).parent / "results"
ROOT = Path(__file__).parent.parent


def main(words: list[str]) -> int:
    """The exit code: 0 when every benchmark ran (whatever it measured), else 1."""
    if words[:1] == ["--one"]:
        sys.stdout.write(json.dumps(importlib.import_module(f"benchmarks.{words[1]}").run(**json.loads(words[2]))) + "\n")
        return 0
    asked = argparse.ArgumentParser(prog="python -m benchmarks", description="Run the benchmarks.")
    asked.add_argument("names", nargs="*", metavar="NAME", help=f"of: {', '.join(LISTED)}; all by default")
    asked.add_argument("--quick", action="store_true", help="small sizes")
    asked.add_argument("--rows", type=int, help="rows of the benchmark 'large'")
    options = asked.parse_args(words)
    unknown = [name for name in options.names if name not in LISTED]
    if unknown:
        asked.error(f"there is no benchmark {', '.join(unknown)}; there are {', '.join(LISTED)}")
    results = {name: _measure(name, options.quick, options.rows) for name in options.names or LISTED}
    _keep(results, options.quick)
    return 0 if all(found["ran"] for found in results.values()) else 1


def _measure(name: str, quick: bool, rows: int | None) -> dict[str, Any]:
    """One benchmark after its calibration; what it found is printed at once."""
    listed = LISTED[name]
    arguments = {**(listed.quick if quick else {}), **({"rows": rows} if rows is not None and name == "large" else {})}
    scan = cost([sys.executable, "-m", "benchmarks.calibration"], cwd=ROOT)
    found = cost([sys.executable, "-m", "benchmarks", "--one", name, json.dumps(arguments)], cwd=ROOT)
    calibration = json.loads(scan.said)
    values = json.loads(found.said) if found.code == 0 else {}
    weighed = [weigh(target, values) for target in listed.targets] if values else []
    _say(name, listed, found.wall, found.cpu, found.peak, found.cpu / calibration["cpu_seconds"], weighed)
    if found.code != 0:
        print(f"  failed with {found.code}: {found.complained.strip().splitlines()[-1:]}")
    if values.get("dbt", "").startswith(("not installed", "its run failed")):
        print(f"  dbt: {values['dbt']}")
    return {
        "ran": found.code == 0, "wall_seconds": round(found.wall, 3), "cpu_seconds": round(found.cpu, 3), "peak_mb": found.peak,
        "calibration": calibration, "calibrations": round(found.cpu / calibration["cpu_seconds"], 2), "load": os.getloadavg()[0],
        "arguments": arguments, "targets": [asdict(w) for w in weighed], "measured": values, "error": found.complained if found.code else "",
    }  # fmt: skip


def _say(name: str, listed: Listed, wall: float, cpu: float, peak: int, ratio: float, weighed: list[Weighed]) -> None:
    load = os.getloadavg()[0]
    print(f"{name}: {listed.meaning}")
    print(
        f"  wall {wall:.1f} s   CPU {cpu:.1f} s   peak {peak} MB   {ratio:.1f} calibration scans   load of the machine {load:.1f}"
    )
    for one in weighed:
        measured = "not measured" if one.value is None else f"{one.value:g}"
        word = {True: "holds ", False: "MISSED", None: "-     "}[one.holds]
        print(f"  {word}  {one.meaning}: {measured} (target {one.word} {one.bound:g})")
    sys.stdout.flush()


def _keep(results: dict[str, Any], quick: bool) -> None:
    RESULTS.mkdir(exist_ok=True)
    now = datetime.now(UTC)
    file = RESULTS / f"{now:%Y-%m-%d-%H%M%S}.json"
    said = {
        "at": now.isoformat(),
        "quick": quick,
        "processors": os.cpu_count(),
        "python": sys.version.split()[0],
        "benchmarks": results,
    }
    file.write_text(json.dumps(said, indent=1), encoding="utf-8")
    print(f"kept in {file.relative_to(ROOT)}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
