"""A read transaction sees one state, whatever others commit meanwhile (LAKE.md 11): every kind of publish, and every task of upkeep."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from lake_bench import Bench, build

from headgate.publish.compact import compact
from headgate.spec.staged import APPEND, DELTA, REPLACE

STATE = "SELECT count(*), sum(v), (SELECT sum(hash(k, v)) FROM lake.m.a) FROM lake.m.a"
DOINGS: dict[str, Callable[[Bench], object]] = {
    "append": lambda b: build(b, "x", "m.a", "SELECT 900 AS k, 1 AS v", kind=APPEND),
    "delta": lambda b: build(b, "x", "m.a", "SELECT i AS k, 9 AS v FROM range(4, 14) t(i)", kind=DELTA, key=("k",)),
    "replace": lambda b: build(b, "x", "m.a", "SELECT 1 AS k, 1 AS v", kind=REPLACE),
    "additive": lambda b: build(
        b, "x", "m.a", "SELECT 1 AS k, 1 AS v, 2 AS w", kind=APPEND, schema_change="additive", alter=('ADD COLUMN "w" INTEGER',)
    ),
    "breaking": lambda b: build(b, "x", "m.a", "SELECT 'x' AS k", schema_change="breaking"),
    "upkeep": lambda b: compact(b.lake, author="upkeep", dry_run=False),
}


@pytest.mark.parametrize("pinned_by", ["m.a", "m.b"])
@pytest.mark.parametrize("doing", DOINGS)
def test_rule_11_a_read_transaction_sees_one_state(bench: Bench, doing: str, pinned_by: str) -> None:
    """Rows in files and rows inlined in the catalog, some of both deleted."""
    build(bench, "r0", "m.a", "SELECT i AS k, 0 AS v FROM range(30) t(i)")
    build(bench, "r1", "m.b", "SELECT 1 AS n")
    for number in range(4):
        sql = f"SELECT i AS k, {number + 1} AS v FROM range({number * 3}, {number * 3 + 9}) t(i)"
        build(bench, f"d{number}", "m.a", sql, kind=DELTA, key=("k",))
    reader = bench.open().cursor()
    expected = reader.execute(STATE).fetchall()
    reader.execute("BEGIN")
    reader.execute(f"SELECT * FROM lake.{pinned_by} LIMIT 1").fetchall()
    DOINGS[doing](bench)
    assert reader.execute(STATE).fetchall() == expected
    reader.execute("ROLLBACK")
    if doing == "upkeep":
        assert reader.execute(STATE).fetchall() == expected
