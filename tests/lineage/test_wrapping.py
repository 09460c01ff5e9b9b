"""A query that is wrapped means what it meant: the golden queries inside a subquery, a CTE, a union with themselves."""

from __future__ import annotations

from pathlib import Path

import pytest

from headgate.lineage.change import classify
from headgate.lineage.columns import trace
from headgate.spec.lineage import ModelLineage

CASES = Path(__file__).parent / "cases"
TOPICS = sorted(p.stem for p in CASES.glob("*.sql") if p.stem != "tables")
TABLES = {
    "t": {
        "id": "INTEGER",
        "a": "INTEGER",
        "b": "INTEGER",
        "s": "STRUCT(x INTEGER, y STRUCT(z INTEGER))",
        "l": "INTEGER[]",
        "grp": "VARCHAR",
    },
    "u": {"id": "INTEGER", "a": "INTEGER", "c": "INTEGER"},
    "v": {"id": "INTEGER", "d": "DATE", "amt": "DECIMAL(10,2)", "name": "VARCHAR"},
    "o": {"id": "INTEGER", "name": "VARCHAR", "tree": "STRUCT(k VARCHAR, n INTEGER)[]"},
}
WRAPPERS = {
    "a subquery": "select * from ({q}) as wrapped",
    "a CTE": "with wrapped as ({q}) select * from wrapped",
    "a CTE under a table's name": "with t as ({q}) select w.* from t as w",
    "parentheses": "({q})",
    "FROM first": "from ({q})",
    "two subqueries": "select * from (select * from ({q}) as one) as two",
}


def _queries(topic: str) -> list[str]:
    return [q.strip() for q in (CASES / f"{topic}.sql").read_text().split(";\n") if q.strip()]


def _meaning(lineage: ModelLineage) -> list[object]:
    columns = [(c.name, c.sources, c.origin, c.unknown, c.type) for c in lineage.columns]
    return [columns, lineage.inputs, lineage.indirect, lineage.wild, lineage.unknown]


@pytest.mark.parametrize("wrapper", WRAPPERS)
@pytest.mark.parametrize("topic", TOPICS)
def test_wrapping_changes_neither_lineage_nor_meaning(topic: str, wrapper: str) -> None:
    for sql in _queries(topic):
        if wrapper == "parentheses" and "pivot" in sql.split()[0]:
            continue  # the parser reads a parenthesised PIVOT only in FROM and in WITH
        wrapped = WRAPPERS[wrapper].format(q=sql)
        assert _meaning(trace(wrapped, TABLES, name="m")) == _meaning(trace(sql, TABLES, name="m")), wrapped
        change = classify(sql, wrapped, TABLES)
        assert change.kind == "cosmetic", (wrapped, change.reason)


@pytest.mark.parametrize("topic", TOPICS)
def test_a_union_with_itself_has_the_same_sources(topic: str) -> None:
    for sql in _queries(topic):
        once = trace(sql, TABLES, name="m")
        if any(c.name == "*" for c in once.columns):
            continue  # branches meet by position, and positions are not known
        twice = trace(f"with q as ({sql}) from q union all from q", TABLES, name="m")
        assert [(c.name, c.sources, c.unknown) for c in once.columns] == [
            (c.name, c.sources, c.unknown) for c in twice.columns
        ], sql


@pytest.mark.parametrize("topic", TOPICS)
def test_a_schema_made_of_inferred_types_gives_the_same_names(topic: str) -> None:
    """What one model is inferred to be is what the next one reads."""
    for sql in _queries(topic):
        schema = {c.name: c.type for c in trace(sql, TABLES, name="made").columns}
        following = [c.name for c in trace("select * from made", {"made": schema}, name="m").columns]
        assert [name for name in following if name != "*"] == [name for name in schema if name != "*"], sql
