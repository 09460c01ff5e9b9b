"""`headgate deps`: fill the folder of packages with what the project asks for, and with what these ask for in turn.

Folders are linked, repositories cloned at their revision, packages of the hub downloaded in the newest version that fits all who ask
for them. What was chosen is written to package-lock.yml, and a lock that still fits decides the next time. A package is unpacked beside its place
and moved there when it is whole.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tarfile
import tempfile
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from headgate.declare.document import read
from headgate.declare.mistakes import Mistakes
from headgate.declare.packages import LOCK, Version, Wanted, best, fits, wanted_in
from headgate.spec.errors import DeclarationError, SourceBroken, SourceUnavailable, UsageError

HUB = "https://hub.getdbt.com/"
GIT_SECONDS, HTTP_SECONDS = 300.0, 60.0
TRIES = 3
DEPTH_MAX = 20


@dataclass(frozen=True, slots=True)
class Installed:
    """One package in its folder. `version` is the hub's, or the commit."""

    name: str
    kind: str
    source: str
    version: str = ""
    asked: str = ""  # of a repository: the revision as it is written


def install(root: str, folder: str = "dbt_packages", *, upgrade: bool = False) -> tuple[Installed, ...]:
    """Fill `folder` of the project in `root`; with `upgrade` the lock is not asked.

    Raises DeclarationError for entries that are wrong or do not fit each other, WorldError when something cannot be fetched.
    """
    deps = _Deps(Path(root), Path(root, folder), {} if upgrade else _locked(Path(root)))
    mistakes = Mistakes()
    wanted = wanted_in(root, mistakes)
    mistakes.raise_if_any(Path(root).name)
    (Path(root) / folder).mkdir(parents=True, exist_ok=True)
    deps.all_of(wanted, Path(root), 0)
    deps.hub()
    _write_lock(Path(root), deps.done)
    return tuple(deps.done.values())


def _locked(root: Path) -> dict[str, str]:
    """What an earlier call chose: source (with `@` and what was asked of a repository, where the lock says it) -> version or commit."""
    path = root / LOCK
    entry = read(path.read_text(encoding="utf-8"), LOCK, Mistakes()) if path.is_file() else None
    found: dict[str, str] = {}
    for item in (entry.get("packages") if entry is not None else None) or ():
        source = item.get("package") or item.get("git")
        if source:
            asked = f"@{item['asked']}" if item.get("asked") is not None else ""
            found[str(source) + asked] = str(item.get("version") or item.get("revision") or "")
    return found


def _write_lock(root: Path, done: Mapping[str, Installed]) -> None:
    lines = ["packages:"] if done else ["packages: []"]
    key = {"package": "version", "git": "revision"}
    for found in done.values():
        lines.append(f"  - {found.kind}: {json.dumps(found.source)}")
        lines.append(f"    name: {found.name}")
        if found.kind in key:
            lines.append(f"    {key[found.kind]}: {json.dumps(found.version)}")
        if found.kind == "git":
            lines.append(f"    asked: {json.dumps(found.asked)}")
    (root / LOCK).write_text("\n".join(lines) + "\n", encoding="utf-8")


