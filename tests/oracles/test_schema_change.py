"""`on_schema_change`: each of its values against each kind of change, as a table of what must come out."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from headgate.run.session import Session, open_session
from headgate.spec.events import RunResult

PROJECT = """name: shapes
lake: { catalog: 'sqlite:.headgate/c.sqlite', data: .headgate/data }
state: 'sqlite:///.headgate/state.db'
"""
SOURCES = """sources:
  - name: shop
    owner: tests
    connector: files
    tables: [{ name: events, path: landing/*.ndjson }]
"""
RULES = ("ignore", "fail", "append_new_columns", "sync_all_columns")
BEFORE = "cast(id as integer) as id, cast(a as integer) as a, b"
AFTER = {
    "added": BEFORE + ", a + b as c",
    "removed": "cast(id as integer) as id, cast(a as integer) as a",
    "renamed": "cast(id as integer) as id, cast(a as integer) as a, b as c",
    "widened": "cast(id as integer) as id, cast(a as bigint) as a, b",
    "retyped": "cast(id as integer) as id, 'n' || a as a, b",
    "castable": "cast(id as integer) as id, cast(a as varchar) as a, b",
    "reordered": "b, cast(id as integer) as id, cast(a as integer) as a",
}
OLD, BOTH = "id INTEGER, a INTEGER, b BIGINT", [(1, 10, 5), (2, 20, 6), (3, 30, 7)]
"""Row 1 is left alone by the second delivery, row 2 is changed by it, row 3 is new."""
STAYS = (OLD, [(1, 10, 5), (2, 20, 6), (3, 30, 7)])
FAILS = (OLD, [(1, 10, 5), (2, 2, 2)])
WANTED: dict[tuple[str, str], tuple[str, list[tuple[Any, ...]]]] = {
    ("ignore", "added"): STAYS,
    ("ignore", "removed"): FAILS,
    ("ignore", "renamed"): FAILS,
    ("ignore", "widened"): STAYS,
    ("ignore", "retyped"): FAILS,
    ("ignore", "castable"): STAYS,
    **{("fail", change): FAILS for change in AFTER},
    ("append_new_columns", "added"): (f"{OLD}, c BIGINT", [(1, 10, 5, None), (2, 20, 6, 26), (3, 30, 7, 37)]),
    ("append_new_columns", "removed"): (OLD, [(1, 10, 5), (2, 20, None), (3, 30, None)]),
    ("append_new_columns", "renamed"): (f"{OLD}, c BIGINT", [(1, 10, 5, None), (2, 20, None, 6), (3, 30, None, 7)]),
    ("append_new_columns", "widened"): STAYS,
    ("append_new_columns", "retyped"): FAILS,
    ("append_new_columns", "castable"): STAYS,
    ("sync_all_columns", "added"): (f"{OLD}, c BIGINT", [(1, 10, 5, None), (2, 20, 6, 26), (3, 30, 7, 37)]),
    ("sync_all_columns", "removed"): ("id INTEGER, a INTEGER", [(1, 10), (2, 20), (3, 30)]),
    ("sync_all_columns", "renamed"): ("id INTEGER, a INTEGER, c BIGINT", [(1, 10, None), (2, 20, 6), (3, 30, 7)]),
    ("sync_all_columns", "widened"): ("id INTEGER, a BIGINT, b BIGINT", BOTH),
    ("sync_all_columns", "retyped"): ("id INTEGER, a VARCHAR, b BIGINT", [(1, "10", 5), (2, "n20", 6), (3, "n30", 7)]),
    ("sync_all_columns", "castable"): ("id INTEGER, a VARCHAR, b BIGINT", [(1, "10", 5), (2, "20", 6), (3, "30", 7)]),
    **{(rule, "reordered"): STAYS for rule in RULES},
}


def write(root: Path, number: int, columns: dict[str, str], rows: list[tuple[int, int, int]]) -> None:
    """All models with these columns, and one more delivery."""
    for rule, change in WANTED:
        config = f"materialized='incremental', unique_key='id', on_schema_change='{rule}'"
        where = "{% if is_incremental() %} where id > 1 {% endif %}"
        code = f"select {columns[change]}, _loaded_at from {{{{ source('shop', 'events') }}}} {where}"
        (root / "models" / f"{rule}_{change}.sql").write_text(f"{{{{ config({config}) }}}}\n{code}\n")
    text = "".join(json.dumps(dict(zip(("id", "a", "b"), row, strict=True))) + "\n" for row in rows)
    (root / "landing" / f"{number}.ndjson").write_text(text)


@pytest.fixture(scope="module")
def changed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Session, RunResult]]:
    """Every model built before its change, and run after it."""
    root = tmp_path_factory.mktemp("shapes")
    for folder in ("models", "sources", "landing"):
        (root / folder).mkdir()
    (root / "headgate.yml").write_text(PROJECT)
    (root / "sources" / "shop.yml").write_text(SOURCES)
    write(root, 1, dict.fromkeys(AFTER, BEFORE), [(1, 10, 5), (2, 2, 2)])
    with open_session(str(root)) as session:
        assert session.run().status == "done"
    write(root, 2, AFTER, [(2, 20, 6), (3, 30, 7)])
    with open_session(str(root)) as session:
        yield session, session.run()


@pytest.mark.parametrize(("rule", "change"), WANTED)
def test_what_becomes_of_the_table(changed: tuple[Session, RunResult], rule: str, change: str) -> None:
    session, result = changed
    name, (columns, rows) = f"main.{rule}_{change}", WANTED[rule, change]
    step = next(s for s in result.steps if s.dataset == name)
    assert (step.status == "failed") == ((columns, rows) == FAILS), step.reason
    recorded = session.recorded().datasets[name]
    own = [c for c in recorded.columns if c.name != "_loaded_at"]
    assert ", ".join(f"{c.name} {c.type}" for c in own) == columns
    relation = next(n.relation for n in session.project.nodes.values() if str(n.relation) == name)
    assert session.lake.columns(relation) == recorded.columns
    found = session.query(f"select * exclude (_loaded_at) from {name} order by id").to_pylist()
    assert [tuple(r.values()) for r in found] == rows
    if step.status == "failed":
        assert change == "retyped" or "on_schema_change" in step.reason
        assert recorded.stale_reason
    else:
        assert recorded.counts.balanced and not recorded.stale_reason


@pytest.mark.parametrize(("rule", "change"), [k for k, v in WANTED.items() if v != FAILS and k[1] != "reordered"])
def test_the_change_is_on_record(changed: tuple[Session, RunResult], rule: str, change: str) -> None:
    """No silent schema change: the ledger says what was done to the table."""
    session, _ = changed
    sql = f"select notes from headgate.publications where dataset = 'main.{rule}_{change}' order by publication_id desc limit 1"
    notes = session.query(sql).to_pylist()[0]["notes"]
    said = {"added": ("added: c", "ignore: c"), "removed": ("dropped: b", "new rows: b"), "renamed": ("added: c",)}
    assert any(words in notes for words in said.get(change, ("a changed from INTEGER", "a is cast from"))), notes
