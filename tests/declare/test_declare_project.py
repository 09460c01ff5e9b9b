"""What a right project is read into."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from headgate import declare
from headgate.spec.errors import DeclarationError, UsageError
from headgate.spec.project import Project

Make = Callable[[str], Path]


def load(root: Path, environment: str = "dev", variables: Mapping[str, object] | None = None) -> Project:
    return declare.load(str(root), environment=environment, variables=variables or {}, use_cache=False).project


ORDINARY = """\
--- headgate.yml
name: shop
lake: { catalog: "sqlite:.headgate/catalog.sqlite", data: .headgate/data }
environments: { dev: { schema_prefix: "dev_" }, prod: {} }
vars: { start: "2024-01-01", shop: { scoped: 7 } }
models:
  +tags: [all]
  staging: { +materialized: view, +meta: { layer: staging }, +tags: daily }
  shop: { marts: { +materialized: table } }
seeds: { +schema: reference }
--- models/staging/stg_orders.sql
{{ config(tags=['orders'], meta={'team': 'sales'}) }}
select * from {{ source('shop', 'orders') }} where day >= '{{ var("start") }}'
--- models/marts/fct_orders.sql
{{ config(materialized='incremental', unique_key='order_id', incremental_strategy='merge') }}
select order_id, {{ var('scoped') }} as n from {{ ref('stg_orders') }}
{% if is_incremental() %}where order_id > (select max(order_id) from {{ this }}){% endif %}
--- models/marts/mart_cities.sql
select c.*, {{ cents('x') }} as e from {{ ref("country") }} as c cross join {{ ref('only_inside') }}
--- models/marts/only_inside.sql
{{ config(materialized='ephemeral') }}
select 1 as x
--- models/marts/_marts.yml
models:
  - name: fct_orders
    description: Orders.
    config: { owner: orders-team, grain: [order_id], tier: 1, publish_group: money, tags: [fact] }
    columns:
      - name: order_id
        data_type: bigint
        classification: none
        data_tests:
          - unique
          - not_null: { config: { severity: warn, where: "order_id > 1" } }
          - relationships: { to: ref('stg_orders'), field: order_id }
          - is_even
    data_tests:
      - unique_combination_of_columns:
          arguments: { combination_of_columns: [order_id, n] }
          name: own_name
exposures:
  - name: report
    type: dashboard
    owner: { name: Ann, email: ann@example.com }
    depends_on: [ref('fct_orders'), "source('shop', 'orders')"]
unit_tests:
  - name: kept
    model: fct_orders
    given: []
    expect: { rows: [] }
--- macros/money.sql
{% macro cents(column) %}round({{ column }} / 100, 2){% endmacro %}
{% test is_even(model, column_name) %}
select * from {{ model }} where {{ column_name }} % 2 <> 0
{% endtest %}
--- seeds/country.csv
code,name
DE,Germany
--- snapshots/orders.sql
{% snapshot dim_order %}
{{ config(strategy='timestamp', unique_key='order_id', updated_at='day', schema='marts') }}
select * from {{ ref('stg_orders') }}
{% endsnapshot %}
--- snapshots/_all.yml
snapshots:
  - name: dim_country
    relation: ref('country')
    config: { strategy: check, unique_key: code, check_cols: all, schema: marts }
--- tests/no_bad_orders.sql
{{ config(severity='warn') }}
select * from {{ ref('fct_orders') }} where n < 0
--- sources/shop.yml
sources:
  - name: shop
    owner: orders-team
    tags: [raw]
    meta: { system: erp }
    tables:
      - name: orders
        lookback: 1 hour
        primary_key: order_id
        freshness: { warn_after: { count: 1, period: hour }, error_after: 2 days }
        columns:
          - name: order_id
            data_tests: [not_null]
      - name: fixed
        schema: elsewhere
        identifier: t_fixed
