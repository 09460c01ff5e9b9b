"""Unit tests of models: formats, fixtures, overrides, incremental mode, versions, types without tables, and their place in a run."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from headgate import declare
from headgate.run.session import open_session
from headgate.spec.clock import Clock
from headgate.spec.errors import DeclarationError
from headgate.transform.unit_test import Tried, UnitTests

PROJECT = """\
--- dbt_project.yml
name: shop
version: '1.0'
profile: shop
vars: { rate: 2 }
--- seeds/raw_orders.csv
id,amount,placed
1,10.5,2026-01-01
2,3,2026-01-02
--- models/_sources.yml
sources:
  - name: web
    tables:
      - name: clicks
        columns: [{ name: id, data_type: integer }, { name: seen, data_type: timestamp }, { name: url, data_type: varchar }]
      - name: unknown
--- models/stg_orders.sql
select id, amount * {{ var('rate') }} as amount, cast(placed as date) as day from {{ ref('raw_orders') }}
--- models/hidden.sql
{{ config(materialized='ephemeral') }} select id, day from {{ ref('stg_orders') }}
--- models/days.sql
{{ config(materialized='incremental', unique_key='day') }}
select day, count(*) as orders, '{{ env_var("SHOP_ENV", "none") }}' as env, {{ half('1') }} as half, '{{ dbt.type_string() }}' as t
from {{ ref('hidden') }}
{% if is_incremental() %} where day > (select max(day) from {{ this }}) {% endif %} group by 1
--- models/sessions.sql
select c.id, date_trunc('day', c.seen) as day, u.name, u.score + 1 as score
from {{ source('web', 'clicks') }} c left join {{ source('web', 'unknown') }} u on u.id = c.id
--- models/names_v1.sql
select id from {{ ref('stg_orders') }}
--- models/names_v2.sql
select id + 0 as id from {{ ref('stg_orders') }}
--- models/_names.yml
models: [{ name: names, latest_version: 2, versions: [{ v: 1 }, { v: 2 }] }]
--- macros/half.sql
{% macro half(x) %}({{ x }} / 2.0){% endmacro %}
--- tests/fixtures/three_days.csv
id,day
1,2026-01-01
2,2026-01-01
3,
--- tests/fixtures/as_query.sql
select 7 as id, date '2026-02-02' as day
"""
TESTS = {
    "dict": """
  - name: t
    model: stg_orders
    given: [{ input: ref('raw_orders'), rows: [{ id: 1, amount: 2.5, placed: 2026-01-03 }, { id: 2 }] }]
    expect: { rows: [{ id: 2, amount: null }, { id: 1, amount: 5.0, day: 2026-01-03 }] }""",
    "csv": """
  - name: t
    model: stg_orders
    given:
      - input: ref('raw_orders')
        format: csv
        rows: |
          id,amount
          1,3
          2,
    expect:
      format: csv
      rows: |
        id,amount
        1,6
        2,""",
    "seed": """
  - name: t
    model: stg_orders
    given: [{ input: ref('raw_orders') }]
    expect: { rows: [{ id: 1, amount: 21.0 }, { id: 2, amount: 6 }] }""",
    "sql": """
  - name: t
    model: stg_orders
    given: [{ input: ref('raw_orders'), format: sql, rows: "select 1 as id, 1.5 as amount, '2026-01-01' as placed" }]
    expect: { format: sql, rows: "select 1 as id, 3 as amount" }""",
    "fixture": """
  - name: t
    model: days
    overrides: { macros: { half: 9, is_incremental: false }, env_vars: { SHOP_ENV: test } }
    given: [{ input: ref('hidden'), format: csv, fixture: three_days }]
    expect: { rows: [{ day: 2026-01-01, orders: 2, env: test, half: 9 }, { day: null, orders: 1, env: test, half: 9 }] }""",
    "sql fixture": """
  - name: t
    model: days
    overrides: { vars: { rate: 5 }, macros: { dbt.type_string: none at all } }
    given: [{ input: ref('hidden'), format: sql, fixture: as_query }]
    expect: { rows: [{ day: 2026-02-02, orders: 1, half: 0.5, t: none at all }] }""",
    "incremental": """
  - name: t
    model: days
    overrides: { macros: { is_incremental: true } }
    given:
      - { input: ref('hidden'), rows: [{ id: 1, day: 2026-01-01 }, { id: 2, day: 2026-01-05 }] }
      - { input: this, rows: [{ day: 2026-01-03 }] }
    expect: { rows: [{ day: 2026-01-05, orders: 1 }] }""",
    "variable": """
  - name: t
    model: stg_orders
    overrides: { vars: { rate: 100 } }
    given: [{ input: ref('raw_orders'), rows: [{ id: 1, amount: 1 }] }]
    expect: { rows: [{ id: 1, amount: 100 }] }""",
    "nothing known": """
  - name: t
    model: sessions
    given:
      - { input: "source('web', 'clicks')", rows: [{ id: 1, seen: 2026-01-01 10:00:00 }, { id: 2 }] }
      - { input: "source('web', 'unknown')", rows: [{ id: 1, name: ann }] }
    expect: { rows: [{ id: 1, day: 2026-01-01, name: ann, score: null }, { id: 2, name: null }] }""",
    "no rows": """
  - name: t
    model: stg_orders
    given: [{ input: ref('raw_orders'), rows: [] }]
    expect: { rows: [] }""",
}


def _write(root: Path, text: str) -> Path:
    parts = re.split(r"^--- (\S+)\n", text, flags=re.M)
    for path, content in zip(parts[1::2], parts[2::2], strict=True):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(content, encoding="utf-8")
    return root


def _tried(root: Path, tests: str) -> list[Tried]:
    _write(root, PROJECT + "--- models/_tests.yml\nunit_tests:" + tests + "\n")
    loaded = declare.load(str(root), use_cache=False)
    runner = UnitTests(loaded.project, loaded.templates, Clock.start(), lambda relation: None)
    return [runner.run(test) for test in loaded.project.unit_tests.values()]


@pytest.mark.parametrize("case", TESTS)
def test_given_rows_in_every_form(case: str, tmp_path: Path) -> None:
    (tried,) = _tried(tmp_path, TESTS[case])
    assert tried.passed, tried.message


def test_rows_that_differ_are_shown_side_by_side(tmp_path: Path) -> None:
    (tried,) = _tried(tmp_path, TESTS["dict"].replace("amount: 5.0", "amount: 6.0"))
    assert tried.message == (
        "unit test 't' gave other rows than expected:\n"
        "     id  amount  day\n"
        "  -  1   6.0     2026-01-03\n"
        "  +  1   5.0     2026-01-03"
    )


def test_a_column_that_the_model_does_not_return_is_named(tmp_path: Path) -> None:
    (tried,) = _tried(tmp_path, TESTS["dict"].replace("day: 2026-01-03", "dya: 1"))
    assert "column 'dya' is expected, which the model does not return" in tried.message


def test_every_version_is_tried(tmp_path: Path) -> None:
    text = """
  - name: t
    model: names
    given: [{ input: ref('stg_orders'), rows: [{ id: 1 }] }]
    expect: { rows: [{ id: 1 }] }
  - name: only
    model: names
    versions: { exclude: [1] }
    given: [{ input: ref('stg_orders'), rows: [{ id: 1 }] }]
    expect: { rows: [{ id: 1 }] }"""
    tried = _tried(tmp_path, text)
    assert [t.test.unique_id for t in tried] == [
        "unit_test.shop.names.t_v1",
        "unit_test.shop.names.t_v2",
        "unit_test.shop.names.only_v2",
    ]
    assert all(t.passed for t in tried)


@pytest.mark.parametrize(
    ("wrong", "right", "told"),
    [
        ("model: stg_orders", "model: stg_order", "did you mean 'stg_orders'?"),
        ("ref('raw_orders')", "ref('raw')", "refers to 'raw', which does not exist"),
        ("format: csv", "format: xml", "'format' is text 'xml'"),
        ("rows: |\n          id,amount", "fixture: gone\n        x: |\n          id,amount", "names fixture 'gone', which does not exist"),
    ],
)  # fmt: skip
def test_mistakes_have_their_place(wrong: str, right: str, told: str, tmp_path: Path) -> None:
    with pytest.raises(DeclarationError, match=re.escape(told)):
        _tried(tmp_path, TESTS["csv"].replace(wrong, right, 1))


def test_a_model_whose_unit_test_fails_is_not_built(tmp_path: Path) -> None:
    text = PROJECT.replace("name: shop\nversion: '1.0'\nprofile: shop\n", "name: shop\nleave: 1\n")
    text = text.replace("--- dbt_project.yml", "--- dbt_project.yml")
    _write(tmp_path, text + "--- models/_tests.yml\nunit_tests:" + TESTS["dict"].replace("amount: 5.0", "amount: 6.0") + "\n")
    (tmp_path / "models" / "sessions.sql").unlink()
    with open_session(str(tmp_path)) as session:
        result = session.run(())
        assert result.status == "blocked"
        statuses = {s.unique_id: s.status for s in result.steps}
        assert statuses["model.shop.stg_orders"] == "blocked", result
        assert statuses["model.shop.names.v1"] == "skipped"
        assert "amount" in next(s.reason for s in result.steps if s.unique_id == "model.shop.stg_orders")
        _write(tmp_path, "--- models/_tests.yml\nunit_tests:" + TESTS["dict"] + "\n")
    with open_session(str(tmp_path)) as session:
        assert session.run(()).status == "done"
