"""The ordinary materialisations on a real lake."""

from __future__ import annotations

import pytest

from headgate.spec.errors import DeclarationError, StatefulTarget
from headgate.spec.staged import DELTA, REPLACE, VIEW

ORDERS = "order_id INTEGER, status VARCHAR, updated_at TIMESTAMP"
STG_ORDERS = """
select order_id, status, updated_at, current_timestamp as _dbt_loaded_at from {{ source('shop', 'orders') }}
{% if is_incremental() %} where updated_at >= (select max(updated_at) - interval '1 hour' from {{ this }}) {% endif %}
"""


def orders(world, **config):
    world.source("orders", ORDERS)
    return world.model("stg_orders", STG_ORDERS, "incremental", unique_key="order_id", incremental_strategy="merge", **config)


def test_table_and_view(world):
    world.source("orders", ORDERS)
    world.deliver("orders", [(1, "new", "2026-01-01"), (2, "new", "2026-01-01")])
    table = world.model("t", "select order_id, 1 as one from {{ source('shop', 'orders') }}")
    view = world.model("v", "select count(*) as n from {{ ref('t') }}", "view")
    staged = world.run(table, "full")
    assert staged.kind == REPLACE and staged.counts.rows_out == 2
    workspace = world.workspace()
    world.stage(table, workspace, "full")
    staged = world.stage(view, workspace, "view")
    assert '"lake"."marts"."t"' in staged.view_sql and "st." not in staged.view_sql
    workspace.discard()
    assert world.run(view, "view").kind == VIEW
    assert world.rows("select * from lake.marts.v") == [(2,)]


def test_children_read_staged_parents(world):
    parent = world.model("p", "select 1 as x")
    child = world.model("c", "select x + 1 as y from {{ ref('p') }}")
    workspace = world.workspace()
    world.stage(parent, workspace, "full")
    staged = world.stage(child, workspace, "full")
    assert workspace.cursor().execute(f"select * from {staged.rows_sql}").fetchall() == [(2,)]
    workspace.discard()


def test_ephemeral_models_are_inlined(world):
    world.model("e1", "with a as (select 1 as x) select * from a; -- end", "ephemeral")
    world.model("e2", "select x + 1 as x from {{ ref('e1') }} -- no end", "ephemeral")
    node = world.model(
        "t",
        "with __dbt__cte__e1 as (select 10 as x) select a.x + b.x as s, c.x "
        "from {{ ref('e2') }} a, {{ ref('e1') }} b, __dbt__cte__e1 c",
    )
    world.run(node, "full")
    assert world.rows("select * from lake.marts.t") == [(3, 10)]


def test_three_versions_of_a_key(world):
    node = orders(world)
    world.deliver("orders", [(1, "new", "2026-01-01 10:00"), (1, "paid", "2026-01-01 12:00"), (1, "sent", "2026-01-01 11:00")])
    staged = world.run(node, "full")
    assert staged.counts.rows_deduplicated == 2
    assert world.rows("select order_id, status from lake.marts.stg_orders") == [(1, "paid")]


def test_the_same_window_changes_nothing(world):
    node = orders(world)
    world.deliver("orders", [(1, "new", "2026-01-01 10:00"), (2, "new", "2026-01-01 12:00")])
    world.run(node, "full")
    before = world.rows("select * from lake.marts.stg_orders")
    staged = world.run(node)
    assert staged.kind == DELTA and staged.counts.rows_unchanged == 1 and staged.counts.rows_out == 0
    assert world.rows("select * from lake.marts.stg_orders") == before


def test_late_rows_and_updates(world):
    node = orders(world)
    world.deliver("orders", [(1, "new", "2026-01-01 10:00"), (2, "new", "2026-01-01 12:00")])
    world.run(node, "full")
    world.deliver("orders", [(2, "paid", "2026-01-01 12:30"), (3, "new", "2026-01-01 11:30"), (2, "new", "2026-01-01 11:59")])
    staged = world.run(node)
    assert (staged.counts.rows_out, staged.counts.rows_deduplicated, staged.counts.rows_deleted) == (2, 2, 1)
    assert world.rows("select order_id, status from lake.marts.stg_orders") == [(1, "new"), (2, "paid"), (3, "new")]


def test_equal_order_is_decided_by_the_hidden_position(world):
    node = orders(world)
    world.deliver("orders", [(1, "new", "2026-01-01 10:00")])
    world.deliver("orders", [(1, "paid", "2026-01-01 10:00"), (1, "sent", "2026-01-01 10:00")])
    world.run(node, "full")
    assert world.rows("select order_id, status from lake.marts.stg_orders") == [(1, "sent")]


def test_undecidable_ties_are_a_verdict(world):
    world.source("orders", ORDERS)
    node = world.model(
        "m",
        "select order_id, any_value(status) as status from {{ source('shop', 'orders') }} group by order_id, status",
        "incremental",
        unique_key="order_id",
    )
    world.deliver("orders", [(1, "new", "2026-01-01 10:00"), (1, "paid", "2026-01-01 10:00")])
    workspace = world.workspace()
    staged = world.stage(node, workspace)
    assert staged.verdicts[0].blocks and staged.verdicts[0].failures == 1
    workspace.remember(staged)
    workspace.discard()


def test_null_keys_are_a_verdict(world):
    node = orders(world)
    world.deliver("orders", [(None, "new", "2026-01-01 10:00")])
    workspace = world.workspace()
    assert world.stage(node, workspace).verdicts[0].name == "null in the unique key"
    workspace.discard()


