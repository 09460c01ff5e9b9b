"""A circuit breaker per source, kept across processes: a source that keeps failing is left alone for a while.

closed → open when failures in a row reach the threshold; open → half_open when its pause is over and one caller is let through;
half_open → closed or open again, by what that caller reports.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, delete, insert, select

from headgate.state.database import Area
from headgate.state.tables import breakers
from headgate.state.times import iso_of

CLOSED, OPEN, HALF_OPEN = "closed", "open", "half_open"
THRESHOLD = 5  # failures in a row
PAUSE_SECONDS = 60.0
PAUSE_SECONDS_MAX = 1800.0  # doubled by every failed trial up to this
TRIAL_SECONDS = 300.0  # how long a let-through caller may be silent before the next one is let through


@dataclass(frozen=True, slots=True)
class Breaker:
    """A source's breaker. `may_try` is what the caller who asked is allowed; times are ISO by the database's clock."""

    source: str
    state: str = CLOSED
    failures: int = 0
    opened_at: str | None = None
    next_try_at: str | None = None
    reason: str = ""
    may_try: bool = True


class BreakerTable(Area):
    """Ask, report failures and successes. Safe to use from several threads and processes."""

    def breaker(self, source: str) -> Breaker:
        """The breaker as it stands, without taking a trial."""
        with self._database.read() as connection:
            return self._load(connection, source, self._database.now(connection))

    def ask_source(self, source: str) -> Breaker:
        """Whether the source may be asked now (`may_try`). An open breaker whose pause is over lets one caller through."""
        with self._database.read() as connection:
            breaker = self._load(connection, source, self._database.now(connection))
        if breaker.state == CLOSED or not breaker.may_try:
            return breaker
        with self._database.write() as connection:
            now = self._database.now(connection)
            breaker = self._load(connection, source, now)
            if breaker.state == CLOSED or not breaker.may_try:
                return breaker
            until = iso_of(now + TRIAL_SECONDS)
            trial = Breaker(source, HALF_OPEN, breaker.failures, breaker.opened_at, until, breaker.reason)
            self._save(connection, trial)
        return trial

    def source_failed(
        self, source: str, reason: str, *, threshold: int = THRESHOLD, pause_seconds: float = PAUSE_SECONDS
    ) -> Breaker:
        """Count a failure; opens at `threshold` failures in a row, and after a failed trial for twice as long as before."""
        with self._database.write() as connection:
            now = self._database.now(connection)
            before = self._load(connection, source, now)
            failures = before.failures + 1
            if before.state == CLOSED and failures < threshold:
                after = Breaker(source, CLOSED, failures, reason=self._redact(reason))
            else:
                pause = min(pause_seconds * 2 ** max(0, min(failures - threshold, 20)), PAUSE_SECONDS_MAX)
                opened = before.opened_at or iso_of(now)
                after = Breaker(source, OPEN, failures, opened, iso_of(now + pause), self._redact(reason), may_try=False)
            self._save(connection, after)
        return after

    def source_succeeded(self, source: str) -> Breaker:
        """Close the breaker and forget its failures."""
        with self._database.read() as connection:
            known = connection.execute(select(breakers.c.source).where(breakers.c.source == source)).first()
        if known is not None:
            with self._database.write() as connection:
                connection.execute(delete(breakers).where(breakers.c.source == source))
        return Breaker(source)

    def breakers(self) -> tuple[Breaker, ...]:
        """The breakers of all sources that failed last, by name."""
        with self._database.read() as connection:
            now = self._database.now(connection)
            names = connection.execute(select(breakers.c.source).order_by(breakers.c.source)).scalars().all()
            return tuple(self._load(connection, name, now) for name in names)

    def _load(self, connection: Connection, source: str, now: float) -> Breaker:
        lock = select(breakers).where(breakers.c.source == source).with_for_update()
        row = connection.execute(lock).mappings().first()
        if row is None:
            return Breaker(source)
        due = row["next_try_at"] is None or row["next_try_at"] <= iso_of(now)
        return Breaker(**row, may_try=row["state"] == CLOSED or due)

    def _save(self, connection: Connection, breaker: Breaker) -> None:
        connection.execute(delete(breakers).where(breakers.c.source == breaker.source))
        values = {name: getattr(breaker, name) for name in breakers.columns.keys()}  # noqa: SIM118
        connection.execute(insert(breakers).values(**values))
