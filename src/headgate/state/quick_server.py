"""A PostgreSQL state database for a run that has nothing to do: as `state.quick` for SQLite, without SQLAlchemy."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

CONNECT_SECONDS = 5


class Server:
    """A connection that takes the statements of `state.quick`, and raises what it expects."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def execute(self, sql: str, values: Sequence[Any] = ()) -> Any:
        """Execute a statement whose values stand as `?`. Raises sqlite3.OperationalError for every error of the server."""
        import psycopg

        try:
            return self._connection.execute(sql.replace("BEGIN IMMEDIATE", "BEGIN").replace("?", "%s"), tuple(values))
        except psycopg.Error as error:
            raise sqlite3.OperationalError(str(error)) from error


@contextmanager
def connected(state_url: str) -> Iterator[Server | None]:
    """A connection to a `postgresql://…` URL; None for any other, and for a server that does not answer in a few seconds."""
    scheme, found, rest = state_url.partition("://")
    if not found or scheme.partition("+")[0] not in ("postgresql", "postgres"):
        yield None
        return
    import psycopg

    try:
        connection = psycopg.connect(f"postgresql://{rest}", autocommit=True, connect_timeout=CONNECT_SECONDS)
    except psycopg.Error:
        yield None
        return
    with connection:
        yield Server(connection)
