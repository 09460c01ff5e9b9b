"""Which downstream models an edit touches, against a second opinion: the whole project as one query.

A model is untouched exactly if the query that inlines everything it reads means the same before and after the edit. That is
told by prints of whole queries, on another path than the column lineage that `carry` walks.
"""

from __future__ import annotations

import re

from headgate.lineage.build import build
from headgate.lineage.change import classify
from headgate.lineage.project import LineageGraph
from headgate.plan.touch import Touch, carry
from headgate.spec.errors import Location
from headgate.spec.lineage import Change
from headgate.spec.names import Relation
from headgate.spec.project import Node

RAW = {"raw_events": {"id": "BIGINT", "grp": "BIGINT", "amount": "DOUBLE", "k": "VARCHAR"}}
MODELS = {
    "stg": "select id, grp, amount, upper(k) as k from raw_events",
    "by_grp": "select grp, sum(amount) as total, count(*) as n from stg group by grp",
    "names": "select id, k from stg",
    "kept": "select id, k from stg where amount > 10",
    "star": "select * from stg",
    "star_more": "select s.*, b.total from star s join by_grp b using (grp)",
    "picked": "with s as (select * from star) select id, grp from s",
    "ranked": "select id, row_number() over (partition by grp order by amount) as r from stg",
    "labels": "select id, case when amount > 5 then 'big' else k end as label from stg",
    "counts": "select count(*) as n from names",
    "ordered": "select id from stg order by amount",
    "top": "select id from stg order by amount limit 1",
    "both": "select id, k from names union all select id, label from labels",
}
EDITS = {
    "stg": [
        "select id, grp, amount, upper(k) as k from raw_events -- the same",
        "select id, grp, amount, upper(k) as k, 1 as extra from raw_events",
        "select id, grp, amount * 2 as amount, upper(k) as k from raw_events",
        "select id, grp, amount, lower(k) as k from raw_events",
        "select id, grp, amount, upper(k) as k from raw_events where id > 1",
        "select id, grp + 1 as grp, amount, upper(k) as k from raw_events",
        "with s as (select * from raw_events) select s.id, grp, amount, upper(s.k) as k from s",
    ],
    "labels": ["select id, case when amount > 6 then 'big' else k end as label from stg"],
    "by_grp": ["select grp, avg(amount) as total, count(*) as n from stg group by grp"],
    "star": ["select * exclude (k) from stg", "select *, 1 as extra from stg"],
}


def _inlined(graph: LineageGraph, models: dict[str, str], name: str) -> str:
    needed = {name, *graph.upstream(name)}
    ctes = ", ".join(f"{n} as ({models[n]}\n)" for n in graph.models if n in needed)
    return f"with {ctes} select * from {name}"


def _lineages() -> LineageGraph:
    """The same project as a plan sees it: every relation with the lake's name and a schema."""
    names = re.compile(rf"\b(from|join) ({'|'.join([*RAW, *MODELS])})\b(?!\s*\.)")
    qualified = {f"lake.m.{n}": names.sub(r"\1 lake.m.\2 as \2", sql) for n, sql in MODELS.items()}
    qualified = {n: re.sub(r" as \w+ (?=s join|b using)", " ", sql) for n, sql in qualified.items()}
    qualified["lake.m.picked"] = "with s as (select * from lake.m.star) select id, grp from s"
    return build(qualified, {"lake.m.raw_events": RAW["raw_events"]})


def _node(name: str, sql: str) -> Node:
    place = Location(f"models/{name}.sql")
    return Node(f"model.p.{name}", "model", name, "p", Relation("m", name), place, place.file, "sql", sql, "table")


def _touch(change: Change) -> Touch:
    return Touch(
        bool(change.rows_changed),
        frozenset(c.lower() for c in change.named("changed", "type_changed")),
        frozenset(c.lower() for c in change.named("removed")),
        frozenset(c.lower() for c in change.named("added")),
    )


def _affected(graph: LineageGraph, relation: str, sql: str) -> dict[str, tuple[str, ...]]:
    """What `carry` says of everything below `relation` when its query becomes `sql`, carried from model to model."""
    plain = build(MODELS, RAW)
    inputs = {
        i.relation: {c: k or "" for c, k in (plain.schema(i.relation) or {}).items()} for i in plain.lineage(relation).inputs
    }
    touched = {f"m.{relation}": _touch(classify(MODELS[relation], sql, inputs))}
    told: dict[str, tuple[str, ...]] = {}
    for full in graph.downstream(f"lake.m.{relation}"):
        name = full.rsplit(".", 1)[1]
        parents = {i.relation.removeprefix("lake.") for i in graph.lineage(full).inputs}
        causes = {dataset: touch for dataset, touch in touched.items() if dataset in parents}
        carried = carry(_node(name, MODELS[name]), causes, "lake", lambda _, full=full: graph.lineage(full))
        touched[f"m.{name}"], told[name] = carried.touch, carried.reasons
    return told


def test_carry_agrees_with_the_whole_project_as_one_query() -> None:
    graph, plain = _lineages(), build(MODELS, RAW)
    compared = 0
    for relation, edits in EDITS.items():
        for sql in edits:
            edited = {**MODELS, relation: sql}
            for name, reasons in _affected(graph, relation, sql).items():
                truth = classify(_inlined(plain, MODELS, name), _inlined(plain, edited, name), RAW)
                touched = truth.kind not in ("none", "cosmetic") and truth.reason != "rows are stored in another order"
                assert bool(reasons) == touched, (relation, sql, name, reasons, truth)
                compared += 1
    assert compared > 80


def test_reasons_are_words() -> None:
    graph = _lineages()
    told = _affected(graph, "stg", EDITS["stg"][2])
    assert told["names"] == ()
    assert told["by_grp"] == ("reads m.stg.amount, which changed",)
    assert told["kept"] == ("its rows depend on m.stg.amount, which changed",)
    assert "reads m.by_grp.total, which changed" in told["star_more"]
    added = _affected(graph, "stg", EDITS["stg"][1])
    assert added["star"] == ("takes every column of m.stg, which has extra now",)
    assert [name for name, reasons in added.items() if reasons] == ["star", "star_more"]


def test_a_removed_column_breaks_who_names_it() -> None:
    told = _affected(_lineages(), "stg", "select id, grp, amount from raw_events")
    assert "reads m.stg.k, which was removed" in told["names"]
    assert told["star"] and told["by_grp"] == ()


def test_what_cannot_be_told_counts_as_touched() -> None:
    graph = build({"lake.m.c": "select * from lake.m.a natural join lake.m.far"}, {"lake.m.a": {"x": "INTEGER", "y": "INTEGER"}})
    carried = carry(_node("c", ""), {"m.a": Touch(changed=frozenset({"y"}))}, "lake", lambda _: graph.lineage("lake.m.c"))
    assert carried.affected