"""


def test_an_ordinary_project(declared_project: Make) -> None:
    project = load(declared_project(ORDINARY))
    node = project.nodes["model.shop.stg_orders"]
    assert (str(node.relation), node.materialized, node.tags) == ("dev_staging.stg_orders", "view", ("all", "daily", "orders"))
    assert node.meta == {"layer": "staging", "team": "sales"}
    assert node.canonical_sql == 'select * from "lake"."dev_raw_shop"."orders" where day >= \'2024-01-01\''
    fact = project.nodes["model.shop.fct_orders"]
    assert (fact.materialized, fact.unique_key, fact.owner, fact.grain, fact.tier) == (
        "incremental", ("order_id",), "orders-team", ("order_id",), 1,
    )  # fmt: skip
    assert fact.depends_on == ("model.shop.stg_orders",)
    assert "where" not in fact.canonical_sql
    assert fact.canonical_incremental_sql.endswith('where order_id > (select max(order_id) from "lake"."dev_marts"."fct_orders")')
    assert fact.columns["order_id"].data_type == "bigint"
    assert project.publish_groups == {"money": ("model.shop.fct_orders",)}
    assert str(project.nodes["seed.shop.country"].relation) == "dev_reference.country"
    cities = project.nodes["model.shop.mart_cities"].canonical_sql
    assert cities.startswith('with "__dbt__cte__only_inside" as (\nselect 1 as x\n)') and "round(x / 100, 2)" in cities
    assert project.nodes["snapshot.shop.dim_order"].canonical_sql == 'select * from "lake"."dev_staging"."stg_orders"'
    assert project.nodes["snapshot.shop.dim_country"].depends_on == ("seed.shop.country",)


def test_sources(declared_project: Make) -> None:
    project = load(declared_project(ORDINARY))
    orders = project.sources["source.shop.shop.orders"]
    assert (str(orders.relation), orders.lookback, orders.primary_key) == ("dev_raw_shop.orders", 3600.0, ("order_id",))
    assert orders.freshness is not None and (orders.freshness.warn_after, orders.freshness.error_after) == (3600.0, 172800.0)
    assert (orders.owner, orders.tags, orders.meta) == ("orders-team", ("raw",), {"system": "erp"})
    assert str(project.sources["source.shop.shop.fixed"].relation) == "elsewhere.t_fixed"


def test_the_production_environment_has_no_prefix(declared_project: Make) -> None:
    project = load(declared_project(ORDINARY), "prod")
    assert str(project.nodes["model.shop.stg_orders"].relation) == "staging.stg_orders"
    assert str(project.sources["source.shop.shop.orders"].relation) == "raw_shop.orders"


def test_checks(declared_project: Make) -> None:
    found = load(declared_project(ORDINARY)).checks
    checks = {c.unique_id.rsplit(".", c.unique_id.count(".") - 2)[0]: c for c in found.values()}
    assert set(checks) == {
        "test.shop.unique_fct_orders_order_id",
        "test.shop.not_null_fct_orders_order_id",
        "test.shop.relationships_fct_orders_order_id__order_id__ref_stg_orders_",
        "test.shop.is_even_fct_orders_order_id",
        "test.shop.own_name",
        "test.shop.source_not_null_shop_orders_order_id",
        "test.shop.no_bad_orders",
    }
    hashed = "test.shop.unique_fct_orders_order_id.523ddb6ce5"
    assert hashed in found  # dbt's id, to the letter
    warned = checks["test.shop.not_null_fct_orders_order_id"]
    assert (warned.severity, warned.where, warned.column, warned.attached_to) == (
        "warn", "order_id > 1", "order_id", "model.shop.fct_orders",
    )  # fmt: skip
    other = next(c for c in checks.values() if c.kind == "relationships")
    assert other.arguments == {"to": "model.shop.stg_orders", "field": "order_id"}
    assert other.depends_on == ("model.shop.fct_orders", "model.shop.stg_orders")
    assert checks["test.shop.own_name"].arguments == {"combination_of_columns": ["order_id", "n"]}
    assert checks["test.shop.is_even_fct_orders_order_id"].kind == "macro:is_even"
    single = checks["test.shop.no_bad_orders"]
    assert (single.kind, single.attached_to, single.severity) == ("singular", "model.shop.fct_orders", "warn")


def test_exposures_keep_their_owner(declared_project: Make) -> None:
    report = load(declared_project(ORDINARY)).exposures["exposure.shop.report"]
    assert report.owner == "ann@example.com"
    assert report.depends_on == ("model.shop.fct_orders", "source.shop.shop.orders")


def test_given_variables_win(declared_project: Make) -> None:
    project = load(declared_project(ORDINARY), variables={"start": "2030-01-01"})
    assert "2030-01-01" in project.nodes["model.shop.stg_orders"].canonical_sql


def test_the_project_may_name_schemas_itself(declared_project: Make) -> None:
    body = "{% macro generate_schema_name(custom, node) %}{{ target.name }}_{{ custom or 'x' }}{% endmacro %}"
    own = f"--- macros/naming.sql\n{body}\n"
    project = load(declared_project(ORDINARY + own))
    assert str(project.nodes["model.shop.fct_orders"].relation) == "dev_marts.fct_orders"
    assert str(project.nodes["seed.shop.country"].relation) == "dev_reference.country"


def test_fingerprints_do_not_see_formatting(declared_project: Make) -> None:
    root = declared_project(ORDINARY)
    before = {n.unique_id: n.code_fingerprint for n in load(root).nodes.values()}
    file = root / "models/staging/stg_orders.sql"
    text = file.read_text()
    file.write_text(text.replace("select * from", "-- note\nSELECT  *\n\nFROM").replace("'sales'", "'other'"))
    assert {n.unique_id: n.code_fingerprint for n in load(root).nodes.values()} == before
    file.write_text(text.replace("day >=", "day >"))
    after = {n.unique_id: n.code_fingerprint for n in load(root).nodes.values()}
    assert {uid for uid in after if after[uid] != before[uid]} == {"model.shop.stg_orders"}


def test_the_digest_names_content_variables_and_environment(declared_project: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    root = declared_project('--- models/a.sql\nselect \'{{ env_var("HG_TEST_A", "x") }}\' as a\n')
    first = load(root).digest
    assert load(root).digest == first
    monkeypatch.setenv("HG_TEST_A", "y")
    second = load(root).digest
    assert second != first
    assert load(root, variables={"a": 1}).digest != second


def test_a_python_model(declared_project: Make) -> None:
    root = declared_project(
        "--- models/a.sql\nselect 1 as id\n--- models/p.py\ndef model(dbt, session):\n"
        "    dbt.config(materialized='table', tags=['py'])\n"
        "    return dbt.ref('a')\n"
    )
    node = load(root).nodes["model.shop.p"]
    assert (node.language, node.materialized, node.depends_on, node.tags) == ("python", "table", ("model.shop.a",), ("py",))


def test_an_installed_package(declared_project: Make) -> None:
    root = declared_project(
        """--- dbt_packages/tools/dbt_project.yml
