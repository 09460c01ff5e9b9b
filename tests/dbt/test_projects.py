"""Projects of ours, one for each family of features, by dbt-core and by Headgate: every node, every test, every row of every table."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from servers.dbt_oracle import DbtOracle

sys.path.insert(0, str(Path(__file__).parents[2]))  # the benchmarks are no installed package

from benchmarks.dbt_projects import compare

PROJECTS = Path(__file__).parent / "projects"
STAMPS = {"snapshotting": {"snaps.by_all", "snaps.by_check"}}
"""Tables that hold the moment at which they were made."""


@pytest.mark.parametrize("name", sorted(p.name for p in PROJECTS.iterdir() if (p / "dbt_project.yml").exists()))
def test_the_same_results_and_tables(name: str, tmp_path: Path, dbt_oracle: DbtOracle) -> None:
    found = compare(PROJECTS / name, tmp_path)
    unlike = [line for line in found.differing if line.split(":")[0] not in STAMPS.get(name, ())]
    assert not unlike, "\n".join(unlike)
    assert found.nodes > 3 and found.tables > 3
    for stamped in STAMPS.get(name, ()):
        (line,) = [line for line in found.differing if line.startswith(f"{stamped}:")]
        assert "rows " not in line and "columns " not in line, line
