"""What a check must be: one folder `checks/<name>/`, a light manifest (kind, arguments), and a module with `compile`.

A check compiles to SQL; `gate` runs the SQL of all checks of a table in as few scans as it can and makes the verdicts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from headgate.spec.names import Column
from headgate.spec.project import CheckSpec


@dataclass(frozen=True, slots=True)
class CheckContext:
    """What `compile` may know: `rows_sql` is the relation to weigh (staged rows, delta or overlay), `columns` its columns,
    `resolve` turns a unique id or dataset name into the relation that this run must read, `key` the table's unique key."""

    rows_sql: str
    columns: tuple[Column, ...]
    resolve: Callable[[str], str]
    key: tuple[str, ...] = ()
    arguments: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CompiledCheck:
    """A check as SQL.

    `row_predicate`: true for a *failing* row (evaluated in the fused scan). `failures_sql`: a SELECT of failing rows or
    groups (the
    dbt form), for what no predicate over one row can say. `aggregate` with `failed_when`: an aggregate expression and a
    predicate over it
    (named `value`). Exactly one of the three is set. `groups_sql`, beside a `row_predicate`: a SELECT of what counts as one failure
    where that is no row (accepted_values counts values). `decomposes`: true when weighing the delta alone proves the whole
    table, given that
    the table was proven before (LAKE.md, last table row); `on` says for which condition ("always", or "key" when the column
    is the unique key).
    """

    row_predicate: str | None = None
    failures_sql: str | None = None
    aggregate: str | None = None
    failed_when: str | None = None
    groups_sql: str | None = None
    decomposes: bool = False
    message: str = ""


class Check(Protocol):
    """The module behind a manifest: `compile(spec, context) -> CompiledCheck`. Raises DeclarationError for wrong argument
    types."""

    def compile(self, spec: CheckSpec, context: CheckContext) -> CompiledCheck: ...
