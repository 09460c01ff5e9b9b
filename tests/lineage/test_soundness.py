"""Edits at random, judged by DuckDB: what is called cosmetic gives the same data, what is called unchanged is unchanged.

Every golden query is altered in small ways (another column, another number, a clause dropped, a join turned). The claims of
`classify` that somebody relies on, "nothing to build" and "this column is as it was", are checked against real results.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import duckdb
import pytest
from sqlglot import exp

from headgate.lineage.change import classify
from headgate.lineage.parse import parse_select
from headgate.spec.errors import DeclarationError

CASES = Path(__file__).parent / "cases"
TOPICS = sorted(p.stem for p in CASES.glob("*.sql") if p.stem not in ("tables", "unknown"))
EDITS = int(os.environ.get("HEADGATE_LINEAGE_EDITS", "8"))
_DROPPED = ("where", "having", "qualify", "limit", "distinct", "order", "group")


@pytest.fixture(scope="module")
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    made = duckdb.connect()
    made.execute((CASES / "tables.sql").read_text())
    made.execute("insert into t select id + 3, a + 5, b, s, l, 'q' from t; insert into u values (5, 25, 400), (2, 21, 150)")
    yield made
    made.close()


def _edit(tree: exp.Expr, random: Random) -> str:
    """The query with one small thing altered."""
    node = random.choice([n for n in tree.walk() if not isinstance(n, (exp.Identifier, exp.TableAlias))])
    if isinstance(node, exp.Literal) and not node.is_string:
        node.replace(exp.Literal.number(int(float(node.name)) + random.choice((1, 2, 100))))
    elif isinstance(node, exp.Literal):
        node.replace(exp.Literal.string(random.choice(("p", "q", "n1", "%1", "a"))))
    elif isinstance(node, exp.Column) and isinstance(node.this, exp.Identifier):
        node.set("this", exp.to_identifier(random.choice(("id", "a", "b", "c", "grp"))))
    elif isinstance(node, exp.Select):
        given = [k for k in _DROPPED if node.args.get(k) is not None]
        if given and random.random() < 0.6:
            node.set(random.choice(given), None)
        elif len(node.expressions) > 1:
            node.set("expressions", random.sample(node.expressions, len(node.expressions) - random.randint(0, 1)))
    elif isinstance(node, exp.Join) and not node.method:
        node.set("side", random.choice(("LEFT", "RIGHT", "FULL", None)))
    elif isinstance(node, exp.SetOperation):
        node.set("distinct", not node.args.get("distinct"))
    elif isinstance(node, exp.Ordered):
        node.set("desc", not node.args.get("desc"))
    elif isinstance(node, (exp.Sum, exp.Max, exp.Min)):
        node.replace(random.choice((exp.Sum, exp.Max, exp.Min))(this=node.this))
    elif isinstance(node, exp.Table) and node.name in ("t", "u"):
        node.set("this", exp.to_identifier("u" if node.name == "t" else "t"))
    return tree.sql(dialect="duckdb")


def _run(con: duckdb.DuckDBPyConnection, sql: str) -> tuple[list[str], list[tuple[Any, ...]]] | None:
    try:
        result = con.execute(sql)
        return [d[0].lower() for d in result.description], result.fetchall()
    except duckdb.Error:  # the edit made no sense: nothing to compare
        return None


@pytest.mark.parametrize("topic", TOPICS)
def test_claims_hold(topic: str, con: duckdb.DuckDBPyConnection) -> None:
    tables = {
        t: {name: kind for name, kind, *_ in con.execute(f"describe {t}").fetchall()}
        for (t,) in con.execute("select table_name from duckdb_tables()").fetchall()
    }
    random = Random(topic)
    for sql in [q.strip() for q in (CASES / f"{topic}.sql").read_text().split(";\n") if q.strip()]:
        if "recursive" in sql:
            continue  # an edit could take away what ends it
        before = _run(con, sql)
        assert before is not None
        for _ in range(EDITS):
            edited = _edit(parse_select(sql), random)
            after = _run(con, edited)
            if after is None:
                continue
            try:
                change = classify(sql, edited, tables)
            except DeclarationError:
                continue
            if change.rows_changed is None:
                _weigh(f"{sql}\n=> {edited}\n{change}", change, before, after)


def _weigh(about: str, change: Any, before: Any, after: Any) -> None:
    if len(set(before[0])) < len(before[0]) or len(set(after[0])) < len(after[0]):
        return  # doubled names: columns cannot be told apart by name
    assert len(before[1]) == len(after[1]), about
    if change.kind in ("none", "cosmetic"):
        assert before[0] == after[0], about
    for name in change.named("unchanged"):
        if name != "*" and name.lower() in before[0] and name.lower() in after[0]:
            old, new = before[0].index(name.lower()), after[0].index(name.lower())
            assert Counter(_text(r[old]) for r in before[1]) == Counter(_text(r[new]) for r in after[1]), about


def _text(value: Any) -> str:
    return repr(sorted(map(repr, value))) if isinstance(value, list) else repr(value)
