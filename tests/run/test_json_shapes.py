"""`-o json`: every command that has it prints the shape that the reference says, whole, and nothing else on standard output."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Iterator, Mapping
from contextlib import chdir
from dataclasses import is_dataclass
from datetime import datetime
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin

import pytest
import typer
from typer.testing import CliRunner, Result

from headgate.run.quick import nothing_to_do
from headgate.run.session import open_session
from headgate.serve.answers.shapes import SHAPES, keys_of, named
from headgate.serve.cli.app import whole
from headgate.serve.cli.screen import plain
from headgate.spec.errors import HeadgateError
from headgate.spec.events import RunResult
from orders_world import World

DAILY = """{{ config(materialized='incremental', incremental_strategy='microbatch', event_time='updated_at', begin='2026-01-01',
    end='2026-01-03', batch_size='day', owner='orders-team', grain=['order_id']) }}
select order_id, updated_at from {{ ref('stg_orders') }}"""
SNAPSHOT = """{% snapshot kept %}{{ config(unique_key='order_id', strategy='check', check_cols=['status']) }}
select order_id, status from {{ ref('stg_orders') }}{% endsnapshot %}"""

# What is called, in order, with the exit code and which of the command's shapes is printed.
CALLS: tuple[tuple[str, int, int], ...] = (
    ("plan", 0, 0), ("run --dry-run", 0, 1), ("build --dry-run", 0, 1), ("seed", 0, 0), ("run", 0, 0), ("build", 0, 0), ("land", 0, 0),
    ("snapshot", 0, 0), ("ls", 0, 0), ("ls tag:none", 2, 0), ("show stg_orders", 0, 0), ("show raw.orders", 0, 0), ("why stg_orders", 0, 0),
    ("history stg_orders", 0, 0), ("history raw.orders", 0, 0), ("history daily", 0, 0), ("lineage mart_daily_revenue", 0, 0),
    ("lineage mart_daily_revenue.revenue", 0, 0), ("query select*from+staging.stg_orders", 0, 0), ("diff no_such_table", 2, 0),
    ("check stg_orders", 0, 0), ("ready stg_orders", 3, 0), ("backfill daily --from 2026-01-01 --to 2026-01-02 --rebuild --dry-run", 0, 1),
    ("backfill daily --from 2026-01-01 --to 2026-01-02 --rehearse 100%", 0, 2), ("backfill daily --from 2026-01-01 --to 2026-01-02 --rebuild", 0, 0),
    ("reconcile", 0, 0), ("DELIVER A BROKEN FILE", 0, 0), ("run", 3, 0), ("why raw.orders", 0, 0), ("history raw.orders", 0, 0), ("ls", 0, 0),
    ("DELIVER IT REPAIRED", 0, 0), ("run", 0, 0), ("diff stg_orders", 0, 0), ("restore stg_orders --to FIRST", 0, 0), ("maintain --dry-run", 0, 0),
    ("maintain", 0, 0), ("doctor", 0, 0), ("source freshness", 0, 0), ("test stg_orders", 0, 0),
    ("ASK FOR A PACKAGE", 0, 0), ("deps", 0, 0),
)  # fmt: skip


def headgate(root: Path, *arguments: str) -> Result:
    with chdir(root):
        result = CliRunner().invoke(whole(), arguments)
    if isinstance(result.exception, HeadgateError):
        result.exit_code = result.exception.exit_code  # what `run_app` makes of it
    return result


def called(call: str) -> str:
    """The command of a call: its longest beginning that is one."""
    return max((c for c in SHAPES if f"{call} ".startswith(f"{c} ")), key=len)


def misfit(value: Any, shape: Any, path: str = "") -> str | None:
    """Where `value` is not of `shape`; None when it is."""
    if shape is Any:
        return None
    if is_dataclass(shape):
        keys = keys_of(shape)
        if not isinstance(value, dict) or list(value) != list(keys):
            return f"{path}: {value!r} has not the keys {', '.join(keys)}"
        return next((m for k, inner in keys.items() if (m := misfit(value[k], inner, f"{path}.{k}"))), None)
    origin, arguments = get_origin(shape), get_args(shape)
    if origin in (Union, UnionType):
        return None if any(misfit(value, a) is None for a in arguments) else f"{path}: {value!r} is none of {arguments}"
    if origin is tuple:
        inner = (
            [misfit(v, arguments[0], f"{path}[{at}]") for at, v in enumerate(value)]
            if isinstance(value, list)
            else [f"{path}: no list"]
        )
        return next((m for m in inner if m), None)
    if origin is not None and issubclass(origin, Mapping):
        inner = (
            [misfit(v, arguments[1], f"{path}.{k}") for k, v in value.items()]
            if isinstance(value, dict)
            else [f"{path}: no object"]
        )
        return next((m for m in inner if m), None)
    kinds: Mapping[Any, tuple[type, ...]] = {str: (str,), int: (int,), float: (int, float), bool: (bool,), NoneType: (NoneType,)}
    fits = type(value) in kinds[shape] and not (isinstance(value, float) and not math.isfinite(value))
    return None if fits else f"{path}: {value!r} is no {shape}"


@pytest.fixture(scope="module")
def printed(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, int, Result]]:
    """Every call in its turn, with the number of its shape."""
    world, rnd = World.create(tmp_path_factory.mktemp("shop") / "orders"), random.Random(5)
    (world.root / "models" / "daily.sql").write_text(DAILY)
    (world.root / "snapshots").mkdir()
    (world.root / "snapshots" / "kept.sql").write_text(SNAPSHOT)
    (world.root / "seeds").mkdir()
    (world.root / "seeds" / "countries.csv").write_text("id,name\n1,Norway\n")
    world.deliver(world.some_rows(rnd, 20))
    (world.root.parent / "tools").mkdir()
    (world.root.parent / "tools" / "dbt_project.yml").write_text("name: tools\nversion: '1.0'\n")
    source = world.root / "sources" / "raw.yml"
    source.write_text(source.read_text() + "        freshness: { warn_after: { count: 1, period: day } }\n")
    found = []
    for call, code, shape in CALLS:
        if call.startswith("ASK"):
            (world.root / "packages.yml").write_text("packages:\n  - local: ../tools\n")
            continue
        if call.startswith("DELIVER"):
            rows = world.some_rows(rnd, 3) if call.endswith("REPAIRED") else [{**world.some_rows(rnd, 1)[0], "status": "odd"}]
            world.files -= call.endswith("REPAIRED")
            world.deliver(rows)
            continue
        words = call.split()
        if words[0] == "query":
            words = ["query", words[1].replace("*from+", " *, status, 'nan'::double as odd, 1.5::decimal(9,3) as exact from ")]
        if words[-1] == "FIRST":
            words[-1] = json.loads(headgate(world.root, "history", "stg_orders", "-o", "json").stdout)[-1]["at"]
        result = headgate(world.root, *words, "-o", "json")
        assert result.exit_code == code, f"{call}: {result.exit_code}\n{result.output}\n{result.exception!r}"
        found.append((call, shape, result))
    return found


def test_every_command_prints_its_shape(printed: list[tuple[str, int, Result]]) -> None:
    seen = set()
    for call, number, result in printed:
        if result.exit_code == 2:
            assert result.stdout == "", f"{call} failed and printed {result.stdout}"
            continue
        assert misfit(json.loads(result.stdout), SHAPES[called(call)][number], call) is None
        seen.add((called(call), number))
    assert seen == {(command, number) for command, shapes in SHAPES.items() for number in range(len(shapes))}


def test_what_holds_others_is_not_always_empty(printed: list[tuple[str, int, Result]]) -> None:
    """The calls above have shown at least one of every value with a name, so that none was only promised."""
    shown: set[str] = set()

    def look(value: Any, shape: Any) -> None:
        if is_dataclass(shape) and isinstance(value, dict):
            shown.add(shape.__name__)
            for key, inner in keys_of(shape).items():
                look(value[key], inner)
        for inner in get_args(shape):
            for one in value if isinstance(value, list) else value.values() if isinstance(value, dict) else [value]:
                look(one, inner)

    for call, number, result in printed:
        if result.stdout:
            look(json.loads(result.stdout), SHAPES[called(call)][number])
    every = {s.__name__ for shapes in SHAPES.values() for shape in shapes for s in named(shape)}
    assert every - shown <= {"ColumnChange", "SchemaChange"}, "these need a model that changes"


def test_values(printed: list[tuple[str, int, Result]]) -> None:
    """Numbers that JSON lacks and decimals are text, moments ISO."""
    rows = next(json.loads(r.stdout) for call, _, r in printed if call.startswith("query"))
    assert rows[0]["odd"] == "nan" and rows[0]["exact"] == "1.500"
    assert all(row["status_1"] == row["status"] for row in rows), "a second column of one name is not lost"
    history = [json.loads(r.stdout) for call, _, r in printed if call == "history raw.orders"]
    assert history[1][0]["kind"] == "blocked" and history[1][0]["reason"].startswith("status outside placed")
    assert all(datetime.fromisoformat(p["at"]) and "T" in p["at"] for p in history[1])
    because = next(json.loads(r.stdout) for call, _, r in printed if call == "why raw.orders")
    assert because["status"] == "blocked" and "status outside placed" in because["sentence"]
    assert plain([float("inf"), float("-inf"), b"\x01", 1.0]) == ["inf", "-inf", "01", 1.0]


def test_the_table_of_shapes_is_of_all_commands_with_an_output() -> None:
    def with_output(command: Any, path: str) -> Iterator[str]:
        for name, inner in getattr(command, "commands", {}).items():
            yield from with_output(inner, f"{path} {name}".strip())
        if any("--output" in p.opts for p in command.params):
            yield path

    assert set(with_output(typer.main.get_command(whole()), "")) == set(SHAPES)


def test_a_run_that_is_answered_at_once_prints_the_same_shape(tmp_path: Path) -> None:
    world = World.create(tmp_path / "orders")
    world.deliver(world.some_rows(random.Random(1), 5))
    with world.open() as session:
        assert session.run().status == "done"
        assert session.run().nothing_to_do
    said = nothing_to_do(["--project", str(world.root), "-o", "json"])
    assert said is not None and misfit(json.loads(said), RunResult) is None


def test_an_output_that_is_neither_is_a_wrong_call(tmp_path: Path) -> None:
    (tmp_path / "headgate.yml").write_text("name: shop\n")
    result = headgate(tmp_path, "ls", "-o", "xml")
    assert result.exit_code == 2 and "'text', 'json'" in result.output
    with open_session(str(tmp_path)) as session:
        assert not session.project.nodes
