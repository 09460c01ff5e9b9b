"""Connections to the state database: SQLite in WAL mode or PostgreSQL, one transaction per call, errors of the one tree.

On SQLite a writing transaction begins IMMEDIATE, so that two writers queue on the busy timeout and never fail half-way.
Events may be lost by a power cut (synchronous=NORMAL), never by a crash of the process; leases are written through
(synchronous=FULL), because a token given out twice would be worse than a slow one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError

from headgate.spec.errors import DeclarationError, WorldError

BUSY_TIMEOUT_SECONDS = 60  # longer than any transaction of ours by far: waiting is right, "database is locked" never is
_NOW = {
    # julianday has sub-millisecond precision on every SQLite that Python brings.
    "sqlite": "SELECT (julianday('now') - 2440587.5) * 86400.0",
    "postgresql": "SELECT extract(epoch FROM clock_timestamp())",
}


class StateFailed(WorldError):
    """The state database did not answer or did not take what was written."""

    code = "HG-W060"
    retryable = True


def state_url(url: str) -> URL:
    """`url` with its driver spelled out. Raises DeclarationError for a database that is neither SQLite nor PostgreSQL."""
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise DeclarationError(
            "'state' is no database URL", expected="sqlite:///path or postgresql://…", code="HG-D301"
        ) from None
    if parsed.get_backend_name() == "sqlite":
        if not parsed.database or parsed.database == ":memory:":
            raise DeclarationError("'state' names no file", expected="sqlite:///path/to/state.db", code="HG-D301")
        return parsed.set(drivername="sqlite+pysqlite")
    if parsed.get_backend_name() in ("postgresql", "postgres"):
        return parsed.set(drivername="postgresql+psycopg")
    raise DeclarationError(
        f"'state' cannot live in {parsed.get_backend_name()}", expected="sqlite:///path or postgresql://…", code="HG-D301"
    )


class Database:
    """Two pools on one database: ordinary writes, and durable ones. Safe to use from several threads."""

    def __init__(self, url: str) -> None:
        self.url = state_url(url)
        self.backend = self.url.get_backend_name()
        self.engine = _engine(self.url, durable=False)
        self._durable: Engine | None = None

    @property
    def path(self) -> Path | None:
        """The SQLite file, or None on PostgreSQL."""
        return Path(self.url.database or "") if self.backend == "sqlite" else None

    @property
    def name(self) -> str:
        """The database in words, without its password."""
        return self.url.set(drivername=self.backend).render_as_string(hide_password=True)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection in one read transaction. Raises StateFailed."""
        with self._translated(), self.engine.connect() as connection:
            yield connection

    @contextmanager
    def write(self, *, durable: bool = False) -> Iterator[Connection]:
        """A connection in one writing transaction, committed at the end, rolled back by any exception. Raises StateFailed."""
        engine = self._durable_engine() if durable else self.engine
        with self._translated(), engine.connect() as connection:
            connection = connection.execution_options(headgate_write=True)
            with connection.begin():
                yield connection

    def now(self, connection: Connection) -> float:
        """The database's clock in seconds since 1970."""
        return float(connection.execute(text(_NOW[self.backend])).scalar_one())

    def close(self) -> None:
        """Give all connections back."""
        self.engine.dispose()
        if self._durable is not None:
            self._durable.dispose()

    def _durable_engine(self) -> Engine:
        if self.backend != "sqlite":
            return self.engine
        if self._durable is None:
            self._durable = _engine(self.url, durable=True)
        return self._durable

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except DBAPIError as error:
            raise StateFailed(
                f"the state database {self.name} failed: {error.orig}",
                expected="a reachable database with room to write",
                todo="run: headgate doctor",
            ) from error
        except (NoSuchModuleError, ModuleNotFoundError) as error:
            raise WorldError(
                f"the state database {self.name} needs a driver that is not installed ({error})",
                todo="run: pip install 'headgate[postgres]'",
            ) from error


class Area:
    """What the areas of the state database share: the database, and the redaction of free text before it is stored."""

    def __init__(self, database: Database, redact: Callable[[str], str] | None = None) -> None:
        self._database = database
        self._redact = redact or (lambda text: text)


def _engine(url: URL, *, durable: bool) -> Engine:
    try:
        if url.get_backend_name() == "sqlite":
            return _sqlite(url, durable=durable)
        return create_engine(url, pool_pre_ping=True, pool_size=5, max_overflow=20, connect_args={"connect_timeout": 10})
    except ModuleNotFoundError as error:
        raise WorldError(
            f"a PostgreSQL state database needs {error.name}, which is not installed",
            todo="run: pip install 'headgate[postgres]'",
        ) from error


def _sqlite(url: URL, *, durable: bool) -> Engine:
    engine = create_engine(url, connect_args={"timeout": BUSY_TIMEOUT_SECONDS, "isolation_level": None}, max_overflow=20)

    @event.listens_for(engine, "connect")
    def _pragmas(connection: Any, _record: Any) -> None:
        connection.execute(f"PRAGMA synchronous={'FULL' if durable else 'NORMAL'}")
        connection.execute("PRAGMA cache_size=-16384")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        write = connection.get_execution_options().get("headgate_write")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")

    return engine
