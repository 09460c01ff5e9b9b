"""Kill it anywhere: at every named point and at random moments. After every kill nothing is mixed; after recovery nothing is lost or doubled.

Each run happens in a forked child, so that a kill costs no import. The parent never opens the lake.
"""

from __future__ import annotations

import os
import random
import signal
import time
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest

import headgate.run.session  # imported before forking: the children begin warm
from headgate.spec.crash import POINTS
from orders_world import World

TOTAL = int(os.environ.get("HEADGATE_CRASHES", "200"))
CHUNKS = 8
CATALOGS = ("sqlite", "postgresql")
assert headgate.run.session

LAND_AND_RUN = [p for p in POINTS if p.split(".")[0] in ("land", "run", "publish")]


def forked(work: Callable[[], None], *, kill_after: float | None = None, crash_at: str | None = None) -> int:
    """Do `work` in a child; returns its exit code, negative for a signal. With `kill_after` (seconds) it gets SIGKILL then."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            if crash_at is not None:
                os.environ["HEADGATE_CRASH_AT"] = crash_at
            work()
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    if kill_after is not None:
        deadline = time.monotonic() + kill_after
        while time.monotonic() < deadline:
            done, status = os.waitpid(pid, os.WNOHANG)
            if done:
                return os.waitstatus_to_exitcode(status)
            time.sleep(0.002)
        os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status)


def world_on(catalog: str, request: pytest.FixtureRequest, tmp_path: Path) -> World:
    return World.create(tmp_path / "orders", None if catalog == "sqlite" else request.getfixturevalue("pg_database"))


def run(world: World, *, resume: bool = False) -> Callable[[], None]:
    def work() -> None:
        with world.open() as session:
            assert session.run(resume=resume).status == "done"

    return work


def consistent(world: World) -> Callable[[], None]:
    def work() -> None:
        with world.open() as session:
            world.consistent(session)

    return work


def checked(world: World) -> Callable[[], None]:
    def work() -> None:
        with world.open() as session:
            world.check(session)

    return work


@pytest.mark.parametrize("catalog", CATALOGS)
@pytest.mark.parametrize("point", LAND_AND_RUN)
def test_every_named_point(point: str, catalog: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """The process dies there, in the first run and in an increment; recovery resumes every second time."""
    world, rnd = world_on(catalog, request, tmp_path), random.Random(point)
    for round_number in range(2):
        world.deliver(world.some_rows(rnd, 12))
        assert forked(run(world), crash_at=point) == -signal.SIGKILL, f"{point} was not reached"
        assert forked(consistent(world)) == 0, f"a mix after a kill at {point}"
        if round_number == 1:
            world.deliver(world.some_rows(rnd, 5))  # what a crashed run has published is no reason to overlook what came since
        assert forked(run(world, resume=round_number == 1)) == 0
        assert forked(checked(world)) == 0, f"lost or doubled after a kill at {point}"


@pytest.mark.parametrize("catalog", CATALOGS)
@pytest.mark.parametrize("chunk", range(CHUNKS // 2))
def test_random_moments(chunk: int, catalog: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """Kills at random moments of landing, building and publishing, one after another on the same lake, with new deliveries between."""
    world, rnd = world_on(catalog, request, tmp_path), random.Random(f"{chunk}{catalog}")
    world.deliver(world.some_rows(rnd, 10))
    began = time.monotonic()
    assert forked(run(world)) == 0
    usual, killed = time.monotonic() - began, 0
    for kill in range(TOTAL // CHUNKS):
        world.deliver(world.some_rows(rnd, 6))
        killed += forked(run(world, resume=kill % 3 == 0), kill_after=rnd.uniform(0.01, usual)) == -signal.SIGKILL
        if kill % 5 == 0:
            assert forked(consistent(world)) == 0, f"a mix after kill {kill}"
        if kill % 8 == 7:
            assert forked(run(world)) == 0
            assert forked(checked(world)) == 0, f"lost or doubled by kill {kill}"
    assert forked(run(world)) == 0
    assert forked(checked(world)) == 0
    assert killed >= TOTAL // CHUNKS // 3, "most runs ended before they were killed: this proves too little"


@pytest.mark.parametrize("point", ["restore.before_commit", "clean.before_delete", "clean.after_delete"])
def test_repair_and_upkeep(point: str, tmp_path: Path) -> None:
    world, rnd = World.create(tmp_path / "orders"), random.Random(1)
    world.deliver(world.some_rows(rnd, 10))
    assert forked(run(world)) == 0

    def mend() -> None:
        with world.open() as session:
            if point.startswith("restore"):
                session.restore("mart_customer_orders", str(session.lake.snapshot()))
            else:
                session.maintain(older_than_hours=0)

    assert forked(mend, crash_at=point) == -signal.SIGKILL, f"{point} was not reached"
    assert forked(checked(world)) == 0
    assert forked(mend) == 0
    assert forked(checked(world)) == 0


def test_every_point_is_tried_somewhere() -> None:
    tried = {*LAND_AND_RUN, "restore.before_commit", "clean.before_delete", "clean.after_delete", "backfill.after_interval"}
    assert tried == set(POINTS)
