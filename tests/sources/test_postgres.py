"""PostgreSQL against the suite and a real server: types, snapshots, rotation of passwords, cut connections."""

from __future__ import annotations

import datetime
import decimal
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from headgate.extract.drive import Started
from headgate.ports.source import SqlBatch
from headgate.spec.errors import CredentialRefused, SourceBroken, SourceUnavailable
from headgate.spec.positions import Position
from sources.lakes import Trial, source_table
from sources.landing import Landing

WIDE = """
CREATE TYPE mood AS ENUM ('sad', 'happy');
CREATE TYPE pair AS (a int, b text);
CREATE DOMAIN positive AS int CHECK (value > 0);
CREATE TABLE wide (id int PRIMARY KEY, big bigint, amount numeric(12,3), free numeric, huge numeric(50,10), doc jsonb, u uuid,
  numbers int[], matrix int[], feeling mood, feelings mood[], pair pair, d date, at timestamp, atz timestamptz, span interval,
  bytes bytea, pos positive, address inet, truth boolean);
INSERT INTO wide VALUES (1, 9223372036854775807, 123.456, 12345678901234567890.123456789,
  1234567890123456789012345678901234567890.5,
  '{"b": [1, 2]}', '4d993b9b-b292-48ad-a011-5a67f7185405', '{1,NULL,3}', '{{1,2},{3,4}}', 'happy', '{sad,happy}', ROW(1, 'x'),
  'infinity', '-infinity', '2024-01-01 12:00:00+02', '1 year 2 mons 3 days 04:05:06.789', '\\x00ff', 5, '10.0.0.1', true);
INSERT INTO wide (id, matrix) VALUES (2, '{5}');
"""


@pytest.fixture
def trial(tmp_path: Path) -> Iterator[Trial]:
    trial = Trial(tmp_path)
    yield trial
    trial.close()


def run(dsn: str, statement: str, values: Any = None) -> list[Any]:
    with psycopg.connect(dsn, autocommit=True) as connection:
        cursor = connection.execute(statement, values)  # type: ignore[arg-type]
        return cursor.fetchall() if cursor.description else []


class TestPostgres(Landing):
    @pytest.fixture(autouse=True)
    def _database(self, pg_database: str, postgres_server: Any) -> None:
        self.dsn, self.server = pg_database, postgres_server

    def put(self, rows: Any) -> None:
        with psycopg.connect(self.dsn) as connection:
            connection.execute("CREATE TABLE IF NOT EXISTS orders (id int PRIMARY KEY, name text, updated_at timestamp)")
            upsert = "INSERT INTO orders VALUES (%s, %s, %s) ON CONFLICT (id) DO UPDATE SET "
            upsert += "name = excluded.name, updated_at = excluded.updated_at"
            connection.cursor().executemany(upsert, rows)

    def table(self, **fields: Any) -> Any:
        return source_table("orders", "postgres", self.dsn, **{"primary_key": ("id",), **fields})

    def refused(self) -> Any:
        return source_table("orders", "postgres", self.server.dsn("postgres", password="not-the-password"))

    def unreachable(self) -> Any:
        return source_table("orders", "postgres", "postgresql://u:not-the-password@127.0.0.1:1/x", retries=1)

    def unknown(self) -> Any:
        return source_table("ordrs", "postgres", self.dsn)

    def connections(self) -> int:
        return int(
            run(self.server.superuser_dsn(), "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'headgate'")[0][0]
        )


class TestPostgresTimeWithZone(TestPostgres):
    def put(self, rows: Any) -> None:
        run(self.dsn, "CREATE TABLE IF NOT EXISTS orders (id int PRIMARY KEY, name text, updated_at timestamptz)")
        super().put(rows)


class TestPostgresByText(TestPostgres):
    """A cursor of text: windows are the server's alone, because texts sort by its collation."""

    def put(self, rows: Any) -> None:
        run(self.dsn, "CREATE TABLE IF NOT EXISTS orders (id int PRIMARY KEY, name text, updated_at text)")
        super().put(rows)

    def test_late_rows_within_the_lookback_come_exactly_once(self) -> None:
        """A text has no lookback."""