def test_a_missing_target_is_not_recreated(world):
    node = orders(world)
    world.deliver("orders", [(1, "new", "2026-01-01 10:00")])
    world.run(node)
    with world.lake.transaction(("*",), author="test", message="drop") as cursor:
        cursor.execute("DROP TABLE lake.marts.stg_orders")
    with pytest.raises(StatefulTarget, match="full-refresh"):
        world.run(node)
    world.run(node, "full", full_refresh=True)
    assert world.rows("select order_id from lake.marts.stg_orders") == [(1,)]


def test_append_needs_a_key_or_says_so(world):
    node = world.model("m", "select 1 as x", "incremental", incremental_strategy="append")
    with pytest.raises(DeclarationError, match="unique_key"):
        world.run(node)
    keyed = world.model("k", "select 1 as x", "incremental", incremental_strategy="append", unique_key="x")
    free = world.model("f", "select 1 as x", "incremental", incremental_strategy="append", unique_key=None)
    for _ in range(2):
        world.run(keyed)
        world.run(free)
    assert world.rows("select * from lake.marts.k") == [(1,)]
    assert world.rows("select * from lake.marts.f") == [(1,), (1,)]


def test_a_table_keeps_the_stamps_of_unchanged_rows(world):
    world.source("orders", ORDERS)
    node = world.model("t", "select order_id, status, current_timestamp as _dbt_loaded_at from {{ source('shop', 'orders') }}")
    world.deliver("orders", [(1, "new", "2026-01-01"), (1, "new", "2026-01-01")])
    world.run(node, "full")
    before = world.rows("select * from lake.marts.t")
    staged = world.run(node, "full")
    assert staged.counts.rows_unchanged == 2 and staged.kind == DELTA
    world.deliver("orders", [(1, "new", "2026-01-01"), (2, "new", "2026-01-01")])
    staged = world.run(node, "full")
    assert staged.kind == REPLACE and staged.counts.rows_out == 4
    after = world.rows("select * from lake.marts.t")
    assert all(row in after for row in before) and len({r[2] for r in after}) == 2


@pytest.mark.parametrize("rule", ["ignore", "append_new_columns", "sync_all_columns"])
def test_schema_changes(world, rule):
    node = world.model("m", "select 1 as k, 2 as a, 3 as b", "incremental", unique_key="k", on_schema_change=rule)
    world.run(node)
    changed = "select 1 as k, 2::bigint as a, 4 as b, 'x' as c" if rule == "ignore" else "select 1 as k, 5::bigint as a, 'x' as c"
    node = world.model("m", changed, "incremental", unique_key="k", on_schema_change=rule)
    world.run(node)
    expected = {"ignore": (1, 2, 4), "append_new_columns": (1, 5, None, "x"), "sync_all_columns": (1, 5, "x")}
    assert world.rows("select * from lake.marts.m") == [expected[rule]]


def test_schema_change_fail_and_rewrite(world):
    node = world.model("m", "select 1 as k, 2 as a", "incremental", unique_key="k", on_schema_change="fail")
    world.run(node)
    node = world.model("m", "select 1 as k, 'x' as a", "incremental", unique_key="k", on_schema_change="fail")
    with pytest.raises(DeclarationError, match="a from INTEGER to VARCHAR"):
        world.run(node)
    node = world.model("m", "select 2 as k, 'x' as a", "incremental", unique_key="k", on_schema_change="sync_all_columns")
    staged = world.run(node)
    assert staged.kind == REPLACE and staged.schema_change == "breaking"
    assert world.rows("select * from lake.marts.m") == [(1, "2"), (2, "x")]


def test_hooks_stay_in_staging(world):
    world.run(world.model("other", "select 1 as x"), "full")
    good = world.model(
        "g",
        "select * from range(5) t(x)",
        pre_hook="create temp table h as select 1",
        post_hook=["delete from {{ this }} where x > 2", "grant select on {{ this }} to r"],
    )
    staged = world.run(good, "full")
    assert staged.counts.rows_filtered == 2 and "grant" in staged.notes[0]
    bad = world.model("b", "select 1 as x", post_hook="delete from {{ ref('other') }}")
    with pytest.raises(DeclarationError, match="refused"):
        world.run(bad, "full")


def test_run_query_and_introspection(world):
    world.run(world.model("other", "select 1 as x, 'a' as y"), "full")
    code = """{% set rows = run_query("select x from " ~ ref('other')) %}
    {% call statement('s', fetch_result=True) %}select 7{% endcall %}
    {% set cols = adapter.get_columns_in_relation(ref('other')) %}
    select {{ rows.columns[0].values()[0] }} as a, '{{ cols | map(attribute='name') | join(',') }}' as b,
    {{ load_result('s').data[0][0] }} as c,
    {{ 'true' if adapter.get_relation('lake', 'marts', 'other') else 'false' }} as d"""
    world.run(world.model("t", code), "full")
    assert world.rows("select * from lake.marts.t") == [(1, "x,y", 7, True)]
    with pytest.raises(DeclarationError):
        world.run(world.model("u", "{% do run_query('drop table ' ~ ref('other')) %}select 1 as x"), "full")


IS_RELATION = (
    "{% macro is_relation(x) %}{{ 'yes' if x is mapping and x.get('metadata', {}).get('type', '').endswith('Relation') else 'no' }}"
    "{% endmacro %}"
)


def test_packages_recognise_a_relation(world):
    """As dbt_utils does in `_is_relation`; a name or a list is none."""
    world.run(world.model("other", "select 1 as x"), "full")
    asked = ("ref('other')", "this", "adapter.get_relation('lake', 'marts', 'other')", "'other'", "[1]", "{}")
    columns = ", ".join(f"'{{{{ is_relation({a}) }}}}' as c{n}" for n, a in enumerate(asked))
    world.run(world.model("t", f"{IS_RELATION} select {columns}"), "full")
    assert world.rows("select * from lake.marts.t") == [("yes", "yes", "yes", "no", "no", "no")]
