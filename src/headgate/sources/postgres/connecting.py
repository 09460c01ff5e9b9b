"""Connections to PostgreSQL: one of libpq for looking, one of DuckDB's scanner for reading. No password is in any text that
SQL shows.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from headgate.ports.source import ExtractRequest
from headgate.spec.errors import DeclarationError
from headgate.spec.names import quote_ident, quote_literal
from headgate.spec.project import SourceTable

ALIASES = {"database": "dbname", "username": "user", "pass": "password"}
IN_SECRET = {"host": "HOST", "port": "PORT", "user": "USER", "password": "PASSWORD", "dbname": "DATABASE"}
KEEPALIVES = {
    "keepalives": 1,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 60_000,
}


def parameters(connection: Any, table: SourceTable) -> dict[str, str]:
    """libpq's parameters of a connection (a DSN, a URL or a mapping), with time-outs. Raises DeclarationError."""
    try:
        if isinstance(connection, str) and connection.strip():
            given = conninfo_to_dict(connection)
        elif isinstance(connection, Mapping):
            named = {ALIASES.get(str(key), str(key)): value for key, value in connection.items()}
            given = conninfo_to_dict(make_conninfo(**named))
        else:
            raise DeclarationError(
                f"source '{table.source}' has no connection",
                expected="a postgresql:// URL, a DSN, or a mapping with host, port, user, password and database",
                todo="declare connection:",
            )
    except psycopg.ProgrammingError as error:
        raise DeclarationError(
            f"the connection of source '{table.source}' cannot be read: {error}",
            expected="a postgresql:// URL, a DSN or a mapping",
        ) from None
    settings = f"-c statement_timeout={round(table.timeout * 1000)} -c datestyle=ISO -c timezone=UTC -c extra_float_digits=1"
    own = str(given.get("options") or "")
    base = {"connect_timeout": table.options.get("connect_timeout", 10), "application_name": "headgate", **KEEPALIVES}
    return {
        **{k: str(v) for k, v in base.items()},
        **{k: str(v) for k, v in given.items()},
        "options": f"{own} {settings}".strip(),
    }


def attach(request: ExtractRequest, params: Mapping[str, str]) -> str:
    """Attach the database read-only to the engine under a name of its own, which is returned."""
    alias = f"src_{uuid.uuid4().hex[:12]}"
    request.load_extension("postgres_scanner")
    pairs = ", ".join(f"{IN_SECRET[key]} {quote_literal(value)}" for key, value in params.items() if key in IN_SECRET)
    rest = make_conninfo(**{key: value for key, value in params.items() if key not in IN_SECRET})
    request.cursor.execute(f"CREATE TEMPORARY SECRET {quote_ident(alias)} (TYPE postgres, {pairs})")
    try:
        request.cursor.execute(
            f"ATTACH {quote_literal(rest)} AS {quote_ident(alias)} (TYPE postgres, SECRET {quote_ident(alias)}, READ_ONLY)"
        )
    except BaseException:
        request.cursor.execute(f"DROP TEMPORARY SECRET IF EXISTS {quote_ident(alias)}")
        raise
    return alias


def detach(request: ExtractRequest, alias: str) -> None:
    """Undo `attach`: the scanner's connections are closed."""
    request.cursor.execute(f"DETACH DATABASE IF EXISTS {quote_ident(alias)}")
    request.cursor.execute(f"DROP TEMPORARY SECRET IF EXISTS {quote_ident(alias)}")
