"""The lineage of whole projects: the cache, questions up and down, agreement with `sqlglot.lineage`."""

from __future__ import annotations

import json
import time

import pytest
import sqlglot
from sqlglot import exp
from sqlglot.lineage import lineage as sqlglot_lineage

from headgate.lineage.build import build
from headgate.lineage.project import LineageGraph
from headgate.spec.errors import DeclarationError

RAW = {"raw.orders": {"id": "BIGINT", "customer": "VARCHAR", "amount": "DECIMAL(10,2)", "at": "TIMESTAMP"}}
SHOP = {
    "staging.stg": "select id, customer, amount, at::date as day from raw.orders where amount > 0",
    "marts.daily": "select day, sum(amount) as revenue, count(*) as n from staging.stg group by day",
    "marts.wide": "with s as (select * from staging.stg) select s.*, d.revenue from s join marts.daily d using (day)",
    "marts.top": "select customer from marts.wide qualify row_number() over (order by revenue desc) = 1",
}


def generated(count: int) -> tuple[dict[str, str], dict[str, dict[str, str]]]:
    """A small project with stars, CTEs, windows, joins, CASE and functions, each model on earlier ones."""
    models: dict[str, str] = {}
    for i in range(count):
        a = f"m{max(0, i - 1 - i % 3)}" if i else "events"
        b = f"m{max(0, i - 2 - i % 5)}" if i > 1 else a
        if i == 0:
            models["m0"] = (
                "with src as (select * from events) select id, grp, amount as v0, amount * 2 as v1, upper(k) as s from src"
            )
        elif i % 2:
            models[f"m{i}"] = (
                f"with a as (from {a}), b as (select id, grp, sum(v0) over (partition by grp order by id) as v0, v1, s"
                " from a)"
                " select id, grp, coalesce(v0, 0) as v0, v1 + v0 as v1, case when v1 > v0 then s else 'x' end as s from b"
            )
        else:
            models[f"m{i}"] = (
                f"select x.id, x.grp, x.v0 + coalesce(y.v0, 0) as v0, greatest(x.v1, y.v1) as v1, concat(y.s, '-') as s"
                f" from {a} x left join {b} y on y.id = x.id"
            )
    return models, {"events": {"id": "BIGINT", "grp": "BIGINT", "amount": "DOUBLE", "k": "VARCHAR"}}


def test_edges_are_those_of_sqlglot_lineage() -> None:
    models, schemas = generated(40)
    graph = build(models, schemas)
    compared = 0
    for name, sql in models.items():
        known = {
            r.relation: {c: k or "unknown" for c, k in (graph.schema(r.relation) or {}).items()}
            for r in graph.lineage(name).inputs
        }
        for column in sqlglot.parse_one(sql, dialect="duckdb").named_selects:
            nodes = sqlglot_lineage(column, sql, schema=known, dialect="duckdb").walk()
            theirs = {
                (n.source.name, n.name.rpartition(".")[2].strip('"'))
                for n in nodes
                if not n.downstream and isinstance(n.source, exp.Table)
            }
            ours = graph.lineage(name).column(column)
            assert ours is not None
            assert {(s.relation, s.column) for s in ours.sources} == theirs, (name, column)
            compared += 1
    assert compared == 200


def test_questions_up_and_down() -> None:
    graph = build(SHOP, RAW)
    assert graph.models == ("staging.stg", "marts.daily", "marts.wide", "marts.top")
    assert graph.downstream("raw.orders") == graph.models
    assert graph.downstream("marts.daily") == ("marts.wide", "marts.top")
    assert graph.upstream("marts.top", 1) == ("marts.wide",)
    assert graph.downstream_columns(("raw.orders", "amount")) == (
        ("staging.stg", "amount"),
        ("marts.daily", "revenue"),
        ("marts.wide", "amount"),
        ("marts.wide", "revenue"),
    )
    assert ("marts.top", "customer") in graph.downstream_columns(("raw.orders", "amount"), rows=True)
    assert graph.upstream_columns(("marts.wide", "Revenue")) == (
        ("marts.daily", "revenue"),
        ("staging.stg", "amount"),
        ("raw.orders", "amount"),
    )
    assert graph.unknowns() == ()
    assert graph.schema("marts.daily") == {"day": "DATE", "revenue": "DECIMAL(38, 2)", "n": "BIGINT"}


