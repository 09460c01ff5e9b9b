"""Read a project's files into frozen spec values: `load`, `select`, `digest`. Nothing heavy is imported before it is needed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from headgate.declare.loading import Loaded
    from headgate.declare.selection import Prior
    from headgate.spec.project import Project


def load(root: str, *, environment: str = "", variables: Mapping[str, Any] | None = None, use_cache: bool = True) -> Loaded:
    """The project in folder `root`, and the templates to render it with.

    `variables` win over the project's `vars`. With `use_cache` an unchanged project comes from `.headgate/cache`. Raises
    DeclarationError with the diagnostics of all mistakes; UsageError when `root` is no project or the environment unknown.
    """
    from headgate.declare.loading import load as load_project

    return load_project(root, environment=environment, variables=variables or {}, use_cache=use_cache)


def select(
    project: Project, expressions: Sequence[str], exclude: Sequence[str] = (), prior: Prior | None = None
) -> tuple[str, ...]:
    """The unique ids that dbt's selector `expressions` name, in the project's order, less those that `exclude` names.

    No expressions: everything that can be selected. `prior` answers what compares with an earlier run (`declare.prior`).
    Raises UsageError with the nearest name for a name that does not exist.
    """
    from headgate.declare.selection import select as select_nodes

    return select_nodes(project, expressions, exclude, prior)


def digest(root: str) -> str:
    """A quick name of the state of the project's files (by size and times) and of the environment variables it reads."""
    from headgate.declare.quick import digest as quick_digest

    return quick_digest(root)
