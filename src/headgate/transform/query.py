"""Small pieces of SQL that every materialisation is made of: column lists, casts, audit columns, content hashes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase

from headgate.spec.names import Column, quote_ident


def names(columns: Iterable[Column]) -> tuple[str, ...]:
    """The columns' names."""
    return tuple(c.name for c in columns)


def listed(columns: Iterable[str], alias: str = "") -> str:
    """The columns as a select list, each taken from `alias` if given."""
    prefix = f"{alias}." if alias else ""
    return ", ".join(prefix + quote_ident(c) for c in columns)


def is_audit(name: str, patterns: Sequence[str]) -> bool:
    """True when `name` is one of the project's audit columns (glob patterns, without case)."""
    lowered = name.lower()
    return any(fnmatchcase(lowered, p.lower()) for p in patterns)


def content(columns: Iterable[str], patterns: Sequence[str]) -> tuple[str, ...]:
    """The columns that make up a row's content: all but the audit columns."""
    return tuple(c for c in columns if not is_audit(c, patterns))


def cast_list(columns: Sequence[Column], have: Sequence[Column], alias: str = "") -> str:
    """A select list that gives `columns` from a relation that has `have`: cast where types differ, NULL where missing."""
    types = {c.name.lower(): c.type for c in have}
    prefix = f"{alias}." if alias else ""
    parts = []
    for column in columns:
        quoted, found = quote_ident(column.name), types.get(column.name.lower())
        if found is None:
            parts.append(f"CAST(NULL AS {column.type}) AS {quoted}")
        elif found == column.type:
            parts.append(prefix + quoted)
        else:
            parts.append(f"CAST({prefix}{quoted} AS {column.type}) AS {quoted}")
    return ", ".join(parts)


def same(left: str, right: str, columns: Iterable[str]) -> str:
    """A predicate: rows `left` and `right` agree in `columns` (NULL equals NULL)."""
    parts = [f"{left}.{quote_ident(c)} IS NOT DISTINCT FROM {right}.{quote_ident(c)}" for c in columns]
    return " AND ".join(parts) or "TRUE"


def joined(left: str, right: str, key: Iterable[str]) -> str:
    """A join condition on `key` by plain equality."""
    return " AND ".join(f"{left}.{quote_ident(c)} = {right}.{quote_ident(c)}" for c in key)


def hashed(columns: Sequence[str], alias: str = "") -> str:
    """A 64-bit hash of a row's `columns`."""
    return f"hash({listed(columns, alias)})" if columns else "hash(0)"


def key_in(key: Sequence[str], rows_sql: str) -> str:
    """A predicate over a table's own columns: its `key` occurs in `rows_sql`."""
    return f"({listed(key)}) IN (SELECT {listed(key)} FROM {rows_sql})"


def any_null(key: Iterable[str], alias: str = "") -> str:
    """A predicate: some part of the key is NULL."""
    prefix = f"{alias}." if alias else ""
    return " OR ".join(f"{prefix}{quote_ident(c)} IS NULL" for c in key)
