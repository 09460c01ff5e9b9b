"""Snapshots: keep every version that a mutable query has shown, with dbt's columns.

A row that changed closes its open version and opens a new one; a key that vanished is left, closed, or marked deleted by
`hard_deletes`; a key that returns opens a new version. The staged delta holds the new versions and the closed ones, keyed
by `dbt_scd_id`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from headgate.spec.names import Column, quote_ident
from headgate.spec.staged import DELTA, REPLACE, RowCounts, Staged
from headgate.transform.clock import moment
from headgate.transform.incremental import Delta, exact_key, finished, standing
from headgate.transform.job import Job, Result, texts
from headgate.transform.order import Deduplicated, deduplicate
from headgate.transform.query import cast_list, joined, listed, names
from headgate.transform.shape import Shape, appended

HARD_DELETES = ("ignore", "invalidate", "new_record")
META = ("dbt_scd_id", "dbt_updated_at", "dbt_valid_from", "dbt_valid_to", "dbt_is_deleted")


@dataclass(frozen=True, slots=True)
class Rules:
    """The snapshot's declaration. `meta` maps dbt's column names to the declared ones."""

    strategy: str
    key: tuple[str, ...]
    updated_at: str | None  # a selected column
    check: tuple[str, ...]
    hard_deletes: str
    open_end: str  # SQL of dbt_valid_to for an open version
    meta: Mapping[str, str]

    @property
    def marks_deleted(self) -> bool:
        """Whether a deletion is a version of its own."""
        return self.hard_deletes == "new_record"

    def column(self, name: str) -> str:
        """The quoted name of a meta column."""
        return quote_ident(self.meta[name])

    def is_open(self, alias: str) -> str:
        """A predicate: the version has no end yet."""
        end = f"{alias}.{self.column('dbt_valid_to')}"
        return f"{end} IS NULL" if self.open_end == "NULL" else f"({end} IS NULL OR {end} = {self.open_end})"


def build(job: Job) -> Staged:
    """Stage a snapshot: all first versions, or the delta against the history that stands."""
    rows = job.stage("new", job.sql)
    rules = rules_of(job, rows.names)
    found = deduplicate(job, rows, rules.key, "unique")
    if job.target is None:
        return _first(job, rules, found)
    return _delta(job, rules, found)


def rules_of(job: Job, columns: tuple[str, ...]) -> Rules:
    """The snapshot's rules, checked against the columns that it selects. Raises DeclarationError."""
    config, by_name = job.node.config, {c.lower(): c for c in columns}
    strategy = str(config.get("strategy") or "")
    if strategy not in ("timestamp", "check"):
        raise job.mistake(f"'{strategy}' is no snapshot strategy", expected="timestamp or check", code="HG-T070")
    key = exact_key(job, columns)
    if not key:
        raise job.mistake("a snapshot needs a unique_key", expected="unique_key: <column or list of columns>", code="HG-T071")
    updated_at = by_name.get(str(config.get("updated_at") or "").lower())
    if updated_at is None and (strategy == "timestamp" or config.get("updated_at")):
        raise job.mistake(
            f"updated_at '{config.get('updated_at')}' is not selected",
            expected="columns among " + ", ".join(columns),
            code="HG-T072",
        )
    hard = str(config.get("hard_deletes") or ("invalidate" if config.get("invalidate_hard_deletes") else "ignore"))
    if hard not in HARD_DELETES:
        raise job.mistake(f"'{hard}' is no value of hard_deletes", expected="one of " + ", ".join(HARD_DELETES), code="HG-T073")
    given = dict(config.get("snapshot_meta_column_names") or {})
    meta = {m: str(given.get(m) or m) for m in META}
    end = config.get("dbt_valid_to_current")
    return Rules(strategy, key, updated_at, _checked(job, strategy, columns, key), hard, f"({end})" if end else "NULL", meta)


def _checked(job: Job, strategy: str, columns: tuple[str, ...], key: tuple[str, ...]) -> tuple[str, ...]:
    """The columns whose change makes a new version."""
    if strategy != "check":
        return ()
    declared = job.node.config.get("check_cols")
    if declared == "all" or declared == ["all"]:
        return tuple(c for c in job.content(columns) if c not in key)
    by_name = {c.lower(): c for c in columns}
    wanted = texts(declared)
    unknown = [c for c in wanted if c.lower() not in by_name]
    if not wanted or unknown:
        raise job.mistake(
            f"check_cols {declared!r} does not name selected columns", expected="'all' or columns among " + ", ".join(columns),
            code="HG-T074",
        )  # fmt: skip
    return tuple(by_name[c.lower()] for c in wanted)


