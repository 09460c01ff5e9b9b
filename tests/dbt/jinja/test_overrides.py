"""What a project overrides is used: names of relations, generic tests, ref and source, macros by dispatch."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import headgate

Write = Callable[..., Path]
MODEL = "{{ config(materialized='table', schema='extra') }} select 1 as id union all select 1"


def relations(root: Path) -> dict[str, str]:
    """The relation of each node by its name."""
    with headgate.open(str(root)) as session:
        return {node.name: str(node.relation) for node in session.project.nodes.values()}


def outcomes(root: Path) -> dict[str, str]:
    """The status of each step by the node's name."""
    with headgate.open(str(root)) as session:
        return {step.unique_id.split(".")[2]: step.status for step in session.run().steps}


@pytest.mark.parametrize(
    ("macro", "relation"),
    [
        ("", "main_extra.a"),
        ("{% macro generate_schema_name(custom, node) %}{{ custom or target.schema }}{% endmacro %}", "extra.a"),
        ("{% macro default__generate_schema_name(custom, node) %}{{ 'd_' ~ custom }}{% endmacro %}", "d_extra.a"),
        ("{% macro duckdb__generate_schema_name(custom, node) %}{{ 'q_' ~ custom }}{% endmacro %}", "q_extra.a"),
        ("{% macro generate_schema_name(c, node) %}x{{ default__generate_schema_name(c, node) }}{% endmacro %}", "xmain_extra.a"),
        ("{% macro generate_schema_name(c, node) %}y{{ dbt.default__generate_schema_name(c, node) }}{% endmacro %}", "ymain_extra.a"),
        ("{% macro generate_schema_name(c, node) %}{{ generate_schema_name_for_env(c, node) }}{% endmacro %}", "main.a"),
        ("{% macro generate_alias_name(custom, node) %}{{ node.name }}_{{ node.config.materialized }}{% endmacro %}", "main_extra.a_table"),
        ("{% macro generate_alias_name(c, node) %}z{{ dbt.generate_alias_name(c, node) }}{% endmacro %}", "main_extra.za"),
    ],
)  # fmt: skip
def test_names_of_relations(jinja_project: Write, macro: str, relation: str) -> None:
    assert relations(jinja_project(**{"models/a.sql": MODEL, "macros/own.sql": macro})) == {"a": relation}


def test_a_package_names_its_own(jinja_project: Write) -> None:
    own = "{% macro generate_schema_name(custom, node) %}inner{% endmacro %}"
    root = jinja_project(
        **{
            "models/a.sql": MODEL,
            "dbt_packages/inside/dbt_project.yml": "name: inside\nversion: '1'\n",
            "dbt_packages/inside/models/b.sql": MODEL,
            "dbt_packages/inside/macros/own.sql": own,
        }
    )
    assert relations(root) == {"a": "main_extra.a", "b": "inner.b"}


TESTS = {
    "unique": ("unique", "model, column_name"),
    "not_null": ("not_null", "model, column_name"),
    "accepted_values": ("accepted_values: {values: [7]}", "model, column_name, values, quote=True"),
    "relationships": ("relationships: {to: ref('a'), field: nothing}", "model, column_name, to, field"),
}


@pytest.mark.parametrize("name", TESTS)
@pytest.mark.parametrize("prefix", ["default__test_", "duckdb__test_", "test_"])
def test_overriding_a_generic_test_changes_the_check(jinja_project: Write, name: str, prefix: str) -> None:
    """The table has a double and no other fault; each override finds nothing, or (not_null, which would) something."""
    said, arguments = TESTS[name]
    found = "select 1 as bad" if name == "not_null" else "select 1 as bad where false"
    macro = f"{{% macro {prefix}{name}({arguments}) %}}{found}{{% endmacro %}}"
    declared = f"models: [{{name: a, columns: [{{name: id, data_tests: [{{{said}}}]}}]}}]"
    declared = declared.replace("{unique}", "unique").replace("{not_null}", "not_null")
    root = jinja_project(**{"models/a.sql": MODEL, "models/a.yml": declared, "macros/own.sql": macro})
    assert outcomes(root) == {"a": "blocked" if name == "not_null" else "done"}


def test_overriding_the_where_of_tests(jinja_project: Write) -> None:
    macro = "{% macro get_where_subquery(relation) %}(select * from {{ relation }} limit {{ config.get('where') }}){% endmacro %}"
    declared = "models: [{name: a, columns: [{name: id, data_tests: [{unique: {config: {where: '1'}}}]}]}]"
    root = jinja_project(**{"models/a.sql": MODEL, "models/a.yml": declared, "macros/own.sql": macro})
    assert outcomes(root) == {"a": "done"}


