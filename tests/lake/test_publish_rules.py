"""LAKE.md's rules of publishing, on both catalogs. Each test fails when its rule is taken out."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest
from lake_bench import Bench, build, put, staged

from headgate.engines.duckdb.lake import DuckLake
from headgate.publish.publish import Bundle, publish
from headgate.spec.errors import EngineFailed, FenceLost, HeadgateError, LakeConflict, LedgerUnbalanced, LockHeld
from headgate.spec.names import Column
from headgate.spec.staged import APPEND, DELTA, VIEW, Interval, RowCounts


def test_rule_01_threads_that_write_at_once_never_meet_a_lock(bench: Bench) -> None:
    build(bench, "r0", "m.a", "SELECT 0 AS i")
    build(bench, "r0b", "m.b", "SELECT 0 AS i")
    failures: list[BaseException] = []

    def write(table: str) -> None:
        try:
            for i in range(10):
                with bench.lake.transaction([f"m.{table}"], author=table, message="insert") as cursor:
                    cursor.execute(f"INSERT INTO lake.m.{table} VALUES ({i + 1})")
        except HeadgateError as error:
            failures.append(error)

    threads = [threading.Thread(target=write, args=(t,)) for t in ("a", "b")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert bench.rows("SELECT (SELECT count(*) FROM lake.m.a), (SELECT count(*) FROM lake.m.b)") == [(11, 11)]


def test_rule_01_maintenance_excludes_every_writer(bench: Bench) -> None:
    """A writer of one table waits for the writer of "*", and the other way round."""
    build(bench, "r0", "m.a", "SELECT 0 AS i")
    other = bench.open()
    for holder, waiter in (("*", "m.a"), ("m.a", "*")):
        other._lock.wait_seconds = 0.2
        with bench.lake.transaction([holder], author="holder", message="held"), pytest.raises(LockHeld):
            _in_thread(lambda waiter=waiter: _enter(other, waiter))
        _enter(other, waiter)


def test_rule_01_writers_of_one_table_exclude_each_other(bench: Bench) -> None:
    """Another opening waits for it; on a PostgreSQL catalog a writer of another table does not."""
    build(bench, "r0", "m.a", "SELECT 0 AS i")
    other = bench.open()
    other._lock.wait_seconds = 0.2
    with bench.lake.transaction(["m.a"], author="holder", message="held"):
        with pytest.raises(LockHeld):
            _in_thread(lambda: _enter(other, "m.a"))
        if not bench.catalog.startswith("sqlite:"):
            _in_thread(lambda: _enter(other, "m.b"))
    _enter(other, "m.a")


def _enter(lake: DuckLake, table: str) -> None:
    with lake.transaction([table], author="waiter", message="wait"):
        pass


def _in_thread(work) -> None:  # type: ignore[no-untyped-def]
    """Do `work` in another thread: a mutex of this one would let it pass."""
    raised: list[BaseException] = []

    def caught() -> None:
        try:
            work()
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=caught)
    thread.start()
    thread.join()
    if raised:
        raise raised[0]


def test_rule_01_the_lock_names_its_holder(sqlite_bench: Bench) -> None:
    other = sqlite_bench.open() if sqlite_bench.lake else None
    assert other is not None
    other._lock.wait_seconds = 0.1
    with sqlite_bench.lake.transaction(["m.a"], author="run-77", message="held"), pytest.raises(LockHeld, match="run-77"):
        _in_thread(lambda: _enter(other, "m.a"))


def test_rule_02_a_publication_that_stands_is_not_done_again(bench: Bench) -> None:
    build(bench, "r0", "m.a", "SELECT i FROM range(3) t(i)")
    base, workspace = bench.version("m.a"), bench.lake.workspace("r1")
    value = staged(workspace, "m.a", "SELECT i FROM range(10, 12) t(i)", kind=APPEND, base_version=base)
    first = put(bench.lake, "r1", value)
    again = put(bench.lake, "r1", value)
    assert again.published == first.published
    assert bench.rows("SELECT count(*) FROM lake.m.a") == [(5,)]
    assert bench.rows("SELECT count(*) FROM lake.headgate.publications WHERE run_id = 'r1'") == [(1,)]


def test_rule_02_a_commit_that_landed_with_an_error_counts(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """The answer to COMMIT is lost; the ledger says that it landed."""
    build(bench, "r0", "m.a", "SELECT 1 AS i")
    base, workspace = bench.version("m.a"), bench.lake.workspace("r1")
    value = staged(workspace, "m.a", "SELECT 2 AS i", kind=APPEND, base_version=base)
    lake = LosesTheAnswer(bench.lake)
    result = publish(lake, Bundle((value,), "r1", 1, ("dev", 1)))  # type: ignore[arg-type]
    assert set(result.published) == {"m.a"}
    assert bench.rows("SELECT count(*) FROM lake.m.a") == [(2,)]


class LosesTheAnswer:
    """A real lake whose first commit lands and then reports that the connection is gone."""

    def __init__(self, lake: DuckLake) -> None:
        self._lake, self._lost = lake, False

    def __getattr__(self, name: str):  # type: ignore[no-untyped-def]
        return getattr(self._lake, name)

    def transaction(self, tables, *, author: str, message: str):  # type: ignore[no-untyped-def]
        from contextlib import contextmanager

        @contextmanager
        def losing():  # type: ignore[no-untyped-def]
            with self._lake.transaction(tables, author=author, message=message) as cursor:
                yield cursor
            if not self._lost:
                self._lost = True
                raise EngineFailed("server closed the connection unexpectedly")

        return losing()


def test_rule_03_commit_can_lie(bench: Bench) -> None:
    """After an error inside the transaction that somebody swallowed, COMMIT says OK and has rolled back: proof is missing."""
    build(bench, "r0", "m.a", "SELECT 1 AS i")
    base, workspace = bench.version("m.a"), bench.lake.workspace("r1")
    value = staged(workspace, "m.a", "SELECT 2 AS i", kind=APPEND, base_version=base)
    with pytest.raises(LakeConflict, match="did not take place"):
        publish(SwallowsAnError(bench.lake), Bundle((value,), "r1", 1, ("dev", 1)))  # type: ignore[arg-type]
    assert bench.rows("SELECT count(*) FROM lake.m.a") == [(1,)]


class SwallowsAnError:
    """A real lake on which every transaction ends with an execution error that is not passed on."""

    def __init__(self, lake: DuckLake) -> None:
        self._lake = lake

    def __getattr__(self, name: str):  # type: ignore[no-untyped-def]
        return getattr(self._lake, name)

    def transaction(self, tables, *, author: str, message: str):  # type: ignore[no-untyped-def]
        from contextlib import contextmanager, suppress

        @contextmanager
        def lying():  # type: ignore[no-untyped-def]
            with suppress(LakeConflict, EngineFailed), self._lake.transaction(tables, author=author, message=message) as cursor:
                yield cursor
                with suppress(duckdb.Error):
                    cursor.execute("SELECT error('no')").fetchall()

        return lying()


def test_rule_03_an_error_rolls_everything_back(bench: Bench) -> None:
    build(bench, "r0", "m.a", "SELECT 1 AS i")
    before = bench.lake.snapshot()
    with pytest.raises(EngineFailed), bench.lake.transaction(["m.a"], author="t", message="fails") as cursor:
        cursor.execute("INSERT INTO lake.m.a VALUES (2)")
        cursor.execute("SELECT no_such_column FROM lake.m.a")
    with pytest.raises(ZeroDivisionError), bench.lake.transaction(["m.a"], author="t", message="fails") as cursor:
        cursor.execute("INSERT INTO lake.m.a VALUES (2)")
        raise ZeroDivisionError
    assert bench.lake.snapshot() == before
    assert bench.rows("SELECT count(*) FROM lake.m.a") == [(1,)]


def test_rule_04_a_target_that_moved_is_staged_again(bench: Bench) -> None:
    build(bench, "r0", "m.a", "SELECT 1 AS k, 'old' AS v")
    base, workspace = bench.version("m.a"), bench.lake.workspace("r1")
    value = staged(workspace, "m.a", "SELECT 1 AS k, 'older delta' AS v", kind=DELTA, key=("k",), base_version=base)
    workspace.close()
    build(bench, "r2", "m.a", "SELECT 1 AS k, 'newer' AS v")
    lake = bench.lake
    again = lake.workspace("r1", resume=True)
    try:
        assert put(lake, "r1", value).restage == ("m.a",)
    finally:
        again.discard()
    assert bench.rows("SELECT v FROM lake.m.a") == [("newer",)]


def test_rule_04_a_parent_that_moved_is_said(bench: Bench) -> None:
    build(bench, "r0", "m.parent", "SELECT 1 AS i")
    old = bench.version("m.parent") or ""
    build(bench, "r1", "m.parent", "SELECT 2 AS i")
    result = build(bench, "r2", "m.child", "SELECT i FROM lake.m.parent", inputs={"m.parent": old})
    assert result.superseded == ("m.child",)
    assert bench.rows("SELECT superseded_inputs FROM lake.headgate.publications WHERE dataset = 'm.child'") == [(True,)]


def test_rule_04_an_older_fencing_token_is_refused(bench: Bench) -> None:
    build(bench, "r0", "m.a", "SELECT 1 AS i", fence=("dev", 7))
    with pytest.raises(FenceLost):
        build(bench, "r1", "m.a", "SELECT 2 AS i", fence=("dev", 6))
    assert bench.rows("SELECT i FROM lake.m.a") == [(1,)]
    assert bench.rows("SELECT max(token) FROM lake.headgate.fences WHERE name = 'dev'") == [(7,)]
    build(bench, "r2", "m.a", "SELECT 3 AS i", fence=("dev", 8))
    assert bench.rows("SELECT max(token) FROM lake.headgate.fences WHERE name = 'dev'") == [(8,)]


def test_books_that_do_not_balance_publish_nothing(sqlite_bench: Bench) -> None:
    with pytest.raises(LedgerUnbalanced):
        build(sqlite_bench, "r0", "m.a", "SELECT 1 AS i", counts=RowCounts(rows_in=2, rows_out=1))
    assert "m.a" not in sqlite_bench.lake.relations()


def test_rule_06_replace_keeps_identity(bench: Bench) -> None:
    build(bench, "r0", "m.a", "SELECT 1 AS i", comment="first")
    before = _identity(bench)
    build(bench, "r1", "m.a", "SELECT 2 AS i")
    build(bench, "r2", "m.a", "SELECT 3 AS i, 'x' AS v", schema_change="additive", alter=('ADD COLUMN "v" VARCHAR',))
    assert _identity(bench) == before
    assert bench.rows("SELECT * FROM lake.m.a") == [(3, "x")]
    assert bench.rows("SELECT comment FROM duckdb_tables() WHERE database_name = 'lake' AND table_name = 'a'") == [("first",)]


def test_rule_06_a_breaking_change_sets_comment_and_not_null_again(bench: Bench) -> None:
    build(bench, "r0", "m.a", "SELECT 1 AS i", comment="words")
    columns = (Column("i", "VARCHAR", nullable=False),)
    build(bench, "r1", "m.a", "SELECT 'one' AS i", schema_change="breaking", comment="words", columns=columns)
    assert bench.rows("SELECT comment FROM duckdb_tables() WHERE database_name = 'lake' AND table_name = 'a'") == [("words",)]
    assert bench.lake.columns(_relation("m.a")) == columns
    with pytest.raises(EngineFailed):
        build(bench, "r2", "m.a", "SELECT CAST(NULL AS VARCHAR) AS i")
    assert bench.rows("SELECT i FROM lake.m.a") == [("one",)]


def _identity(bench: Bench) -> object:
    return bench.rows(
        "SELECT table_uuid FROM __ducklake_metadata_lake.ducklake_table WHERE table_name = 'a' AND end_snapshot IS NULL"
    )


def _relation(dataset: str):  # type: ignore[no-untyped-def]
    from headgate.spec.names import Relation

    return Relation.parse(dataset)


def _registered(bench: Bench) -> int:
    found = bench.rows("SELECT count(*) FROM __ducklake_metadata_lake.ducklake_data_file WHERE path LIKE '%hg-stage%'")
    return int(found[0][0])


def test_rule_07_a_staged_file_is_registered_only_where_that_is_exact(bench: Bench) -> None:
    build(bench, "r0", "m.plain", "SELECT i, i * 2 AS d FROM range(1000) t(i)", parquet=True)
    assert _registered(bench) == 1
    build(
        bench,
        "r1",
        "m.parts",
        "SELECT i, DATE '2026-01-01' + i::INT AS day FROM range(50) t(i)",
        parquet=True,
        partition_by=("month(day)",),
    )
    build(bench, "r2", "m.strict", "SELECT 1 AS i", columns=(Column("i", "INTEGER", nullable=False),))
    with pytest.raises(EngineFailed):
        build(bench, "r3", "m.strict", "SELECT CAST(NULL AS INTEGER) AS i", kind=APPEND, parquet=True)
    build(bench, "r4", "m.wide", "SELECT 1::BIGINT AS i")
    build(bench, "r5", "m.wide", "SELECT 2::INTEGER AS i", kind=APPEND, parquet=True)
    assert _registered(bench) == 1
    assert bench.rows("SELECT count(*), sum(d) FROM lake.m.plain") == [(1000, 999000)]
    assert bench.rows("SELECT count(DISTINCT day) FROM lake.m.parts") == [(50,)]
    assert bench.rows("SELECT count(*) FROM lake.m.strict") == [(1,)]
    assert bench.rows("SELECT i FROM lake.m.wide ORDER BY 1") == [(1,), (2,)]


def test_rule_08_a_registered_file_belongs_to_the_lake(bench: Bench) -> None:
    """The run's workspace is discarded: what the catalog names stays, what it does not name goes."""
    workspace = bench.lake.workspace("r0")
    used = staged(workspace, "m.used", "SELECT i FROM range(100) t(i)", parquet=True)
    unused = staged(workspace, "m.unused", "SELECT i FROM range(100) t(i)", parquet=True)
    put(bench.lake, "r0", used)
    workspace.discard()
    assert Path(used.files[0]).exists()
    assert not Path(unused.files[0]).exists()
    assert bench.rows("SELECT count(*) FROM lake.m.used") == [(100,)]


