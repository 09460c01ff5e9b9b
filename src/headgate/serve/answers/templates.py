"""The project templates of `headgate init`."""

from __future__ import annotations

from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

from headgate.spec.errors import UsageError

TEMPLATES = ("blank", "flights", "orders")


def create(target: Path, template: str) -> tuple[str, ...]:
    """Copy `template` into the folder `target`; returns the paths written. Raises UsageError for an unknown template or a folder
    that already holds a project."""
    if template not in TEMPLATES:
        raise UsageError(f"there is no template '{template}'", expected="one of " + ", ".join(TEMPLATES))
    for marker in ("headgate.yml", "dbt_project.yml"):
        if (target / marker).exists():
            raise UsageError(f"{target / marker} is already there", todo="choose an empty folder")
    source = resources.files("headgate").joinpath("templates").joinpath(template)
    return tuple(_copy(source, target, Path()))


def _copy(source: Traversable, target: Path, inner: Path) -> list[str]:
    """Copy one folder of the template; a `.gitkeep` only makes its folder."""
    written: list[str] = []
    (target / inner).mkdir(parents=True, exist_ok=True)
    for entry in sorted(source.iterdir(), key=lambda e: e.name):
        if entry.is_dir():
            written += _copy(entry, target, inner / entry.name)
        elif entry.name != ".gitkeep":
            (target / inner / entry.name).write_bytes(entry.read_bytes())
            written.append(str(inner / entry.name))
    return written