class _Deps:
    """One filling of a folder."""

    def __init__(self, root: Path, folder: Path, locked: Mapping[str, str]) -> None:
        self.root, self.folder, self.locked = root, folder, locked
        self.done: dict[str, Installed] = {}  # by name
        self._asked: dict[str, Wanted] = {}  # of the hub, by namespace/name: all bounds together
        self._seen: set[tuple[str, str]] = set()

    def all_of(self, wanted: list[Wanted], base: Path, depth: int) -> None:
        """Install what a project in `base` asks for; hub packages are collected first, so that all bounds are known."""
        if depth > DEPTH_MAX:
            raise DeclarationError("packages ask for one another more than twenty deep", todo="look for a circle in packages.yml")
        for one in wanted:
            if one.kind == "package":
                self._ask(one)
                continue
            key = (one.source if one.kind != "local" else str((base / one.source).resolve()), one.subdirectory)
            if key not in self._seen:
                self._seen.add(key)
                made = {"local": self._local, "git": self._git, "tarball": self._tarball}[one.kind](one, base)
                self._inner(made, depth)

    def _inner(self, made: Path, depth: int) -> None:
        """What an installed package asks for itself."""
        mistakes = Mistakes()
        wanted = wanted_in(str(made), mistakes)
        mistakes.raise_if_any(made.name)
        self.all_of(wanted, made.resolve(), depth + 1)

    def _ask(self, one: Wanted) -> None:
        before = self._asked.get(one.source)
        bounds = (*before.versions, *one.versions) if before else one.versions
        prerelease = one.prerelease or (before is not None and before.prerelease)
        self._asked[one.source] = replace(one, versions=tuple(dict.fromkeys(bounds)), prerelease=prerelease)

    def hub(self) -> None:
        """Install the hub's packages, and what these ask for, until nobody asks for more."""
        chosen: dict[str, str] = {}
        for _ in range(DEPTH_MAX):
            todo = [one for one in self._asked.values() if chosen.get(one.source) is None or not _fits(chosen[one.source], one)]
            if not todo:
                return
            for one in todo:
                chosen[one.source] = self._from_hub(one)
        raise DeclarationError("the versions of the hub's packages do not settle", todo="pin versions in packages.yml")

    def _local(self, one: Wanted, base: Path) -> Path:
        source = (base / Path(one.source).expanduser()).resolve()
        name = self._named(source, one)
        place = self.folder / name
        if place.resolve() != source:
            self._clear(place)
            try:
                place.symlink_to(os.path.relpath(source, self.folder.resolve()), target_is_directory=True)
            except OSError:
                shutil.copytree(source, place, ignore=shutil.ignore_patterns(".git", "dbt_packages", "target", "logs"))
        self.done[name] = Installed(name, "local", one.source)
        return place

    def _git(self, one: Wanted, base: Path) -> Path:
        with tempfile.TemporaryDirectory(dir=self.folder, prefix=".fetching-") as scratch:
            clone = Path(scratch, "clone")
            commit = self._clone(one, clone)
            source = (clone / one.subdirectory).resolve()
            if not source.is_relative_to(clone.resolve()):
                raise DeclarationError(
                    f"'subdirectory' of {one.shown} leads out of the repository", expected="a folder inside it"
                )
            name = self._named(source, one)
            shutil.rmtree(clone / ".git", ignore_errors=True)
            place = self._put(source, name)
        self.done[name] = Installed(name, "git", one.source, commit, one.revision)
        return place

    def _clone(self, one: Wanted, clone: Path) -> str:
        """Clone at the revision (a tag, a branch or a commit; the default branch when there is none). Returns the commit."""
        if one.source.startswith("-") or one.revision.startswith("-"):
            raise DeclarationError(
                f"{one.shown} is no repository", expected="an address and a revision that do not begin with '-'"
            )
        revision = one.revision
        pinned = self.locked.get(f"{one.source}@{revision}", self.locked.get(one.source, ""))
        if len(pinned) == 40 and (not revision or not _is_commit(revision)):
            revision = pinned
        _run_git(["init", "--quiet", str(clone)], one)
        _run_git(["-C", str(clone), "remote", "add", "origin", one.source], one)
        last = _try_git(["-C", str(clone), "fetch", "--quiet", "--depth", "1", "origin", revision or "HEAD"], one)
        if last is not None:  # a server may refuse single commits, and short ones are no names
            _run_git(["-C", str(clone), "fetch", "--quiet", "--tags", "origin", "+refs/heads/*:refs/remotes/origin/*"], one)
            target = revision or "origin/HEAD"
            if _try_git(["-C", str(clone), "checkout", "--quiet", "--detach", target], one) is not None:
                _run_git(["-C", str(clone), "checkout", "--quiet", "--detach", f"origin/{target}"], one)
        else:
            _run_git(["-C", str(clone), "checkout", "--quiet", "--detach", "FETCH_HEAD"], one)
        return _run_git(["-C", str(clone), "rev-parse", "HEAD"], one).strip()

    def _tarball(self, one: Wanted, base: Path) -> Path:
        name = self._unpack(one.source, one)
        self.done[name] = Installed(name, "tarball", one.source)
        return self.folder / name

    def _from_hub(self, one: Wanted) -> str:
        known = _hub_versions(one.source)
        locked = self.locked.get(one.source)
        version = locked if locked in known and _fits(locked, one) else best(known, one.versions, prerelease=one.prerelease)
        if version is None:
            raise DeclarationError(
                f"no version of package '{one.source}' fits {' and '.join(one.versions)}",
                expected="one of " + ", ".join(list(known)[-10:]),
                todo="change the bounds in packages.yml, or in the package that sets them",
                code="HG-D090",
            )
        name = self._unpack(str(known[version]["downloads"]["tarball"]), one)
        self.done[name] = Installed(name, "package", one.source, version)
        self._inner(self.folder / name, 1)
        return version

    def _unpack(self, url: str, one: Wanted) -> str:
        """Download an archive and put the project in it into its place. Returns its name."""
        with tempfile.TemporaryDirectory(dir=self.folder, prefix=".fetching-") as scratch:
            archive = Path(scratch, "archive.tar.gz")
            archive.write_bytes(_download(url))
            inside = Path(scratch, "inside")
            try:
                with tarfile.open(archive) as tar:
                    tar.extractall(inside, filter="data")
            except (tarfile.TarError, OSError) as error:
                raise SourceBroken(
                    f"the archive of {one.shown} cannot be unpacked: {error}", expected="a .tar.gz file"
                ) from error
            projects = sorted(inside.rglob("dbt_project.yml"), key=lambda p: len(p.parts))
            source = projects[0].parent if projects else inside
            name = self._named(source, one)
            self._put(source, name)
        return name

    def _named(self, source: Path, one: Wanted) -> str:
        """The name in a package's dbt_project.yml. Raises DeclarationError when it has none, or another package has it."""
        path = source / "dbt_project.yml"
        if not path.is_file():
            raise DeclarationError(f"package {one.shown} has no dbt_project.yml", expected="a dbt project", code="HG-D090")
        entry = read(path.read_text(encoding="utf-8-sig"), path.name, Mistakes())
        name = str((entry.get("name") if entry is not None else None) or source.name)
        if not name.isidentifier():
            raise DeclarationError(
                f"package {one.shown} is named '{name}'", expected="letters, digits and underscores", code="HG-D090"
            )
        before = self.done.get(name)
        if before is not None and before.source != one.source:
            raise DeclarationError(
                f"package '{name}' is asked for twice: {before.source} and {one.source}",
                expected="one place for a package",
                code="HG-D090",
            )
        return name

    def _put(self, source: Path, name: str) -> Path:
        place = self.folder / name
        self._clear(place)
        shutil.move(str(source), str(place))
        return place

    @staticmethod
    def _clear(place: Path) -> None:
        if place.is_symlink() or place.is_file():
            place.unlink()
        elif place.exists():
            shutil.rmtree(place)