def test_deltas_delete_by_key_also_where_it_is_null(bench: Bench) -> None:
    one = "SELECT * FROM (VALUES (1, 'a'), (2, 'b'), (NULL, 'c')) t(k, v)"
    build(bench, "r0", "m.one", one)
    build(bench, "r1", "m.one", "SELECT * FROM (VALUES (2, 'B'), (NULL, 'C'), (3, 'd')) t(k, v)", kind=DELTA, key=("k",))
    assert bench.rows("SELECT v FROM lake.m.one ORDER BY v") == [("B",), ("C",), ("a",), ("d",)]
    two = "SELECT * FROM (VALUES (1, 1, 'a'), (1, NULL, 'b')) t(k, l, v)"
    build(bench, "r2", "m.two", two)
    build(bench, "r3", "m.two", "SELECT * FROM (VALUES (1, NULL, 'B'), (2, 1, 'c')) t(k, l, v)", kind=DELTA, key=("k", "l"))
    assert bench.rows("SELECT v FROM lake.m.two ORDER BY v") == [("B",), ("a",), ("c",)]


def test_intervals_of_one_new_table_come_one_after_another(bench: Bench) -> None:
    """Several staged values of one dataset in one bundle, also when they make the table anew."""
    days = [("2026-01-01T00:00:00", "2026-01-02T00:00:00"), ("2026-01-02T00:00:00", "2026-01-03T00:00:00")]
    for attempt, change in enumerate(("none", "breaking", "additive")):
        alter = ('ADD COLUMN "more" INTEGER',) if change == "additive" else ()
        more = ", 7 AS more" if alter else ""
        run, base = f"r{attempt}", bench.version("m.days")
        workspace = bench.lake.workspace(run)
        values = []
        for at, (start, end) in enumerate(days):
            made = staged(workspace, f"m.s{at}", f"SELECT TIMESTAMP '{start}' AS moment, {at} AS n{more}", base_version=base)
            where = f"moment >= TIMESTAMP '{start}' AND moment < TIMESTAMP '{end}'"
            values.append(
                replace(
                    made,
                    dataset="m.days",
                    relation=_relation("m.days"),
                    kind=DELTA,
                    delete_where=where,
                    interval=Interval(start, end),
                    schema_change=change,
                    alter=alter,
                )
            )
        put(bench.lake, run, *values)
        workspace.discard()
        assert bench.rows("SELECT n FROM lake.m.days ORDER BY n") == [(0,), (1,)], change
    assert len(bench.lake.recorded().datasets["m.days"].intervals) == 2


