"""Slowly changing dimensions as configuration of an incremental model.

    history: {type: 2, effective: updated_at, track: [plan, city]}     # or shortly  scd: 2

`unique_key` names the member, `effective` the selected column that says from when a row holds (default: `updated_at`). Type 1
overwrites. Type 2 keeps a row for each version (`valid_from`, `valid_to`, `is_current`): a change in a tracked column opens a
version, all other columns carry the member's newest value in every version. Type 3 keeps the newest row with
`previous_<column>` for each tracked one.

Type 2 gives the same history whatever the order of arrival: each version keeps the moments at which it was seen
(`_headgate_seen`), so that a late row can split it. A member's versions are replaced together.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from headgate.spec.names import Column, quote_ident
from headgate.spec.project import Node
from headgate.spec.staged import DELTA, REPLACE, RowCounts, Staged
from headgate.transform.incremental import Delta, exact_key, finished, known
from headgate.transform.incremental import build as build_incremental
from headgate.transform.inferred import IS_INFERRED
from headgate.transform.job import Job, Result, texts
from headgate.transform.order import Deduplicated, deduplicate
from headgate.transform.query import cast_list, hashed, is_audit, joined, key_in, listed, names, same
from headgate.transform.shape import reconcile

SEEN = "_headgate_seen"


@dataclass(frozen=True, slots=True)
class Rules:
    """The history's declaration, in the spelling of the selected columns."""

    kind: int
    key: tuple[str, ...]
    effective: str
    track: tuple[str, ...]
    valid_from: str = "valid_from"
    valid_to: str = "valid_to"
    is_current: str = "is_current"


def declared(node: Node) -> Mapping[str, Any] | None:
    """What `history` (or `scd`) says, as a mapping; None for a node without history, or of type 1, which merging does."""
    said = node.config.get("history")
    if said is None and node.config.get("scd") is not None:
        said = {"type": node.config["scd"]}
    if said is None:
        return None
    return said if isinstance(said, Mapping) else {"type": said}


def build(job: Job) -> Staged:
    """Stage a model with history. Raises DeclarationError where its declaration does not fit its columns."""
    said = declared(job.node) or {}
    kind = str(said.get("type", 2))
    if kind == "1":
        return build_incremental(job)
    if kind not in ("2", "3"):
        raise job.mistake(f"history type '{kind}' does not exist", expected="1, 2 or 3", code="HG-T080")
    rows = job.stage("new", job.sql)
    rules = _rules(job, said, int(kind), rows.names)
    found = deduplicate(job, rows, (*rules.key, rules.effective), "unique")
    return _type_2(job, rules, found) if rules.kind == 2 else _type_3(job, rules, found)


def _rules(job: Job, said: Mapping[str, Any], kind: int, columns: tuple[str, ...]) -> Rules:
    by_name = {c.lower(): c for c in columns}
    key = tuple(by_name.get(k.lower(), k) for k in texts(said.get("key"))) or exact_key(job, columns)
    effective = str(said.get("effective") or job.node.config.get("updated_at") or "updated_at")
    track = texts(said.get("track"))
    unknown = [c for c in (*key, effective, *track) if c.lower() not in by_name]
    if unknown or not key:
        raise job.mistake(
            f"its history names {', '.join(unknown) or 'no key'}",
            expected="a key, an effective column and tracked columns among " + ", ".join(columns), code="HG-T081",
        )  # fmt: skip
    effective = by_name[effective.lower()]
    own = {*key, effective, IS_INFERRED}
    tracked = tuple(by_name[c.lower()] for c in track) or tuple(c for c in job.content(columns) if c not in own)
    spelled = {k: str(said[k]) for k in ("valid_from", "valid_to", "is_current") if k in said}
    return Rules(kind, key, effective, tracked, **spelled)


