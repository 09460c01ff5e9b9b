"""Open the state database: create it, bring it up to this version's tables, or refuse a newer one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

from sqlalchemy import Connection, inspect, text

from headgate.spec.errors import RefusedError
from headgate.state.breakers import BreakerTable
from headgate.state.database import Database
from headgate.state.events import EventTable
from headgate.state.leases import LeaseTable
from headgate.state.mirror import MirrorTables
from headgate.state.quick import HEAD, KNOWN
from headgate.state.runs import RunTables
from headgate.state.verdicts import VerdictTable

_MIGRATION_LOCK = 0x4EAD6A7E  # any number that nobody else uses as an advisory lock


class State(RunTables, EventTable, VerdictTable, LeaseTable, BreakerTable, MirrorTables):
    """The control tables. Safe to use from several threads; close it (or leave the `with`) at the end.

    `redact` is applied to every free text before it is stored (secrets that were resolved are known to the caller alone).
    """

    def prune(self, before: str) -> dict[str, int]:
        """Delete events, verdicts and finished runs older than `before` (ISO). Returns how many rows of each table went."""
        self.flush()
        return {"events": self.prune_events(before), "verdicts": self.prune_verdicts(before), **self.prune_runs(before)}

    def close(self) -> None:
        """Write what is buffered and give the connections back. Raises StateFailed when the rest could not be written."""
        try:
            self.close_events()
        finally:
            self._database.close()

    def __enter__(self) -> State:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def open_state(url: str, *, redact: Callable[[str], str] | None = None) -> State:
    """The state database at `url` (`sqlite:///…` or `postgresql://…`), made or migrated if need be.

    Several processes may open it at once; one migrates, the others wait. Raises DeclarationError (no such kind of database),
    RefusedError (written by a newer Headgate), StateFailed.
    """
    database = Database(url)
    try:
        _bring_up(database)
    except BaseException:
        database.close()
        raise
    return State(database, redact)


def _bring_up(database: Database) -> None:
    if database.path is not None:
        database.path.parent.mkdir(parents=True, exist_ok=True)
    if (database.path is None or database.path.exists()) and _current(database) == HEAD:
        return
    with _alone(database):
        if _current(database) != HEAD:
            _migrate(database)


def _current(database: Database) -> str | None:
    """The revision that the database is at; None for an empty one. Raises RefusedError for one that this code does not know."""
    with database.read() as connection:
        if not inspect(connection).has_table("alembic_version"):
            return None
        revision = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    if revision is not None and revision not in KNOWN:
        raise RefusedError(
            f"the state database {database.name} is at revision {revision}, which this version of Headgate does not know",
            expected=f"revision {HEAD} or older",
            todo="upgrade Headgate to the version that wrote it: pip install --upgrade headgate",
            code="HG-R060",
        )
    return str(revision) if revision is not None else None


@contextmanager
def _alone(database: Database) -> Iterator[None]:
    """Only one process migrates: a lock file beside the SQLite file, an advisory lock on PostgreSQL."""
    if database.path is None:
        with database.engine.connect() as connection:
            connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": _MIGRATION_LOCK})
            try:
                yield
            finally:
                connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": _MIGRATION_LOCK})
        return
    import fcntl

    with Path(f"{database.path}.lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _migrate(database: Database) -> None:
    if database.path is not None:
        # WAL is a property of the file, and cannot be set inside a transaction.
        raw = database.engine.raw_connection()
        try:
            raw.cursor().execute("PRAGMA journal_mode=WAL")
        finally:
            raw.close()
    with database.write(durable=True) as connection:
        upgrade(connection)


def upgrade(connection: Connection, revision: str = HEAD) -> None:
    """Run the numbered changes up to `revision` in the connection's transaction."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    command.upgrade(config, revision)
