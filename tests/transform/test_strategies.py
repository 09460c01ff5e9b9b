"""Partitions, batches, groups, partial updates, seeds, Python models."""

from __future__ import annotations

from datetime import date

import pytest

from headgate.spec.errors import DeclarationError
from headgate.spec.staged import DELTA, Interval

EVENTS = "id INTEGER, day DATE, amount INTEGER"
JANUARY = Interval("2026-01-01T00:00:00", "2026-02-01T00:00:00")
FEBRUARY = Interval("2026-02-01T00:00:00", "2026-03-01T00:00:00")
BATCHES = {"incremental_strategy": "microbatch", "event_time": "day", "begin": "2026-01-01", "batch_size": "month"}


def events(world):
    world.source("events", EVENTS, event_time="day")
    world.deliver("events", [(1, date(2026, 1, 1), 5), (2, date(2026, 1, 9), 6), (3, date(2026, 2, 1), 7)])


def test_microbatch(world):
    events(world)
    node = world.model(
        "fct",
        "select * exclude (_load_id, _position) from {{ source('shop', 'events') }}",
        "incremental",
        unique_key="id",
        **BATCHES,
    )
    assert world.run(node, "intervals", JANUARY).counts.rows_out == 2
    world.run(node, "intervals", FEBRUARY)
    before = world.rows("select * from lake.marts.fct")
    assert len(before) == 3
    staged = world.run(node, "intervals", JANUARY)
    assert staged.counts.rows_unchanged == 2 and staged.kind == DELTA and staged.interval == JANUARY
    world.deliver("events", [(2, date(2026, 1, 9), 60), (9, date(2026, 1, 31), 1)])
    staged = world.run(node, "intervals", JANUARY)
    assert staged.kind == DELTA and staged.counts.rows_deduplicated == 1
    after = world.rows("select * from lake.marts.fct")
    assert [r[2] for r in after] == [5, 60, 7, 1]
    assert after[0] == before[0]


def test_several_intervals_in_one_run(world):
    events(world)
    node = world.model("fct", "select id, day, amount from {{ source('shop', 'events') }}", "incremental", **BATCHES)
    workspace = world.workspace()
    first = world.stage(node, workspace, "intervals", interval=JANUARY)
    second = world.stage(node, workspace, "intervals", interval=FEBRUARY)
    child = world.model("c", "select count(*) as n from {{ ref('fct') }}")
    staged = world.stage(child, workspace, "full")
    assert workspace.cursor().execute(f"select n from {staged.rows_sql}").fetchall() == [(3,)]
    world.publish(first)
    world.publish(second)
    workspace.discard()
    assert len(world.rows("select * from lake.marts.fct")) == 3


def test_an_interval_that_became_empty(world):
    events(world)
    node = world.model(
        "fct",
        "select id, day, amount from {{ source('shop', 'events') }} where amount < {{ var_limit }}".replace(
            "{{ var_limit }}", "10"
        ),
        "incremental",
        **BATCHES,
    )
    world.run(node, "intervals", JANUARY)
    node = world.model(
        "fct", "select id, day, amount from {{ source('shop', 'events') }} where amount > 10", "incremental", **BATCHES
    )
    staged = world.run(node, "intervals", JANUARY)
    assert staged.counts.rows_deleted == 2 and world.rows("select * from lake.marts.fct") == []


def test_insert_overwrite(world):
    events(world)
    code = "select id, day, amount from {{ source('shop', 'events') }} "
    code += "{% if is_incremental() %} where day >= date '2026-01-05' {% endif %}"
    node = world.model("fct", code, "incremental", incremental_strategy="insert_overwrite", partition_by="month(day)")
    world.run(node)
    staged = world.run(node)
    assert staged.kind == DELTA and staged.counts.rows_unchanged == 1
    assert world.rows("select id from lake.marts.fct") == [(2,), (3,)]


def test_insert_overwrite_by_columns_with_null(world):
    world.source("s", "a INTEGER, b VARCHAR, c INTEGER")
    world.deliver("s", [(1, None, 1), (1, None, 2), (2, "x", 3)])
    code = "select a, b, max(c) as c from {{ source('shop', 's') }} group by a, b"
    node = world.model("fct", code, "incremental", incremental_strategy="insert_overwrite", partition_by=["a", "b"])
    world.run(node)
    world.deliver("s", [(1, None, 9)])
    staged = world.run(node)
    assert (staged.counts.rows_out, staged.counts.rows_unchanged) == (1, 1)
    assert world.rows("select * from lake.marts.fct") == [(1, None, 9), (2, "x", 3)]


