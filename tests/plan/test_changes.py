"""Edits of models: what they mean, whom they touch, in this run and in later ones."""

from __future__ import annotations

from typing import Any

import pytest

from headgate.plan.versions import unchanged

STG = "id INTEGER, a INTEGER, b INTEGER, at DATE"


def todo(world: Any, **asked: Any) -> list[str]:
    return [s.dataset.partition(".")[2] for s in world.plan(**asked).todo]


def test_comments_and_formatting_are_no_change(shop: Any) -> None:
    shop.node("fct", "SELECT id,\n  (a + 1) AS a1, b -- said\nFROM {stg}")
    assert todo(shop) == []
    assert "means the same" in shop.step("fct").reason


def test_an_added_column_rebuilds_only_the_model(shop: Any) -> None:
    shop.node("fct", "select id, a + 1 as a1, b, at from {stg}")
    plan = shop.plan()
    step = shop.of(plan, "fct")
    assert (step.status, [s.dataset for s in plan.todo]) == ("changed", ["marts.fct"])
    assert [(c.column, c.kind) for c in step.column_changes] == [("at", "added")]
    assert shop.of(plan, "mart").reason.endswith("what changed in marts.fct is not used here")
    shop.publish(plan, {"fct": "id INTEGER, a1 INTEGER, b INTEGER, at DATE"})
    assert todo(shop) == []  # and not in the next run either, although the version of fct is another


def test_a_star_takes_an_added_column(shop: Any) -> None:
    shop.node("wide", "select * from {fct}")
    shop.publish(shop.plan(), {"wide": "id INTEGER, a1 INTEGER, b INTEGER"})
    shop.node("fct", "select id, a + 1 as a1, b, at from {stg}")
    assert todo(shop) == ["fct", "wide"]
    shop.publish(shop.plan(selected=["model.p.fct"]), {"fct": "id INTEGER, a1 INTEGER, b INTEGER, at DATE"})
    assert todo(shop) == ["wide"]  # also when the model was built alone before


def test_a_breaking_column_rebuilds_its_consumers_alone(shop: Any) -> None:
    shop.node("by_b", "select b, count(*) as n from {fct} group by 1")
    shop.settle()
    shop.node("fct", "select id, a + 1 as a1, b * 2 as b from {stg}")
    plan = shop.plan()
    step = shop.of(plan, "fct")
    assert (step.status, [s.dataset for s in plan.todo]) == ("changed_breaking", ["marts.fct", "marts.by_b"])
    assert step.consumers == {"marts.by_b": ("*",)}
    assert "marts.fct.b" in shop.of(plan, "by_b").reason
    shop.publish(shop.plan(selected=["model.p.fct"]))
    assert todo(shop) == ["by_b"]
    shop.settle()
    assert todo(shop) == []


def test_a_touched_column_is_followed_through_several_models(shop: Any) -> None:
    shop.node("mid", "select id, a1, b from {fct}")
    shop.node("leaf_a", "select id, a1 from {mid}")
    shop.node("leaf_b", "select id, b from {mid}")
    columns = "id INTEGER, a1 INTEGER, b INTEGER"
    shop.publish(shop.plan(), {"mid": columns})
    shop.node("fct", "select id, a + 2 as a1, b from {stg}")
    plan = shop.plan()
    assert [s.dataset for s in plan.todo] == ["marts.fct", "marts.mart", "marts.mid", "marts.leaf_a"]
    assert shop.of(plan, "fct").consumers == {"marts.mart": ("*",), "marts.mid": ("a1",), "marts.leaf_a": ("a1",)}
    shop.publish(plan)
    assert todo(shop) == []


def test_changed_rows_rebuild_everything_below(shop: Any) -> None:
    shop.node("fct", "select id, a + 1 as a1, b from {stg} where a > 0")
    plan = shop.plan()
    assert shop.of(plan, "fct").status == "changed_breaking"
    assert [s.dataset for s in plan.todo] == ["marts.fct", "marts.mart"]
    assert "WHERE" in shop.of(plan, "fct").reason


