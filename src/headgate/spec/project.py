"""The project as read from its files: frozen values that every stage takes and none changes.

`declare` makes them; `plan` compares them with what is recorded; `run` walks them. Nothing in here reads a file.
Names follow dbt: node, unique id, resource type, materialized, alias, schema, ref, source, package.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from headgate.spec.declared import Constraint, Resource, UnitTest
from headgate.spec.errors import Diagnostic, Location
from headgate.spec.names import Relation


@dataclass(frozen=True, slots=True)
class LakeSpec:
    """Where the lake is. `catalog` is `sqlite:<path>` or `postgresql://…`; `data` a folder or `s3://bucket/prefix`.

    A DuckDB file may stand for the lake: then `catalog` is `duckdb:<path>`.

    Paths are absolute after `declare`. `name` is the catalog's name in SQL.
    """

    catalog: str
    data: str
    name: str = "lake"
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PriceBook:
    """Prices for `plan` and `backfill`: money per CPU hour and per TB written, in `currency`."""

    cpu_hour: float = 0.0
    tb_written: float = 0.0
    currency: str = "USD"


@dataclass(frozen=True, slots=True)
class Freshness:
    """How old data may be, in seconds; None: not declared. `filter` is an SQL predicate."""

    warn_after: float | None = None
    error_after: float | None = None
    loaded_at_field: str | None = None
    filter: str | None = None
    loaded_at_query: str | None = None
    warn_written: Mapping[str, Any] | None = None  # count and period as written, for artifacts
    error_written: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class ColumnSpec:
    """A declared column. `data_type` None: not declared."""

    name: str
    description: str = ""
    data_type: str | None = None
    classification: str | None = None
    meta: Mapping[str, Any] = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    constraints: tuple[Constraint, ...] = ()
    quote: bool | None = None
    granularity: str | None = None  # of a time spine's column


@dataclass(frozen=True, slots=True)
class SourceTable:
    """One table of a source: what to extract and where it lands.

    `relation` is the raw table (schema `raw_<source>` unless `schema:`/`identifier:` say otherwise). A source without a
    connector is only read: somebody else fills it. `options` are the connector's own keys for this table (checked against
    its manifest), over the source's keys.
    """

    unique_id: str  # source.<package>.<source>.<table>
    source: str
    name: str
    package: str
    relation: Relation
    location: Location
    connector: str | None = None
    connection: Any = None  # text or mapping, secrets still as `${env:…}`
    fallback_connection: Any = None  # used when `connection` is refused
    options: Mapping[str, Any] = field(default_factory=dict)
    primary_key: tuple[str, ...] = ()
    cursor: str | None = None
    lookback: float = 0.0  # seconds for a time cursor, units for a number
    columns: Mapping[str, ColumnSpec] = field(default_factory=dict)
    schedule: str | None = None
    owner: str | None = None
    description: str = ""
    tier: int | None = None
    contract: str | None = None
    freshness: Freshness | None = None
    on_schema_change: Mapping[str, str] = field(default_factory=lambda: {"additive": "apply", "breaking": "block"})
    dead_letters_max: float = 0.0  # share of a load's rows (below 1) or a count (1 and above) that may be malformed
    retries: int = 5
    timeout: float = 300.0  # seconds for one request or statement to the source
    tags: tuple[str, ...] = ()
    meta: Mapping[str, Any] = field(default_factory=dict)
    config: Mapping[str, Any] = field(default_factory=dict)
    fqn: tuple[str, ...] = ()
    path: str = ""
    said: Mapping[str, Any] = field(default_factory=dict)  # of the source and the table: loader, descriptions, quoting, external


@dataclass(frozen=True, slots=True)
class Node:
    """Something that a run builds: a model, a seed or a snapshot.

    `canonical_sql` is the SQL rendered at parse time with published names and `is_incremental()` false;
    `canonical_incremental_sql` the same with it true (equal for everything but incremental models). They are what `plan` and
    `lineage` read. For Python models and seeds both are empty. `code_fingerprint` changes when code, macros used or building
    config change, never by comments or formatting of SQL alone.
    """

    unique_id: str  # model.<package>.<name> | seed.… | snapshot.…
    resource_type: str  # "model" | "seed" | "snapshot"
    name: str
    package: str
    relation: Relation
    location: Location
    path: str  # relative to the project (or the package's folder)
    language: str  # "sql" | "python" | "csv"
    raw_code: str
    materialized: str  # "view" | "table" | "ephemeral" | "incremental" | "snapshot" | "seed"
    config: Mapping[str, Any] = field(default_factory=dict)
    depends_on: tuple[str, ...] = ()  # unique ids of nodes and source tables, in order of first use
    canonical_sql: str = ""
    canonical_incremental_sql: str = ""
    code_fingerprint: str = ""
    columns: Mapping[str, ColumnSpec] = field(default_factory=dict)
    description: str = ""
    owner: str | None = None
    grain: tuple[str, ...] = ()
    tier: int | None = None
    publish_group: str | None = None
    tags: tuple[str, ...] = ()
    meta: Mapping[str, Any] = field(default_factory=dict)
    fqn: tuple[str, ...] = ()
    version: str | None = None
    latest_version: str | None = None  # of a versioned model: the one that ref() without a version means
    deprecation_date: str | None = None
    access: str = "protected"  # "private" | "protected" | "public"
    group: str | None = None
    contract_enforced: bool = False
    constraints: tuple[Constraint, ...] = ()
    patch_path: str = ""  # the property file that describes it, relative to the project
    macros: tuple[str, ...] = ()  # unique ids macro.<package>.<name> of the macros that its code has used
    refs: tuple[tuple[str | None, str, str | None], ...] = ()  # as written: package, name, version

    @property
    def unique_key(self) -> tuple[str, ...]:
        """The declared unique key as a tuple; empty: none."""
        key = self.config.get("unique_key")
        if not key:
            return ()
        return (key,) if isinstance(key, str) else tuple(key)


@dataclass(frozen=True, slots=True)
class CheckSpec:
    """A data test (dbt's word) of a node or a source table.

    `kind` names a check plug-in ("unique", "not_null", …), a generic test macro of the project ("macro:<name>") or
    "singular". `arguments` are those of the test without `model` and `column_name`. `severity` "error" is hard and blocks.
    """

    unique_id: str  # dbt's: test.<package>.<name>, and for a generic test a hash of how it is written
    name: str
    kind: str
    package: str
    location: Location
    attached_to: str | None  # unique id of node or source table; None for a singular test over several
    column: str | None = None
    arguments: Mapping[str, Any] = field(default_factory=dict)
    depends_on: tuple[str, ...] = ()
    raw_code: str = ""  # singular tests and macro tests: template text
    severity: str = "error"
    warn_if: str = "!= 0"
    error_if: str = "!= 0"
    fail_calc: str = "count(*)"
    where: str | None = None
    limit: int | None = None
    failures_table: str | None = None  # "schema.table" that keeps the failing rows of its last weighing; None: nothing does
    on_fail: str = "block"  # "block" | "warn"
    tags: tuple[str, ...] = ()
    meta: Mapping[str, Any] = field(default_factory=dict)
    fqn: tuple[str, ...] = ()
    path: str = ""  # relative to the package's folder: of a singular test its file, of a generic one the property file
    config: Mapping[str, Any] = field(default_factory=dict)
    description: str = ""
    alias: str = ""  # the name as a relation or a file bears it, where it is another: long ones are cut and hashed
    metadata: Mapping[str, Any] = field(
        default_factory=dict
    )  # how a generic test is written; empty: as `declare.testnames` derives it


@dataclass(frozen=True, slots=True)
class Exposure:
    """A consumer outside: a report, an application."""

    unique_id: str
    name: str
    location: Location
    depends_on: tuple[str, ...] = ()
    owner: str | None = None
    description: str = ""
    package: str = ""
    path: str = ""
    fqn: tuple[str, ...] = ()
    said: Mapping[str, Any] = field(default_factory=dict)  # as written: type, owner, label, maturity, url
    tags: tuple[str, ...] = ()
    meta: Mapping[str, Any] = field(default_factory=dict)
    config: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Project:
    """Everything declared. `nodes`, `sources` and `checks` are keyed by unique id, in a stable order.

    `root`, `state` (a SQLAlchemy URL) and the lake's paths are absolute. `digest` names the content of all files, variables and
    environment variables read: equal digests mean an equal project. `notices` are the warnings that parsing left.
    """

    name: str
    root: str
    environment: str
    schema_prefix: str
    lake: LakeSpec
    state: str
    digest: str
    nodes: Mapping[str, Node]
    sources: Mapping[str, SourceTable]
    checks: Mapping[str, CheckSpec]
    exposures: Mapping[str, Exposure] = field(default_factory=dict)
    publish_groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # name -> node ids that move together
    variables: Mapping[str, Any] = field(default_factory=dict)
    secrets: tuple[str, ...] = ("env", "file")
    prices: PriceBook = field(default_factory=PriceBook)
    quotas: Mapping[str, float] = field(default_factory=dict)  # backfill_rows_max, backfill_seconds_max, backfill_cost_max
    audit_columns: tuple[str, ...] = ("_loaded_at", "_dbt_loaded_at", "_headgate_*")
    options: Mapping[str, Any] = field(default_factory=dict)  # the rest of headgate.yml, checked
    notices: tuple[Diagnostic, ...] = ()
    dbt: bool = False  # read from dbt_project.yml alone: dbt's lenience and defaults hold
    resources: Mapping[str, Resource] = field(default_factory=dict)  # groups, metrics, analyses, docs, … by unique id
    unit_tests: Mapping[str, UnitTest] = field(default_factory=dict)
    selectors: Mapping[str, Any] = field(default_factory=dict)  # selectors.yml: name -> {definition, default, description}
    disabled: Mapping[str, Node] = field(default_factory=dict)  # nodes that are switched off, without SQL and links
    contract_checks: Mapping[str, CheckSpec] = field(
        default_factory=dict
    )  # constraints of enforced contracts: weighed, never selected
