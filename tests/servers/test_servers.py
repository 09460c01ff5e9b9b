"""Each real part does what the tests above it rely on."""

from __future__ import annotations

import base64
import http.client
import json
import os
import time
import urllib.error
import urllib.request
from email.message import Message
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import duckdb
import hvac
import psycopg
import pymysql
import pytest

from servers.daemon import MissingServer
from servers.http_api import HttpApi
from servers.mariadb import MariadbServer, _install
from servers.postgres import PostgresServer
from servers.processes import Processes
from servers.s3 import S3Server
from servers.vault import VaultServer

TESTS = Path(__file__).parents[1]


def duck(*extensions: str) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect(config={"autoinstall_known_extensions": False, "autoload_known_extensions": False})
    for extension in extensions:
        wheel = find_spec(f"duckdb_extension_{extension}")
        assert wheel is not None and wheel.submodule_search_locations is not None
        (file,) = Path(wheel.submodule_search_locations[0]).rglob("*.duckdb_extension")
        connection.execute(f"LOAD '{file}'")
    return connection


def is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


# -- PostgreSQL ----------------------------------------------------------------------------------------------------


def test_postgres_gives_each_test_an_empty_database_with_a_password(pg_database: str, postgres_server: PostgresServer) -> None:
    with psycopg.connect(pg_database) as connection:
        connection.execute("CREATE TABLE t (a int)")
        assert connection.info.server_version >= 180000
        assert connection.execute(
            "SELECT current_user, count(*) FROM pg_tables WHERE schemaname = 'public' GROUP BY 1"
        ).fetchall() == [("headgate", 1)]
    place = urlsplit(pg_database)
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(postgres_server.dsn(place.path[1:], password="wrong"))


def test_postgres_password_changes_in_mid_flight(postgres_server: PostgresServer) -> None:
    postgres_server.create_role("changing", "one")
    database = postgres_server.create_database(owner="changing")
    with psycopg.connect(postgres_server.dsn(database, "changing", "one"), autocommit=True) as held:
        postgres_server.set_password("changing", "two")
        assert held.execute("SELECT 1").fetchone() == (1,)
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            psycopg.connect(postgres_server.dsn(database, "changing", "one"))
        psycopg.connect(postgres_server.dsn(database, "changing", "two")).close()


def test_postgres_connections_can_be_cut(pg_database: str, postgres_server: PostgresServer) -> None:
    with psycopg.connect(pg_database) as connection:
        assert postgres_server.kill_backends(urlsplit(pg_database).path[1:]) == 1
        with pytest.raises(psycopg.OperationalError):
            connection.execute("SELECT 1")


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_postgres_keeps_data_and_port_over_a_stop(end: str, pg_database: str, postgres_server: PostgresServer) -> None:
    with psycopg.connect(pg_database) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 7 AS a")
    if end == "kill":
        postgres_server.admin("CHECKPOINT")
    getattr(postgres_server, end)()
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(pg_database)
    postgres_server.start()
    with psycopg.connect(pg_database) as connection:
        assert connection.execute("SELECT a FROM kept").fetchone() == (7,)


def test_duckdb_reads_postgres(pg_database: str) -> None:
    with psycopg.connect(pg_database) as connection:
        connection.execute("CREATE TABLE t AS SELECT g AS a FROM generate_series(1, 1000) g")
    reader = duck("postgres_scanner")
    reader.execute(f"ATTACH '{pg_database}' AS p (TYPE postgres, READ_ONLY)")
    assert reader.sql("SELECT sum(a) FROM p.public.t").fetchall() == [(500500,)]


