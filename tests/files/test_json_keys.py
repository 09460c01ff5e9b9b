"""Keys that a sample does not show are columns all the same; what cannot be a column is a dead letter, never left out."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from headgate.sources.files import documents
from land.ground import Ground


@pytest.fixture
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Samples so small that a file of some kilobytes is not looked at wholly."""
    monkeypatch.setattr(documents, "PIECE", 256)
    monkeypatch.setattr(documents, "SAMPLE_MAX", 4096)


def lines(*records: object) -> str:
    return "".join(json.dumps(r) + "\n" for r in records)


def types(ground: Ground) -> dict[str, str]:
    return {c.name: c.type for c in ground.lake.columns(ground.table().relation) or () if not c.name.startswith("_")}


def late(count: int) -> list[object]:
    """Records of which only one, in the middle of the first half, has the keys that matter."""
    plain: list[object] = [{"id": n, "s": {"a": n}, "l": [{"q": n}]} for n in range(count)]
    plain[count // 10] = {"id": -1, "s": {"a": 1, "b": {"c": "deep"}}, "l": [{"q": 1}, {"w": 2}], "extra": "found"}
    return plain


@pytest.mark.parametrize("packed", [False, True])
def test_keys_of_rare_lines(ground: Ground, small_pieces: None, packed: bool) -> None:
    text = lines(*late(2000)).encode()
    ground.put("a.ndjson.gz" if packed else "a.ndjson", gzip.compress(text) if packed else text)
    result = ground.land()
    assert result.status == "accepted" and result.counts.rows_out == 2000, result.reason
    assert types(ground) == {
        "id": "BIGINT",
        "s": "STRUCT(a BIGINT, b STRUCT(c VARCHAR))",
        "l": "STRUCT(q BIGINT, w BIGINT)[]",
        "extra": "VARCHAR",
    }
    assert ground.sql("SELECT extra, s.b.c, l[2].w, _position.seq FROM lake.raw_shop.orders WHERE id = -1") == [
        ("found", "deep", 2, 201)
    ]


def test_keys_of_a_rare_file_among_many(ground: Ground, small_pieces: None) -> None:
    for n in range(60):
        ground.put(f"{n:02}.ndjson", lines(*({"id": i, "pad": "x" * 40} for i in range(30))))
    ground.put("31.ndjson", lines({"id": 1, "only_here": 5}))
    assert ground.land().status == "accepted"
    assert ground.sql("SELECT only_here, _position.unit FROM lake.raw_shop.orders WHERE only_here IS NOT NULL") == [
        (5, "in/31.ndjson")
    ]


def test_keys_of_late_records_of_a_document(ground: Ground) -> None:
    ground.put("a.json", json.dumps([*({"id": n} for n in range(300)), {"id": 300, "extra": 1.5}]))
    ground.land(options={"path": "in/*", "sample_rows": 10})
    assert ground.sql("SELECT extra FROM lake.raw_shop.orders WHERE id = 300") == [(1.5,)]


@pytest.mark.parametrize("other", [{"Id": 2}, {"id": 2, "ID": 3}, {"": 2}, {"id": 2, "s": {"A": 2}}])
def test_keys_that_cannot_be_columns(ground: Ground, other: object) -> None:
    ground.put("a.ndjson", lines({"id": 1, "s": {"a": 1}}, {"id": 1, "s": {"a": 2}}, other))
    result = ground.land()
    assert result.status == "blocked" and "key" in result.reason, result.reason
    assert ground.land(retry_blocked=True, dead_letters_max=1).counts.rows_dead == 1
    assert ground.sql("SELECT id FROM lake.raw_shop.orders") == [(1,), (1,)]
    (letter,) = ground.sql("SELECT seq, record FROM lake.headgate.dead_letters ORDER BY load_id DESC LIMIT 1")
    assert (letter[0], json.loads(letter[1])) == (3, other)


def test_lines_longer_than_a_piece(ground: Ground, small_pieces: None) -> None:
    ground.put("a.ndjson", lines({"id": 1, "text": "x" * 100_000}))
    assert ground.land().counts.rows_out == 1
    assert ground.sql("SELECT length(text) FROM lake.raw_shop.orders") == [(100_000,)]


def test_an_object_larger_than_the_reader_takes(ground: Ground) -> None:
    path: Path = ground.put("a.ndjson", lines({"id": 1, "text": "x"}, {"id": 2, "text": "y" * (17 << 20)}, {"id": 3}))
    assert path.stat().st_size > 17 << 20
    result = ground.land()
    assert result.counts.rows_out == 3, result.reason
    assert ground.sql("SELECT id, length(text) FROM lake.raw_shop.orders ORDER BY 1") == [(1, 1), (2, 17 << 20), (3, None)]
