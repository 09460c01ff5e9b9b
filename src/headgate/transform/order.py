"""Which of several versions of one key is the newest.

A model's own order is asked first (`incremental_order`, or `updated_at`; else the column that its incremental filter compares
with `max(…) from {{ this }}`; else the cursor of its source), then the raw position (`_loaded_at`, `_position`) where the rows
carry it. A model that does not select the position may still be ordered by it: for a plain chain of selects over one raw table
the two columns are carried through, out of sight. Identical rows are one row. What is then still undecided fails.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from headgate.spec.names import quote_ident
from headgate.spec.positions import RAW_COLUMNS
from headgate.spec.verdicts import BLOCK, Verdict
from headgate.transform.carry import CARRIED, carry_position
from headgate.transform.job import Job, Result, texts
from headgate.transform.query import any_null, listed

SAMPLE_ROWS = 10
_WATERMARK = re.compile(r"\bmax\s*\(\s*(?:\"?\w+\"?\s*\.\s*)?\"?(?P<column>\w+)\"?\s*\)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Deduplicated:
    """Rows with one row for each key: how many were put aside, and what bars publishing, if anything does."""

    rows: Result
    put_aside: int = 0
    verdicts: tuple[Verdict, ...] = ()
    notes: tuple[str, ...] = ()


def own_order(job: Job, columns: Sequence[str]) -> tuple[str, ...]:
    """The columns (of `columns`) by which the model orders the versions of a key, most telling first; newest is greatest."""
    by_name = {c.lower(): c for c in columns}
    declared = texts(job.node.config.get("incremental_order")) or texts(job.node.config.get("updated_at"))
    if declared:
        unknown = [c for c in declared if c.lower() not in by_name]
        if unknown:
            raise job.mistake(
                f"its order names {', '.join(unknown)}, which its query does not select",
                expected="columns among " + ", ".join(columns),
                code="HG-T010",
            )
        return tuple(by_name[c.lower()] for c in declared)
    found = watermark(job.node.canonical_incremental_sql) or _source_cursor(job)
    return (by_name[found.lower()],) if found and found.lower() in by_name else ()


def watermark(incremental_sql: str) -> str | None:
    """The column whose `max` the incremental filter asks of the table itself; None when there is none or several."""
    found = {m["column"].lower() for m in _WATERMARK.finditer(incremental_sql)}
    return found.pop() if len(found) == 1 else None


def _source_cursor(job: Job) -> str | None:
    """The cursor column of the only source table that the node reads."""
    parents = job.node.depends_on
    source = job.project.sources.get(parents[0]) if len(parents) == 1 else None
    return source.cursor if source is not None else None


def position_order(columns: Sequence[str]) -> tuple[str, ...]:
    """The raw position among `columns`, if the rows carry it."""
    present = {c.lower() for c in columns}
    wanted = (RAW_COLUMNS[0][0], RAW_COLUMNS[2][0])
    return tuple(c for c in wanted if c in present)


def deduplicate(job: Job, rows: Result, key: tuple[str, ...], purpose: str) -> Deduplicated:
    """One row for each key of `rows`: the newest version; identical rows are one. Undecided ties are a blocking verdict.

    Rows without duplicates are returned as they are, for the price of one aggregate over the key.
    """
    distinct, nulls = _keys(job, rows.sql, key)
    if nulls:
        return Deduplicated(rows, 0, (_null_keys(job, rows, key, nulls),))
    if distinct == rows.rows:
        return Deduplicated(rows)
    order = own_order(job, rows.names)
    order += tuple(c for c in position_order(rows.names) if c not in order)
    tied = _ties(job, rows.sql, rows.names, key, order)
    source = rows.sql
    if tied:
        carried = carry_position(job, rows.names)
        if carried is not None:
            source, order = carried, order + CARRIED
            tied = _ties(job, source, rows.names, key, order)
    ranked = (
        f"SELECT {listed(rows.names)} FROM {source} QUALIFY row_number() OVER (PARTITION BY {listed(key)}{_ordered(order)}) = 1"
    )
    (all_rows,) = job.one(f"SELECT count(*) FROM {source}")
    unique = job.stage(purpose, ranked, rows_expected=distinct)
    shown = [c for c in order if c not in CARRIED] + (["the raw position"] if source != rows.sql else [])
    note = f"{all_rows - unique.rows} older or equal versions of a key put aside; newest by {', '.join(shown) or 'content'}"
    verdicts = (_undecided(job, source, rows.names, key, order, tied),) if tied else ()
    return Deduplicated(unique, all_rows - unique.rows, verdicts, (note,))


def _keys(job: Job, rows_sql: str, key: tuple[str, ...]) -> tuple[int, int]:
    """How many distinct keys, and how many rows with a NULL in the key."""
    if len(key) == 1:
        column = quote_ident(key[0])
        distinct, nulls = job.one(f"SELECT count(DISTINCT {column}), count(*) - count({column}) FROM {rows_sql}")
        return int(distinct), int(nulls)
    (nulls,) = job.one(f"SELECT count(*) FILTER (WHERE {any_null(key)}) FROM {rows_sql}")
    (distinct,) = job.one(f"SELECT count(*) FROM (SELECT DISTINCT {listed(key)} FROM {rows_sql})")
    return int(distinct), int(nulls)


def _ordered(order: Sequence[str]) -> str:
    return " ORDER BY " + ", ".join(f"{quote_ident(c)} DESC NULLS LAST" for c in order) if order else ""


def _tied_groups(job: Job, rows_sql: str, columns: tuple[str, ...], key: tuple[str, ...], order: Sequence[str]) -> str:
    """SQL: the keys whose newest place in the order is shared by rows of different content."""
    compared = job.content(columns)
    newest = f"rank() OVER (PARTITION BY {listed(key)}{_ordered(order)}) = 1" if order else "TRUE"
    first = f"SELECT {listed(key)}, ({listed(compared)}) AS _hg_content FROM {rows_sql} " + (f"QUALIFY {newest}" if order else "")
    return (
        f"SELECT {listed(key)}, count(*) AS versions FROM ({first}) GROUP BY {listed(key)} HAVING count(DISTINCT _hg_content) > 1"
    )


def _ties(job: Job, rows_sql: str, columns: tuple[str, ...], key: tuple[str, ...], order: Sequence[str]) -> int:
    (count,) = job.one(f"SELECT count(*) FROM ({_tied_groups(job, rows_sql, columns, key, order)})")
    return int(count)


def _undecided(
    job: Job, rows_sql: str, columns: tuple[str, ...], key: tuple[str, ...], order: Sequence[str], tied: int
) -> Verdict:
    sql = f"{_tied_groups(job, rows_sql, columns, key, order)} ORDER BY ALL LIMIT {SAMPLE_ROWS}"
    sample = job.cursor.execute(sql).fetchall()
    by = ", ".join(c for c in order if c not in CARRIED) or "nothing: the rows carry neither an order nor a position"
    return Verdict(
        "unique_key", "undecided versions", str(job.node.relation), BLOCK, failures=tied, rows=tied, scope="delta",
        column=", ".join(key), sql=sql,
        sample=_told((*key, "versions"), sample),
        message=f"{tied} keys ({', '.join(key)}) have several different newest versions, ordered by {by}; "
        "expected one newest row for each key; set incremental_order, or select _loaded_at and _position",
    )  # fmt: skip


def _null_keys(job: Job, rows: Result, key: tuple[str, ...], nulls: int) -> Verdict:
    sql = f"SELECT {listed(key)} FROM {rows.sql} WHERE {any_null(key)} LIMIT {SAMPLE_ROWS}"
    sample = job.cursor.execute(sql).fetchall()
    return Verdict(
        "unique_key", "null in the unique key", str(job.node.relation), BLOCK, failures=nulls, rows=rows.rows, scope="delta",
        column=", ".join(key), sql=sql,
        sample=_told(key, sample),
        message=f"{nulls} rows have NULL in the unique key ({', '.join(key)}); expected a value, because a row without a key "
        "cannot be found again; filter these rows in the model or give them a key",
    )  # fmt: skip


def _told(columns: tuple[str, ...], rows: Sequence[Sequence[Any]]) -> tuple[Mapping[str, Any], ...]:
    """Sample rows with values that the run's journal can hold: dates and the like as text."""
    plain = (str, int, float, bool, type(None))
    return tuple({c: v if isinstance(v, plain) else str(v) for c, v in zip(columns, row, strict=True)} for row in rows)
