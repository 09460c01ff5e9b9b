"""Two runs at once, readers beside a run, landings beside each other: correct, and no word of a locked database."""

from __future__ import annotations

import json
import os
import random
from pathlib import Path

import pytest

from batches_world import Batches, date
from orders_world import World
from servers.processes import Finished, Processes, Running

START = """
import sys
from pathlib import Path
from batches_world import Batches
from orders_world import MIXED, World
stop, polls = Path(sys.argv[2]), 0
"""
READER = (
    START
    + """
# By turns one statement over all tables, and a read transaction of several statements.
QUESTIONS = (
    "select coalesce(sum(orders), 0) from marts.mart_customer_orders",
    "select count(*) from staging.stg_orders",
    "select coalesce(sum(orders), 0) from marts.mart_customer_orders",
)
world = World(Path(sys.argv[1]))
with world.open() as session:
    cursor = session.lake.cursor()
    while not stop.exists():
        world.consistent(session)
        cursor.execute("BEGIN")
        said = [cursor.execute(q).fetchone()[0] for q in QUESTIONS]
        cursor.execute("ROLLBACK")
        assert len(set(said)) == 1, f"a read transaction saw a mix: {said}"
        polls += 1
print(polls)
"""
)
KEEPER = (
    START
    + """
# Upkeep without end: flush, merge, rewrite, expire, clean.
with World(Path(sys.argv[1])).open() as session:
    while not stop.exists():
        session.maintain(older_than_hours=0.01)
        polls += 1
print(polls)
"""
)
both_catalogs = pytest.mark.parametrize("catalog", ["sqlite", "postgresql"])


def quiet(done: Finished) -> None:
    """Nobody is ever shown a locked database."""
    assert "database is locked" not in f"{done.out}{done.err}"
    assert "Traceback" not in done.err, done.err


def start(processes: Processes, snippet: str, world: World | Batches, stop: Path) -> Running:
    """A process that goes on until `stop` exists, then says how often it went round."""
    env = {"PYTHONPATH": os.pathsep.join([str(Path(__file__).resolve().parents[1]), os.environ.get("PYTHONPATH", "")])}
    return processes.python(snippet, str(world.root), str(stop), env=env)


def rounds(process: Running) -> int:
    """How often a process went round that has been told to stop."""
    done = process.wait(120)
    quiet(done)
    return int(done.expect(0).out)


def ended(*running: Running) -> None:
    """All have ended well, and nobody was shown a locked database."""
    for process in running:
        done = process.wait(120)
        quiet(done)
        done.expect(0)


def dsn(catalog: str, request: pytest.FixtureRequest) -> str | None:
    return None if catalog == "sqlite" else request.getfixturevalue("pg_database")


def on(catalog: str, request: pytest.FixtureRequest, tmp_path: Path) -> World:
    return World.create(tmp_path / "orders", dsn(catalog, request))


@both_catalogs
def test_three_runs_at_once(catalog: str, request: pytest.FixtureRequest, tmp_path: Path, python_process: Processes) -> None:
    world, rnd = on(catalog, request, tmp_path), random.Random(7)
    for _ in range(2):
        world.deliver(world.some_rows(rnd, 30))
        ended(*(python_process.headgate("run", "--project", str(world.root)) for _ in range(3)))
        with world.open() as session:
            world.check(session)


@both_catalogs
def test_landings_of_the_same_files_at_once(
    catalog: str, request: pytest.FixtureRequest, tmp_path: Path, python_process: Processes
) -> None:
    world, rnd = on(catalog, request, tmp_path), random.Random(8)
    for _ in range(3):
        world.deliver(world.some_rows(rnd, 20))
    ended(*(python_process.headgate("land", "--project", str(world.root)) for _ in range(3)))
    with world.open() as session:
        assert session.query("select count(*) as n from raw.orders").to_pylist()[0]["n"] == len(world.delivered)


@both_catalogs
def test_a_landing_beside_runs(catalog: str, request: pytest.FixtureRequest, tmp_path: Path, python_process: Processes) -> None:
    world, rnd = on(catalog, request, tmp_path), random.Random(11)
    for _ in range(3):
        world.deliver(world.some_rows(rnd, 20))
        run = python_process.headgate("run", "--project", str(world.root))
        world.deliver(world.some_rows(rnd, 5))
        ended(python_process.headgate("land", "--project", str(world.root)), run)
    with world.open() as session:
        assert session.run().status == "done"
        world.check(session)


