"""Golden pairs: every query of `cases/*.sql` has its lineage beside it in `cases/*.lineage`.

`HEADGATE_WRITE_CASES=1 pytest tests/lineage/test_cases.py` writes the second from the first; read the difference before
you commit it. What the golden files say is weighed against DuckDB itself in `test_truth.py`.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from headgate.lineage.columns import trace
from headgate.spec.lineage import ModelLineage

CASES = Path(__file__).parent / "cases"
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
TOPICS = sorted(p.stem for p in CASES.glob("*.sql") if p.stem != "tables")


def queries(topic: str) -> list[str]:
    text = (CASES / f"{topic}.sql").read_text()
    return [q.strip() for q in text.split(";\n") if q.strip()]


def told(sql: str) -> str:
    """The lineage of a query as the golden files write it."""
    return "\n".join([*("> " + line for line in sql.splitlines()), *_lines(trace(sql, TABLES, name="m"))])


def _lines(lineage: ModelLineage) -> list[str]:
    lines = []
    for column in lineage.columns:
        sources = [f"{'.'.join((s.relation, s.column, *s.path))} ({s.kind})" for s in column.sources]
        text = f"{column.name} [{column.type or '?'}] <- {', '.join(sources) or column.origin}"
        lines.append(text + (f" ?? {column.unknown}" if column.unknown else ""))
    if lineage.indirect:
        lines.append("rows <- " + ", ".join(f"{i.relation}.{i.column} ({i.kind})" for i in lineage.indirect))
    lines += [f"external {i.relation}" for i in lineage.inputs if i.external]
    if lineage.wild:
        lines.append("every column of " + ", ".join(lineage.wild))
    return lines + [f"?? {reason}" for reason in lineage.unknown]


@pytest.mark.parametrize("topic", TOPICS)
def test_lineage_is_as_written_down(topic: str) -> None:
    now = "\n\n".join(told(sql) for sql in queries(topic)) + "\n"
    expected = CASES / f"{topic}.lineage"
    if os.environ.get("HEADGATE_WRITE_CASES"):
        expected.write_text(now)
    assert now == expected.read_text()


@pytest.mark.parametrize("topic", TOPICS)
def test_nothing_is_empty(topic: str) -> None:
    """Every column has sources, or says that it is constant or made of rows, or says why it is not known."""
    for sql in queries(topic):
        for column in trace(sql, TABLES, name="m").columns:
            assert column.sources or column.origin in ("constant", "rows") or column.unknown, sql
