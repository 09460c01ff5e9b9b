"""The lake's writer lock: one writer at a time, from before BEGIN to after COMMIT (LAKE.md 1).

Without it two merges of the same new keys double rows in silence, and commits fail with "database is locked".
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from headgate.spec.errors import LockHeld, WorldError

WAIT_SECONDS = 120.0
WHOLE_LAKE = "*"
"""What a writer names that must exclude every other writer."""
_mutexes: dict[str, threading.RLock] = {}
_guard = threading.Lock()


class WriterLock(Protocol):
    """Excludes other writers of `tables` while its context lasts. Raises LockHeld when it is not free in time."""

    def hold(self, tables: Sequence[str], author: str) -> Any: ...
    def close(self) -> None: ...


class FileLock:
    """The lock of an SQLite catalog: flock on a file of its own, and a mutex for the threads of this process.

    The system gives the lock back when its holder dies, however it dies.
    """

    def __init__(self, path: Path, wait_seconds: float = WAIT_SECONDS) -> None:
        self.path, self.wait_seconds = path, wait_seconds
        with _guard:
            self._mutex = _mutexes.setdefault(str(path.resolve()), threading.RLock())

    @contextmanager
    def hold(self, tables: Sequence[str], author: str) -> Iterator[None]:
        """Hold the lock."""
        deadline = time.monotonic() + self.wait_seconds
        if not self._mutex.acquire(timeout=self.wait_seconds):
            raise self._held()
        try:
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            try:
                self._lock(descriptor, deadline)
                os.ftruncate(descriptor, 0)
                os.pwrite(descriptor, json.dumps({"pid": os.getpid(), "author": author}).encode(), 0)
                yield
            finally:
                os.close(descriptor)  # gives the lock back
        finally:
            self._mutex.release()

    def _lock(self, descriptor: int, deadline: float) -> None:
        pause = 0.002
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    raise self._held() from None
            time.sleep(pause)
            pause = min(pause * 1.5, 0.05)

    def _held(self) -> LockHeld:
        try:
            said = json.loads(self.path.read_text())
            holder = f"process {said['pid']} ({said['author']})"
        except (OSError, ValueError, KeyError):
            holder = "another process"
        return LockHeld(
            f"the lake's writer lock {self.path} is held by {holder}", expected=f"to get it within {self.wait_seconds:g} s",
            todo="wait for that run to end, or stop it, and try again",
        )  # fmt: skip

    def close(self) -> None:
        """Nothing to give back: the lock lives only while it is held."""


class Presence:
    """Who has a lake with an SQLite catalog open: all share a lock on a file beside it, so that one can know that it is alone.

    Rows that are inlined in the catalog are read through a connection that does not see the catalog as the rest of a read transaction does.
    When they are moved into a file meanwhile, an open read transaction loses them without an error. So they are moved when nobody else has
    the lake open. A PostgreSQL catalog reads all from one snapshot and needs none of this.
    """

    def __init__(self, path: Path, wait_seconds: float = WAIT_SECONDS) -> None:
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        self._path, self._wait_seconds = path, wait_seconds
        self._share()

    def _share(self) -> None:
        """Be one of those who have it open; waits while somebody is alone with it."""
        deadline = time.monotonic() + self._wait_seconds
        while not _flocked(self._descriptor, fcntl.LOCK_SH):
            if time.monotonic() >= deadline:
                raise LockHeld(
                    f"{self._path} is held by another process, which moves inlined rows into files",
                    expected=f"to get it within {self._wait_seconds:g} s",
                    todo="wait for `headgate maintain` to end, or stop it, and try again",
                )
            time.sleep(0.005)

    @contextmanager
    def alone(self) -> Iterator[bool]:
        """Whether nobody else has the lake open; if so, nobody gets it open while the context lasts."""
        alone = _flocked(self._descriptor, fcntl.LOCK_EX)
        try:
            yield alone
        finally:
            self._share()  # also after a refusal, which has given up what we had

    def close(self) -> None:
        """Be gone."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def _flocked(descriptor: int, how: int) -> bool:
    try:
        fcntl.flock(descriptor, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


class AdvisoryLock:
    """The lock of a PostgreSQL catalog: an advisory lock per table, taken in one order on a connection of its own.

    A writer of named tables shares the lock of the whole lake; a writer of "*" (maintenance, the first opening) has it alone, and so
    excludes them all. The server gives the locks back when the connection ends.
    """

    def __init__(self, dsn: str, wait_seconds: float = WAIT_SECONDS) -> None:
        self.dsn, self.wait_seconds = dsn, wait_seconds
        self._mutex = threading.RLock()
        self._connection: Any = None

    @contextmanager
    def hold(self, tables: Sequence[str], author: str) -> Iterator[None]:
        """Hold the locks of `tables`."""
        import psycopg

        whole = WHOLE_LAKE in tables
        keys = [] if whole else sorted({_key(t) for t in tables})
        if not self._mutex.acquire(timeout=self.wait_seconds):
            raise self._held(tables)
        try:
            connection = self._connect()
            try:
                connection.execute(f"SET lock_timeout = {int(self.wait_seconds * 1000)}")
                # The lake's own lock comes first for everybody: one order for all, so that nobody waits in a circle.
                connection.execute(f"SELECT pg_advisory_lock{'' if whole else '_shared'}(%s)", (_key(WHOLE_LAKE),))
                for key in keys:
                    connection.execute("SELECT pg_advisory_lock(%s)", (key,))
            except psycopg.errors.LockNotAvailable as error:
                self._drop()
                raise self._held(tables) from error
            except psycopg.OperationalError as error:
                self._drop()
                raise WorldError(
                    f"the lake's catalog cannot be reached: {error}", todo="start the catalog's server and run again"
                ) from error
            try:
                yield
            finally:
                self._release(keys, whole)
        finally:
            self._mutex.release()

    def _release(self, keys: Sequence[int], whole: bool) -> None:
        import psycopg

        try:
            for key in reversed(keys):
                self._connection.execute("SELECT pg_advisory_unlock(%s)", (key,))
            self._connection.execute(f"SELECT pg_advisory_unlock{'' if whole else '_shared'}(%s)", (_key(WHOLE_LAKE),))
        except psycopg.Error:
            self._drop()  # the connection is gone, and its locks with it

    def _connect(self) -> Any:
        import psycopg

        if self._connection is None or self._connection.closed:
            try:
                self._connection = psycopg.connect(self.dsn, autocommit=True, connect_timeout=10)
            except psycopg.OperationalError as error:
                raise WorldError(
                    f"the lake's catalog cannot be reached: {error}", todo="start the catalog's server and run again"
                ) from error
        return self._connection

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _held(self, tables: Sequence[str]) -> LockHeld:
        return LockHeld(
            f"the lake's lock on {', '.join(tables[:3])} is held by another writer", expected=f"to get it within {self.wait_seconds:g} s",
            todo="wait for that run to end, or stop it, and try again",
        )  # fmt: skip

    def close(self) -> None:
        """End the connection."""
        self._drop()


def _key(table: str) -> int:
    """A table's advisory key: 63 bits of a hash of its name."""
    return int.from_bytes(hashlib.blake2b(f"headgate:{table}".encode(), digest_size=8).digest(), "big") >> 1
