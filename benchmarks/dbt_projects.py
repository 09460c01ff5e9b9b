"""A dbt project run by dbt-core and by Headgate: are the results and the tables equal, and how long does each take?

usage: python -m benchmarks.dbt_projects [--packages DIR] [--keep DIR] PROJECT...

Each project is copied twice and gets a profile with a DuckDB file. dbt runs `deps` and `build`, Headgate `build`; nothing of the project is
changed. Packages that come from a hub are taken from `--packages` (a folder with one folder for each package), as a filled packages folder.
What is compared: the status of every node and test that dbt ran, and of every table and view its columns and all of its rows. What depends on
the clock or on chance differs in any two runs; it is listed like everything else. Prints one line of Markdown for each project, and below it
what differs.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import yaml
from benchmarks.process import HEADGATE, Cost, cost
from benchmarks.project import dbt_command

FILE = "target.duckdb"
QUIET = {"DBT_SEND_ANONYMOUS_USAGE_STATS": "false"}
SAME = {
    "no-op": "not run",
    "success": "done",
    "pass": "pass",
    "warn": "warn",
    "fail": "block",
    "error": "failed",
    "skipped": "skipped",
}
"""dbt's word for a status -> ours."""


@dataclass(slots=True)
class Comparison:
    """What came of one project."""

    name: str
    nodes: int = 0
    equal_nodes: int = 0
    tables: int = 0
    equal_tables: int = 0
    differing: list[str] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)

    def row(self) -> str:
        """The project's line in a table of Markdown."""
        theirs, ours = self.seconds.get("dbt", 0.0), self.seconds.get("headgate", 0.0)
        ratio = f"{ours / theirs:.2f}" if theirs else "–"
        return f"| {self.name} | {self.equal_nodes} of {self.nodes} | {self.equal_tables} of {self.tables} | {theirs:.1f} | {ours:.1f} | {ratio} |"


def compare(project: Path, work: Path, packages: Path | None = None) -> Comparison:
    """Run `project` both ways below `work`. Raises RuntimeError when dbt is not there or cannot run the project at all."""
    command = dbt_command()
    if command is None:
        raise RuntimeError("dbt does not install here: there is nothing to compare with")
    found = Comparison(project.name if project.name != "integration_tests" else project.parent.name)
    theirs, ours = (_copied(project, work / side, packages) for side in ("dbt", "headgate"))
    if _declares_packages(theirs) and packages is None:
        _must([command, "deps"], theirs)
        if (theirs / "dbt_packages").exists():
            shutil.copytree(theirs / "dbt_packages", ours / "dbt_packages", symlinks=True, dirs_exist_ok=True)
    built = cost([command, "--no-use-colors", "build"], cwd=theirs, environment=QUIET)
    done = cost([HEADGATE, "build", "-o", "json"], cwd=ours)
    _statuses(found, theirs, built, done)
    _tables(found, _read(theirs / FILE), _read(ours / FILE))
    found.seconds = {"dbt": built.wall, "headgate": done.wall, "nothing": cost([HEADGATE, "run"], cwd=ours).wall}
    return found


def _copied(project: Path, folder: Path, packages: Path | None) -> Path:
    """A copy with a profile of its own; local packages by their real place."""
    shutil.copytree(
        project, folder, symlinks=True, ignore=shutil.ignore_patterns("target", "logs", ".git", "*.duckdb", ".headgate")
    )
    declared = yaml.safe_load((folder / "dbt_project.yml").read_text(encoding="utf-8"))
    output = {"type": "duckdb", "path": FILE, "schema": "main", "threads": 1}
    profile = {declared.get("profile", "default"): {"target": "dev", "outputs": {"dev": output}}}
    (folder / "profiles.yml").write_text(yaml.safe_dump(profile), encoding="utf-8")
    for name in ("packages.yml", "dependencies.yml"):
        file = folder / name
        said = (yaml.safe_load(file.read_text(encoding="utf-8")) or {}) if file.exists() else {}
        for entry in said.get("packages") or ():
            if "local" in entry and not Path(entry["local"]).is_absolute():
                entry["local"] = str((project / entry["local"]).resolve())
        if file.exists():
            file.write_text(yaml.safe_dump(said), encoding="utf-8")
    if packages is not None:
        shutil.copytree(packages, folder / "dbt_packages", dirs_exist_ok=True)
    return folder


def _declares_packages(folder: Path) -> bool:
    return any((folder / name).exists() for name in ("packages.yml", "dependencies.yml"))