def test_a_changed_view_spares_those_who_use_other_columns(shop: Any) -> None:
    shop.node("stg", "select id, a, b, at + interval 1 day as at from {t}", "view", "staging")
    assert todo(shop) == ["stg"]
    shop.settle()
    assert todo(shop) == []


def test_a_view_goes_along_and_its_readers_stay(world: Any) -> None:
    """A view over a rebuilt table is staged again even when it uses nothing that changed; the tables above it are not."""
    world.source("t")
    world.load("t")
    world.node("base", "select id, a from {t}")
    world.node("v", "select id from {base}", "view")
    world.node("top", "select id from {v}")
    world.publish(world.plan(), {"base": "id INTEGER, a INTEGER", "v": "id INTEGER", "top": "id INTEGER"})
    world.node("base", "select id, a, b from {t}")
    assert todo(world) == ["base", "v"]
    world.publish(world.plan(), {"base": "id INTEGER, a INTEGER, b INTEGER"})
    assert todo(world) == []
    world.node("base", "select id, a, b, at from {t}")  # a second time: what is known to be equal is carried on
    world.settle()
    assert todo(world) == []
    world.load("t")
    assert todo(world) == ["base", "v", "top"]


def test_data_and_an_added_column_at_once(shop: Any) -> None:
    shop.load("t")
    shop.node("fct", "select id, a + 1 as a1, b, at from {stg}")
    assert todo(shop) == ["stg", "fct", "mart"]


def test_configuration_alone(shop: Any) -> None:
    shop.node("fct", "select id, a + 1 as a1, b from {stg}", partition_by=["b"])
    plan = shop.plan()
    assert [s.dataset for s in plan.todo] == ["marts.fct"]
    assert "partition_by changed from nothing to ['b']" in shop.of(plan, "fct").reason
    shop.node("fct", "select id, a + 1 as a1, b from {stg}", "view")
    plan = shop.plan()
    assert [(s.dataset, s.status) for s in plan.todo] == [("marts.fct", "changed")]
    assert "materialized changed from table to view" in shop.of(plan, "fct").reason


def test_breaking_incremental_code_goes_forward_and_names_the_rebuild(world: Any) -> None:
    world.source("t")
    world.load("t")
    world.node("inc", "select id, a from {t}", "incremental")
    world.publish(world.plan(), {"inc": "id INTEGER, a INTEGER"})
    world.node("inc", "select id, a * 2 as a from {t}", "incremental")
    step = world.step("inc")
    assert (step.status, step.build) == ("changed_breaking", "incremental")
    assert "headgate run inc --full-refresh" in step.reason
    assert "keep what the old code made" in step.reason


@pytest.mark.parametrize("lost", ["sql", "everything"])
def test_code_that_is_not_recorded_counts_as_breaking(shop: Any, lost: str) -> None:
    shop.change("fct", code={} if lost == "everything" else {"sql": "this is no sql"})
    shop.node("fct", "select id, a + 1 as a1, b, at from {stg}")
    assert todo(shop) == ["fct", "mart"]


def test_python_code(world: Any) -> None:
    world.source("t")
    world.load("t")
    world.node("py", "def model(dbt, session): return 1", language="python", depends_on=["source.p.s.t"])
    world.settle()
    assert todo(world) == []
    world.node("py", "def model(dbt, session): return 2", language="python", depends_on=["source.p.s.t"])
    assert world.step("py").status == "changed_breaking"


def test_a_publication_that_changed_no_row_rebuilds_nobody(world: Any) -> None:
    world.source("t")
    world.load("t")
    world.node("inc", "select id, a from {t}", "incremental")
    world.node("mart", "select id from {inc}")
    world.settle()
    before = world.datasets["marts.inc"]
    world.load("t")
    world.publish(world.plan(selected=["model.p.inc"]))
    assert todo(world) == ["mart"]
    world.change("inc", inputs=unchanged(world.datasets["marts.inc"].inputs, before))
    assert todo(world) == []