def test_a_test_of_the_project_by_dispatch(jinja_project: Write) -> None:
    macros = """
{% test at_most(model, column_name, most) %}{{ return(adapter.dispatch('test_at_most', 'shop')(model, column_name, most)) }}{% endtest %}
{% macro default__test_at_most(model, column_name, most) %}{{ exceptions.raise_compiler_error('not this') }}{% endmacro %}
{% macro duckdb__test_at_most(model, column_name, most) %}select * from {{ model }} where {{ column_name }} > {{ most }}{% endmacro %}
"""
    declared = "models: [{name: a, columns: [{name: id, data_tests: [{at_most: {most: MOST}}]}]}]"
    root = jinja_project(**{"models/a.sql": MODEL, "models/a.yml": declared.replace("MOST", "1"), "macros/own.sql": macros})
    assert outcomes(root) == {"a": "done"}
    (root / "models/a.yml").write_text(declared.replace("MOST", "0"), encoding="utf-8")
    (root / "models/a.sql").write_text(MODEL + " union all select 2", encoding="utf-8")
    assert outcomes(root) == {"a": "blocked"}


def test_ref_and_source_through_builtins(jinja_project: Write) -> None:
    own = """
{% macro ref() %}{% do return(builtins.ref(*varargs, **kwargs).include(database=false)) %}{% endmacro %}
{% macro source(source_name, table_name) %}{% do return(builtins.source(source_name, table_name ~ '_kept')) %}{% endmacro %}
"""
    sources = "sources: [{name: raw, schema: main, tables: [{name: a_kept}]}]"
    root = jinja_project(
        **{
            "macros/own.sql": own,
            "models/a_kept.sql": "{{ config(materialized='table') }} select 1 as id",
            "models/s.yml": sources,
            "models/b.sql": "select '{{ ref('a_kept') }}' as said, * from {{ ref('a_kept') }}",
            "models/c.sql": "-- depends_on: {{ ref('a_kept') }}\nselect * from {{ source('raw', 'a') }}",
        }
    )
    assert outcomes(root) == {"a_kept": "done", "b": "done", "c": "done"}
    with headgate.open(str(root)) as session:
        assert session.query("select said from main.b").to_pylist() == [{"said": '"main"."a_kept"'}]


def test_dispatch_by_the_search_order(jinja_project: Write) -> None:
    root = jinja_project(
        **{
            "dbt_project.yml": "name: shop\nversion: '1'\nprofile: shop\ndispatch: [{macro_namespace: dbt, search_order: [inside, dbt]}]\n",
            "models/a.sql": "select {{ dbt.concat(['1', '2']) }} as x, {{ dbt.length('y') }} as z",
            "dbt_packages/inside/dbt_project.yml": "name: inside\nversion: '1'\n",
            "dbt_packages/inside/macros/own.sql": "{% macro default__concat(fields) %}joined({{ fields | join }}){% endmacro %}",
        }
    )
    with headgate.open(str(root)) as session:
        assert session.project.nodes["model.shop.a"].canonical_sql == "select joined(12) as x, length(y) as z"


def test_a_relation_in_a_text_is_named_as_published(jinja_project: Write) -> None:
    root = jinja_project(
        **{
            "models/a.sql": "{{ config(materialized='table') }} select 1 as id",
            "models/b.sql": "select '{{ ref('a') }}' as said, -- don't\n count(*) as n from {{ ref('a') }} where '''' <> '{{ ref('a') }}'",
        }
    )
    assert outcomes(root) == {"a": "done", "b": "done"}
    with headgate.open(str(root)) as session:
        assert session.query("select said, n from main.b").to_pylist() == [{"said": '"shop"."main"."a"', "n": 1}]


def test_what_a_package_does_around_its_models(jinja_project: Write) -> None:
    """Its own macros in its hooks, writes to its own rows by run_query, things kept in graph, statements before the run."""
    macros = """
{% macro fill(relation) %}{% if execute %}
  {% do run_query('insert into ' ~ relation ~ " select '" ~ graph['inside'].mark ~ "', " ~ (graph.nodes | length)) %}
{% endif %}{% endmacro %}
{% macro start() %}{% do graph.setdefault('inside', {}).update({'mark': 'kept'}) %}{% endmacro %}
"""
    root = jinja_project(
        **{
            "models/a.sql": "select * from {{ ref('filled') }}",
            "dbt_packages/inside/dbt_project.yml": 'name: inside\nversion: "1"\non-run-start: ["{{ inside.start() }}"]\n',
            "dbt_packages/inside/models/filled.sql": "{{ config(materialized='table', post_hook='{{ fill(this) }}') }}"
            " select cast(null as varchar) as mark, 0 as n where false",
            "dbt_packages/inside/macros/own.sql": macros,
        }
    )
    assert set(outcomes(root).values()) == {"done"}
    with headgate.open(str(root)) as session:
        assert session.query("select * from main.a").to_pylist() == [{"mark": "kept", "n": 2}]


def test_a_dbt_model_without_a_key_appends(jinja_project: Write) -> None:
    root = jinja_project(**{"models/a.sql": "{{ config(materialized='incremental') }} select 1 as id"})
    assert outcomes(root) == {"a": "done"}
    (root / "models/a.sql").write_text("{{ config(materialized='incremental') }} select 2 as id", encoding="utf-8")
    assert outcomes(root) == {"a": "done"}
    with headgate.open(str(root)) as session:
        assert sorted(r["id"] for r in session.query("select id from main.a").to_pylist()) == [1, 2]
