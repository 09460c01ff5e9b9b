"""What can be read and restored of a project's past, and what upkeep leaves of it (LAKE.md 12)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from headgate.run import reading
from headgate.run.readers import snapshots_held
from headgate.run.session import Session, open_session
from headgate.spec.errors import DeclarationError, UsageError

CONFIG = """name: shop
lake: {{ catalog: "{catalog}", data: .headgate/data }}
state: "sqlite:///.headgate/state.db"
retention: {retention}
"""
TABLE = "{{{{ config(materialized='table') }}}}\nselect i as id, {mark} as mark from range({mark}) t(i)\n"
VIEW = "{{ config(materialized='view') }}\nselect mark, count(*) as n from {{ ref('numbers') }} group by 1\n"


@pytest.fixture(params=["sqlite", "postgresql"])
def shop(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Session]:
    """A table in its third version, with n rows of mark n in its nth, and a view of it."""
    catalog = "sqlite:.headgate/catalog.sqlite" if request.param == "sqlite" else request.getfixturevalue("pg_database")
    (tmp_path / "models").mkdir()
    (tmp_path / "headgate.yml").write_text(CONFIG.format(catalog=catalog, retention=7))
    (tmp_path / "models" / "counted.sql").write_text(VIEW)
    for mark in (1, 2, 3):
        (tmp_path / "models" / "numbers.sql").write_text(TABLE.format(mark=mark))
        with open_session(str(tmp_path)) as session:
            assert session.run().status == "done"
    with open_session(str(tmp_path)) as session:
        yield session


def commits(session: Session) -> list[int]:
    """The snapshots of the table's publications, oldest first."""
    sql = "SELECT snapshot_id FROM lake.headgate.publications WHERE dataset = 'main.numbers' ORDER BY 1"
    return [int(r["snapshot_id"]) for r in session.query(sql).to_pylist()]


def test_rule_12_an_earlier_state_is_read_whole_and_held_meanwhile(shop: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second, _ = commits(shop)
    real, held = reading.query, []

    def query(*arguments: object) -> object:
        held.append(snapshots_held(shop.state))
        return real(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(reading, "query", query)
    question = "SELECT (SELECT count(*) FROM numbers) AS t, (SELECT sum(n) FROM main.counted) AS v, (SELECT max(mark) FROM lake.main.numbers) AS m"
    for at, n in ((first, 1), (str(second), 2), (None, 3)):
        assert shop.query(question, at=at).to_pylist() == [{"t": n, "v": n, "m": n}]
    assert held == [{first}, {second}, frozenset()]
    assert not snapshots_held(shop.state)
    with pytest.raises(UsageError, match="not kept any more"):
        shop.query(question, at=999)


def test_rule_12_upkeep_after_a_long_rest_leaves_what_restore_needs(shop: Session) -> None:
    first, second, third = commits(shop)
    cast = "" if "postgresql" in shop.project.lake.catalog else "::VARCHAR"
    old = f"(CAST(snapshot_time AS TIMESTAMPTZ) - INTERVAL 60 DAY){cast}"
    shop.lake.cursor().execute(f"UPDATE __ducklake_metadata_lake.ducklake_snapshot SET snapshot_time = {old}")
    (done,) = [m for m in shop.maintain() if m.task == "expire snapshots"]
    assert done.things >= 2
    assert shop.query("SELECT max(mark) AS m FROM numbers", at=third - 1).to_pylist() == [{"m": 2}]
    assert shop.restore("numbers", str(second)).status == "done"
    assert shop.query("SELECT max(mark) AS m FROM numbers").to_pylist() == [{"m": 2}]
    with pytest.raises(UsageError, match="not kept any more"):
        shop.restore("numbers", str(first))


def test_rule_12_a_retention_that_open_readers_would_feel_is_refused(tmp_path: Path) -> None:
    (tmp_path / "headgate.yml").write_text(CONFIG.format(catalog="sqlite:.headgate/catalog.sqlite", retention=0))
    with pytest.raises(DeclarationError, match="retention"):
        open_session(str(tmp_path))
