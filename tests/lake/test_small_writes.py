"""Where rows of small writes live, and how a run's cursor finds names: what keeps a lake of many tables quick."""

from __future__ import annotations

import duckdb
import pytest
from lake_bench import Bench, build

from headgate.spec.names import Relation
from headgate.spec.staged import APPEND, REPLACE, RowCounts, Staged


def inlining(bench: Bench) -> set[str]:
    """The tables that have a table of their own in the catalog."""
    rows = bench.rows(
        "SELECT DISTINCT s.schema_name || '.' || t.table_name FROM __ducklake_metadata_lake.ducklake_inlined_data_tables i "
        "JOIN __ducklake_metadata_lake.ducklake_table t USING (table_id) JOIN __ducklake_metadata_lake.ducklake_schema s USING (schema_id)"
    )
    return {name for (name,) in rows if not name.startswith("headgate.")}


def files(bench: Bench, table: str) -> int:
    rows = bench.rows(
        "SELECT count(*) FROM __ducklake_metadata_lake.ducklake_data_file f JOIN __ducklake_metadata_lake.ducklake_table t "
        f"USING (table_id) WHERE t.table_name = '{table}' AND f.end_snapshot IS NULL"
    )
    return int(rows[0][0])


def test_rule_10_a_table_inlines_from_its_first_small_addition_on(bench: Bench) -> None:
    build(bench, "run-1", "marts.t", "select i as a from range(1000) t(i)", kind=REPLACE)
    build(bench, "run-2", "marts.other", "select 1 as a", kind=REPLACE)
    assert inlining(bench) == set() and files(bench, "t") == 1
    for number in range(3):
        build(bench, f"run-3-{number}", "marts.t", f"select {number} as a", kind=APPEND)
        assert inlining(bench) == {"marts.t"} and files(bench, "t") == 1
    build(bench, "run-4", "marts.t", "select i as a from range(1000) t(i)", kind=APPEND)
    assert files(bench, "t") == 2
    assert bench.rows("SELECT count(*), sum(a) FROM lake.marts.t") == [(2003, 999_003)]
    assert files(bench, "publications") == 0, "the ledger's rows live in the catalog"


def test_rule_14_hand_written_names_are_found_near_first_then_in_the_lake(bench: Bench) -> None:
    build(bench, "run-5", "marts.published", "select 1 as a", kind=REPLACE)
    build(bench, "run-6", "marts.doubled", "select 'published' as a", kind=REPLACE)
    workspace = bench.lake.workspace("run-names")
    workspace.stage_query(Relation("marts", "doubled"), "select 'staged' as a")
    cursor = workspace.cursor()
    assert cursor.execute("SELECT a FROM doubled").fetchall() == [("staged",)]
    assert cursor.execute("SELECT b.a, p.a FROM doubled b, published p").fetchall() == [("staged", 1)]
    assert cursor.execute("SELECT a FROM marts.published").fetchall() == [(1,)]
    with pytest.raises(duckdb.CatalogException):
        cursor.execute("SELECT a FROM nowhere")
    workspace.discard()


def test_of_several_statements_none_runs_twice(bench: Bench) -> None:
    build(bench, "run-7", "marts.published", "select 1 as a", kind=REPLACE)
    workspace = bench.lake.workspace("run-twice")
    cursor = workspace.cursor()
    cursor.execute("CREATE TEMP TABLE counted(a INTEGER)")
    cursor.execute("INSERT INTO counted VALUES (1); SELECT a FROM published")
    assert cursor.execute("SELECT count(*) FROM counted").fetchall() == [(1,)]
    workspace.discard()


def test_a_running_statement_survives_what_only_looks_at_it(bench: Bench) -> None:
    workspace = bench.lake.workspace("run-running")
    cursor = workspace.cursor()
    cursor.execute("SELECT i FROM range(100000) t(i)")
    first = cursor.fetchone()
    sibling = cursor.cursor()  # type: ignore[attr-defined]
    assert sibling.execute("SELECT 1").fetchone() == (1,)
    assert first == (0,) and len(cursor.fetchall()) == 99_999
    workspace.discard()


def test_a_torn_line_of_the_journal_is_dropped(bench: Bench) -> None:
    workspace = bench.lake.workspace("run-torn")
    relation = Relation("marts", "t")
    columns, rows, rows_sql, _ = workspace.stage_query(relation, "select 1 as a")
    staged = Staged("marts.t", "model.p.t", relation, REPLACE, columns, rows_sql, rows_sql, counts=RowCounts(rows, rows))
    workspace.remember(staged)
    folder = workspace.folder  # type: ignore[attr-defined]
    workspace.close()
    with (folder / "journal.jsonl").open("ab") as file:
        file.write(b'{"staged": {"dataset": "marts.torn", "uni')
    again = bench.lake.workspace("run-torn", resume=True)
    assert again.remembered() == {"model.p.t": staged}
    again.remember(staged)
    assert again.remembered() == {"model.p.t": staged}
    again.discard()
