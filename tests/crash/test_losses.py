"""The disk is full, or the catalog's server drops every connection, in the middle of a run: the published tables are the old or the new
state, what is said is an error of ours, and the next run finishes the work."""

from __future__ import annotations

import random
import resource
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest

import headgate.land.commit
import headgate.publish.publish
from headgate.spec.errors import HeadgateError
from headgate.spec.events import RunResult
from killing import Tell, Work, in_child
from orders_world import World
from servers.postgres import PostgresServer

FINE, SAID = 0, 7
"""What the child tells: the run ended well all the same, or it said in our words what went wrong."""


def run(world: World, before: Callable[[], None]) -> Work:
    """A run in a world that `before` spoils."""

    def work(tell: Tell) -> None:
        try:
            with world.open() as session:
                assert session.lake.snapshot() >= 0
                before()
                result: RunResult = session.run()
            tell(FINE if result.status == "done" else SAID)
            assert result.status in ("done", "failed") and (result.status == "done" or result.reason)
        except HeadgateError as error:
            assert error.what, "an error without words"
            tell(SAID)

    return work


def recovery(world: World) -> Work:
    def work(tell: Tell) -> None:
        with world.open() as session:
            world.stands(session)
            assert session.run().status == "done"
            world.check(session)

    return work


@pytest.mark.parametrize("catalog", ["sqlite", "postgresql"])
def test_a_full_disk(catalog: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """No file may grow beyond so many bytes: little by little more of the run comes to pass."""
    dsn = None if catalog == "sqlite" else request.getfixturevalue("pg_database")
    world, rnd = World.create(tmp_path / "orders", dsn), random.Random(3)
    world.deliver(world.some_rows(rnd, 10))
    assert in_child(recovery(world)).code == 0
    said = []
    for size in (1_000, 20_000, 50_000, 100_000, 200_000, 400_000, 800_000):
        world.deliver(world.some_rows(rnd, 400, orders=4_000))

        def full(size: int = size) -> None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

        ended = in_child(run(world, full))
        assert ended.code == 0, f"with files of {size} bytes"
        said.append(ended.told)
        assert in_child(recovery(world)).code == 0, f"a disk that was full at {size} bytes left this behind"
    assert said[0] == SAID, "the disk was never full: this proves nothing"


LANDING = ("land.before_commit", "land.after_commit")
PUBLISHING = (
    "publish.after_begin",
    "publish.after_data",
    "publish.after_ledger",
    "publish.before_commit",
    "publish.after_commit",
)


@pytest.mark.parametrize("point", [*LANDING, *PUBLISHING])
def test_the_catalog_drops_all_connections(point: str, pg_database: str, postgres_server: PostgresServer, tmp_path: Path) -> None:
    world, rnd = World.create(tmp_path / "orders", pg_database), random.Random(4)
    world.deliver(world.some_rows(rnd, 10))
    assert in_child(recovery(world)).code == 0
    world.deliver(world.some_rows(rnd, 10))
    cut = []

    def point_passed(name: str) -> None:
        if name == point and not cut:
            cut.append(postgres_server.kill_backends(urlsplit(pg_database).path.strip("/")))

    def spoil() -> None:
        """The named points are where it happens; this is the child, and only its modules are changed."""
        for module in (headgate.land.commit, headgate.publish.publish):
            module.point = point_passed  # type: ignore[attr-defined]

    def work(tell: Tell) -> None:
        run(world, spoil)(tell)
        assert cut and cut[0] > 0, f"{point} was not reached, or nobody was connected"

    assert in_child(work).code == 0
    assert in_child(recovery(world)).code == 0
