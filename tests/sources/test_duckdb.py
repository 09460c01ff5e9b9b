"""DuckDB files against the suite, locks and types."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import pytest

from headgate.spec.errors import SourceUnavailable
from headgate.spec.positions import Position
from sources.lakes import Trial, source_table
from sources.landing import Landing


class TestDuckdb(Landing):
    has_credentials = False
    has_network = False

    def put(self, rows: Any) -> None:
        with duckdb.connect(str(self.folder / "shop.duckdb")) as connection:
            connection.execute("CREATE TABLE IF NOT EXISTS orders (id INTEGER PRIMARY KEY, name TEXT, updated_at TIMESTAMP)")
            for row in rows:
                connection.execute("INSERT OR REPLACE INTO orders VALUES (?, ?, ?)", list(row))

    def table(self, **fields: Any) -> Any:
        return source_table("orders", "duckdb", "shop.duckdb", **{"primary_key": ("id",), **fields})

    def unknown(self) -> Any:
        return source_table("ordrs", "duckdb", "shop.duckdb")


def test_a_file_that_another_process_writes_is_unavailable_and_tried_again(tmp_path: Path, python_process: Any) -> None:
    path = tmp_path / "busy.duckdb"
    marker = tmp_path / "up"
    code = f"import duckdb, pathlib, time; c = duckdb.connect({str(path)!r}); c.execute('CREATE TABLE t AS SELECT 1 AS a')"
    python_process.python(f"{code}; pathlib.Path({str(marker)!r}).touch(); time.sleep(60)").wait_for(marker)
    trial = Trial(tmp_path, root=str(tmp_path))
    with pytest.raises(SourceUnavailable, match="locked by a writer"):
        trial.load(source_table("t", "duckdb", "busy.duckdb", retries=2))
    assert [e.kind for e in trial.events] == ["source.retried", "source.retried"]
    trial.close()


def test_two_tables_of_one_file_at_once_share_it(tmp_path: Path) -> None:
    with duckdb.connect(str(tmp_path / "two.duckdb")) as connection:
        connection.execute("CREATE TABLE a AS SELECT 1 AS x")
        connection.execute("CREATE SCHEMA s")
        connection.execute("CREATE TABLE s.b AS SELECT 2::HUGEINT AS x, 'k'::ENUM('k', 'l') AS e, [1, 2] AS l, {'f': 1} AS st")
    trial = Trial(tmp_path, root=str(tmp_path))
    a, b = source_table("a", "duckdb", "two.duckdb"), source_table("s.b", "duckdb", "two.duckdb")
    first, second = trial.drive(a).start(Position()), trial.drive(b).start(Position())
    assert first is not None and second is not None
    assert trial.lake.land(first, a.relation) == 1
    first.close()
    assert trial.lake.land(second, b.relation) == 1
    second.close()
    kinds = {c.name: c.type for c in trial.lake.columns(b.relation) or ()}
    assert (kinds["x"], kinds["e"], kinds["l"]) == ("DECIMAL(38,0)", "VARCHAR", "INTEGER[]")
    trial.close()
