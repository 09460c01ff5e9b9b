"""An answer of several queries is of one snapshot (LAKE.md 11): asked many times beside a process that publishes without end."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import headgate.serve.answers as answers
from headgate.run.session import Session, open_session
from headgate.serve.answers.columns import lineage
from headgate.serve.answers.differences import difference
from headgate.serve.answers.health import examine
from headgate.serve.answers.readiness import readiness
from headgate.serve.answers.tables import history, listed, show, why
from servers.processes import Processes

ASKED = 3
"""How often each question is asked. Without one snapshot for an answer every third answer shows a mix."""

FILES = {
    "headgate.yml": 'name: shop\nlake: {{ catalog: "{catalog}", data: .headgate/data }}\nstate: "sqlite:///.headgate/state.db"\n',
    "sources/ext.yml": "sources:\n  - name: ext\n    schema: ext\n    tables: [{{ name: base }}]\n",
    "models/numbers.sql": "{{{{ config(materialized='table', grain=['id']) }}}}\nselect id, mark from {{{{ source('ext', 'base') }}}}\n",
    "models/pairs.sql": "{{{{ config(materialized='table', grain=['id']) }}}}\nselect * from {{{{ ref('numbers') }}}}\n",
    "models/all.yml": "models:\n  - name: numbers\n    columns: [{{ name: id, data_tests: [not_null, unique] }}]\n",
    "tests/marks.sql": "{{{{ config(severity='warn', fail_calc='max(mark)') }}}}\nselect * from {{{{ ref('numbers') }}}}\n",
}
WRITER = """
# What a run does to the lake, without the run: in a tenth of its time, so that hardly an answer has no commit beside it.
import json, sys
from pathlib import Path
from headgate.run.session import open_session
from headgate.spec.ids import uuid7
from headgate.spec.names import bind
stop, begun, number = Path(sys.argv[2]), Path(sys.argv[3]), 3
PUBLISHED = '''INSERT INTO lake.headgate.publications SELECT * REPLACE (? AS publication_id, ? AS run_id, ? AS rows_out, ? AS rows_in, ? AS rows_total,
    json_merge_patch(inputs, ?)::VARCHAR AS inputs, now()::TIMESTAMP AS published_at)
    FROM lake.headgate.publications WHERE dataset = ? ORDER BY publication_id DESC LIMIT 1'''
with open_session(sys.argv[1]) as session:
    lake = session.lake
    def fill(cursor, table):
        cursor.execute(f"DELETE FROM lake.{table}")
        cursor.execute(f"INSERT INTO lake.{table} SELECT i, {number} FROM range({number}) t(i)")
    while not stop.exists():
        with lake.transaction(["ext.base"], author="outside", message="base") as cursor:
            fill(cursor, "ext.base")
        read, version, run = "ext.base", f"snapshot {lake.snapshot()}", uuid7()
        with lake.transaction(["main.numbers", "main.pairs"], author=run, message="publish") as cursor:
            for table in ("main.numbers", "main.pairs"):
                fill(cursor, table)
                new = uuid7()
                cursor.execute(bind(PUBLISHED, [new, run, number, number, number, json.dumps({read: version}), table]))
                read, version = table, new
        begun.touch()
        number += 1
