"""What a selection means, told by names: as `dbt ls` tells it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from headgate.declare.methods import resource_type
from headgate.spec.declared import Resource, UnitTest
from headgate.spec.project import CheckSpec, Exposure, Node, Project, SourceTable

FORMS = ("selector", "name", "path")


@dataclass(frozen=True, slots=True)
class Listed:
    """One thing of a project: `selector` is what selects it and nothing else, `path` its file within its package."""

    unique_id: str
    resource_type: str
    name: str
    package: str
    selector: str
    path: str


def listed_names(project: Project, unique_ids: Iterable[str]) -> tuple[Listed, ...]:
    """The things with these unique ids."""
    return tuple(_listed(thing_of(project, uid)) for uid in unique_ids)


def thing_of(project: Project, unique_id: str) -> Node | SourceTable | CheckSpec | Exposure | Resource | UnitTest:
    """The thing with this unique id. Raises KeyError."""
    for things in (project.nodes, project.sources, project.checks, project.exposures, project.resources, project.unit_tests):
        if unique_id in things:
            return things[unique_id]
    raise KeyError(unique_id)


def _listed(thing: Node | SourceTable | CheckSpec | Exposure | Resource | UnitTest) -> Listed:
    kind, package = resource_type(thing), thing.unique_id.split(".")[1]
    name = thing.name
    if isinstance(thing, SourceTable):
        name = f"{thing.source}.{thing.name}"
    elif isinstance(thing, Node) and thing.version is not None:
        name = f"{thing.name}.v{thing.version}"
    path = thing.path or thing.location.file
    if kind in ("source", "exposure", "metric", "semantic_model", "saved_query", "unit_test"):
        return Listed(thing.unique_id, kind, name, package, f"{kind}:{package}.{name}", path)
    return Listed(thing.unique_id, kind, name, package, ".".join(thing.fqn), path)
