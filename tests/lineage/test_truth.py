"""The golden queries against DuckDB itself.

Names and types: what DuckDB describes is what the lineage says. Sources: the data of one column is altered, the query
runs again, and an output column that changes must have that column among its sources or among what decides the rows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from headgate.lineage.columns import trace
from headgate.lineage.refs import relations_read
from headgate.spec.lineage import ModelLineage

CASES = Path(__file__).parent / "cases"
TOPICS = sorted(p.stem for p in CASES.glob("*.sql") if p.stem not in ("tables", "unknown"))
# How a column of each type is altered: every row a little, and one row so that order and comparisons turn around.
ALTERED = {
    "INTEGER": ("{c} + 1", "case when id = 1 then {c} + 1000 else {c} end", "case when id = 2 then {c} - 7 else {c} end"),
    "VARCHAR": ("{c} || 'z'", "case when id = 1 then 'zz' else {c} end"),
    "DATE": ("{c} + interval 400 day", "case when id = 1 then {c} + interval 9000 day else {c} end"),
    "DECIMAL(10,2)": ("{c} + 1", "case when id = 1 then {c} + 100 else {c} end"),
    "INTEGER[]": ("list_transform({c}, lambda e: e + 1)", "case when id = 1 then [9] else {c} end"),
    "STRUCT(x INTEGER, y STRUCT(z INTEGER))": ("{{'x': {c}.x + 1, 'y': {{'z': {c}.y.z + 1}}}}",),
    "STRUCT(k VARCHAR, n INTEGER)[]": ("list_transform({c}, lambda e: {{'k': e.k || 'z', 'n': e.n + 1}})", "{c}[:1]"),
}


def _queries(topic: str) -> list[str]:
    return [q.strip() for q in (CASES / f"{topic}.sql").read_text().split(";\n") if q.strip()]


class World:
    """The tables of the cases, and one variant of them, in a schema of its own, for every alteration of a column."""

    def __init__(self) -> None:
        self.con = duckdb.connect()
        self.con.execute((CASES / "tables.sql").read_text())
        self.tables = {t: {name: kind for name, kind, *_ in self.con.execute(f"describe {t}").fetchall()} for t in "tuvo"}
        self.variants: list[tuple[str, str, str]] = []
        for table, columns in self.tables.items():
            for column, kind in columns.items():
                for number, change in enumerate(ALTERED[kind]):
                    self._variant(f"{table}_{column}_{number}", table, column, change.format(c=column))

    def _variant(self, schema: str, table: str, column: str, change: str) -> None:
        self.con.execute(f"create schema {schema}")
        for other in self.tables:
            star = f"* replace (({change})::{self.tables[table][column]} as {column})" if other == table else "*"
            self.con.execute(f"create table {schema}.{other} as select {star} from main.{other}")
        self.variants.append((schema, table, column))

    def run(self, sql: str, schema: str = "main") -> tuple[list[str], list[Counter[str]]]:
        """Names and, per output column, the values without order."""
        self.con.execute(f"use memory.{schema}")
        result = self.con.execute(sql)
        names = [d[0] for d in result.description]
        rows = result.fetchall()
        return names, [Counter(_text(row[i]) for row in rows) for i in range(len(names))]

    def types(self, sql: str) -> list[str] | None:
        if sql.startswith(("pivot", "unpivot")):
            return None
        self.con.execute("use memory.main")
        return [row[1] for row in self.con.execute(f"describe select * from ({sql})").fetchall()]


def _text(value: Any) -> str:
    return repr(sorted(map(repr, value))) if isinstance(value, list) else repr(value)


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    made = World()
    yield made
    made.con.close()


@pytest.mark.parametrize("topic", TOPICS)
def test_names_and_types_are_those_of_duckdb(topic: str, world: World) -> None:
    for sql in _queries(topic):
        lineage = trace(sql, world.tables, name="m")
        names, _ = world.run(sql)
        if any(c.name == "*" for c in lineage.columns):  # PIVOT without a list: columns come from data, and it is said
            assert any(c.unknown for c in lineage.columns)
            continue
        assert [_plain(c.name, names[i]) for i, c in enumerate(lineage.columns)] == names, sql
        types = world.types(sql) or [None] * len(names)
        for column, kind in zip(lineage.columns, types, strict=True):
            if column.type is not None and kind is not None:
                assert _bare(column.type) == _bare(kind), (sql, column.name)


def _plain(name: str, wanted: str) -> str:
    """DuckDB adds `_1` to a second column of one name only where a table is made of the result."""
    return wanted if name.rpartition("_")[0] == wanted and name.rpartition("_")[2].isdigit() else name


def _bare(kind: str) -> str:
    return kind.replace(" ", "").replace('"', "").upper()


@pytest.mark.parametrize("topic", TOPICS)
def test_an_altered_column_alters_only_what_lineage_says(topic: str, world: World) -> None:
    for sql in _queries(topic):
        lineage = trace(sql, world.tables, name="m")
        read = set(relations_read(sql))
        names, before = world.run(sql)
        for schema, table, column in world.variants:
            if table not in read:
                continue
            try:
                now_names, now = world.run(sql, schema)
            except duckdb.Error:  # the altered data does not fit the query (a cast, a division): nothing to compare
                continue
            if now_names == names:
                _weigh(sql, lineage, (table, column), before, now)


def _weigh(sql: str, lineage: ModelLineage, ref: tuple[str, str], before: list[Counter[str]], now: list[Counter[str]]) -> None:
    decides_rows = any((i.relation, i.column) == ref for i in lineage.indirect)
    for place, (old, new) in enumerate(zip(before, now, strict=True)):
        if old == new or decides_rows or len(lineage.columns) <= place or lineage.columns[place].unknown:
            continue
        told = {(s.relation, s.column) for s in lineage.columns[place].sources}
        assert ref in told, f"{lineage.columns[place].name} of «{sql}» depends on {'.'.join(ref)}"
