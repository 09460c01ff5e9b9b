"""Rows that a source gave before, told from new ones by set operations: for connectors that read a window again.

A lookback, a boundary read with `>=` and a table without a cursor all give rows that raw may hold already. A row is *seen* if the
newest raw version of its key has equal contents; without a key, if raw holds as many equal rows. Seen rows are not appended
again, changed ones are a new raw row. The comparison happens inside DuckDB, over the published raw table.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from headgate.spec.names import Column, quote_ident

NUMBER = "_hg_n"
"""Numbers equal rows of a table without a key."""


def unseen_sql(
    rows_sql: str,
    columns: Sequence[Column],
    raw_sql: str | None,
    raw_columns: Mapping[str, str],
    *,
    key: Sequence[str] = (),
    raw_where: str = "",
) -> str:
    """A SELECT of the rows of `rows_sql` (a SELECT of `columns`) that the raw table `raw_sql` does not hold yet.

    `raw_columns` are raw's own columns (name -> type, place columns left out). `raw_where` may bound what of raw is compared: a
    predicate that every seen row fulfils. Without a raw table (None) all rows are unseen.
    """
    if raw_sql is None:
        return rows_sql
    raw = {name.lower(): kind for name, kind in raw_columns.items()}
    known = [name.lower() for name in key]
    if not all(name in raw for name in known):
        known = []
    same = " AND ".join(_same(column, raw.get(column.name.lower())) for column in columns)
    where = f" WHERE {raw_where}" if raw_where else ""
    shared = ", ".join(quote_ident(c.name) for c in columns if c.name.lower() in raw)
    if known:
        keys = ", ".join(quote_ident(name) for name in known)
        newest = (
            f"SELECT {shared} FROM {raw_sql}{where} "
            f"QUALIFY row_number() OVER (PARTITION BY {keys} ORDER BY _loaded_at DESC, _load_id DESC, _position DESC) = 1"
        )
        return f"SELECT s.* FROM ({rows_sql}) s ANTI JOIN ({newest}) r ON {same}"
    alike = ", ".join(quote_ident(c.name) for c in columns)
    numbered = f"SELECT *, row_number() OVER (PARTITION BY {alike}) AS {NUMBER} FROM ({rows_sql})"
    held = f"SELECT {shared}, count(*) AS {NUMBER} FROM {raw_sql}{where} GROUP BY ALL"
    return f"SELECT s.* EXCLUDE ({NUMBER}) FROM ({numbered}) s ANTI JOIN ({held}) r ON s.{NUMBER} <= r.{NUMBER} AND {same}"


def _same(column: Column, raw_type: str | None) -> str:
    """The predicate that the source's and raw's value of a column are the same. A column new at the source is the same while
    NULL.
    """
    name = quote_ident(column.name)
    if raw_type is None:
        return f"s.{name} IS NULL"
    if column.type == "INTERVAL" and raw_type == "INTERVAL":  # the lake keeps milliseconds
        return f"date_trunc('millisecond', s.{name}) IS NOT DISTINCT FROM date_trunc('millisecond', r.{name})"
    if column.type == raw_type:
        return f"s.{name} IS NOT DISTINCT FROM r.{name}"
    return f"CAST(s.{name} AS VARCHAR) IS NOT DISTINCT FROM CAST(r.{name} AS VARCHAR)"