def _type_2(job: Job, rules: Rules, found: Deduplicated) -> Staged:
    """All versions of every member whose history the new rows change."""
    rows = found.rows
    target = known(job.target)
    lacking = {rules.valid_from, rules.valid_to, rules.is_current, SEEN} - set(names(target))
    if target and lacking:
        raise job.mistake(
            f"{job.node.relation} has no column {', '.join(sorted(lacking))}", expected="a table that this history has built",
            todo="run with --full-refresh", code="HG-T082",
        )  # fmt: skip
    versions = job.scratch("versions")
    job.run(f"CREATE OR REPLACE TABLE {versions} AS {_versions_sql(job, rules, rows)}")
    if not target:
        whole = job.stage("", f"SELECT * FROM {versions}", rows_expected=rows.rows)
        folded = rows.rows - whole.rows
        counts = RowCounts(rows.rows + found.put_aside, whole.rows, rows_deduplicated=found.put_aside + folded)
        return job.staged(
            REPLACE,
            columns=whole.columns,
            rows_sql=whole.sql,
            files=whole.files,
            counts=counts,
            verdicts=found.verdicts,
            notes=found.notes,
        )
    return _changed_members(job, rules, found, versions)


def _versions_sql(job: Job, rules: Rules, rows: Result) -> str:
    """A query for the versions of all members in `rows`, from what is known of them and what is new."""
    key, at = listed(rules.key), quote_ident(rules.effective)
    others = [c for c in rows.names if c not in (*rules.key, rules.effective, *rules.track)]
    stamps = [c for c in others if is_audit(c, job.project.audit_columns)]
    overwritten = [c for c in others if c not in stamps]
    by_member = f"PARTITION BY {key} ORDER BY {at}"
    changed = f"row_number() OVER w = 1 OR ({listed(rules.track)}) IS DISTINCT FROM lag(({listed(rules.track)})) OVER w"
    numbered = f"SELECT *, {changed} AS _hg_opens FROM ({_observations(job, rules, rows)}) WINDOW w AS ({by_member})"
    grouped = f"SELECT *, count(*) FILTER (WHERE _hg_opens) OVER ({by_member}) AS _hg_version FROM ({numbered})"
    parts = [listed(rules.key)]
    parts += [f"arg_min_null({quote_ident(c)}, {at}) AS {quote_ident(c)}" for c in (*rules.track, *stamps)]
    parts += [f"arg_max_null({quote_ident(c)}, {at}) AS {quote_ident(c)}" for c in overwritten]
    parts += [f"min({at}) AS {at}", f"min({at}) AS {quote_ident(rules.valid_from)}", f"list({at} ORDER BY {at}) AS {SEEN}"]
    folded = f"SELECT {', '.join(parts)} FROM ({grouped}) GROUP BY {key}, _hg_version"
    all_versions = f"(PARTITION BY {key} ORDER BY {at} ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING)"
    selected = [
        f"last_value({quote_ident(c)}) OVER {all_versions} AS {quote_ident(c)}" if c in overwritten else quote_ident(c)
        for c in rows.names
    ]  # fmt: skip
    following = f"lead({at}) OVER ({by_member})"
    return (
        f"SELECT {', '.join(selected)}, {quote_ident(rules.valid_from)}, {following} AS {quote_ident(rules.valid_to)}, "
        f"{following} IS NULL AS {quote_ident(rules.is_current)}, {SEEN} FROM ({folded})"
    )


