"""Files on a real S3-compatible server and over HTTP."""

from __future__ import annotations

import gzip
from pathlib import Path

from land.ground import Ground
from servers.http_api import HttpApi
from servers.s3 import S3Server

CSV = b"id,name\n1,x\n2,y\n"


def test_s3(ground: Ground, s3_server: S3Server, s3_bucket: str) -> None:
    connection = {
        "key_id": s3_server.access_key,
        "secret": s3_server.secret_key,
        "endpoint": s3_server.endpoint,
        "region": "us-east-1",
        "url_style": "path",
        "use_ssl": False,
    }
    declared = {"options": {"path": f"s3://{s3_bucket}/in/*"}, "connection": connection}
    s3_server.put(s3_bucket, "in/a.csv", CSV)
    s3_server.put(s3_bucket, "in/b.csv.gz", gzip.compress(b"id,name\n3,z\n"))
    assert ground.land(**declared).counts.rows_out == 3
    assert ground.land(**declared).status == "nothing"
    s3_server.put(s3_bucket, "in/a.csv", CSV + b"4,w\n")
    assert ground.land(**declared).counts.rows_out == 3
    assert ground.sql("SELECT list(id ORDER BY id) FROM lake.raw_shop.orders__current") == [([1, 2, 3, 4],)]
    s3_server.put(s3_bucket, "in/c.csv.gz", gzip.compress(CSV * 5000)[:200])
    assert "cut off" in ground.land(**declared).reason


def test_gs(ground: Ground, s3_server: S3Server, s3_bucket: str) -> None:
    """gs:// speaks Google's XML interface with HMAC keys, which is S3's; the server here is not Google's."""
    connection = {
        "key_id": s3_server.access_key,
        "secret": s3_server.secret_key,
        "endpoint": s3_server.endpoint,
        "url_style": "path",
        "use_ssl": False,
    }
    declared = {"options": {"path": f"gs://{s3_bucket}/gs/*"}, "connection": connection}
    s3_server.put(s3_bucket, "gs/a.csv", CSV)
    s3_server.put(s3_bucket, "gs/b.ndjson.gz", gzip.compress(b'{"id": 3, "name": "z"}\n'))
    assert ground.land(**declared).counts.rows_out == 3
    assert ground.land(**declared).status == "nothing"


def test_http(ground: Ground, http_api: HttpApi) -> None:
    folder: Path = ground.root / "served"
    folder.mkdir()
    (folder / "a.csv").write_bytes(CSV)
    (folder / "b.ndjson").write_bytes(b'{"id": 3, "name": "z"}\n')
    base = http_api.serve_folder(folder)
    declared = {"options": {"path": [f"{base}/a.csv", f"{base}/b.ndjson"]}}
    assert ground.land(**declared).counts.rows_out == 3
    assert ground.land(**declared).status == "nothing"
    (folder / "a.csv").write_bytes(b"id,name\n1,new\n")
    assert ground.land(**declared).counts.rows_out == 1
    assert ground.sql("SELECT name FROM lake.raw_shop.orders__current ORDER BY id") == [("new",), ("z",)]
