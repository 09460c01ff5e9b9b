"""Values beyond the sample are not rounded, not cut and not lost."""

from __future__ import annotations

import datetime
import json

import pytest

from headgate.sources.files import documents
from land.ground import Ground

DAY = "2024-01-01"


def test_a_fraction_and_a_time_after_the_sample(ground: Ground) -> None:
    ground.put("a.csv", "n,d\n" + f"3,{DAY}\n" * 30_000 + f"1.5,{DAY} 10:00:00\n2.0,{DAY}\n")
    assert ground.land().counts.rows_out == 30_002
    moment = datetime.datetime(2024, 1, 1, 10)
    assert ground.sql("SELECT n, d FROM lake.raw_shop.orders WHERE n < 2") == [(1.5, moment)]


def test_a_fraction_in_a_file_that_is_not_looked_at(ground: Ground) -> None:
    for n in range(30):
        ground.put(f"{n:02}.csv", "n\n1.5\n" if n == 17 else "n\n3\n")
    ground.land()
    assert ground.sql("SELECT sum(n) FROM lake.raw_shop.orders") == [(29 * 3 + 1.5,)]


@pytest.mark.parametrize("text", ['id,name\n1,"a\r\nb"\n2,x\n', 'id,name\r\n1,"a\r\nb"\r\n2,x\r\n'])
def test_line_ends_within_quotes(ground: Ground, text: str) -> None:
    ground.put("a.csv", text)
    ground.land()
    assert ground.sql("SELECT id, name FROM lake.raw_shop.orders ORDER BY 1") == [(1, "a\r\nb"), (2, "x")]


def test_a_broken_value_does_not_hide_a_fraction(ground: Ground) -> None:
    ground.put("a.csv", "n\n1\n")
    ground.land()
    ground.put("b.csv", "n\n1.5\nx\n")
    ground.land(dead_letters_max=1)
    assert ground.sql("SELECT n FROM lake.raw_shop.orders ORDER BY 1") == [(1.0,), (1.5,)]


@pytest.mark.parametrize("name", ["a.ndjson", "a.json"])
def test_fractions_and_times_in_json(ground: Ground, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents, "PIECE", 256)
    records = [{"n": 3, "d": DAY, "id": i} for i in range(3000)]
    records[500] = {"n": 1.5, "d": f"{DAY} 10:00:00", "id": 500}
    ground.put(name, json.dumps(records) if name == "a.json" else "\n".join(json.dumps(r) for r in records))
    ground.land(options={"path": "in/*", "sample_rows": 10})
    assert ground.sql("SELECT n, d FROM lake.raw_shop.orders WHERE id = 500") == [(1.5, datetime.datetime(2024, 1, 1, 10))]