name: tools
vars: { size: 3 }
models: { +materialized: table }
--- dbt_packages/tools/macros/m.sql
{% macro twice(x) %}{{ return(adapter.dispatch('twice', 'tools')(x)) }}{% endmacro %}
{% macro default__twice(x) %}{{ x }} * 2{% endmacro %}
{% macro listed() %}{{ return([1, 2]) }}{% endmacro %}
{% test positive(model, column_name) %}select * from {{ model }} where {{ column_name }} <= 0{% endtest %}
--- dbt_packages/tools/models/inside.sql
{{ config(schema='tools') }} select {{ var('size') }} as size
--- models/a.sql
select {{ tools.twice('size') }} as n{% for i in tools.listed() %}, {{ i }} as n{{ i }}{% endfor %}
from {{ ref('tools', 'inside') }}
--- models/_a.yml
models:
  - name: a
    columns: [{ name: n, data_tests: [tools.positive] }]
"""
    )
    project = load(root)
    assert project.nodes["model.shop.a"].canonical_sql == ('select size * 2 as n, 1 as n1, 2 as n2\nfrom "lake"."tools"."inside"')
    inside = project.nodes["model.tools.inside"]
    assert (inside.materialized, inside.canonical_sql) == ("table", "select 3 as size")
    assert next(iter(project.checks.values())).kind == "macro:tools.positive"
    (root / "macros").mkdir()
    (root / "macros/own.sql").write_text("{% macro default__twice(x) %}{{ x }} + {{ x }}{% endmacro %}")
    assert "size + size" in load(root).nodes["model.shop.a"].canonical_sql


def test_a_dbt_project_as_it_is(declared_project: Make) -> None:
    root = declared_project(
        """--- dbt_project.yml
name: old
version: "1.0"
profile: old
model-paths: [models]
unknown-thing: 1
models: { old: { +materialized: table, deep: { +schema: extra, +own_key: 3 } } }
--- models/a.sql
select 1 as id
--- models/deep/b.sql
select * from {{ ref('a') }}
--- models/s.yml
version: 2
sources: [{ name: raw, tables: [{ name: t }] }]
"""
    )
    project = load(root)
    assert str(project.nodes["model.old.b"].relation) == "main_extra.b"
    assert str(project.sources["source.old.raw.t"].relation) == "raw.t"
    assert {d.severity for d in project.notices} == {"notice"}


def test_versions(declared_project: Make) -> None:
    root = declared_project(
        """--- models/dim_v1.sql
select 1 as id
--- models/dim_v2.sql
select 2 as id
--- models/reader.sql
select * from {{ ref('dim') }} union all select * from {{ ref('dim', v=1) }}
--- models/_m.yml
models:
  - name: dim
    latest_version: 2
    versions: [{ v: 1 }, { v: 2 }]
"""
    )
    project = load(root)
    assert project.nodes["model.shop.reader"].depends_on == ("model.shop.dim.v2", "model.shop.dim.v1")
    assert str(project.nodes["model.shop.dim.v1"].relation) == "main.dim_v1"


def test_cross_database_macros(declared_project: Make) -> None:
    import duckdb

    body = """select
  {{ dbt.dateadd('day', 3, "date '2024-01-30'") }} as a, {{ dbt.datediff("date '2024-01-01'", "date '2024-02-01'", 'day') }} as b,
  {{ dbt.date_trunc('month', "date '2024-02-15'") }} as c, {{ concat(["'x'", "'y'"]) }} as d,
  {{ safe_cast("'z'", type_int()) }} as e,
  {{ dbt.split_part("'a-b'", "'-'", 2) }} as f, {{ dbt.last_day("date '2024-02-03'", 'month') }} as g, {{ dbt.hash("1") }} as h,
  {{ dbt.listagg('n', "','", "order by n") }} as i, {{ dbt.string_literal('q') }} as j, {{ dbt.right("'abc'", 2) }} as k
