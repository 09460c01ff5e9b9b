"""`ports.templates.Templates`: the project's templates rendered at run time, with the caller's names over the parse-time ones."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from headgate.spec.errors import DeclarationError, Diagnostic, Location
from headgate.spec.project import CheckSpec, Node, Project

if TYPE_CHECKING:
    from headgate.declare.reading import Reading

_EXPRESSION = re.compile(r"^\{\{(?P<inner>(?:(?!\{\{|\}\}).)*)\}\}$", re.S)


class ProjectTemplates:
    """Renders nodes, checks, texts and macros of one project. Nothing is imported or read before the first rendering."""

    def __init__(self, project: Project, variables: Mapping[str, Any]) -> None:
        self._project, self._variables = project, variables
        self._compiled: dict[tuple[str, str, int], Any] = {}
        self._clocks: dict[datetime, Any] = {}  # a run has one clock

    @cached_property
    def _reading(self) -> Reading:
        from headgate.declare.assembly import read_macros
        from headgate.declare.folders import find_files
        from headgate.declare.mistakes import Mistakes
        from headgate.declare.reading import Reading
        from headgate.declare.settings import read_settings

        mistakes = Mistakes()
        settings = read_settings(self._project.root, self._project.environment, self._variables, mistakes)
        files = find_files(settings, mistakes)
        return Reading(settings, files, read_macros(settings, files, mistakes), mistakes)

    def render(self, unique_id: str, runtime: Mapping[str, Any]) -> str:
        """The text of a node or check. Raises DeclarationError with the template's file:line; KeyError for an unknown id."""
        node = self._project.nodes.get(unique_id)
        thing: Node | CheckSpec = node if node is not None else self._project.checks[unique_id]
        base = node.config if node is not None else {}
        return self._render(thing.raw_code, thing.location, thing.package, runtime, base)

    def render_text(self, text: str, runtime: Mapping[str, Any], *, where: str) -> str:
        """The text of a hook or a clause; `where` names it in errors."""
        if "{" not in text:
            return text
        return self._render(text, Location(where), self._package_of(runtime), runtime, {})

    def call_macro(self, name: str, arguments: Mapping[str, Any], runtime: Mapping[str, Any]) -> Any:
        """What macro `name` (or `package.name`; a test without its `test_`) gives; `{{ … }}` arguments are evaluated."""
        names = self._names(self._package_of(runtime), runtime, {})
        bound = self._find(name, names)
        if bound is None:
            raise DeclarationError(
                f"there is no macro '{name}'", expected="a macro of the project or of a package", code="HG-D042"
            )
        given = {key: self._argument(value, names) for key, value in arguments.items()}
        positional = given.pop("varargs", ())
        return self._guarded(lambda: bound(*positional, **given), f"macro {name}")

    def _package_of(self, runtime: Mapping[str, Any]) -> str:
        """The package whose node is rendered for: its macros come first."""
        model = runtime.get("model")
        package = model.get("package_name") if isinstance(model, Mapping) else None
        return str(package or self._project.name)

    def has_macro(self, name: str) -> bool:
        """Whether the project, a package or the built-in library has the macro."""
        return self._find(name, self._names(self._project.name, {}, {})) is not None

    def macro_texts(self) -> tuple[tuple[str, str, str], ...]:
        """Every file of macros: package, path within the package, text."""
        reading = self._reading
        inner = {f.path: f.inner for kind in ("macros", "generic") for f in reading.files.of(kind)}
        files = {id(f): f for known in reading.macros.packages.values() for f in known.values()}
        return tuple((f.package, inner.get(f.path) or "macros/" + f.path.partition("/")[2], f.text) for f in files.values())

    def materialization(self, name: str, strategy: str = "") -> str | None:
        """The macro that does a materialisation; see the port."""
        found = self._reading.macros.materialization(name, strategy)
        return ".".join(found) if found is not None else None

    def _find(self, name: str, names: dict[str, Any]) -> Any:
        from headgate.declare.macros import Bound
        from headgate.declare.sandbox import MACROS

        scope = names[MACROS]
        package, _, short = name.rpartition(".")
        for candidate in (short, f"test_{short}"):
            found = scope.member(package, candidate) if package else scope.find(candidate)
            if isinstance(found, Bound):
                return found
        return None

    def _argument(self, value: Any, names: dict[str, Any]) -> Any:
        if isinstance(value, str) and (match := _EXPRESSION.match(value.strip())):
            expression = self._reading.environment.compile_expression(match["inner"].strip(), undefined_to_none=False)
            return self._guarded(lambda: expression(**names), "a macro's argument")
        if isinstance(value, str) and ("{{" in value or "{%" in value):
            return self._guarded(lambda: self._reading.template(value, "a macro's argument").render(names), "a macro's argument")
        from headgate.spec.templating import TemplateRelation

        if isinstance(value, Mapping) and not isinstance(value, TemplateRelation):
            return {k: self._argument(v, names) for k, v in value.items()}
        return [self._argument(v, names) for v in value] if isinstance(value, list | tuple) else value

    def _names(self, package: str, runtime: Mapping[str, Any], base: Mapping[str, Any]) -> dict[str, Any]:
        from headgate.declare.constants import constant_names, heard
        from headgate.declare.context import Recorder
        from headgate.declare.macros import Scope
        from headgate.declare.overriding import OVERRIDES, override
        from headgate.declare.sandbox import MACROS

        reading = self._reading
        names = reading.names(package, Recorder(), base)
        started = runtime.get("run_started_at")
        if isinstance(started, datetime):
            if started not in self._clocks:
                self._clocks[started] = constant_names(started)["modules"]
            names["modules"] = self._clocks[started]
        names.update(runtime)
        if "print" in runtime:
            names["exceptions"] = heard(names["exceptions"], runtime["print"])
        for rebuilt in (MACROS, "context", "builtins"):
            names.pop(rebuilt, None)
        reading.bind(names, package)
        scope: Scope = names[MACROS]
        adapter = runtime.get("adapter")
        if adapter is not None:
            names["adapter"] = _Dispatching(adapter, scope)
        if OVERRIDES in runtime:
            override(names, runtime[OVERRIDES], scope)
        return names

    def _render(self, text: str, location: Location, package: str, runtime: Mapping[str, Any], base: Mapping[str, Any]) -> str:
        from headgate.declare.sandbox import TemplateFailed, render

        key = (text, location.file, location.line)
        try:
            template = self._compiled.get(key)
            if template is None:
                template = self._reading.template(text, location.file, location.line)
                self._compiled[key] = template
            return render(template, self._names(package, runtime, base), location.file).strip()
        except TemplateFailed as error:
            raise _declaration(error) from None

    def _guarded(self, action: Any, where: str) -> Any:
        from headgate.declare.sandbox import TemplateFailed, guarded

        try:
            return guarded(action, where)
        except TemplateFailed as error:
            raise _declaration(error) from None


class _Dispatching:
    """The caller's adapter; `dispatch` finds macros in the search order of this rendering."""

    def __init__(self, adapter: Any, scope: Any) -> None:
        self._adapter, self.dispatch = adapter, scope.dispatch

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self._adapter, name)


def _declaration(error: Any) -> DeclarationError:
    found = Diagnostic(error.code, error.location, f"the template fails: {error.what}")
    return DeclarationError(f"{error.location}: the template fails: {error.what}", code=error.code, diagnostics=(found,))