def test_nothing_outlives_a_killed_test_process(python_process: Processes, tmp_path: Path) -> None:
    code = """
import sys, time, pathlib
sys.path.insert(0, sys.argv[2])
from servers.postgres import PostgresServer
server = PostgresServer()
server.__enter__()
pathlib.Path(sys.argv[1] + ".new").write_text(f"{server.pid} {server.folder}")
pathlib.Path(sys.argv[1] + ".new").rename(sys.argv[1])
time.sleep(60)
"""
    marker = tmp_path / "marker"
    process = python_process.python(code, str(marker), str(TESTS))
    process.wait_for(marker)
    pid, folder = marker.read_text().split()
    assert is_running(int(pid))
    assert process.kill().killed
    deadline = time.monotonic() + 10
    while (is_running(int(pid)) or Path(folder).exists()) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not is_running(int(pid)) and not Path(folder).exists()


# -- MariaDB -------------------------------------------------------------------------------------------------------


def connect_mariadb(dsn: str) -> pymysql.connections.Connection:
    place = urlsplit(dsn)
    return pymysql.connect(
        host="127.0.0.1", port=place.port or 0, user=place.username, password=place.password or "", database=place.path[1:]
    )


def test_mariadb_database_password_and_cut(mariadb_database: str, mariadb_server: MariadbServer) -> None:
    connection = connect_mariadb(mariadb_database)
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE t (a INT PRIMARY KEY, b TEXT) ENGINE=InnoDB")
        cursor.execute("INSERT INTO t VALUES (1, 'ü'), (2, NULL)")
    connection.commit()
    with pytest.raises(pymysql.err.OperationalError, match="Access denied"):
        connect_mariadb(mariadb_server.dsn(urlsplit(mariadb_database).path[1:], password="wrong"))
    assert mariadb_server.kill_backends(urlsplit(mariadb_database).path[1:]) == 1
    with pytest.raises(pymysql.err.OperationalError), connection.cursor() as cursor:
        cursor.execute("SELECT 1")


def test_mariadb_password_changes_and_survives_a_stop(mariadb_database: str, mariadb_server: MariadbServer) -> None:
    first = mariadb_server.password
    mariadb_server.set_password(mariadb_server.user, "second")
    try:
        mariadb_server.stop()
        with pytest.raises(pymysql.err.OperationalError):
            connect_mariadb(mariadb_database)
        mariadb_server.start()
        with pytest.raises(pymysql.err.OperationalError, match="Access denied"):
            connect_mariadb(mariadb_database)
        connect_mariadb(mariadb_server.dsn(urlsplit(mariadb_database).path[1:])).close()
    finally:
        mariadb_server.set_password(mariadb_server.user, first)


def test_duckdb_reads_mariadb(mariadb_database: str) -> None:
    with connect_mariadb(mariadb_database) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE t AS SELECT seq AS a FROM seq_1_to_1000")
        connection.commit()
    connection = duck("mysql_scanner")
    connection.execute(f"ATTACH '{mariadb_database}' AS m (TYPE mysql, READ_ONLY)")
    assert connection.sql("SELECT sum(a) FROM m.t").fetchall() == [(500500,)]


def test_a_missing_mariadb_names_its_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(MissingServer, match="apt-get install -y --no-install-recommends mariadb-server-core"):
        _install()


# -- S3 ------------------------------------------------------------------------------------------------------------


def test_duckdb_writes_and_reads_s3(s3_server: S3Server, s3_bucket: str) -> None:
    connection = duck("httpfs")
    connection.execute(s3_server.secret_sql())
    for part in (1, 2):
        query = f"SELECT range AS a, 'x' || range AS b FROM range({part * 1000}, {part * 1000 + 1000})"
        connection.execute(f"COPY ({query}) TO 's3://{s3_bucket}/t/part={part}/data.parquet' (FORMAT parquet)")
    connection.execute(f"COPY (SELECT 1 AS a) TO 's3://{s3_bucket}/one.csv' (HEADER)")
    assert s3_server.keys(s3_bucket, "t/") == ["t/part=1/data.parquet", "t/part=2/data.parquet"]
    assert s3_server.get(s3_bucket, "one.csv") == b"a\n1\n"
    glob = f"read_parquet('s3://{s3_bucket}/t/*/*.parquet', hive_partitioning = true)"
    assert connection.sql(f"SELECT count(*), min(a), max(a), count(DISTINCT part) FROM {glob}").fetchall() == [
        (2000, 1000, 2999, 2)
    ]
    s3_server.put(s3_bucket, "two.csv", b"a\n2\n")
    assert connection.sql(f"SELECT a FROM 's3://{s3_bucket}/two.csv'").fetchall() == [(2,)]