def _fits(version: str, one: Wanted) -> bool:
    found = Version.of(version)
    return found is not None and fits(found, one.versions)


def _is_commit(text: str) -> bool:
    return len(text) == 40 and all(c in "0123456789abcdef" for c in text.lower())


def _try_git(arguments: list[str], one: Wanted) -> str | None:
    """What git complains of; None when it is done. Raises SourceUnavailable when it does not end."""
    try:
        done = subprocess.run(
            ["git", *arguments], capture_output=True, text=True, timeout=GIT_SECONDS, check=False,
            env={**os.environ, "GIT_TERMINAL_PROMPT": "0"}, stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise SourceUnavailable(f"git does not answer for {one.shown} in {GIT_SECONDS:.0f} seconds", todo="try again") from None
    except FileNotFoundError:
        raise UsageError(
            f"git is not installed, which package {one.shown} needs", todo="install git, or copy the package"
        ) from None
    return None if done.returncode == 0 else done.stderr.strip() or f"exit {done.returncode}"


def _run_git(arguments: list[str], one: Wanted) -> str:
    complaint = _try_git(arguments, one)
    if complaint is not None:
        raise SourceBroken(
            f"package {one.shown} cannot be fetched: {complaint}",
            expected="a repository and a revision that exist",
            todo="check packages.yml",
        )
    if "rev-parse" not in arguments:
        return ""
    return subprocess.run(["git", *arguments], capture_output=True, text=True, timeout=GIT_SECONDS, check=True).stdout


def _hub_versions(name: str) -> dict[str, Any]:
    base = os.environ.get("DBT_PACKAGE_HUB_URL", HUB).rstrip("/")
    try:
        found = json.loads(_download(f"{base}/api/v1/{name}.json"))
        return {str(version): about for version, about in found["versions"].items()}
    except (ValueError, KeyError, AttributeError) as error:
        raise SourceBroken(f"the hub's answer for package '{name}' cannot be read", expected="its versions as JSON") from error


def _download(url: str) -> bytes:
    """The content behind a URL; tried three times when the server is at fault."""
    if not url.startswith(("http://", "https://")):
        raise DeclarationError(f"'{url}' is no address", expected="https://…")
    last = ""
    for _ in range(TRIES):
        try:
            with urllib.request.urlopen(url, timeout=HTTP_SECONDS) as answer:
                content: bytes = answer.read()
                return content
        except urllib.error.HTTPError as error:
            if error.code < 500:
                raise SourceBroken(
                    f"{url} answers {error.code}", expected="a package that exists", todo="check packages.yml"
                ) from error
            last = f"it answers {error.code}"
        except (urllib.error.URLError, TimeoutError, OSError) as error:
            last = str(getattr(error, "reason", error))
    raise SourceUnavailable(f"{url} cannot be reached: {last}", todo="try again, or copy the package into the packages folder")
