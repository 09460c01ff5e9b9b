"""A project of 500 models from process start to exit: run, run again with nothing to do, one model edited, and the plan.

usage: python -m benchmarks.project [MODELS]

The bare statements are the same 500 `CREATE TABLE … AS` by DuckDB straight into a DuckLake, from process start to exit too: once in one
transaction with one commit (`bare`: what `ratio_to_bare` is to) and once with a commit for each (`bare_each`: what a tool does that
publishes table by table). Neither stages, weighs, or proves anything. dbt (dbt-core 1.10, dbt-duckdb, the same DuckDB) builds the same
models into a DuckDB file; it is installed into an environment of its own, and where that cannot be done the result says so and has no
ratio to it.
"""

from __future__ import annotations

import json
import sys
import tempfile
import venv
from pathlib import Path
from typing import Any

import duckdb
from benchmarks.generate_models import RAW, models, write
from benchmarks.process import HEADGATE, Cost, cost, done

MODELS = 500
EVENTS = 1000
DBT = ("dbt-core==1.10.*", "dbt-duckdb==1.10.*", f"duckdb=={duckdb.__version__}")
DBT_HOME = Path(__file__).parent / "data" / "dbt"
HEADGATE_YML = """name: bench
lake: { catalog: "sqlite:.headgate/catalog.sqlite", data: .headgate/data }
state: "sqlite:///.headgate/state.db"
models: { +materialized: table }
"""
SOURCES = """sources:
  - name: raw
    schema: raw
    connector: files
    tables:
      - name: events
        path: events.parquet
"""
PROFILE = (
    "generated:\n  target: dev\n  outputs:\n    dev: {type: duckdb, path: bench.duckdb, threads: 2, settings: {threads: 2}}\n"
)
BARE = """
import json, sys
from headgate.engines.duckdb.connection import attach, connect
from headgate.spec.project import LakeSpec
folder, each, statements = sys.argv[1], sys.argv[2] == "each", json.load(open(sys.argv[3]))
spec = LakeSpec(f"sqlite:{folder}/bare-{sys.argv[2]}.sqlite", f"{folder}/bare-{sys.argv[2]}")
connection = connect(spec, folder)
attach(connection, spec)
connection.execute("USE lake")
if not each:
    connection.execute("BEGIN")
for statement in statements:
    connection.execute(statement)
if not each:
    connection.execute("COMMIT")
"""


def events(file: Path, rows: int = EVENTS) -> None:
    """The raw table that the first models read, as one Parquet file."""
    with duckdb.connect() as connection:
        connection.execute(
            "COPY (SELECT i AS id, i % 50 AS grp, (i * 37 % 1000) / 10.0::DOUBLE AS amount, (i % 100)::INTEGER AS qty, "
            "['a','b','c'][1 + i % 3] AS status, TIMESTAMP '2026-01-01' + to_seconds(i) AS created_at "
            f"FROM range({rows}) t(i)) TO '{file}' (FORMAT parquet)"
        )


def lay_out(folder: Path, count: int = MODELS) -> Path:
    """The project in `folder`."""
    write(folder, count)
    (folder / "dbt_project.yml").unlink()
    (folder / "headgate.yml").write_text(HEADGATE_YML, encoding="utf-8")
    (folder / "models" / "sources.yml").write_text(SOURCES, encoding="utf-8")
    events(folder / "events.parquet")
    return folder


def bare(folder: Path, count: int, how: str) -> Cost:
    """The statements alone, `how` = "one" commit or "each" its own."""
    statements = ["CREATE SCHEMA raw", "CREATE SCHEMA marts", f"CREATE TABLE {RAW} AS SELECT * FROM '{folder}/events.parquet'"]
    statements += [f"CREATE TABLE {name} AS {sql}" for name, sql in models(count).items()]
    listed = folder / "statements.json"
    listed.write_text(json.dumps(statements), encoding="utf-8")
    return done([sys.executable, "-c", BARE, str(folder), how, str(listed)])


def dbt_command() -> str | None:
    """dbt in an environment of its own under `benchmarks/data`, installed when it is missing; None when it does not install."""
    command = DBT_HOME / "bin" / "dbt"
    if not command.exists():
        venv.create(DBT_HOME, with_pip=True)
        if cost([str(DBT_HOME / "bin" / "python"), "-m", "pip", "install", "-q", *DBT]).code != 0:
            return None
    return str(command) if command.exists() else None