@both_catalogs
def test_readers_never_see_a_mix_while_runs_pass_and_fail(
    catalog: str, request: pytest.FixtureRequest, tmp_path: Path, python_process: Processes
) -> None:
    world, rnd = on(catalog, request, tmp_path), random.Random(9)
    world.deliver(world.some_rows(rnd, 20))
    with world.open() as session:
        session.run()
    stop = tmp_path / "stop"
    readers = [start(python_process, READER, world, stop) for _ in range(2)]
    for number in range(4):  # good, bad, good, bad: however long a run takes here
        world.deliver(world.some_rows(rnd, 15))
        bad = number % 2 == 1
        if bad:
            path = world.deliver([{**world.some_rows(rnd, 1)[0], "status": "no such status"}])
        done = python_process.headgate("run", "--project", str(world.root)).wait(60)
        quiet(done)
        done.expect(3 if bad else 0)
        if bad:
            world.delivered.pop()
            path.write_text(path.read_text().replace("no such status", "paid"))
            world.delivered.append(json.loads(path.read_text()))  # the repaired row counts again
    stop.touch()
    assert min(rounds(process) for process in readers) > 10, "the readers looked too seldom to prove anything"
    with world.open() as session:
        session.run()
        world.check(session)


@both_catalogs
def test_upkeep_beside_runs_and_readers(
    catalog: str, request: pytest.FixtureRequest, tmp_path: Path, python_process: Processes
) -> None:
    """Compaction, expiry and clean-up never stop, and nobody notices."""
    world, rnd = on(catalog, request, tmp_path), random.Random(12)
    world.deliver(world.some_rows(rnd, 20))
    with world.open() as session:
        session.run()
    stop = tmp_path / "stop"
    reader, keeper = (start(python_process, snippet, world, stop) for snippet in (READER, KEEPER))
    for _ in range(4):
        world.deliver(world.some_rows(rnd, 15))
        ended(python_process.headgate("run", "--project", str(world.root)))
    stop.touch()
    assert rounds(keeper) > 1 and rounds(reader) > 5, "they came round too seldom to prove anything"
    with world.open() as session:
        world.check(session)


@both_catalogs
def test_two_backfills_at_once(catalog: str, request: pytest.FixtureRequest, tmp_path: Path, python_process: Processes) -> None:
    """They overlap in half of their days; each day is built, and stands once."""
    world = Batches.create(tmp_path / "batches", 12, dsn(catalog, request))
    with world.open() as session:
        assert session.run(interval_from=date(0), interval_to=date(1)).status == "done"
    ranges = ((date(0), date(8)), (date(4), date(12)))
    ended(
        *(python_process.headgate("backfill", "daily", "--from", a, "--to", b, "--project", str(world.root)) for a, b in ranges)
    )
    with world.open() as session:
        assert world.stands(session) == set(range(12))


@both_catalogs
def test_a_dead_holder_is_released_at_once(
    catalog: str, request: pytest.FixtureRequest, tmp_path: Path, python_process: Processes
) -> None:
    world, rnd = on(catalog, request, tmp_path), random.Random(10)
    world.deliver(world.some_rows(rnd, 10))
    dead = python_process.headgate("run", "--project", str(world.root), crash_at="run.before_publish").wait(60)
    assert dead.killed
    # Its lease is good for 30 s more; whoever waits 5 s gets it, because the process that holds it is known to be gone.
    python_process.headgate("run", "--project", str(world.root), "--wait", "5").wait(60).expect(0)
    with world.open() as session:
        world.check(session)


@both_catalogs
def test_an_older_token_cannot_publish(catalog: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    from headgate.publish.publish import Bundle, publish
    from headgate.spec.errors import FenceLost
    from headgate.spec.names import Relation
    from headgate.spec.staged import REPLACE, RowCounts, Staged

    world = on(catalog, request, tmp_path)
    with world.open() as session:
        lake, relation = session.lake, Relation("marts", "t")
        workspace = lake.workspace("run-1")
        columns, _, rows_sql, _ = workspace.stage_query(relation, "select 1 as a")
        staged = Staged("marts.t", "model.p.t", relation, REPLACE, columns, rows_sql, rows_sql, counts=RowCounts(1, 1))
        publish(lake, Bundle((staged,), "run-2", 1, ("run:dev", 7)))
        with pytest.raises(FenceLost):
            publish(lake, Bundle((staged,), "run-1", 1, ("run:dev", 6)))
        workspace.discard()
        assert session.query("select count(*) as n from lake.headgate.publications").to_pylist() == [{"n": 1}]
