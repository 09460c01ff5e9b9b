"""What a project declares beside its tables: groups, metrics, analyses, docs, unit tests, constraints, saved selectors.

Frozen values as in `spec.project`, which holds them. Most are dbt's, are kept as written, and are read by artifacts and selectors alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from headgate.spec.errors import Location


@dataclass(frozen=True, slots=True)
class Constraint:
    """A promise of a contract. `type` is not_null, unique, primary_key, foreign_key, check or custom.

    `columns` is empty for a constraint that stands at its column. `to` is a unique id for `ref()` and `source()`, else text.
    """

    type: str
    columns: tuple[str, ...] = ()
    expression: str | None = None
    name: str | None = None
    to: str | None = None
    to_columns: tuple[str, ...] = ()
    warn_unenforced: bool = True
    warn_unsupported: bool = True


@dataclass(frozen=True, slots=True)
class Resource:
    """Something declared that no run builds; `resource_type` is dbt's word for it.

    group, metric, semantic_model, saved_query, analysis, doc, macro (the properties of one), function.
    `said` is the entry as written, its templates evaluated; `raw_code` the text of an analysis or a docs block.
    """

    unique_id: str
    resource_type: str
    name: str
    package: str
    location: Location
    path: str = ""  # relative to the package's folder
    fqn: tuple[str, ...] = ()
    depends_on: tuple[str, ...] = ()
    said: Mapping[str, Any] = field(default_factory=dict)
    config: Mapping[str, Any] = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    meta: Mapping[str, Any] = field(default_factory=dict)
    description: str = ""
    raw_code: str = ""


@dataclass(frozen=True, slots=True)
class GivenRows:
    """Rows of a unit test: `rows` for the formats dict and csv, `sql` for sql (one of the two; both None: no rows).

    `input` is a unique id, or "this"; empty for what is expected. `fixture` names the file that the rows came from.
    """

    input: str
    format: str = "dict"
    rows: tuple[Mapping[str, Any], ...] | None = None
    sql: str | None = None
    fixture: str | None = None
    written: str = ""  # the input as written: ref('orders')


@dataclass(frozen=True, slots=True)
class UnitTest:
    """A test of one model's SQL with given rows. `overrides` holds `macros`, `vars` and `env_vars`."""

    unique_id: str  # unit_test.<package>.<model>.<name>
    name: str
    package: str
    location: Location
    model: str  # unique id of the model that is tried
    given: tuple[GivenRows, ...]
    expect: GivenRows
    overrides: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    description: str = ""
    path: str = ""
    fqn: tuple[str, ...] = ()
    depends_on: tuple[str, ...] = ()
    version: str | None = None
    config: Mapping[str, Any] = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    meta: Mapping[str, Any] = field(default_factory=dict)