def test_a_large_object_is_written_in_parts(s3_server: S3Server, s3_bucket: str) -> None:
    connection = duck("httpfs")
    connection.execute(s3_server.secret_sql())
    connection.execute("SET s3_uploader_max_filesize = '50GB'")
    target = f"s3://{s3_bucket}/large.parquet"
    connection.execute(
        f"COPY (SELECT hash(range) AS a FROM range(2_000_000)) TO '{target}' (FORMAT parquet, COMPRESSION uncompressed)"
    )
    assert connection.sql(f"SELECT count(*), count(DISTINCT a) FROM '{target}'").fetchall() == [(2_000_000, 2_000_000)]


def test_ducklake_keeps_its_data_on_s3(s3_server: S3Server, s3_bucket: str, tmp_path: Path) -> None:
    def attach() -> duckdb.DuckDBPyConnection:
        connection = duck("httpfs", "sqlite_scanner", "ducklake")
        connection.execute(s3_server.secret_sql())
        connection.execute(f"ATTACH 'ducklake:sqlite:{tmp_path / 'c.sqlite'}' AS lake (DATA_PATH 's3://{s3_bucket}/lake/')")
        return connection

    connection = attach()
    connection.execute("CREATE TABLE lake.t AS SELECT range AS a FROM range(10000)")
    connection.execute("BEGIN; DELETE FROM lake.t WHERE a < 10; INSERT INTO lake.t SELECT range FROM range(20000, 20500); COMMIT")
    connection.close()
    assert attach().sql("SELECT count(*), sum(a) FROM lake.t").fetchall() == [(10490, 60119705)]
    assert any(key.endswith(".parquet") for key in s3_server.keys(s3_bucket, "lake/"))


# -- REST interface and files --------------------------------------------------------------------------------------


def fetch(
    url: str, headers: dict[str, str] | None = None, data: bytes | None = None, timeout: float = 5
) -> tuple[int, Message, bytes]:
    request = urllib.request.Request(url, data=data, headers=headers or {})
    try:
        with urllib.request.urlopen(request, timeout=timeout) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as refused:
        return refused.code, refused.headers, refused.read()


@pytest.fixture
def orders(http_api: HttpApi) -> HttpApi:
    http_api.records["orders"] = [
        {"id": n, "updated_at": f"2026-01-{n:02d}T00:00:00Z", "customer": {"name": f"c{n}", "tags": ["a", "b"]}}
        for n in range(1, 26)
    ]
    return http_api


def test_every_style_of_paging_gives_every_record(orders: HttpApi) -> None:
    ids: dict[str, list[int]] = {"page": [], "offset": [], "cursor": [], "next": [], "link": []}

    def take(style: str, url: str) -> tuple[Message, dict[str, Any]]:
        status, headers, body = fetch(url)
        assert status == 200
        answer = json.loads(body)
        ids[style] += [row["id"] for row in (answer if style == "link" else answer["data"])]
        return headers, answer

    for page in (1, 2, 3):
        take("page", f"{orders.url}/page/orders?page={page}")
    for offset in (0, 10, 20):
        take("offset", f"{orders.url}/offset/orders?offset={offset}&limit=10")
    cursor: object = ""
    while cursor is not None:
        cursor = take("cursor", f"{orders.url}/cursor/orders?cursor={cursor}")[1]["next_cursor"]
    url: object = f"{orders.url}/next/orders?limit=7"
    while url is not None:
        url = take("next", str(url))[1]["paging"]["next"]
    link: str | None = f"{orders.url}/link/orders"
    while link:
        said = take("link", link)[0]["Link"]
        link = said.split(">")[0].removeprefix("<") if 'rel="next"' in said else None
    assert all(found == list(range(1, 26)) for found in ids.values()), ids


