"""Two projects read and selected from as dbt itself does it: what dbt-core said is kept in `oracle/` (record.py asks it)."""

from __future__ import annotations

import json
import shutil
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from headgate import declare
from headgate.declare.selection import Choice, choose
from headgate.spec.project import Project

HERE = Path(__file__).parent
PROJECTS = {"garden": "tools", "mill": "grain"}
OPTIONS = {
    "--select": "select",
    "--exclude": "exclude",
    "--selector": "selector",
    "--resource-type": "resource_types",
    "--exclude-resource-type": "exclude_resource_types",
    "--indirect-selection": "indirect",
}
LINES = [
    (name, line) for name in PROJECTS for line in (HERE / f"{name}.txt").read_text(encoding="utf-8").splitlines() if line.strip()
]


@cache
def said(name: str) -> dict[str, Any]:
    """What dbt said of a project."""
    found: dict[str, Any] = json.loads((HERE / "oracle" / f"{name}.json").read_text(encoding="utf-8"))
    found["parsed"] = {k: v for k, v in found["parsed"].items() if not k.startswith("operation.")}  # hooks are nodes to dbt
    return found


@pytest.fixture(scope="session")
def read(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Project]:
    """Both projects, their packages filled in."""
    found = {}
    for name, package in PROJECTS.items():
        root = tmp_path_factory.mktemp(name) / name
        shutil.copytree(HERE / "projects" / name, root)
        shutil.copytree(HERE / "projects" / package, root / "dbt_packages" / package)
        found[name] = declare.load(str(root), use_cache=False).project
    return found


def choice(line: str) -> Choice:
    """A line of expressions as a choice."""
    key, found = "select", {}
    for word in line.split():
        if word in OPTIONS:
            key = OPTIONS[word]
        elif key in ("selector", "indirect"):
            found[key] = word
        else:
            found.setdefault(key, []).append(word)
    return Choice(**{k: v if isinstance(v, str) else tuple(v) for k, v in found.items()})


@pytest.mark.parametrize(("name", "line"), LINES)
def test_every_expression_selects_what_dbt_lists(name: str, line: str, read: dict[str, Project]) -> None:
    assert sorted(choose(read[name], choice(line)).ids) == said(name)["ls"][line]


def things(project: Project) -> dict[str, Any]:
    """Everything of a project that dbt's manifest has, by unique id."""
    others = {u: r for u, r in project.resources.items() if r.resource_type not in ("doc", "macro")}
    return {**project.nodes, **project.checks, **project.sources, **project.exposures, **others, **project.unit_tests}


@pytest.mark.parametrize("name", PROJECTS)
def test_the_same_things_are_declared(name: str, read: dict[str, Project]) -> None:
    assert sorted(things(read[name])) == sorted(said(name)["parsed"])


@pytest.mark.parametrize("name", PROJECTS)
@pytest.mark.parametrize(
    "key", ["fqn", "tags", "alias", "schema", "description", "access", "version", "latest_version", "group", "original_file_path", "depends_on"]
)  # fmt: skip
def test_they_are_alike(key: str, name: str, read: dict[str, Project]) -> None:
    ours, differing = things(read[name]), []
    for unique_id, theirs in said(name)["parsed"].items():
        thing = ours[unique_id]
        kind = unique_id.partition(".")[0]
        if key not in theirs or kind == "group" or (kind in ("test", "analysis") and key in ("alias", "schema", "group")):
            continue
        if key in ("access", "version", "latest_version") and kind != "model":
            continue
        found = _own(thing, key)
        wanted = sorted(theirs[key]) if key in ("tags", "depends_on") else theirs[key]
        wanted = str(wanted) if key in ("version", "latest_version") and wanted is not None else wanted
        if found != wanted:
            differing.append((unique_id, found, wanted))
    assert not differing


def _own(thing: Any, key: str) -> Any:
    if key in ("tags", "depends_on"):
        return sorted(getattr(thing, key, ()))
    if key in ("alias", "schema"):
        return thing.relation.name if key == "alias" else thing.relation.schema
    if key == "original_file_path":
        return thing.path
    found = getattr(thing, key)
    return list(found) if key == "fqn" else found


@pytest.mark.parametrize("name", PROJECTS)
def test_an_unchanged_project_is_the_same_from_the_cache(name: str, read: dict[str, Project]) -> None:
    root = read[name].root
    first, again = declare.load(root).project, declare.load(root).project
    assert first == again
    assert again.unit_tests == read[name].unit_tests
    assert again.resources == read[name].resources
