"""Incremental tables: stage the rows that change, and nothing else.

The staged delta holds complete rows; publish deletes what they replace and inserts them. Rows that equal the published row in
all but the audit columns are left out: they keep their stamp, so that the same window gives the same result. Every count comes
from the staged rows themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from headgate.spec.names import Column, quote_ident
from headgate.spec.staged import APPEND as ADD
from headgate.spec.staged import DELTA, REPLACE, RowCounts, Staged
from headgate.spec.verdicts import Verdict
from headgate.transform import strategy
from headgate.transform.inferred import IS_INFERRED
from headgate.transform.job import Job, Result, texts
from headgate.transform.order import deduplicate, own_order, position_order
from headgate.transform.query import any_null, cast_list, joined, listed, names, same
from headgate.transform.shape import Shape, reconcile
from headgate.transform.spans import inside_interval, interval_predicate, replace_groups, replace_interval, replace_partitions

UNCHANGED, OLDER, CHANGED = 0, 1, 2  # how a row of the delta stands to the published row of its key


def build(job: Job) -> Staged:
    """Stage an incremental model: the whole table when there is no target to add to, else the delta of its strategy."""
    chosen = strategy.of(job.node, dbt=job.project.dbt)
    if job.target is None:
        return first(job, chosen)
    return _STRATEGIES[chosen](job)


def first(job: Job, chosen: str) -> Staged:
    """The whole table, one row for each key where the strategy keeps keys unique."""
    rows = job.stage("", job.sql)
    rows, outside = inside_interval(job, rows) if chosen == strategy.MICROBATCH else (rows, 0)
    key = unique_rows_key(job, chosen, rows.names)
    counts = RowCounts(rows_in=rows.rows + outside, rows_out=rows.rows, rows_filtered=outside)
    verdicts: tuple[Verdict, ...] = ()
    notes: tuple[str, ...] = ()
    if key:
        deduplicated = deduplicate(job, rows, key, "unique")
        rows, verdicts, notes = deduplicated.rows, deduplicated.verdicts, deduplicated.notes
        aside = deduplicated.put_aside
        counts = RowCounts(rows.rows + aside + outside, rows.rows, rows_deduplicated=aside, rows_filtered=outside)
    if job.interval is not None or rows.sql != job.node.relation.sql(job.workspace.catalog):
        job.workspace.alias(job.node.relation, rows.sql, cursor=job.cursor)
    within = interval_predicate(job, rows.names) if chosen == strategy.MICROBATCH else None
    # one interval is not the whole table: where there is none yet, its delta makes it
    kind = DELTA if within is not None and job.lake.columns(job.node.relation) is None else REPLACE
    return job.staged(
        kind, columns=rows.columns, rows_sql=rows.sql, overlay_sql=rows.sql, files=rows.files, counts=counts, key=key,
        delete_where=within if kind == DELTA else None, verdicts=verdicts, notes=notes,
    )  # fmt: skip


def unique_rows_key(job: Job, chosen: str, columns: tuple[str, ...]) -> tuple[str, ...]:
    """The key that must be unique in the table; empty where the key names a group of rows, as dbt's delete+insert allows."""
    key = exact_key(job, columns)
    if chosen == strategy.DELETE_INSERT and names_a_group(job, key, columns):
        return ()
    return key


def exact_key(job: Job, columns: tuple[str, ...]) -> tuple[str, ...]:
    """The declared key in the spelling of `columns`. Raises DeclarationError when the query does not select it."""
    by_name = {c.lower(): c for c in columns}
    declared = strategy.unique_key(job.node)
    unknown = [k for k in declared if k.lower() not in by_name]
    if unknown:
        raise job.mistake(
            f"unique_key names {', '.join(unknown)}, which the query does not select",
            expected="columns among " + ", ".join(columns),
            code="HG-T021",
        )
    return tuple(by_name[k.lower()] for k in declared)


def names_a_group(job: Job, key: tuple[str, ...], columns: tuple[str, ...]) -> bool:
    """Whether a delete+insert key stands for several rows that are replaced together (a day, a customer), not for one row.

    `key_is_group` says so; else a declared grain wider than the key does; else that nothing orders the versions of a key.
    """
    said = job.node.config.get("key_is_group")
    if said is not None:
        return bool(said)
    grain = {g.lower() for g in job.node.grain}
    if grain:
        return grain > {k.lower() for k in key}
    order = {*own_order(job, columns), *position_order(columns)} - set(key)
    return not order


