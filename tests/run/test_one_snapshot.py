"""Answers that take several statements are of one snapshot, and a restore believes its publication alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from headgate.ports.engine import Cursor
from headgate.run.session import Session, StillSession, open_session
from headgate.serve.answers.differences import difference
from headgate.spec.errors import LakeConflict

CONFIG = """name: shop
lake: {{ catalog: "{catalog}", data: .headgate/data }}
state: "sqlite:///.headgate/state.db"
"""
MODEL = "{{{{ config(materialized='table', grain=['id']) }}}}\nselect i as id, {mark} as mark from range({rows}) t(i)\n"


@pytest.fixture(params=["sqlite", "postgresql"])
def shop(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Session]:
    catalog = "sqlite:.headgate/catalog.sqlite" if request.param == "sqlite" else request.getfixturevalue("pg_database")
    (tmp_path / "models").mkdir()
    (tmp_path / "headgate.yml").write_text(CONFIG.format(catalog=catalog))
    for mark, rows in ((1, 5), (2, 7)):
        (tmp_path / "models" / "numbers.sql").write_text(MODEL.format(mark=mark, rows=rows))
        with open_session(str(tmp_path)) as session:
            assert session.run().status == "done"
    with open_session(str(tmp_path)) as session:
        yield session


def test_a_writer_between_its_statements_does_not_mix_a_diff(shop: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    real, asked = StillSession.query, []

    def query(self: StillSession, sql: str) -> Any:
        asked.append(sql)
        with shop.lake.transaction(["main.numbers"], author="other", message="a writer") as cursor:
            cursor.execute(f"INSERT INTO lake.main.numbers VALUES ({1000 + len(asked)}, 9)")
        return real(self, sql)

    monkeypatch.setattr(StillSession, "query", query)
    told = difference(shop, "numbers")
    assert len(asked) > 3
    assert (told.rows_before, told.rows_after, told.added, told.removed, told.changed) == (5, 7, 2, 0, 5)


def test_a_restore_whose_commit_did_not_take_place_says_so(shop: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    real = type(shop.lake).transaction

    @contextmanager
    def lying(self: Any, tables: Any, *, author: str, message: str) -> Iterator[Cursor]:
        with real(self, tables, author=author, message=message) as cursor:
            yield cursor
            cursor.execute("ROLLBACK")
            cursor.execute("BEGIN")

    first = shop.query(
        "select min(snapshot_id) as id from __ducklake_metadata_lake.ducklake_snapshot_changes where changes_made like '%numbers%'"
    )
    snapshot = str(first.to_pylist()[0]["id"])
    with monkeypatch.context() as patched:
        patched.setattr(type(shop.lake), "transaction", lying)
        with pytest.raises(LakeConflict, match="did not take place"):
            shop.restore("numbers", to=snapshot)
    assert shop.query("select count(*) as n from main.numbers").to_pylist() == [{"n": 7}]
    shop.restore("numbers", to=snapshot)
    assert shop.query("select count(*) as n from main.numbers").to_pylist() == [{"n": 5}]
