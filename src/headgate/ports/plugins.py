"""Discovery of plug-ins: folders of the package and entry points, by their light manifests. Nobody names a plug-in."""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
from functools import cache
from importlib.metadata import entry_points
from types import ModuleType

from headgate.ports.source import Manifest
from headgate.spec.errors import DeclarationError, WorldError

KINDS = ("sources", "checks")


@cache
def manifests(kind: str) -> dict[str, Manifest]:
    """All plug-ins of `kind` by name: the folders of `headgate/<kind>/`, then entry points of group `headgate.<kind>`."""
    package = importlib.import_module(f"headgate.{kind}")
    found: dict[str, Manifest] = {}
    for entry in pkgutil.iter_modules(package.__path__):
        if entry.ispkg:
            manifest: Manifest = importlib.import_module(f"headgate.{kind}.{entry.name}").MANIFEST
            found[manifest.name] = manifest
    for point in entry_points(group=f"headgate.{kind}"):
        manifest = point.load()
        found[manifest.name] = manifest
    return found


def load(kind: str, name: str) -> ModuleType:
    """The module behind plug-in `name`. Raises DeclarationError (unknown) or WorldError with the command that installs it."""
    manifest = manifests(kind).get(name)
    if manifest is None:
        raise DeclarationError(
            f"there is no {kind.rstrip('s')} '{name}'",
            expected="one of " + ", ".join(sorted(manifests(kind))),
        )
    missing = [m for m in manifest.requires if importlib.util.find_spec(m) is None]
    if missing:
        raise WorldError(
            f"{kind.rstrip('s')} '{name}' needs {', '.join(missing)}, which is not installed",
            todo=f"run: pip install 'headgate[{manifest.extra}]'",
        )
    return importlib.import_module(manifest.module)
