"""State databases on both kinds of server; every test that takes `state_url` runs on each."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from headgate.state import State, open_state


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """The URL of a SQLite state database that does not exist yet."""
    return f"sqlite:///{tmp_path}/hidden/state.db"


@pytest.fixture(params=["sqlite", "postgresql"])
def state_url(request: pytest.FixtureRequest) -> str:
    """The URL of an empty state database."""
    name = "sqlite_url" if request.param == "sqlite" else "pg_database"
    return str(request.getfixturevalue(name))


@pytest.fixture
def state(state_url: str) -> Iterator[State]:
    """An open, empty state database."""
    with open_state(state_url) as opened:
        yield opened
