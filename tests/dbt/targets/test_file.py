"""A DuckDB file as the target: what others see of it, who has to wait for whom, and what its tables are."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from headgate.run.session import Session, open_session
from headgate.spec.errors import LockHeld, UsageError

OPENER = """
import sys, time, duckdb
from pathlib import Path
connection = duckdb.connect(sys.argv[1], read_only=sys.argv[2] == "read")
Path(sys.argv[3]).touch()
while Path(sys.argv[3]).exists():
    time.sleep(0.01)
"""


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A dbt project with a seed, a view and a table, one test on the table."""
    for folder in ("models", "seeds"):
        (tmp_path / folder).mkdir()
    (tmp_path / "dbt_project.yml").write_text("name: shop\nversion: '1.0'\nprofile: shop\n")
    (tmp_path / "profiles.yml").write_text(
        "shop:\n  target: dev\n  outputs:\n    dev: {type: duckdb, path: shop.duckdb, schema: main, settings: {}}\n"
    )
    (tmp_path / "seeds" / "orders.csv").write_text("id,amount\n1,10\n2,20\n")
    (tmp_path / "models" / "shown.sql").write_text("select * from {{ ref('orders') }}")
    (tmp_path / "models" / "total.sql").write_text(
        "{{ config(materialized='table') }} select sum(amount) as amount, null as nothing, [1, 2]::int[2] as pair,"
        " 'a'::enum('a', 'b') as kind, {{ var('wrong', 0) }} as wrong from {{ ref('shown') }}"
    )
    (tmp_path / "models" / "all.yml").write_text(
        "models:\n  - name: total\n    columns:\n      - name: wrong\n        data_tests:\n          - accepted_values: {values: [0], quote: false}\n"
    )
    return tmp_path


def rows(shop: Path, sql: str) -> list[tuple[object, ...]]:
    """What any other tool reads in the file."""
    with duckdb.connect(str(shop / "shop.duckdb"), read_only=True) as connection:
        return connection.execute(sql).fetchall()


def opened(shop: Path, how: str) -> tuple[subprocess.Popen[bytes], Path]:
    """Another program that has the file open, until the mark that it makes is removed."""
    mark = shop / f"{how}.mark"
    process = subprocess.Popen([sys.executable, "-c", OPENER, str(shop / "shop.duckdb"), how, str(mark)])
    while not mark.exists():
        assert process.poll() is None
    return process, mark


def impatient(session: Session) -> None:
    """Wait a moment only."""
    session.lake.spec.options["lock_wait"] = 0.3  # type: ignore[attr-defined]


def test_the_tables_are_in_the_file_with_the_engines_own_types(shop: Path) -> None:
    with open_session(str(shop)) as session:
        assert session.run().status == "done"
        assert rows(shop, "select amount from main.total") == [(30,)], "others read while the project is open"
    assert [r[1] for r in rows(shop, "describe main.total")] == ["HUGEINT", "INTEGER", "INTEGER[2]", "ENUM('a', 'b')", "INTEGER"]
    kinds = "select table_name, table_type from information_schema.tables where table_schema = 'main' order by 1"
    assert rows(shop, kinds) == [("orders", "BASE TABLE"), ("shown", "VIEW"), ("total", "BASE TABLE")]
    assert rows(shop, "select count(*) from main.shown") == [(2,)]
    assert not list(shop.glob("shop.duckdb.wal"))


def test_a_failed_gate_leaves_the_file_as_it_was(shop: Path) -> None:
    with open_session(str(shop)) as session:
        session.run()
    with open_session(str(shop), variables={"wrong": 1}) as session:
        assert session.run().status == "blocked"
    assert rows(shop, "select wrong from main.total") == [(0,)]


def test_a_run_waits_for_who_reads_the_file_and_says_who_it_is(shop: Path) -> None:
    with open_session(str(shop)) as session:
        session.run()
    (shop / "seeds" / "orders.csv").write_text("id,amount\n1,11\n2,20\n")
    reader, mark = opened(shop, "read")
    with open_session(str(shop)) as session:
        impatient(session)
        with pytest.raises(LockHeld, match="is open in another program"):
            session.run()
    assert rows(shop, "select amount from main.total") == [(30,)]
    mark.unlink()
    reader.wait(timeout=30)
    with open_session(str(shop)) as session:
        assert session.run(resume=True).status == "done"
    assert rows(shop, "select amount from main.total") == [(31,)]


def test_who_writes_the_file_shuts_a_run_out(shop: Path) -> None:
    with open_session(str(shop)) as session:
        session.run()
        spec = session.lake.spec  # type: ignore[attr-defined]
        session.close()
        writer, mark = opened(shop, "write")
        spec.options["lock_wait"] = 0.3
        from headgate.engines.duckdb.lake import open_lake

        with pytest.raises(LockHeld, match="is open in another program"):
            open_lake(spec, str(shop))
    mark.unlink()
    writer.wait(timeout=30)


def test_tables_that_others_fill_are_built_upon_again_when_their_rows_change(shop: Path) -> None:
    with duckdb.connect(str(shop / "shop.duckdb")) as connection:
        connection.execute("create schema legacy; create table legacy.t as select 1 as x")
    (shop / "models" / "src.yml").write_text("sources:\n  - name: legacy\n    tables:\n      - name: t\n")
    (shop / "models" / "from_legacy.sql").write_text(
        "{{ config(materialized='table') }} select * from {{ source('legacy', 't') }}"
    )
    with open_session(str(shop)) as session:
        assert session.run().status == "done"
        assert not session.plan().todo
    with duckdb.connect(str(shop / "shop.duckdb")) as connection:
        connection.execute("update legacy.t set x = 2")
    with open_session(str(shop)) as session:
        assert [s.dataset for s in session.plan().todo] == ["main.from_legacy"]
        session.run()
    assert rows(shop, "select x from main.from_legacy") == [(2,)]


def test_what_needs_history_says_that_there_is_none(shop: Path) -> None:
    with open_session(str(shop)) as session:
        session.run()
        with pytest.raises(UsageError, match="keeps its tables as they are now"):
            session.restore("main.total", "1")
        with pytest.raises(UsageError, match="keeps its tables as they are now"):
            session.query("select 1", at="1")
        session.maintain()


def test_an_incremental_table_and_a_snapshot_keep_what_stands(shop: Path) -> None:
    (shop / "models" / "inc.sql").write_text(
        "{{ config(materialized='incremental', unique_key='id') }} select * from {{ ref('orders') }}"
        "{% if is_incremental() %} where amount > (select max(amount) from {{ this }}){% endif %}"
    )
    (shop / "snapshots").mkdir()
    (shop / "snapshots" / "s.sql").write_text(
        "{% snapshot s %}{{ config(target_schema='snaps', unique_key='id', strategy='check', check_cols='all') }}"
        "select * from {{ ref('orders') }}{% endsnapshot %}"
    )
    with open_session(str(shop)) as session:
        assert session.run().status == "done"
    (shop / "seeds" / "orders.csv").write_text("id,amount\n1,10\n2,25\n3,30\n")
    with open_session(str(shop)) as session:
        assert session.run().status == "done"
    assert rows(shop, "select id, amount from main.inc order by id") == [(1, 10), (2, 25), (3, 30)]
    assert rows(shop, "select id, amount, dbt_valid_to is null from snaps.s order by id, amount") == [
        (1, 10, True), (2, 20, False), (2, 25, True), (3, 30, True),
    ]  # fmt: skip
