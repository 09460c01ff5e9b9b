"""Weigh staged rows against checks: compile every check to SQL, run them in as few scans as they allow, return verdicts.

Checks over one row and aggregates share one scan per relation; only checks that failed pay for samples. A check that
decomposes weighs
the delta alone, if the table was proven by the same check before (LAKE.md, last line of the table); else the overlay.
"""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

import duckdb

from headgate.gate.thresholds import holds
from headgate.ports.check import CheckContext, CompiledCheck
from headgate.ports.engine import Cursor
from headgate.ports.plugins import load
from headgate.ports.templates import Templates
from headgate.spec.errors import DeclarationError
from headgate.spec.names import Column, quote_ident
from headgate.spec.project import CheckSpec
from headgate.spec.templating import TemplateRelation
from headgate.spec.verdicts import BLOCK, PASS, WARN, GateResult, Verdict

SAMPLE_ROWS = 10
_OF_A_MACRO = ("severity", "warn_if", "error_if", "fail_calc", "limit")
_NAME = re.compile(r'"?\w+"?')
_MASK = "[masked]"


@dataclass(frozen=True, slots=True)
class Subject:
    """What is weighed: the staged rows, the table as it would be (`overlay_sql`), and what is known of it.

    `partial` is true for a delta. `proven` holds fingerprints of checks that the published table passed. `masked` names
    columns whose
    values never leave in samples.
    """

    dataset: str
    columns: tuple[Column, ...]
    rows_sql: str
    overlay_sql: str
    partial: bool = False
    key: tuple[str, ...] = ()
    proven: frozenset[str] = frozenset()
    masked: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Tools:
    """What weighing needs from the run: a cursor that sees lake and staging, templates, their names, and where a table is
    read now."""

    cursor: Cursor
    templates: Templates
    runtime: Mapping[str, Any]
    resolve: Callable[[str], str]
    database: str = "lake"


@dataclass(frozen=True, slots=True)
class _Weighing:
    """One compiled check with the relation that it reads."""

    spec: CheckSpec
    compiled: CompiledCheck
    rows_sql: str
    scope: str
    failures_sql: str = field(default="")

    @property
    def fused(self) -> bool:
        """True when a count in the shared scan answers it."""
        simple = self.spec.limit is None and self.spec.fail_calc == "count(*)"
        return self.compiled.aggregate is not None or (self.compiled.row_predicate is not None and simple)


def fingerprint(spec: CheckSpec) -> str:
    """What identifies a check's meaning: equal fingerprints prove the same."""
    said = [
        spec.kind,
        spec.column,
        dict(spec.arguments),
        spec.raw_code,
        spec.where,
        spec.error_if,
        spec.severity,
        spec.fail_calc,
        spec.limit,
    ]
    return hashlib.blake2b(json.dumps(said, sort_keys=True, default=str).encode(), digest_size=12).hexdigest()


def weigh(subject: Subject, checks: Sequence[CheckSpec], tools: Tools) -> GateResult:
    """The verdicts of `checks` on `subject`, in the order given.

    Raises DeclarationError when a check cannot be compiled or its SQL does not run.
    """
    weighings = [_prepare(subject, spec, tools) for spec in checks]
    counted = _scan(weighings, tools.cursor)
    return GateResult(subject.dataset, tuple(_verdict(subject, w, counted.get(i), tools.cursor) for i, w in enumerate(weighings)))


def _prepare(subject: Subject, spec: CheckSpec, tools: Tools) -> _Weighing:
    """Compile `spec` for the relation it must read: the delta where that proves the table, else the overlay."""
    plain = not (spec.kind == "singular" or spec.kind.startswith("macro:"))
    spec, compiled = _compile(subject, spec, subject.overlay_sql, tools)
    rows_sql, scope = subject.overlay_sql, "overlay" if subject.partial else "table"
    if plain and subject.partial and compiled.decomposes and fingerprint(spec) in subject.proven:
        rows_sql, scope = subject.rows_sql, "delta"
        spec, compiled = _compile(subject, spec, rows_sql, tools)
    if spec.where and plain:
        rows_sql = _where(rows_sql, spec.where)
        spec, compiled = _compile(subject, spec, rows_sql, tools)
    failures = compiled.failures_sql or f"SELECT * FROM {rows_sql} WHERE {compiled.row_predicate}"
    return _Weighing(spec, compiled, rows_sql, scope, failures)


def _where(rows_sql: str, condition: str) -> str:
    return f"(SELECT * FROM {rows_sql} WHERE {condition})"


