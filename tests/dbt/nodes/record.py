"""What dbt itself says of the projects here, written to `oracle/`: run it with the Python of an environment that has dbt in it.

usage: <environment>/bin/python tests/dbt/nodes/record.py [PROJECT…]

It copies the projects to a temporary folder, parses them, asks `dbt ls` for every line of expressions.txt, and keeps ids alone
(compressed: one line for an expression), so that the tests need no dbt.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
PARTS = {
    "nodes": ("resource_type", "fqn", "tags", "alias", "schema", "description", "access", "version", "latest_version", "group", "original_file_path"),
    "sources": ("fqn", "tags", "schema", "identifier", "loaded_at_field"),
    "exposures": ("fqn", "tags", "description"),
    "metrics": ("fqn",),
    "semantic_models": ("fqn",),
    "saved_queries": ("fqn",),
    "unit_tests": ("fqn", "original_file_path"),
    "groups": ("name",),
}  # fmt: skip


def parsed(manifest: dict[str, Any]) -> dict[str, Any]:
    """Of each thing in the manifest what Headgate must read alike."""
    found = {}
    for part, keys in PARTS.items():
        for unique_id, thing in manifest[part].items():
            found[unique_id] = {k: thing.get(k) for k in keys}
            found[unique_id]["depends_on"] = sorted((thing.get("depends_on") or {}).get("nodes", []))
    return found


def listed(runner: Any, line: str) -> list[str] | str:
    """The unique ids that `dbt ls` lists for a line of expressions."""
    words = line.split()
    select = [] if words[0].startswith("--") else ["--select"]
    result = runner.invoke(["ls", "--quiet", "--output", "json", "--output-keys", "unique_id", *select, *words])
    return sorted(json.loads(row)["unique_id"] for row in result.result or []) if result.success else str(result.exception)


def record(name: str) -> None:
    """Ask dbt about one project."""
    from dbt.cli.main import dbtRunner

    os.environ["DBT_SEND_ANONYMOUS_USAGE_STATS"] = "false"
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder, "projects")
        shutil.copytree(HERE / "projects", root)
        os.chdir(root / name)
        runner = dbtRunner()
        for command in ("deps", "parse"):
            result = runner.invoke([command, "--quiet"])
            if not result.success:
                raise SystemExit(f"dbt {command} fails on {name}: {result.exception}")
        expressions = (HERE / f"{name}.txt").read_text(encoding="utf-8").splitlines()
        said = {
            "parsed": parsed(json.loads(Path("target", "manifest.json").read_text(encoding="utf-8"))),
            "ls": {line: listed(runner, line) for line in expressions if line.strip()},
        }
        os.chdir(HERE)
    lines = [f'"parsed": {{\n{_lines(said["parsed"])}\n}}', f'"ls": {{\n{_lines(said["ls"])}\n}}']
    (HERE / "oracle" / f"{name}.json").write_text("{" + ",\n".join(lines) + "}\n", encoding="utf-8")


def _lines(values: dict[str, Any]) -> str:
    return ",\n".join(f"{json.dumps(key)}: {json.dumps(value)}" for key, value in values.items())


if __name__ == "__main__":
    for project in sys.argv[1:] or sorted(p.stem for p in HERE.glob("*.txt")):
        record(project)
