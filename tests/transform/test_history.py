"""Snapshots, slowly changing dimensions and inferred members, against oracles in plain Python."""

from __future__ import annotations

import os
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

# no shrinking: an example takes half a second, and a failing one is small already
QUICK = settings(
    max_examples=int(os.environ.get("HEADGATE_EXAMPLES", "4")),
    deadline=None,
    suppress_health_check=list(HealthCheck),
    database=None,
    phases=(Phase.explicit, Phase.generate),
)
DAY = datetime(2026, 1, 1)


def in_world(open_world: Any, test: Any) -> None:
    """Run `test` in a fresh world of its own."""
    with TemporaryDirectory() as folder, open_world(Path(folder)) as world:
        test(world)


# --- snapshots ------------------------------------------------------------------------------------------------------------

STATES = st.lists(
    st.dictionaries(st.integers(1, 3), st.tuples(st.integers(0, 1), st.integers(0, 5)), max_size=3), min_size=1, max_size=5
)


def show(world, state: dict[int, tuple[int, int]]) -> None:
    """Make the mutable source hold `state`: key -> (value, day of its last change)."""
    with world.lake.transaction(("*",), author="test", message="state") as cursor:
        cursor.execute("CREATE SCHEMA IF NOT EXISTS lake.raw_shop")
        cursor.execute("CREATE TABLE IF NOT EXISTS lake.raw_shop.s (k INTEGER, v INTEGER, updated_at TIMESTAMP)")
        cursor.execute("DELETE FROM lake.raw_shop.s")
        for k, (v, day) in state.items():
            cursor.execute("INSERT INTO lake.raw_shop.s VALUES (?, ?, ?)", [k, v, DAY + timedelta(days=day)])


def oracle_snapshot(states, clocks, strategy, hard):
    """(key, value, from, to, deleted) of every version, by going through the states one by one."""
    history: list[list[Any]] = []
    for state, now in zip(states, clocks, strict=True):
        for k, (v, day) in state.items():
            at = DAY + timedelta(days=day) if strategy == "timestamp" else now
            open_ = next((h for h in history if h[0] == k and h[3] is None), None)
            ended = [h[3] for h in history if h[0] == k and h[3] is not None]
            if open_ is not None:
                back = open_[4] == "True"
                differs = at > open_[5] if strategy == "timestamp" else v != open_[1]
                if not back and not differs:
                    continue
                begin = at if at > open_[2] else now
                open_[3] = begin
            else:
                begin = at if not ended or at > max(ended) else now
            history.append([k, v, begin, None, "False", at])
        if hard != "ignore":
            for h in [h for h in history if h[3] is None and h[0] not in state and h[4] != "True"]:
                h[3] = now
                if hard == "new_record":
                    history.append([h[0], h[1], now, None, "True", now])
    return sorted((tuple(h[:5]) for h in history), key=repr)


def check_snapshot(world, states, strategy, hard):
    from headgate.spec.clock import Clock

    config = {"updated_at": "updated_at"} if strategy == "timestamp" else {"check_cols": ["v"]}
    node = world.model(
        "snap", "select * from lake.raw_shop.s", "snapshot", unique_key="k", strategy=strategy, hard_deletes=hard, **config
    )
    clocks = [DAY + timedelta(days=100 + i) for i in range(len(states))]
    for state, now in zip(states, clocks, strict=True):
        show(world, state)
        world.run(node, "snapshot", clock=Clock(now.isoformat(timespec="microseconds")))
    before = world.rows("select * from lake.marts.snap")
    again = world.run(node, "snapshot", clock=Clock((now + timedelta(hours=1)).isoformat(timespec="microseconds")))
    assert again.counts.rows_out == 0 and world.rows("select * from lake.marts.snap") == before
    deleted = "dbt_is_deleted" if hard == "new_record" else "'False'"
    assert world.rows(f"select k, v, dbt_valid_from, dbt_valid_to, {deleted} from lake.marts.snap") == oracle_snapshot(
        states, clocks, strategy, hard
    )
    assert world.rows("select dbt_scd_id from lake.marts.snap group by 1 having count(*) > 1") == []


@QUICK
@given(
    states=STATES, strategy=st.sampled_from(["timestamp", "check"]), hard=st.sampled_from(["ignore", "invalidate", "new_record"])
)
def test_snapshots_as_the_oracle(open_world, states, strategy, hard):
    in_world(open_world, lambda world: check_snapshot(world, states, strategy, hard))


