"""Connections to MySQL: one of pymysql for looking, one of DuckDB's scanner for reading."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import pymysql

from headgate.ports.source import ExtractRequest
from headgate.spec.errors import DeclarationError
from headgate.spec.names import quote_ident, quote_literal
from headgate.spec.project import SourceTable

_NAMES = {"dbname": "database", "username": "user", "pass": "password"}
_KNOWN = ("host", "port", "user", "password", "database", "unix_socket")


def parameters(connection: Any, table: SourceTable) -> dict[str, Any]:
    """Host, port, user, password and database of a `mysql://` URL or a mapping. Raises DeclarationError."""
    if isinstance(connection, str) and connection.split("://", 1)[0] in ("mysql", "mariadb", "mysql+pymysql"):
        parts = urlsplit(connection)
        given = {
            "host": parts.hostname, "port": parts.port, "user": unquote(parts.username or "") or None,
            "password": unquote(parts.password or ""), "database": unquote(parts.path.lstrip("/")) or None, **dict(parse_qsl(parts.query)),
        }  # fmt: skip
    elif isinstance(connection, Mapping):
        given = {_NAMES.get(str(k), str(k)): v for k, v in connection.items()}
    else:
        raise DeclarationError(
            f"source '{table.source}' has no connection",
            expected="a mysql:// URL, or a mapping with host, port, user, password and database",
            todo="declare connection:",
        )
    unknown = sorted(set(given) - set(_KNOWN))
    if unknown or not given.get("database"):
        raise DeclarationError(
            f"the connection of source '{table.source}' "
            + (f"has unknown keys: {', '.join(unknown)}" if unknown else "names no database"),
            expected="host, port, user, password and database",
        )
    return {"host": "127.0.0.1", "port": 3306, **{k: v for k, v in given.items() if v is not None}}


def connect(params: Mapping[str, Any], table: SourceTable) -> pymysql.Connection[Any]:
    """A connection for looking, with time-outs. Raises pymysql's errors, which `failures.explain` knows."""
    known = {**params, "port": int(params["port"])}
    return pymysql.connect(
        **known, charset="utf8mb4", autocommit=True, connect_timeout=int(table.options.get("connect_timeout", 10)),
        read_timeout=max(1, round(table.timeout)),
    )  # fmt: skip


def attach(request: ExtractRequest, params: Mapping[str, Any]) -> str:
    """Attach the database read-only under a name of its own, which is returned. The password is in a secret, not in an error."""
    alias = f"src_{uuid.uuid4().hex[:12]}"
    request.load_extension("mysql_scanner")
    names = {
        "host": "HOST",
        "port": "PORT",
        "user": "USER",
        "password": "PASSWORD",
        "database": "DATABASE",
        "unix_socket": "SOCKET",
    }
    pairs = ", ".join(f"{names[k]} {quote_literal(str(v))}" for k, v in params.items() if k in names)
    request.cursor.execute(f"CREATE TEMPORARY SECRET {quote_ident(alias)} (TYPE mysql, {pairs})")
    try:
        request.cursor.execute(f"ATTACH '' AS {quote_ident(alias)} (TYPE mysql, SECRET {quote_ident(alias)}, READ_ONLY)")
    except BaseException:
        request.cursor.execute(f"DROP TEMPORARY SECRET IF EXISTS {quote_ident(alias)}")
        raise
    return alias


def detach(request: ExtractRequest, alias: str) -> None:
    """Undo `attach`."""
    request.cursor.execute(f"DETACH DATABASE IF EXISTS {quote_ident(alias)}")
    request.cursor.execute(f"DROP TEMPORARY SECRET IF EXISTS {quote_ident(alias)}")
