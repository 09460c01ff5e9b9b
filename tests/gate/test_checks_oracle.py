"""Every kind of check against brute force in Python: NULLs, empty tables, filters, and the delta that stands for its table."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headgate.declare.checks import _COMPARISON
from headgate.gate.thresholds import holds
from headgate.gate.weigh import Subject, Tools, fingerprint, weigh
from headgate.ports.plugins import manifests
from headgate.spec.errors import Location
from headgate.spec.names import Column, quote_literal
from headgate.spec.project import CheckSpec
from headgate.spec.verdicts import Verdict

EXAMPLES = int(os.environ.get("HEADGATE_EXAMPLES", "60"))
COLUMNS = (
    Column("k", "INTEGER"),
    Column("n", "INTEGER"),
    Column("s", "VARCHAR"),
    Column("d", "DECIMAL(6,1)"),
    Column("b", "BOOLEAN"),
)
ENGINE = duckdb.connect(config={"threads": 1})
NAMES = tuple(c.name for c in COLUMNS)
Row = Mapping[str, Any]
Oracle = Callable[[Sequence[Row], Sequence[Row]], int]

numbers = st.integers(-3, 3) | st.none()
texts = st.sampled_from(["", "a", "b", "A", "it's", " a", "ä", "0"]) | st.none()
tenths = st.integers(-30, 30).map(lambda v: v / 10) | st.none()
rows_of = st.lists(st.tuples(st.integers(0, 9) | st.none(), numbers, texts, tenths, st.booleans() | st.none()), max_size=14).map(
    lambda found: [dict(zip(NAMES, row, strict=True)) for row in found]
)
few = st.integers(0, 2)
few_rows = st.lists(st.tuples(few, few | st.none(), st.sampled_from("ab") | st.none(), few, st.booleans()), max_size=3).map(
    lambda found: [dict(zip(NAMES, row, strict=True)) for row in found]
)
others_of = st.lists(numbers, max_size=6).map(lambda found: [{"id": v} for v in found])
WHERE: Mapping[str, Callable[[Row], bool]] = {
    "n > 0": lambda r: r["n"] is not None and r["n"] > 0,
    "s is null or b": lambda r: r["s"] is None or r["b"] is True,
    "s = 'it''s'": lambda r: r["s"] == "it's",
    "false": lambda r: False,
}


def spec(kind: str, column: str | None = None, **arguments: Any) -> CheckSpec:
    return CheckSpec(f"test.p.{kind}", kind, kind, "p", Location("m.yml", 1), "model.p.m", column, arguments)


def groups(rows: Sequence[Row], columns: Sequence[str], *, nulls: bool) -> int:
    """How many values of `columns` stand more than once."""
    values = [tuple(r[c] for c in columns) for r in rows if nulls or all(r[c] is not None for c in columns)]
    return sum(n > 1 for n in Counter(values).values())


def outside(column: str, accepted: Sequence[Any]) -> Oracle:
    return lambda rows, _: len({r[column] for r in rows if r[column] is not None and r[column] not in accepted})


@st.composite
def unique(draw: st.DrawFn) -> tuple[CheckSpec, Oracle]:
    column = draw(st.sampled_from(NAMES))
    return spec("unique", column), lambda rows, _: groups(rows, [column], nulls=False)


@st.composite
def combination(draw: st.DrawFn) -> tuple[CheckSpec, Oracle]:
    columns = draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=4, unique=True))
    check = spec("unique_combination_of_columns", combination_of_columns=columns)
    return check, lambda rows, _: groups(rows, columns, nulls=True)


@st.composite
def not_null(draw: st.DrawFn) -> tuple[CheckSpec, Oracle]:
    column = draw(st.sampled_from(NAMES))
    return spec("not_null", column), lambda rows, _: sum(r[column] is None for r in rows)


@st.composite
def accepted_values(draw: st.DrawFn) -> tuple[CheckSpec, Oracle]:
    """Values as text are read as the column's type; what cannot be read so is a value that no row has."""
    column, kind = draw(st.sampled_from([("n", int), ("s", str), ("d", float), ("b", bool)]))
    domain: dict[type, st.SearchStrategy[Any]] = {int: numbers, str: texts, float: tenths, bool: st.booleans()}
    values = draw(st.lists(domain[kind].filter(lambda v: v is not None), min_size=1, max_size=4))
    if kind is not str and draw(st.booleans()):
        return spec("accepted_values", column, values=values, quote=False), outside(column, values)
    listed = [*values, "no value of a number"] if draw(st.booleans()) else values
    if kind in (int, float) and draw(st.booleans()):
        listed = [str(v) for v in listed]
    return spec("accepted_values", column, values=listed), outside(column, [*values, "no value of a number"])