class TestPostgresWithoutKey(TestPostgres):
    def table(self, **fields: Any) -> Any:
        return super().table(**{"primary_key": (), **fields})


def test_types_are_kept_and_nothing_is_rounded(trial: Trial, pg_database: str) -> None:
    run(pg_database, WIDE)
    table = source_table("wide", "postgres", pg_database, primary_key=("id",))
    assert trial.load(table) == 2
    kinds = {c.name: c.type for c in trial.lake.columns(table.relation) or ()}
    wanted = {
        "amount": "DECIMAL(12,3)", "free": "VARCHAR", "huge": "VARCHAR", "doc": "JSON", "u": "UUID", "numbers": "INTEGER[]",
        "matrix": "JSON", "feeling": "VARCHAR", "feelings": "VARCHAR[]", "pair": "JSON", "d": "DATE", "at": "TIMESTAMP",
        "atz": "TIMESTAMP WITH TIME ZONE", "span": "INTERVAL", "bytes": "BLOB", "pos": "INTEGER", "truth": "BOOLEAN",
    }  # fmt: skip
    assert {name: kinds[name] for name in wanted} == wanted
    columns = 'big, amount, free, huge, numbers, matrix, feelings, pair, d::VARCHAR, "at"::VARCHAR, epoch(atz), bytes, pos'
    row = trial.lake.rows(table, columns, "WHERE id = 1")[0]
    assert row[:5] == (
        2**63 - 1, decimal.Decimal("123.456"), "12345678901234567890.123456789",
        "1234567890123456789012345678901234567890.5000000000",
        [1, None, 3],
    )  # fmt: skip
    moment = datetime.datetime(2024, 1, 1, 10, tzinfo=datetime.UTC).timestamp()
    assert row[5:] == ("[[1,2],[3,4]]", ["sad", "happy"], '{"a":1,"b":"x"}', "infinity", "-infinity", moment, b"\x00\xff", 5)
    assert trial.load(table) == 0


def test_nan_in_a_decimal_is_a_dead_letter_not_zero(trial: Trial, pg_database: str) -> None:
    run(pg_database, "CREATE TABLE n (id int PRIMARY KEY, v numeric(10,2))")
    run(pg_database, "INSERT INTO n VALUES (1, 1.5), (2, 'NaN'), (3, NULL)")
    table = source_table("n", "postgres", pg_database, primary_key=("id",))
    assert trial.load(table) == 2
    assert [letter[2] for letter in trial.lake.dead] == ["NaN in a numeric column (v)"]
    assert '"NaN"' in trial.lake.dead[0][3]
    assert [c.type for c in trial.lake.columns(table.relation) or ()][1] == "DECIMAL(10,2)"


def test_rows_without_a_cursor_are_read_and_reported(trial: Trial, pg_database: str) -> None:
    run(pg_database, "CREATE TABLE c (id int PRIMARY KEY, at timestamp)")
    run(pg_database, "INSERT INTO c VALUES (1, '2024-01-01'), (2, NULL), (3, 'infinity')")
    table = source_table("c", "postgres", pg_database, primary_key=("id",), cursor="at")
    notes: list[str] = []

    def work(extraction: Started | None, attempt: int) -> int:
        assert extraction is not None
        notes.extend(extraction.notes)
        return trial.lake.land(extraction, table.relation)

    assert trial.drive(table).attempts(work, Position()) == 3
    assert notes == ["2 rows of 'public.c' have no finite at: they are read every time and compared with raw"]
    assert trial.position(table).state["cursor"] == "2024-01-01 00:00:00"
    run(pg_database, "INSERT INTO c VALUES (4, NULL), (5, '2024-01-02')")
    assert (trial.load(table), trial.load(table)) == (2, 0)


