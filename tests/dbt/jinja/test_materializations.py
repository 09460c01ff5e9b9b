"""Materialisations written in Jinja, for real: staged, gated and published like everything else."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

import headgate

Write = Callable[..., Path]
ORDERS = "select * from (values (1, 'open', 10), (2, 'paid', 20)) as v(id, state, amount)"


def run(root: Path, *, full_refresh: bool = False) -> dict[str, str]:
    """Run the project; the status of each step by the node's name."""
    with headgate.open(str(root)) as session:
        result = session.run(full_refresh=full_refresh)
        return {step.unique_id.rsplit(".", 1)[-1]: f"{step.status} {step.reason}" for step in result.steps}


def rows(root: Path, sql: str) -> list[tuple[object, ...]]:
    """What a query gives on the published tables."""
    with headgate.open(str(root)) as session:
        return [tuple(r.values()) for r in json.loads(json.dumps(session.query(sql).to_pylist(), default=str))]


LOGGED = """
{% materialization logged, default %}
  {%- set old = load_cached_relation(this) -%}
  {%- if old is none -%}
    {% call statement('main') %}create table {{ this }} as select *, 1 as build from ({{ sql }}){% endcall %}
  {%- else -%}
    {% set made = run_query('select max(build) from ' ~ this).columns[0].values()[0] %}
    {% call statement('main') %}
      insert into {{ this }} select *, {{ made + 1 }} as build from ({{ sql }})
    {% endcall %}
  {%- endif -%}
  {{ run_hooks(post_hooks) }}
  {{ return({'relations': [this]}) }}
{% endmaterialization %}
"""


def test_a_materialisation_adds_to_its_own_table(jinja_project: Write) -> None:
    model = "{{ config(materialized='logged', post_hook='update {{ this }} set amount = 0 where id = 2') }}\n" + ORDERS
    root = jinja_project(**{"macros/logged.sql": LOGGED, "models/orders.sql": model})
    assert run(root) == {"orders": "done "}
    assert rows(root, "select id, amount, build from main.orders order by 1") == [(1, 10, 1), (2, 0, 1)]
    assert run(root) == {}
    (root / "models/orders.sql").write_text(model.replace("10)", "11)"), encoding="utf-8")
    assert run(root) == {"orders": "done "}
    assert rows(root, "select id, amount, build from main.orders order by build, id") == [
        (1, 10, 1), (2, 0, 1), (1, 11, 2), (2, 0, 2),
    ]  # fmt: skip


def test_what_it_leaves_is_gated(jinja_project: Write) -> None:
    model = "{{ config(materialized='logged') }}\n" + ORDERS
    test = "models: [{name: orders, columns: [{name: amount, data_tests: [{accepted_values: {values: [10], quote: false}}]}]}]"
    root = jinja_project(**{"macros/logged.sql": LOGGED, "models/orders.sql": model, "models/orders.yml": test})
    assert run(root)["orders"].startswith("blocked")
    with headgate.open(str(root)) as session:
        assert "main.orders" not in session.lake.relations()


@pytest.mark.parametrize(
    "statement",
    [
        "delete from {{ ref('base') }}",
        "drop table {{ ref('base') }}",
        "create or replace table {{ this.database }}.main.other as select 1 as x",
        "insert into base values (9, 'x', 1)",
        "with x as (select 1) delete from {{ this }}",
        "copy (select 1) to 'stolen.csv'",
        "attach 'other.duckdb' as other",
        "select 1; drop table {{ ref('base') }}",
        "-- a comment\n drop table {{ ref('base') }}",
        "create view {{ api.Relation.create(database=target.database, schema='main', identifier='base') }} as select 1 as x",
        "export database 'stolen'",
    ],
)
def test_what_would_write_elsewhere_is_refused(jinja_project: Write, statement: str) -> None:
    macro = "{% materialization wild, default %}{% call statement('main') %}create table {{ this }} as ({{ sql }}){% endcall %}"
    macro += "{% call statement() %}" + statement + "{% endcall %}{{ return({'relations': [this]}) }}{% endmaterialization %}"
    root = jinja_project(
        **{
            "macros/wild.sql": macro,
            "models/base.sql": "{{ config(materialized='table') }} " + ORDERS,
            "models/wilder.sql": "{{ config(materialized='wild') }} select * from {{ ref('base') }}",
        }
    )
    told = run(root)
    assert (told["wilder"].startswith("failed") and "HG-T040" in told["wilder"]) or "may not run this" in told["wilder"]
    assert told["base"] == "done "
    assert rows(root, "select count(*) from main.base") == [(2,)]


