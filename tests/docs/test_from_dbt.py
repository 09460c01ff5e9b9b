"""The page for teams with a dbt project does what it says."""

from __future__ import annotations

from pathlib import Path

from page_reader import Reader


def test_the_page_does_what_it_says(tmp_path: Path) -> None:
    assert Reader(tmp_path).read("from-dbt.md") > 8
