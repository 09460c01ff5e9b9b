"""Edits and what they mean: golden pairs in `cases/edits.txt`, old text behind `-`, new text behind `+`, the answer below.

`HEADGATE_WRITE_CASES=1 pytest tests/lineage/test_change.py` writes the answers; read the difference before you commit it.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from headgate.lineage.change import classify, fingerprint
from headgate.lineage.parse import SqlSyntax, parse_select

EDITS = Path(__file__).parent / "cases" / "edits.txt"
TABLES = {
    "t": {"id": "INTEGER", "a": "INTEGER", "b": "INTEGER", "s": "STRUCT(x INTEGER, y STRUCT(z INTEGER))", "l": "INTEGER[]"}
    | {"grp": "VARCHAR"},
    "u": {"id": "INTEGER", "a": "INTEGER", "c": "INTEGER"},
    "v": {"id": "INTEGER", "d": "DATE", "amt": "DECIMAL(10,2)", "name": "VARCHAR"},
}


def _blocks() -> list[str]:
    return EDITS.read_text().strip().split("\n\n")


def _sides(block: str) -> tuple[str, str, list[str]]:
    lines = block.splitlines()
    old = "\n".join(line[2:] for line in lines if line.startswith("- "))
    new = "\n".join(line[2:] for line in lines if line.startswith("+ "))
    return old, new, [line for line in lines if line.startswith(("- ", "+ "))]


def test_edits_mean_what_is_written_down() -> None:
    told = []
    for block in _blocks():
        old, new, lines = _sides(block)
        change = classify(old, new, TABLES)
        lines.append(f"{change.kind}: {change.reason}")
        lines += [f"  {c.name} {c.kind}: {c.reason}" for c in change.columns if c.kind != "unchanged"]
        told.append("\n".join(lines))
    now = "\n\n".join(told) + "\n"
    if os.environ.get("HEADGATE_WRITE_CASES"):
        EDITS.write_text(now)
    assert now == EDITS.read_text()


@pytest.mark.parametrize("block", _blocks())
def test_no_edit_at_all_is_none(block: str) -> None:
    old, new, _ = _sides(block)
    assert classify(old, old, TABLES).kind == "none"
    assert classify(new + "\n", new, TABLES).kind == "none"


def test_every_edit_that_is_breaking_one_way_is_an_edit_the_other_way() -> None:
    for block in _blocks():
        old, new, _ = _sides(block)
        there, back = classify(old, new, TABLES).kind, classify(new, old, TABLES).kind
        assert (there in ("none", "cosmetic")) == (back in ("none", "cosmetic")), block


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("select a from t", "SELECT\n  A -- the first\nFROM /* x */ T"),
        ("select a from t where (a > 1)", 'select "a" from "t" where ((a) > (1))'),
        ("select a from t where a = 1 and b = 2 and id = 3", "select a from t where (id = 3 and b = 2) and 1 = a"),
        ("select cast(a as int) from t", "select a::integer from t"),
        ("select a from t;", "select a from t"),
    ],
)
def test_spelling_does_not_reach_the_fingerprint(one: str, other: str) -> None:
    assert fingerprint(parse_select(one)) == fingerprint(parse_select(other))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("select a from t", "select b from t"),
        ("select 'A'", "select 'a'"),
        ("select a - b from t", "select b - a from t"),
        ("select a from t limit 1", "select a from t limit 2"),
        ("select a from t order by a", "select a from t order by a desc"),
        ("select 1", "select '1'"),
    ],
)
def test_meaning_reaches_the_fingerprint(one: str, other: str) -> None:
    assert fingerprint(parse_select(one)) != fingerprint(parse_select(other))


def test_the_fingerprint_is_equal_in_every_process() -> None:
    sql = "select a, list_transform(l, x -> x + 1) as q from t join u using (id) where a in (1, 2)"
    code = (
        "import sys; from headgate.lineage.change import fingerprint; from headgate.lineage.parse import parse_select;"
        "sys.stdout.write(fingerprint(parse_select(sys.argv[1])))"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "7", "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", code, sql], capture_output=True, text=True, env=environment, check=True)
    assert done.stdout == fingerprint(parse_select(sql))


def test_text_that_is_no_query_is_refused() -> None:
    with pytest.raises(SqlSyntax):
        classify("select 1", "select from where", {})