def test_one_that_leaves_nothing_is_told(jinja_project: Write) -> None:
    macro = "{% materialization idle, default %}{{ return({'relations': []}) }}{% endmaterialization %}"
    root = jinja_project(**{"macros/idle.sql": macro, "models/a.sql": "{{ config(materialized='idle') }} select 1 as x"})
    assert "has left no main.a" in run(root)["a"]


def test_a_view_reads_what_is_published(jinja_project: Write) -> None:
    macro = """
{% materialization masked_view, adapter='duckdb' %}
  {% set between = make_intermediate_relation(this.incorporate(type='view')) %}
  {% call statement('main') %}{{ get_create_view_as_sql(between, 'select id, amount from (' ~ sql ~ ')') }}{% endcall %}
  {% do adapter.rename_relation(between, this) %}
  {{ return({'relations': [this]}) }}
{% endmaterialization %}
"""
    root = jinja_project(
        **{
            "macros/masked.sql": macro,
            "models/base.sql": "{{ config(materialized='table') }} " + ORDERS,
            "models/masked.sql": "{{ config(materialized='masked_view') }} select * from {{ ref('base') }}",
            "models/after.sql": "select sum(amount) as total from {{ ref('masked') }}",
        }
    )
    assert set(run(root).values()) == {"done "}
    assert rows(root, "select * from main.masked order by 1") == [(1, 10), (2, 20)]
    with headgate.open(str(root)) as session:
        assert session.lake.relations()["main.masked"] == "view"


STRATEGY = """
{% macro get_incremental_keep_highest_sql(arg_dict) %}
  {% do return(keep_highest(arg_dict)) %}
{% endmacro %}
{% macro keep_highest(said) %}
  delete from {{ said.target_relation }} as t using {{ said.temp_relation }} as s
  where t.{{ said.unique_key }} = s.{{ said.unique_key }} and s.amount > t.amount;
  insert into {{ said.target_relation }} ({{ get_quoted_csv(said.dest_columns | map(attribute='name')) }})
  select {{ get_quoted_csv(said.dest_columns | map(attribute='name')) }} from {{ said.temp_relation }} as s
  where not exists (select 1 from {{ said.target_relation }} as t where t.{{ said.unique_key }} = s.{{ said.unique_key }})
{% endmacro %}
"""


def test_a_strategy_of_the_project(jinja_project: Write) -> None:
    head = "{{ config(materialized='incremental', incremental_strategy='keep_highest', unique_key='id') }}\n"
    root = jinja_project(**{"macros/s.sql": STRATEGY, "models/orders.sql": head + ORDERS})
    assert run(root) == {"orders": "done "}
    changed = head + "select * from (values (1, 'shut', 5), (2, 'sent', 30), (3, 'new', 1)) as v(id, state, amount)"
    (root / "models/orders.sql").write_text(changed, encoding="utf-8")
    assert run(root) == {"orders": "done "}
    assert rows(root, "select * from main.orders order by 1") == [(1, "open", 10), (2, "sent", 30), (3, "new", 1)]
    assert run(root, full_refresh=True) == {"orders": "done "}
    assert rows(root, "select count(*), min(amount) from main.orders") == [(3, 1)]


