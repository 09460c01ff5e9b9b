"""The process dies at random moments of landing, running, backfilling and upkeep, again and again on the same lake.

Every attempt begins by looking at what the last kill has left: so each kill is followed by the oracle's word on it. Kills are counted as they
happen, not as they are tried: HEADGATE_CRASHES (200) of them, on both catalogs. `make soak` asks for more.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from batches_world import Batches
from headgate.run.session import Session
from killing import Ended, Tell, Work, in_child
from orders_world import World

TOTAL = int(os.environ.get("HEADGATE_CRASHES", "200"))
ORDERS, BACKFILLS = TOTAL * 7 // 40, TOTAL * 3 // 40
"""Kills of one test: twice as many tests of the first kind, so that both catalogs get half of all."""
both_catalogs = pytest.mark.parametrize("catalog", ["sqlite", "postgresql"])
patient = pytest.mark.timeout(120 + 3 * TOTAL)
Action = Callable[[Session], None]


def dsn(catalog: str, request: pytest.FixtureRequest) -> str | None:
    return None if catalog == "sqlite" else request.getfixturevalue("pg_database")


class Killer:
    """Kills attempts at moments within the time that they take, until enough of them have died."""

    def __init__(self, seed: str, wanted: int) -> None:
        self.rnd, self.wanted, self.killed, self.tried = random.Random(seed), wanted, 0, 0
        self.seconds = 1.0
        """How long an attempt takes, more or less: less is learnt from attempts that end before they are killed."""

    @property
    def more(self) -> bool:
        assert self.tried < 4 * self.wanted + 20, "most attempts end before they are killed: this proves too little"
        return self.killed < self.wanted

    def strike(self, work: Work) -> Ended:
        """One attempt and, most often, its death. Every fourth may die already while it opens the project and looks around."""
        self.tried += 1
        ended = in_child(work, kill_after=self.rnd.uniform(0.0, self.seconds), from_start=self.tried % 4 == 1)
        assert ended.killed or ended.code == 0, f"attempt {self.tried}, after {self.killed} kills, failed: see its words below"
        self.killed += ended.killed
        self.seconds = min(5.0, self.seconds * 1.05) if ended.killed else max(0.2, self.seconds * 0.9)
        return ended


def run(session: Session) -> None:
    assert session.run().status == "done"


def resume(session: Session) -> None:
    assert session.run(resume=True).status == "done"


def land(session: Session) -> None:
    assert session.land().status == "done"


def maintain(session: Session) -> None:
    session.maintain(older_than_hours=0)


@patient
@both_catalogs
@pytest.mark.parametrize("chunk", [1, 2])
def test_landing_running_and_upkeep(chunk: int, catalog: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """The first attempts die over a lake that is not made yet. What has once been published never goes back."""
    world, killer = World.create(tmp_path / "orders", dsn(catalog, request)), Killer(f"orders{chunk}{catalog}", ORDERS)
    shown = 0
    while killer.more:
        world.deliver(world.some_rows(killer.rnd, 6))
        action = killer.rnd.choices([run, resume, land, maintain], [9, 5, 3, 2])[0]
        ended = killer.strike(_looked_at(world, action, shown))
        shown = max(shown, ended.told or 0)
        if ended.code == 0 and action in (run, resume):
            shown = world.files
    assert in_child(_looked_at(world, run, shown, then=world.check)).code == 0, "lost or doubled at the end"


def _looked_at(world: World, action: Action, shown: int, then: Action = lambda session: None) -> Work:
    def work(tell: Tell) -> None:
        with world.open() as session:
            now = world.stands(session)
            assert now >= shown, f"the models showed {shown} files and show {now}"
            tell(now)
            action(session)
            then(session)

    return work


@patient
@both_catalogs
def test_backfilling(catalog: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """Backfills of new days, of old ones again, and runs over an interval. Days that stood once never go."""
    world = Batches.create(tmp_path / "batches", 600, dsn(catalog, request))
    killer = Killer(f"batches{catalog}", BACKFILLS)
    asked, stood = 0, 0
    assert in_child(_built(world, 0, lambda session: world.build(session, range(2)), events=True)).code == 0
    while killer.more:
        begin = killer.rnd.randrange(max(0, asked - 6), asked + 2)  # the same again, the next, or one with a gap before it
        days = range(begin, begin + killer.rnd.randint(2, 10))
        rebuild = killer.rnd.random() < 0.25
        ended = killer.strike(_built(world, stood, lambda s, d=days, r=rebuild: world.build(s, d, rebuild=r)))  # type: ignore[misc]
        asked, stood = max(asked, days.stop), max(stood, ended.told or 0)

    def everything(session: Session) -> None:
        world.build(session, range(asked))
        assert world.stands(session) == set(range(asked)), "lost or doubled at the end"

    assert in_child(_built(world, stood, everything)).code == 0


def _built(world: Batches, stood: int, action: Action, *, events: bool = False) -> Work:
    def work(tell: Tell) -> None:
        with world.open() as session:
            if events:
                assert session.run(["events"]).status == "done"
            now = len(world.stands(session))
            assert now >= stood, f"{stood} days stood, {now} do now"
            tell(now)
            action(session)

    return work
