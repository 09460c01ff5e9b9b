"""Backfills, runs, reconciles and landings in any order, with overlapping ranges, late rows, and files in another version: the end is what
one run over all data gives (same window, same result)."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from days_world import COUNT, MODELS, Days
from headgate.run.session import Session
from headgate.spec.events import RunResult

HISTORIES = int(os.environ.get("HEADGATE_HISTORIES", "1"))
STEPS = 6 if HISTORIES == 1 else 12
BY_DAY = tuple(m for m in MODELS if m != "newest")


class History:
    """A random history of one project."""

    def __init__(self, days: Days, rnd: random.Random) -> None:
        self.days, self.rnd = days, rnd
        self.log: list[str] = []

    def step(self, session: Session) -> None:
        """Files come; then one of the things that somebody may do."""
        r = self.rnd
        for _ in range(r.choice((0, 1, 1, 2))):
            file = r.choice((*self.days.files, len(self.days.files) + 1, len(self.days.files) + 1))
            self.days.put(file, self.days.some_rows(r))
            self.log.append(f"file {file}: {self.days.files[file]}")
        doing = r.choice((self.run, self.run_some, self.land, self.backfill, self.backfill, self.reconcile, self.run_range))
        self.log.append(doing.__name__)
        result = doing(session)
        assert result.status == "done", [(s.dataset, s.status, s.reason) for s in result.steps if s.status == "failed"]

    def run(self, session: Session) -> RunResult:
        self.days.landed()
        return session.run(full_refresh=self.rnd.random() < 0.2)

    def run_some(self, session: Session) -> RunResult:
        some = tuple(self.rnd.sample(list(MODELS), 3))
        self.log.append(str(some))
        self.days.landed()
        return session.run(some)

    def land(self, session: Session) -> RunResult:
        self.days.landed()
        return session.land()

    def range(self) -> tuple[str, str]:
        first, last = sorted(self.rnd.sample(range(COUNT + 1), 2))
        self.log.append(f"[{first}, {last})")
        return str(self.days.day(first)), str(self.days.day(last))

    def backfill(self, session: Session) -> RunResult:
        model, rebuild = self.rnd.choice(BY_DAY), self.rnd.random() < 0.6
        self.log.append(f"{model}, rebuild {rebuild}")
        return session.backfill(model, *self.range(), rebuild=rebuild)

    def reconcile(self, session: Session) -> RunResult:
        return session.reconcile()

    def run_range(self, session: Session) -> RunResult:
        since, until = self.range()
        self.days.landed()
        return session.run(interval_from=since, interval_to=until)

    def end(self, session: Session) -> None:
        """After one more run everything but `held` is whole; `held` when it is built again; a reconcile and a second run change nothing."""
        assert self.run(session).status == "done"
        assert session.backfill("held", str(self.days.day(0)), str(self.days.day(COUNT)), rebuild=True).status == "done"
        self.check(session)
        before = stamped(session)
        assert session.reconcile().status == "done"
        assert session.run().status == "done"
        assert stamped(session) == before, "what was done again is not what it was"
        assert session.run(full_refresh=True).status == "done"
        self.check(session)

    def check(self, session: Session) -> None:
        wrong = {m: (self.days.found(session, m), self.days.expected(m)) for m in MODELS}
        said = [f"{m} holds\n  {found}, expected\n  {expected}" for m, (found, expected) in wrong.items() if found != expected]
        assert not said, "\n".join([*self.log, *said])


def stamped(session: Session) -> dict[str, list[str]]:
    """All tables with their audit columns."""
    return {m: sorted(repr(r) for r in session.query(f"select * from main.{m}").to_pylist()) for m in MODELS}


@pytest.mark.parametrize("seed", range(HISTORIES))
def test_any_order_ends_as_one_run_over_all_data(tmp_path: Path, seed: int) -> None:
    history = History(Days.create(tmp_path / "days"), random.Random(seed))
    with history.days.open() as session:
        assert session.run().status == "done"
        for _ in range(STEPS):
            history.step(session)
        history.end(session)