def test_incremental_and_single_records(orders: HttpApi) -> None:
    answer = json.loads(fetch(f"{orders.url}/page/orders?updated_after=2026-01-20T00:00:00Z")[2])
    assert [row["id"] for row in answer["data"]] == [21, 22, 23, 24, 25]
    assert json.loads(fetch(f"{orders.url}/item/orders/3")[2])["customer"] == {"name": "c3", "tags": ["a", "b"]}
    assert fetch(f"{orders.url}/item/orders/99")[0] == 404
    assert fetch(f"{orders.url}/page/nothing")[0] == 404


def test_every_kind_of_credential(orders: HttpApi) -> None:
    url = f"{orders.url}/all/orders"
    orders.require_key("k1")
    assert [fetch(url)[0], fetch(url, {"X-Api-Key": "k1"})[0]] == [401, 200]
    orders.require_key("k2", header=None, parameter="key")
    assert [fetch(url)[0], fetch(f"{url}?key=k2")[0]] == [401, 200]
    orders.require_bearer("t")
    assert [fetch(url)[0], fetch(url, {"Authorization": "Bearer t"})[0]] == [401, 200]
    orders.require_basic("u", "p")
    assert [fetch(url)[0], fetch(url, {"Authorization": "Basic " + base64.b64encode(b"u:p").decode()})[0]] == [401, 200]


def test_an_oauth_token_runs_out(orders: HttpApi) -> None:
    orders.require_oauth("me", "hush", requests_per_token=2)

    def token(secret: str) -> tuple[int, Message, bytes]:
        form = f"grant_type=client_credentials&client_id=me&client_secret={secret}".encode()
        return fetch(f"{orders.url}/oauth/token", data=form)

    assert token("wrong")[0] == 401
    bearer = {"Authorization": "Bearer " + json.loads(token("hush")[2])["access_token"]}
    assert [fetch(f"{orders.url}/page/orders", bearer)[0] for _ in range(3)] == [200, 200, 401]
    bearer = {"Authorization": "Bearer " + json.loads(token("hush")[2])["access_token"]}
    assert fetch(f"{orders.url}/page/orders", bearer)[0] == 200
    assert orders.tokens_given == 2


def test_injected_failures(orders: HttpApi) -> None:
    url = f"{orders.url}/all/orders"
    orders.fail_every(3, status=429, retry_after=1)
    answers = [fetch(url) for _ in range(6)]
    assert [status for status, _, _ in answers] == [200, 200, 429, 200, 200, 429]
    assert answers[2][1]["Retry-After"] == "1"
    orders.failures.clear()
    orders.fail_next(1, status=503)
    assert [fetch(url)[0], fetch(url)[0]] == [503, 200]
    orders.fail_next(kind="reset")
    with pytest.raises(ConnectionResetError):
        fetch(url)
    orders.fail_next(kind="truncated")
    with pytest.raises(http.client.IncompleteRead):
        fetch(url)
    orders.fail_next(kind="malformed")
    with pytest.raises(json.JSONDecodeError):
        json.loads(fetch(url)[2])
    orders.fail_next(kind="slow", delay_seconds=5)
    with pytest.raises(TimeoutError):
        fetch(url, timeout=0.2)
    assert fetch(url)[0] == 200
    assert len(orders.requests) == 13 and orders.requests[0].path == "/all/orders"


