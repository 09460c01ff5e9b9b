"""MariaDB against the suite and a real server: types that MySQL bends, passwords that change."""

from __future__ import annotations

import datetime
import decimal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pymysql
import pytest

from headgate.sources.mysql.connecting import parameters
from servers.mariadb import MariadbServer
from sources.lakes import Trial, source_table
from sources.landing import Landing


def connection(dsn: str) -> Any:
    params = parameters(dsn, source_table("t", "mysql", dsn))
    return pymysql.connect(**{**params, "port": int(params["port"])}, autocommit=True)


class TestMysql(Landing):
    has_credentials = True
    has_network = True

    @pytest.fixture(autouse=True)
    def _server(self, mariadb_server: MariadbServer, mariadb_database: str) -> Iterator[None]:
        self.server, self.dsn = mariadb_server, mariadb_database
        yield

    def put(self, rows: Any) -> None:
        with connection(self.dsn) as db, db.cursor() as cursor:
            cursor.execute("CREATE TABLE IF NOT EXISTS orders (id BIGINT PRIMARY KEY, name TEXT, updated_at DATETIME(6))")
            cursor.executemany("REPLACE INTO orders VALUES (%s, %s, %s)", rows) if rows else None

    def table(self, **fields: Any) -> Any:
        return source_table("orders", "mysql", self.dsn, **{"primary_key": ("id",), **fields})

    def unknown(self) -> Any:
        return source_table("ordrs", "mysql", self.dsn)

    def refused(self) -> Any:
        user, _, rest = self.dsn.partition("@")
        return source_table("orders", "mysql", user.rsplit(":", 1)[0] + ":wrong@" + rest)

    def unreachable(self) -> Any:
        return source_table("orders", "mysql", "mysql://u:p@127.0.0.1:1/x", retries=0)


WIDE = """
CREATE TABLE wide (id INT PRIMARY KEY, big BIGINT UNSIGNED, flag TINYINT(1), amount DECIMAL(12,3), huge DECIMAL(60,10), doc JSON,
  feeling ENUM('sad', 'happy'), tags SET('a', 'b'), d DATE, at DATETIME(6), stamp TIMESTAMP NULL, span TIME, y YEAR, bits BIT(10), bytes VARBINARY(10), t TEXT)
"""


def test_types_keep_their_values(tmp_path: Path, mariadb_database: str) -> None:
    with connection(mariadb_database) as db, db.cursor() as cursor:
        cursor.execute("SET sql_mode = ''")
        cursor.execute("SET time_zone = '+02:00'")
        cursor.execute(WIDE)
        cursor.execute(
            "INSERT INTO wide VALUES (1, 18446744073709551615, 2, 123.456, 12345678901234567890123456789012345678901234567890.5, '{\"a\": [1]}', 'happy', "
            "'a,b', '0000-00-00', '2024-01-01 10:00:00.123456', '2024-01-01 12:00:00', '100:00:00', 2024, b'1000000001', X'00FF', 'é')"
        )
    trial = Trial(tmp_path, root=str(tmp_path))
    table = source_table("wide", "mysql", mariadb_database, primary_key=("id",))
    assert trial.load(table) == 1
    (row,) = trial.lake.rows(table)
    assert row[:4] == (1, decimal.Decimal(18446744073709551615), 2, decimal.Decimal("123.456"))
    assert row[4].startswith("12345678901234567890123456789012345678901234567890.5") and '"a"' in row[5]
    assert row[6:10] == ("happy", "a,b", None, datetime.datetime(2024, 1, 1, 10, 0, 0, 123456))
    assert row[10].astimezone(datetime.UTC) == datetime.datetime(2024, 1, 1, 10, 0, tzinfo=datetime.UTC)
    assert row[11].startswith("100:00:00") and row[12:] == (2024, decimal.Decimal(513), b"\x00\xff", "é")
    trial.close()
