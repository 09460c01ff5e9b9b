"""The process dies at every named point. After each kill nothing is mixed; after recovery nothing is lost or doubled.

Which points a test tries is said by its parameter `point` alone, and a point that is not reached fails the test. The last test compares
what is tried here with what the product names and passes.
"""

from __future__ import annotations

import ast
import random
from pathlib import Path

import pytest

import headgate
from batches_world import Batches
from headgate.run.session import Session
from headgate.spec.crash import POINTS
from killing import Tell, Work, in_child
from orders_world import World

both_catalogs = pytest.mark.parametrize("catalog", ["sqlite", "postgresql"])
every_catalog = pytest.mark.parametrize("catalog", ["sqlite", "postgresql", "duckdb"])
LAND = ("land.before_stage", "land.after_stage", "land.after_gate", "land.before_commit", "land.after_commit")
STEP = ("run.before_step", "run.after_stage", "run.after_gate")
PUBLISH = (
    "run.before_publish",
    "publish.after_begin",
    "publish.after_data",
    "publish.after_ledger",
    "publish.before_commit",
    "publish.after_commit",
    "run.after_publish",
)


def dsn(catalog: str, request: pytest.FixtureRequest) -> str | None:
    if catalog == "duckdb":
        return "duckdb:shop.duckdb"
    return None if catalog == "sqlite" else request.getfixturevalue("pg_database")


def run(world: World, *, recovers: bool, resume: bool = False) -> Work:
    """One run; one that recovers looks first at what the kill has left, and at everything when it is done."""

    def work(tell: Tell) -> None:
        with world.open() as session:
            if recovers:
                world.stands(session)
            assert session.run(resume=resume).status == "done"
            if recovers:
                world.check(session)

    return work


@every_catalog
@pytest.mark.parametrize("point", [*LAND, *STEP, *PUBLISH])
def test_landing_and_running(point: str, catalog: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """In the first run and in an increment; of the steps the first and a later one; recovery runs anew, then resumes."""
    world, rnd = World.create(tmp_path / "orders", dsn(catalog, request)), random.Random(point)
    for number in range(2):
        world.deliver(world.some_rows(rnd, 12))
        passage = f"{point}:{number + 1}" if point in STEP else point
        assert in_child(run(world, recovers=False), crash_at=passage).killed, f"{passage} was not reached"
        if number == 1:
            world.deliver(world.some_rows(rnd, 5))  # what a crashed run has published is no reason to overlook what came since
        assert in_child(run(world, recovers=True, resume=number == 1)).code == 0, f"a kill at {passage} left this behind"


@both_catalogs
@pytest.mark.parametrize("passage", [1, 2, 3])
@pytest.mark.parametrize("point", ["backfill.after_interval"])
def test_backfilling(point: str, passage: int, catalog: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """Fourteen days: the first two by a run; of the other twelve the canary, six and five, each a commit to die after."""
    world = Batches.create(tmp_path / "batches", 14, dsn(catalog, request))

    def first(tell: Tell) -> None:
        with world.open() as session:
            assert session.run(interval_from="2020-01-01", interval_to="2020-01-03").status == "done"
            assert world.stands(session) == {0, 1}

    def backfill(tell: Tell) -> None:
        with world.open() as session:
            tell(len(world.stands(session)))
            world.build(session, range(14))
            assert world.stands(session) == set(range(14)), "lost or doubled after recovery"

    assert in_child(first).code == 0
    assert in_child(backfill, crash_at=f"{point}:{passage}").killed, "the point was not reached"
    recovered = in_child(backfill)
    assert (recovered.code, recovered.told) == (0, {1: 3, 2: 9, 3: 14}[passage]), "whole intervals, each once, and no others"
    assert in_child(backfill).told == 14, "a backfill with nothing missing changes nothing"


def restore(session: Session) -> None:
    session.restore("stg_orders", str(session.lake.snapshot()))


def maintain(session: Session) -> None:
    session.maintain(older_than_hours=0)


@both_catalogs
@pytest.mark.parametrize("point", ["restore.before_commit", "clean.before_delete", "clean.after_delete"])
def test_repair_and_upkeep(point: str, catalog: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """A restore to the state of now and a clean-up die, and are done again; tables and the runs after them do not notice."""
    world, rnd = World.create(tmp_path / "orders", dsn(catalog, request)), random.Random(1)
    mend = restore if point.startswith("restore") else maintain
    world.deliver(world.some_rows(rnd, 10))
    assert in_child(run(world, recovers=True)).code == 0

    def work(tell: Tell) -> None:
        with world.open() as session:
            world.check(session)
            mend(session)
            world.check(session)

    assert in_child(work, crash_at=point).killed, f"{point} was not reached"
    assert in_child(work).code == 0
    world.deliver(world.some_rows(rnd, 10))
    assert in_child(run(world, recovers=True)).code == 0


def tried() -> set[str]:
    """The values of the parameter `point` of all tests here."""
    marks = [m for test in list(globals().values()) for m in getattr(test, "pytestmark", ()) if m.name == "parametrize"]
    return {point for mark in marks if mark.args[0] == "point" for point in mark.args[1]}


def passed() -> set[str]:
    """The points that the product's code passes: `point("…")` in its sources."""
    trees = [ast.parse(path.read_text()) for path in Path(headgate.__file__).parent.rglob("*.py")]
    calls = [n for tree in trees for n in ast.walk(tree) if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)]
    return {str(ast.literal_eval(c.args[0])) for c in calls if c.func.id == "point" and c.args}  # type: ignore[attr-defined]


def test_every_point_that_the_product_passes_is_tried() -> None:
    assert passed() == set(POINTS), "a point is named and nowhere passed, or passed and not named"
    assert tried() == set(POINTS), "a point is not tried by a test of this file"