def _observations(job: Job, rules: Rules, rows: Result) -> str:
    """The new rows and, for the same members, one row for each moment at which a standing version was seen."""
    if job.target is None:
        return f"SELECT {listed(rows.names)} FROM {rows.sql}"
    have = {c.name for c in job.target}
    types = {c.name: c.type for c in rows.columns}
    exploded = []
    for column in rows.names:
        quoted = quote_ident(column)
        if column == rules.effective:
            exploded.append(f"unnest(t.{SEEN}) AS {quoted}")
        elif column in have:
            exploded.append(f"CAST(t.{quoted} AS {types[column]}) AS {quoted}")
        else:
            exploded.append(f"CAST(NULL AS {types[column]}) AS {quoted}")
    real = f" AND NOT coalesce(t.{IS_INFERRED}, FALSE)" if IS_INFERRED in have else ""
    members = f"(SELECT DISTINCT {listed(rules.key)} FROM {rows.sql})"
    old = f"SELECT {', '.join(exploded)} FROM {job.target_sql} AS t "
    old += f"SEMI JOIN {members} AS m ON {joined('t', 'm', rules.key)} WHERE TRUE{real}"
    both = (*rules.key, rules.effective)
    return (
        f"SELECT {listed(rows.names)} FROM {rows.sql} UNION ALL "
        f"SELECT {listed(rows.names, 'o')} FROM ({old}) AS o ANTI JOIN {rows.sql} AS n ON {joined('o', 'n', both)}"
    )


def _own_columns(rules: Rules, columns: tuple[Column, ...]) -> tuple[Column, ...]:
    """The columns that the history adds to the query's."""
    kind = next(c.type for c in columns if c.name == rules.effective)
    return (
        Column(rules.valid_from, kind), Column(rules.valid_to, kind), Column(rules.is_current, "BOOLEAN"),
        Column(SEEN, f"{kind}[]"),
    )  # fmt: skip


def _changed_members(job: Job, rules: Rules, found: Deduplicated, versions: str) -> Staged:
    """Stage the versions of the members whose history differs from what stands."""
    rows = found.rows
    shape = reconcile(job, (*rows.columns, *_own_columns(rules, rows.columns)), known(job.target))
    compared = tuple(c for c in names(shape.columns) if c == SEEN or c in job.content(names(shape.columns)))
    have = (*rows.columns, *_own_columns(rules, rows.columns))
    cast = f"(SELECT {cast_list(shape.columns, have)} FROM {versions})"
    stands = (
        f"(SELECT {cast_list(shape.columns, known(job.target))} FROM {job.target_sql} AS t WHERE {key_in(rules.key, rows.sql)})"
    )
    sums = f"SELECT {listed(rules.key)}, count(*) AS _hg_n, sum({hashed(compared)}) AS _hg_h FROM"
    by = f"GROUP BY {listed(rules.key)}"
    alike = f"SELECT n.* FROM ({sums} {cast} {by}) AS n JOIN ({sums} {stands} {by}) AS o ON {joined('n', 'o', rules.key)} "
    alike += "WHERE n._hg_n = o._hg_n AND n._hg_h = o._hg_h"
    same_members = job.scratch("same")
    job.run(f"CREATE OR REPLACE TABLE {same_members} AS {alike}")
    changed = f"SELECT s.* FROM {cast} AS s ANTI JOIN {same_members} AS m ON {joined('s', 'm', rules.key)}"
    delta = job.stage("delta", changed, rows_expected=rows.rows)
    (unchanged,) = job.one(f"SELECT count(*) FROM {rows.sql} AS s SEMI JOIN {same_members} AS m ON {joined('s', 'm', rules.key)}")
    where = key_in(rules.key, delta.sql)
    (deleted,) = job.one(f"SELECT count(*) FROM {job.target_sql} WHERE {where}") if delta.rows else (0,)
    counts = RowCounts(
        rows_in=delta.rows + int(unchanged) + found.put_aside, rows_out=delta.rows, rows_deduplicated=found.put_aside,
        rows_unchanged=int(unchanged), rows_deleted=int(deleted),
    )  # fmt: skip
    said = Delta(rows, shape, found.put_aside, found.verdicts, found.notes + shape.notes)
    if not delta.rows:
        return finished(job, DELTA, delta, said, counts)
    return finished(job, DELTA, delta, said, counts, delete_where=where)


