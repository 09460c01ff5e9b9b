"""Reading a project of 500 models: cold, unchanged, after one edit, and the quick digest. Each figure is a process of its own.

Every model has a description and two columns with tests, every fourth a template that needs Jinja's compiler (a loop, a macro).
CPU seconds count from the interpreter's start, imports included. The calibration is the bare import of what a cold reading needs.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.generate_models import write

MODELS = 500
LIMITS = {"cold_cpu_seconds": 1.0, "unchanged_cpu_seconds": 0.1}

_LOAD = """
import sys, time, resource
from headgate import declare
project = declare.load(sys.argv[1], use_cache=sys.argv[2] == "cache").project
import json
print(json.dumps({"cpu": time.process_time(), "nodes": len(project.nodes), "checks": len(project.checks),
                  "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024}))
"""
_DIGEST = """
import sys, time, json
from headgate import declare
declare.digest(sys.argv[1])
print(json.dumps({"cpu": time.process_time()}))
"""
_BARE = "import json, time, jinja2.sandbox, yaml, duckdb; print(json.dumps({'cpu': time.process_time()}))"
_PROPERTIES = """  - name: {0}
    description: Model {0}.
    columns:
      - name: id
        data_tests: [unique, not_null]
      - name: s0
        data_tests: [not_null, {{ accepted_values: {{ values: [a, b, c] }} }}]
"""


def _measure(code: str, *arguments: str) -> dict[str, Any]:
    began = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True)
    return {**json.loads(done.stdout), "wall": time.perf_counter() - began}


def _best(code: str, *arguments: str, times: int = 3) -> dict[str, Any]:
    return min((_measure(code, *arguments) for _ in range(times)), key=lambda found: float(found["cpu"]))


def project(folder: Path, models: int = MODELS) -> Path:
    """The generated project, as a headgate project with property files and some templates that need Jinja."""
    write(folder, models)
    (folder / "dbt_project.yml").unlink(missing_ok=True)
    (folder / "headgate.yml").write_text("name: bench\n", encoding="utf-8")
    (folder / "macros").mkdir(exist_ok=True)
    (folder / "macros/text.sql").write_text("{% macro listed(n) %}{{ range(n) | join(', ') }}{% endmacro %}\n", encoding="utf-8")
    names = sorted(path.stem for path in (folder / "models").glob("*.sql"))
    for start in range(0, len(names), 25):
        text = "models:\n" + "".join(_PROPERTIES.format(name) for name in names[start : start + 25])
        (folder / f"models/_part_{start:04}.yml").write_text(text, encoding="utf-8")
    for name in names[::4]:
        file = folder / f"models/{name}.sql"
        extra = "-- {% for i in range(3) %}{{ i }} {% endfor %}{{ listed(4) }}\n"
        file.write_text(file.read_text(encoding="utf-8") + extra, encoding="utf-8")
    return folder


def run() -> dict[str, Any]:
    """Measure; CPU seconds, wall seconds, peak memory, and ratios to the bare imports."""
    with tempfile.TemporaryDirectory() as folder:
        root = project(Path(folder))
        cold = _best(_LOAD, str(root), "fresh")
        time.sleep(0.1)
        _measure(_LOAD, str(root), "cache")
        unchanged = _best(_LOAD, str(root), "cache")
        edited = root / "models/m0100.sql"
        edited.write_text(edited.read_text(encoding="utf-8") + "-- edited\n", encoding="utf-8")
        time.sleep(0.1)
        after_edit = _measure(_LOAD, str(root), "cache")
        digest = _best(_DIGEST, str(root))
        bare = _best(_BARE)
    found = {"cold": cold, "unchanged": unchanged, "after_edit": after_edit, "digest": digest}
    return {
        "models": cold["nodes"],
        "checks": cold["checks"],
        **{f"{name}_cpu_seconds": round(value["cpu"], 3) for name, value in found.items()},
        **{f"{name}_wall_seconds": round(value["wall"], 3) for name, value in found.items()},
        "peak_mb": cold["peak_mb"],
        "bare_imports_cpu_seconds": round(bare["cpu"], 3),
        "ratio_cold_to_bare_imports": round(cold["cpu"] / bare["cpu"], 2),
        "ratio_unchanged_to_bare_imports": round(unchanged["cpu"] / bare["cpu"], 2),
        "limits": LIMITS,
        "within_limits": cold["cpu"] <= LIMITS["cold_cpu_seconds"] and unchanged["cpu"] <= LIMITS["unchanged_cpu_seconds"],
    }


if __name__ == "__main__":
    print(json.dumps(run(), indent=2))
