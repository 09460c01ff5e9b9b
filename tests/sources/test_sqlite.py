"""SQLite against the suite, and what its loose types do."""

from __future__ import annotations

import datetime
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

from sources.lakes import Trial, source_table
from sources.landing import Landing


class TestSqlite(Landing):
    has_credentials = False
    has_network = False

    def put(self, rows: Any) -> None:
        with closing(sqlite3.connect(self.folder / "shop.db")) as connection, connection:
            connection.execute("CREATE TABLE IF NOT EXISTS orders (id INTEGER PRIMARY KEY, name TEXT, updated_at TIMESTAMP)")
            connection.executemany("INSERT OR REPLACE INTO orders VALUES (?, ?, ?)", rows)

    def table(self, **fields: Any) -> Any:
        return source_table("orders", "sqlite", "shop.db", **{"primary_key": ("id",), **fields})

    def unknown(self) -> Any:
        return source_table("ordrs", "sqlite", "shop.db")


def test_values_of_another_type_are_dead_letters_and_the_rest_lands(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "loose.db")) as connection, connection:
        connection.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, n INT, r REAL, s TEXT, d DATE, ts DATETIME, b BLOB, u)")
        good = (1, 1, 1 / 3, "é", "2024-01-01", 1700000000, b"\x00\xff", 5)
        bad = [(2, "abc", 1.0, "x", None, None, None, None), (3, 1, 1.0, b"\xff", "not a date", None, None, "x")]
        connection.executemany("INSERT INTO t VALUES (?, ?, ?, ?, ?, ?, ?, ?)", [good, *bad])
    trial = Trial(tmp_path, root=str(tmp_path))
    table = source_table("t", "sqlite", "loose.db", primary_key=("id",))
    assert trial.load(table) == 1
    day, moment = datetime.date(2024, 1, 1), datetime.datetime(2023, 11, 14, 22, 13, 20)
    assert trial.lake.rows(table) == [(1, 1, 1 / 3, "é", day, moment, b"\x00\xff", "5")]
    reasons = sorted(letter[2] for letter in trial.lake.dead)
    assert reasons == ["n is no BIGINT", "s is no VARCHAR; d is no DATE"]
    trial.close()


def test_a_file_that_is_no_database_says_so(tmp_path: Path) -> None:
    (tmp_path / "no.db").write_text("this is a text, long enough to be taken for a header of a file " * 3)
    trial = Trial(tmp_path, root=str(tmp_path))
    try:
        trial.load(source_table("t", "sqlite", "no.db"))
    except Exception as error:
        assert "is no SQLite database" in str(error)
    else:
        raise AssertionError("it was read")
    trial.close()


WRITER = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], timeout=10)
for number in range(1000, 1200):
    with connection:
        connection.execute("INSERT INTO t VALUES (?)", (number,))
"""


def test_a_writer_beside_the_reader_in_wal_mode_is_no_trouble(tmp_path: Path) -> None:
    path = tmp_path / "wal.db"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("PRAGMA journal_mode=wal")
        connection.execute("CREATE TABLE t (id INTEGER PRIMARY KEY)")
        connection.executemany("INSERT INTO t VALUES (?)", [(i,) for i in range(1000)])
    trial = Trial(tmp_path, root=str(tmp_path))
    # In a process of its own: two SQLite libraries in one process on one file share no locks, and that is not what is tried here.
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(path)])
    table = source_table("t", "sqlite", "wal.db", primary_key=("id",), cursor="id")
    landed = trial.load(table)
    assert writer.wait(60) == 0
    landed += trial.load(table)
    assert landed == 1200
    assert trial.lake.rows(table, "count(*), count(DISTINCT id)") == [(1200, 1200)]
    trial.close()