@pytest.mark.parametrize(
    ("macro", "strategy", "expected"),
    [
        ("get_delete_insert_merge_sql(target, source, unique_key, dest_columns, incremental_predicates)", "delete+insert", 4),
        ("get_merge_sql(target, source, unique_key, dest_columns, incremental_predicates=none)", "merge", 4),
        ("default__get_merge_sql(target, source, unique_key, dest_columns, incremental_predicates=none)", "merge", 4),
        ("duckdb__get_incremental_merge_sql(arg_dict)", "merge", 4),
        ("get_insert_overwrite_merge_sql(target, source, dest_columns, predicates, include_sql_header=false)", "merge", 2),
    ],
)
def test_overriding_the_sql_of_a_strategy(jinja_project: Write, macro: str, strategy: str, expected: int) -> None:
    """The project's own only ever inserts: it is used where its strategy is, and nowhere else."""
    into = "arg_dict.target_relation" if "arg_dict" in macro else "target"
    out = "arg_dict.temp_relation" if "arg_dict" in macro else "source"
    own = f"{{% macro {macro} %}}insert into {{{{ {into} }}}} select * from {{{{ {out} }}}}{{% endmacro %}}"
    head = f"{{{{ config(materialized='incremental', incremental_strategy='{strategy}', unique_key='id') }}}}\n"
    root = jinja_project(**{"macros/own.sql": own, "models/orders.sql": head + ORDERS})
    run(root)
    (root / "models/orders.sql").write_text(head + ORDERS + " -- again\n where amount > 0", encoding="utf-8")
    assert run(root) == {"orders": "done "}
    assert rows(root, "select count(*) from main.orders") == [(expected,)]


SNAPSHOT = """{% snapshot kept %}
{{ config(strategy='STRATEGY', unique_key='id', updated_at='changed_at', check_cols=['state'], hard_deletes='invalidate') }}
select id, state, cast(changed_at as timestamp) as changed_at from (values VALUES) as v(id, state, changed_at)
{% endsnapshot %}"""
FIRST, LATER = "(1, 'a', '2024-01-01'), (2, 'b', '2024-01-01')", "(1, 'c', '2024-02-01')"
HASH = "{% macro default__snapshot_hash_arguments(args) %}'own-' || {{ args | join(\" || '-' || \") }}{% endmacro %}"
CUSTOM = """{% macro snapshot_letters_strategy(node, snapshotted_rel, current_rel, model_config, target_exists) %}
{{ return({'unique_key': 'id', 'updated_at': 'changed_at', 'row_changed': snapshotted_rel ~ '.state < ' ~ current_rel ~ '.state',
  'scd_id': snapshot_hash_arguments(['id', 'changed_at']), 'invalidate_hard_deletes': true, 'hard_deletes': 'invalidate'}) }}
{% endmacro %}"""


@pytest.mark.parametrize("strategy", ["timestamp", "check", "letters"])
def test_snapshots_with_macros_of_the_project(jinja_project: Write, strategy: str) -> None:
    text = SNAPSHOT.replace("STRATEGY", strategy)
    root = jinja_project(**{"macros/own.sql": HASH + CUSTOM, "snapshots/kept.sql": text.replace("VALUES", FIRST)})
    assert run(root) == {"kept": "done "}
    (root / "snapshots/kept.sql").write_text(text.replace("VALUES", LATER), encoding="utf-8")
    assert run(root) == {"kept": "done "}
    kept = rows(root, "select id, state, dbt_valid_to is null, dbt_scd_id like 'own-%' from main.kept order by id, state")
    assert kept == [(1, "a", False, True), (1, "c", True, True), (2, "b", False, True)]


def test_overriding_create_table_as(jinja_project: Write) -> None:
    own = """{% macro create_table_as(temporary, relation, compiled_code, language='sql') %}
    {{ dbt.create_table_as(temporary, relation, "select *, 'stamped' as mark from (" ~ compiled_code ~ ")") }}
    {% endmacro %}"""
    root = jinja_project(**{"macros/own.sql": own, "models/orders.sql": "{{ config(materialized='table') }}" + ORDERS})
    assert run(root) == {"orders": "done "}
    assert rows(root, "select distinct mark from main.orders") == [("stamped",)]