@dataclass(frozen=True, slots=True)
class Delta:
    """Rows for the target in the target's shape, one for each key, and what was put aside on the way."""

    rows: Result
    shape: Shape
    aside: int
    verdicts: tuple[Verdict, ...]
    notes: tuple[str, ...]


def shaped(job: Job) -> tuple[Result, Shape]:
    """Stage the query's rows in the shape that the target will have."""
    target = known(job.target)
    rows = job.stage("new", job.sql)
    shape = reconcile(job, rows.columns, target)
    if shape.columns != rows.columns:
        rows = job.stage("shaped", f"SELECT {cast_list(shape.columns, rows.columns)} FROM {rows.sql}", rows_expected=rows.rows)
    return rows, shape


def known(columns: tuple[Column, ...] | None) -> tuple[Column, ...]:
    """The target's columns; empty for none."""
    return columns or ()


def standing(job: Job, shape: Shape) -> str:
    """The target's rows in the shape that they will have, as a relation."""
    if shape.columns == job.target:
        return str(job.target_sql)
    return f"(SELECT {cast_list(shape.columns, known(job.target))} FROM {job.target_sql})"


def _new_delta(job: Job, key: tuple[str, ...] | None = None) -> Delta:
    rows, shape = shaped(job)
    key = exact_key(job, rows.names) if key is None else key
    if not key:
        return Delta(rows, shape, 0, (), shape.notes)
    found = deduplicate(job, rows, key, "unique")
    return Delta(found.rows, shape, found.put_aside, found.verdicts, shape.notes + found.notes)


def _append(job: Job) -> Staged:
    """Add rows whose key is not there yet; without a key (left out on purpose) add them all. A member that was only inferred is replaced
    by its first real row.
    """
    delta = _new_delta(job)
    key = exact_key(job, delta.rows.names)
    target = standing(job, delta.shape)
    rows, unchanged, replaced = delta.rows, 0, 0
    inferred = bool(key) and IS_INFERRED in names(known(job.target))
    if key:
        real = f"(SELECT * FROM {target} WHERE {IS_INFERRED} IS NOT TRUE)" if inferred else target
        fresh = f"SELECT {listed(rows.names, 's')} FROM {rows.sql} AS s ANTI JOIN {real} AS t ON {joined('s', 't', key)}"
        rows = job.stage("delta", fresh, rows_expected=rows.rows)
        unchanged = delta.rows.rows - rows.rows
    if inferred:
        (replaced,) = job.one(f"SELECT count(*) FROM {target} AS t SEMI JOIN {rows.sql} AS s ON {joined('s', 't', key)}")
    counts = RowCounts(
        rows_in=delta.rows.rows + delta.aside, rows_out=rows.rows, rows_deduplicated=delta.aside, rows_unchanged=unchanged,
        rows_deleted=int(replaced),
    )  # fmt: skip
    return finished(job, DELTA if replaced else ADD, rows, delta, counts, key=key)


def _merge(job: Job) -> Staged:
    """Replace the rows whose key is there and whose content differs; add the rows whose key is new."""
    delta = _new_delta(job)
    key = exact_key(job, delta.rows.names)
    if not key or delta.verdicts:
        counts = RowCounts(delta.rows.rows + delta.aside, delta.rows.rows, rows_deduplicated=delta.aside)
        return finished(job, DELTA, delta.rows, delta, counts, key=key)
    updated = _updated_columns(job, delta.rows.names, key)
    matched, tally = _match(job, delta, key, updated)
    rows = delta.rows
    same_rows, older, changed = (tally.get(k, 0) for k in (UNCHANGED, OLDER, CHANGED))
    if same_rows or older:
        left = f"ANTI JOIN (SELECT * FROM {matched} WHERE _hg_how <> {CHANGED}) AS m ON {joined('s', 'm', key)}"
        rows = job.stage("delta", f"SELECT {listed(rows.names, 's')} FROM {rows.sql} AS s {left}", rows_expected=rows.rows)
    if changed and updated != tuple(c for c in rows.names if c not in key):
        rows = _partly_updated(job, rows, standing(job, delta.shape), key, updated)
    notes = delta.notes + ((f"{older} rows older than the published version put aside",) if older else ())
    counts = RowCounts(
        rows_in=delta.rows.rows + delta.aside,
        rows_out=rows.rows,
        rows_deduplicated=delta.aside + older,
        rows_unchanged=same_rows,
        rows_deleted=changed,
    )
    return finished(job, DELTA, rows, replace(delta, notes=notes), counts, key=key)


