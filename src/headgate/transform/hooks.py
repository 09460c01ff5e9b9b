"""Hooks of a model: SQL before and after it is staged, on the staging side alone.

Nothing gets past the gate by a hook: a statement that would write to the lake is refused. What has no meaning here (grants,
ANALYZE, VACUUM) is left out with a note.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from headgate.ports.engine import Cursor
from headgate.ports.templates import Templates
from headgate.spec.errors import DeclarationError
from headgate.spec.project import Node
from headgate.transform.clock import without_terminator

_READS = ("select", "with", "from", "values", "show", "describe", "explain", "summarize", "pivot", "unpivot", "table")
_SETTINGS = ("set", "reset", "use", "load", "install")  # of the session; they write no data
_NO_MEANING = ("grant", "revoke", "analyze", "vacuum", "comment", "begin", "commit", "checkpoint")
_PRIVATE = ("temp", "memory")  # catalogs that are this session's own


def refuse_writes(cursor: Cursor, sql: str, where: str) -> None:
    """Raise DeclarationError when `sql` does anything but read."""
    word = first_word(sql)
    if word not in _READS:
        raise _refused(sql, where, "a query that reads")


def run(node: Node, when: str, templates: Templates, names: Mapping[str, Any], cursor: Cursor, staging: str) -> tuple[str, ...]:
    """Run the node's hooks of `when` ("pre" or "post"). Returns notes on what was left out.

    Raises DeclarationError for a statement that would write anywhere but in staging.
    """
    notes: list[str] = []
    for text in hooks_of(node, when):
        where = f"{node.location} ({when}-hook)"
        sql = without_terminator(templates.render_text(text, names, where=where))
        word = first_word(sql)
        if not word:
            continue
        if word in _NO_MEANING:
            notes.append(f"{when}-hook left out, it has no meaning here: {' '.join(sql.split())[:80]}")
            continue
        if word not in _READS and word not in _SETTINGS:
            _must_stay_in_staging(sql, where, staging)
        cursor.execute(sql)
    return tuple(notes)


def hooks_of(node: Node, when: str) -> tuple[str, ...]:
    """The texts of the node's hooks, from dbt's spellings: a text, a list, or mappings with `sql`."""
    declared = node.config.get(f"{when}_hook") or node.config.get(f"{when}-hook") or ()
    parts: Sequence[Any] = (declared,) if isinstance(declared, str | Mapping) else declared
    return tuple(str(p["sql"]) if isinstance(p, Mapping) else str(p) for p in parts)


def _must_stay_in_staging(sql: str, where: str, staging: str) -> None:
    """Raise DeclarationError unless what `sql` writes lies in `staging` or in the session's own catalogs."""
    try:
        statements = [s for s in sqlglot.parse(sql, read="duckdb") if s is not None]
    except SqlglotError as error:
        raise _refused(sql, where, "SQL that can be read, to know what it writes") from error
    for statement in statements:
        temporary = isinstance(statement, exp.Create) and statement.find(exp.TemporaryProperty) is not None
        target = statement.this.find(exp.Table) if isinstance(statement.this, exp.Expression) else None
        if isinstance(statement.this, exp.Table):
            target = statement.this
        if not temporary and (target is None or target.catalog not in (staging, *_PRIVATE)):
            raise _refused(sql, where, "statements that read, or write to the model's own staged table ({{ this }})")


def _refused(sql: str, where: str, expected: str) -> DeclarationError:
    return DeclarationError(
        f"{where}: refused to run: {' '.join(sql.split())[:120]}",
        expected=f"{expected}; the lake is written by publishing alone",
        todo="move the change into a model",
        code="HG-T040",
    )


def first_word(sql: str) -> str:
    """The statement's first word in lower case, comments and parentheses passed over."""
    rest = sql.lstrip(" \t\r\n(")
    while rest.startswith(("--", "/*")):
        _, _, rest = rest.partition("\n" if rest.startswith("--") else "*/")
        rest = rest.lstrip(" \t\r\n(")
    end = 0
    while end < len(rest) and (rest[end].isalnum() or rest[end] == "_"):
        end += 1
    return rest[:end].lower()
