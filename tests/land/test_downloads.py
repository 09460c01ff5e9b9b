"""What a killed landing leaves of its downloads stands where the clean-up looks, and goes with age."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from headgate.publish.clean import clean_staging
from headgate.run.session import open_session
from killing import in_child

CONFIG = """name: shop
lake: { catalog: "sqlite:.headgate/catalog.sqlite", data: .headgate/data }
state: "sqlite:///.headgate/state.db"
"""
SOURCE = """sources:
  - name: shop
    connector: files
    tables:
      - name: orders
        path: "in/*.json"
"""


def test_a_killed_landing_leaves_nothing_for_ever(tmp_path: Path) -> None:
    for folder in ("sources", "in"):
        (tmp_path / folder).mkdir()
    (tmp_path / "headgate.yml").write_text(CONFIG)
    (tmp_path / "sources" / "shop.yml").write_text(SOURCE)
    (tmp_path / "in" / "a.json").write_text('[{"id": 1}]')

    def work(tell: object) -> None:
        with open_session(str(tmp_path)) as session:
            session.run()

    assert in_child(work, crash_at="land.after_stage").killed
    left = [p for p in (tmp_path / ".headgate" / "runs").iterdir() if "-extract-" in p.name]
    assert len(left) == 1 and any(left[0].iterdir())
    with open_session(str(tmp_path)) as session:
        session.run()
        assert [p for p in (tmp_path / ".headgate" / "runs").iterdir() if "-extract-" in p.name] == left  # its own is gone
        lake = session.lake
        run_id = left[0].name.partition("-extract-")[0]
        clean_staging(lake, str(tmp_path), keep={run_id}, older_than=timedelta(0), dry_run=False)
        assert left[0].exists()
        clean_staging(lake, str(tmp_path), keep=set(), older_than=timedelta(0), dry_run=False)
        assert not left[0].exists()
