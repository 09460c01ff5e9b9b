"""The lake's mechanics (LAKE.md): each rule has a test that breaks when the rule is removed, on both kinds of catalog."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from headgate.engines.duckdb.lake import DuckLake, open_lake
from headgate.engines.duckdb.locks import FileLock
from headgate.engines.duckdb.snapshot_id import snapshot_id
from headgate.engines.duckdb.types import lake_type
from headgate.publish import publish as publishing
from headgate.publish.clean import clean_staging
from headgate.publish.publish import Bundle, publish
from headgate.spec.errors import DeclarationError, EngineFailed, LakeConflict, LedgerUnbalanced
from headgate.spec.names import Column, Relation
from headgate.spec.project import LakeSpec
from headgate.spec.staged import DELTA, REPLACE, VIEW, RowCounts, Staged


@pytest.fixture(params=["sqlite", "postgresql"])
def lake(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[DuckLake]:
    catalog = f"sqlite:{tmp_path}/catalog.sqlite" if request.param == "sqlite" else request.getfixturevalue("pg_database")
    opened = open_lake(LakeSpec(catalog, str(tmp_path / "data")), str(tmp_path))
    yield opened
    opened.close()


def staged(lake: DuckLake, sql: str, *, run: str = "run", name: str = "t", rows_expected: int = 0, **said: Any) -> Staged:
    relation = Relation("marts", name)
    workspace = lake.workspace(run)
    columns, rows, rows_sql, files = workspace.stage_query(relation, sql, rows_expected=rows_expected)
    value = {"kind": REPLACE, "counts": RowCounts(rows, rows), **said}
    return Staged(
        str(relation), f"model.p.{name}", relation, columns=columns, rows_sql=rows_sql, overlay_sql=rows_sql, files=files, **value
    )


def put(lake: DuckLake, run: str, *values: Staged, token: int = 1) -> Any:
    said = publish(lake, Bundle(values, run, 1, ("run:dev", token)))
    detach(lake)
    return said


def detach(lake: DuckLake) -> None:
    cursor = lake.cursor()
    if cursor.execute("SELECT count(*) FROM duckdb_databases() WHERE database_name = 'st'").fetchone()[0]:
        cursor.execute("DETACH st")
    cursor.close()


def rows(lake: DuckLake, sql: str) -> list[Any]:
    cursor = lake.cursor()
    try:
        found: list[Any] = cursor.execute(sql).fetchall()
        return found
    finally:
        cursor.close()


def version(lake: DuckLake, name: str = "marts.t") -> str | None:
    return lake.recorded().datasets[name].version


def test_rule_01_one_writer_at_a_time(lake: DuckLake) -> None:
    """Two writers of one process, the same new keys: with the lock each key stands once."""
    put(lake, "r0", staged(lake, "select 1 as id where false", run="r0"))
    errors: list[BaseException] = []

    def merge() -> None:
        try:
            for _ in range(5):
                with lake.transaction(["marts.t"], author="x", message="merge") as cursor:
                    cursor.execute("DELETE FROM lake.marts.t WHERE id IN (SELECT i FROM range(50) r(i))")
                    cursor.execute("INSERT INTO lake.marts.t SELECT i FROM range(50) r(i)")
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=merge) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert rows(lake, "SELECT count(*), count(DISTINCT id) FROM marts.t") == [(50, 50)]


def test_rule_01_without_the_lock_it_breaks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The harm that the lock prevents: writers without it fail or double rows."""
    opened = open_lake(LakeSpec(f"sqlite:{tmp_path}/c.sqlite", str(tmp_path / "data")), str(tmp_path))
    put(opened, "r0", staged(opened, "select 1 as id where false", run="r0"))
    monkeypatch.setattr(FileLock, "hold", lambda self, tables, author: nullcontext())
    errors: list[BaseException] = []
    together = threading.Barrier(3)

    def merge() -> None:
        try:
            with opened.transaction(["marts.t"], author="x", message="merge") as cursor:
                cursor.execute("DELETE FROM lake.marts.t WHERE id IN (SELECT i FROM range(500) r(i))")
                cursor.execute("INSERT INTO lake.marts.t SELECT i FROM range(500) r(i)")
                together.wait(20)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=merge) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    count, distinct = rows(opened, "SELECT count(*), count(DISTINCT id) FROM marts.t")[0]
    opened.close()
    assert errors or count != distinct


def test_rule_02_a_publication_is_done_once(lake: DuckLake) -> None:
    """A retry after an unacknowledged commit finds the publication and writes nothing again; a registered file stays single."""
    value = staged(lake, "select i as id from range(100) t(i)", rows_expected=10_000_000)
    assert value.files
    bundle = Bundle((value,), "r", 1, ("run:dev", 1))
    first, second = publish(lake, bundle), publish(lake, bundle)
    assert first.published == second.published
    assert rows(lake, "SELECT count(*) FROM marts.t") == [(100,)]
    assert rows(lake, "SELECT count(*) FROM headgate.publications") == [(1,)]


