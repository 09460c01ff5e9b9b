"""Materialisations written in Jinja, for real: staged, gated and published like everything else."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

import headgate
from headgate.spec.errors import DeclarationError

Write = Callable[..., Path]
ORDERS = "select * from (values (1, 'open', 10), (2, 'paid', 20)) as v(id, state, amount)"


@pytest.fixture
def jinja_project(tmp_path: Path) -> Write:
    """A dbt project of the files given, under `root`."""

    def write(**files: str) -> Path:
        said = {"dbt_project.yml": "name: shop\nversion: '1'\nprofile: shop\n", "profiles.yml": _PROFILE, **files}
        for path, text in said.items():
            target = tmp_path / path.replace("__", "/")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, encoding="utf-8")
        return tmp_path

    return write


_PROFILE = "shop:\n  target: dev\n  outputs:\n    dev: {type: duckdb, path: shop.duckdb, schema: main}\n"


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
