"""The built-in macros against dbt's own: each line of `macros.cases` is a model that both build, and the tables must be equal."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

import headgate
from headgate.declare.macros import base_name, builtin_calls, builtin_files
from headgate.declare.sandbox import Environment
from servers.dbt_oracle import DbtOracle

HERE = Path(__file__).parent
CASES = [line for line in (HERE / "macros.cases").read_text(encoding="utf-8").splitlines() if line and not line.startswith("# ")]
PROJECT = "name: shop\nversion: '1.0'\nprofile: shop\nvars: {colour: red}\nmodels: {shop: {+materialized: table}}\n"
PROFILE = "shop:\n  target: dev\n  outputs:\n    dev: {type: duckdb, path: FILE, schema: main}\n"
MACRO = re.compile(r"\{%-?\s*(?:macro|test)\s+(\w+)\s*\(")


def write(root: Path, file: str) -> Path:
    """The project, writing to `file`."""
    for name, text in {"dbt_project.yml": PROJECT, "profiles.yml": PROFILE.replace("FILE", file)}.items():
        (root / name).write_text(text, encoding="utf-8")
    (root / "models").mkdir()
    for number, case in enumerate(CASES):
        (root / "models" / f"case_{number:02}.sql").write_text(case, encoding="utf-8")
    return root


Tables = dict[str, tuple[list[str], list[tuple[Any, ...]]]]


@pytest.fixture(scope="module")
def tables(dbt_oracle: DbtOracle, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Tables, Tables]]:
    """What dbt has built, and what Headgate has."""
    theirs = write(tmp_path_factory.mktemp("theirs"), "theirs.duckdb")
    dbt_oracle.run(theirs, "run")
    with duckdb.connect(str(theirs / "theirs.duckdb"), read_only=True) as connection:
        found = {f"case_{n:02}": rows_of(connection.execute(f"select * from main.case_{n:02}")) for n in range(len(CASES))}
    ours = write(tmp_path_factory.mktemp("ours"), "ours.duckdb")
    with headgate.open(str(ours)) as session:
        steps = {step.unique_id: f"{step.status} {step.reason}" for step in session.run().steps}
        assert set(steps.values()) == {"done "}, [s for s in steps.items() if s[1] != "done "]
        cursor = session.lake.cursor()
        own = {name: rows_of(cursor.execute(f"select * from {session.lake.name}.main.{name}")) for name in found}
        cursor.close()
    yield found, own


def rows_of(result: Any) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Column names with types, and the rows in order."""
    names = [f"{d[0]} {d[1]}" for d in result.description]
    return names, sorted(result.fetchall(), key=str)


@pytest.mark.parametrize("number", range(len(CASES)), ids=lambda n: CASES[n][:60])
def test_the_same_table(tables: tuple[Tables, Tables], number: int) -> None:
    theirs, ours = tables
    assert ours[f"case_{number:02}"] == theirs[f"case_{number:02}"]


def test_every_macro_of_dbt_has_its_name_here(dbt_oracle: DbtOracle) -> None:
    """All but those of engines and things that are not offered: functions, materialized views, clones, Python's, seeds' batches."""
    found = dbt_oracle.python(
        "import pathlib, dbt.include.global_project as g, dbt.include.duckdb as d\n"
        "for p in [*g.__path__, *d.__path__]:\n"
        "  for f in sorted(pathlib.Path(p, 'macros').rglob('*.sql')): print('#', f.as_posix()); print(f.read_text())\n"
    )
    theirs: set[str] = set()
    for part in found.split("\n# ")[1:]:
        path = part.partition("\n")[0]
        if not re.search(
            r"/(functions|python_model|clone|materialized_view|unit_test_sql|seeds)/|table_function|external|/seed\.sql", path
        ):
            theirs |= {base_name(name) for name in MACRO.findall(part)}
    lines = (HERE / "not_offered.txt").read_text(encoding="utf-8").splitlines()
    excused = {name for line in lines if not line.startswith("#") for name in line.split()}
    assert sorted(theirs - {base_name(n) for n in builtin_calls()} - excused) == []


def test_the_built_in_library_compiles() -> None:
    environment = Environment()
    for file in builtin_files():
        file.template(environment)
