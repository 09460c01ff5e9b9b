"""Opening: made, migrated, shared, refused; the tables are what the dictionary says."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text

from headgate.spec.errors import DeclarationError, RefusedError, WorldError
from headgate.state import State, open_state, quick
from headgate.state.database import Database
from headgate.state.tables import METADATA, TABLES

OPEN = "import sys; from headgate.state import open_state; open_state(sys.argv[1]).close(); print('open')"


def test_the_migrations_make_what_the_code_reads(sqlite_url: str) -> None:
    with open_state(sqlite_url) as state, state._database.read() as connection:
        assert compare_metadata(MigrationContext.configure(connection), METADATA) == []


def test_revisions_are_numbered_and_known() -> None:
    folder = Path(quick.__file__).parent / "migrations"
    script = ScriptDirectory(str(folder))
    assert tuple(reversed([r.revision for r in script.walk_revisions()])) == quick.KNOWN
    assert script.get_current_head() == quick.HEAD == quick.KNOWN[-1]
    files = sorted(path.stem for path in (folder / "versions").glob("0*.py"))
    assert [name.partition("_")[0] for name in files] == list(quick.KNOWN)


def test_every_table_and_column_is_explained() -> None:
    assert len(TABLES) == 8
    for name, table in TABLES.items():
        assert table.summary, name
        assert all(table.columns.values()), name


def test_opening_again_keeps_what_is_there(state_url: str) -> None:
    with open_state(state_url) as state:
        state.start_run("r", project="p", environment="dev", command="run")
    with open_state(state_url) as state:
        assert state.run("r") is not None


def test_processes_that_start_at_once(state_url: str) -> None:
    started = [subprocess.Popen([sys.executable, "-c", OPEN, state_url], stdout=subprocess.PIPE, text=True) for _ in range(4)]
    assert [process.communicate(timeout=60)[0] for process in started] == ["open\n"] * 4


def test_threads_that_open_at_once(sqlite_url: str) -> None:
    with ThreadPoolExecutor(6) as pool:
        states = list(pool.map(open_state, [sqlite_url] * 6))
    for state in states:
        state.close()


def test_a_newer_database_is_refused(state_url: str) -> None:
    open_state(state_url).close()
    database = Database(state_url)
    with database.write() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    database.close()
    with pytest.raises(RefusedError, match=r"revision 9999.*Upgrade Headgate") as refused:
        open_state(state_url)
    assert refused.value.exit_code == 5


@pytest.mark.parametrize("url", ["mysql://h/db", "sqlite://", "sqlite:///:memory:", "nonsense"])
def test_what_is_no_state_database(url: str) -> None:
    with pytest.raises(DeclarationError):
        open_state(url)


def test_a_server_that_is_not_there() -> None:
    with pytest.raises(WorldError) as failed:
        open_state("postgresql://someone:hidden@127.0.0.1:1/none")
    assert "hidden" not in failed.value.what


def test_a_broken_file_is_said_so(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    path.write_bytes(b"this is no database" * 100)
    with pytest.raises(WorldError, match="not a database"):
        open_state(f"sqlite:///{path}")


def test_the_package_is_light_until_it_is_used() -> None:
    code = "import sys, headgate.state.quick; print('sqlalchemy' in sys.modules, 'alembic' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False False\n"


def test_wal_and_synchronous(sqlite_url: str) -> None:
    with open_state(sqlite_url) as state:
        assert _pragmas(state, durable=False) == ("wal", 1)
        assert _pragmas(state, durable=True) == ("wal", 2)


def _pragmas(state: State, *, durable: bool) -> tuple[str, int]:
    with state._database.write(durable=durable) as connection:
        mode = connection.execute(text("PRAGMA journal_mode")).scalar_one()
        return mode, connection.execute(text("PRAGMA synchronous")).scalar_one()