def _updated_columns(job: Job, columns: tuple[str, ...], key: tuple[str, ...]) -> tuple[str, ...]:
    """The columns that a matched row takes from the delta (`merge_update_columns`, `merge_exclude_columns`)."""
    config = job.node.config
    only = {c.lower() for c in texts(config.get("merge_update_columns"))}
    never = {c.lower() for c in texts(config.get("merge_exclude_columns"))}
    if only and never:
        raise job.mistake("merge_update_columns and merge_exclude_columns are both set", expected="one of them", code="HG-T022")
    unknown = (only | never) - {c.lower() for c in columns}
    if unknown:
        raise job.mistake(
            f"the merge columns {', '.join(sorted(unknown))} are not selected",
            expected="columns among " + ", ".join(columns),
            code="HG-T022",
        )
    return tuple(c for c in columns if c not in key and (not only or c.lower() in only) and c.lower() not in never)


def _match(job: Job, delta: Delta, key: tuple[str, ...], updated: tuple[str, ...]) -> tuple[str, Mapping[int, int]]:
    """A temporary table of the delta's keys that the target has, with how they stand to it; and the count of each kind."""
    compared = tuple(c for c in job.content(updated))
    order = tuple(c for c in own_order(job, delta.rows.names) if c not in key)
    older = f"WHEN ({listed(order, 's')}) < ({listed(order, 't')}) THEN {OLDER} " if order else ""
    how = f"CAST(CASE WHEN {same('s', 't', compared)} THEN {UNCHANGED} {older}ELSE {CHANGED} END AS UTINYINT)"
    predicates = "".join(f" AND ({_aliased(p)})" for p in _predicates(job))
    matched = '"_hg_matched"'  # temporary: it need not outlive this build, and memory takes it quicker than the run's file
    target = standing(job, delta.shape)
    job.run(
        f"CREATE OR REPLACE TEMP TABLE {matched} AS SELECT {listed(key, 's')}, {how} AS _hg_how "
        f"FROM {delta.rows.sql} AS s JOIN {target} AS t ON {joined('s', 't', key)}{predicates}"
    )
    rows = job.cursor.execute(f"SELECT _hg_how, count(*) FROM {matched} GROUP BY 1").fetchall()
    return matched, {int(k): int(n) for k, n in rows}


def _predicates(job: Job) -> tuple[str, ...]:
    return texts(job.node.config.get("incremental_predicates") or job.node.config.get("predicates"))


def _aliased(predicate: str) -> str:
    """dbt's names for the two sides of a merge, in ours."""
    return predicate.replace("DBT_INTERNAL_DEST", "t").replace("DBT_INTERNAL_SOURCE", "s")


def _partly_updated(job: Job, rows: Result, target: str, key: tuple[str, ...], updated: tuple[str, ...]) -> Result:
    """The delta with the columns that are not updated taken from the published row, where there is one."""
    there = f"t.{quote_ident(key[0])} IS NOT NULL"
    parts = []
    for column in rows.names:
        quoted = quote_ident(column)
        kept = column not in key and column not in updated
        parts.append(f"CASE WHEN {there} THEN t.{quoted} ELSE s.{quoted} END AS {quoted}" if kept else f"s.{quoted}")
    sql = f"SELECT {', '.join(parts)} FROM {rows.sql} AS s LEFT JOIN {target} AS t ON {joined('s', 't', key)}"
    return job.stage("partly", sql, rows_expected=rows.rows)