def test_rule_03_an_error_rolls_everything_back(lake: DuckLake) -> None:
    good = staged(lake, "select 1 as id", run="r")
    bad = Staged(
        "marts.u", "model.p.u", Relation("marts", "u"), REPLACE, (Column("id", "INTEGER"),), "st.no.such", counts=RowCounts(1, 1)
    )
    with pytest.raises(EngineFailed):
        publish(lake, Bundle((good, bad), "r", 1, ("run:dev", 1)))
    assert "marts.t" not in lake.relations() and rows(lake, "SELECT count(*) FROM headgate.publications") == [(0,)]


def test_rule_03_a_commit_that_lies_is_found_out(lake: DuckLake, monkeypatch: pytest.MonkeyPatch) -> None:
    """COMMIT says OK and has rolled back: the proof that is read afterwards is missing."""
    value = staged(lake, "select 1 as id")
    real = DuckLake.transaction

    def lying(self: DuckLake, *args: Any, **terms: Any) -> Any:
        context = real(self, *args, **terms)
        cursor = context.__enter__()

        class Lies:
            def __enter__(self) -> Any:
                return cursor

            def __exit__(self, *_: Any) -> None:
                cursor.execute("ROLLBACK")
                cursor.execute("BEGIN")
                context.__exit__(None, None, None)

        return Lies()

    monkeypatch.setattr(DuckLake, "transaction", lying)
    monkeypatch.setattr(publishing, "COMMIT_TRIES", 1)
    with pytest.raises(LakeConflict, match="did not take place"):
        publish(lake, Bundle((value,), "r", 1, ("run:dev", 1)))


def test_rule_04_outdated_work_is_not_laid_over_newer_rows(lake: DuckLake) -> None:
    put(lake, "r1", staged(lake, "select 1 as id, 'old' as v", run="r1"))
    base = version(lake)
    put(lake, "r2", staged(lake, "select 1 as id, 'new' as v", run="r2", kind=DELTA, key=("id",), base_version=base))
    late = staged(lake, "select 1 as id, 'older' as v", run="r3", kind=DELTA, key=("id",), base_version=base)
    assert put(lake, "r3", late).restage == ("marts.t",)
    assert rows(lake, "SELECT v FROM marts.t") == [("new",)]


def test_rule_05_books_that_do_not_balance_stop(lake: DuckLake) -> None:
    value = staged(lake, "select 1 as id", counts=RowCounts(rows_in=2, rows_out=1))
    with pytest.raises(LedgerUnbalanced):
        publish(lake, Bundle((value,), "r", 1, ("run:dev", 1)))


def test_rule_06_replacing_keeps_identity(lake: DuckLake) -> None:
    put(lake, "r1", staged(lake, "select 1 as id", run="r1", comment="what it is"))
    table_id = (
        "SELECT max(table_id), count(DISTINCT table_id) FROM __ducklake_metadata_lake.ducklake_table WHERE table_name = 't'"
    )
    before = rows(lake, table_id)
    put(lake, "r2", staged(lake, "select 2 as id", run="r2", base_version=version(lake)))
    assert rows(lake, table_id) == before and rows(lake, "SELECT id FROM marts.t") == [(2,)]
    assert rows(lake, "SELECT comment FROM duckdb_tables() WHERE table_name = 't' AND database_name = 'lake'") == [
        ("what it is",)
    ]


def test_rule_07_a_file_is_registered_only_where_that_is_exact(lake: DuckLake) -> None:
    """An unpartitioned table registers the staged file; a partitioned one takes INSERT and so gets its folders."""
    meta = "__ducklake_metadata_lake.ducklake_"
    data = f"SELECT f.path FROM {meta}data_file f JOIN {meta}table t USING (table_id) WHERE t.table_name = "
    sql = "select i as id, date '2026-01-01' + (i % 60)::int as day from range(1000) t(i)"
    put(lake, "r1", staged(lake, sql, run="r1", rows_expected=10_000_000))
    assert all("hg-stage" in path for (path,) in rows(lake, data + "'t'"))
    put(lake, "r2", staged(lake, sql, run="r2", name="u", rows_expected=10_000_000, partition_by=("month(day)",)))
    paths = [path for (path,) in rows(lake, data + "'u'")]
    assert len(paths) == 3 and not any("hg-stage" in path for path in paths)


def test_rule_08_discard_leaves_what_a_publication_registered(lake: DuckLake, tmp_path: Path) -> None:
    relation = Relation("marts", "t")
    workspace = lake.workspace("r1")
    columns, count, sql, files = workspace.stage_query(relation, "select i as id from range(10) t(i)", rows_expected=10_000_000)
    _, _, _, spare = workspace.stage_query(Relation("marts", "u"), "select 1 as id", rows_expected=10_000_000)
    value = Staged("marts.t", "m", relation, REPLACE, columns, sql, sql, files=files, counts=RowCounts(count, count))
    publish(lake, Bundle((value,), "r1", 1, ("run:dev", 1)))
    workspace.discard()
    assert Path(files[0]).exists() and not Path(spare[0]).exists()
    assert rows(lake, "SELECT count(*) FROM marts.t") == [(10,)]


