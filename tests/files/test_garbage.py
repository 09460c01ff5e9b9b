"""Garbage and damage of all kinds: a verdict, never a crash, and nothing is lost in silence."""

from __future__ import annotations

import gzip
import io
import random
import threading
import time
from pathlib import Path

import cramjam
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from headgate.spec.errors import SourceBroken
from land.ground import Ground

TEXT = b"id,name\n" + b"".join(b"%d,n%d\n" % (n, n) for n in range(2000))
LINES = b"".join(b'{"id":%d}\n' % n for n in range(2000))
NOISE = random.Random(7).randbytes(5000)
ENDINGS = ("csv", "tsv", "json", "parquet", "avro", "orc", "xlsx", "csv.gz", "ndjson.zst", "csv.lz4", "csv.sz", "json.gz")


def parquet() -> bytes:
    buffer = io.BytesIO()
    pq.write_table(pa.table({"id": list(range(2000)), "name": ["x" * 20] * 2000}), buffer)
    return buffer.getvalue()


def flipped(data: bytes, start: int, end: int) -> bytes:
    return data[:start] + bytes(c ^ 255 for c in data[start:end]) + data[end:]


def land(ground: Ground, name: str, content: bytes) -> tuple[str, int, int]:
    """Status, rows and dead letters of a load of this file alone, with any number of dead letters allowed."""
    ground.put(name, content)
    result = ground.land(name="t_" + name.replace(".", "_"), options={"path": f"in/{name}"}, dead_letters_max=1e9)
    assert result.counts.balanced
    assert result.status != "blocked" or name in result.reason, result.reason
    return result.status, result.counts.rows_out, result.counts.rows_dead


def test_noise_is_unreadable_under_any_name(ground: Ground) -> None:
    for ending in ENDINGS:
        for kind, content in (("noise", NOISE), ("zeros", bytes(3000))):
            assert land(ground, f"{kind}.{ending}", content) == ("blocked", 0, 1), ending
    assert land(ground, "noise.ndjson", NOISE)[:2] == ("accepted", 0)  # every line is a dead letter


def test_cut_and_flipped(ground: Ground) -> None:
    packed, columns = gzip.compress(TEXT), parquet()
    cases = {
        "cut.csv.gz": packed[:-20],
        "flip.csv.gz": flipped(packed, 50, 51),
        "more.csv.gz": packed + b"garbage",
        "cut.csv.zst": bytes(cramjam.zstd.compress(TEXT))[:-9],
        "cut.parquet": columns[: len(columns) // 2],
        "end.parquet": columns[:-4] + b"XXXX",
        "flip.parquet": flipped(columns, 300, 500),
        "mixed_ends.csv": b"id,name\r\n1,x\n2,y\r\n3,z\n",
        "utf16.csv": TEXT.decode().encode("utf-16"),
        "deep.json": b"[" * 100_000 + b"]" * 100_000,
        "deep.ndjson": b'{"id":1}\n{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}\n",
    }
    for name, content in cases.items():
        assert land(ground, name, content) == ("blocked", 0, 1), name


def test_damaged_lines(ground: Ground) -> None:
    deep = b'{"a":' * 600 + b"1" + b"}" * 600
    huge = b"9," + b"y" * (17 << 20) + b"\n"
    cases = {
        "ragged.csv": (b"id,name,x\n1,a,b\n2,c\n3,d,e,f\n4\n5,g,h\n\n6,i,j\n", 3, 3),
        "huge.csv": (TEXT + huge + b"3,z\n", 2001, 1),
        "latin.csv": ("id,name\n1,caf\xe9\n2,x\n".encode("latin-1"), 1, 1),
        "latin.ndjson": ('{"id":1,"n":"caf\xe9"}\n{"id":2,"n":"\ufffd"}\n'.encode("latin-1", "xmlcharrefreplace"), 1, 1),
        "utf16.ndjson": ('{"id":1}\n'.encode("utf-16"), 0, 2),
        "cut.ndjson": (LINES + b'{"id":20', 2000, 1),
        "mixed.ndjson": (b'{"a":1}\n{"a":"x"}\n{"a":[1]}\n{"a":{"b":1}}\n{"a":null}\n', 5, 0),
        "scalars.ndjson": (b'1\n"x"\nnull\n[1,2]\n{"a":1}\n', 1, 4),
        "surrogate.json": (b'[{"id":1,"n":"\\ud800"},{"id":2,"n":"ok"}]', 1, 1),
        "deep.ndjson": (b'{"id":1}\n' + deep + b"\n", 2, 0),
        "deep.json": (b"[" + deep + b"]", 1, 0),
        "utf16.json": ('[{"id":1}]'.encode("utf-16"), 1, 0),
        "names.csv": (b'"a""b","c\'d",;drop,_seq,_unit_index,_unit\n1,2,3,4,5,6\n', 1, 0),
        "names.ndjson": (b'{"a\\"b":1,"c\'d":{"x\\"y":2},"e.f":3,"$":4,"g[0]":{"h.i":1},"_seq":5,"_unit":6}\n', 1, 0),
        "repeated.csv": (b"id,id,name,Name,\n1,2,3,4,5\n", 1, 0),
    }
    for name, (content, rows, dead) in cases.items():
        assert land(ground, name, content) == ("accepted", rows, dead), name
    assert ground.sql("SELECT _seq, _unit_index, _unit, _position.seq FROM lake.raw_shop.t_names_csv") == [(4, 5, 6, 1)]
    assert ground.sql("SELECT _seq, _unit, _position.seq FROM lake.raw_shop.t_names_ndjson") == [(5, 6, 1)]


def test_one_broken_file_names_itself_among_whole_ones(ground: Ground) -> None:
    (ground.root / "in").mkdir()
    for name, content in (("a.parquet", parquet()), ("b.parquet", flipped(parquet(), 300, 500)), ("c.parquet", parquet())):
        ground.put(name, content)
    refused = ground.land()
    assert refused.status == "blocked" and "in/b.parquet" in refused.reason
    ground.put("b.parquet", parquet())
    assert ground.land().counts.rows_out == 6000


def test_columns_named_as_places_are_refused(ground: Ground) -> None:
    ground.put("a.csv", b"_loaded_at,id\n1,2\n")
    with pytest.raises(SourceBroken, match="has a column '_loaded_at'"):
        ground.land()


@pytest.mark.parametrize("ending", ["csv", "ndjson"])
def test_a_file_that_grows_while_it_is_read(ground: Ground, ending: str) -> None:
    path: Path = ground.put(f"a.{ending}", b"id,name\n" if ending == "csv" else b"")
    total, stop = 400, threading.Event()

    def write() -> None:
        for n in range(total):
            with path.open("a") as file:
                file.write(f"{n},name of {n}\n" if ending == "csv" else f'{{"id": {n}, "name": "name of {n}"}}\n')
            time.sleep(0.002)
        stop.set()

    writer = threading.Thread(target=write)
    writer.start()
    while not stop.is_set():
        ground.land()
    writer.join()
    assert ground.land().status in ("accepted", "nothing")
    name = "orders__current" if "raw_shop.orders__current" in ground.lake.relations() else "orders"
    assert ground.sql(f"SELECT id, name FROM lake.raw_shop.{name} ORDER BY id") == [(n, f"name of {n}") for n in range(total)]