@st.composite
def accepted_range(draw: st.DrawFn) -> tuple[CheckSpec, Oracle]:
    column = draw(st.sampled_from(["n", "d"]))
    low, high = draw(numbers), draw(numbers)
    low = 0 if low is None and high is None else low
    inclusive = draw(st.booleans())
    said = {k: v for k, v in (("min_value", low), ("max_value", high)) if v is not None}

    def within(value: float) -> bool:
        above = low is None or (value >= low if inclusive else value > low)
        return above and (high is None or (value <= high if inclusive else value < high))

    check = spec("accepted_range", column, **said, **({} if inclusive and draw(st.booleans()) else {"inclusive": inclusive}))
    return check, lambda rows, _: sum(r[column] is not None and not within(r[column]) for r in rows)


def relationships() -> st.SearchStrategy[tuple[CheckSpec, Oracle]]:
    def oracle(rows: Sequence[Row], others: Sequence[Row]) -> int:
        return sum(r["n"] is not None and r["n"] not in {o["id"] for o in others} for r in rows)

    return st.just((spec("relationships", "n", to="other", field="id"), oracle))


@st.composite
def expression(draw: st.DrawFn) -> tuple[CheckSpec, Oracle]:
    check, holds = draw(
        st.sampled_from(
            [
                (spec("expression_is_true", expression="n + 1 > d"), lambda r: (None in (r["n"], r["d"])) or r["n"] + 1 > r["d"]),
                (spec("expression_is_true", "n", expression="<> 0"), lambda r: r["n"] is None or r["n"] != 0),
                (spec("expression_is_true", expression="b or k = 1"), lambda r: r["b"] is not False or r["k"] in (1, None)),
            ]
        )
    )
    return check, lambda rows, _: sum(not holds(r) for r in rows)


@st.composite
def row_count(draw: st.DrawFn) -> tuple[CheckSpec, Oracle]:
    low, high = draw(st.integers(0, 5) | st.none()), draw(st.integers(0, 12) | st.none())
    said = {k: v for k, v in (("min_value", low), ("max_value", high)) if v is not None}
    least = 1 if low is None else low
    return spec("row_count", **said), lambda rows, _: int(len(rows) < least or (high is not None and len(rows) > high))


KINDS: Mapping[str, Callable[[], st.SearchStrategy[tuple[CheckSpec, Oracle]]]] = {
    "unique": unique, "unique_combination_of_columns": combination, "not_null": not_null, "accepted_values": accepted_values,
    "accepted_range": accepted_range, "relationships": relationships, "expression_is_true": expression, "row_count": row_count,
}  # fmt: skip


def values_of(rows: Sequence[Row], columns: Sequence[Column]) -> str:
    """The rows as a relation, of no rows too."""
    names = ", ".join(c.name for c in columns)
    empty = "SELECT " + ", ".join(f"NULL::{c.type} AS {c.name}" for c in columns) + " WHERE false"
    listed = ", ".join("(" + ", ".join(f"{_literal(r[c.name])}::{c.type}" for c in columns) + ")" for r in rows)
    return f"(SELECT * FROM (VALUES {listed}) v({names}))" if rows else f"({empty})"


def _literal(value: Any) -> str:
    return "NULL" if value is None else quote_literal(value) if isinstance(value, str) else str(value)


def weighed(checks: Sequence[CheckSpec], rows: Sequence[Row], others: Sequence[Row] = (), **subject: Any) -> list[Verdict]:
    other = values_of(others, (Column("id", "INTEGER"),))
    whole = values_of(rows, COLUMNS)
    known: dict[str, Any] = {"rows_sql": whole, "overlay_sql": whole, **subject}
    tools = Tools(ENGINE, None, {}, lambda _: other)  # type: ignore[arg-type]  # no template among these checks
    return list(weigh(Subject("m.t", COLUMNS, **known), checks, tools).verdicts)


