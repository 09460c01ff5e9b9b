"""Which downstream models an edit touches, against a second opinion: the whole project as one query.

A model is untouched exactly if the query that inlines everything it reads means the same before and after the edit. That is
told by prints of whole queries, on another path than the column lineage that `affected` walks.
"""

from __future__ import annotations

from headgate.lineage.build import build
from headgate.lineage.change import classify
from headgate.lineage.impact import affected
from headgate.lineage.project import LineageGraph
from headgate.spec.lineage import Change

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


def _change(graph: LineageGraph, relation: str, sql: str) -> Change:
    inputs = {
        i.relation: {c: k or "" for c, k in (graph.schema(i.relation) or {}).items()} for i in graph.lineage(relation).inputs
    }
    return classify(MODELS[relation], sql, inputs)


def test_affected_agrees_with_the_whole_project_as_one_query() -> None:
    graph = build(MODELS, RAW)
    compared = 0
    for relation, edits in EDITS.items():
        for sql in edits:
            told = affected(graph, relation, _change(graph, relation, sql))
            assert tuple(told) == graph.downstream(relation)
            edited = {**MODELS, relation: sql}
            for name, reason in told.items():
                old, new = _inlined(graph, MODELS, name), _inlined(graph, edited, name)
                truth = classify(old, new, RAW)
                touched = truth.kind not in ("none", "cosmetic") and truth.reason != "rows are stored in another order"
                assert (reason is not None) == touched, (relation, sql, name, reason, truth)
                compared += 1
    assert compared > 80


def test_reasons_are_words() -> None:
    graph = build(MODELS, RAW)
    change = _change(graph, "stg", EDITS["stg"][2])
    told = affected(graph, "stg", change)
    assert told["names"] is None
    assert told["by_grp"] == "reads stg.amount, which changed"
    assert told["kept"] == "reads stg.amount, which changed (it decides the rows: filter)"
    assert told["star_more"] == "reads by_grp.total, which changed with stg"
    added = affected(graph, "stg", _change(graph, "stg", EDITS["stg"][1]))
    assert added["star"] == "takes every column of stg: extra comes with it"
    assert [name for name, reason in added.items() if reason] == ["star", "star_more"]


def test_a_removed_column_breaks_who_names_it() -> None:
    graph = build(MODELS, RAW)
    told = affected(graph, "stg", _change(graph, "stg", "select id, grp, amount from raw_events"))
    assert told["names"] == "reads stg.k, which was removed"
    assert told["star"] == "takes every column of stg: k goes with it"
    assert told["by_grp"] is None and told["picked"] is None


def test_what_cannot_be_told_counts_as_touched() -> None:
    models = {
        "a": "select x, y from src",
        "b": "select a.q from a join elsewhere e using (x)",
        "c": "select * from a natural join far",
    }
    graph = build(models, {"src": {"x": "INTEGER", "y": "INTEGER"}})
    change = classify(models["a"], "select x, y + 1 as y from src", {"src": {"x": "INTEGER", "y": "INTEGER"}})
    told = affected(graph, "a", change)
    assert told["c"] is not None
