"""Fixtures for whole runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from orders_world import World


@pytest.fixture
def world(tmp_path: Path) -> World:
    """The orders project, without any delivery yet."""
    return World.create(tmp_path / "orders")


@pytest.fixture(params=["sqlite", "postgresql"])
def catalog_world(request: pytest.FixtureRequest, tmp_path: Path) -> World:
    """The orders project on each kind of catalog."""
    if request.param == "sqlite":
        return World.create(tmp_path / "orders")
    return World.create(tmp_path / "orders", request.getfixturevalue("pg_database"))
