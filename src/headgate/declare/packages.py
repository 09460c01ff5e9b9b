"""`packages.yml` and `dependencies.yml`: which packages a project asks for, as values. Nothing is fetched here.

An entry is a folder (`local:`), a git repository (`git:` with `revision:`), a package of the hub (`package:` with `version:`) or an
archive (`tarball:` with `name:`).
"""

from __future__ import annotations

import operator
import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial, total_ordering
from pathlib import Path
from typing import Any

from headgate.declare import shapes
from headgate.declare.document import Entry, read
from headgate.declare.mistakes import Mistakes
from headgate.spec.errors import Location

FILES = ("packages.yml", "dependencies.yml")
LOCK = "package-lock.yml"
KEYS = (
    "local", "git", "package", "tarball", "private", "revision", "subdirectory", "version", "name", "install-prerelease",
    "install_prerelease", "warn-unpinned", "warn_unpinned", "provider", "unrendered",
)  # fmt: skip
_KINDS = ("local", "git", "package", "tarball")
_ENV = re.compile(r"\{\{\s*env_var\(\s*['\"](\w+)['\"]\s*(?:,\s*['\"]([^'\"]*)['\"]\s*)?\)\s*\}\}")
_RANGE = re.compile(r"\s*(>=|<=|!=|==|=|>|<)?\s*v?(\d+)\.(\d+)(?:\.(\d+))?(?:-([0-9A-Za-z.-]+))?(?:\+\S+)?\s*\Z")


def install_folder(root: str) -> str:
    """Where the project in `root` has its packages: what its settings say, else `dbt_packages`."""
    for name in ("headgate.yml", "headgate.yaml", "dbt_project.yml"):
        path = Path(root, name)
        entry = read(path.read_text(encoding="utf-8-sig"), name, Mistakes()) if path.is_file() else None
        if entry is not None and isinstance(entry.get("packages-install-path"), str):
            return _rendered(str(entry["packages-install-path"]))
    return "dbt_packages"


@dataclass(frozen=True, slots=True)
class Wanted:
    """One package that is asked for. `source` is the folder, the URL or `namespace/name`; `versions` are the hub's bounds."""

    kind: str
    source: str
    revision: str = ""
    subdirectory: str = ""
    versions: tuple[str, ...] = ()
    name: str = ""
    prerelease: bool = False
    place: Location = field(default_factory=partial(Location, FILES[0]))

    @property
    def short(self) -> str:
        """The name that a package of the hub probably has."""
        return self.source.rpartition("/")[2].replace("-", "_")

    @property
    def shown(self) -> str:
        """How messages name it."""
        return (
            self.source
            + (f" at {self.revision}" if self.revision else "")
            + (f" {', '.join(self.versions)}" if self.versions else "")
        )


def wanted_in(folder: str, mistakes: Mistakes) -> list[Wanted]:
    """The packages that the files of a project folder ask for."""
    found: list[Wanted] = []
    for name in FILES:
        path = Path(folder, name)
        if path.is_file():
            entry = read(path.read_text(encoding="utf-8-sig"), name, mistakes) or Entry(name)
            for item in shapes.entries(entry, "packages", mistakes):
                shapes.known_keys(item, KEYS, f"a package of {name}", mistakes, severity="notice")
                found += _wanted(item, mistakes)
    return found


def _wanted(item: Entry, mistakes: Mistakes) -> list[Wanted]:
    kind = next((k for k in _KINDS if item.get(k) is not None), None)
    if kind is None:
        what = "a private package is not offered yet" if "private" in item else "a package has no place to come from"
        expected = "git: with its address" if "private" in item else "local:, git:, package: or tarball:"
        mistakes.add("HG-D014", item.location, what, expected=expected)
        return []
    values = {key: _rendered(str(item[key])) for key in (kind, "revision", "subdirectory", "name") if item.get(key) is not None}
    said = item.get("version")
    listed = said if isinstance(said, list) else [] if said is None else [said]
    versions = tuple(part.strip() for text in listed for part in _rendered(str(text)).split(","))
    wrong = [v for v in versions if _RANGE.match(v) is None]
    if wrong or (kind == "package" and not versions):
        what = f"'{wrong[0]}' is no version" if wrong else f"package '{item[kind]}' has no 'version'"
        mistakes.add("HG-D015", item.value_at("version"), what, expected="1.2.3, or bounds such as ['>=1.0.0', '<2.0.0']")
        return []
    prerelease = item.get("install-prerelease", item.get("install_prerelease")) is True
    name, inner = values.get("name", ""), values.get("subdirectory", "")
    return [Wanted(kind, values[kind], values.get("revision", ""), inner, versions, name, prerelease, item.location)]


def _rendered(text: str) -> str:
    """The text with its `env_var` calls answered: an address may hold a token that only the environment knows."""
    return _ENV.sub(lambda m: os.environ.get(m[1], m[2] or ""), text)


@total_ordering
@dataclass(frozen=True, slots=True)
class Version:
    """A semantic version; one with `pre` comes before the same without."""

    major: int
    minor: int
    patch: int
    pre: str = ""

    @staticmethod
    def of(text: str) -> Version | None:
        """The version that a text says."""
        match = _RANGE.match(text)
        return None if match is None else Version(int(match[2]), int(match[3]), int(match[4] or 0), match[5] or "")

    def _order(self) -> tuple[Any, ...]:
        parts = [(0, int(p), "") if p.isdigit() else (1, 0, p) for p in self.pre.split(".")] if self.pre else []
        return self.major, self.minor, self.patch, not self.pre, parts

    def __lt__(self, other: Version) -> bool:
        return self._order() < other._order()


_HOLDS: Mapping[str, Callable[[Version, Version], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
    "!=": operator.ne,
    "==": operator.eq,
    "=": operator.eq,
}


def fits(version: Version, bounds: Iterable[str]) -> bool:
    """Whether a version is within all bounds."""
    for bound in bounds:
        match, limit = _RANGE.match(bound), Version.of(bound)
        if match is None or limit is None or not _HOLDS[match[1] or "="](version, limit):
            return False
    return True


def best(versions: Iterable[str], bounds: Iterable[str], *, prerelease: bool) -> str | None:
    """The newest of the versions that fit; one before its release only when asked for, or when a bound names it."""
    bounds = tuple(bounds)
    pre = prerelease or any((v := Version.of(b)) is not None and v.pre for b in bounds)
    known = {v: text for text in versions if (v := Version.of(text)) is not None}
    fitting = [v for v in known if fits(v, bounds) and (pre or not v.pre)]
    return known[max(fitting)] if fitting else None