def test_delete_insert_by_group(world):
    events(world)
    code = "select day, id % 2 as parity, sum(amount) as s from {{ source('shop', 'events') }} group by all"
    node = world.model("fct", code, "incremental", incremental_strategy="delete+insert", unique_key="day")
    world.run(node)
    world.deliver("events", [(8, date(2026, 1, 1), 5)])
    staged = world.run(node)
    assert (staged.counts.rows_out, staged.counts.rows_unchanged, staged.counts.rows_deleted) == (2, 2, 1)
    assert len(world.rows("select * from lake.marts.fct")) == 4


def test_merge_of_some_columns(world):
    world.source("s", "k INTEGER, a INTEGER, b INTEGER")
    code = "select k, a, b, _loaded_at from {{ source('shop', 's') }}"
    node = world.model("m", code, "incremental", unique_key="k", merge_update_columns=["a"])
    world.deliver("s", [(1, 1, 1)])
    world.run(node)
    world.deliver("s", [(1, 2, 2), (5, 5, 5)])
    world.run(node)
    assert world.rows("select k, a, b from lake.marts.m") == [(1, 2, 1), (5, 5, 5)]
    with pytest.raises(DeclarationError):
        world.run(world.model("m", code, "incremental", unique_key="k", merge_update_columns=["a"], merge_exclude_columns=["b"]))


def test_incremental_predicates(world):
    node = world.model(
        "m", "select 1 as k, 2 as v", "incremental", unique_key="k", incremental_predicates=["DBT_INTERNAL_DEST.k > 0"]
    )
    world.run(node)
    assert world.run(node).counts.rows_unchanged == 1


SEED = (
    "id,price,day,at,flag,name,big,empty\n"
    '1,1.5,2026-01-01,2026-01-01 10:00:00,true,"a ""b"", c",3000000000,\n2,,2026-01-02,null,False,,1,\n'
)


def test_seed_types(world):
    node = world.model("countries", "", "seed")
    path = world.root / node.path
    path.parent.mkdir()
    path.write_text(SEED)
    world.run(node, "seed")
    types = [c.type for c in world.lake.columns(node.relation)]
    assert types == ["INTEGER", "DOUBLE", "DATE", "TIMESTAMP", "BOOLEAN", "VARCHAR", "BIGINT", "INTEGER"]
    assert world.rows("select name, flag, price from lake.marts.countries") == [('a "b", c', True, 1.5), (None, False, None)]
    path.write_text("id;name\n007;x\n")
    node = world.model("countries", "", "seed", delimiter=";", column_types={"id": "varchar"})
    world.run(node, "seed")
    assert world.rows("select id from lake.marts.countries") == [("007",)]


@pytest.mark.parametrize(
    "body",
    [
        "return dbt.ref('p').filter('x > 1')",
        "return dbt.ref('p').filter('x > 1').to_arrow_table()",
        "return dbt.ref('p').df().query('x > 1')",
        "import polars; return polars.DataFrame(dbt.ref('p').pl()).filter(polars.col('x') > 1)",
        "import polars; return dbt.ref('p').pl().lazy().filter(polars.col('x') > 1)",
        "return session.sql('select 2 as x')",
    ],
)
def test_python_models(world, body):
    world.run(world.model("p", "select unnest([1, 2])::bigint as x"), "full")
    world.run(world.model("m", f"def model(dbt, session):\n    dbt.config(materialized='table')\n    {body}\n"), "full")
    assert world.rows("select x from lake.marts.m") == [(2,)]


def test_python_model_that_fails(world):
    with pytest.raises(DeclarationError, match="ZeroDivisionError"):
        world.run(world.model("m", "def model(dbt, session):\n    return 1 / 0\n"), "full")
    with pytest.raises(DeclarationError, match="returned int"):
        world.run(world.model("m", "def model(dbt, session):\n    return 1\n"), "full")


def test_python_incremental(world):
    code = (
        "def model(dbt, session):\n    n = 2 if dbt.is_incremental() else 1\n    return session.sql(f'select 1 as k, {n} as v')\n"
    )
    node = world.model("m", code, "incremental", unique_key="k")
    world.run(node)
    world.run(node)
    assert world.rows("select * from lake.marts.m") == [(1, 2)]
