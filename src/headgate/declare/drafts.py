"""Models, seeds and snapshots while they are read: the file, what it asks for, and its configuration before names are settled."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from headgate.declare.configs import Config
from headgate.declare.folders import SourceFile
from headgate.declare.properties import Patch
from headgate.spec.errors import Location
from headgate.spec.names import Relation

_NOWHERE = Relation("", "")
Ref = tuple[str | None, str, str | None]
"""A reference as written: package, name, version."""


@dataclass(slots=True)
class Draft:
    """One node being read. `code` is the template text, `first_line` its first line in the file."""

    resource_type: str
    name: str
    file: SourceFile
    language: str
    code: str
    first_line: int = 1
    version: str | None = None
    alias: str | None = None
    patch: Patch | None = None
    config: Config = field(default_factory=Config)
    refs: list[Ref] = field(default_factory=list)
    sources: list[tuple[str, str]] = field(default_factory=list)
    macros: set[tuple[str, str]] = field(default_factory=set)
    relation: Relation = _NOWHERE
    depends_on: tuple[str, ...] = ()
    canonical_sql: str = ""
    canonical_incremental_sql: str = ""
    ast_hash: str = ""
    failed: bool = False
    introspects: bool = False  # asks the database while rendered: its SQL is known at run time alone
    template: Any = None  # compiled when needed, rendered several times
    key: str = ""  # names text and outside configuration in the memory of earlier readings

    @property
    def package(self) -> str:
        """The package that the node belongs to."""
        return self.file.package

    @property
    def unique_id(self) -> str:
        """dbt's unique id."""
        return f"{self.resource_type}.{self.package}.{self.name}" + (f".v{self.version}" if self.version else "")

    @property
    def fqn(self) -> tuple[str, ...]:
        """Package, folders, name (and version); of a snapshot in SQL also the file, which may hold several."""
        file = (self.file.stem,) if self.resource_type == "snapshot" and self.file.path.endswith(".sql") else ()
        return (self.package, *self.file.folders, *file, self.name, *((f"v{self.version}",) if self.version else ()))

    @property
    def enabled(self) -> bool:
        """False when configured off."""
        return self.config.values.get("enabled") is not False

    @property
    def materialized(self) -> str:
        """How it is built."""
        if self.resource_type != "model":
            return self.resource_type
        return str(self.config.values.get("materialized") or ("table" if self.language == "python" else "view"))

    @property
    def location(self) -> Location:
        """Where the code begins."""
        return Location(self.file.path, self.first_line)

    def place(self, pattern: str) -> Location:
        """Where in the code the regular expression `pattern` is first found; the code's beginning if it is not."""
        found = re.search(pattern, self.code)
        if found is None:
            return self.location
        start = found.start(1) if found.re.groups else found.start()
        line = self.code.count("\n", 0, start)
        return Location(self.file.path, self.first_line + line, start - (self.code.rfind("\n", 0, start) + 1) + 1)

    def config_place(self, key: str) -> Location:
        """Where the code sets config `key`."""
        return self.place(rf"config\s*\((?:.|\n)*?\b({re.escape(key)})\b")

    def ref_place(self, ref: Ref) -> Location:
        """Where the code calls ref."""
        before = rf"['\"]{re.escape(ref[0])}['\"]\s*,\s*" if ref[0] else ""
        return self.place(rf"\bref\s*\(\s*{before}['\"]({re.escape(ref[1])})['\"]")

    def source_place(self, source: tuple[str, str], part: int = 0) -> Location:
        """Where the code calls source; `part` 0 points at the source's name, 1 at the table's."""
        names = [re.escape(n) for n in source]
        names[part] = f"({names[part]})"
        return self.place(rf"\bsource\s*\(\s*['\"]{names[0]}['\"]\s*,\s*['\"]{names[1]}['\"]")

    def value(self, key: str, default: Any = None) -> Any:
        """A configured value."""
        found = self.config.values.get(key)
        return default if found is None else found
