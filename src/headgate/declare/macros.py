"""The macros of project, packages and the built-in library: where each is, and how a call finds it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jinja2

from headgate.declare.mistakes import nearest
from headgate.declare.sandbox import MACROS, CompilerError, Environment, hidden

BUILTIN = "dbt"
"""The package name of the built-in library."""
_PREFIXES = ("duckdb__", "default__")
_COMMENT = re.compile(r"\{#.*?#\}", re.S)
_MACRO = re.compile(r"\{%[-+]?\s*macro\s+([A-Za-z_]\w*)\s*\(")
_TEST = re.compile(r"\{%[-+]?\s*(?:data_)?test\s+([A-Za-z_]\w*)\s*\(")
_MATERIALIZATION = re.compile(r"\{%[-+]?\s*materialization\s+([A-Za-z_]\w*)\s*(?:,\s*(?:default|adapter\s*=\s*['\"](\w+)['\"]))?")


class Return(Exception):
    """How `return(value)` leaves a macro."""

    def __init__(self, value: Any) -> None:
        self.value = value
        super().__init__()


@dataclass(slots=True)
class MacroFile:
    """One file of macros; compiled when one of them is first called."""

    package: str
    path: str
    text: str
    compiled: jinja2.Template | None = None

    def template(self, environment: Environment) -> jinja2.Template:
        """The compiled file. Raises TemplateFailed."""
        if self.compiled is None:
            self.compiled = environment.template(self.text, self.path, macro_file=True)
        return self.compiled


def names_in(text: str) -> dict[str, int]:
    """The macros of a file with lines; tests are `test_<name>`, materializations `materialization_<name>_<adapter>`."""
    if "{%" not in text:
        return {}
    clean = _COMMENT.sub(lambda m: re.sub(r"[^\n]", " ", m[0]), text)
    found = {m[1]: m.start() for m in _MACRO.finditer(clean)}
    found |= {f"test_{m[1]}": m.start() for m in _TEST.finditer(clean)}
    found |= {f"materialization_{m[1]}_{m[2] or 'default'}": m.start() for m in _MATERIALIZATION.finditer(clean)}
    return {name: clean.count("\n", 0, start) + 1 for name, start in found.items()}


@dataclass(slots=True)
class Macros:
    """All macros by package and name."""

    environment: Environment
    root: str  # the project's own package name
    packages: dict[str, dict[str, MacroFile]] = field(default_factory=dict)
    lines: dict[tuple[str, str], int] = field(default_factory=dict)
    dispatch: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def add(self, file: MacroFile) -> list[tuple[str, int, MacroFile]]:
        """Take in a file. Returns the macros whose names the package already has, with the line here and the file that has it."""
        known = self.packages.setdefault(file.package, {})
        twice = []
        for name, line in names_in(file.text).items():
            if name in known:
                twice.append((name, line, known[name]))
                continue
            known[name] = file
            self.lines[(file.package, name)] = line
        return twice

    def owner(self, name: str, package: str) -> tuple[str, MacroFile] | None:
        """The package and file of an unqualified macro as seen from `package`: own, the project's, other packages', built-in."""
        for candidate in dict.fromkeys((package, self.root)):
            file = self.packages.get(candidate, {}).get(name)
            if file is not None:
                return candidate, file
        file = self.packages.get(BUILTIN, {}).get(name)
        return (BUILTIN, file) if file is not None else None

    def is_builtin(self, name: str) -> bool:
        """Whether the built-in library answers to `name`, through dispatch."""
        known = self.packages.get(BUILTIN, {})
        return any(prefix + name in known for prefix in _PREFIXES)

    def overridden(self, name: str) -> bool:
        """Whether the project (or a package) has its own macro of this name."""
        return any(name in macros for package, macros in self.packages.items() if package != BUILTIN)

    def test_macro(self, name: str, package: str | None = None) -> tuple[str, MacroFile] | None:
        """The generic test macro `name` (of `package` alone, if given)."""
        wanted = f"test_{name}"
        searched = [package] if package else [self.root, *self.packages]
        for candidate in searched:
            file = self.packages.get(candidate, {}).get(wanted)
            if file is not None:
                return candidate, file
        return None

    def names(self) -> set[str]:
        """Every unqualified name that a template may call."""
        found = set(self.packages.get(self.root, {})) | set(self.packages)
        found |= {n.removeprefix("default__").removeprefix("duckdb__") for n in self.packages.get(BUILTIN, {})}
        return found


class Scope:
    """The macros as one rendering sees them: bound to its names.

    `used` collects what was called; `introspects` says that the template asked what only a run can answer.
    """

    __slots__ = ("_modules", "introspects", "macros", "names", "package", "used")

    def __init__(self, macros: Macros, package: str, names: dict[str, Any]) -> None:
        self.macros, self.package, self.names = macros, package, names
        self.used: set[tuple[str, str]] = set()
        self.introspects = False
        self._modules: dict[int, Any] = {}
        names[MACROS] = self

    def find(self, name: str, default: Any = None) -> Any:
        """What an otherwise unknown name means: a macro, a package, a built-in macro; else `default`."""
        owner = self.macros.owner(name, self.package)
        if owner is not None:
            return Bound(self, owner[0], name, owner[1])
        if name in self.macros.packages or name == BUILTIN:
            return PackageNames(self, name)
        if self.macros.is_builtin(name):
            return self.dispatch(name, BUILTIN)
        return default

    def member(self, package: str, name: str) -> Any:
        """The macro `package.name`, or None."""
        file = self.macros.packages.get(package, {}).get(name)
        if file is not None:
            return Bound(self, package, name, file)
        if package == BUILTIN and self.macros.is_builtin(name):
            return self.dispatch(name, BUILTIN)
        return None

    def dispatch(self, name: str, namespace: str | None = None) -> Any:
        """dbt's `adapter.dispatch`: the first of `duckdb__name`, `default__name` in the search order. Raises CompilerError."""
        if "." in name:
            raise CompilerError(f"adapter.dispatch takes a name without a dot, not '{name}'; give the package as macro_namespace")
        order = self.macros.dispatch.get(namespace or "") or tuple(
            dict.fromkeys((self.macros.root, namespace or self.package, self.package, BUILTIN))
        )
        for package in order:
            known = self.macros.packages.get(package, {})
            for prefix in _PREFIXES:
                if prefix + name in known:
                    return Bound(self, package, prefix + name, known[prefix + name])
        tried = ", ".join(f"{package}.{prefix}{name}" for package in order for prefix in _PREFIXES)
        raise CompilerError(f"no macro to dispatch '{name}' to; searched {tried}")

    def module(self, file: MacroFile) -> Any:
        """The macros of a file, bound to this rendering's names."""
        module = self._modules.get(id(file))
        if module is None:
            module = file.template(self.macros.environment).make_module(self.names)
            self._modules[id(file)] = module
        return module