def test_a_query_and_a_quoted_name_can_be_read(trial: Trial, pg_database: str) -> None:
    run(pg_database, 'CREATE SCHEMA "Sales"; CREATE TABLE "Sales"."Order Lines" (id int, price numeric(5,2), x numeric)')
    run(pg_database, 'INSERT INTO "Sales"."Order Lines" VALUES (1, 2.50, 0.1), (2, 3.50, 0.2)')
    whole = source_table("lines", "postgres", pg_database, options={"table": "Sales.Order Lines"})
    assert trial.load(whole) == 2
    query = 'SELECT id, price * 2 AS twice, x FROM "Sales"."Order Lines" WHERE id > 1;'
    asked = source_table("asked", "postgres", pg_database, options={"query": query})
    assert trial.load(asked) == 1
    assert trial.lake.rows(asked) == [(2, "7.00", "0.2")]


def test_a_backfill_reads_its_interval_and_moves_no_position(trial: Trial, pg_database: str) -> None:
    run(pg_database, "CREATE TABLE b AS SELECT i AS id, date '2024-01-01' + i AS day FROM generate_series(0, 9) i")
    table = source_table("b", "postgres", pg_database, cursor="day")
    assert trial.load(table, since="2024-01-03", until="2024-01-05") == 2
    assert trial.position(table).state == {}
    assert (trial.load(table), trial.load(table, since="2024-01-01", until="2025-01-01")) == (8, 0)


def test_all_parallel_parts_read_one_snapshot(trial: Trial, pg_database: str) -> None:
    """Rows move between accounts while they are read: the total must not change, and no row may be missed or doubled."""
    run(
        pg_database,
        "CREATE TABLE acc AS SELECT i AS id, 1::bigint AS v, repeat('x', 200) AS pad FROM generate_series(1, 200000) i",
    )
    run(pg_database, "CREATE UNIQUE INDEX ON acc (id); ANALYZE acc")
    stop = threading.Event()

    def move() -> None:
        with psycopg.connect(pg_database) as connection:
            number = 0
            while not stop.is_set():
                number += 1
                a, b = number * 7919 % 200000 + 1, number * 104729 % 200000 + 1
                if a != b:
                    connection.execute(
                        "UPDATE acc SET v = v + CASE id WHEN %s THEN 1 ELSE -1 END WHERE id IN (%s, %s)", (a, a, b)
                    )
                    connection.commit()

    mover = threading.Thread(target=move)
    mover.start()
    try:
        table = source_table("acc", "postgres", pg_database, primary_key=("id",))
        assert trial.load(table) == 200_000
    finally:
        stop.set()
        mover.join()
    assert trial.lake.rows(table, "sum(v)::BIGINT, count(DISTINCT id)") == [(200_000, 200_000)]


