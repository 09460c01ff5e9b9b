"""What a pinned view of the lake reads, from its commit on (LAKE.md 13), on both catalogs. With whole runs: `tests/run/test_pinned_views.py`."""

from __future__ import annotations

from lake_bench import Bench, build, put

from headgate.publish.pins import number, pinned_views
from headgate.publish.snapshots import needed
from headgate.spec.names import Column, Relation
from headgate.spec.staged import VIEW, Staged

SQL = 'SELECT i FROM "lake"."m"."a" WHERE i <> (SELECT count(*) + 100 FROM "lake"."m"."a" AS other)'
STORED = "SELECT sql FROM __ducklake_metadata_lake.ducklake_view WHERE end_snapshot IS NULL"


def view(bench: Bench) -> Staged:
    base = bench.version("m.v")
    return Staged(
        "m.v", "model.t.v", Relation("m", "v"), VIEW, (Column("i", "INTEGER"),), view_sql=SQL, pinned=True, base_version=base
    )


def test_rule_13_a_view_is_pinned_by_its_own_commit_and_a_late_number_is_not_written(bench: Bench) -> None:
    build(bench, "r1", "m.a", "SELECT 1 AS i")
    first = view(bench)
    published = put(bench.lake, "v1", first).published
    at = bench.lake.snapshot()
    build(bench, "r2", "m.a", "SELECT 2 AS i")
    assert bench.rows("SELECT i FROM lake.m.v") == [(1,)]
    assert pinned_views(bench.lake) == {"m.v": {at}} and at in needed(bench.lake)
    second = view(bench)
    published_again = put(bench.lake, "v2", second).published
    at = bench.lake.snapshot()
    number(bench.lake, [first], published, "late")
    assert "VERSION" not in bench.rows(STORED)[0][0] and bench.rows("SELECT i FROM lake.m.v") == [(2,)]
    number(bench.lake, [second], published_again, "in time")
    assert bench.rows(STORED)[0][0].count(f"AT (VERSION => {at})") == 2
    with bench.lake.transaction(["m.a"], author="t", message="gone") as cursor:
        cursor.execute("DROP TABLE lake.m.a")
    assert bench.rows("SELECT i FROM lake.m.v") == [(2,)]
    assert pinned_views(bench.lake) == {"m.v": {at}} and at in needed(bench.lake)
