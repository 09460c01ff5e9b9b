"""Expiry leaves alone what somebody still needs (LAKE.md 12), on both catalogs."""

from __future__ import annotations

import threading
from collections.abc import Collection
from datetime import timedelta

import pytest
from lake_bench import Bench, build

from headgate.publish.compact import compact, expire
from headgate.publish.restore import restore
from headgate.publish.snapshots import expirable, needed, snapshot_at
from headgate.run.readers import held, snapshots_held
from headgate.spec.errors import UsageError
from headgate.spec.names import Relation
from headgate.state import open_state

WEEK, NOW = timedelta(days=7), timedelta(0)
SNAPSHOTS = "__ducklake_metadata_lake.ducklake_snapshot"
TABLE = Relation("m", "a")


def older(bench: Bench, days: float) -> None:
    """Let so many days pass: the catalog's times are moved back, and the ledger's with them."""
    with_zone = "" if bench.catalog.startswith("sqlite") else "::TIMESTAMPTZ"
    bench.rows(
        f"UPDATE {SNAPSHOTS} SET snapshot_time = (CAST(snapshot_time AS TIMESTAMPTZ) - INTERVAL {int(days * 86_400)} SECOND)"
        f"{with_zone or '::VARCHAR'}"
    )


def snapshots(bench: Bench) -> list[int]:
    return [int(r[0]) for r in bench.rows(f"SELECT snapshot_id FROM {SNAPSHOTS} ORDER BY 1")]


def numbered(bench: Bench, number: int, dataset: str = "m.a", **said: object) -> int:
    """Publish the table with `number` as its rows' mark; returns the snapshot."""
    build(bench, f"r{number}", dataset, f"SELECT i, {number} AS mark FROM range(3000) t(i)", **said)
    return bench.lake.snapshot()


def expired(bench: Bench, older_than: timedelta = WEEK, held_by_readers: Collection[int] = ()) -> None:
    expire(bench.lake, author="t", older_than=older_than, keep=lambda: needed(bench.lake) | set(held_by_readers), dry_run=False)


def marks(bench: Bench, when: str = "") -> list[tuple[object, ...]]:
    return bench.rows(f"SELECT min(mark), max(mark), count(*) FROM lake.m.a {when}")


def back_to(bench: Bench, to: object) -> None:
    restore(bench.lake, TABLE, to=str(to), run_id="restore", fence=("dev", 1), reason="test")


def test_rule_12_an_old_newest_snapshot_is_read_on_after_the_next_publish(bench: Bench) -> None:
    """A lake that rested for a month: who began to read just before the next publish reads to the end."""
    numbered(bench, 1)
    rested = numbered(bench, 2)
    older(bench, 30)
    reader = bench.open().cursor()
    reader.execute("BEGIN")
    assert reader.execute("SELECT DISTINCT mark FROM lake.m.a").fetchall() == [(2,)]
    numbered(bench, 3)
    numbered(bench, 4)
    numbered(bench, 5)
    expired(bench)
    compact(bench.lake, author="t", dry_run=False)
    assert reader.execute("SELECT DISTINCT mark, count(*) FROM lake.m.a GROUP BY 1").fetchall() == [(2, 3000)]
    assert marks(bench, f"AT (VERSION => {rested})") == [(2, 2, 3000)]
    assert rested - 1 not in snapshots(bench)


def test_rule_12_every_moment_of_the_retention_is_kept_and_nothing_else(bench: Bench) -> None:
    ids = [numbered(bench, 1), numbered(bench, 2)]
    older(bench, 5)
    ids.append(numbered(bench, 3))
    older(bench, 3)
    ids.append(numbered(bench, 4))
    # 2 ended five and three days ago: too old. 3 ended now, and is what stood at every moment until then.
    assert expirable(bench.lake, WEEK) == tuple(range(ids[1]))
    expired(bench)
    assert snapshots(bench) == ids[1:]


def test_rule_12_the_version_before_the_present_one_can_always_be_restored(bench: Bench) -> None:
    first, second = numbered(bench, 1), numbered(bench, 2)
    for number in range(3):
        numbered(bench, number, "m.other")
    older(bench, 100)
    third = numbered(bench, 3)
    other = numbered(bench, 9, "m.other")
    older(bench, 100)
    expired(bench)
    assert second + 3 in snapshots(bench) and first not in snapshots(bench) and second not in snapshots(bench)
    before = bench.version("m.a")
    back_to(bench, second)  # that snapshot has gone, the version has not
    assert marks(bench) == [(2, 2, 3000)] and bench.version("m.a") != before
    back_to(bench, third)
    assert marks(bench) == [(3, 3, 3000)]
    with pytest.raises(UsageError, match="not kept any more"):
        back_to(bench, first)
    with pytest.raises(UsageError, match="was not published then"):
        back_to(bench, 1)
    with pytest.raises(UsageError, match="not kept any more"):
        back_to(bench, 10_000)
    with pytest.raises(UsageError, match="neither a snapshot nor a time"):
        back_to(bench, "yesterday")
    assert other <= bench.lake.snapshot()


