"""A project and its templates, as one value; the face that `headgate.declare.load` opens."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headgate.declare.cache import restore
from headgate.declare.templates import ProjectTemplates
from headgate.ports.templates import Templates
from headgate.spec.project import Project


@dataclass(frozen=True, slots=True)
class Loaded:
    """A project and the templates to render it with.

    `digest` is what `declare.digest(root)` says as long as the files are as they were read: a mark about this project
    must carry it, not a digest taken later.
    """

    project: Project
    templates: Templates
    digest: str = ""


def load(root: str, *, environment: str, variables: Mapping[str, Any], use_cache: bool) -> Loaded:
    """See `headgate.declare.load`."""
    root = str(Path(root).resolve())
    found = restore(root, environment, variables) if use_cache else None
    if found is None:
        from headgate.declare.assembly import read_project

        found = read_project(root, environment, variables, keep=use_cache)
    project, digest = found
    return Loaded(project, ProjectTemplates(project, variables), digest)