def _compile(subject: Subject, spec: CheckSpec, rows_sql: str, tools: Tools) -> tuple[CheckSpec, CompiledCheck]:
    """The check as SQL, by its plug-in, its macro or its own text; and the check with what its macro says of itself."""
    if spec.kind == "singular":
        text = tools.templates.render(spec.unique_id, tools.runtime)
        return spec, CompiledCheck(failures_sql=text.strip().rstrip(";"), message=f"test {spec.name} found something")
    if spec.kind.startswith("macro:"):
        return _by_macro(subject, spec, rows_sql, tools)
    known = not spec.column or any(c.name.lower() == spec.column.lower() for c in subject.columns)
    if not known and _NAME.fullmatch(spec.column or ""):
        raise DeclarationError(
            f"{spec.location}: check '{spec.name}' is on column '{spec.column}', which {subject.dataset} does not have",
            expected="one of " + ", ".join(c.name for c in subject.columns),
        )
    context = CheckContext(rows_sql, subject.columns, tools.resolve, subject.key, spec.arguments)
    compiled: CompiledCheck = load("checks", spec.kind).compile(spec, context)
    return spec, compiled if known else _over_expression(compiled, spec.column or "")


def _over_expression(compiled: CompiledCheck, expression: str) -> CompiledCheck:
    """A check of what an expression gives, as dbt takes one for a column: it stands where the column's name would."""
    name = quote_ident(expression)
    texts = {key: getattr(compiled, key) for key in ("row_predicate", "failures_sql", "aggregate", "groups_sql")}
    return replace(compiled, **{key: text.replace(name, f"({expression})") for key, text in texts.items() if text is not None})


def _by_macro(subject: Subject, spec: CheckSpec, rows_sql: str, tools: Tools) -> tuple[CheckSpec, CompiledCheck]:
    """A generic test of the project: its macro gets `model`, and may say `config(…)` for what the test's own place leaves open."""
    said = _Said({"where": spec.where, **spec.config})
    names = {**tools.runtime, "config": said, "model": _node_of(spec, tools)}
    model: object = rows_sql
    if "." in subject.dataset:  # a relation to ask for its columns, which prints as the rows to weigh
        schema, _, name = subject.dataset.partition(".")
        model = TemplateRelation(tools.database, schema, name, "table", rows_sql)
    if tools.templates.has_macro("get_where_subquery"):  # as in dbt, where a project may have its own
        model = tools.templates.call_macro("get_where_subquery", {"relation": model}, names)
    elif spec.where:
        model = _where(rows_sql, spec.where)
    arguments = {"model": model, **({"column_name": spec.column} if spec.column else {}), **spec.arguments}
    text = tools.templates.call_macro(spec.kind.removeprefix("macro:"), arguments, names)
    kept = {k: v for k, v in said.values.items() if k in _OF_A_MACRO and k not in spec.config}
    spec = replace(spec, **kept)
    return spec, CompiledCheck(failures_sql=str(text).strip().rstrip(";"), message=f"test {spec.name} found something")


def _node_of(spec: CheckSpec, tools: Tools) -> Mapping[str, Any]:
    """The test as dbt's `model`, which its macros may ask."""
    graph = tools.runtime.get("graph")
    known = graph["nodes"].get(spec.unique_id) if isinstance(graph, Mapping) else None
    return known or {"unique_id": spec.unique_id, "name": spec.name, "resource_type": "test", "package_name": spec.package}


class _Said:
    """`config` inside a test's macro: keeps what it is called with, over what the test's place says."""

    def __init__(self, placed: Mapping[str, Any]) -> None:
        self.values: dict[str, Any] = {}
        self._placed = placed

    def __call__(self, **said: Any) -> str:
        self.values.update(said)
        return ""

    def get(self, name: str, default: Any = None, validator: Any = None) -> Any:
        """What was said, or `default`."""
        found = self.values.get(name, self._placed.get(name))
        return default if found is None else found


def _scan(weighings: Sequence[_Weighing], cursor: Cursor) -> dict[int, tuple[int, Any, float]]:
    """Run one scan per relation for all fused checks. Returns index -> (rows, counted value, seconds of the scan)."""
    by_relation: dict[str, list[int]] = {}
    for index, weighing in enumerate(weighings):
        if weighing.fused:
            by_relation.setdefault(weighing.rows_sql, []).append(index)
    found: dict[int, tuple[int, Any, float]] = {}
    for rows_sql, indices in by_relation.items():
        began = time.perf_counter()
        row = _counted([weighings[i] for i in indices], rows_sql, cursor)
        seconds = time.perf_counter() - began
        found.update({index: (int(row[0]), row[1 + at], seconds) for at, index in enumerate(indices)})
    return found


def _counted(weighings: Sequence[_Weighing], rows_sql: str, cursor: Cursor) -> tuple[Any, ...]:
    """The count of all rows and of each check's; when that does not run, each check is asked alone, so that the error names the right one."""
    try:
        return _run(cursor, f"SELECT count(*), {', '.join(map(_term, weighings))} FROM {rows_sql}", weighings[0].spec)[0]
    except DeclarationError:
        for one in weighings if len(weighings) > 1 else ():
            _run(cursor, f"SELECT {_term(one)} FROM {rows_sql}", one.spec)
        raise


