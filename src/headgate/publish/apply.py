"""Apply one staged value to its target inside the publish transaction: create, replace, guarded delete+insert, append, or a
view."""

from __future__ import annotations

from headgate.ports.engine import Cursor, Lake
from headgate.publish.pins import pinned_sql, view_statement
from headgate.spec.clock import now_iso
from headgate.spec.names import Column, quote_ident, quote_literal
from headgate.spec.staged import APPEND, DELTA, REPLACE, VIEW, Staged


def apply_staged(cursor: Cursor, lake: Lake, staged: Staged, relations: dict[str, str], shaped: set[str]) -> None:
    """Make the target what `staged` says.

    The caller owns the transaction, `relations` (every relation with its kind) and `shaped` (datasets whose columns this bundle has
    settled). Both are kept up to date here, because the intervals of one table come one after another: only the first makes the table anew
    or alters it, else each would drop the rows of the one before.
    """
    settled = staged.dataset in shaped
    shaped.add(staged.dataset)
    if not any(name.startswith(f"{staged.relation.schema}.") for name in relations):
        cursor.execute(f"CREATE SCHEMA IF NOT EXISTS {quote_ident(lake.name)}.{quote_ident(staged.relation.schema)}")
    standing = relations.get(str(staged.relation))
    relations[str(staged.relation)] = "view" if staged.kind == VIEW else "table"
    if staged.kind == VIEW:
        _view(cursor, lake, staged, standing)
        return
    if standing == "view":
        cursor.execute(f"DROP VIEW {staged.relation.sql(lake.name)}")
        standing = None
    # A lake's table keeps its identity when its rows are replaced (LAKE.md 6); a table of a file has none to keep, and is made anew.
    anew = staged.schema_change == "breaking" or (staged.kind == REPLACE and not lake.takes_files)
    fresh = standing is None or (anew and not settled)
    if fresh and _plain(staged):
        _create_filled(cursor, lake, staged, standing is not None)
        return
    if fresh:
        _create(cursor, lake, staged, standing is not None)
    elif not settled:
        if staged.kind != REPLACE and not staged.alter:
            lake.expect_rows(cursor, staged.relation, staged.counts.rows_out)
        for action in staged.alter:
            cursor.execute(f"ALTER TABLE {staged.relation.sql(lake.name)} {action}")
    if staged.kind == REPLACE and not fresh:
        cursor.execute(f"TRUNCATE {staged.relation.sql(lake.name)}")
    if staged.kind == DELTA and not fresh:
        _delete(cursor, lake, staged)
    if staged.kind in (REPLACE, DELTA, APPEND) and staged.rows_sql and staged.counts.rows_out:
        _insert(cursor, lake, staged, fresh)


def _view(cursor: Cursor, lake: Lake, staged: Staged, standing: str | None) -> None:
    """A pinned view names a moment of this transaction, which means what is written so far: so it comes after the tables."""
    if standing == "table":
        cursor.execute(f"DROP TABLE {staged.relation.sql(lake.name)}")
    sql = staged.view_sql
    if staged.pinned:
        sql = pinned_sql(cursor, lake.name, sql, "TIMESTAMP", f"{quote_literal(now_iso() + '+00')}::TIMESTAMPTZ")
    cursor.execute(view_statement(lake.name, staged, sql))
    _comment(cursor, lake, staged)


def _create(cursor: Cursor, lake: Lake, staged: Staged, replace: bool) -> None:
    """Create the table with its partitioning, order and comment. Only a breaking change replaces a table that stands
    (LAKE.md 6)."""
    name = staged.relation.sql(lake.name)
    columns = ", ".join(f"{quote_ident(c.name)} {c.type}{'' if c.nullable else ' NOT NULL'}" for c in staged.columns)
    cursor.execute(f"CREATE {'OR REPLACE ' if replace else ''}TABLE {name} ({columns})")
    if staged.partition_by and lake.takes_files:
        cursor.execute(f"ALTER TABLE {name} SET PARTITIONED BY ({', '.join(staged.partition_by)})")
    if staged.sort_by and lake.takes_files:
        cursor.execute(f"ALTER TABLE {name} SET SORTED BY ({', '.join(staged.sort_by)})")
    _comment(cursor, lake, staged)


