"""The macros of project, packages and the built-in library: where each is, and how a call finds it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import jinja2

from headgate.declare.mistakes import nearest
from headgate.declare.sandbox import MACROS, CompilerError, Environment, hidden

BUILTIN = "dbt"
"""The package name of the built-in library."""
BUILTIN_ALIASES = ("dbt_duckdb",)
"""Other packages of dbt's own whose macros the built-in library has."""
_PREFIXES = ("duckdb__", "default__")
_WORD = re.compile(r"[A-Za-z_]\w*")
_COMMENT = re.compile(r"\{#.*?#\}", re.S)
_MACRO = re.compile(r"\{%[-+]?\s*macro\s+([A-Za-z_]\w*)\s*\(")
_TEST = re.compile(r"\{%[-+]?\s*(?:data_)?test\s+([A-Za-z_]\w*)\s*\(")
_MATERIALIZATION = re.compile(r"\{%[-+]?\s*materialization\s+([A-Za-z_]\w*)([^%]*)%\}")
_ADAPTER = re.compile(r"adapter\s*=\s*['\"](\w+)['\"]")
_OF_DBT = frozenset(
    [
        "statement",
        "run_query",
        "noop_statement",
        "is_incremental",
        "should_full_refresh",
        "load_relation",
        "load_cached_relation",
        "ref",
        "source",
    ]
)
"""Macros of dbt's that are names of the context here."""


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
    for match in _MATERIALIZATION.finditer(clean):
        adapter = _ADAPTER.search(match[2])
        found[f"materialization_{match[1]}_{adapter[1] if adapter else 'default'}"] = match.start()
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
        """The generic test macro `name` (of `package` alone, if given); a built-in one only where something that it calls is overridden."""
        wanted = f"test_{name}"
        searched = [package] if package else [self.root, *self.packages]
        for candidate in searched:
            file = self.packages.get(candidate, {}).get(wanted)
            if file is not None and (candidate != BUILTIN or self.rewritten(wanted, "get_where_subquery")):
                return candidate, file
        return None

    def rewritten(self, *names: str) -> bool:
        """Whether the project has its own of one of the built-in macros `names`, or of one that they call."""
        own = {base_name(n) for n in self.packages.get(self.root, {})}
        for package in self.dispatch.get(BUILTIN, ()):
            own |= {base_name(n) for n in self.packages.get(package, {}) if n.startswith(_PREFIXES) and package != BUILTIN}
        own &= {base_name(n) for n in self.packages.get(BUILTIN, {})}
        return bool(own) and not own.isdisjoint(self._reached(names))

    def _reached(self, names: tuple[str, ...]) -> set[str]:
        """The built-in macros that `names` call, directly or not, with themselves."""
        calls = builtin_calls()
        found: set[str] = set()
        left = list(names)
        while left:
            name = left.pop()
            if name not in found:
                found.add(name)
                left += calls.get(name, ())
        return found

    def materialization(self, name: str, strategy: str = "") -> tuple[str, str] | None:
        """The package and macro that do a materialisation; None where the engine's own way is meant."""
        for package in (self.root, *(p for p in self.packages if p not in (self.root, BUILTIN))):
            for adapter in ("duckdb", "default"):
                macro = f"materialization_{name}_{adapter}"
                if macro in self.packages.get(package, {}):
                    return package, macro
        macro = f"materialization_{name}_default"
        known = self.packages.get(BUILTIN, {})
        if macro not in known:
            return None
        written = _strategy_macro(name, strategy) or macro
        return (BUILTIN, macro) if self.has_strategy(name, strategy) or self.rewritten(macro, written) else None

    def has_strategy(self, materialization: str, strategy: Any) -> bool:
        """Whether an incremental or snapshot strategy is the project's (or a package's) own."""
        macro = _strategy_macro(materialization, str(strategy or "").rpartition(".")[2])
        return macro not in builtin_calls() and any(macro in macros for macros in self.packages.values())

    def texts_of(self, materialization: str, strategy: str) -> list[str]:
        """The macro files on which the outcome of a materialisation depends, where it is not the engine's own way."""
        if self.materialization(materialization, strategy) is None:
            return []
        written = {*builtin_calls(), _strategy_macro(materialization, strategy)}
        names = (f"materialization_{materialization}_duckdb", f"materialization_{materialization}_default")
        files = {
            file.path: file.text
            for package, known in self.packages.items()
            for name, file in known.items()
            if package != BUILTIN and (name in names or base_name(name) in written)
        }
        return [files[path] for path in sorted(files)]

    def names(self) -> set[str]:
        """Every unqualified name that a template may call."""
        found: set[str] = set(self.packages.get(self.root, {})) | set(self.packages)
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
        if name in BUILTIN_ALIASES:
            return PackageNames(self, BUILTIN)
        if self.macros.is_builtin(name):
            return self.dispatch(name, BUILTIN)
        return default

    def member(self, package: str, name: str) -> Any:
        """The macro `package.name`, or None."""
        file = self.macros.packages.get(package, {}).get(name)
        if file is not None:
            return Bound(self, package, name, file)
        if package in BUILTIN_ALIASES:
            return self.member(BUILTIN, name)
        if package != BUILTIN:
            return None
        if self.macros.is_builtin(name):
            return self.dispatch(name, BUILTIN)
        other = name.replace("duckdb__", "default__", 1) if name.startswith("duckdb__") else ""
        if other in self.macros.packages.get(BUILTIN, {}):
            return self.member(BUILTIN, other)
        return self.names.get(name) if name in _OF_DBT else None

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

    @property
    def package(self) -> str:
        """The package that the macro is of."""
        return self._package

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


def _strategy_macro(materialization: str, strategy: str) -> str:
    """The macro that writes a strategy; empty for a materialisation without strategies."""
    chosen = strategy.replace("+", "_") or "default"
    return {"incremental": f"get_incremental_{chosen}_sql", "snapshot": f"snapshot_{chosen}_strategy"}.get(materialization, "")


def base_name(name: str) -> str:
    """A macro's name without the adapter that it is for."""
    return name.removeprefix("default__").removeprefix("duckdb__")


@cache
def builtin_calls() -> Mapping[str, frozenset[str]]:
    """Which built-in macros each of them calls."""
    texts: dict[str, str] = {}
    for file in builtin_files():
        starts = sorted((line, name) for name, line in names_in(file.text).items())
        lines = file.text.splitlines()
        for (line, name), (end, _) in zip(starts, [*starts[1:], (len(lines) + 1, "")], strict=True):
            texts[base_name(name)] = texts.get(base_name(name), "") + "\n".join(lines[line - 1 : end - 1])
    return {name: frozenset(_WORD.findall(text)) & texts.keys() - {name} for name, text in texts.items()}


def builtin_files() -> list[MacroFile]:
    """The built-in library."""
    folder = Path(__file__).parent / "builtin"
    return [MacroFile(BUILTIN, f"{BUILTIN}/{p.name}", p.read_text(encoding="utf-8")) for p in sorted(folder.glob("*.sql"))]
