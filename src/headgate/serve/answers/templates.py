"""The project templates of `headgate init`."""

from __future__ import annotations

import re
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

from headgate.spec.errors import UsageError

TEMPLATES = ("blank", "flights", "orders")


def create(target: Path, template: str) -> tuple[str, ...]:
    """Copy `template` into the folder `target`; returns the paths written. Raises UsageError for an unknown template or a folder
    that already holds a project."""
    if template not in TEMPLATES:
        raise UsageError(
            f"there is no template '{template}'", expected="one of " + ", ".join(TEMPLATES), todo="name one with --template"
        )
    if target.exists() and not target.is_dir():
        raise UsageError(
            f"{target} is a file", expected="a folder, or a name for a new one", todo="name another: headgate init DIR"
        )
    if (target / "dbt_project.yml").exists():
        raise UsageError(
            f"{target} is a dbt project already", expected="a folder without one", todo="it runs as it is: headgate plan"
        )
    if (target / "headgate.yml").exists():
        raise UsageError(
            f"{target} is a project already", expected="a folder without one", todo="name another: headgate init DIR"
        )
    source = resources.files("headgate").joinpath("templates").joinpath(template)
    written = _copy(source, target, Path())
    if template == "blank":
        for path in (target / name for name in written):
            path.write_text(path.read_text(encoding="utf-8").replace("my_project", _name(target)), encoding="utf-8")
    if not (target / ".gitignore").exists():
        (target / ".gitignore").write_text(".headgate/\n", encoding="utf-8")
        written.append(".gitignore")
    return tuple(written)


def _name(folder: Path) -> str:
    """A project's name from its folder's: letters, digits and underscores, beginning with a letter."""
    name = re.sub(r"\W+", "_", folder.resolve().name, flags=re.ASCII).strip("_").lower()
    return name if name[:1].isalpha() else f"project_{name}".rstrip("_")


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
