"""What the entries of one manifest share: the project, its database's name, its files, the moment, what was compiled."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from headgate.serve.artifacts.texts import Texts
from headgate.spec.names import Relation
from headgate.spec.project import CheckSpec, ColumnSpec, Project

TARGET = "target"


def as_configured(custom: str) -> str | None:
    """A project without an own macro for names of schemas."""
    return None


@dataclass(frozen=True, slots=True)
class Frame:
    """`compiled` holds the SQL of the nodes that were compiled, by unique id; `created_at` is in seconds since 1970."""

    project: Project
    texts: Texts
    created_at: float
    compiled: Mapping[str, str] = field(default_factory=dict)
    macros: Mapping[str, Any] = field(default_factory=dict)  # entries by unique id
    docs: Mapping[str, list[str]] = field(default_factory=dict)  # text -> unique ids of the docs blocks that have it
    schemas: Callable[[str], str | None] = as_configured  # how the project's own macro names the schema for a configured one
    tests: Mapping[str, list[CheckSpec]] = field(default_factory=dict)  # by the unique id of what they are attached to

    def doc_blocks(self, description: str) -> list[str]:
        """The docs blocks that a description is."""
        return list(self.docs.get(description, ())) if description else []

    @property
    def database(self) -> str:
        """The database as SQL names it."""
        return self.project.lake.name

    @property
    def schema(self) -> str:
        """The schema of what has none of its own."""
        return str(self.project.options.get("target_schema") or self.project.schema_prefix + "main")

    def schema_of(self, custom: str) -> str:
        """The schema of something whose config names `custom`."""
        return self.schemas(custom) or f"{self.schema}_{custom}"

    @property
    def target(self) -> str:
        """The folder for artifacts, relative to the project."""
        return target_path(self.project)

    def relation(self, relation: Relation) -> str:
        """A relation's quoted name."""
        return relation.sql(self.database)


def target_path(project: Project) -> str:
    """The folder for artifacts, relative to the project's."""
    return str(os.environ.get("DBT_TARGET_PATH") or project.options.get("target-path") or TARGET).rstrip("/")


def named(unique_id: str, kind: str, name: str, package: str, file: str, path: str | None = None) -> dict[str, Any]:
    """What every entry begins with. `file` is the path within the package, `path` within the folder for its kind."""
    return {
        "name": name,
        "resource_type": kind,
        "package_name": package,
        "path": inner_path(file) if path is None else path,
        "original_file_path": file,
        "unique_id": unique_id,
    }


def inner_path(file: str) -> str:
    """A path without the folder for its kind: `staging/a.sql` of `models/staging/a.sql`."""
    return file.partition("/")[2] or file


def number(version: str | None) -> Any:
    """A version as dbt writes it: a number where it is one."""
    if version is None:
        return None
    for kind in (int, float):
        try:
            return kind(version)
        except ValueError:
            continue
    return version


def columns(declared: Mapping[str, ColumnSpec], doc_blocks: Callable[[str], list[str]]) -> dict[str, Any]:
    """Declared columns; `doc_blocks` tells the docs blocks that a description is."""
    return {name: _column(column, doc_blocks(column.description)) for name, column in declared.items()}


def _column(column: ColumnSpec, doc_blocks: list[str]) -> dict[str, Any]:
    return {
        "name": column.name,
        "description": column.description,
        "meta": dict(column.meta),
        "data_type": column.data_type,
        "constraints": [constraint(c) for c in column.constraints],
        "quote": column.quote,
        "config": {"meta": dict(column.meta), "tags": list(column.tags)},
        "tags": list(column.tags),
        "granularity": column.granularity,
        "doc_blocks": doc_blocks,
    }


def constraint(found: Any) -> dict[str, Any]:
    """A constraint as dbt writes it."""
    return {
        "type": found.type,
        "name": found.name,
        "expression": found.expression,
        "warn_unenforced": found.warn_unenforced,
        "warn_unsupported": found.warn_unsupported,
        "to": found.to,
        "to_columns": list(found.to_columns),
    }


def docs_of(config: Mapping[str, Any]) -> dict[str, Any]:
    """How the documentation shows it."""
    said = config.get("docs")
    return {"show": True, "node_color": None, **(said if isinstance(said, Mapping) else {})}
