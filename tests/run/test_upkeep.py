"""Upkeep leaves alone what a run may still need."""

from __future__ import annotations

import os
import sqlite3
import time
from datetime import UTC, datetime, timedelta
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


def test_rule_08_staged_parquet_of_a_run_that_can_be_resumed_is_no_orphan(tmp_path: Path, python_process: Processes) -> None:
    """However old the run is: a file that no catalog row names yet goes only when nobody can take the run over."""
    (tmp_path / "models").mkdir()
    (tmp_path / "headgate.yml").write_text(CONFIG)
    (tmp_path / "models" / "a.sql").write_text("{{ config(materialized='table') }} select 1 as id")
    python_process.headgate("run", "--project", str(tmp_path), crash_at="run.before_publish").wait(60)
    (run,) = (p.name for p in (tmp_path / ".headgate" / "runs").iterdir())
    staged, orphan = (tmp_path / ".headgate" / "data" / "hg-stage" / name / "x.parquet" for name in (run, "nobody"))
    for file, days in ((staged, 9), (orphan, 11)):
        file.parent.mkdir(parents=True)
        file.write_bytes(b"PAR1")
        at = time.time() - days * 86_400
        os.utime(file, (at, at))
    with sqlite3.connect(tmp_path / ".headgate" / "state.db") as state:
        began = (datetime.now(UTC) - timedelta(days=10)).replace(tzinfo=None).isoformat(timespec="microseconds")
        state.execute("UPDATE runs SET started_at = ? WHERE run_id = ?", (began, run))
    with open_session(str(tmp_path)) as session:
        session.maintain()
        assert staged.exists() and not orphan.exists()
        session.run()
        session.maintain()
        assert not staged.exists()