def test_every_kind_has_an_oracle() -> None:
    assert set(KINDS) == set(manifests("checks"))


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_a_check_counts_what_brute_force_counts(kind: str) -> None:
    @settings(max_examples=EXAMPLES, deadline=None)
    @given(KINDS[kind](), rows_of, others_of, st.sampled_from([None, *WHERE]))
    def tried(drawn: tuple[CheckSpec, Oracle], rows: list[Row], others: list[Row], where: str | None) -> None:
        check, oracle = drawn
        read = rows if where is None else [r for r in rows if WHERE[where](r)]
        (found,) = weighed([replace(check, where=where)], rows, others)
        expected = oracle(read, others)
        assert (found.failures, found.outcome) == (expected, "block" if expected else "pass"), found.sql
        if kind not in ("row_count",):
            assert bool(found.sample) == bool(expected)

    tried()


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.lists(st.sampled_from(sorted(KINDS)).flatmap(lambda k: KINDS[k]()), min_size=2, max_size=8), rows_of, others_of)
def test_checks_weighed_together_count_as_each_alone(
    drawn: list[tuple[CheckSpec, Oracle]], rows: list[Row], others: list[Row]
) -> None:
    checks = [replace(check, unique_id=f"test.p.{at}") for at, (check, _) in enumerate(drawn)]
    assert [v.failures for v in weighed(checks, rows, others)] == [oracle(rows, others) for _, oracle in drawn]


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_a_delta_is_weighed_alone_only_where_it_proves_the_table(kind: str) -> None:
    """A table that passed, a delta that replaces rows by their key, and another table that lost rows: the verdict is that on the whole after it."""

    @settings(max_examples=2 * EXAMPLES, deadline=None)
    @given(
        KINDS[kind](),
        few_rows,
        few_rows,
        others_of,
        st.sampled_from([None, None, *WHERE]),
        st.sampled_from([("k",), ("k", "n"), ()]),
    )
    def tried(
        drawn: tuple[CheckSpec, Oracle],
        old: list[Row],
        new: list[Row],
        others: list[Row],
        where: str | None,
        key: tuple[str, ...],
    ) -> None:
        check, oracle = drawn
        check = replace(check, where=where)
        delta = list({tuple(r[c] for c in key): r for r in new if None not in [r[c] for c in key]}.values()) if key else new
        replaced = {tuple(r[c] for c in key) for r in delta} if key else set()
        stays = [r for r in old if tuple(r[c] for c in key) not in replaced]
        every = [*others, *({"id": n} for n in range(-3, 4))]
        was_good = weighed([check], old, every)[0].outcome == "pass"
        after = [*stays, *delta]
        (found,) = weighed(
            [check], after, others, rows_sql=values_of(delta, COLUMNS), overlay_sql=values_of(after, COLUMNS), partial=True, key=key,
            proven=frozenset({fingerprint(check)} if was_good else ()),
        )  # fmt: skip
        expected = oracle([r for r in after if where is None or WHERE[where](r)], others)
        assert (found.outcome == "block") == bool(expected), (found.scope, found.sql)
        assert found.scope == "overlay" or was_good

    tried()


SIGNS: Mapping[str, Callable[[float, float], bool]] = {
    "=": lambda a, b: a == b, "==": lambda a, b: a == b, "!=": lambda a, b: a != b, "<>": lambda a, b: a != b,
    "<": lambda a, b: a < b, "<=": lambda a, b: a <= b, ">": lambda a, b: a > b, ">=": lambda a, b: a >= b,
}  # fmt: skip
bounds = st.sampled_from(["0", "10", "-3", "2.5"])
terms = st.tuples(st.sampled_from([*SIGNS, "between"]), bounds, bounds, st.sampled_from(["", " "]))


@settings(max_examples=4 * EXAMPLES, deadline=None)
@given(
    st.lists(terms, min_size=1, max_size=3),
    st.lists(st.sampled_from(["and", "or", "AND"]), min_size=2, max_size=2),
    st.integers(-4, 12),
)
def test_a_threshold_means_what_it_says_and_is_read_when_it_is_declared(
    drawn: list[tuple[str, str, str, str]], words: list[str], failures: int
) -> None:
    text, said, last = "", [], True
    for at, (sign, low, high, space) in enumerate(drawn):
        text += f" {words[at - 1]} " if at else ""
        if sign == "between":
            text += f"between {low} and {high}"
            true = float(low) <= failures <= float(high)
        else:
            text += f"{sign}{space}{low}"
            true = SIGNS[sign](failures, float(low))
        if at and words[at - 1] == "or":
            said.append(last)
            last = true
        else:
            last = last and true
    assert _COMPARISON.fullmatch(text)
    assert holds(failures, text, where="here") == any([*said, last])


@settings(max_examples=4 * EXAMPLES, deadline=None)
@given(st.text(alphabet="<>=!0123456789.- andorbetweAB", max_size=14))
def test_what_is_declared_can_be_read_at_the_gate(text: str) -> None:
    if _COMPARISON.fullmatch(text):
        for failures in (0, 1, 7, -5, 1_000):
            holds(failures, text, where="here")
