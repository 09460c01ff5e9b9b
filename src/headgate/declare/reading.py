"""What every reader of one loading shares: settings, files, macros, mistakes, and the names of templates."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from headgate.declare.configs import native
from headgate.declare.constants import constant_names
from headgate.declare.context import ConfigCall, ContextView, EnvVar, Names, ParseAdapter, Recorder, Var, copied
from headgate.declare.folders import Files
from headgate.declare.macros import Macros, Scope
from headgate.declare.memory import Memory
from headgate.declare.mistakes import Mistakes, nearest
from headgate.declare.plain import plain_template
from headgate.declare.runtime_config import Resolver, RuntimeConfig
from headgate.declare.sandbox import Environment, TemplateFailed, guarded, render
from headgate.declare.settings import Settings
from headgate.spec.errors import Location


@dataclass
class Reading:
    """One loading of a project."""

    settings: Settings
    files: Files
    macros: Macros
    mistakes: Mistakes
    env_vars: set[str] = field(default_factory=set)
    memory: Memory = field(default_factory=Memory)
    _values: dict[tuple[str, str], Any] = field(default_factory=dict)  # of YAML texts, many of which stand in many places

    def __post_init__(self) -> None:
        self.env_vars |= self.settings.env_vars

    @property
    def environment(self) -> Environment:
        """The Jinja environment."""
        return self.macros.environment

    @cached_property
    def constants(self) -> dict[str, Any]:
        """The names that no template's own place changes."""
        s = self.settings
        said = s.target.values if s.target is not None else {"path": s.lake.name, "threads": 4, "profile_name": s.name}
        known: dict[str, Any] = {
            "name": s.environment,
            "target_name": s.environment,
            "schema": s.schema_prefix + s.schema,
            "database": s.lake.name,
            "dbname": s.lake.name,
            "type": "duckdb",
            "schema_prefix": s.schema_prefix,
            "joins_schemas": s.dbt,
        }
        target = Names(**{**said, **known})
        here = {"target": target, "project_name": s.name, "database": s.lake.name, "schema": known["schema"]}
        return {**constant_names(), **here, "env_var": EnvVar(self.env_vars)}

    @cached_property
    def variables(self) -> Mapping[str, Mapping[str, Any]]:
        """The variables as each package sees them: its own defaults under the project's values, each time those of its name last."""
        project = self.settings.variables
        found = {}
        for package in self.files.packages:
            own: dict[str, Any] = {}
            for values in (package.variables, project):
                scoped = values.get(package.name)
                own |= {**values, **(scoped if isinstance(scoped, Mapping) else {})}
            found[package.name] = {**own, package.name: {}, **self.settings.given}
        return found

    @cached_property
    def plain(self) -> bool:
        """Whether `ref`, `source` and the like mean what they mean everywhere: the project has no macros of these names."""
        return not any(self.macros.overridden(n) for n in ("ref", "source", "config", "this", "is_incremental"))

    def template(self, text: str, file: str, first_line: int = 1) -> Any:
        """A template that can be rendered, by the quick way where that is enough. Raises TemplateFailed."""
        found = plain_template(text, file, first_line) if self.plain else None
        return found or self.environment.template(text, file, first_line=first_line)

    @contextmanager
    def watched(self) -> Iterator[set[str]]:
        """Collects the environment variables asked for inside, so that a remembered answer brings them along."""
        before = set(self.env_vars)
        self.env_vars.clear()
        own: set[str] = set()
        try:
            yield own
        finally:
            own |= self.env_vars
            self.env_vars |= before

    def names(self, package: str, recorder: Recorder, base: Mapping[str, Any], **more: Any) -> dict[str, Any]:
        """The names for one rendering in `package`. `more` holds `ref`, `source`, `this`, `model`."""
        names: dict[str, Any] = dict(self.constants)
        names["var"] = Var(self.variables.get(package) or self.settings.variables, package)
        names["config"] = ConfigCall(base, recorder)
        names.update(more)
        return self.bind(names, package)

    def bind(self, names: dict[str, Any], package: str) -> dict[str, Any]:
        """Add macros, `adapter`, `builtins`, `context` and `render` to `names`."""
        scope = Scope(self.macros, package, names)
        names.setdefault("adapter", ParseAdapter(lambda: scope))
        config = RuntimeConfig(self, self.settings.name)
        called = {k: Resolver(names[k], config) for k in ("ref", "source") if k in names}
        names["builtins"] = Names(**called, **({"config": names["config"]} if "config" in names else {}))
        for name in self.macros.packages.get(self.macros.root, {}):
            if name in names and name not in ("builtins", "context"):
                names[name] = scope.find(name)  # the project's own macro of a built-in's name, as in dbt
        names["context"] = ContextView(names)
        names["render"] = lambda text: render(self.environment.template(str(text), "render()"), names, "render()")
        return names

    def evaluate(self, text: str, place: Location) -> Any:
        """A YAML text with `{{ }}` as a value. A mistake in it is kept; the value is None then."""
        return self.evaluate_in(self.settings.name, text, place)

    def evaluate_in(self, package: str, text: str, place: Location, *, var: Any = None) -> Any:
        """`evaluate` with the variables of `package`, or another `var`."""
        if var is None and (package, text) in self._values:
            return copied(self._values[package, text])
        value = self._evaluated(package, text, place, var)
        if var is None and value is not None:  # what failed is told at each of its places
            self._values[package, text] = value
        return value

    def _evaluated(self, package: str, text: str, place: Location, var: Any) -> Any:
        names = {
            k: self.constants[k]
            for k in ("target", "env_var", "modules", "project_name", "exceptions", "fromjson", "tojson", "set", "zip")
        }
        names["var"] = var or Var(self.variables.get(package) or self.settings.variables, package)
        try:
            stripped = text.strip()
            if stripped.startswith("{{") and stripped.endswith("}}") and stripped.count("{{") == 1:
                inner = stripped[2:-2].strip()
                expression = guarded(lambda: self.environment.compile_expression(inner, undefined_to_none=False), place.file)
                value = guarded(lambda: _printed(expression(**names)), place.file)
                return native(value) if isinstance(value, str) and inner.startswith("env_var") else copied(value)
            return native(render(self.environment.template(text, place.file), names, place.file))
        except TemplateFailed as error:
            self.fail(error, place)
            return None

    def evaluate_setting(self, package: str, text: str, place: Location) -> Any:
        """A value in the settings of a project or package: in dbt's own file `var` knows the variables of the call alone, as in dbt."""
        if not self.settings.dbt:
            return self.evaluate_in(package, text, place)
        return self.evaluate_in(package, text, place, var=lambda name, default=None: self.settings.given.get(name, default))

    def quietly(self, package: str, text: str, place: Location) -> Any:
        """`evaluate_in` for a text whose failure is no mistake: None then."""
        before = self.mistakes
        self.mistakes = Mistakes()
        try:
            return self.evaluate_in(package, text, place)
        finally:
            self.mistakes = before

    def fail(self, error: TemplateFailed, place: Location | None = None) -> None:
        """Keep a template's failure as a mistake, with the nearest known name."""
        near = None
        if error.name is not None:
            near = nearest(
                error.name, [*self.constants, "ref", "source", "this", "config", "var", "env_var", "model", *self.macros.names()]
            )
        what = f"the template fails: {error.what}" if error.code != "HG-D040" else f"the template's syntax is wrong: {error.what}"
        if error.name is not None:
            what = f"the template uses '{error.name}', which is no macro and no variable of it"
        self.mistakes.add(error.code, place or error.location, what, suggestion=near)


def _printed(value: Any) -> Any:
    """The value; an undefined one fails as it would when printed."""
    import jinja2

    return str(value) if isinstance(value, jinja2.Undefined) else value
