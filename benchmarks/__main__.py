"""`python -m benchmarks [names…]`: run the benchmarks one after another, each in a process of its own, and print what they measured.

Beside each stands a calibration done in the same run: seconds of a fixed DuckDB hash scan on this machine, now. Judge by ratios.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

NAMES = ("parse", "lineage", "publish", "increment", "ingest")
CALL = "import json, benchmarks.{name} as b; print('RESULT ' + json.dumps(b.run(), default=str))"


def calibration() -> float:
    """Seconds for hashing fifty million numbers: the machine's speed at this moment."""
    import duckdb

    connection = duckdb.connect()
    began = time.perf_counter()
    connection.execute("SELECT bit_xor(hash(i)) FROM range(50_000_000) t(i)").fetchall()
    return time.perf_counter() - began


def main(names: list[str]) -> int:
    """Run the named benchmarks (all by default); returns 1 when one of them failed."""
    root, failed = Path(__file__).resolve().parent.parent, 0
    for name in names or NAMES:
        unit, began = calibration(), time.perf_counter()
        done = subprocess.run([sys.executable, "-c", CALL.format(name=name)], cwd=root, capture_output=True, text=True)
        seconds = time.perf_counter() - began
        found = next((line[7:] for line in done.stdout.splitlines() if line.startswith("RESULT ")), None)
        print(f"{name}: {seconds:.1f} s, {seconds / unit:.0f} calibration scans of {unit:.2f} s")
        if done.returncode or found is None:
            failed = 1
            print(f"  failed: {done.stderr.strip().splitlines()[-1] if done.stderr.strip() else 'no result'}")
        else:
            print("  " + json.dumps(json.loads(found), indent=2).replace("\n", "\n  "))
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
