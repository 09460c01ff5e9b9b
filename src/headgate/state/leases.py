"""Leases with fencing tokens: one holder at a time by the database's clock, and proof against a holder that comes back late.

A token grows by every acquisition of its name, for ever, across processes and crashes. Whoever writes under a lease also writes
its token where the write goes (the lake's `fences`), so that an older holder that was only asleep is refused there.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, replace
from types import TracebackType

from sqlalchemy import Connection, RowMapping, select, update
from sqlalchemy.dialects import postgresql, sqlite

from headgate.spec.errors import FenceLost, LockHeld
from headgate.state.database import Area, StateFailed
from headgate.state.process import Process, this_process
from headgate.state.tables import leases
from headgate.state.times import iso_of, seconds_of


@dataclass(frozen=True, slots=True)
class Lease:
    """A lease on `name`. `token` is the fence; `expires_at` (ISO, the database's clock) is when it lapses unless renewed."""

    name: str
    token: int
    expires_at: str
    holder: str
    ttl_seconds: float


class LeaseTable(Area):
    """Acquire, renew and release leases. Safe to use from several threads and processes."""

    def acquire(
        self, name: str, holder: str, ttl_seconds: float, *, above: int = 0, process: Process | None = None
    ) -> Lease | None:
        """A lease on `name` for `ttl_seconds`, or None while another holder's lease is valid.

        A lapsed lease is taken over, and so is one whose process is known to be gone. The token is greater than every earlier one
        of this name, and greater than `above` (what the lake's fence says: it may outlive a lost state database).
        """
        me = process or this_process()
        with self._database.write(durable=True) as connection:
            row = self._locked(connection, name)
            now = self._database.now(connection)
            if _valid(row, now):
                return None
            lease = Lease(name, max(int(row["token"]), above) + 1, iso_of(now + ttl_seconds), holder, ttl_seconds)
            values = {"token": lease.token, "holder": holder, "host": me.host, "pid": me.pid, "process_started": me.started}
            change = update(leases).where(leases.c.name == name)
            connection.execute(change.values(**values, acquired_at=iso_of(now), expires_at=lease.expires_at))
        return lease

    def take(self, name: str, holder: str, ttl_seconds: float, *, wait_seconds: float = 0.0, above: int = 0) -> Lease:
        """Like `acquire`, waiting up to `wait_seconds`. Raises LockHeld that names the holder."""
        deadline = time.monotonic() + wait_seconds
        pause = 0.02
        while True:
            lease = self.acquire(name, holder, ttl_seconds, above=above)
            if lease is not None:
                return lease
            if time.monotonic() >= deadline:
                other = self.holder(name)
                raise LockHeld(
                    f"'{name}' is held by {other.holder if other else 'another process'}",
                    expected=f"to get it within {wait_seconds:g} s"
                    + (f"; its lease ends at {other.expires_at}" if other else ""),
                    todo="wait for that run to end, or stop it, and try again",
                )
            time.sleep(min(pause, max(0.0, deadline - time.monotonic())))
            pause = min(pause * 1.6, 1.0)

    def renew(self, lease: Lease) -> Lease:
        """The lease, prolonged from now by its time to live. Raises FenceLost when it was released or somebody took over."""
        with self._database.write(durable=True) as connection:
            row = self._locked(connection, lease.name)
            now = self._database.now(connection)
            # A lapsed lease that nobody took since is still the newest one: its token is the highest.
            if row["holder"] is None or int(row["token"]) != lease.token:
                raise FenceLost(
                    f"the lease on '{lease.name}' (token {lease.token}) is gone: token {row['token']} was given to "
                    f"{row['holder'] or 'another holder, who has ended'}",
                    expected="to be the newest holder",
                    todo="run the command again; nothing was published under the old lease",
                )
            renewed = replace(lease, expires_at=iso_of(now + lease.ttl_seconds))
            connection.execute(update(leases).where(leases.c.name == lease.name).values(expires_at=renewed.expires_at))
        return renewed

    def release(self, lease: Lease) -> bool:
        """Give the lease back. False when it was not this lease's any more (then nothing happens)."""
        mine = (leases.c.name == lease.name, leases.c.token == lease.token, leases.c.holder.is_not(None))
        with self._database.write(durable=True) as connection:
            return connection.execute(update(leases).where(*mine).values(holder=None, expires_at=None)).rowcount > 0

    def holder(self, name: str) -> Lease | None:
        """The valid lease on `name`, or None."""
        with self._database.read() as connection:
            row = connection.execute(select(leases).where(leases.c.name == name)).mappings().first()
            now = self._database.now(connection)
        if row is None or not _valid(row, now):
            return None
        return _lease(row)

    def leases(self, prefix: str = "") -> tuple[Lease, ...]:
        """All valid leases whose names begin with `prefix`, by name: who works on what, which snapshots readers hold."""
        query = select(leases).where(leases.c.holder.is_not(None)).order_by(leases.c.name)
        with self._database.read() as connection:
            rows = connection.execute(query).mappings().all()
            now = self._database.now(connection)
        return tuple(_lease(row) for row in rows if row["name"].startswith(prefix) and _valid(row, now))

    def keep(self, lease: Lease) -> LeaseKeeper:
        """A context in which a thread renews `lease`, and that releases it at the end."""
        return LeaseKeeper(self, lease)

    def _locked(self, connection: Connection, name: str) -> RowMapping:
        """The row of `name`, made if need be, locked until the transaction ends."""
        new = {"name": name, "token": 0}
        if self._database.backend == "sqlite":
            connection.execute(sqlite.insert(leases).values(**new).on_conflict_do_nothing())
        else:
            connection.execute(postgresql.insert(leases).values(**new).on_conflict_do_nothing())
        return connection.execute(select(leases).where(leases.c.name == name).with_for_update()).mappings().one()


class LeaseKeeper:
    """Renews a lease from a thread while the context lasts, releases it at the end, and knows when it is lost.

    Ask `check()` before every write that must not happen twice: it raises FenceLost as soon as the lease was taken over, or
    could not be renewed in time. The renewal rhythm is a third of the time to live.
    """

    def __init__(self, of: LeaseTable, lease: Lease) -> None:
        self._leases, self.lease = of, lease
        self._lost = ""
        self._valid_until = time.monotonic() + lease.ttl_seconds
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._renew_on, name=f"headgate-lease-{lease.name}", daemon=True)

    @property
    def lost(self) -> bool:
        """Whether the lease is no longer ours, or may no longer be."""
        return bool(self._lost) or time.monotonic() >= self._valid_until

    def check(self) -> None:
        """Raise FenceLost when the lease is lost."""
        if self.lost:
            raise FenceLost(
                self._lost
                or f"the lease on '{self.lease.name}' ran out: it could not be renewed for {self.lease.ttl_seconds:g} s",
                expected="to be the newest holder",
                todo="run the command again; nothing was published under the old lease",
            )

    def __enter__(self) -> LeaseKeeper:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._end.set()
        self._thread.join()
        self._leases.release(self.lease)

    def _renew_on(self) -> None:
        while not self._end.wait(self.lease.ttl_seconds / 3):
            asked = time.monotonic()
            try:
                self.lease = self._leases.renew(self.lease)
            except FenceLost as lost:
                self._lost = lost.what
                return
            except StateFailed:
                continue  # `_valid_until` says when that becomes a loss
            self._valid_until = asked + self.lease.ttl_seconds


def _lease(row: RowMapping) -> Lease:
    ttl = seconds_of(row["expires_at"]) - seconds_of(row["acquired_at"])
    return Lease(row["name"], int(row["token"]), row["expires_at"], row["holder"], ttl)


def _valid(row: RowMapping, now: float) -> bool:
    """Whether a lease row is in force: held, not lapsed, and its process not known to be gone."""
    if row["holder"] is None or row["expires_at"] is None or seconds_of(row["expires_at"]) <= now:
        return False
    return not Process(row["host"] or "", int(row["pid"] or 0), row["process_started"] or "").dead
