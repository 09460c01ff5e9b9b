"""Places of mistakes in SQL text, and which relations a text reads."""

from __future__ import annotations

import pytest

from headgate.lineage.parse import SqlSyntax, parse_select
from headgate.lineage.refs import relations_read
from headgate.spec.errors import DeclarationError

MISTAKES = [
    ("select a,\n  b c d\nfrom t", 2, 7, "d"),
    ("select * fro t", 1, 14, "t"),
    ("select a from t where x = \n\n  group by a", 3, 3, "group by"),
    ("select (a from t", 1, 11, "from"),
    ("select a\nfrom t\nwhere x in (1, 2", 3, 16, "2"),
    ("select 'abc\n from t", 1, 8, "'abc"),
    ("select a, -- it's fine\n  \"b from t", 2, 3, '"b from t'),
    ("select a /* never\nclosed", 1, 10, "/* never"),
    ("-- a note\n\ncreate table x as select 1", 3, 1, "create"),
    ("select 1;\n\nselect 2", 3, 1, "select"),
    ("select a from", 1, 14, "from"),
    ("  \n-- nothing\n", 1, 1, ""),
]


@pytest.mark.parametrize(("sql", "line", "column", "near"), MISTAKES)
def test_a_mistake_is_told_with_its_place(sql: str, line: int, column: int, near: str) -> None:
    with pytest.raises(SqlSyntax) as caught:
        parse_select(sql)
    assert (caught.value.line, caught.value.column, caught.value.near) == (line, column, near)
    assert caught.value.reason
    assert "<class" not in str(caught.value) and "Token" not in str(caught.value)


def test_a_mistake_becomes_one_of_the_project() -> None:
    with pytest.raises(SqlSyntax) as caught:
        parse_select("select a,\n  b c d\nfrom t")
    error = caught.value.at("models/m.sql", line_offset=3)
    assert isinstance(error, DeclarationError)
    assert str(error.diagnostics[0].location) == "models/m.sql:5:7"


@pytest.mark.parametrize(
    "sql",
    [
        "select 1",
        "from t",
        "values (1)",
        "(select 1) union all select 2;",
        "pivot t on a using sum(b)",
        "unpivot t on a, b",
        "with x as (select 1) from x",
    ],
)
def test_every_form_of_query_is_read(sql: str) -> None:
    parse_select(sql)


@pytest.mark.parametrize(
    ("sql", "relations"),
    [
        ('select * from "Lake"."marts"."X" join s.y using (id), z', ("lake.marts.x", "s.y", "z")),
        ("with t as (select * from t) select * from t", ("t",)),
        ("with a as (select * from b), b as (select 1) select * from a, b", ("b",)),
        ("with recursive r as (select 1 as n union all select n + 1 from r) select * from r", ()),
        ("select (select max(x) from u) from t where exists (from v)", ("t", "u", "v")),
        ("select * from (with q as (from t) from q), q", ("t", "q")),
        ("select * from range(3), read_parquet('x'), unnest([1])", ()),
        ('select * from "a.b"."c"', ('"a.b".c',)),
        ("with t as (select 1) select * from s.t", ("s.t",)),
    ],
)
def test_relations_read(sql: str, relations: tuple[str, ...]) -> None:
    assert sorted(relations_read(sql)) == sorted(relations)
