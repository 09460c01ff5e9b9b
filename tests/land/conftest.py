"""The ground that these tests stand on, as a fixture."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from land.ground import Ground


@pytest.fixture
def ground(tmp_path: Path) -> Iterator[Ground]:
    """A fresh project folder with an empty lake."""
    made = Ground(tmp_path)
    yield made
    made.close()
