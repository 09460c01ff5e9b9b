"""The settings of dbt's data tests, each through the command line: what the verdict is, what it counts, and what is published or kept for it."""

from __future__ import annotations

import json
from contextlib import chdir
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from headgate.run.session import open_session
from headgate.serve.cli import build_commands, look_commands
from headgate.spec.errors import DeclarationError

ROWS = "(1, 'paid', 10), (1, 'open', 20), (2, 'lost', 30), (3, 'lost', NULL), (4, 'odd', 50), (NULL, 'paid', 60)"
MODEL = f"{{{{ config(materialized='table') }}}} select * from (values {ROWS}) t(id, status, amount)"
MACROS = """{% test above(model, column_name, most) %}
select {{ column_name }}, count(*) as n_records from {{ model }} where {{ column_name }} > {{ most }} group by all
{% endtest %}"""
NOT_NULL, UNIQUE, RANGE = "not_null: {{{}}}", "unique: {{{}}}", "accepted_range: {{ max_value: 15, {} }}"
STATUS = "accepted_values: {{ values: [paid, open], {} }}"
ABOVE = "above: {{ arguments: {{ most: 15 }}, {} }}"

# Column, test with its settings, outcome, failures. Of the six rows one has no id, one id stands twice, three rows have two unknown
# statuses, and five amounts are known, four of them above 15.
GENERIC: dict[str, tuple[str, str, str, int]] = {
    "as_it_is": ("id", NOT_NULL.format(""), "block", 1),
    "severity_error": ("id", NOT_NULL.format("severity: error"), "block", 1),
    "severity_in_capitals": ("id", NOT_NULL.format("severity: WARN"), "warn", 1),
    "severity_under_config": ("id", NOT_NULL.format("config: { severity: warn }"), "warn", 1),
    "config_wins_over_flat": ("id", NOT_NULL.format("severity: error, config: { severity: warn }"), "warn", 1),
    "error_if_not_met": ("amount", RANGE.format("error_if: '> 4'"), "warn", 4),
    "error_if_met": ("amount", RANGE.format("error_if: '>= 4'"), "block", 4),
    "warn_if_not_met": ("amount", RANGE.format("severity: warn, warn_if: '> 4'"), "pass", 4),
    "warn_if_met": ("amount", RANGE.format("severity: warn, warn_if: '=4'"), "warn", 4),
    "neither_met": ("amount", RANGE.format("warn_if: '> 10', error_if: '> 20'"), "pass", 4),
    "between": ("amount", RANGE.format("error_if: 'between 3 and 5'"), "block", 4),
    "not_between": ("amount", RANGE.format("error_if: 'between 5 and 9'"), "warn", 4),
    "error_if_of_a_warning": ("amount", RANGE.format("severity: warn, error_if: '> 0'"), "warn", 4),
    "on_fail_warn": ("amount", RANGE.format("on_fail: warn"), "warn", 4),
    "where_leaves_none": ("id", NOT_NULL.format("where: \"status = 'lost'\""), "pass", 0),
    "where_leaves_some": ("amount", RANGE.format("where: 'id < 3'"), "block", 2),
    "where_with_a_variable": ("amount", RANGE.format("where: \"id < {{ var('below') }}\""), "block", 2),
    "where_for_groups": ("id", UNIQUE.format("where: \"status <> 'open'\""), "pass", 0),
    "limit": ("amount", RANGE.format("limit: 3"), "block", 3),
    "limit_below_error_if": ("amount", RANGE.format("limit: 3, error_if: '> 3'"), "warn", 3),
    "groups": ("id", UNIQUE.format(""), "block", 1),
    "fail_calc_of_groups": ("id", UNIQUE.format("fail_calc: sum(n_records)"), "block", 2),
    "fail_calc_of_rows": ("amount", RANGE.format("fail_calc: max(amount), error_if: '> 60'"), "warn", 60),
    "fail_calc_of_nothing": ("amount", "accepted_range: { max_value: 99, fail_calc: max(amount) }", "pass", 0),
    "fail_calc_after_limit": ("id", UNIQUE.format("fail_calc: count(*) + 1, limit: 1"), "block", 2),
    "values": ("status", STATUS.format(""), "block", 2),
    "values_by_their_rows": ("status", STATUS.format("fail_calc: sum(n_records)"), "block", 3),
    "values_within": ("status", STATUS.format("where: 'id = 4'"), "block", 1),
    "macro": ("amount", ABOVE.format(""), "block", 4),
    "macro_flat": ("amount", "above: { most: 55 }", "block", 1),
    "macro_warns": ("amount", ABOVE.format("config: { severity: warn, where: 'amount < 40' }"), "warn", 2),
    "macro_limit_and_calc": ("amount", ABOVE.format("limit: 2, fail_calc: sum(n_records), error_if: '> 2'"), "warn", 2),
    "by_test_name": ("amount", "", "warn", 4),
}
SINGULAR: dict[str, tuple[str, str, str, int]] = {
    "plain": ("", "", "block", 4),
    "in_the_file": ("{{ config(severity='warn', fail_calc='max(amount)') }}", "", "warn", 60),
    "in_properties": ("", "{ severity: warn, warn_if: '> 4' }", "pass", 4),
    "file_over_properties": ("{{ config(error_if='> 4') }}", "{ error_if: '> 1', limit: 3 }", "warn", 3),
    "tagged": ("{{ config(tags=['nightly'], severity='warn') }}", "", "warn", 4),
    "disabled": ("{{ config(enabled=false) }}", "", "absent", 0),
    "off_in_properties": ("", "{ enabled: false }", "absent", 0),
}


