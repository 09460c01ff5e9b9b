"""Hooks and statements around a run: what they may write, when, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from headgate.run.session import open_session
from headgate.spec.errors import HeadgateError

MACROS = """
{% macro keep(results) %}{% if execute %}create or replace table main.kept as
{% for r in results %}select '{{ r.node.unique_id }}' as id, '{{ r.status }}' as status,
  '{{ r.node.resource_type }}' as kind{% if not loop.last %} union all {% endif %}{% endfor %}
{% endif %}{% endmacro %}
{% macro operate(n=1) %}{% do run_query('create or replace table main.operated as select ' ~ n ~ ' as n') %}{{ return(n + 1) }}{% endmacro %}
{% macro overwrite() %}{% do run_query('delete from main.base') %}{% endmacro %}
{% macro ledger() %}{% do run_query('delete from headgate.publications') %}{% endmacro %}
"""


@pytest.fixture(params=["sqlite:.headgate/c.sqlite", "duckdb:shop.duckdb"])
def project(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A model with hooks that log beside it, a test on it, and statements around the run."""
    for folder in ("models", "macros"):
        (tmp_path / folder).mkdir()
    (tmp_path / "headgate.yml").write_text(
        f"name: shop\nlake: {{ catalog: '{request.param}', data: .headgate/data }}\nstate: 'sqlite:///.headgate/state.db'\n"
        "on-run-start:\n  - create table if not exists main.log (what varchar)\n  - insert into main.log values ('start')\n"
        'on-run-end: "{{ keep(results) }}"\n'
    )
    (tmp_path / "macros" / "m.sql").write_text(MACROS)
    (tmp_path / "models" / "base.sql").write_text(
        "{{ config(materialized='table', pre_hook=['create or replace table main.before as select 7 as x'],"
        " post_hook=[\"insert into main.log values ('{{ this.identifier }}')\"]) }} select {{ var('id', 1) }} as id, x from main.before"
    )
    (tmp_path / "models" / "base.yml").write_text(
        "models:\n  - name: base\n    columns:\n      - name: id\n        data_tests:\n          - accepted_range: { max_value: 5 }\n"
    )
    return tmp_path


def rows(project: Path, sql: str) -> list[tuple[object, ...]]:
    with open_session(str(project)) as session:
        return [tuple(r.values()) for r in session.query(sql).to_pylist()]


def test_they_run_in_order_and_write_beside_the_models(project: Path) -> None:
    with open_session(str(project)) as session:
        result = session.run()
    assert result.status == "done", result.reason
    assert rows(project, "select what from main.log") == [("start",), ("base",)]
    assert rows(project, "select id, x from main.base") == [(1, 7)] and rows(project, "select x from main.before") == [(7,)]
    assert rows(project, "select id, status, kind from main.kept order by id")[0] == ("model.shop.base", "success", "model")
    assert [r[1:] for r in rows(project, "select id, status, kind from main.kept order by id")][1:] == [("pass", "test")]


def test_a_model_that_is_stopped_leaves_no_trace_by_its_hooks(project: Path) -> None:
    with open_session(str(project), variables={"id": 9}) as session:
        assert session.run().status == "blocked"
    assert rows(project, "select what from main.log") == [("start",)]
    assert rows(project, "select status from main.kept order by id") == [("error",), ("fail",)]


@pytest.mark.parametrize("where", ["post_hook", "pre_hook"])
def test_a_hook_cannot_write_what_goes_through_the_gate(project: Path, where: str) -> None:
    (project / "models" / "other.sql").write_text(f"{{{{ config({where}='delete from main.base') }}}} select 1 as n")
    with open_session(str(project)) as session:
        found = {r.dataset: (r.status, r.reason) for r in session.run().steps if r.dataset}
    assert found["main.base"][0] == "done"
    assert found["main.other"][0] == "failed" and "main.base goes through the gate" in found["main.other"][1]


def test_what_fails_at_the_end_takes_nothing_back(project: Path) -> None:
    text = (project / "headgate.yml").read_text().replace("{{ keep(results) }}", "insert into main.nowhere values (1)")
    (project / "headgate.yml").write_text(text)
    with open_session(str(project)) as session:
        result = session.run()
    assert result.status == "failed" and [s.status for s in result.steps if s.unique_id.endswith("on-run-end-0")] == ["failed"]
    assert rows(project, "select id from main.base") == [(1,)]


def test_what_fails_at_the_start_ends_the_run(project: Path) -> None:
    text = (project / "headgate.yml").read_text().replace("insert into main.log", "insert into main.nowhere")
    (project / "headgate.yml").write_text(text)
    with open_session(str(project)) as session, pytest.raises(HeadgateError, match="on-run-start 2"):
        session.run()
    with open_session(str(project)) as session:
        assert "main.base" not in session.lake.relations()


def test_an_operation_writes_beside_the_models_and_nothing_else(project: Path) -> None:
    with open_session(str(project)) as session:
        session.run()
        assert session.operation("operate", {"n": 3}) == 4
        for macro in ("overwrite", "ledger"):
            with pytest.raises(HeadgateError, match="refused to run"):
                session.operation(macro)
    assert rows(project, "select n from main.operated") == [(3,)] and rows(project, "select count(*) from main.base") == [(1,)]
