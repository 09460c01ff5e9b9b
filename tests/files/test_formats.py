"""Every format, packing and encoding of the files connector, read through landing; damaged files among whole ones."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import cramjam
import duckdb
import pyarrow as pa
import pyarrow.orc as orc
import pyarrow.parquet as pq
import pytest

from headgate.engines.duckdb.extensions import load_extension
from headgate.spec.errors import DeclarationError
from land.ground import Ground

CSV = "id,name\n1,x\n2,y\n"
ROWS = [(1, "x"), (2, "y")]
TABLE = pa.table({"id": pa.array([1, 2], pa.int64()), "name": ["x", "y"]})


def landed(ground: Ground, columns: str = "id, name") -> list[tuple[object, ...]]:
    return ground.sql(f"SELECT {columns} FROM lake.raw_shop.orders ORDER BY _position")


def types(ground: Ground) -> dict[str, str]:
    return {c.name: c.type for c in ground.lake.columns(ground.table().relation) or () if not c.name.startswith("_")}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", CSV.encode()),
        ("a.tsv", CSV.replace(",", "\t").encode()),
        ("semicolon.csv", CSV.replace(",", ";").encode()),
        ("crlf.csv", CSV.replace("\n", "\r\n").encode()),
        ("bom.csv", b"\xef\xbb\xbf" + CSV.encode()),
        ("a.csv.gz", gzip.compress(CSV.encode(), mtime=0)),
        ("a.csv.zst", bytes(cramjam.zstd.compress(CSV.encode()))),
        ("a.csv.lz4", bytes(cramjam.lz4.compress(CSV.encode()))),
        ("a.csv.sz", bytes(cramjam.snappy.compress(CSV.encode()))),
        ("a.ndjson", b'{"id": 1, "name": "x"}\n\n{"id": 2, "name": "y"}'),
        ("a.jsonl.gz", gzip.compress(b'{"id": 1, "name": "x"}\n{"id": 2, "name": "y"}\n', mtime=0)),
        ("a.jsonl.zst", bytes(cramjam.zstd.compress(b'{"id": 1, "name": "x"}\n{"id": 2, "name": "y"}\n'))),
        ("a.json", b'[{"id": 1, "name": "x"}, {"id": 2, "name": "y"}]'),
    ],
    ids=lambda value: value if isinstance(value, str) else "",  # a packed content holds the time, and differs by process
)
def test_text(ground: Ground, name: str, content: bytes) -> None:
    ground.put(name, content)
    result = ground.land()
    assert result.status == "accepted", result.reason
    assert landed(ground) == ROWS
    assert types(ground) == {"id": "BIGINT", "name": "VARCHAR"}


def test_parquet_and_orc(ground: Ground) -> None:
    folder = ground.root / "in"
    folder.mkdir()
    pq.write_table(TABLE, folder / "a.parquet")
    pq.write_table(TABLE.append_column("note", pa.array(["n", "m"])), folder / "b.parquet")
    orc.write_table(TABLE.append_column("note", pa.array(["n", "m"])), str(folder / "c.orc"))
    result = ground.land()
    assert result.status == "accepted", result.reason
    assert landed(ground, "id, name, note, _position.unit, _position.seq") == [
        (1, "x", None, "in/a.parquet", 1),
        (2, "y", None, "in/a.parquet", 2),
        (1, "x", "n", "in/b.parquet", 1),
        (2, "y", "m", "in/b.parquet", 2),
        (1, "x", "n", "in/c.orc", 1),
        (2, "y", "m", "in/c.orc", 2),
    ]


def test_excel(ground: Ground) -> None:
    (ground.root / "in").mkdir()
    with duckdb.connect() as connection:
        load_extension(connection, "excel")
        connection.execute(
            f"COPY (SELECT 1 AS id, 'x' AS name UNION ALL SELECT 2, 'y') TO '{ground.root}/in/a.xlsx' (FORMAT xlsx, HEADER true)"
        )
    assert ground.land().status == "accepted"
    assert landed(ground) == ROWS


def test_encodings(ground: Ground) -> None:
    ground.put("a.csv", "id,name\n1,café\n".encode("latin-1"))
    refused = ground.land()
    assert refused.status == "blocked" and "utf-8" in refused.reason
    assert ground.land(retry_blocked=True, options={"path": "in/*", "encoding": "latin-1"}).status == "accepted"
    assert landed(ground) == [(1, "café")]


def test_types_are_kept(ground: Ground) -> None:
    ground.put("a.csv", "zip,big,at\n007,12345678901234567890123,2024-01-01T00:00:00+02:00\n")
    ground.land()
    assert types(ground) == {"zip": "VARCHAR", "big": "DECIMAL(38,0)", "at": "TIMESTAMP WITH TIME ZONE"}
    ground.put("b.csv", "zip,big,at\n7,5,2024-01-01T00:00:00Z\n")
    assert ground.land().status == "accepted"
    assert landed(ground, "zip, big") == [("007", 12345678901234567890123), ("7", 5)]


def test_json_keeps_what_it_holds(ground: Ground) -> None:
    lines = [
        {"id": 1, "mixed": 1, "nested": {"a": 1}, "at": "2024-01-01T00:00:00Z", "big": 2**70},
        {"id": 2, "mixed": "x", "nested": {"a": 2, "b": [1, 2]}, "at": "2024-01-01T00:00:00Z", "big": 1},
    ]
    ground.put("a.ndjson", "\n".join(json.dumps(line) for line in lines))
    assert ground.land().status == "accepted"
    assert types(ground) == {
        "id": "BIGINT",
        "mixed": "JSON",
        "nested": "STRUCT(a BIGINT, b BIGINT[])",
        "at": "TIMESTAMP WITH TIME ZONE",
        "big": "DECIMAL(38,0)",
    }
    assert landed(ground, "mixed, nested.b, big") == [("1", None, 2**70), ('"x"', [1, 2], 1)]
    ground.put("b.ndjson", json.dumps({"id": 3, "nested": {"a": 3, "c": True}}))
    result = ground.land()
    assert result.status == "accepted", result.reason
    assert [(c.kind, c.column) for c in result.schema_changes] == [("type_widened", "nested")]


def test_damaged_lines_do_not_lose_the_good_ones(ground: Ground) -> None:
    ground.put("a.ndjson", '{"id": 1, "s": {"a": 1}}\n')
    ground.land()
    ground.put("b.ndjson", '{"id": 2}\n{"id":\n\n{"id": "zz"}\n[1]\n{"id": 3, "s": {"a": "q"}}\n{"id": 4}\n')
    result = ground.land(dead_letters_max=4)
    assert (result.counts.rows_out, result.counts.rows_dead) == (2, 4), result.reason
    assert landed(ground, "id, _position.seq") == [(1, 1), (2, 1), (4, 7)]
    letters = ground.sql("SELECT seq, reason FROM lake.headgate.dead_letters ORDER BY seq")
    assert letters == [
        (2, "the line is no valid JSON"),
        (4, "the value of id does not fit BIGINT"),
        (5, "the line is JSON, but no object"),
        (6, "the value of s.a does not fit BIGINT"),
    ]


def test_records_within_a_document(ground: Ground) -> None:
    ground.put("a.json", json.dumps({"data": {"items": [{"id": 1, "name": "x"}, {"id": 2, "name": "y"}]}}))
    ground.land(options={"path": "in/*", "records": "data.items"})
    assert landed(ground) == ROWS
    ground.put("b.json", json.dumps({"data": {}}))
    assert "records" in ground.land(options={"path": "in/*", "records": "data.items"}).reason


def test_damaged_columnar_files_block(ground: Ground) -> None:
    ground.put("a.parquet", b"")
    assert "empty" in ground.land().reason
    pq.write_table(TABLE, ground.root / "in/b.parquet")
    data = (ground.root / "in/b.parquet").read_bytes()
    ground.put("b.parquet", data[: len(data) // 2])
    assert "in/b.parquet" in ground.land().reason


def test_damaged_csv_keeps_its_columns(ground: Ground) -> None:
    ground.put("a.csv", 'id,name,amount\n1,x,1.5\n2,y\n3,"open,2.5\n')
    result = ground.land(dead_letters_max=5)
    assert (result.counts.rows_out, result.counts.rows_dead) == (1, 2), result.reason
    assert types(ground) == {"id": "BIGINT", "name": "VARCHAR", "amount": "DOUBLE"}


def test_duplicate_header_names_and_folders_named_like_files(ground: Ground) -> None:
    (ground.root / "in" / "folder.csv").mkdir(parents=True)
    ground.put("a.csv", "id,id,name\n1,2,x\n")
    assert ground.land().status == "accepted"
    assert types(ground) == {"id": "BIGINT", "id_1": "BIGINT", "name": "VARCHAR"}


def test_paths_stay_in_the_project(ground: Ground, tmp_path_factory: pytest.TempPathFactory) -> None:
    with pytest.raises(DeclarationError, match="leads out of the project"):
        ground.land(options={"path": "../*.csv"})
    elsewhere: Path = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / "a.csv").write_text(CSV)
    ground.land(options={"path": f"{elsewhere}/*.csv"})
    assert landed(ground) == ROWS


def test_a_file_that_is_too_young_waits(ground: Ground) -> None:
    ground.put("a.csv", CSV)
    assert ground.land(options={"path": "in/*", "settle": 3600}).status == "nothing"
    assert ground.land().status == "accepted"


def test_many_small_files_in_one_statement(ground: Ground) -> None:
    for n in range(600):
        ground.put(f"{n:04}.csv", f"id,name\n{n},x\n{n},y\n")
    result = ground.land()
    assert result.counts.rows_out == 1200
    assert ground.sql("SELECT count(*) FROM lake.raw_shop.orders WHERE _position.unit <> format('in/{:04d}.csv', id)") == [(0,)]
    assert ground.sql("SELECT count(*) FROM lake.headgate.load_units WHERE rows = 2") == [(600,)]


def test_avro(ground: Ground) -> None:
    (ground.root / "in").mkdir()
    with duckdb.connect() as connection:
        load_extension(connection, "avro")
        connection.execute(
            "COPY (SELECT 1::BIGINT AS id, 'x' AS name UNION ALL SELECT 2, 'y') "
            f"TO '{ground.root}/in/a.avro' (FORMAT avro, ROOT_NAME 'r', FIELD_IDS {{'id': 1, 'name': 2}})"
        )
    assert ground.land().status == "accepted"
    assert landed(ground) == ROWS
    ground.put("b.avro", b"Obj\x01 not whole")
    assert "in/b.avro" in ground.land().reason


def commit_delta(table: Path, version: int, rows: pa.Table) -> None:
    """One more version of a Delta table: a data file, and the log's entry that adds it."""
    log = table / "_delta_log"
    log.mkdir(parents=True, exist_ok=True)
    data = table / f"part-{version}.parquet"
    pq.write_table(rows, data)
    fields = [{"name": n, "type": t, "nullable": True, "metadata": {}} for n, t in (("id", "long"), ("name", "string"))]
    meta = {
        "id": "5f1c",
        "format": {"provider": "parquet", "options": {}},
        "schemaString": json.dumps({"type": "struct", "fields": fields}),
        "partitionColumns": [],
        "configuration": {},
    }
    actions = [{"protocol": {"minReaderVersion": 1, "minWriterVersion": 2}}, {"metaData": meta}] if version == 0 else []
    add = {
        "path": data.name,
        "partitionValues": {},
        "size": data.stat().st_size,
        "modificationTime": 0,
        "dataChange": True,
    }
    lines = [json.dumps(a) for a in [*actions, {"add": add}]]
    (log / f"{version:020}.json").write_text("\n".join(lines) + "\n")


def test_delta(ground: Ground) -> None:
    options = {"path": "in/orders", "format": "delta"}
    commit_delta(ground.root / "in/orders", 0, TABLE)
    assert ground.land(options=options).status == "accepted"
    assert landed(ground) == ROWS
    assert ground.land(options=options).status == "nothing"
    commit_delta(ground.root / "in/orders", 1, TABLE.slice(0, 1))
    assert ground.land(options=options).counts.rows_out == 3
    assert ground.sql("SELECT count(*) FROM lake.raw_shop.orders__current") == [(3,)]