def test_rule_12_expiry_again_and_again_keeps_one_version_of_each_table(bench: Bench) -> None:
    numbered(bench, 0, "m.rests")
    numbered(bench, 1, "m.rests")
    for number in range(6):
        numbered(bench, number)
        older(bench, 30)
        expired(bench)
    assert len(snapshots(bench)) == 3, "the newest, and one for each table that has an earlier version"
    assert len(needed(bench.lake)) == 2
    back_to(bench, snapshots(bench)[1])
    assert marks(bench) == [(4, 4, 3000)]


def test_rule_12_a_reader_with_a_lease_reads_while_expiry_runs(bench: Bench) -> None:
    """Long reads of a snapshot that is older than all that is kept, while everything that upkeep does runs beside them."""
    old = numbered(bench, 1)
    build(bench, "small", "m.a", "SELECT 1 AS i, 1 AS mark", kind="append")  # rows inlined in the catalog, too
    old = bench.lake.snapshot()
    for number in range(2, 5):
        numbered(bench, number)
    errors: list[BaseException] = []
    stop = threading.Event()

    def read() -> None:
        try:
            cursor = bench.open().cursor()
            while not stop.is_set():
                cursor.execute(f"SELECT mark FROM lake.m.a AT (VERSION => {old})")
                rows = 0
                while (row := cursor.fetchone()) is not None:
                    assert row == (1,)
                    rows += 1
                assert rows == 3001
        except BaseException as error:
            errors.append(error)

    with open_state(f"sqlite:///{bench.root}/state.db") as state:
        with held(state, bench.lake, old), held(state, bench.lake, old):
            assert snapshots_held(state) == {old}
            reader = threading.Thread(target=read)
            reader.start()
            for number in range(5, 11):
                numbered(bench, number)
                expired(bench, NOW, snapshots_held(state))
                compact(bench.lake, author="t", dry_run=False)
            stop.set()
            reader.join()
            assert not errors, errors
        assert not snapshots_held(state)
        expired(bench, NOW, snapshots_held(state))
        assert old not in snapshots(bench)
        with pytest.raises(UsageError, match="expired"), held(state, bench.lake, old):
            raise AssertionError


def test_rule_12_a_moment_that_has_expired_is_refused_not_answered_with_an_older_state(bench: Bench) -> None:
    numbered(bench, 1)
    first = bench.lake.snapshot()
    for number in (2, 3, 4):
        numbered(bench, number)
    times = dict(bench.rows(f"SELECT snapshot_id, CAST(snapshot_time AS TIMESTAMPTZ)::TIMESTAMP::VARCHAR FROM {SNAPSHOTS}"))
    assert snapshot_at(bench.lake, times[first + 1]) == first + 1
    expired(bench, NOW, {first})
    assert snapshots(bench) == [first, first + 2, first + 3]
    # The engine itself would answer with the state of `first`.
    assert marks(bench, f"AT (TIMESTAMP => TIMESTAMPTZ '{times[first + 1]}+00')") == [(1, 1, 3000)]
    with pytest.raises(UsageError, match="not kept any more"):
        snapshot_at(bench.lake, times[first + 1])
    assert snapshot_at(bench.lake, times[first + 2]) == first + 2 == snapshot_at(bench.lake, str(first + 2))
    assert snapshot_at(bench.lake, "2100-01-01") == first + 3
    with pytest.raises(UsageError, match="not kept any more"):
        snapshot_at(bench.lake, str(first + 1))
    with pytest.raises(UsageError, match="neither"):
        snapshot_at(bench.lake, "last week")


def test_rule_12_what_others_fill_keeps_its_version(bench: Bench) -> None:
    """A table that others fill is as new as its last change, which upkeep neither is nor lets be forgotten."""
    numbered(bench, 1)
    with bench.lake.transaction(["ext.t"], author="other", message="other") as cursor:
        cursor.execute("CREATE SCHEMA lake.ext")
        cursor.execute("CREATE TABLE lake.ext.t AS SELECT i FROM range(3000) t(i)")
    for _ in range(2):
        with bench.lake.transaction(["ext.t"], author="other", message="other") as cursor:
            cursor.execute("INSERT INTO lake.ext.t SELECT i FROM range(3000) t(i)")
    relation = Relation("ext", "t")
    version = bench.lake.external([relation])
    numbered(bench, 2)
    numbered(bench, 3)
    older(bench, 30)
    compact(bench.lake, author="t", dry_run=False)
    assert bench.lake.external([relation]) == version
    expire(bench.lake, author="t", older_than=WEEK, keep=lambda: needed(bench.lake, [relation]), dry_run=False)
    assert bench.lake.external([relation]) == version
    assert version == {"ext.t": (f"snapshot {snapshots(bench)[0]}", 9000)}
