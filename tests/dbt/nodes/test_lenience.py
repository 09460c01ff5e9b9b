"""What dbt lets pass must not stop a dbt project: it is told, and the rest of the project stands. Our own projects stay strict."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from headgate import declare
from headgate.run.session import open_session
from headgate.spec.errors import DeclarationError
from headgate.spec.project import Project

SETTINGS = "name: shop\nversion: '1.2.3'\n"
GOOD = "--- models/good.sql\nselect 1 as id\n"
CASES = {  # what is written -> what is told
    "a key twice": (
        "--- models/_a.yml\nmodels:\n  - name: good\n    description: one\n    description: two\n",
        "key 'description' stands twice",
    ),
    "a column twice": (
        "--- models/_a.yml\nmodels:\n  - name: good\n    columns: [{ name: id }, { name: id, description: again }]\n",
        "column 'id' of model 'good' stands twice",
    ),
    "no SQL": ("--- models/bad.sql\n-- nothing yet\n", "holds no SQL"),
    "SQL of another engine": ("--- models/bad.sql\nselect a:b:c::string from {{ ref('good') }}\n", "syntax error"),
    "a key that is no column": (
        "--- models/bad.sql\n{{ config(materialized='incremental', unique_key='gone') }} select 1 as id\n",
        "names column 'gone'",
    ),
    "a test of what is switched off": (
        "--- models/off.sql\n{{ config(enabled=false) }} select 1 as id\n--- tests/t.sql\nselect * from {{ ref('off') }}\n",
        "refers to 'off', which is switched off",
    ),
    "a comparison with what is switched off": (
        "--- models/off.sql\n{{ config(enabled=false) }} select 1 as id\n--- models/_a.yml\nmodels:\n  - name: good\n    columns:\n"
        "      - name: id\n        data_tests: [{ relationships: { to: ref('off'), field: id } }]\n",
        "refers to 'off', which is switched off",
    ),
    "a source without tables": ("--- models/_a.yml\nsources: [{ name: web }]\n", "source 'web' has no 'tables'"),
    "an unknown key": ("--- models/_a.yml\nmodels: [{ name: good, colour: red }]\n", "unknown key 'colour'"),
    "old folder names": ("--- data/codes.csv\na\n1\n", "'data-paths' is dbt's old name of 'seed-paths'"),
}


def _write(root: Path, text: str, settings: str) -> Path:
    parts = re.split(r"^--- (\S+)\n", f"--- {settings}\n{SETTINGS}{GOOD}{text}", flags=re.M)
    for path, content in zip(parts[1::2], parts[2::2], strict=True):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(content, encoding="utf-8")
    return root


def _read(root: Path, text: str, settings: str = "dbt_project.yml") -> Project:
    return declare.load(str(_write(root, text, settings)), use_cache=False).project


@pytest.mark.parametrize("case", CASES)
def test_it_is_told_and_no_mistake(case: str, tmp_path: Path) -> None:
    text, told = CASES[case]
    if case == "old folder names":
        text = "--- dbt_project.yml\n" + SETTINGS + "data-paths: [data]\n" + text
    project = _read(tmp_path, text)
    assert any(told in str(notice) for notice in project.notices), project.notices
    assert "model.shop.good" in project.nodes
    assert not project.checks


@pytest.mark.parametrize("case", [c for c in CASES if c != "old folder names"])
def test_in_our_own_projects_it_is_a_mistake(case: str, tmp_path: Path) -> None:
    with pytest.raises(DeclarationError, match=re.escape(CASES[case][1])):
        _read(tmp_path, CASES[case][0], "headgate.yml")


def test_a_model_whose_sql_is_wrong_fails_alone(tmp_path: Path) -> None:
    _write(tmp_path, CASES["SQL of another engine"][0], "dbt_project.yml")
    with open_session(str(tmp_path)) as session:
        assert {s.unique_id: s.status for s in session.run(()).steps} == {"model.shop.good": "done", "model.shop.bad": "failed"}


def test_a_variable_without_a_value_does_not_matter_to_what_is_switched_off(tmp_path: Path) -> None:
    off = "--- models/off.sql\n{{ config(enabled=var('wanted', false)) }} select {{ var('gone') }} as id\n"
    assert _read(tmp_path, off).disabled.keys() == {"model.shop.off"}
    with pytest.raises(DeclarationError, match="variable 'gone' has no value"):
        _read(tmp_path, off.replace("'wanted', false", "'wanted', true"))


def test_settings_are_reached_by_way_of_ref(tmp_path: Path) -> None:
    text = "--- models/told.sql\n{% set c = builtins.ref.config %}\nselect '{{ c.project_name }}' as a, '{{ c.dependencies['shop'].version }}' as b\n"
    assert _read(tmp_path, text).nodes["model.shop.told"].canonical_sql == "select 'shop' as a, '1.2.3' as b"


def test_a_default_schema_and_custom_keys(tmp_path: Path) -> None:
    text = "--- models/own.sql\n{{ config(colour='red', meta={'a': 1}) }} select '{{ config.get('colour') }}' as c\n"
    node = _read(tmp_path, text).nodes["model.shop.own"]
    assert (node.canonical_sql, node.config["colour"]) == ("select 'red' as c", "red")


def test_of_files_with_one_name_the_one_that_is_switched_on_counts(tmp_path: Path) -> None:
    text = "--- models/{0}/same.sql\n{{{{ config(enabled=target.type == '{0}') }}}} select '{0}' as engine\n"
    both = text.format("bigquery") + text.format("duckdb") + text.format("snowflake")
    project = _read(tmp_path, both)
    assert project.nodes["model.shop.same"].canonical_sql == "select 'duckdb' as engine"
    with pytest.raises(DeclarationError, match="has the name of a model in"):
        _read(tmp_path, both.replace("enabled=target.type == 'bigquery'", "enabled=true"))


def test_a_source_in_two_files(tmp_path: Path) -> None:
    text = "--- models/_a.yml\nsources: [{ name: web, tables: [{ name: a }] }]\n--- models/_b.yml\nsources: [{ name: web, tables: [{ name: b }] }]\n"
    assert list(_read(tmp_path, text).sources) == ["source.shop.web.a", "source.shop.web.b"]
    with pytest.raises(DeclarationError, match="table 'a' of source 'web' is declared twice"):
        _read(tmp_path, text.replace("name: b", "name: a"))


def test_a_config_of_another_engine_is_left_aside(tmp_path: Path) -> None:
    text = "--- models/m.sql\n{{ config(materialized='table', partition_by={'field': 'id', 'data_type': 'int64'}) }} select 1 as id\n"
    assert "partition_by" not in _read(tmp_path, text).nodes["model.shop.m"].config


def test_a_generic_test_sets_the_default_of_its_kind(tmp_path: Path) -> None:
    """Folders, then the macro, then the test's own config, as dbt-core has it."""
    text = """\
--- dbt_project.yml
name: shop
version: '1'
data_tests: { shop: { +limit: 7 } }
--- macros/t.sql
{% test soft(model, column_name, tag='x') %}
{{ config(severity='warn', fail_calc='sum(n)', tags=['in_macro', tag], meta={'a': 1, 'm': 1}, limit=9) }}
select 1 as n where false
{% endtest %}
--- models/_a.yml
models:
  - name: good
    columns:
      - name: id
        data_tests:
          - soft
          - soft: { name: hard, tag: given, config: { severity: error, fail_calc: count(*), tags: [in_yaml], meta: { a: 2, y: 1 } } }
"""
    found = {
        c.name: (c.severity, c.fail_calc, sorted(c.tags), dict(c.meta), c.limit) for c in _read(tmp_path, text).checks.values()
    }
    assert found == {
        "soft_good_id": ("warn", "sum(n)", ["in_macro", "x"], {"a": 1, "m": 1}, 9),
        "hard": ("error", "count(*)", ["given", "in_macro", "in_yaml"], {"a": 2, "y": 1, "m": 1}, 9),
    }


def test_a_seed_in_place_of_a_packages_own_has_its_description(tmp_path: Path) -> None:
    text = (
        "--- seeds/exceptions.csv\na\n1\n--- dbt_packages/rules/dbt_project.yml\nname: rules\nversion: '1'\n"
        "--- dbt_packages/rules/seeds/_s.yml\nseeds: [{ name: exceptions, description: What is let pass. }]\n"
    )
    assert _read(tmp_path, text).nodes["seed.shop.exceptions"].description == "What is let pass."
    both = _read(
        tmp_path,
        text
        + "--- dbt_packages/rules/seeds/exceptions.csv\na\n1\n--- seeds/_s.yml\nseeds: [{ name: exceptions, config: { alias: ours } }]\n",
    )
    assert [n.description for n in both.nodes.values() if n.resource_type == "seed"] == ["", "What is let pass."]