def _type_3(job: Job, rules: Rules, found: Deduplicated) -> Staged:
    """The newest row of each member, with the value before it for each tracked column."""
    rows, at = found.rows, quote_ident(rules.effective)
    old = f"{job.target_sql}" if job.target is not None else None
    late = 0
    source = rows.sql
    if old is not None:
        on = joined("s", "t", rules.key)
        source = f"(SELECT s.* FROM {rows.sql} AS s ANTI JOIN {old} AS t ON {on} AND s.{at} < t.{at})"
        (kept,) = job.one(f"SELECT count(*) FROM {source}")
        late = rows.rows - int(kept)
    newest = job.stage("newest", _type_3_sql(rules, rows, source, old), rows_expected=rows.rows)
    folded = rows.rows - late - newest.rows
    aside = found.put_aside + folded
    if old is None:
        whole = job.stage("", f"SELECT * FROM {newest.sql}", rows_expected=newest.rows)
        counts = RowCounts(whole.rows + aside, whole.rows, rows_deduplicated=aside)
        return job.staged(
            REPLACE, columns=whole.columns, rows_sql=whole.sql, files=whole.files, counts=counts, key=rules.key,
            verdicts=found.verdicts, notes=found.notes,
        )  # fmt: skip
    shape = reconcile(job, newest.columns, known(job.target))
    cast = f"(SELECT {cast_list(shape.columns, newest.columns)} FROM {newest.sql})"
    standing = f"(SELECT {cast_list(shape.columns, known(job.target))} FROM {old})"
    compared = job.content(names(shape.columns))
    delta = job.stage(
        "delta",
        f"SELECT s.* FROM {cast} AS s ANTI JOIN {standing} AS t ON {joined('s', 't', rules.key)} AND {same('s', 't', compared)}",
    )
    (replaced,) = job.one(f"SELECT count(*) FROM {delta.sql} AS s SEMI JOIN {old} AS t ON {joined('s', 't', rules.key)}")
    counts = RowCounts(
        newest.rows + aside + late, delta.rows, rows_deduplicated=aside, rows_late=late, rows_unchanged=newest.rows - delta.rows,
        rows_deleted=int(replaced),
    )  # fmt: skip
    notes = (
        found.notes + shape.notes + ((f"{late} rows older than the published one are late and change nothing",) if late else ())
    )
    return finished(job, DELTA, delta, Delta(rows, shape, aside, found.verdicts, notes), counts, key=rules.key)


def _type_3_sql(rules: Rules, rows: Result, source: str, old: str | None) -> str:
    """A query for the newest row of each member in `source` with the previous values, given the standing rows."""
    at = quote_ident(rules.effective)
    newest = [quote_ident(k) for k in rules.key]
    newest += [f"arg_max_null(s.{quote_ident(c)}, s.{at}) AS {quote_ident(c)}" for c in rows.names if c not in rules.key]
    lists = [f"list(s.{quote_ident(c)} ORDER BY s.{at}) AS _hg_v{i}" for i, c in enumerate(rules.track)]
    grouped = (
        f"SELECT {', '.join([f's.{k}' for k in newest[: len(rules.key)]] + newest[len(rules.key) :] + lists)} FROM {source} AS s "
    )
    grouped += "GROUP BY " + listed(rules.key, "s")
    previous = []
    for i, column in enumerate(rules.track):
        quoted, before = quote_ident(column), quote_ident(f"previous_{column}")
        there = f"t.{quote_ident(rules.key[0])} IS NOT NULL"
        values = f"CASE WHEN {there} THEN list_prepend(t.{quoted}, n._hg_v{i}) ELSE n._hg_v{i} END" if old else f"n._hg_v{i}"
        others = f"list_filter({values}, lambda x: x IS DISTINCT FROM n.{quoted})"
        fallback = f"t.{before}" if old else "NULL"
        previous.append(f"CASE WHEN len({others}) > 0 THEN ({others})[-1] ELSE {fallback} END AS {before}")
    join = f" LEFT JOIN {old} AS t ON {joined('n', 't', rules.key)}" if old else ""
    return f"SELECT {listed(rows.names, 'n')}, {', '.join(previous)} FROM ({grouped}) AS n{join}"
