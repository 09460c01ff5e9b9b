"""What an error of PostgreSQL, of libpq or of the scanner means: whose turn it is, and whether waiting helps."""

from __future__ import annotations

import re

import duckdb
import psycopg

from headgate.spec.errors import CredentialRefused, HeadgateError, SourceBroken, SourceUnavailable
from headgate.spec.project import SourceTable

_REFUSED = (
    r"password authentication failed",
    r"no password supplied",
    r"authentication failed",
    r"role \"[^\"]*\" does not exist",
    r"role \"[^\"]*\" is not permitted to log in",
    r"no pg_hba\.conf entry",
    r"fe_sendauth",
)
_UNAVAILABLE = (
    r"connection refused",
    r"could not (connect|translate|receive data|serialize)",
    r"timeout expired|timed out|canceling statement due to",
    r"terminating connection|server closed the connection|connection not open|no connection to the server",
    r"connection (was )?(lost|reset)|connection to server (was lost|at .* failed)",
    r"broken pipe|no route to host|network is unreachable|SSL SYSCALL|unexpected(ly)? (EOF|closed)",
    r"name or service not known|temporary failure in name resolution",
    r"failed to execute query \"(rollback|commit)",
    r"the database system is|too many (clients|connections)|remaining connection slots",
    r"deadlock detected|snapshot .*(does not exist|too old)|conflict with recovery",
)
REFUSED = re.compile("|".join(_REFUSED), re.IGNORECASE)
UNAVAILABLE = re.compile("|".join(_UNAVAILABLE), re.IGNORECASE)
MISSING = re.compile(
    r"relation \"?[^\"]*\"? does not exist|Table with name .* does not exist|database \"[^\"]*\" does not exist", re.IGNORECASE
)
DENIED = re.compile(r"permission denied", re.IGNORECASE)
UNAVAILABLE_STATES = ("08", "57P", "53", "40", "55P03", "57014", "25P0")
REFUSED_STATES = ("28",)


def explain(error: Exception, table: SourceTable) -> HeadgateError | None:
    """`error` as one of ours; None when it has nothing to do with PostgreSQL (the engine's disk, memory or SQL)."""
    if isinstance(error, psycopg.Error):
        return _classified(_one_line(error), error.sqlstate or "", table, certain=True)
    if isinstance(error, duckdb.Error):
        text = _one_line(error)
        certain = bool(re.search(r"postgres|libpq|failed to (execute|prepare|fetch|copy)|ERROR:|FATAL:", text, re.IGNORECASE))
        return _classified(text, "", table, certain=certain)
    return None


def _classified(text: str, state: str, table: SourceTable, *, certain: bool) -> HeadgateError | None:
    source = f"source '{table.source}'"
    if state.startswith(REFUSED_STATES) or REFUSED.search(text):
        todo = "check user and password of the connection, or declare fallback_connection"
        return CredentialRefused(f"{source} refuses the credential: {text}", expected="a role that may log in", todo=todo)
    if MISSING.search(text):
        todo = "correct table: or the connection"
        return SourceBroken(f"table '{table.name}' of {source} is not there: {text}", expected="a table that exists", todo=todo)
    if DENIED.search(text) or state == "42501":
        todo = f"grant the role SELECT on '{table.name}'"
        return SourceBroken(
            f"{source} does not let this role read '{table.name}': {text}", expected="the right to SELECT", todo=todo
        )
    if (
        state.startswith(UNAVAILABLE_STATES)
        or UNAVAILABLE.search(text)
        or (certain and not state and text.startswith("connection"))
    ):
        todo = "look whether the server is up and reachable; a time-out can be raised by timeout:"
        return SourceUnavailable(f"{source} does not answer reading '{table.name}': {text}", todo=todo)
    if certain:
        return SourceBroken(
            f"{source} cannot give '{table.name}': {text}", todo="read the message; the query or a type is the usual cause"
        )
    return None


def _one_line(error: Exception) -> str:
    text = str(error)
    text = re.sub(r'Unable to connect to Postgres at "[^"]*"', "cannot connect", text)
    return " ".join(text.split())[:600]
