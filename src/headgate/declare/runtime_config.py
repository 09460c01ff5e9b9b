"""`builtins.ref.config`: the settings of the call and of all packages, which packages reach by way of `ref`, as in dbt."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from headgate.declare.reading import Reading


class RuntimeConfig:
    """What templates may know of a project or package: its name, version, variables and dependencies."""

    def __init__(self, reading: Reading, package: str) -> None:
        self._reading, self.project_name = reading, package

    @cached_property
    def version(self) -> str:
        """The package's own version."""
        from headgate.declare.document import Entry, read
        from headgate.declare.folders import read_text
        from headgate.declare.mistakes import Mistakes

        reading, quiet = self._reading, Mistakes()
        package = next(p for p in reading.files.packages if p.name == self.project_name)
        said = package.settings.get("version")
        if not package.folder:
            text = read_text(reading.settings.root, reading.settings.file, quiet)
            said = (read(text or "", reading.settings.file, quiet) or Entry()).get("version")
        return "" if said is None else str(said)

    @property
    def vars(self) -> Variables:
        """The variables, as the package sees them."""
        return Variables(dict(self._reading.variables.get(self.project_name) or {}))

    @property
    def cli_vars(self) -> dict[str, Any]:
        """The variables of the call."""
        return dict(self._reading.settings.given)

    @property
    def profile_name(self) -> str:
        """The profile."""
        return str(getattr(self._reading.constants.get("target"), "profile_name", self.project_name))

    @property
    def target_name(self) -> str:
        """The target."""
        return self._reading.settings.environment

    @property
    def project_id(self) -> str:
        """dbt's hash of the project's name."""
        import hashlib

        return hashlib.md5(self.project_name.encode(), usedforsecurity=False).hexdigest()

    @property
    def dependencies(self) -> dict[str, RuntimeConfig]:
        """All packages by name, the project itself among them."""
        return {p.name: RuntimeConfig(self._reading, p.name) for p in self._reading.files.packages}

    def load_dependencies(self, *_: Any, **__: Any) -> dict[str, RuntimeConfig]:
        """All packages by name."""
        return self.dependencies

    @property
    def args(self) -> Any:
        """The call's arguments: while a project is read there are none."""
        return MappingProxyType({})


class Variables:
    """`config.vars`: the variables under `vars`, and by dbt's methods."""

    def __init__(self, values: dict[str, Any]) -> None:
        self.vars = values

    def to_dict(self) -> dict[str, Any]:
        """The variables."""
        return dict(self.vars)

    def get(self, name: str, default: Any = None) -> Any:
        """A variable, or `default`."""
        return self.vars.get(name, default)


class Resolver:
    """`ref` or `source` under `builtins`: called it does what it does, and it knows the `config`."""

    def __init__(self, call: Callable[..., Any], config: RuntimeConfig) -> None:
        self._call, self.config = call, config

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._call(*args, **kwargs)
