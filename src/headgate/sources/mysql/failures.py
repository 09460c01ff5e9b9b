"""What an error of MySQL or of the scanner means: whose turn it is, and whether waiting helps."""

from __future__ import annotations

import re

import duckdb
import pymysql

from headgate.spec.errors import CredentialRefused, HeadgateError, SourceBroken, SourceUnavailable
from headgate.spec.project import SourceTable

_REFUSED = re.compile(r"access denied for user|authentication plugin|\b(1045|1044|1698)\b", re.IGNORECASE)
_UNAVAILABLE = re.compile(
    r"can't connect|lost connection|gone away|timed out|too many connections|server shutdown|deadlock|lock wait timeout|unknown host|"
    r"\b(2002|2003|2006|2013|1040|1053|1205|1213|1317|1927)\b",
    re.IGNORECASE,
)
_MISSING = re.compile(r"doesn't exist|unknown database|unknown table|\b(1146|1049)\b", re.IGNORECASE)
_DENIED = re.compile(r"command denied|\b1142\b", re.IGNORECASE)


def explain(error: Exception, table: SourceTable) -> HeadgateError | None:
    """`error` as one of ours; None when it has nothing to do with MySQL."""
    text = " ".join(str(error).split())[:600]
    if isinstance(error, pymysql.Error):
        return _classified(text, table) or SourceBroken(f"source '{table.source}' failed: {text}", todo="look at the message")
    if isinstance(error, duckdb.Error) and re.search(r"mysql|mariadb", text, re.IGNORECASE):
        return _classified(text, table)
    return None


def _classified(text: str, table: SourceTable) -> HeadgateError | None:
    source = f"source '{table.source}'"
    if _DENIED.search(text):
        return SourceBroken(
            f"{source} does not let this user read '{table.name}': {text}",
            expected="the right to SELECT",
            todo="grant the user SELECT on it",
        )
    if _REFUSED.search(text):
        todo = "check user and password of the connection, or declare fallback_connection"
        return CredentialRefused(f"{source} refuses the credential: {text}", expected="a user that may log in", todo=todo)
    if _MISSING.search(text):
        return SourceBroken(
            f"table '{table.name}' of {source} is not there: {text}", expected="a table that exists", todo="correct table:"
        )
    if _UNAVAILABLE.search(text):
        return SourceUnavailable(f"{source} does not answer: {text}", todo="look whether the server is up")
    return None
