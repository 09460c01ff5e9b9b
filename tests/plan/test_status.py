"""The status of a node and its reason, one cause at a time."""

from __future__ import annotations

from typing import Any

import pytest

from headgate.spec.errors import StatefulTarget, UsageError
from headgate.spec.names import Column


def test_everything_is_new_in_an_empty_lake(world: Any) -> None:
    world.source("t")
    world.node("stg", "select id from {t}", "view")
    world.node("fct", "select id from {stg}")
    plan = world.plan(land=None)
    assert [(s.action, s.status, s.build) for s in plan.steps] == [
        ("land", "new", ""), ("build", "new", "view"), ("build", "new", "full"),
    ]  # fmt: skip
    assert world.of(plan, "fct").depends_on == ("model.p.stg",)
    assert world.of(plan, "stg").depends_on == ("source.p.s.t",)


def test_nothing_to_do_when_nothing_changed(shop: Any) -> None:
    plan = shop.plan()
    assert plan.todo == ()
    assert {s.status for s in plan.steps} == {"up_to_date"}
    assert shop.step("fct").reason.startswith("up to date since 2013-04-10 ")


def test_a_new_load_reaches_tables_through_the_view(shop: Any) -> None:
    shop.load("t")
    plan = shop.plan()
    assert [(s.dataset, s.status, s.build) for s in plan.todo] == [
        ("staging.stg", "upstream_changed", "view"),
        ("marts.fct", "upstream_changed", "full"),
        ("marts.mart", "upstream_changed", "full"),
    ]
    assert shop.of(plan, "stg").reason == "raw_s.t has a newer load (2013-04-10 00:00:05)"
    shop.publish(plan)
    assert shop.plan().todo == ()


def test_a_table_behind_an_unselected_view_counts(shop: Any) -> None:
    shop.load("t")
    plan = shop.plan(selected=["model.p.fct"])
    assert [s.dataset for s in plan.todo] == ["marts.fct"]
    shop.publish(plan)
    assert shop.plan(selected=["model.p.fct"]).todo == ()  # it has read what is behind the view now
    assert shop.step("stg").status == "upstream_changed"


def test_a_view_between_built_tables_is_staged_again(world: Any) -> None:
    world.source("t")
    world.load("t")
    world.node("base", "select id from {t}")
    world.node("between", "select id from {base}", "view")
    world.node("top", "select id from {between}")
    world.settle()
    world.load("t")
    plan = world.plan(selected=["model.p.base", "model.p.top"])
    assert [s.dataset for s in plan.todo] == ["marts.base", "marts.between", "marts.top"]
    assert "not selected" in world.of(plan, "between").reason


def test_stale_is_done_again_and_says_why(shop: Any) -> None:
    shop.change("fct", stale_reason="unique(id) failed for 3 rows")
    step = shop.step("fct")
    assert (step.status, step.build) == ("stale", "full")
    assert "unique(id) failed for 3 rows" in step.reason


def test_landing_makes_what_follows_conditional(shop: Any) -> None:
    plan = shop.plan(land=None)
    assert [s.action for s in plan.steps] == ["land", "build", "build", "build"]
    step = shop.of(plan, "mart")
    assert step.conditional == ("source.p.s.t",)
    assert step.reason == "after landing, if it brings rows: raw_s.t"
    assert shop.of(plan, "t").reason.startswith("files is asked for what is new since")


def test_a_firm_reason_is_not_conditional(shop: Any) -> None:
    shop.change("mart", stale_reason="blocked")
    step = shop.of(shop.plan(land=None), "mart")
    assert (step.status, step.conditional) == ("stale", ())
    assert "after landing" not in step.reason


def test_full_refresh_spares_snapshots_and_protected_models(world: Any) -> None:
    world.source("t")
    world.load("t")
    world.node("inc", "select id from {t}", "incremental")
    world.node("kept", "select id from {t}", "incremental", full_refresh=False)
    world.node("snap", "select id from {t}", "snapshot")
    world.settle()
    plan = world.plan(full_refresh=True)
    assert [(s.dataset, s.status, s.build) for s in plan.todo] == [("marts.inc", "forced", "full")]
    assert "forbids" in world.of(plan, "kept").reason
    assert "keeps its history" in world.of(plan, "snap").reason


def test_incremental_and_snapshot_go_on_from_what_stands(world: Any) -> None:
    world.source("t")
    world.load("t")
    world.node("inc", "select id from {t}", "incremental")
    world.node("snap", "select id from {t}", "snapshot")
    assert [s.build for s in world.plan().todo] == ["full", "snapshot"]
    world.settle()
    world.load("t")
    assert [s.build for s in world.plan().todo] == ["incremental", "snapshot"]


def test_unselected_and_ephemeral_say_so(shop: Any) -> None:
    shop.node("eph", "select id from {stg}", "ephemeral")
    plan = shop.plan(selected=["model.p.fct"])
    assert shop.of(plan, "mart").reason == "not selected"
    assert "ephemeral" in shop.of(plan, "eph").reason


