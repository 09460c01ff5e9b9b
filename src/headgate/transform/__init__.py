"""Compile and run models into staged values: `build`, `infer`, `runtime_names`. Nothing heavy is imported before it is used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from headgate.transform.build import build
    from headgate.transform.context import Scene, names_for
    from headgate.transform.inferred import infer

_HOMES = {
    "build": "headgate.transform.build",
    "infer": "headgate.transform.inferred",
    "Scene": "headgate.transform.context",
    "names_for": "headgate.transform.context",
}
__all__ = ["Scene", "build", "infer", "names_for"]


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name not in _HOMES:
        raise AttributeError(f"module 'headgate.transform' has no attribute '{name}'")
    return getattr(import_module(_HOMES[name]), name)
