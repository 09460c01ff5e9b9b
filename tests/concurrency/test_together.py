"""Two runs at once, readers beside a run, landings beside each other: correct, and no word of a locked database."""

from __future__ import annotations

import json
import random
import time
from pathlib import Path

import pytest

from orders_world import World
from servers.processes import Processes, Running

READER = """
import sys
from headgate.run.session import open_session
from orders_world import World
from pathlib import Path
world = World(Path(sys.argv[1]))
stop, polls = Path(sys.argv[2]), 0
with world.open() as session:
    while not stop.exists():
        world.consistent(session)
        polls += 1
print(polls)
"""


def quiet(done: object) -> None:
    """Nobody is ever shown a locked database."""
    assert "database is locked" not in f"{done.out}{done.err}"  # type: ignore[attr-defined]
    assert "Traceback" not in done.err, done.err  # type: ignore[attr-defined]


def reader(processes: Processes, world: World, stop: Path) -> Running:
    """A process that asks until `stop` exists."""
    env = {"PYTHONPATH": str(Path(__file__).resolve().parents[1])}
    return processes.python(READER, str(world.root), str(stop), env=env)


def on(catalog: str, request: pytest.FixtureRequest, tmp_path: Path) -> World:
    return World.create(tmp_path / "orders", None if catalog == "sqlite" else request.getfixturevalue("pg_database"))


@pytest.mark.parametrize("catalog", ["sqlite", "postgresql"])
def test_three_runs_at_once(catalog: str, request: pytest.FixtureRequest, tmp_path: Path, python_process: Processes) -> None:
    world, rnd = on(catalog, request, tmp_path), random.Random(7)
    for _ in range(2):
        world.deliver(world.some_rows(rnd, 30))
        running = [python_process.headgate("run", "--project", str(world.root)) for _ in range(3)]
        for process in running:
            done = process.wait(120)
            quiet(done)
            done.expect(0)
        with world.open() as session:
            world.check(session)


@pytest.mark.parametrize("catalog", ["sqlite", "postgresql"])
def test_landings_of_the_same_files_at_once(
    catalog: str, request: pytest.FixtureRequest, tmp_path: Path, python_process: Processes
) -> None:
    world, rnd = on(catalog, request, tmp_path), random.Random(8)
    for _ in range(3):
        world.deliver(world.some_rows(rnd, 20))
    running = [python_process.headgate("land", "--project", str(world.root)) for _ in range(3)]
    for process in running:
        done = process.wait(120)
        quiet(done)
        done.expect(0)
    with world.open() as session:
        assert session.query("select count(*) as n from raw.orders").to_pylist()[0]["n"] == len(world.delivered)


def test_readers_never_see_a_mix_while_runs_pass_and_fail(tmp_path: Path, python_process: Processes) -> None:
    world, rnd = World.create(tmp_path / "orders"), random.Random(9)
    world.deliver(world.some_rows(rnd, 20))
    with world.open() as session:
        session.run()
    stop = tmp_path / "stop"
    readers = [reader(python_process, world, stop) for _ in range(2)]
    for rounds in range(4):  # good, bad, good, bad: however long a run takes here
        world.deliver(world.some_rows(rnd, 15))
        bad = rounds % 2 == 1
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
    for process in readers:
        done = process.wait(60).expect(0)
        assert int(done.out) > 20, "the readers looked too seldom to prove anything"
    with world.open() as session:
        session.run()
        world.check(session)


def test_a_dead_holder_is_released_at_once(tmp_path: Path, python_process: Processes) -> None:
    world, rnd = World.create(tmp_path / "orders"), random.Random(10)
    world.deliver(world.some_rows(rnd, 10))
    dead = python_process.headgate("run", "--project", str(world.root), crash_at="run.before_publish").wait(60)
    assert dead.killed
    began = time.monotonic()
    python_process.headgate("run", "--project", str(world.root), "--wait", "5").wait(60).expect(0)
    assert time.monotonic() - began < 20
    with world.open() as session:
        world.check(session)


def test_an_older_token_cannot_publish(tmp_path: Path) -> None:
    from headgate.publish.publish import Bundle, publish
    from headgate.spec.errors import FenceLost
    from headgate.spec.names import Relation
    from headgate.spec.staged import REPLACE, RowCounts, Staged

    world = World.create(tmp_path / "orders")
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