def test_an_ephemeral_parent_is_read_through(world: Any) -> None:
    world.source("t")
    world.load("t")
    world.node("eph", "select id from {t}", "ephemeral")
    world.node("fct", "select id from {eph}")
    world.settle()
    assert world.plan().todo == ()
    world.load("t")
    assert [s.dataset for s in world.plan().todo] == ["marts.fct"]


def test_what_was_never_landed_or_built_cannot_be_read(world: Any) -> None:
    world.source("t")
    world.node("stg", "select id from {t}", "view")
    world.node("fct", "select id from {stg}")
    plan = world.plan()
    assert plan.todo == ()
    assert world.of(plan, "stg").reason == "raw_s.t has no accepted load yet"
    assert world.of(plan, "fct").reason == "marts.stg, which it reads, cannot be built"
    world.load("t")
    assert "select +stg" in world.step("fct", selected=["model.p.fct"]).reason


def test_a_table_that_others_fill(world: Any) -> None:
    world.source("theirs", connector=None)
    world.node("fct", "select id from {theirs}")
    plan = world.plan(external={"raw_s.theirs": "7"})
    world.publish(plan)
    world.change("fct", inputs={"raw_s.theirs": "7"})
    assert world.plan(external={"raw_s.theirs": "7"}).todo == ()
    assert world.step("fct", external={"raw_s.theirs": "8"}).status == "upstream_changed"
    step = world.step("fct")
    assert (step.status, step.reason) == ("forced", "raw_s.theirs is filled by others, and nothing tells whether it changed")


@pytest.mark.parametrize(
    ("sql", "forced"),
    [
        ("select * from read_csv('/in/x.csv')", True),
        ("select 'read_csv(' as hint from {t}", False),
        ("select * from {t} join 'prices.parquet' using (id)", True),
    ],
)
def test_files_in_sql_cannot_be_compared(world: Any, sql: str, forced: bool) -> None:
    world.source("t")
    world.load("t")
    world.node("fct", sql)
    world.settle()
    assert world.step("fct").status == ("forced" if forced else "up_to_date")
    world.node("fct", sql, external_inputs=False)
    world.settle()
    assert world.step("fct").status == "up_to_date"


def test_python_without_inputs_is_always_run(world: Any) -> None:
    world.node("py", "def model(dbt, session): ...", language="python")
    world.settle()
    assert world.step("py").status == "forced"


def test_a_missing_or_altered_stateful_target_is_refused(world: Any) -> None:
    world.source("t")
    world.load("t")
    world.node("inc", "select id, a from {t}", "incremental")
    world.publish(world.plan(), {"inc": "id INTEGER, a INTEGER"})
    world.load("t")
    right = (Column("id", "INTEGER"), Column("a", "integer"))
    assert world.plan(actual={"marts.inc": right}).todo
    with pytest.raises(StatefulTarget, match=r"marts\.inc is recorded.*not in the lake.*restore.*--full-refresh"):
        world.plan(actual={"marts.inc": None})
    with pytest.raises(StatefulTarget, match="a is VARCHAR instead of INTEGER"):
        world.plan(actual={"marts.inc": (Column("id", "INTEGER"), Column("a", "VARCHAR"))})
    assert world.plan(actual={"marts.inc": None}, full_refresh=True).todo


def test_a_snapshot_never_becomes_something_else(world: Any) -> None:
    world.source("t")
    world.load("t")
    world.node("h", "select id from {t}", "snapshot")
    world.settle()
    uid = world.nodes.pop("h").unique_id
    world.node("h", "select id from {t}", "table")
    assert uid != world.nodes["h"].unique_id
    with pytest.raises(StatefulTarget, match="history of a snapshot"):
        world.plan()


def test_wrong_calls(shop: Any) -> None:
    with pytest.raises(UsageError, match=r"no 'model\.p\.nope'"):
        shop.plan(selected=["model.p.nope"])
    shop.source("theirs", connector=None)
    with pytest.raises(UsageError, match="no connector"):
        shop.plan(land=["source.p.s.theirs"])


def test_a_seed_is_loaded_again_when_its_file_changed(world: Any) -> None:
    world.node("codes", "a,b", "seed")
    world.settle()
    assert world.plan().todo == ()
    world.node("codes", "a,b,c", "seed")
    assert [(s.build, s.reason) for s in world.plan().todo] == [("seed", "its code changed: its file changed")]


def test_one_run_that_made_both_needs_no_second(world: Any) -> None:
    """Even when the reader recorded the version that its parent had before the run."""
    world.source("t")
    world.load("t")
    world.node("a", "select id from {t}")
    world.node("b", "select id from {a}")
    world.publish(world.plan(), together=True)
    world.change("b", inputs={"marts.a": "older"})
    assert world.plan().todo == ()