from ({{ dbt.date_spine('day', "cast('2024-01-01' as date)", "cast('2024-01-03' as date)") }}), (select 1 as n)
group by all"""
    root = declared_project(f"--- models/a.sql\n{body}\n")
    sql = load(root).nodes["model.shop.a"].canonical_sql
    row = duckdb.connect().execute(sql).fetchone()
    assert row is not None
    assert [str(v) for v in row[:7]] == ["2024-02-02 00:00:00", "31", "2024-02-01 00:00:00", "xy", "None", "b", "2024-02-29"]
    assert [str(v) for v in row[8:]] == ["1,1", "q", "bc"]


def test_no_project_and_no_environment(tmp_path: Path, declared_project: Make) -> None:
    with pytest.raises(UsageError, match="holds no project"):
        declare.load(str(tmp_path))
    with pytest.raises(UsageError, match="Did you mean 'staging'"):
        declare.load(str(declared_project("--- headgate.yml\nname: x\nenvironments: { staging: {} }\n")), environment="stagin")


def test_all_mistakes_come_at_once(declared_project: Make) -> None:
    root = declared_project(
        "--- models/a.sql\nselect * from {{ ref('b') }}\n--- models/c.sql\nselect from\n--- sources/s.yml\nsorces: []\n"
    )
    with pytest.raises(DeclarationError) as caught:
        load(root)
    assert [d.code for d in caught.value.diagnostics] == ["HG-D030", "HG-D050", "HG-D013"]
    assert caught.value.exit_code == 1


def test_descriptions_from_docs_blocks_and_lists_that_are_kept(declared_project: Make) -> None:
    root = declared_project(
        "--- models/a.sql\nselect 1 as id\n--- models/_a.yml\nmodels:\n  - name: a\n    description: \"{{ doc('long') }}\"\n"
        "    columns: [{ name: id, description: \"{{ doc('long') }} (key)\" }]\nmetrics: [{ name: m }]\n"
        "--- models/notes.md\n{% docs long %}\nWhat it is.\n{% enddocs %}\n"
    )
    project = load(root)
    node = project.nodes["model.shop.a"]
    assert (node.description, node.columns["id"].description) == ("What it is.", "What it is. (key)")
    assert project.resources["metric.shop.m"].said == {"name": "m"}


def test_a_model_that_asks_the_database_is_known_at_run_time_alone(declared_project: Make) -> None:
    root = declared_project(
        "--- models/a.sql\nselect 1 as id\n--- models/b.sql\n{% set found = run_query('select 1') %}\n"
        "select {% for c in adapter.get_columns_in_relation(ref('a')) %}{{ c.name }}{% endfor %} from {{ ref('a') }}\n"
        "--- models/c.sql\nselect {{ 1 if execute else 2 }} as n from {{ ref('b') }}\n"
    )
    project = load(root)
    assert project.nodes["model.shop.b"].canonical_sql == ""
    assert project.nodes["model.shop.c"].canonical_sql == 'select 2 as n from "lake"."main"."b"'
    assert [(d.code, d.severity, str(d.location)) for d in project.notices] == [("HG-D052", "notice", "models/b.sql:1")]


def test_headgate_yml_beside_dbt_project_yml_leaves_the_rest_to_it(declared_project: Make) -> None:
    root = declared_project(
        """--- headgate.yml
lake: { catalog: "sqlite:here.sqlite" }
vars: { day: 2 }
--- dbt_project.yml
name: old
profile: old
model-paths: [transform]
vars: { day: 1, night: 1 }
models: { old: { deep: { +materialized: table } } }
--- transform/a.sql
select {{ var('day') }} as id
--- transform/deep/b.sql
select * from {{ ref('a') }}
"""
    )
    project = load(root)
    assert project.name == "old"
    assert project.lake.catalog.endswith("here.sqlite")
    assert project.nodes["model.old.b"].materialized == "table"
    assert (project.nodes["model.old.a"].canonical_sql or "").strip() == "select 2 as id"  # a key is taken whole or not at all
    (root / "dbt_project.yml").write_text("name: old\nmodel-paths: [../elsewhere]\n")
    with pytest.raises(DeclarationError) as wrong:
        load(root)
    assert [str(d.location) for d in wrong.value.diagnostics] == ["dbt_project.yml:2:14"]
