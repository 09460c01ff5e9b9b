"""What a unit test overrides while its model is rendered: macros give a constant, variables and environment variables another value."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from headgate.declare.context import Var

OVERRIDES = "unit_test_overrides"
"""The runtime name under which a caller of `Templates.render` gives `{macros, vars, env_vars}`."""


class _Package:
    """A package in templates, some of whose macros are constants."""

    def __init__(self, package: Any, constants: Mapping[str, Any]) -> None:
        self._package, self._constants = package, constants

    def __getitem__(self, name: str) -> Any:
        if name in self._constants:
            return _constant(self._constants[name])
        return self._package[name]

    def get(self, name: str, default: Any = None) -> Any:
        """The macro, or `default`."""
        return _constant(self._constants[name]) if name in self._constants else self._package.get(name, default)


def _constant(value: Any) -> Any:
    return lambda *_, **__: value


def override(names: dict[str, Any], overrides: Mapping[str, Mapping[str, Any]], scope: Any) -> None:
    """Put the overrides of a unit test over `names`."""
    packages: dict[str, dict[str, Any]] = {}
    for name, value in overrides.get("macros", {}).items():
        package, _, short = str(name).rpartition(".")
        if package:
            packages.setdefault(package, {})[short] = value
        else:
            names[short] = _constant(value)
    for package, constants in packages.items():
        found = scope.find(package)
        names[package] = _Package(found if found is not None else {}, constants)
        if package == scope.package:
            names.update({name: _constant(value) for name, value in constants.items()})
    if overrides.get("vars"):
        names["var"] = _OverridingVar(names["var"], overrides["vars"])
    if overrides.get("env_vars"):
        ordinary, values = names["env_var"], overrides["env_vars"]
        names["env_var"] = lambda name, default=None: str(values[name]) if name in values else ordinary(name, default)


class _OverridingVar:
    """`var` with other values for some names."""

    def __init__(self, var: Var, values: Mapping[str, Any]) -> None:
        self._var, self._values = var, values

    def __call__(self, name: str, *default: Any, **named: Any) -> Any:
        return self._values[name] if name in self._values else self._var(name, *default, **named)

    def has_var(self, name: str) -> bool:
        """Whether the variable has a value."""
        return name in self._values or self._var.has_var(name)
