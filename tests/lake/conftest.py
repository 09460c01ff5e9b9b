"""The lake on both catalogs."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from lake_bench import Bench


@pytest.fixture(params=["sqlite", "postgresql"])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    """A fresh lake, once on each catalog."""
    catalog = f"sqlite:{tmp_path}/catalog.sqlite" if request.param == "sqlite" else request.getfixturevalue("pg_database")
    made = Bench(tmp_path, catalog)
    yield made
    made.close()


@pytest.fixture
def sqlite_bench(tmp_path: Path) -> Iterator[Bench]:
    """A fresh lake on an SQLite catalog."""
    made = Bench(tmp_path, f"sqlite:{tmp_path}/catalog.sqlite")
    yield made
    made.close()