def test_rule_08_cleaning_spares_open_runs_and_registered_files(lake: DuckLake, tmp_path: Path) -> None:
    from datetime import timedelta

    put(lake, "done", staged(lake, "select 1 as id", run="done", rows_expected=10_000_000))
    for run in ("open", "closed"):
        lake.workspace(run).stage_query(Relation("marts", run), "select 1 as id", rows_expected=10_000_000)
        detach(lake)
    clean_staging(lake, str(tmp_path), keep={"open"}, older_than=timedelta(0), dry_run=False)
    left = {p.parent.name for p in (tmp_path / "data" / "hg-stage").glob("*/*.parquet")}
    assert left == {"done", "open"} and rows(lake, "SELECT count(*) FROM marts.t") == [(1,)]


@pytest.mark.parametrize(
    ("engine", "mapped"),
    [
        ("HUGEINT", "DECIMAL(38,0)"), ("STRUCT(a HUGEINT, \"HUGEINT\" INTEGER)", "STRUCT(a DECIMAL(38,0), \"HUGEINT\" INTEGER)"),
        ("ENUM('x', 'y')", "VARCHAR"), ("INTEGER[3]", "INTEGER[]"), ("BIT", "VARCHAR"), ("UNION(a INTEGER)", "JSON"), ("BIGINT", "BIGINT"),
    ],
)  # fmt: skip
def test_rule_09_types_are_mapped(engine: str, mapped: str) -> None:
    assert lake_type(engine) == mapped


def test_rule_09_a_sum_beyond_2_to_53_keeps_its_digits(lake: DuckLake) -> None:
    put(lake, "r", staged(lake, "select sum(9007199254740993 + i) as s from range(100) t(i) group by i"))
    assert rows(lake, "SELECT count(DISTINCT s) FROM marts.t") == [(100,)]
    with pytest.raises(DeclarationError, match="without a type"):
        staged(lake, "select null as nothing", run="r2")


def test_rule_11_one_statement_sees_one_state(lake: DuckLake) -> None:
    """Readers on other connections, while two tables are published together again and again."""
    stop, seen = threading.Event(), []

    def look() -> None:
        while not stop.is_set():
            seen.append(rows(lake, "SELECT (SELECT max(v) FROM marts.a), (SELECT max(v) FROM marts.b)")[0])

    def pair(run: str, value: int) -> None:
        workspace, both = lake.workspace(run), []
        for name in ("a", "b"):
            relation = Relation("marts", name)
            columns, n, sql, _ = workspace.stage_query(relation, f"select {value} as v")
            base = lake.recorded().datasets.get(f"marts.{name}")
            both.append(
                Staged(
                    f"marts.{name}",
                    f"m.{name}",
                    relation,
                    REPLACE,
                    columns,
                    sql,
                    sql,
                    counts=RowCounts(n, n),
                    base_version=base.version if base else None,
                )
            )
        publish(lake, Bundle(tuple(both), run, 1, ("run:dev", 1)))
        workspace.discard()

    pair("first", 0)
    reader = threading.Thread(target=look)
    reader.start()
    for value in range(1, 12):
        pair(f"run{value}", value)
    stop.set()
    reader.join()
    assert len(seen) > 5 and all(a == b for a, b in seen)


def test_rule_13_views_have_their_columns_and_follow_their_tables(lake: DuckLake) -> None:
    put(lake, "r1", staged(lake, "select 1 as id", run="r1"))
    view = Staged(
        "marts.v",
        "model.p.v",
        Relation("marts", "v"),
        VIEW,
        (Column("id", "INTEGER"),),
        view_sql='select * from "lake"."marts"."t"',
    )
    put(lake, "r2", view)
    put(lake, "r3", staged(lake, "select 2 as id", run="r3", base_version=version(lake)))
    assert rows(lake, "SELECT id FROM marts.v") == [(2,)] and lake.relations()["marts.v"] == "view"


def test_rule_14_handwritten_names_find_the_staged_table_first(lake: DuckLake) -> None:
    put(lake, "r1", staged(lake, "select 'published' as v", run="r1"))
    workspace = lake.workspace("r2")
    before = workspace.cursor().execute("SELECT v FROM marts.t").fetchall()
    workspace.stage_query(Relation("marts", "t"), "select 'staged' as v")
    after = workspace.cursor().execute("SELECT v FROM t").fetchall()
    workspace.discard()
    assert (before, after) == ([("published",)], [("staged",)])


def test_rule_16_the_snapshot_id_is_read_from_the_catalog_itself(lake: DuckLake) -> None:
    put(lake, "r1", staged(lake, "select 1 as id", run="r1"))
    assert snapshot_id(lake.spec.catalog) == lake.snapshot()


def test_commits_do_not_slow_down(lake: DuckLake) -> None:
    import time

    put(lake, "r0", staged(lake, "select 1::bigint as id where false", run="r0"))
    took = []
    for number in range(120):
        began = time.process_time()
        with lake.transaction(["marts.t"], author="x", message="append") as cursor:
            cursor.execute(f"INSERT INTO lake.marts.t SELECT i + {number} FROM range(10) r(i)")
        took.append(time.process_time() - began)
    assert sum(took[-40:]) < 2.0 * sum(took[20:60]) + 0.2
