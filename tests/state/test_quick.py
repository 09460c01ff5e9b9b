"""The quick way: what it answers, what it leaves to the ordinary way, and that both agree."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from headgate.spec.ids import uuid7
from headgate.state import open_state
from headgate.state.quick import record_noop_run, sqlite_path


def noop(url: str) -> bool:
    return record_noop_run(
        url,
        run_id=uuid7(),
        project="p",
        environment="dev",
        command="run",
        args=["x"],
        started_at="2013-01-01",
        seconds=0.1,
        snapshot=4,
    )


def test_the_quick_way_reads_what_the_ordinary_way_wrote(sqlite_url: str) -> None:
    assert not noop(sqlite_url)
    with open_state(sqlite_url) as state:
        assert noop(sqlite_url)
        (run,) = state.runs()
        assert (run.status, run.nothing_to_do, run.reason, run.args, run.snapshot) == ("done", True, "nothing to do", ["x"], 4)
        assert [e.kind for e in state.events(run_id=run.run_id)] == ["run.started", "run.finished"]


def test_any_doubt_is_left_to_the_ordinary_way(tmp_path: Path, sqlite_url: str) -> None:
    assert not noop("postgresql://u@h/db")
    other = tmp_path / "other.db"
    sqlite3.connect(other).execute("CREATE TABLE alembic_version (version_num TEXT)")
    assert not noop(f"sqlite:///{other}")
    broken = tmp_path / "broken.db"
    broken.write_bytes(b"no database" * 500)
    assert not noop(f"sqlite:///{broken}")
    open_state(sqlite_url).close()
    connection = sqlite3.connect(sqlite_path(sqlite_url) or "")
    connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.commit()
    connection.close()
    assert not noop(sqlite_url)


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("sqlite:////a/b.db", "/a/b.db"),
        ("sqlite:///b.db", "b.db"),
        ("sqlite+pysqlite:////a%20b/c.db?x=1", "/a b/c.db"),
        ("sqlite://", None),
        ("postgresql:///x", None),
        ("nonsense", None),
    ],
)
def test_the_file_of_a_url(url: str, path: str | None) -> None:
    assert sqlite_path(url) == path