def test_delete_return_delete(open_world):
    states = [{1: (0, 1)}, {}, {1: (0, 1)}, {}, {1: (1, 1)}]
    for hard in ("invalidate", "new_record"):
        in_world(open_world, lambda world, hard=hard: check_snapshot(world, states, "timestamp", hard))


def test_snapshot_options(world):
    show(world, {1: (0, 0)})
    node = world.model(
        "snap", "select * from lake.raw_shop.s", "snapshot", unique_key=["k"], strategy="check", check_cols="all",
        dbt_valid_to_current="date '9999-12-31'", snapshot_meta_column_names={"dbt_valid_from": "begins", "dbt_valid_to": "ends"},
    )  # fmt: skip
    world.run(node, "snapshot")
    show(world, {1: (1, 0)})
    world.run(node, "snapshot")
    rows = world.rows("select v, begins < ends, ends = timestamp '9999-12-31' from lake.marts.snap")
    assert rows == [(0, True, False), (1, True, True)]


# --- slowly changing dimensions ---------------------------------------------------------------------------------------------

VERSIONS = st.lists(st.tuples(st.integers(1, 2), st.integers(0, 8), st.integers(0, 2)), min_size=1, max_size=10)


def oracle_type_2(rows):
    """(key, value, from, to) from all rows at once; rows hold (key, day, value), one for each key and day."""
    found = []
    for key in sorted({r[0] for r in rows}):
        versions: list[tuple[int, int]] = []
        for _, day, value in sorted(r for r in rows if r[0] == key):
            if not versions or versions[-1][1] != value:
                versions.append((day, value))
        ends = [d for d, _ in versions[1:]] + [None]
        found += [(key, v, d, e, e is None) for (d, v), e in zip(versions, ends, strict=True)]
    return sorted(found, key=repr)


def check_type_2(world, rows, cuts):
    world.source("s", "k INTEGER, effective INTEGER, v INTEGER")
    code = (
        "select k, effective, v, v + 100 as w, current_timestamp as _dbt_loaded_at from {{ source('shop', 's') }} "
        "{% if is_incremental() %} where _load_id = (select max(_load_id) from {{ source('shop', 's') }}) {% endif %}"
    )
    node = world.model("dim", code, "incremental", unique_key="k", history={"type": 2, "effective": "effective"})
    for start, end in zip([0, *cuts], [*cuts, len(rows)], strict=True):
        if rows[start:end]:
            world.deliver("s", rows[start:end])
            world.run(node)
    before = world.rows("select * from lake.marts.dim")
    assert world.run(node).counts.rows_out == 0
    assert world.rows("select * from lake.marts.dim") == before
    got = world.rows("select k, v, valid_from, valid_to, is_current from lake.marts.dim")
    assert got == oracle_type_2(rows)


@QUICK
@given(rows=VERSIONS, data=st.data())
def test_type_2_in_any_order_of_arrival(open_world, rows, data):
    rows = list({(k, day): (k, day, v) for k, day, v in rows}.values())
    cuts = sorted(data.draw(st.lists(st.integers(0, len(rows)), max_size=3)))
    in_world(open_world, lambda world: check_type_2(world, rows, cuts))


def test_type_2_tracks_some_columns(world):
    world.source("s", "k INTEGER, updated_at INTEGER, plan VARCHAR, phone VARCHAR")
    code = "select k, updated_at, plan, phone from {{ source('shop', 's') }}"
    node = world.model("dim", code, "incremental", unique_key="k", history={"type": 2, "track": ["plan"]})
    world.deliver("s", [(1, 1, "a", "p1"), (1, 5, "b", "p2")])
    world.run(node)
    world.deliver("s", [(1, 7, "b", "p3"), (1, 3, "c", "p0")])
    world.run(node)
    expected = [("a", "p3", 1, 3), ("b", "p3", 5, None), ("c", "p3", 3, 5)]
    assert world.rows("select plan, phone, valid_from, valid_to from lake.marts.dim") == expected


