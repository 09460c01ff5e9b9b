"""What the shell offers after a tab: the names of the project that is worked on, from its cache where nothing has changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from headgate.spec.errors import HeadgateError

if TYPE_CHECKING:
    from headgate.spec.project import Project

ANSWERED_BEFORE = "+@"
"""A selection may begin with these."""


def _project(ctx: typer.Context) -> Project | None:
    """The project of the call; None for one that cannot be read, which a tab does not say."""
    from headgate.declare import load

    try:
        return load(str(ctx.params.get("project") or "."), environment=str(ctx.params.get("env") or "")).project
    except (HeadgateError, OSError):
        return None


def models(ctx: typer.Context, incomplete: str) -> list[str]:
    """Models, seeds and snapshots by name; a `+` or `@` before one stays."""
    begin = incomplete[: len(incomplete) - len(incomplete.lstrip(ANSWERED_BEFORE))]
    project = _project(ctx)
    names = sorted({n.name for n in project.nodes.values()}) if project is not None else []
    return [begin + name for name in names if (begin + name).startswith(incomplete)]


def tables(ctx: typer.Context, incomplete: str) -> list[str]:
    """Every table: models by name, raw ones as schema.table; with a dot also models as schema.table."""
    project = _project(ctx)
    if project is None:
        return []
    names = {str(t.relation) for t in project.sources.values()} | {n.name for n in project.nodes.values()}
    if "." in incomplete:
        names |= {str(n.relation) for n in project.nodes.values()}
    return sorted(n for n in names if n.startswith(incomplete))


def sources(ctx: typer.Context, incomplete: str) -> list[str]:
    """Sources, and with a dot their tables as source.table."""
    project = _project(ctx)
    every = project.sources.values() if project is not None else ()
    names = {f"{t.source}.{t.name}" if "." in incomplete else t.source for t in every if t.connector}
    return sorted(n for n in names if n.startswith(incomplete))
