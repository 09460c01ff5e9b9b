"""A DuckDB file as the lake: what a dbt project's DuckDB target names (LAKE.md 17).

Tables, ledger and positions live in that one file, so that every other tool reads it as before. The engine lets a file be open for writing
in one process or for reading in many. So it is open for reading while a run stages and weighs, and for writing only for the moment of a
publish; both wait for whoever has it.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb

from headgate.engines.duckdb.extensions import load_named
from headgate.engines.duckdb.lake import DuckLake, engine_error, roll_back
from headgate.engines.duckdb.ledger import SCHEMA, TABLES, read_recorded
from headgate.engines.duckdb.locks import FileLock, Presence, WriterLock
from headgate.ports.engine import Cursor
from headgate.spec.errors import HeadgateError, LockHeld, WorldError
from headgate.spec.names import Relation, bind, quote_ident, quote_literal
from headgate.spec.recorded import Recorded

WAIT_SECONDS = 120.0
"""How long to wait for another program that has the file open."""
COUNTER = "snapshots"
"""The ledger table that numbers the commits; a DuckDB file keeps no older state of its tables."""
_COUNTER_COLUMNS = 'snapshot_id BIGINT, author VARCHAR, message VARCHAR, "at" TIMESTAMP'
_SEEN = "external.json"
_TAKEN = ("st", "memory", "pinned", "system", "temp")
_SCANNERS = {"sqlite": "sqlite_scanner", "postgres": "postgres_scanner", "mysql": "mysql_scanner"}


class DuckFile(DuckLake):
    """Implements `ports.engine.Lake` on a DuckDB file: `spec.catalog` is `duckdb:<path>`, `spec.name` the database's name in SQL."""

    keeps_history = False
    takes_files = False

    @property
    def path(self) -> Path:
        """The file."""
        return Path(self.spec.catalog.partition(":")[2])

    def _make_lock(self) -> WriterLock:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        return FileLock(self.path.with_name(self.path.name + ".headgate.lock"))

    def _make_presence(self) -> Presence | None:
        return None

    def _attach(self, read_only: bool) -> None:
        """Open the file for reading; make it, and its ledger, when there is none."""
        if self.name in _TAKEN:
            raise WorldError(
                f"a database named '{self.name}' cannot stand for the lake: runs use that name themselves",
                expected="another name", todo="rename the file, or give the profile's output a 'database:' of another name", code="HG-W061",
            )  # fmt: skip
        self._prepare()
        if self.path.exists():
            self._open("READ_ONLY")
            if self._has_ledger():
                return
            self._connection.execute(f"DETACH {quote_ident(self.name)}")
        with self._lock.hold(("*",), "open"):
            self._open("READ_WRITE")
            if not self._has_ledger():
                self._create_ledger()
            self._close_writing()

    def _prepare(self) -> None:
        """What a dbt profile asks of the engine: extensions, settings, other databases beside this one."""
        options = self.spec.options
        for said in options.get("extensions") or ():
            load_named(self._connection, str(said.get("name") if isinstance(said, Mapping) else said))
        for name, value in (options.get("settings") or {}).items():
            self._connection.execute(f"SET GLOBAL {quote_ident(str(name))} = {quote_literal(str(value))}")
        for said in options.get("attach") or ():
            self._beside(said)

    def _beside(self, said: Mapping[str, Any]) -> None:
        """Attach another database for reading and, unless `read_only` is said, for hooks that write it."""
        kind = str(said.get("type") or "").lower()
        if kind in _SCANNERS:
            load_named(self._connection, _SCANNERS[kind])
        path = str(said["path"])
        local = "://" not in path and kind in ("", "duckdb", "sqlite")
        place = str(Path(self.root, Path(path).expanduser())) if local else path
        how = ", ".join([*([f"TYPE {quote_ident(kind)}"] if kind else []), *(["READ_ONLY"] if said.get("read_only") else [])])
        alias = f" AS {quote_ident(str(said['alias']))}" if said.get("alias") else ""
        self._connection.execute(f"ATTACH IF NOT EXISTS {quote_literal(place)}{alias}{f' ({how})' if how else ''}")

    def _open(self, how: str) -> None:
        """Attach the file, waiting while another program has it open in a way that shuts this one out. Raises LockHeld, WorldError."""
        deadline, pause = time.monotonic() + float(self.spec.options.get("lock_wait", WAIT_SECONDS)), 0.005
        while True:
            try:
                self._connection.cursor().execute(f"ATTACH {quote_literal(str(self.path))} AS {quote_ident(self.name)} ({how})")
                return
            except (duckdb.IOException, duckdb.BinderException) as error:
                text = str(error)
                if "lock on file" not in text and "Unique file handle" not in text:
                    raise _not_opened(self.path, error) from error
                if time.monotonic() >= deadline:
                    raise _in_use(self.path, text) from error
            time.sleep(pause)
            pause = min(pause * 1.5, 0.1)

    def _create_ledger(self) -> None:
        cursor = self._connection.cursor()
        cursor.execute("BEGIN")
        cursor.execute(f"CREATE SCHEMA IF NOT EXISTS {quote_ident(self.name)}.{SCHEMA}")
        for name, columns in {**TABLES, COUNTER: _COUNTER_COLUMNS}.items():
            cursor.execute(f"CREATE TABLE IF NOT EXISTS {quote_ident(self.name)}.{SCHEMA}.{name} ({columns})")
        self._count(cursor, "open", "the ledger")
        cursor.execute("COMMIT")

    def _has_ledger(self) -> bool:
        return f"{SCHEMA}.{COUNTER}" in self._kinds()

    def _count(self, cursor: Cursor, author: str, message: str) -> None:
        """Give this commit its number."""
        name = f"{quote_ident(self.name)}.{SCHEMA}.{COUNTER}"
        cursor.execute(
            bind(
                f"INSERT INTO {name} SELECT coalesce(max(snapshot_id), 0) + 1, ?, ?, now()::TIMESTAMP FROM {name}",
                [author, message],
            )
        )

    def snapshot(self) -> int:
        """The number of the newest commit."""
        with self._read() as cursor:
            row = cursor.execute(f"SELECT max(snapshot_id) FROM {quote_ident(self.name)}.{SCHEMA}.{COUNTER}").fetchone()
        return int(row[0]) if row and row[0] is not None else 0

    def _kinds(self) -> dict[str, str]:
        name = quote_literal(self.name)
        with self._read() as cursor:
            rows = cursor.execute(
                f"SELECT schema_name, table_name, 'table' FROM duckdb_tables() WHERE database_name = {name} UNION ALL "
                f"SELECT schema_name, view_name, 'view' FROM duckdb_views() WHERE database_name = {name} AND NOT internal"
            ).fetchall()
        return {f"{schema}.{table}": str(kind) for schema, table, kind in rows}

    def recorded(self) -> Recorded:
        """The ledger, in one read transaction."""
        snapshot, kinds = self.snapshot(), self.relations()
        with self._read() as cursor:
            return read_recorded(cursor, self.name, snapshot, kinds, {})

    def written(self, snapshot: int) -> Mapping[str, int]:
        """Nothing: the engine does not say what a table takes of the file."""
        return {}

    def expect_rows(self, cursor: Cursor, relation: Relation, rows: int) -> None:
        """Nothing: a file takes small writes as they are."""

    @contextmanager
    def transaction(self, tables: Sequence[str], *, author: str, message: str) -> Iterator[Cursor]:
        """The one write transaction; the file is open for writing as long as it lasts."""
        with self._lock.hold(tables, author):
            self._connection.cursor().execute(f"DETACH {quote_ident(self.name)}")
            try:
                self._open("READ_WRITE")
            except HeadgateError:
                self._open("READ_ONLY")
                raise
            cursor = self._connection.cursor()
            try:
                cursor.execute("BEGIN")
                yield cursor
                self._count(cursor, author, message)
                cursor.execute("COMMIT")
            except HeadgateError:
                roll_back(cursor)
                raise
            except duckdb.Error as error:
                roll_back(cursor)
                raise engine_error(error, message) from error
            except BaseException:
                roll_back(cursor)
                raise
            finally:
                cursor.close()
                self._close_writing()

    def _close_writing(self) -> None:
        """Put the log into the file, and open it for reading again."""
        cursor = self._connection.cursor()
        with contextlib.suppress(duckdb.Error):  # a reader of this process keeps the log for now: the next writer puts it in
            cursor.execute(f"CHECKPOINT {quote_ident(self.name)}")
        cursor.execute(f"DETACH {quote_ident(self.name)}")
        self._known = None
        self._open("READ_ONLY")

    def external(self, relations: Sequence[Relation]) -> Mapping[str, tuple[str, int]]:
        """A digest of the rows of tables that others fill; see the port. It is read again only when the file has changed."""
        standing = [r for r in relations if str(r) in self.relations()]
        if not standing:
            return {}
        status = self.path.stat()  # nobody can write the file while it is open here
        stamp = [status.st_ino, status.st_size, status.st_mtime_ns]
        kept = Path(self.root) / ".headgate" / "cache" / _SEEN
        known = _kept(kept, stamp)
        found = {str(r): known.get(str(r)) or self._digest(r) for r in standing}
        if found.items() - known.items():
            with contextlib.suppress(OSError):
                kept.parent.mkdir(parents=True, exist_ok=True)
                kept.write_text(json.dumps({"file": stamp, "tables": {**known, **found}}), encoding="utf-8")
        return found

    def _digest(self, relation: Relation) -> tuple[str, int]:
        with self._read() as cursor:
            row = cursor.execute(f"SELECT count(*), coalesce(sum(hash(t)), 0) FROM {relation.sql(self.name)} AS t").fetchone()
        rows, content = row if row is not None else (0, 0)
        return f"rows {rows} digest {int(content) % 2**64:016x}", int(rows)


def _kept(path: Path, stamp: list[int]) -> dict[str, tuple[str, int]]:
    """What was found of the file when it was as it is now."""
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
        return (
            {str(name): (str(version), int(rows)) for name, (version, rows) in said["tables"].items()}
            if said["file"] == stamp
            else {}
        )
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def _in_use(path: Path, said: str) -> LockHeld:
    return LockHeld(
        f"{path} is open in another program: {said.splitlines()[0]}",
        expected="that it closes the file, for a DuckDB file is written by one program at a time",
        todo="close it there and run again (what was staged is kept: headgate run --resume), or move the project to a lake",
    )


def _not_opened(path: Path, error: Exception) -> WorldError:
    return WorldError(
        f"{path} cannot be opened: {str(error).strip()}", expected="a DuckDB file of this engine's version or an older one",
        todo="run: headgate doctor", code="HG-W061",
    )  # fmt: skip


__all__ = ["DuckFile"]