def test_types_1_and_3(world):
    world.source("s", "k INTEGER, updated_at INTEGER, city VARCHAR")
    code = "select k, updated_at, city from {{ source('shop', 's') }}"
    one = world.model("one", code, "incremental", unique_key="k", scd=1)
    three = world.model("three", code, "incremental", unique_key="k", history={"type": 3, "track": "city"})
    for rows in ([(1, 1, "a"), (1, 2, "b")], [(1, 4, "c"), (1, 3, "z"), (2, 1, None)], [(1, 5, "c"), (2, 2, "d")]):
        world.deliver("s", rows)
        world.run(one)
        world.run(three)
        assert world.run(three).counts.rows_out == 0
    assert world.rows("select k, city from lake.marts.one") == [(1, "c"), (2, "d")]
    assert world.rows("select k, city, previous_city from lake.marts.three") == [(1, "c", "z"), (2, "d", None)]


# --- inferred members -------------------------------------------------------------------------------------------------------


def test_an_inferred_member_is_filled_in_later(world):
    from headgate.transform.inferred import infer

    world.source("c", "customer_id INTEGER, name VARCHAR")
    world.source("o", "order_id INTEGER, customer_id INTEGER")
    dim = world.model("dim", "select customer_id, name from {{ source('shop', 'c') }}", "incremental", unique_key="customer_id")
    fact = world.model(
        "fct", "select order_id, customer_id from {{ source('shop', 'o') }}", "incremental", unique_key="order_id",
        inferred_members={"dimension": "dim", "key": "customer_id"},
    )  # fmt: skip

    def both():
        workspace = world.workspace()
        staged = {dim.unique_id: world.stage(dim, workspace)}
        fact_staged = world.stage(fact, workspace)
        extra = infer(fact_staged, world.project, world.lake, workspace, staged=staged, recorded=world.recorded)
        staged |= {s.unique_id: s for s in extra}
        for value in (staged[dim.unique_id], fact_staged):
            assert value.counts.balanced
            world.publish(value)
        workspace.discard()
        return extra

    world.deliver("c", [(1, "Ann")])
    world.deliver("o", [(10, 1), (11, 2), (12, None)])
    assert "1 members inferred" in both()[0].notes[-1]
    assert world.rows("select * from lake.marts.dim") == [(1, "Ann", False), (2, None, True)]
    assert both() == ()
    world.deliver("c", [(2, "Bob")])
    assert both() == ()
    assert world.rows("select * from lake.marts.dim") == [(1, "Ann", False), (2, "Bob", False)]


def test_a_fact_alone_adds_to_its_dimension(world):
    from headgate.transform.inferred import infer

    dim = world.model("dim", "select 1 as k, 'a' as v")
    fact = world.model("fct", "select unnest([1, 2]) as k", inferred_members={"dimension": "dim", "key": {"k": "k"}})
    world.run(dim, "full")
    workspace = world.workspace()
    staged = world.stage(fact, workspace, "full")
    (extra,) = infer(staged, world.project, world.lake, workspace, staged={}, recorded=world.recorded)
    world.publish(extra)
    workspace.discard()
    world.run(dim, "full")
    assert world.rows("select * from lake.marts.dim") == [(1, "a", False), (2, None, True)]


def test_an_appended_dimension_takes_the_real_row(world):
    """Its key is there already, but only as a guess."""
    from headgate.transform.inferred import infer

    world.source("c", "k INTEGER, name VARCHAR")
    dim = world.model(
        "dim", "select k, name from {{ source('shop', 'c') }}", "incremental", unique_key="k", incremental_strategy="append"
    )
    fact = world.model("fct", "select unnest([1, 2]) as k", inferred_members={"dimension": "dim", "key": "k"})
    world.deliver("c", [(1, "Ann")])
    world.run(dim)
    workspace = world.workspace()
    staged = world.stage(fact, workspace, "full")
    for value in infer(staged, world.project, world.lake, workspace, staged={}, recorded=world.recorded):
        world.publish(value)
    workspace.discard()
    world.deliver("c", [(2, "Bob"), (1, "Eve")])
    counts = world.run(dim).counts
    assert (counts.rows_out, counts.rows_deleted, counts.rows_unchanged, counts.balanced) == (1, 1, 1, True)
    assert world.rows("select * from lake.marts.dim") == [(1, "Ann", False), (2, "Bob", False)]


def test_a_view_has_no_inferred_members(world):
    from headgate.spec.errors import DeclarationError
    from headgate.transform.inferred import inferences

    world.model("dim", "select 1 as k", "view")
    fact = world.model("fct", "select 1 as k", inferred_members={"dimension": "dim", "key": "k"})
    with pytest.raises(DeclarationError, match="keeps no rows of its own"):
        inferences(world.project, fact)
