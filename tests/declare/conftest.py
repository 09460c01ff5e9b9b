"""Projects in plain text: `--- path` begins a file."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

MakeProject = Callable[[str], Path]


def write_files(root: Path, text: str) -> Path:
    """Write every `--- path` section of `text` below `root`; a project without settings gets the plainest ones."""
    parts = re.split(r"^--- (\S+)\n", text, flags=re.M)
    for path, content in zip(parts[1::2], parts[2::2], strict=True):
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content, encoding="utf-8")
    if not (root / "headgate.yml").exists() and not (root / "dbt_project.yml").exists():
        (root / "headgate.yml").write_text("name: shop\n", encoding="utf-8")
    return root


@pytest.fixture
def declared_project(tmp_path: Path) -> MakeProject:
    """A function that writes a project and gives its folder."""
    return lambda text: write_files(tmp_path, text)