def dbt(folder: Path, count: int) -> dict[str, Any]:
    """dbt's run over the same models: the first, and once more (dbt has no run with nothing to do)."""
    command = dbt_command()
    if command is None:
        return {"dbt": "not installed: no ratio"}
    write(folder, count)
    (folder / "profiles.yml").write_text(PROFILE, encoding="utf-8")
    events(folder / "events.parquet")
    with duckdb.connect(str(folder / "bench.duckdb")) as connection:
        connection.execute(f"CREATE SCHEMA raw; CREATE TABLE {RAW} AS SELECT * FROM '{folder}/events.parquet'")
    quiet = {"DBT_SEND_ANONYMOUS_USAGE_STATS": "false"}
    call = [command, "--quiet", "run", "--profiles-dir", str(folder), "--project-dir", str(folder)]
    first, again = (cost(call, cwd=folder, environment=quiet) for _ in range(2))
    if first.code or again.code:
        return {"dbt": f"its run failed: no ratio: {(first.said + first.complained)[-500:]}"}
    return {"dbt": "dbt-core 1.10, dbt-duckdb, 2 threads", **_figures("dbt", first), **_figures("dbt_again", again)}


def _figures(name: str, found: Cost) -> dict[str, Any]:
    return {f"{name}_seconds": round(found.wall, 3), f"{name}_cpu_seconds": round(found.cpu, 3), f"{name}_peak_mb": found.peak}


def _headgate(folder: Path, *arguments: str) -> Cost:
    return done([HEADGATE, *arguments], cwd=folder)


def run(count: int = MODELS, *, with_dbt: bool = True) -> dict[str, Any]:
    """Everything above; seconds from process start to exit, CPU seconds, peaks, and the ratios (of CPU seconds too)."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name).resolve()
        project = lay_out(folder / "project", count)
        plan_new = _headgate(project, "plan")
        cold = _headgate(project, "run")
        nothing = min((_headgate(project, "run") for _ in range(5)), key=lambda found: found.wall)
        plan_same = _headgate(project, "plan")
        edited = project / "models" / f"m{count - 3:04}.sql"
        edited.write_text(
            edited.read_text(encoding="utf-8").replace("select id, grp,", "select id, grp + 1 as grp,", 1) + "\n-- edited\n"
        )
        one = _headgate(project, "run")
        beside = lay_out(folder / "file", count)  # the same into a DuckDB file, as dbt does
        (beside / "headgate.yml").write_text(HEADGATE_YML.replace("sqlite:.headgate/catalog.sqlite", "duckdb:bench.duckdb"))
        into_file = _headgate(beside, "run")
        (folder / "bare").mkdir()
        events(folder / "bare" / "events.parquet")
        together, each = bare(folder / "bare", count, "one"), bare(folder / "bare", count, "each")
        theirs = dbt(folder / "dbt", count) if with_dbt else {"dbt": "left out"}
    said = {"models": count}
    for label, found in (
        ("cold", cold), ("nothing", nothing), ("edited", one),
        ("file", into_file), ("plan_new", plan_new), ("plan_same", plan_same), ("bare", together), ("bare_each", each),
    ):  # fmt: skip
        said |= _figures(label, found)
    said |= {
        "ratio_to_bare": round(cold.wall / together.wall, 2),
        "ratio_to_bare_cpu": round(cold.cpu / together.cpu, 2),
        "ratio_to_bare_each": round(cold.wall / each.wall, 2),
        "ratio_to_bare_each_cpu": round(cold.cpu / each.cpu, 2),
        **theirs,
    }
    if "dbt_seconds" in theirs:
        said |= {
            "ratio_to_dbt": round(cold.wall / theirs["dbt_seconds"], 3),
            "ratio_to_dbt_cpu": round(cold.cpu / theirs["dbt_cpu_seconds"], 3),
            "ratio_of_file_to_dbt": round(into_file.wall / theirs["dbt_seconds"], 3),
        }
    return said


if __name__ == "__main__":
    sys.stdout.write(json.dumps(run(*(int(word) for word in sys.argv[1:])), indent=1) + "\n")
