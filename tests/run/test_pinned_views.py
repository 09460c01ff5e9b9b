"""Pinned views show what stood when they were published, until they are published again (LAKE.md 13), on both catalogs."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest

from headgate.publish import pins
from headgate.publish.compact import expire
from headgate.publish.pins import pinned_sql, pinned_views
from headgate.publish.snapshots import needed
from headgate.run import publishing
from headgate.run.session import Session, open_session
from headgate.spec.errors import DeclarationError, LockHeld

CONFIG = """name: shop
lake: {{ catalog: "{catalog}", data: .headgate/data }}
state: "sqlite:///.headgate/state.db"
models: {{ shop: {{ +views: {views} }} }}
"""
TABLE = "{{{{ config(materialized='table') }}}}\nselect i as id, {mark} as mark from range({mark}) t(i)\n"
VIEWS = {
    # an alias, a CTE, a qualified column, a subquery, and a text that looks like a name of the lake
    "counted": """{{ config(materialized='view') }}
with all_of_them as (select n.mark, n.id from {{ ref('numbers') }} as n)
select mark, count(*) as n, (select max(numbers.mark) from {{ ref('numbers') }}) as top, '"lake"."main"."numbers"' as said
from all_of_them group by 1
""",
    "again": "{{ config(materialized='view') }}\nselect n as n_again from {{ ref('counted') }}\n",
}
CHECKS = """models:
  - name: counted
    columns: [{ name: n, data_tests: [{ accepted_values: { values: [1, 2, 3, 4, 5], quote: false } }] }]
"""


class Shop:
    def __init__(self, root: Path, catalog: str) -> None:
        self.root, self.catalog = root, catalog
        (root / "models").mkdir()
        for name, sql in VIEWS.items():
            (root / "models" / f"{name}.sql").write_text(sql)
        (root / "models" / "checks.yml").write_text(CHECKS)
        self.views("pinned")

    def views(self, how: str) -> None:
        (self.root / "headgate.yml").write_text(CONFIG.format(catalog=self.catalog, views=how))

    def run(self, mark: int, *selected: str) -> str:
        (self.root / "models" / "numbers.sql").write_text(TABLE.format(mark=mark))
        with open_session(str(self.root)) as session:
            return session.run(selected).status

    def open(self) -> Session:
        return open_session(str(self.root))


@pytest.fixture(params=["sqlite", "postgresql"])
def shop(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Shop]:
    catalog = "sqlite:.headgate/catalog.sqlite" if request.param == "sqlite" else request.getfixturevalue("pg_database")
    yield Shop(tmp_path, catalog)


def shown(session: Session, at: int | None = None) -> tuple[int, int, int, int]:
    """Rows of the table, and what the views say of it."""
    sql = "SELECT (SELECT count(*) FROM main.numbers) AS t, c.n AS v, c.top AS m, a.n_again AS a FROM main.counted AS c, main.again AS a"
    (row,) = session.query(sql, at=at).to_pylist()
    return row["t"], row["v"], row["m"], row["a"]


def test_rule_13_a_pinned_view_moves_when_it_is_published_and_stays_when_its_gate_fails(shop: Shop) -> None:
    assert shop.run(2) == "done"
    assert shop.run(3) == "done"
    with shop.open() as session:
        assert shown(session) == (3, 3, 3, 3)
        assert session.query("SELECT said FROM main.counted").to_pylist() == [{"said": '"lake"."main"."numbers"'}]
        assert set(pinned_views(session.lake)) == {"main.counted", "main.again"}
    assert shop.run(6) == "blocked"  # six rows fail the view's check: the table goes on without it
    with shop.open() as session:
        assert shown(session) == (6, 3, 3, 3)
        snapshot = session.lake.snapshot()
    assert shop.run(4) == "done"
    with shop.open() as session:
        assert shown(session) == (4, 4, 4, 4)
        assert shown(session, snapshot) == (6, 3, 3, 3)
        assert session.run().nothing_to_do


def test_rule_13_what_a_pinned_view_reads_does_not_expire(shop: Shop) -> None:
    assert (shop.run(2), shop.run(3), shop.run(6), shop.run(7)) == ("done", "done", "blocked", "blocked")
    with shop.open() as session:
        (pinned,) = pinned_views(session.lake)["main.counted"]
        keep = partial(needed, session.lake)
        expire(session.lake, author="t", older_than=timedelta(0), keep=keep, dry_run=False)
        sql = "SELECT snapshot_id FROM __ducklake_metadata_lake.ducklake_snapshot"
        kept = [r["snapshot_id"] for r in session.query(sql).to_pylist()]
        assert pinned in kept and pinned - 1 not in kept
        assert shown(session) == (7, 3, 3, 3)


def test_rule_13_the_moment_stands_in_for_the_number(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pinned view shows the same, and keeps its snapshot, when nobody came to write the snapshot's number into it."""

    def held(*_: object) -> None:
        raise LockHeld("the lock is held")

    with monkeypatch.context() as patch:
        patch.setattr(publishing, "number", held)
        assert (shop.run(2), shop.run(3)) == ("done", "done")
        with shop.open() as session:
            by_moment = pinned_views(session.lake)
            assert shown(session) == (3, 3, 3, 3)
        assert shop.run(6) == "blocked"
    with shop.open() as session:
        assert shown(session) == (6, 3, 3, 3)
        assert pinned_views(session.lake) == by_moment and all(len(at) == 1 for at in by_moment.values())
    assert shop.run(5) == "done"
    with shop.open() as session:
        assert shown(session) == (5, 5, 5, 5)
        assert "VERSION" in str(
            session.query("SELECT sql FROM __ducklake_metadata_lake.ducklake_view WHERE end_snapshot IS NULL").to_pylist()
        )


def test_rule_13_a_view_that_becomes_pinned_or_live_is_published_again_alone(shop: Shop) -> None:
    shop.views("live")
    assert shop.run(2) == "done"
    with shop.open() as session:
        assert not pinned_views(session.lake)
    shop.views("pinned")
    assert shop.run(6) == "blocked"  # it is not pinned yet: its table waits for it
    with shop.open() as session:
        assert shown(session) == (2, 2, 2, 2)
    assert shop.run(2) == "done"
    with shop.open() as session:
        assert len(pinned_views(session.lake)) == 2
        version = session.recorded().datasets["main.numbers"].version
    shop.views("live")
    assert shop.run(2) == "done"
    with shop.open() as session:
        assert not pinned_views(session.lake) and shown(session) == (2, 2, 2, 2)
        assert session.recorded().datasets["main.numbers"].version == version
    shop.views("frozen")
    with pytest.raises(DeclarationError, match="frozen"):
        shop.open()


def test_rule_13_only_names_of_the_lake_are_pinned(shop: Shop) -> None:
    assert shop.run(2) == "done"
    with shop.open() as session:
        cursor = session.lake.cursor()
        sql = (
            'SELECT a.id FROM "lake"."main"."numbers" AS a, "st"."main"."numbers" AS b, "lake"."main"."numbers" AT (VERSION => 3)'
        )
        assert pinned_sql(cursor, "lake", sql, "VERSION", "7").count("VERSION => 7") == 1
        with pytest.raises(pins.EngineFailed, match="cannot be pinned"):
            pinned_sql(cursor, "lake", "CREATE TABLE t (i INTEGER)", "VERSION", "7")
