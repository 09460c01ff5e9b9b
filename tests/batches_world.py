"""A table by days as a small world with an oracle: whatever is built, and killed while it builds, a day stands whole and once, or not at all."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from headgate.run.session import Session, open_session

EVENTS_A_DAY = 5
BEGIN = datetime(2020, 1, 1)
CONFIG = """name: batches
lake: {{ catalog: '{catalog}', data: .headgate/data }}
state: 'sqlite:///.headgate/state.db'
"""
EVENTS = f"""{{{{ config(materialized='table', event_time='happened_at') }}}}
select i as id, timestamp '2020-01-01 01:00:00' + to_days((i // {EVENTS_A_DAY})::integer) as happened_at
from range({{days}} * {EVENTS_A_DAY}) t(i)
"""
DAILY = """{{{{ config(materialized='incremental', incremental_strategy='microbatch', event_time='happened_at', batch_size='day',
    begin='2020-01-01', end='{end}') }}}}
select id, happened_at from {{{{ ref('events') }}}}
"""


def date(day: int) -> str:
    """The date of day 0, 1, …"""
    return (BEGIN + timedelta(days=day)).date().isoformat()


@dataclass(frozen=True)
class Batches:
    """One project folder with `days` days of events."""

    root: Path
    days: int

    @staticmethod
    def create(root: Path, days: int, catalog: str | None = None) -> Batches:
        """A fresh project; with `catalog` on that catalog instead of SQLite."""
        (root / "models").mkdir(parents=True)
        (root / "headgate.yml").write_text(CONFIG.format(catalog=catalog or "sqlite:.headgate/catalog.sqlite"))
        (root / "models" / "events.sql").write_text(EVENTS.replace("{days}", str(days)))
        (root / "models" / "daily.sql").write_text(DAILY.format(end=date(days)))
        return Batches(root, days)

    def open(self) -> Session:
        """The project's session."""
        return open_session(str(self.root))

    def stands(self, session: Session) -> frozenset[int]:
        """What may stand after a kill at any moment: whole days, each once, and the interval ledger says the same. Returns the days."""
        if "main.daily" not in session.lake.relations():
            return frozenset()
        ids = sorted(r["id"] for r in session.query("select id from main.daily").to_pylist())
        days = frozenset(i // EVENTS_A_DAY for i in ids)
        assert ids == [day * EVENTS_A_DAY + n for day in sorted(days) for n in range(EVENTS_A_DAY)], "a day in part or twice"
        done = [d.interval.start for d in session.lake.recorded().datasets["main.daily"].intervals]
        recorded = {(datetime.fromisoformat(start).replace(tzinfo=UTC) - BEGIN.replace(tzinfo=UTC)).days for start in done}
        assert recorded == days, f"the ledger says days {sorted(recorded - days)} too many, {sorted(days - recorded)} too few"
        return days

    def build(self, session: Session, days: Collection[int], *, rebuild: bool = False) -> None:
        """Backfill from the first to the last of `days`."""
        assert session.backfill("daily", date(min(days)), date(max(days) + 1), rebuild=rebuild).status == "done"
