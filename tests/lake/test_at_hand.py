"""While a catalog is at hand, no query has to open it from nothing."""

from __future__ import annotations

import threading
from pathlib import Path

from lake_bench import Bench


def _index(bench: Bench) -> Path:
    """What SQLite makes when a catalog is opened from nothing, and removes when nobody has it open any more."""
    return Path(bench.lake.spec.catalog.removeprefix("sqlite:") + "-shm")


def _ask(bench: Bench) -> None:
    def many() -> None:
        cursor = bench.lake.cursor()
        for _ in range(30):
            cursor.execute("SELECT count(*) FROM lake.headgate.publications").fetchone()
        cursor.close()

    askers = [threading.Thread(target=many) for _ in range(2)]
    for asker in askers:
        asker.start()
    for asker in askers:
        asker.join()


def test_the_catalog_is_opened_once_for_all(sqlite_bench: Bench) -> None:
    assert not _index(sqlite_bench).exists()
    with sqlite_bench.lake.at_hand():
        made = _index(sqlite_bench).stat().st_ino
        _ask(sqlite_bench)
        assert _index(sqlite_bench).stat().st_ino == made
    assert not _index(sqlite_bench).exists()


def test_another_lake_may_publish_meanwhile(sqlite_bench: Bench) -> None:
    from headgate.engines.duckdb.lake import open_lake

    with sqlite_bench.lake.at_hand():
        other = open_lake(sqlite_bench.lake.spec, sqlite_bench.lake.root)
        with other.transaction(["main.t"], author="other", message="a table") as cursor:
            cursor.execute("CREATE TABLE lake.main.t AS SELECT 1 AS id")
        other.close()
        assert sqlite_bench.rows("SELECT id FROM lake.main.t") == [(1,)]