def test_names_match_in_any_spelling() -> None:
    models = {'"lake"."marts"."M"': 'select "ID" as x from "Lake"."Raw"."T"'}
    graph = build(models, {'lake."RAW".t': {"Id": "INTEGER"}})
    column = graph.lineage("LAKE.marts.m").columns[0]
    assert [(s.relation, s.column) for s in column.sources] == [("lake.raw.t", "Id")]
    assert graph.downstream_columns(('"lake"."raw"."T"', "ID")) == (("lake.marts.m", "x"),)


def test_the_stored_graph_is_the_graph() -> None:
    graph = build(SHOP, RAW)
    text = graph.to_json()
    again = LineageGraph.from_json(text)
    assert again is not None
    assert [again.lineage(n) for n in again.models] == [graph.lineage(n) for n in graph.models]
    assert again.to_json() == text
    assert again.stale(SHOP, RAW) == ()


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"format":0,"models":[]}', '{"format":1,"models":[[1]],"schemas":{}}', "null"])
def test_a_damaged_cache_is_no_graph(text: str) -> None:
    assert LineageGraph.from_json(text) is None


def test_an_edit_costs_one_model_unless_its_columns_change() -> None:
    first = build(SHOP, RAW)
    stored = LineageGraph.from_json(first.to_json())
    assert stored is not None
    same_columns = {**SHOP, "staging.stg": SHOP["staging.stg"] + " and amount < 100"}
    assert stored.stale(same_columns, RAW) == ("staging.stg",)
    second = build(same_columns, RAW, known=stored)
    assert [n for n in second.models if second.entries[n] is not stored.entries[n]] == ["staging.stg"]
    more_columns = {**SHOP, "staging.stg": SHOP["staging.stg"].replace("customer,", "customer, at,")}
    third = build(more_columns, RAW, known=stored)
    assert [n for n in third.models if third.entries[n] is not stored.entries[n]] == [
        "staging.stg",
        "marts.daily",
        "marts.wide",
        "marts.top",
    ]
    assert json.loads(third.to_json()) == json.loads(build(more_columns, RAW).to_json())


def test_a_declared_schema_that_changes_is_noticed() -> None:
    graph = build(SHOP, RAW)
    other = {"raw.orders": {**RAW["raw.orders"], "amount": "DOUBLE"}}
    assert graph.stale(SHOP, other) == ("staging.stg",)
    assert (build(SHOP, other, known=graph).schema("marts.daily") or {})["revenue"] == "DOUBLE"


def test_mistakes_name_the_model() -> None:
    with pytest.raises(DeclarationError, match=r"marts\.bad:2:10"):
        build({"marts.bad": "select a\nfrom t b c"}, {})
    with pytest.raises(DeclarationError, match="a reads b reads a"):
        build({"a": "select * from b", "b": "select * from a"}, {})


def test_unknown_columns_travel_and_are_said() -> None:
    graph = build({"a": "select *, 1 as k from nowhere", "b": "select x, k from a", "c": "select * from b"}, {})
    assert graph.schema("a") == {"*": None, "k": "INTEGER"}
    assert graph.upstream_columns(("c", "x")) == (("b", "x"), ("a", "x"), ("nowhere", "x"))
    assert [u[:2] for u in graph.unknowns()] == [("a", "*")]


def test_five_hundred_models_are_quick() -> None:
    """A generous guard against quadratic work; the benchmark has the figures."""
    models, schemas = generated(500)
    began = time.process_time()
    graph = build(models, schemas)
    built = time.process_time() - began
    began = time.process_time()
    build({**models, "m250": models["m250"] + " where 1 = 1"}, schemas, known=graph)
    assert built < 5
    assert time.process_time() - began < 0.5
