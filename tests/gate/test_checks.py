"""The gate: every kind of check on passing and failing rows, dbt's settings, samples, and the proof that lets a delta stand alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import duckdb
import pytest

from headgate.gate.thresholds import holds
from headgate.gate.weigh import Subject, Tools, fingerprint, weigh
from headgate.spec.errors import DeclarationError, Location
from headgate.spec.names import Column
from headgate.spec.project import CheckSpec
from headgate.spec.verdicts import Verdict

ROWS = "(VALUES (1, 'a', 5.0), (2, 'b', NULL), (2, NULL, 900.0), (3, 'z', -1.0)) t(id, kind, amount)"
COLUMNS = (Column("id", "INTEGER"), Column("kind", "VARCHAR"), Column("amount", "DECIMAL(4,1)"))


class Templates:
    """Renders what needs no rendering."""

    def render(self, unique_id: str, runtime: Mapping[str, Any]) -> str:
        return "select 1 as bad where false" if unique_id.endswith("good") else "select 1 as bad"

    def render_text(self, text: str, runtime: Mapping[str, Any], *, where: str) -> str:
        return text

    def call_macro(self, name: str, arguments: Mapping[str, Any], runtime: Mapping[str, Any]) -> str:
        return f"select * from {arguments['model']} where {arguments['column_name']} > {arguments['most']}"

    def has_macro(self, name: str) -> bool:
        return name != "get_where_subquery"


def spec(kind: str, column: str | None = None, **said: Any) -> CheckSpec:
    base = CheckSpec(f"test.p.{kind}", kind, kind, "p", Location("models/m.yml", 3), "model.p.m", column)
    arguments = {k: said.pop(k) for k in list(said) if k not in CheckSpec.__dataclass_fields__}
    return replace(base, arguments=arguments, **said)


def verdict(check: CheckSpec, rows: str = ROWS, **subject: Any) -> Verdict:
    cursor = duckdb.connect()
    known = {"rows_sql": rows, "overlay_sql": rows, **subject}
    tools = Tools(cursor, Templates(), {}, lambda text: "(VALUES (1), (2)) o(id)")
    (found,) = weigh(Subject("marts.m", COLUMNS, **known), (check,), tools).verdicts
    return found


@pytest.mark.parametrize(
    ("check", "failures"),
    [
        (spec("not_null", "id"), 0),
        (spec("not_null", "kind"), 1),
        (spec("not_null", "id + amount"), 1),
        (spec("unique", "kind"), 0),
        (spec("unique", "id || '-' || coalesce(kind, 'b')"), 1),
        (spec("accepted_values", "upper(kind)", values=["A", "B", "Z"]), 0),
        (spec("unique", "id"), 1),
        (spec("accepted_values", "kind", values=["a", "b", "z"]), 0),
        (spec("accepted_values", "kind", values=["a"]), 2),
        (spec("accepted_values", "id", values=[1, 2, 3], quote=False), 0),
        (spec("accepted_range", "amount", min_value=0, max_value=100), 2),
        (spec("accepted_range", "amount", max_value=1000), 0),
        (spec("accepted_range", "amount", min_value=-1, inclusive=False), 1),
        (spec("relationships", "id", to="other", field="id"), 1),
        (spec("expression_is_true", expression="id < 3"), 1),
        (spec("expression_is_true", "amount", expression="> 0"), 1),
        (spec("unique_combination_of_columns", combination_of_columns=["id", "kind"]), 0),
        (spec("unique_combination_of_columns", combination_of_columns=["id"]), 1),
        (spec("row_count", min_value=4, max_value=4), 0),
        (spec("row_count", min_value=5), 1),
        (spec("macro:most", "id", most=1), 3),
        (spec("singular", unique_id="test.p.good"), 0),
        (spec("singular", unique_id="test.p.bad"), 1),
    ],
    ids=lambda v: f"{v.kind}-{v.column}" if isinstance(v, CheckSpec) else str(v),
)
def test_every_kind_counts_its_failures(check: CheckSpec, failures: int) -> None:
    found = verdict(check)
    assert (found.failures, found.outcome) == (failures, "block" if failures else "pass")


def test_dbts_settings() -> None:
    bad = spec("not_null", "kind")
    assert verdict(replace(bad, severity="warn")).outcome == "warn"
    assert verdict(replace(bad, error_if="> 1")).outcome == "warn"
    assert verdict(replace(bad, error_if="> 1", warn_if="> 1")).outcome == "pass"
    assert verdict(replace(bad, where="id = 1")).outcome == "pass"
    assert verdict(spec("expression_is_true", expression="id < 0", limit=2)).failures == 2
    assert verdict(spec("expression_is_true", expression="id < 0", fail_calc="max(id)")).failures == 3


def test_a_verdict_shows_rows_and_sql_and_hides_what_is_classified() -> None:
    found = verdict(spec("accepted_range", "amount", max_value=100))
    assert found.sample == ({"id": "2", "kind": None, "amount": "900.0"},)
    assert found.rows == 4 and "amount" in found.sql and "1 of 4 rows" in found.message
    hidden = verdict(spec("accepted_range", "amount", max_value=100), masked=frozenset({"amount"}))
    assert hidden.sample[0]["amount"] == "[masked]"


def test_wrong_declarations_are_errors_and_never_a_pass() -> None:
    for check in (
        spec("not_null", "no_such_column"),
        spec("accepted_values", "kind"),
        spec("accepted_values", "id", values=["x"], quote=False),
        spec("accepted_range", "amount"),
        spec("expression_is_true", expression="no_such_column > 1"),
        spec("no_such_check", "id"),
    ):
        with pytest.raises(DeclarationError):
            verdict(check)
    with pytest.raises(DeclarationError, match="threshold"):
        verdict(spec("not_null", "kind", error_if="about ten"))


@pytest.mark.parametrize(
    ("failures", "condition", "expected"),
    [
        (0, "!= 0", False),
        (3, ">2", True),
        (3, "between 1 and 3", True),
        (4, "between 1 and 3", False),
        (5, "< 2 or >= 5", True),
        (5, "> 1 and < 5", False),
    ],
)
def test_thresholds(failures: int, condition: str, expected: bool) -> None:
    assert holds(failures, condition, where="here") is expected


def test_a_delta_stands_alone_only_when_the_table_was_proven() -> None:
    """The old rows hold a NULL: only the overlay can find it; a proven table need not be read again."""
    delta, overlay = "(VALUES (9)) d(id)", "(VALUES (9), (NULL)) o(id)"
    check = spec("not_null", "id")
    columns = (Column("id", "INTEGER"),)

    def weighed(known: frozenset[str], of: CheckSpec = check, key: tuple[str, ...] = ()) -> Verdict:
        tools = Tools(duckdb.connect(), Templates(), {}, str)
        subject = Subject("m.t", columns, delta, overlay, partial=True, key=key, proven=known)
        return weigh(subject, (of,), tools).verdicts[0]

    assert (weighed(frozenset()).scope, weighed(frozenset()).outcome) == ("overlay", "block")
    assert (weighed(frozenset({fingerprint(check)})).scope, weighed(frozenset({fingerprint(check)})).outcome) == ("delta", "pass")
    unique = spec("unique", "id")
    assert weighed(frozenset({fingerprint(unique)}), unique).scope == "overlay", (
        "uniqueness of another column needs the whole table"
    )
    assert weighed(frozenset({fingerprint(unique)}), unique, ("id",)).scope == "delta"
    assert fingerprint(check) != fingerprint(replace(check, where="id > 1"))


def test_accepted_values_counts_values_as_dbt_does_and_reads_them_as_the_columns_type() -> None:
    rows = "(VALUES (1, 'x', 5.0), (2, 'x', 5.0), (3, 'a', 7.5)) t(id, kind, amount)"
    check = spec("accepted_values", "kind", values=["a"])
    found = verdict(check, rows)
    assert (found.failures, found.message, len(found.sample)) == (1, "kind outside a (2 of 3 rows)", 2)
    assert verdict(replace(check, fail_calc="sum(n_records)"), rows).failures == 2
    assert verdict(replace(check, error_if="> 1"), rows).outcome == "warn"
    assert verdict(spec("accepted_values", "amount", values=[5, "7.50"]), rows).outcome == "pass"
    assert verdict(spec("accepted_values", "amount", values=["five"]), rows).failures == 2


def test_the_error_of_a_shared_scan_names_the_check_that_cannot_be_run() -> None:
    wrong = spec("expression_is_true", expression="no_such_column > 1")
    checks = (spec("not_null", "id"), replace(wrong, name="wrong"), spec("not_null", "kind"))
    with pytest.raises(DeclarationError, match=r"m\.yml:3: check 'wrong' cannot be run.*no_such_column"):
        weigh(Subject("marts.m", COLUMNS, ROWS, ROWS), checks, Tools(duckdb.connect(), Templates(), {}, str))


def test_a_fail_calc_that_is_no_number_is_the_projects_mistake() -> None:
    with pytest.raises(DeclarationError, match=r"fail_calc of check 'expression_is_true' gives 'z'"):
        verdict(spec("expression_is_true", expression="id < 0", fail_calc="max(kind)"))


@pytest.mark.parametrize(
    ("to", "called"), [("source.shop.files.people", "files.people"), ("model.shop.dim_people", "dim_people")]
)
def test_a_verdict_calls_another_table_as_the_project_does(to: str, called: str) -> None:
    assert verdict(spec("relationships", "id", to=to, field="id")).message.startswith(f"id has values that {called}.id lacks")


def test_what_an_expression_gives_of_a_classified_column_is_masked() -> None:
    found = verdict(spec("unique", "id || '-' || coalesce(kind, 'b')"), masked=frozenset({"kind"}))
    shown = [value for row in found.sample for name, value in row.items() if "kind" in name]
    assert shown
    assert "2-b" not in shown