def project(root: Path, generic: dict[str, tuple[str, str, str, int]], singular: dict[str, tuple[str, str, str, int]]) -> Path:
    """A project with one table, the tests as given, and a few that are turned off."""
    for folder in ("models", "macros", "tests"):
        (root / folder).mkdir(parents=True)
    (root / "headgate.yml").write_text("name: shop\nvars: { below: 3 }\n")
    (root / "models" / "orders.sql").write_text(MODEL)
    (root / "macros" / "above.sql").write_text(MACROS)
    columns: dict[str, list[str]] = {"id": ["not_null: { name: disabled, enabled: false }"], "status": [], "amount": []}
    for name, (column, test, _, _) in generic.items():
        if name == "by_test_name":
            test = "test_name: accepted_range, max_value: 15, severity: warn"
            columns[column].append(f"{{ name: {name}, {test} }}")
        else:
            columns[column].append(test.replace("{", f"{{ name: {name}, ", 1))
    lines = ["models:", "  - name: orders", "    columns:"]
    for column, tests in columns.items():
        lines += [f"      - name: {column}", "        data_tests:" if tests else "        description: no tests"]
        lines += [f"          - {test}" for test in tests]
    lines += ["data_tests:"] if singular else []
    for name, (config, said, _, _) in singular.items():
        (root / "tests" / f"{name}.sql").write_text(f"{config} select * from {{{{ ref('orders') }}}} where amount > 15")
        lines += [f"  - name: {name}", f"    config: {said or '{}'}"]
    (root / "models" / "orders.yml").write_text("\n".join(lines) + "\n")
    return root


def headgate(root: Path, *arguments: str) -> tuple[int, Any]:
    """Exit code and JSON of a command in the project."""
    app = typer.Typer()
    build_commands.register(app)
    look_commands.register(app)
    with chdir(root):
        result = CliRunner().invoke(app, [*arguments, "-o", "json"], catch_exceptions=False)
    return result.exit_code, json.loads(result.stdout)


def verdicts(answer: Any) -> dict[str, tuple[str, int]]:
    (step,) = [s for s in answer["steps"] if s["dataset"] == "main.orders"]
    return {v["name"]: (v["outcome"], v["failures"]) for v in step["verdicts"]}


@pytest.fixture(scope="module")
def blocked(tmp_path_factory: pytest.TempPathFactory) -> tuple[int, Any]:
    return headgate(project(tmp_path_factory.mktemp("shop"), GENERIC, SINGULAR), "run")


@pytest.mark.parametrize("name", [*GENERIC, *SINGULAR])
def test_a_setting_decides_the_verdict(blocked: tuple[int, Any], name: str) -> None:
    _, _, outcome, failures = {**GENERIC, **SINGULAR}[name]
    found = verdicts(blocked[1])
    assert found.get(name, ("absent", 0)) == (outcome, failures)
    assert "disabled" not in found
    (step,) = [s for s in blocked[1]["steps"] if s["dataset"] == "main.orders"]
    assert blocked[0] == 3 and blocked[1]["status"] == step["status"] == "blocked"


