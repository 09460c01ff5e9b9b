"""`HEADGATE_LOG`: the events of a call as log lines on standard error, with the ids that the state database has, and no other line."""

from __future__ import annotations

import json
import random
from pathlib import Path

from orders_world import World
from servers.processes import Processes


def test_events_are_log_lines_with_the_same_ids(tmp_path: Path, python_process: Processes) -> None:
    world = World.create(tmp_path / "orders")
    world.deliver(world.some_rows(random.Random(2), 9))
    done = python_process.headgate("run", "--project", str(world.root), "-o", "json", env={"HEADGATE_LOG": "json:debug"}).wait(60)
    run, lines = json.loads(done.expect(0).out), [json.loads(line) for line in done.err.splitlines()]
    with world.open() as session:
        events = session.state.events(run_id=run["run_id"])
    kept = sorted((e.kind, e.run_id, e.step, e.dataset, e.status) for e in events)
    told = sorted((r["event"], r["run_id"], r.get("step", ""), r.get("dataset", ""), r.get("status", "")) for r in lines)
    assert told == kept and {"run.started", "load.accepted", "step.finished", "dataset.published"} <= {k for k, *_ in kept}

    again = python_process.headgate("run", "--project", str(world.root), env={"HEADGATE_LOG": "text"}).wait(60).expect(0)
    assert [line.split()[2] for line in again.err.splitlines()] == ["run.started", "run.finished"]
    assert "Nothing to do" in again.out

    world.deliver([{**world.some_rows(random.Random(3), 1)[0], "status": "odd"}])
    blocked = (
        python_process.headgate("run", "--project", str(world.root), env={"HEADGATE_LOG": "json:warning"}).wait(60).expect(3)
    )
    serious = [json.loads(line) for line in blocked.err.splitlines()]
    assert {r["level"] for r in serious} == {"warning"} and "load.blocked" in {r["event"] for r in serious}


def test_a_style_that_there_is_not(tmp_path: Path, python_process: Processes) -> None:
    world = World.create(tmp_path / "orders")
    for said, expected in (("xml", "HEADGATE_LOG is 'xml'"), ("json:loud", "'loud' is no log level")):
        done = python_process.headgate("plan", "--project", str(world.root), env={"HEADGATE_LOG": said}).wait(60).expect(2)
        assert expected in done.err