def _must(command: Sequence[str], folder: Path) -> None:
    found = cost(command, cwd=folder, environment=QUIET)
    if found.code != 0:
        raise RuntimeError(f"{' '.join(command)} ended with {found.code}: {found.said[-400:]}")


def _statuses(found: Comparison, theirs: Path, built: Cost, done: Cost) -> None:
    """Every node and test that dbt ran, against ours."""
    results = theirs / "target" / "run_results.json"
    if not results.exists():
        found.differing.append(f"dbt did not run it: {built.said[-300:].strip()}")
    try:
        said: dict[str, Any] = json.loads(done.said)
    except ValueError:
        found.differing.append(f"headgate did not run it: {(done.complained or done.said)[:600].strip()}")
        return
    ours = {step["unique_id"]: (step["status"], step["reason"]) for step in said["steps"]}
    for step in said["steps"]:
        ours |= {v["check"]: (v["outcome"], v["message"]) for v in step["verdicts"]}
    for result in json.loads(results.read_text(encoding="utf-8"))["results"] if results.exists() else ():
        unique_id, status = result["unique_id"], result["status"]
        found.nodes += 1
        mine, reason = ours.get(unique_id, ("not run", ""))
        if SAME.get(status, status) == mine:
            found.equal_nodes += 1
        else:
            found.differing.append(f"{unique_id}: dbt {status}, headgate {mine} {reason[:160]}".rstrip())


def _read(file: Path) -> dict[str, tuple[str, list[tuple[str, str]], int, int]]:
    """For each table and view its kind, columns, rows, and a digest of the rows in any order."""
    if not file.exists():
        return {}
    found = {}
    with duckdb.connect(str(file), read_only=True) as connection:
        listed = connection.execute(
            "SELECT table_schema, table_name, table_type FROM information_schema.tables WHERE table_catalog = current_database() "
            "AND table_schema <> 'headgate'"
        ).fetchall()
        for schema, name, kind in listed:
            quoted = f'"{schema}"."{name}"'
            try:
                columns = [(str(r[0]), str(r[1])) for r in connection.execute(f"DESCRIBE {quoted}").fetchall()]
                row = connection.execute(f"SELECT count(*), coalesce(sum(hash(t)), 0) FROM {quoted} AS t").fetchone() or (0, 0)
            except duckdb.Error as error:
                columns, row = [("error", str(error).splitlines()[0][:80])], (0, 0)
            found[f"{schema}.{name}"] = (str(kind), columns, int(row[0]), int(row[1]))
    return found


def _tables(found: Comparison, theirs: Mapping[str, tuple[Any, ...]], ours: Mapping[str, tuple[Any, ...]]) -> None:
    found.tables = len(theirs)
    for name, table in sorted(theirs.items()):
        if ours.get(name) == table:
            found.equal_tables += 1
        elif name not in ours:
            found.differing.append(f"{name}: not there")
        else:
            parts = ("kind", "columns", "rows", "content")
            unlike = [f"{part} {a} and {b}" for part, a, b in zip(parts, table, ours[name], strict=True) if a != b]
            found.differing.append(f"{name}: {'; '.join(unlike)[:300]}")
    found.differing += [f"{name}: dbt has no such table" for name in sorted(set(ours) - set(theirs))]


def main(arguments: Sequence[str]) -> int:
    """Compare each project named; the exit code says whether all were equal."""
    parser = argparse.ArgumentParser(description="Compare dbt-core and Headgate over dbt projects.")
    parser.add_argument("projects", nargs="+", type=Path)
    parser.add_argument("--packages", type=Path, help="a filled packages folder")
    parser.add_argument("--keep", type=Path, help="leave both copies of each project there")
    given = parser.parse_args(arguments)
    sys.stdout.write(
        "| project | nodes and tests equal | tables equal | dbt, s | Headgate, s | ratio |\n|---|---|---|---|---|---|\n"
    )
    unequal = 0
    for number, project in enumerate(given.projects):
        with tempfile.TemporaryDirectory() as temporary:
            work = (given.keep or Path(temporary)) / f"{number}-{project.name}"
            shutil.rmtree(work, ignore_errors=True)
            found = compare(project.resolve(), work.resolve(), given.packages.resolve() if given.packages else None)
        sys.stdout.write(found.row() + "\n")
        for line in found.differing:
            sys.stdout.write(f"    {line}\n")
        unequal += bool(found.differing)
    return min(unequal, 1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
