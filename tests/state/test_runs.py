"""Runs, steps, verdicts, breakers, mirror: what is written is what is read."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

from headgate.spec.events import StepResult
from headgate.spec.ids import uuid7
from headgate.spec.names import Column
from headgate.spec.recorded import DoneInterval, Recorded, RecordedDataset
from headgate.spec.staged import Interval, RowCounts
from headgate.spec.verdicts import Verdict
from headgate.state import State, open_state
from headgate.state.process import Process
from headgate.state.recorded_json import recorded_from_json, recorded_to_json


def start(state: State, run_id: str = "", environment: str = "dev", process: Process | None = None) -> str:
    run_id = run_id or uuid7()
    state.start_run(run_id, project="shop", environment=environment, command="run", args=["-s", "x"], process=process)
    return run_id


def test_a_run_from_start_to_end(state: State) -> None:
    run_id = start(state)
    row = state.run(run_id)
    assert row is not None and (row.status, row.args, row.pid) == ("running", ["-s", "x"], os.getpid())
    state.beat_run(run_id)
    state.step_finished(run_id, StepResult("model.p.a", "m.a", "failed", "the network"))
    state.step_finished(run_id, StepResult("model.p.a", "m.a", "done", rows=3, seconds=0.5, version="v"), attempt=2)
    state.step_finished(run_id, StepResult("model.p.b", "m.b", "skipped", "m.a is blocked"))
    state.finish_run(run_id, "done", seconds=1.5, snapshot=7)
    row = state.run(run_id)
    assert row is not None and (row.status, row.seconds, row.snapshot, row.resumable) == ("done", 1.5, 7, False)
    steps = [(s.unique_id, s.status, s.attempt, s.rows, s.version, s.reason) for s in state.steps(run_id)]
    assert steps == [("model.p.a", "done", 2, 3, "v", ""), ("model.p.b", "skipped", 1, 0, None, "m.a is blocked")]
    assert state.run("nothing") is None


def test_lists_are_newest_first_and_page(state: State) -> None:
    ids = [f"01-{n}" for n in range(5)]
    for n, run_id in enumerate(ids):
        start(state, run_id, "prod" if n % 2 else "dev")
        state.finish_run(run_id, "failed" if n == 3 else "done")
    assert [r.run_id for r in state.runs(limit=2)] == ["01-4", "01-3"]
    assert [r.run_id for r in state.runs(before="01-3", limit=2)] == ["01-2", "01-1"]
    assert [r.run_id for r in state.runs(environment="prod")] == ["01-3", "01-1"]
    assert [r.run_id for r in state.runs(status="failed")] == ["01-3"]


DIE = """
import sys, time
from headgate.state import open_state
open_state(sys.argv[1]).start_run("01-dead", project="p", environment="dev", command="run")
print("on", flush=True)
time.sleep(60)
"""


def test_a_killed_run_is_closed_and_can_be_resumed(state: State, state_url: str) -> None:
    victim = subprocess.Popen([sys.executable, "-c", DIE, state_url], stdout=subprocess.PIPE, text=True)
    assert victim.stdout is not None and victim.stdout.readline() == "on\n"
    assert state.close_dead_runs() == ()
    os.kill(victim.pid, signal.SIGKILL)
    victim.wait()
    row = state.last_unfinished_run("dev")
    assert row is not None and (row.run_id, row.status, row.resumable) == ("01-dead", "interrupted", True)
    assert "ended without a word" in row.reason
    state.save_plan("01-dead", '{"steps": []}')
    start(state, "01-dead")  # resumed: the same run again
    assert state.last_unfinished_run("dev") is None
    state.finish_run("01-dead", "done")
    assert state.last_unfinished_run("dev") is None


def test_a_silent_run_of_another_host_is_closed_late(state: State) -> None:
    run_id = start(state, process=Process("elsewhere", 1))
    assert state.close_dead_runs() == ()
    state._database.now = lambda connection: time.time() + 121  # type: ignore[method-assign]
    assert [r.run_id for r in state.close_dead_runs()] == [run_id]


def test_verdicts_come_back_whole(state: State) -> None:
    verdict = Verdict(
        "test.p.unique", "unique_id", "m.a", "block", 2, 10, "delta", "id", "2 ids twice", ({"id": 1, "n": 2},), "select 1", 0.1
    )
    state.save_verdicts("r1", [verdict, Verdict("x", "x", "m.b", "pass")])
    state.save_verdicts("r2", [])
    (kept,) = state.verdicts(dataset="m.a")
    assert (kept.run_id, kept.verdict) == ("r1", verdict)
    assert [k.verdict.dataset for k in state.verdicts(run_id="r1")] == ["m.b", "m.a"]
    assert [k.verdict.name for k in state.verdicts(outcome="block", limit=5)] == ["unique_id"]


def test_a_breaker_opens_tries_and_closes(state: State) -> None:
    clock = [1000.0]
    state._database.now = lambda connection: clock[0]  # type: ignore[method-assign]
    for _ in range(2):
        assert state.source_failed("shop", "503", threshold=3, pause_seconds=10).state == "closed"
    assert state.source_failed("shop", "503", threshold=3, pause_seconds=10).state == "open"
    assert not state.ask_source("shop").may_try
    clock[0] += 10
    assert (state.breaker("shop").state, state.breaker("shop").may_try) == ("open", True)
    trial = state.ask_source("shop")
    assert (trial.state, trial.may_try, trial.failures) == ("half_open", True, 3)
    assert not state.ask_source("shop").may_try  # one caller is let through, not two
    again = state.source_failed("shop", "503", threshold=3, pause_seconds=10)
    assert (again.state, again.next_try_at, again.opened_at) == (
        "open",
        "1970-01-01T00:17:10.000000",
        "1970-01-01T00:16:40.000000",
    )
    clock[0] += 20
    assert state.ask_source("shop").may_try
    assert [b.source for b in state.breakers()] == ["shop"]
    assert state.source_succeeded("shop").state == "closed"
    assert (state.breaker("shop").failures, state.breakers()) == (0, ())


JANUARY = Interval("2013-01-01T00:00:00", "2013-02-01T00:00:00")
TABLE = RecordedDataset(
    "m.a",
    "model.p.a",
    "table",
    "v1",
    code_fingerprint="c1",
    code={"sql": "select 'ü'"},
    columns=(Column("id", "INTEGER", False),),
    inputs={"raw.t": "l1"},
    rows=10,
    counts=RowCounts(12, 10, 2),
    published_at="2013-01-01T00:00:00",
    run_id="r1",
    seconds=1.5,
    intervals=(DoneInterval(JANUARY, "c1", {"raw.t": "l1"}, "v1", "2013-02-02", 10, 0.5),),
    stale_reason="blocked",
    materialized="incremental",
)
RECORDED = Recorded(7, {"m.a": TABLE, "raw.t": RecordedDataset("raw.t", "source.p.s.t", "raw", None)})


def test_the_ledger_goes_through_json_and_the_mirror(state: State) -> None:
    assert recorded_from_json(recorded_to_json(RECORDED)) == RECORDED
    assert state.load_mirror("lake", 7) is None
    state.save_mirror("lake", 7, RECORDED)
    assert state.load_mirror("lake", 7) == RECORDED
    assert state.load_mirror("lake", 8) is None
    state.save_mirror("lake", 6, Recorded(6))
    assert state.load_mirror("lake", 7) == RECORDED  # an older reading does not replace it
    state.forget_mirror()
    assert state.load_mirror("lake", 7) is None


def test_pruning_keeps_what_is_young_or_running(state: State) -> None:
    for run_id, at, status in (("01-a", "2013-01-01", "done"), ("01-b", "2013-01-01", ""), ("01-c", "2014-01-01", "done")):
        state.start_run(run_id, project="p", environment="dev", command="run", started_at=at)
        state.step_finished(run_id, StepResult("model.p.a", "m.a", "done"))
        if status:
            state.finish_run(run_id, status)
    state.save_verdicts("01-a", [Verdict("x", "x", "m.a", "pass")], at="2013-01-01")
    assert state.prune("2013-06-01") == {"events": 0, "verdicts": 1, "runs": 1, "steps": 1}
    assert [r.run_id for r in state.runs()] == ["01-c", "01-b"]


def test_secrets_never_reach_the_tables(state_url: str) -> None:
    with open_state(state_url, redact=lambda text: text.replace("hunter2", "***")) as state:
        state.start_run("r", project="p", environment="dev", command="run", args=["--password", "hunter2"])
        state.finish_run("r", "failed", "login with hunter2 failed")
        state.save_verdicts(
            "r", [Verdict("x", "x", "m.a", "block", message="hunter2", sample=({"p": "hunter2"},), sql="'hunter2'")]
        )
        state.source_failed("s", "hunter2")
        seen = repr((state.runs(), state.verdicts(), state.breakers()))
        assert "hunter2" not in seen and seen.count("***") == 6