def test_a_password_changed_between_opening_and_reading_halts_nothing(
    trial: Trial, postgres_server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    postgres_server.create_role("rotating", "first-secret")
    database = postgres_server.create_database(owner="rotating")
    monkeypatch.setenv("ROTATING_DSN", postgres_server.dsn(database, "rotating", "first-secret"))
    run(os.environ["ROTATING_DSN"], "CREATE TABLE t AS SELECT i AS id, repeat('x', 500) AS pad FROM generate_series(1, 100000) i")
    run(os.environ["ROTATING_DSN"], "ANALYZE t")
    table = source_table("t", "postgres", "${env:ROTATING_DSN}", primary_key=("id",))
    rotated: list[int] = []

    def work(extraction: Started | None, attempt: int) -> int:
        assert extraction is not None
        if not rotated:
            rotated.append(attempt)
            postgres_server.set_password("rotating", "second-secret")
            postgres_server.kill_backends(database)
            monkeypatch.setenv("ROTATING_DSN", postgres_server.dsn(database, "rotating", "second-secret"))
        return trial.lake.land(extraction, table.relation)

    assert trial.drive(table).attempts(work, Position()) == 100_000
    assert trial.lake.rows(table, "count(*), count(DISTINCT id)") == [(100_000, 100_000)]
    assert not any("secret" in event.reason for event in trial.events)
    postgres_server.drop_database(database)


def test_open_connections_survive_a_new_password(trial: Trial, postgres_server: Any) -> None:
    postgres_server.create_role("steady", "first-secret")
    database = postgres_server.create_database(owner="steady")
    dsn = postgres_server.dsn(database, "steady", "first-secret")
    run(dsn, "CREATE TABLE t AS SELECT i AS id FROM generate_series(1, 1000) i")
    table = source_table("t", "postgres", dsn)

    def work(extraction: Started | None, attempt: int) -> int:
        assert extraction is not None
        postgres_server.set_password("steady", "second-secret")
        return trial.lake.land(extraction, table.relation)

    assert trial.drive(table).attempts(work, Position()) == 1000
    assert not trial.events
    postgres_server.drop_database(database)


def test_the_fallback_is_used_when_the_credential_is_refused_twice(trial: Trial, postgres_server: Any, pg_database: str) -> None:
    run(pg_database, "CREATE TABLE t AS SELECT 1 AS id")
    wrong = pg_database.replace("headgate-pw", "wrong-password")
    table = source_table("t", "postgres", wrong, fallback_connection=pg_database)
    assert trial.load(table) == 1
    assert [(e.kind, e.status) for e in trial.events] == [("source.credential", "refused"), ("source.credential", "fallback")]
    with pytest.raises(CredentialRefused):
        trial.load(source_table("t", "postgres", wrong, fallback_connection=wrong))
    assert not any("wrong-password" in e.reason for e in trial.events)


def test_cut_connections_are_made_again_and_rows_come_once(trial: Trial, postgres_server: Any, pg_database: str) -> None:
    run(pg_database, "CREATE TABLE t AS SELECT i AS id, repeat('x', 500) AS pad FROM generate_series(1, 100000) i")
    table = source_table("t", "postgres", pg_database, options={"query": "SELECT *, pg_sleep(id / 100000) FROM t"})
    cuts: list[int] = []

    def work(extraction: Started | None, attempt: int) -> int:
        assert extraction is not None
        if len(cuts) < 2:
            name = pg_database.rpartition("/")[2]
            threading.Timer(0.4, lambda: cuts.append(postgres_server.kill_backends(name))).start()
        return trial.lake.land(extraction, table.relation)

    assert trial.drive(table).attempts(work, Position()) == 100_000
    assert "source.retried" in [e.kind for e in trial.events]
    assert trial.lake.rows(table, "count(*), count(DISTINCT id)") == [(100_000, 100_000)]


def test_a_statement_that_takes_too_long_is_unavailable(trial: Trial, pg_database: str) -> None:
    run(pg_database, "CREATE TABLE t AS SELECT 1 AS id")
    table = source_table(
        "t", "postgres", pg_database, options={"query": "SELECT id, pg_sleep(5)::text AS s FROM t"}, timeout=0.3, retries=0
    )
    with pytest.raises(SourceUnavailable, match="statement timeout"):
        trial.load(table)


def test_a_table_that_may_not_be_read_says_so(trial: Trial, postgres_server: Any, pg_database: str) -> None:
    name = pg_database.rpartition("/")[2]
    postgres_server.admin("CREATE TABLE hidden (id int)", db=name)
    with pytest.raises(SourceBroken, match="does not let this role read"):
        trial.load(source_table("hidden", "postgres", pg_database))


def test_no_password_is_in_what_sql_shows(trial: Trial, pg_database: str) -> None:
    run(pg_database, "CREATE TABLE t AS SELECT 1 AS id")
    extraction = trial.drive(source_table("t", "postgres", pg_database)).start(Position())
    assert extraction is not None
    shown = str(trial.lake.cursor().execute("SELECT * FROM duckdb_databases()").fetchall())
    shown += str(trial.lake.cursor().execute("SELECT * FROM duckdb_secrets()").fetchall())
    shown += "".join(b.select + str(b.setup) for b in extraction.batches() if isinstance(b, SqlBatch))
    assert "headgate-pw" not in shown
    extraction.close()