def test_rule_13_views_keep_their_columns(bench: Bench) -> None:
    build(bench, "r0", "m.a", "SELECT 1 AS i")
    workspace = bench.lake.workspace("r1")
    sql = 'SELECT * FROM "lake"."m"."a"'
    columns = workspace.stage_view(_relation("m.v"), sql)
    value = staged(workspace, "m.tmp", "SELECT 1 AS i", kind=VIEW, view_sql=sql, columns=columns)
    put(bench.lake, "r1", replace(value, dataset="m.v", relation=_relation("m.v"), rows_sql="", counts=RowCounts()))
    workspace.discard()
    assert bench.rows("SELECT i FROM lake.m.v") == [(1,)]
    assert bench.open(read_only=True).relations()["m.v"] == "view"


def test_three_hundred_commits_do_not_slow_down(sqlite_bench: Bench) -> None:
    """300 commits: the last fifty take no more processor time than the first fifty, within noise."""
    build(sqlite_bench, "r0", "m.a", "SELECT 0 AS i")
    took = []
    for i in range(300):
        began = time.process_time()
        with sqlite_bench.lake.transaction(["m.a"], author="t", message="tick") as cursor:
            cursor.execute(f"INSERT INTO lake.m.a VALUES ({i})")
        took.append(time.process_time() - began)
    first, last = sorted(took[20:70])[25], sorted(took[-50:])[25]
    assert last < 2.0 * first, f"median {first * 1000:.1f} ms became {last * 1000:.1f} ms"