print(number)
"""


@pytest.fixture(params=["sqlite", "postgresql"])
def shop(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Session]:
    """A project whose table `numbers` has n rows of mark n in its nth version, and `pairs` a copy of it in the same commit."""
    catalog = "sqlite:.headgate/catalog.sqlite" if request.param == "sqlite" else request.getfixturevalue("pg_database")
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text.format(catalog=catalog))
    with open_session(str(tmp_path)) as session:
        for number in (1, 2):
            with session.lake.transaction(["ext.base"], author="outside", message="base") as cursor:
                cursor.execute("CREATE SCHEMA IF NOT EXISTS lake.ext")
                cursor.execute("CREATE TABLE IF NOT EXISTS lake.ext.base (id INTEGER, mark INTEGER)")
                cursor.execute("DELETE FROM lake.ext.base")
                cursor.execute(f"INSERT INTO lake.ext.base SELECT i, {number} FROM range({number}) t(i)")
            assert session.run().status == "done"
        yield session


def shown(session: Session, seen: list[Any]) -> None:
    card = show(session, "numbers")
    assert {row["mark"] for row in card.sample} == {card.rows}


def compared(session: Session, seen: list[Any]) -> None:
    told = difference(session, "numbers")
    assert (told.rows_after - told.rows_before, told.added, told.removed, told.changed) == (1, 1, 0, told.rows_before)


def compared_by_another_key(session: Session, seen: list[Any]) -> None:
    """By the mark each row of the version before went, and each of this one came."""
    told = difference(session, "main.pairs", key=("mark",))
    assert (told.rows_after - told.rows_before, told.added, told.removed) == (1, told.rows_after, told.rows_before)


def checked(session: Session, seen: list[Any]) -> None:
    verdicts = {v.name: v for v in session.check("numbers").verdicts}
    assert verdicts["marks"].failures == verdicts["not_null_numbers_id"].rows
    assert verdicts["unique_numbers_id"].failures == 0


def ready(session: Session, seen: list[Any]) -> None:
    items = [i for i in readiness(session, ("pairs",)).items if i.item in ("same inputs, same table", "a full rebuild matches")]
    assert [i.passed for i in items] == [True, True], items


def planned(session: Session, seen: list[Any]) -> None:
    made = session.plan()
    seen.append((made.snapshot, bool(made.todo)))


def told(session: Session, seen: list[Any]) -> None:
    for name in ("numbers", "pairs"):
        assert why(session, name).status == "current"
        counts = [p.rows_out for p in history(session, name, 5)]
        assert counts == list(range(counts[0], counts[0] - len(counts), -1))
    lines = {line.dataset: line.rows for line in listed(session)}
    assert lines["main.numbers"] == lines["main.pairs"]
    assert {e.source for e in lineage(session, "pairs.mark").upstream} == {"main.numbers.mark", "ext.base.mark"}


QUESTIONS: tuple[Callable[[Session, list[Any]], None], ...] = (
    shown, compared, compared_by_another_key, checked, ready, planned, told,
)  # fmt: skip


def test_rule_11_no_answer_shows_a_mix_beside_a_writer(shop: Session, tmp_path: Path, python_process: Processes) -> None:
    stop, begun, plans = tmp_path / "stop", tmp_path / "begun", list[tuple[int, bool]]()
    writer = python_process.python(WRITER, str(tmp_path), str(stop), str(begun))
    writer.wait_for(begun)
    first = shop.lake.snapshot()
    for _ in range(ASKED):
        for question in QUESTIONS:
            question(shop, plans)
    stop.touch()
    rounds = int(writer.wait(60).expect(0).out)
    assert rounds > ASKED, "the writer hardly published anything beside the answers"
    authors = shop.query("select snapshot_id, author from __ducklake_metadata_lake.ducklake_snapshot_changes").to_pylist()
    outside = {row["snapshot_id"] for row in authors if row["author"] == "outside"}
    assert max(s for s, _ in plans) > first
    assert all(todo == (snapshot in outside) for snapshot, todo in plans), "a plan is of another state than its snapshot"


def test_rule_11_every_answer_about_a_session_is_asked_at_one_snapshot() -> None:
    """A new answer joins them by its decorator, or by `session.still()`; `find` names a table for one, and reads the ledger alone."""
    found = set()
    for module in pkgutil.iter_modules(answers.__path__, "headgate.serve.answers."):
        for name, function in inspect.getmembers(importlib.import_module(module.name), inspect.isfunction):
            own = function.__module__ == module.name and not name.startswith("_")
            if own and next(iter(inspect.signature(function).parameters), "") == "session":
                found.add(name)
                still = hasattr(function, "__wrapped__") or "session.still()" in inspect.getsource(function)
                assert still or name == "find", f"{module.name}.{name} may show a mix"
    assert {"show", "why", "history", "listed", "lineage", "difference", "readiness"} < found


def test_rule_11_a_lake_that_stands_still_moves_for_the_next_answer_and_lets_upkeep_be_alone(
    shop: Session, tmp_path: Path
) -> None:
    with shop.still() as still:
        before = still.lake.snapshot()
        with shop.lake.transaction(["ext.base"], author="outside", message="base") as cursor:
            cursor.execute("INSERT INTO lake.ext.base VALUES (9, 9)")
            cursor.execute("CREATE VIEW lake.ext.seen AS SELECT * FROM lake.ext.base")
        assert (still.lake.snapshot(), "ext.seen" in still.lake.relations()) == (before, False)
        assert still.query("select count(*) as n from ext.base").to_pylist() == [{"n": 2}]
        assert still.recorded().snapshot == before
    with shop.still() as still:
        assert still.lake.snapshot() == shop.lake.snapshot() > before
        assert still.query("select count(*) as n from ext.seen").to_pylist() == [{"n": 3}]
    assert all(f.ok for f in examine(tmp_path, "dev"))
    assert "put off" not in " ".join(m.detail for m in shop.maintain())
