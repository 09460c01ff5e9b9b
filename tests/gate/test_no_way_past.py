"""No option of `headgate run` publishes what a hard check refuses. The options are read from the command itself, so a new one is tried too."""

from __future__ import annotations

import random
from pathlib import Path

import typer

from headgate.serve.cli import build_commands
from orders_world import World
from servers.processes import Processes


def switches() -> list[str]:
    """Every spelling of every boolean option of `headgate run`, the negative ones too."""
    app = typer.Typer()
    build_commands.register(app)
    group = typer.main.get_command(app)
    command = group.commands["run"]  # type: ignore[attr-defined]
    flags = [p for p in command.params if getattr(p, "is_flag", False)]
    return sorted(spelling for flag in flags for spelling in (*flag.opts, *flag.secondary_opts) if spelling.startswith("--"))


def test_no_switch_goes_past_a_failing_hard_check(tmp_path: Path, python_process: Processes) -> None:
    world, rnd = World.create(tmp_path / "orders"), random.Random(3)
    world.deliver(world.some_rows(rnd, 20))
    project = str(world.root)
    python_process.headgate("run", "--project", project).wait(60).expect(0)
    delivered = list(world.delivered)
    world.deliver([{**world.some_rows(rnd, 1)[0], "status": "no such status"}])
    tried = switches()
    assert {"--full-refresh", "--resume", "--no-land", "--fail-fast"} <= set(tried)
    for switch in ["", *tried]:
        done = python_process.headgate("run", "--project", project, *filter(None, [switch])).wait(60)
        assert done.code in (0, 3), f"{switch}: {done.err}"  # 0: it had nothing to do, or only showed the plan
        if switch == "":
            done.expect(3)
        world.delivered, now = delivered, world.delivered
        with world.open() as session:
            rows = session.query("select order_id, status from staging.stg_orders").to_pylist()
            assert {r["order_id"]: r["status"] for r in rows} == {k: v[1] for k, v in world.newest().items()}, switch
            world.consistent(session)
        world.delivered = now
