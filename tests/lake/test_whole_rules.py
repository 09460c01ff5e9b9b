"""The rules of landing, mirror and types that show on a whole project (LAKE.md 5, 15, 16, 19, 20), on both catalogs."""

from __future__ import annotations

import random
from importlib.metadata import requires
from pathlib import Path

import pytest
from lake_bench import Bench, build

from headgate.publish.compact import compact
from headgate.run.session import Session
from headgate.spec.errors import WorldError
from headgate.spec.names import Relation
from headgate.spec.staged import APPEND
from orders_world import World


@pytest.fixture(params=["sqlite", "postgresql"])
def orders(request: pytest.FixtureRequest, tmp_path: Path) -> World:
    dsn = None if request.param == "sqlite" else request.getfixturevalue("pg_database")
    return World.create(tmp_path / "orders", dsn)


def one(session: Session, sql: str) -> object:
    return next(iter(session.query(sql).to_pylist()[0].values()))


def test_rule_05_one_transaction_writes_one_database(bench: Bench) -> None:
    """The engine itself refuses the second database; what was written to the first goes with it."""
    build(bench, "r0", "m.a", "SELECT 1 AS i")
    workspace = bench.lake.workspace("r1")
    workspace.stage_query(Relation.parse("m.b"), "SELECT 2 AS i")
    refused = pytest.raises(WorldError, match="single attached database")
    with refused, bench.lake.transaction(["m.a"], author="t", message="two databases") as cursor:
        cursor.execute("INSERT INTO lake.m.a VALUES (2)")
        cursor.execute("INSERT INTO st.m.b VALUES (3)")
    assert bench.rows("SELECT i FROM lake.m.a") == [(1,)]
    assert workspace.cursor().execute("SELECT i FROM st.m.b").fetchall() == [(2,)]
    workspace.discard()


def test_rule_15_a_blocked_load_leaves_its_record_alone(orders: World) -> None:
    rnd = random.Random(1)
    orders.deliver(orders.some_rows(rnd, 5))
    with orders.open() as session:
        assert session.land().status == "done"
        position = session.lake.position("raw.orders")
        rows = one(session, "select count(*) from raw.orders")
        bad = orders.deliver([{**orders.some_rows(rnd, 1)[0], "status": "no such status"}])
        assert session.land().status == "blocked"
        assert one(session, "select count(*) from raw.orders") == rows
        after = session.lake.position("raw.orders")
        assert (after.state, list(after.units)) == (position.state, list(position.units))
        assert one(session, "select count(*) from headgate.loads where status = 'blocked' and reasons like '%status%'") == 1
        bad.write_text(bad.read_text().replace("no such status", "paid"))
        assert session.land().status == "done"
        assert one(session, "select count(*) from raw.orders") == len(orders.delivered)


def test_rule_15_a_changed_file_supersedes_its_older_load(orders: World) -> None:
    rnd = random.Random(2)
    file = orders.deliver(orders.some_rows(rnd, 5))
    with orders.open() as session:
        assert session.run().status == "done"
        before = one(session, "select count(*) from raw.orders")
        orders.delivered.clear()
        orders.deliver(orders.some_rows(rnd, 7))
        file.write_text("")
        (orders.root / "landing" / f"orders_{orders.files:05d}.ndjson").rename(file)
        assert session.run().status == "done"
        assert one(session, "select count(*) from raw.orders") == before + len(orders.delivered), "raw is append-only"
        assert one(session, "select count(*) from raw.orders__current") == len(orders.delivered)


def test_rule_16_a_mirror_of_another_snapshot_is_not_trusted(orders: World) -> None:
    rnd = random.Random(3)
    orders.deliver(orders.some_rows(rnd, 5))
    with orders.open() as session, orders.open() as other:
        session.run()
        first = session.recorded()
        assert session.recorded() == first == session.lake.recorded()
        orders.deliver(orders.some_rows(rnd, 5))
        other.run()
        assert session.recorded() == session.lake.recorded() != first


def test_rule_16_without_the_state_database_nothing_is_lost(orders: World) -> None:
    """The lake alone is the truth: a state that was deleted costs its history, and no row and no position."""
    rnd = random.Random(4)
    orders.deliver(orders.some_rows(rnd, 5))
    with orders.open() as session:
        session.run()
        before = session.recorded()
    for file in (orders.root / ".headgate").glob("state.db*"):
        file.unlink()
    with orders.open() as session:
        assert session.recorded() == before
        assert session.run().nothing_to_do
        orders.deliver(orders.some_rows(rnd, 5))
        assert session.run().status == "done"
        orders.check(session)


def test_rule_19_additions_before_and_after_a_change_of_columns_are_kept_by_compaction(bench: Bench) -> None:
    """Files of different schema versions do not merge: those of each version do, and all read right."""
    build(bench, "r0", "m.a", "SELECT i FROM range(2000) t(i)")
    for number in range(3):
        build(bench, f"a{number}", "m.a", f"SELECT i + {number} AS i FROM range(2000) t(i)", kind=APPEND)
    alter = ('ADD COLUMN "w" INTEGER',)
    build(bench, "b", "m.a", "SELECT i, 1 AS w FROM range(2000) t(i)", kind=APPEND, schema_change="additive", alter=alter)
    for number in range(3):
        build(bench, f"c{number}", "m.a", f"SELECT i, {number} AS w FROM range(2000) t(i)", kind=APPEND)
    sums = "SELECT count(*), sum(i), sum(w) FROM lake.m.a"
    before = bench.rows(sums)
    compact(bench.lake, author="t", dry_run=False)
    files = (
        "SELECT count(*) FROM __ducklake_metadata_lake.ducklake_data_file f JOIN __ducklake_metadata_lake.ducklake_table t "
        "USING (table_id) WHERE t.table_name = 'a' AND t.end_snapshot IS NULL AND f.end_snapshot IS NULL"
    )
    assert bench.rows(sums) == before
    assert bench.rows(files)[0][0] <= 2, "one file for each version of the schema"


def test_rule_20_times_with_zone_need_what_the_core_brings(bench: Bench) -> None:
    assert any(r.startswith("pytz") and "extra" not in r for r in requires("headgate") or ())
    moment = bench.rows("SELECT TIMESTAMPTZ '2026-01-01 00:00:00+00'")[0][0]
    assert moment.isoformat() == "2026-01-01T00:00:00+00:00"