def _term(weighing: _Weighing) -> str:
    compiled = weighing.compiled
    return compiled.aggregate or f"count(*) FILTER (WHERE {compiled.row_predicate})"


def _run(cursor: Cursor, sql: str, spec: CheckSpec) -> list[tuple[Any, ...]]:
    try:
        rows: list[tuple[Any, ...]] = cursor.execute(sql).fetchall()
    except duckdb.Error as error:
        raise DeclarationError(
            f"{spec.location}: check '{spec.name}' cannot be run: {error}",
            todo="correct the check or the column that it names",
            code="HG-D082",
        ) from error
    return rows


def _verdict(subject: Subject, weighing: _Weighing, counted: tuple[int, Any, float] | None, cursor: Cursor) -> Verdict:
    """One check's outcome, with a sample of the failing rows when there are any."""
    spec, compiled = weighing.spec, weighing.compiled
    sql = weighing.failures_sql if compiled.aggregate is None else f"SELECT {compiled.aggregate} FROM {weighing.rows_sql}"
    if counted is None:
        began = time.perf_counter()
        rows, value = 0, _calculated(weighing, cursor)
        failures, seconds = value or 0, time.perf_counter() - began
    else:
        rows, value, seconds = counted
        failures = _calculated(weighing, cursor) if value and compiled.groups_sql else value
    if compiled.failed_when is not None:
        failed = _run(
            cursor, f"SELECT ({compiled.failed_when}) FROM (SELECT {value if value is not None else 'NULL'} AS value)", spec
        )[0][0]
        failures = 1 if failed is not False else 0
    outcome = _outcome(spec, float(failures))
    message = "" if outcome == PASS else _message(weighing, int(value or 0), rows, value)
    if message and spec.failures_table:
        message += f"; they are kept in {spec.failures_table}"
    sample = _sample(subject, weighing, cursor) if failures and compiled.aggregate is None else ()
    return Verdict(
        spec.unique_id,
        spec.name,
        subject.dataset,
        outcome,
        int(failures),
        rows,
        weighing.scope,
        spec.column,
        message,
        sample,
        sql,
        seconds,
    )


def _calculated(weighing: _Weighing, cursor: Cursor) -> Any:
    """What `fail_calc` says of the failures, up to `limit` of them. Raises DeclarationError when that is no number."""
    spec, sql = weighing.spec, weighing.compiled.groups_sql or weighing.failures_sql
    limit = "" if spec.limit is None else f" LIMIT {int(spec.limit)}"
    value = _run(cursor, f"SELECT {spec.fail_calc} FROM (SELECT * FROM ({sql}){limit})", spec)[0][0]
    if value is not None and not isinstance(value, int | float | Decimal):
        raise DeclarationError(
            f"{spec.location}: fail_calc of check '{spec.name}' gives '{value}'",
            expected="one number over the failing rows, such as count(*) or sum(n_records)",
            code="HG-D082",
        )
    return value


def _outcome(spec: CheckSpec, failures: float) -> str:
    where = f"{spec.location}: check '{spec.name}'"
    if spec.severity == "error" and spec.on_fail != "warn" and holds(failures, spec.error_if, where=where):
        return BLOCK
    return WARN if holds(failures, spec.warn_if, where=where) else PASS


def _message(weighing: _Weighing, failures: int, rows: int, value: Any) -> str:
    said = weighing.compiled.message or weighing.spec.name
    if weighing.compiled.aggregate is not None:
        return f"{said} (it is {value:,})" if isinstance(value, int) else f"{said} (it is {value})"
    noun = "row" if weighing.compiled.row_predicate and not weighing.compiled.groups_sql else "result"
    counted = f"{failures:,} of {rows:,} rows" if rows else f"{failures:,} {noun}{'' if failures == 1 else 's'}"
    return f"{said} ({counted})"


def _sample(subject: Subject, weighing: _Weighing, cursor: Cursor) -> tuple[Mapping[str, Any], ...]:
    """Up to ten failing rows as text, classified columns masked."""
    result = cursor.execute(f"SELECT CAST(COLUMNS(*) AS VARCHAR) FROM ({weighing.failures_sql}) LIMIT {SAMPLE_ROWS}")
    rows = result.fetchall()
    names = [d[0] for d in cursor.description or ()]
    own, hidden = {c.name.lower() for c in subject.columns}, {c.lower() for c in subject.masked}
    masked = {n for n in names if n.lower() in hidden or (n.lower() not in own and any(h in n.lower() for h in hidden))}
    return tuple({n: _MASK if n in masked else v for n, v in zip(names, row, strict=True)} for row in rows)