def _plain(staged: Staged) -> bool:
    """True when rows and table can come in one statement: nothing to register, to partition, to order, or to forbid."""
    rows = bool(staged.rows_sql and staged.counts.rows_out)
    return rows and not (staged.files or staged.partition_by or staged.sort_by) and all(c.nullable for c in staged.columns)


def _create_filled(cursor: Cursor, lake: Lake, staged: Staged, replace: bool) -> None:
    """A new table with its rows: half the time of creating and filling it, which is what publishing many small tables takes."""
    name = staged.relation.sql(lake.name)
    columns = ", ".join(f"{quote_ident(c.name)}::{c.type} AS {quote_ident(c.name)}" for c in staged.columns)
    cursor.execute(f"CREATE {'OR REPLACE ' if replace else ''}TABLE {name} AS SELECT {columns} FROM {staged.rows_sql}")
    _comment(cursor, lake, staged)


def _comment(cursor: Cursor, lake: Lake, staged: Staged) -> None:
    if staged.comment:
        kind = "VIEW" if staged.kind == VIEW else "TABLE"
        cursor.execute(f"COMMENT ON {kind} {staged.relation.sql(lake.name)} IS {quote_literal(staged.comment)}")


def _delete(cursor: Cursor, lake: Lake, staged: Staged) -> None:
    """Delete what the delta replaces: by predicate, or by key (never MERGE: it takes duplicate keys in silence)."""
    name = staged.relation.sql(lake.name)
    if staged.delete_where:
        cursor.execute(f"DELETE FROM {name} WHERE {staged.delete_where}")
    elif staged.key and staged.rows_sql:
        key = ", ".join(map(quote_ident, staged.key))
        if len(staged.key) == 1:
            cursor.execute(f"DELETE FROM {name} WHERE {key} IN (SELECT {key} FROM {staged.rows_sql})")
            # IN finds no NULL; rows of several columns below compare NULLs as equal. The target is looked at only if there is one.
            if cursor.execute(f"SELECT 1 FROM {staged.rows_sql} WHERE {key} IS NULL LIMIT 1").fetchone():
                cursor.execute(f"DELETE FROM {name} WHERE {key} IS NULL")
        else:
            cursor.execute(f"DELETE FROM {name} WHERE ({key}) IN (SELECT ({key}) FROM {staged.rows_sql})")


def _insert(cursor: Cursor, lake: Lake, staged: Staged, fresh: bool) -> None:
    """Register the staged Parquet where that is exact (LAKE.md 7), else insert from it."""
    name = staged.relation.sql(lake.name)
    if staged.files and _may_register(lake, staged, fresh):
        for file in staged.files:
            cursor.execute(
                f"CALL ducklake_add_data_files({quote_literal(lake.name)}, {quote_literal(staged.relation.name)}, {quote_literal(file)}, "
                f"schema => {quote_literal(staged.relation.schema)})"
            )
        return
    columns = ", ".join(quote_ident(c.name) for c in staged.columns)
    order = f" ORDER BY {', '.join(staged.sort_by)}" if staged.sort_by else ""
    cursor.execute(f"INSERT INTO {name} ({columns}) SELECT {columns} FROM {staged.rows_sql}{order}")


def _may_register(lake: Lake, staged: Staged, fresh: bool) -> bool:
    """Registration checks nothing: only for an unpartitioned, unsorted table whose columns equal the file's one by one and
    may be NULL."""
    if staged.partition_by or staged.sort_by:
        return False
    target: tuple[Column, ...] | None = staged.columns if fresh else lake.columns(staged.relation)
    if target is None or staged.alter:
        return False
    return [(c.name, c.type) for c in target] == [(c.name, c.type) for c in staged.columns] and all(c.nullable for c in target)