def test_static_files(http_api: HttpApi, tmp_path: Path) -> None:
    duckdb.sql("SELECT range AS a, repeat('x', 50) AS b FROM range(50000)").write_parquet(str(tmp_path / "t.parquet"))
    (tmp_path / "a b.txt").write_bytes(b"0123456789")
    base = http_api.serve_folder(tmp_path)
    status, headers, body = fetch(f"{base}/a%20b.txt")
    assert (status, body, headers["Accept-Ranges"]) == (200, b"0123456789", "bytes")
    assert fetch(f"{base}/a%20b.txt", {"If-None-Match": headers["ETag"]})[0] == 304
    assert fetch(f"{base}/a%20b.txt", {"If-Modified-Since": headers["Last-Modified"]})[0] == 304
    parts = [fetch(f"{base}/a%20b.txt", {"Range": f"bytes={wanted}"}) for wanted in ("2-4", "7-", "-2", "20-")]
    assert [(code, part) for code, _, part in parts] == [(206, b"234"), (206, b"789"), (206, b"89"), (416, b"")]
    assert fetch(f"{base}/../secret")[0] == 404 and fetch(f"{base}/none")[0] == 404
    assert duck("httpfs").sql(f"SELECT sum(a) FROM read_parquet('{base}/t.parquet')").fetchall() == [(1249975000,)]
    assert any("range" in request.headers for request in http_api.requests if request.path.endswith("t.parquet"))


# -- secrets -------------------------------------------------------------------------------------------------------


def test_hvac_reads_the_vault(vault_server: VaultServer) -> None:
    vault_server.put("shop/db", user="u", password="one")
    vault_server.put("shop/db", user="u", password="two")
    client = hvac.Client(url=vault_server.url, token=vault_server.token)
    assert client.is_authenticated()
    read = client.secrets.kv.v2.read_secret_version
    assert read(path="shop/db", raise_on_deleted_version=True)["data"]["data"] == {"user": "u", "password": "two"}
    assert read(path="shop/db", version=1, raise_on_deleted_version=True)["data"]["data"]["password"] == "one"
    with pytest.raises(hvac.exceptions.InvalidPath):
        read(path="shop/none", raise_on_deleted_version=True)
    vault_server.rotate_token("another")
    with pytest.raises(hvac.exceptions.Forbidden):
        read(path="shop/db", raise_on_deleted_version=True)


# -- processes -----------------------------------------------------------------------------------------------------


def test_a_process_ends_and_says_what_it_said(python_process: Processes) -> None:
    code = "import sys, os; print(os.environ['A'], sys.argv[1]); print('oops', file=sys.stderr); sys.exit(3)"
    finished = python_process.python(code, "b", env={"A": "a"}).wait().expect(3)
    assert (finished.out, finished.err, finished.killed) == ("a b\n", "oops\n", False)
    with pytest.raises(AssertionError, match="oops"):
        finished.expect(0)


def test_a_process_is_killed_at_a_named_point(python_process: Processes) -> None:
    code = "from headgate.spec.crash import point\nfor n in range(5):\n    print(n)\n    point('land.before_commit')"
    finished = python_process.python(code, crash_at="land.before_commit:3").wait()
    assert finished.killed and finished.out.split() == ["0", "1", "2"]
    assert python_process.python(code).wait().expect(0).out.split() == ["0", "1", "2", "3", "4"]


def test_a_process_is_killed_when_a_marker_appears_or_after_a_delay(python_process: Processes, tmp_path: Path) -> None:
    code = "import pathlib, sys, time; pathlib.Path(sys.argv[1]).touch(); time.sleep(60)"
    assert python_process.python(code, str(tmp_path / "m")).kill_when(tmp_path / "m").killed
    finished = python_process.python("import time; time.sleep(60)").kill_after(0.2).wait(10)
    assert finished.killed and finished.seconds < 5
    with pytest.raises(AssertionError, match="still running"):
        python_process.python("import time; time.sleep(60)").wait(0.2)


def test_a_kill_takes_the_children_along(python_process: Processes, tmp_path: Path) -> None:
    code = (
        "import subprocess, sys, pathlib, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        "pathlib.Path(sys.argv[1] + '.new').write_text(str(child.pid))\n"
        "pathlib.Path(sys.argv[1] + '.new').rename(sys.argv[1])\n"
        "time.sleep(60)\n"
    )
    assert python_process.python(code, str(tmp_path / "m")).kill_when(tmp_path / "m").killed
    deadline = time.monotonic() + 5
    while is_running(int((tmp_path / "m").read_text())) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not is_running(int((tmp_path / "m").read_text()))
    assert is_running(os.getpid())