def _moment_type(rules: Rules, columns: tuple[Column, ...]) -> str:
    """The type of the snapshot's times: that of `updated_at`, else TIMESTAMP."""
    return next((c.type for c in columns if c.name == rules.updated_at), "TIMESTAMP")


def _now(job: Job, rules: Rules, columns: tuple[Column, ...]) -> str:
    kind = _moment_type(rules, columns)
    if kind == "TIMESTAMP WITH TIME ZONE":
        return f"CAST('{job.clock.run_started_at.replace('T', ' ')}+00' AS TIMESTAMPTZ)"
    return moment(job.clock) if kind == "TIMESTAMP" else f"CAST({moment(job.clock)} AS {kind})"


def _scd_id(rules: Rules, alias: str, at: str) -> str:
    """dbt's id of a version: a hash of key and begin."""
    parts = [f"coalesce(CAST({alias}.{quote_ident(k)} AS VARCHAR), '')" for k in rules.key] + [
        f"coalesce(CAST({at} AS VARCHAR), '')"
    ]
    return "md5(" + " || '|' || ".join(parts) + ")"


def _meta(rules: Rules, alias: str, kind: str, updated: str, begin: str, deleted: str) -> str:
    """The meta columns of a version that opens at `begin`."""
    end = f"CAST({rules.open_end} AS {kind})"
    said = [
        (_scd_id(rules, alias, begin), "dbt_scd_id"),
        (updated, "dbt_updated_at"),
        (begin, "dbt_valid_from"),
        (end, "dbt_valid_to"),
    ]
    if rules.marks_deleted:
        said.append((f"'{deleted}'", "dbt_is_deleted"))
    return ", ".join(f"{value} AS {rules.column(name)}" for value, name in said)


def _first(job: Job, rules: Rules, found: Deduplicated) -> Staged:
    """Every row opens its first version."""
    rows, kind = found.rows, _moment_type(rules, found.rows.columns)
    at = f"s.{quote_ident(rules.updated_at)}" if rules.updated_at else _now(job, rules, rows.columns)
    whole = job.stage("", f"SELECT {listed(rows.names, 's')}, {_meta(rules, 's', kind, at, at, 'False')} FROM {rows.sql} AS s")
    return job.staged(
        REPLACE, columns=whole.columns, rows_sql=whole.sql, files=whole.files, key=(rules.meta["dbt_scd_id"],),
        counts=RowCounts(whole.rows + found.put_aside, whole.rows, rows_deduplicated=found.put_aside),
        verdicts=found.verdicts, notes=found.notes,
    )  # fmt: skip


def _delta(job: Job, rules: Rules, found: Deduplicated) -> Staged:
    """New versions, closed versions, and (for new_record) deletions."""
    rows, target = found.rows, job.target or ()
    have = names(target)
    lacking = [rules.meta[m] for m in META[: 5 if rules.marks_deleted else 4] if rules.meta[m] not in have]
    if lacking:
        raise job.mistake(
            f"{job.node.relation} has no column {', '.join(lacking)}", expected="a table that this snapshot has built",
            todo="choose the names with snapshot_meta_column_names, or run with --full-refresh", code="HG-T075",
        )  # fmt: skip
    added = tuple(c for c in rows.columns if c.name.lower() not in {h.lower() for h in have})
    shape = appended(target, added)
    moves = _moves(job, rules, rows, standing(job, shape))
    tally = {str(k): int(n) for k, n in job.cursor.execute(f"SELECT _hg_how, count(*) FROM {moves} GROUP BY 1").fetchall()}
    closed = tally.get("changed", 0) + tally.get("deleted", 0)
    delta = job.stage("delta", _delta_sql(job, rules, rows, shape, moves), rows_expected=rows.rows)
    unchanged, late = tally.get("unchanged", 0), tally.get("late", 0)
    counts = RowCounts(
        rows_in=delta.rows + unchanged + late + found.put_aside, rows_out=delta.rows, rows_deduplicated=found.put_aside,
        rows_unchanged=unchanged, rows_late=late, rows_deleted=closed,
    )  # fmt: skip
    notes = (
        found.notes
        + shape.notes
        + tuple(f"{tally[k]} keys {k}" for k in ("new", "returned", "changed", "deleted") if tally.get(k))
    )
    return finished(
        job, DELTA, delta, Delta(rows, shape, found.put_aside, found.verdicts, notes), counts, key=(rules.meta["dbt_scd_id"],)
    )