def _delete_insert(job: Job) -> Staged:
    """As merge where the key names one row; where it names a group of rows, changed groups are replaced as wholes."""
    rows, shape = shaped(job)
    key = exact_key(job, rows.names)
    if not names_a_group(job, key, rows.names):
        return _merge(job)
    (nulls,) = job.one(f"SELECT count(*) FROM {rows.sql} WHERE {any_null(key)}")
    if nulls:
        raise job.mistake(f"{nulls} rows have NULL in {', '.join(key)}", expected="a key that says which rows are replaced")
    done = replace_groups(job, rows, standing(job, shape), key)
    return finished(
        job, done.kind, done.rows, Delta(rows, shape, 0, (), shape.notes), done.counts, delete_where=done.delete_where
    )


def _overwrite(job: Job) -> Staged:
    """Replace the partitions that the rows fall into."""
    delta = _new_delta(job, None if strategy.unique_key(job.node) else ())
    done = replace_partitions(job, delta.rows, standing(job, delta.shape), texts(job.node.config["partition_by"]))
    counts = replace(done.counts, rows_in=done.counts.rows_in + delta.aside, rows_deduplicated=delta.aside)
    return finished(job, done.kind, done.rows, delta, counts, delete_where=done.delete_where)


def _microbatch(job: Job) -> Staged:
    """Replace one interval of event time."""
    delta = _new_delta(job, None if strategy.unique_key(job.node) else ())
    done = replace_interval(job, delta.rows, standing(job, delta.shape))
    counts = replace(done.counts, rows_in=done.counts.rows_in + delta.aside, rows_deduplicated=delta.aside)
    return finished(job, done.kind, done.rows, delta, counts, delete_where=done.delete_where)


def finished(
    job: Job,
    kind: str,
    rows: Result,
    delta: Delta,
    counts: RowCounts,
    *,
    key: tuple[str, ...] = (),
    delete_where: str | None = None,
) -> Staged:
    """The staged delta with its overlay; a change of type that the lake cannot do in place becomes a rewrite of the table."""
    target, columns = standing(job, delta.shape), listed(names(delta.shape.columns))
    overlay = overlay_of(target, rows, columns, kind, key, delete_where)
    if delta.shape.rewrite:
        known_rows = job.recorded.rows if job.recorded is not None else 0
        whole = job.stage("", f"SELECT * FROM {overlay}", rows_expected=known_rows + rows.rows)
        counts = replace(
            counts, rows_in=counts.rows_in - counts.rows_out - counts.rows_unchanged + whole.rows, rows_out=whole.rows
        )
        counts = replace(counts, rows_unchanged=0)
        return job.staged(
            REPLACE, columns=whole.columns, rows_sql=whole.sql, files=whole.files, counts=counts, key=key,
            schema_change="breaking", verdicts=delta.verdicts, notes=delta.notes,
        )  # fmt: skip
    if not rows.rows and delete_where is None:
        kind, key = DELTA, ()  # nothing to write and nothing to delete: the version that stands goes on
    return job.staged(
        kind, columns=rows.columns, rows_sql=rows.sql, overlay_sql=overlay, files=rows.files, counts=counts, key=key,
        delete_where=delete_where, schema_change=delta.shape.change, alter=delta.shape.alter,
        verdicts=delta.verdicts, notes=delta.notes,
    )  # fmt: skip


def overlay_of(target: str, rows: Result, columns: str, kind: str, key: tuple[str, ...], delete_where: str | None) -> str:
    """A relation that shows the table as it will be."""
    if not rows.rows and delete_where is None:
        return f"(SELECT {columns} FROM {target})"
    stays = f"SELECT {columns} FROM {target}"
    if kind == DELTA and delete_where is not None:
        stays += f" WHERE ({delete_where}) IS NOT TRUE"
    elif kind == DELTA:
        stays = f"SELECT {columns} FROM {target} AS t ANTI JOIN {rows.sql} AS s ON {joined('s', 't', key)}"
    return f"({stays} UNION ALL SELECT {columns} FROM {rows.sql})"


_STRATEGIES: Mapping[str, Callable[[Job], Staged]] = {
    strategy.APPEND: _append,
    strategy.MERGE: _merge,
    strategy.DELETE_INSERT: _delete_insert,
    strategy.INSERT_OVERWRITE: _overwrite,
    strategy.MICROBATCH: _microbatch,
}