def test_what_only_warns_is_published_and_said(tmp_path: Path) -> None:
    """The same tests without those that block; the published table is weighed alike, and only a block is an exit code."""
    mild = {n: t for n, t in GENERIC.items() if t[2] != "block"}, {n: t for n, t in SINGULAR.items() if t[2] != "block"}
    root = project(tmp_path / "shop", *mild)
    code, answer = headgate(root, "run")
    assert (code, answer["status"]) == (0, "done")
    expected = {n: t[2:] for found in mild for n, t in found.items() if t[2] != "absent"}
    assert verdicts(answer) == expected
    code, answer = headgate(root, "check", "orders")
    assert code == 0 and {v["name"]: (v["outcome"], v["failures"]) for v in answer["verdicts"]} == expected
    with open_session(str(root)) as session:
        assert session.query("select count(*) as n from main.orders").to_pylist() == [{"n": 6}]
        checks = {c.name: c for c in session.project.checks.values()}
        assert checks["tagged"].tags == ("nightly",) and "disabled" not in checks


def test_settings_of_all_tests_of_a_folder(tmp_path: Path) -> None:
    """`data_tests:` of the project: the nearer word wins, a test's own over all."""
    root = project(
        tmp_path / "shop",
        {k: GENERIC[k] for k in ("as_it_is", "severity_error", "where_leaves_some")},
        {"plain": SINGULAR["plain"]},
    )
    (root / "tests" / "deep").mkdir()
    (root / "tests" / "deep" / "deeper.sql").write_text("select * from {{ ref('orders') }} where amount > 15")
    (root / "headgate.yml").write_text(
        "name: shop\nvars: { below: 3 }\ndata_tests:\n  +severity: warn\n  +tags: [all]\n  shop: { deep: { +severity: error, +limit: 1, +tags: deep } }\n"
    )
    code, answer = headgate(root, "run")
    assert (code, verdicts(answer)) == (
        3,
        {
            "as_it_is": ("warn", 1),
            "severity_error": ("block", 1),
            "where_leaves_some": ("warn", 2),
            "plain": ("warn", 4),
            "deeper": ("block", 1),
        },
    )
    with open_session(str(root)) as session:
        tags = {c.name: c.tags for c in session.project.checks.values()}
        assert tags == {
            "as_it_is": ("all",),
            "severity_error": ("all",),
            "where_leaves_some": ("all",),
            "plain": ("all",),
            "deeper": ("all", "deep"),
        }


def test_failing_rows_are_stored_by_name_alias_schema_and_kind(tmp_path: Path) -> None:
    generic = {
        "kept": ("id", NOT_NULL.format("severity: warn, store_failures: true"), "warn", 1),
        "renamed": ("id", UNIQUE.format("severity: warn, store_failures: true, alias: doubled, schema: proofs"), "warn", 1),
        "as_table": ("amount", RANGE.format("severity: warn, store_failures_as: table, limit: 2"), "warn", 2),
        "not_kept": ("amount", RANGE.format("severity: warn, store_failures: false"), "warn", 4),
        "thrown_away": ("amount", RANGE.format("severity: warn, store_failures: true, store_failures_as: ephemeral"), "warn", 4),
    }
    singular = {"by_hand": ("{{ config(store_failures=true, severity='warn') }}", "", "warn", 4)}
    root = project(tmp_path / "shop", generic, singular)
    code, _ = headgate(root, "run")
    assert code == 0
    with open_session(str(root)) as session:
        stored = {n for n in session.lake.relations() if not n.startswith(("headgate.", "main.orders"))}
        audit = "dbt_test__audit"
        assert stored == {f"{audit}.kept", "proofs.doubled", f"{audit}.as_table", f"{audit}.by_hand"}
        counted = {n: session.query(f"select count(*) as n from {n}").to_pylist()[0]["n"] for n in stored}
        assert counted == {f"{audit}.kept": 1, "proofs.doubled": 1, f"{audit}.as_table": 2, f"{audit}.by_hand": 4}


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ("severity: fatal", "error.*warn"),
        ("warn_if: 10", "a comparison such as '> 10'"),
        ("error_if: about ten", "a comparison such as '> 10'"),
        ("error_if: '> ten'", "a comparison such as '> 10'"),
        ("warn_if: '> 1 and'", "a comparison such as '> 10'"),
        ("limit: many", "a number of rows"),
        ("store_failures_as: file", "table.*view.*ephemeral"),
        ("on_fail: ignore", "block.*warn"),
        ("wher: id > 1", "where"),
    ],
)
def test_a_wrong_setting_is_a_mistake_with_its_line(tmp_path: Path, setting: str, expected: str) -> None:
    root = project(tmp_path / "shop", {"wrong": ("id", NOT_NULL.format(f"config: {{ {setting} }}"), "", 0)}, {})
    with (
        pytest.raises(DeclarationError, match=rf"models/orders\.yml:\d+(:\d+)?: .*{expected}") as raised,
        open_session(str(root)) as session,
    ):
        session.run()
    assert raised.value.exit_code == 1