class Bound:
    """A macro that can be called; `return(…)` inside gives its value as it is."""

    __slots__ = ("_file", "_name", "_package", "_scope")

    def __init__(self, scope: Scope, package: str, name: str, file: MacroFile) -> None:
        self._scope, self._package, self._name, self._file = scope, package, name, file

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        self._scope.used.add((self._package, self._name))
        macro = getattr(self._scope.module(self._file), hidden(self._name))
        try:
            return macro(*args, **kwargs)
        except Return as returned:
            return returned.value


class PackageNames:
    """A package as a name in templates: `dbt_utils.star`."""

    __slots__ = ("_name", "_scope")

    def __init__(self, scope: Scope, name: str) -> None:
        self._scope, self._name = scope, name

    def __getitem__(self, name: str) -> Any:
        found = self._scope.member(self._name, name)
        if found is None:
            near = nearest(name, self._scope.macros.packages.get(self._name, ()))
            said = f"package '{self._name}' has no macro '{name}'" + (f"; did you mean '{near}'?" if near else "")
            raise CompilerError(said, code="HG-D042")
        return found

    def get(self, name: str, default: Any = None) -> Any:
        """The macro, or `default`."""
        return self._scope.member(self._name, name) or default


def builtin_files() -> list[MacroFile]:
    """The built-in library."""
    folder = Path(__file__).parent / "builtin"
    return [MacroFile(BUILTIN, f"{BUILTIN}/{p.name}", p.read_text(encoding="utf-8")) for p in sorted(folder.glob("*.sql"))]
