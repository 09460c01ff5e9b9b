"""Versions of tables that others fill: sources without a connector."""

from __future__ import annotations

from headgate.ports.engine import Lake
from headgate.spec.project import Project


def external_versions(project: Project, lake: Lake) -> dict[str, str]:
    """Dataset -> version for every source table without a connector that stands in the lake."""
    return {dataset: version for dataset, (version, _) in _asked(project, lake)}


def external_rows(project: Project, lake: Lake) -> dict[str, int]:
    """Dataset -> rows for the same tables."""
    return {dataset: rows for dataset, (_, rows) in _asked(project, lake)}


def _asked(project: Project, lake: Lake) -> list[tuple[str, tuple[str, int]]]:
    return list(lake.external([t.relation for t in project.sources.values() if not t.connector]).items())
