"""A run's cursor: names written by hand resolve staged first, then published (LAKE.md 14), at the cost of those that are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import duckdb

from headgate.engines.duckdb.information import asks
from headgate.spec.names import quote_literal

_MISSING = (duckdb.CatalogException, duckdb.BinderException)
_LOOKING_UP = frozenset({"sql", "query", "from_query", "table", "view", "executemany"})


class StagingCursor:
    """Implements `ports.engine.Cursor`.

    With the lake's schemas on the search path every function name is looked for in the lake first: two milliseconds a statement. Most
    statements name their tables whole and need none of it. So the path names the staging schemas alone until a statement finds a name
    missing; that statement, of which nothing has run, is tried again with the whole path, which then stays.
    """

    def __init__(
        self, cursor: duckdb.DuckDBPyConnection, near: str, whole: Callable[[], str], information: Callable[[str], str]
    ) -> None:
        self._cursor, self._whole, self._information = cursor, whole, information
        self._near = True
        self._set(near)

    def execute(self, query: str, parameters: Any = None) -> duckdb.DuckDBPyConnection:
        """As the engine's own; a text of several statements has the whole path from its beginning, since the first would run twice."""
        if asks(query):
            query = self._information(query)
        if self._near and ";" in query.rstrip("; \n"):
            self._widen()
        try:
            return self._execute(query, parameters)
        except _MISSING:
            if not self._near:
                raise
            self._widen()
        return self._execute(query, parameters)

    def _execute(self, query: str, parameters: Any) -> duckdb.DuckDBPyConnection:
        return self._cursor.execute(query) if parameters is None else self._cursor.execute(query, parameters)

    def _widen(self) -> None:
        self._near = False
        self._set(self._whole())

    def _set(self, path: str) -> None:
        self._cursor.execute(f"SET search_path = {quote_literal(path)}")

    def fetchone(self) -> tuple[Any, ...] | None:
        """The next row of the last statement."""
        return self._cursor.fetchone()

    def fetchall(self) -> list[tuple[Any, ...]]:
        """The rows of the last statement that are left."""
        return self._cursor.fetchall()

    def close(self) -> None:
        """Close the engine's cursor."""
        self._cursor.close()

    def __getattr__(self, name: str) -> Any:
        """Everything else is the engine's own. What looks names up has the whole path; nothing else may disturb a running statement."""
        if self._near and name in _LOOKING_UP:
            self._widen()
        return getattr(self._cursor, name)

    @property
    def description(self) -> Any:
        """Names and types of the last statement's columns."""
        return self._cursor.description
