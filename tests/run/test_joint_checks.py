"""Checks over several tables that no order of building brings together: weighed when all is staged, and nothing passes without them."""

from __future__ import annotations

from pathlib import Path

import pytest

from headgate.run.session import open_session

RELATED = """
models:
  - name: afact
    columns:
      - name: member
        data_tests:
          - relationships: { to: ref('zdim'), field: id }
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A fact and a dimension that do not read each other; the fact's name comes first."""
    (tmp_path / "models").mkdir()
    (tmp_path / "headgate.yml").write_text(
        "name: joint\nlake: { catalog: 'sqlite:.headgate/c.sqlite', data: .headgate/data }\nstate: 'sqlite:///.headgate/state.db'\n"
    )
    (tmp_path / "models" / "afact.sql").write_text("{{ config(materialized='table') }} select unnest([1, 2]) as member")
    (tmp_path / "models" / "zdim.sql").write_text(
        "{{ config(materialized='table') }} select unnest({{ var('ids', [1, 2]) }}) as id"
    )
    (tmp_path / "models" / "all.yml").write_text(RELATED)
    return tmp_path


def statuses(project: Path, *select: str, **variables: object) -> dict[str, str]:
    with open_session(str(project), variables=variables) as session:
        return {r.dataset.split(".")[-1]: r.status for r in session.run(select).steps}


def ids(project: Path) -> list[int]:
    with open_session(str(project)) as session:
        return [r["id"] for r in session.query("select id from main.zdim order by id").to_pylist()]


def test_tables_of_one_run_are_weighed_against_each_other_in_any_order(project: Path) -> None:
    assert statuses(project) == {"afact": "done", "zdim": "done"}


def test_a_dimension_that_loses_a_member_is_stopped_though_the_fact_is_not_built(project: Path) -> None:
    statuses(project)
    assert statuses(project, ids=[1]) == {"zdim": "blocked"}
    assert ids(project) == [1, 2]


def test_both_stay_when_they_do_not_fit(project: Path) -> None:
    assert statuses(project, ids=[1, 3]) == {"afact": "blocked", "zdim": "blocked"}
    with open_session(str(project)) as session:
        assert not session.lake.relations().keys() & {"main.afact", "main.zdim"}


def test_what_cannot_be_weighed_is_not_published(project: Path) -> None:
    (project / "models" / "zdim.sql").write_text("{{ config(materialized='table') }} select 1 as id, 1/0::decimal, nowhere")
    found = statuses(project)
    assert found == {"afact": "skipped", "zdim": "failed"}


def test_a_macro_test_that_names_another_table_waits_for_it(project: Path) -> None:
    (project / "macros").mkdir()
    (project / "macros" / "as_many.sql").write_text(
        "{% test as_many(model, other) %}{{ config(fail_calc='sum(differs)', severity='error') }}"
        "{% if execute %}{% set found = adapter.get_columns_in_relation(model) | map(attribute='name') | list %}"
        "{% if found != ['member'] %}{{ exceptions.raise_compiler_error(found) }}{% endif %}{% endif %}"
        "select abs((select count(*) from {{ model }}) - (select count(*) from {{ other }})) as differs{% endtest %}"
    )
    (project / "models" / "all.yml").write_text(
        "models:\n  - name: afact\n    data_tests:\n      - as_many: { other: ref('zdim') }\n      - fits: { many: '{{ limit(2) }}' }\n"
    )
    (project / "macros" / "limit.sql").write_text("{% macro limit(n) %}{{ return(n + var('more', 0)) }}{% endmacro %}")
    (project / "macros" / "fits.sql").write_text(
        "{% test fits(model, many) %}select 1 from (select count(*) as n from {{ model }}) where n <> {{ many }}{% endtest %}"
    )
    assert statuses(project) == {"afact": "done", "zdim": "done"}
    assert statuses(project, ids=[1]) == {"zdim": "blocked"}