def _moves(job: Job, rules: Rules, rows: Result, target: str) -> str:
    """A scratch table: each key with what happens to it and from when."""
    key, now = rules.key, _now(job, rules, rows.columns)
    begin, end = rules.column("dbt_valid_from"), rules.column("dbt_valid_to")
    at = f"s.{quote_ident(rules.updated_at)}" if rules.updated_at else now
    if rules.strategy == "timestamp":
        differs, late = f"{at} > c.{rules.column('dbt_updated_at')}", f"{at} < c.{rules.column('dbt_updated_at')}"
    else:
        differs = " OR ".join(f"s.{quote_ident(c)} IS DISTINCT FROM c.{quote_ident(c)}" for c in rules.check)
        late = "FALSE"
    back = f"c.{rules.column('dbt_is_deleted')} = 'True' OR " if rules.marks_deleted else ""
    there = f"c.{quote_ident(key[0])} IS NOT NULL"
    # a version may not begin before the one that it follows has ended: then it begins when it was noticed
    floor = f"coalesce(c.{begin}, e._hg_end)"
    moves = job.scratch("moves")
    job.run(
        f"CREATE OR REPLACE TABLE {moves} AS SELECT {listed(key, 's')}, "
        f"CASE WHEN NOT coalesce({there}, FALSE) THEN CASE WHEN e._hg_end IS NULL THEN 'new' ELSE 'returned' END "
        f"WHEN {back}({differs}) THEN 'changed' WHEN {late} THEN 'late' ELSE 'unchanged' END AS _hg_how, "
        f"CASE WHEN {floor} IS NULL OR {at} > {floor} THEN {at} ELSE {now} END AS _hg_from FROM {rows.sql} AS s "
        f"LEFT JOIN (SELECT * FROM {target} AS t WHERE {rules.is_open('t')}) AS c ON {joined('s', 'c', key)} "
        f"LEFT JOIN (SELECT {listed(key)}, max({end}) AS _hg_end FROM {target} AS t WHERE NOT {rules.is_open('t')} "
        f"GROUP BY {listed(key)}) AS e ON {joined('s', 'e', key)}"
    )
    if rules.hard_deletes != "ignore":
        alive = f" AND coalesce(t.{rules.column('dbt_is_deleted')}, 'False') <> 'True'" if rules.marks_deleted else ""
        job.run(
            f"INSERT INTO {moves} SELECT {listed(key, 't')}, 'deleted', {now} FROM {target} AS t ANTI JOIN {rows.sql} AS s "
            f"ON {joined('s', 't', key)} WHERE {rules.is_open('t')}{alive}"
        )
    return moves


def _delta_sql(job: Job, rules: Rules, rows: Result, shape: Shape, moves: str) -> str:
    """A query for the new, the closed and the deletion versions, in the shape of the table."""
    metas = {v for k, v in rules.meta.items() if k != "dbt_is_deleted" or rules.marks_deleted}
    plain = tuple(c for c in shape.columns if c.name not in metas)
    kind, now = _moment_type(rules, rows.columns), _now(job, rules, rows.columns)
    types = {c.name: c.type for c in shape.columns}
    order = ", ".join(f"CAST({quote_ident(c.name)} AS {types[c.name]}) AS {quote_ident(c.name)}" for c in shape.columns)
    at = f"s.{quote_ident(rules.updated_at)}" if rules.updated_at else now
    opened = (
        f"SELECT {cast_list(plain, rows.columns, 's')}, {_meta(rules, 's', kind, at, 'm._hg_from', 'False')} "
        f"FROM {rows.sql} AS s JOIN {moves} AS m ON {joined('s', 'm', rules.key)} "
        f"WHERE m._hg_how IN ('new', 'returned', 'changed')"
    )
    target, end = standing(job, shape), rules.column("dbt_valid_to")
    rest = tuple(c for c in shape.columns if c.name != rules.meta["dbt_valid_to"])
    closed = (
        f"SELECT {listed(names(rest), 't')}, m._hg_from AS {end} FROM {target} AS t "
        f"JOIN {moves} AS m ON {joined('t', 'm', rules.key)} WHERE {rules.is_open('t')} AND m._hg_how IN ('changed', 'deleted')"
    )
    parts = [opened, closed]
    if rules.marks_deleted:
        parts.append(
            f"SELECT {listed(names(plain), 't')}, {_meta(rules, 't', kind, now, now, 'True')} FROM {target} AS t "
            f"JOIN {moves} AS m ON {joined('t', 'm', rules.key)} WHERE {rules.is_open('t')} AND m._hg_how = 'deleted'"
        )
    return f"SELECT {order} FROM (" + " UNION ALL BY NAME ".join(f"({p})" for p in parts) + ")"
