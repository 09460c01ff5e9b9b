"""The books of a load that reads a window again: what was read is out, dead, or held by raw already."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import Any

import pytest

from land.ground import Ground


def write(ground: Ground, *rows: tuple[int, Any, str]) -> None:
    with closing(sqlite3.connect(ground.root / "shop.db")) as connection, connection:
        connection.execute("CREATE TABLE IF NOT EXISTS orders (id INTEGER PRIMARY KEY, n INTEGER, at TIMESTAMP)")
        connection.executemany("INSERT OR REPLACE INTO orders VALUES (?, ?, ?)", rows)


def counts(ground: Ground) -> list[tuple[Any, ...]]:
    return ground.sql(
        "SELECT rows_in, rows_out, rows_dead, rows_deduplicated FROM lake.headgate.loads WHERE status = 'accepted' ORDER BY load_id"
    )


@pytest.mark.parametrize("keyed", [True, False])
@pytest.mark.parametrize("cursor", ["at", None])
def test_rows_read_again_are_booked(ground: Ground, keyed: bool, cursor: str | None) -> None:
    declared: dict[str, Any] = {
        "connector": "sqlite",
        "connection": str(ground.root / "shop.db"),
        "options": {},
        "primary_key": ("id",) if keyed else (),
        "cursor": cursor,
        "lookback": 7 * 86400.0 if cursor else 0.0,
        "dead_letters_max": 9,
    }
    write(ground, *((n, n, f"2024-01-0{n + 1} 00:00:00") for n in range(5)))
    assert ground.land(**declared).counts.rows_out == 5
    result = ground.land(**declared)
    assert result.status == "nothing" and "5 rows that were read again" in result.reason
    write(ground, (4, 40, "2024-01-06 00:00:00"), (5, 5, "2024-01-07 00:00:00"), (6, "x", "2024-01-07 00:00:00"))
    result = ground.land(**declared)
    assert result.counts.balanced
    assert (result.counts.rows_in, result.counts.rows_out, result.counts.rows_dead) == (7, 2, 1)
    assert counts(ground) == [(5, 5, 0, 0), (7, 2, 1, 4)]


def test_append_everything_counts_all_as_new(ground: Ground) -> None:
    declared: dict[str, Any] = {
        "connector": "sqlite",
        "connection": str(ground.root / "shop.db"),
        "options": {"append": "everything"},
    }
    write(ground, (1, 1, "2024-01-01 00:00:00"))
    ground.land(**declared)
    ground.land(**declared)
    assert counts(ground) == [(1, 1, 0, 0), (1, 1, 0, 0)]
