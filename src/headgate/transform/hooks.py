"""Hooks of a model: SQL before and after it is staged, on the staging side alone.

Nothing gets past the gate by a hook: a statement that would write what a node or a source owns is refused. One that writes a table which
nobody builds (an audit log) runs after the publish, with the published names, and only if the model was published; what it creates stands
in staging before, for the model to read. What has no meaning here (grants, ANALYZE, VACUUM) is left out with a note.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import duckdb
import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from headgate.ports.engine import Cursor
from headgate.ports.templates import Templates
from headgate.spec.errors import DeclarationError
from headgate.spec.names import quote_ident
from headgate.spec.project import Node, Project
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


def run(
    node: Node, when: str, templates: Templates, names: Mapping[str, Any], cursor: Cursor, staging: str, project: Project
) -> tuple[str, ...]:
    """Run the node's hooks of `when` ("pre" or "post"). Returns notes on what was left out.

    Raises DeclarationError for a statement that would write what goes through the gate.
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
            targets = written(sql, where)
            if all(t.catalog in (staging, *_PRIVATE) for t in targets):
                cursor.execute(sql)
                continue
            may_write(targets, project, where, sql)
            if word == "create":
                _create_in_staging(cursor, targets, staging, sql)
            continue
        cursor.execute(sql)
    return tuple(notes)


def later(node: Node, when: str, render: Callable[[str, str], str], project: Project, lake: str) -> Iterator[str]:
    """The statements of the node's hooks that wait for its publishing, rendered with published names: those that write beside it."""
    for text in hooks_of(node, when):
        where = f"{node.location} ({when}-hook)"
        sql = without_terminator(render(text, where))
        word = first_word(sql)
        if word and word not in _NO_MEANING and word not in _READS and word not in _SETTINGS:
            targets = written(sql, where)
            if any(named(t) != str(node.relation).lower() and t.catalog not in _PRIVATE for t in targets):
                may_write(targets, project, where, sql)
                yield sql


def reads_only(sql: str) -> bool:
    """Whether a statement writes no table: it reads, sets something, or has no meaning here."""
    word = first_word(sql)
    return not word or word in _READS or word in _SETTINGS or word in _NO_MEANING


def no_meaning(sql: str) -> bool:
    """Whether a statement is left out: grants and the like."""
    word = first_word(sql)
    return not word or word in _NO_MEANING


def may_write(targets: Sequence[exp.Table], project: Project, where: str, sql: str) -> None:
    """Raise DeclarationError when one of the tables is built by a node, landed by a source, or the ledger's."""
    owned = {str(n.relation).lower() for n in project.nodes.values()}
    owned |= {str(s.relation).lower() for s in project.sources.values() if s.connector}
    for target in targets:
        if target.catalog not in _PRIVATE and (named(target) in owned or named(target).startswith("headgate.")):
            raise _refused(sql, where, f"a table that nobody builds ({named(target)} goes through the gate)")


def named(target: exp.Table) -> str:
    """ "schema.name" in lower case."""
    return f"{target.db or 'main'}.{target.name}".lower()


def _create_in_staging(cursor: Cursor, targets: Sequence[exp.Table], staging: str, sql: str) -> None:
    """Let the model read what its hook creates; a creation that needs what is published alone waits like any other."""
    if any(t.catalog not in ("", staging) for t in targets):
        return
    for target in targets:
        cursor.execute(f"CREATE SCHEMA IF NOT EXISTS {staging}.{quote_ident(target.db or 'main')}")
    with contextlib.suppress(duckdb.Error):
        cursor.execute(sql)


def hooks_of(node: Node, when: str) -> tuple[str, ...]:
    """The texts of the node's hooks, from dbt's spellings: a text, a list, or mappings with `sql`."""
    declared = node.config.get(f"{when}_hook") or node.config.get(f"{when}-hook") or ()
    parts: Sequence[Any] = (declared,) if isinstance(declared, str | Mapping) else declared
    return tuple(str(p["sql"]) if isinstance(p, Mapping) else str(p) for p in parts)


def written(sql: str, where: str) -> list[exp.Table]:
    """The tables and views that the statements write; temporary ones are in the catalog "temp". Raises DeclarationError for SQL that cannot
    be read."""
    try:
        statements = [s for s in sqlglot.parse(sql, read="duckdb") if s is not None]
    except SqlglotError as error:
        raise _refused(sql, where, "SQL that can be read, to know what it writes") from error
    found: list[exp.Table] = []
    for statement in statements:
        target = statement.this if isinstance(statement.this, exp.Table) else None
        if target is None and isinstance(statement.this, exp.Expression):
            target = statement.this.find(exp.Table)
        if target is None:
            raise _refused(sql, where, "statements that read, or write a table")
        if isinstance(statement, exp.Create) and statement.find(exp.TemporaryProperty) is not None:
            target = exp.table_(target.name, db=target.db, catalog="temp")
        found.append(target)
    return found


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
