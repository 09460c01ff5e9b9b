"""Bytes are those of the files that a publication adds: in its event, and in what the plan expects of the next one."""

from __future__ import annotations

from pathlib import Path

import pytest

from headgate.run.session import open_session

CONFIG = """name: sized
lake: { catalog: "sqlite:.headgate/catalog.sqlite", data: .headgate/data }
state: "sqlite:///.headgate/state.db"
"""
MODEL = "{{{{ config(materialized='table') }}}}\nselect i as id, 'text {mark} ' || i as words from range({rows}) t(i)\n"


@pytest.mark.parametrize("rows", [50_000, 1_200_000])
def test_what_is_written_is_counted(tmp_path: Path, rows: int) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "headgate.yml").write_text(CONFIG)
    model = tmp_path / "models" / "sized.sql"
    for mark in ("first", "other"):
        model.write_text(MODEL.format(mark=mark, rows=rows))
        before = set((tmp_path / ".headgate").rglob("*.parquet"))
        with open_session(str(tmp_path)) as session:
            result = session.run()
            (event,) = [e for e in session.state.events(run_id=result.run_id) if e.kind == "dataset.published"]
        added = sum(f.stat().st_size for f in set((tmp_path / ".headgate").rglob("*.parquet")) - before)
        assert result.status == "done" and event.bytes == added > rows
    model.write_text(MODEL.format(mark="third", rows=rows))
    with open_session(str(tmp_path)) as session:
        (step,) = session.plan().steps
        assert step.estimate.bytes == pytest.approx(added, rel=0.05)
