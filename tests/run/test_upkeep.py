"""Upkeep leaves alone what a run may still need."""

from __future__ import annotations

from pathlib import Path

from headgate.run.session import open_session
from servers.processes import Processes

CONFIG = """name: kept
lake: { catalog: "sqlite:.headgate/catalog.sqlite", data: .headgate/data }
state: "sqlite:///.headgate/state.db"
"""


def test_the_staging_of_a_run_that_can_be_resumed_stays(tmp_path: Path, python_process: Processes) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "headgate.yml").write_text(CONFIG)
    (tmp_path / "models" / "a.sql").write_text("{{ config(materialized='table') }} select 1 as id")
    dead = python_process.headgate("run", "--project", str(tmp_path), crash_at="run.before_publish").wait(60)
    assert dead.killed
    (staging,) = (tmp_path / ".headgate" / "runs").iterdir()
    with open_session(str(tmp_path)) as session:
        session.maintain(older_than_hours=0)
        assert (staging / "journal.jsonl").exists()
    python_process.headgate("run", "--resume", "--project", str(tmp_path)).wait(60).expect(0)
    with open_session(str(tmp_path)) as session:
        assert session.query("select id from main.a").to_pylist() == [{"id": 1}]
        assert not staging.exists()
