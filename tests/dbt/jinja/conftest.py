"""A dbt project from its files, written where a test wants it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

_PROFILE = "shop:\n  target: dev\n  outputs:\n    dev: {type: duckdb, path: shop.duckdb, schema: main}\n"


@pytest.fixture
def jinja_project(tmp_path: Path) -> Callable[..., Path]:
    """A dbt project of the files given (path -> text); answers its folder."""

    def write(**files: str) -> Path:
        said = {"dbt_project.yml": "name: shop\nversion: '1'\nprofile: shop\n", "profiles.yml": _PROFILE, **files}
        for path, text in said.items():
            target = tmp_path / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, encoding="utf-8")
        return tmp_path

    return write
