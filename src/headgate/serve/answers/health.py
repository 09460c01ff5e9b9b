"""`headgate doctor`: what a set-up needs, looked at one by one; each finding says what to do."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from headgate.ports.plugins import manifests
from headgate.spec.errors import HeadgateError

ENGINE_VERSION = "1.5.5"
FREE_BYTES_MIN = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at: whether it is sound, what was found, and what to do when it is not."""

    what: str
    ok: bool
    found: str
    todo: str = ""


def examine(root: Path, environment: str) -> tuple[Finding, ...]:
    """All findings for the project in `root`; a finding that needs an earlier one is left out when that failed."""
    findings = [_python(), _engine(), _disk(root), _writable(root)]
    marker = next((m for m in ("headgate.yml", "dbt_project.yml") if (root / m).exists()), None)
    if marker is None:
        findings.append(Finding("project", False, f"no headgate.yml in {root}", "run: headgate init"))
        return tuple(findings)
    findings.append(_try("project", "headgate ls", lambda: _project(root, environment)))
    if findings[-1].ok:
        findings += [
            _try("lake", "look at `lake:` in headgate.yml", lambda: _lake(root, environment)),
            *_connectors(root, environment),
            *_connections(root, environment),
        ]
    return tuple(findings)


def _python() -> Finding:
    found, ok = ".".join(map(str, sys.version_info[:3])), sys.version_info >= (3, 11)
    return Finding("python", ok, found, "" if ok else "install Python 3.11 or newer")


def _engine() -> Finding:
    found = {name: _version(name) for name in ("duckdb", "duckdb-extension-ducklake", "duckdb-extension-sqlite-scanner")}
    wrong = {n: v for n, v in found.items() if v != ENGINE_VERSION}
    shown = ", ".join(f"{n} {v}" for n, v in found.items())
    return Finding(
        "engine", not wrong, shown, "" if not wrong else "run: pip install " + " ".join(f"{n}=={ENGINE_VERSION}" for n in wrong)
    )


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "missing"


def _disk(root: Path) -> Finding:
    there = next(p for p in (root, *root.parents) if p.exists())  # a folder that is missing is told by `folder`
    free = shutil.disk_usage(there).free
    todo = "" if free >= FREE_BYTES_MIN else "make room: a publish needs space for one more copy of its tables"
    return Finding("disk", not todo, f"{free / 1e9:.1f} GB free", todo)


def _writable(root: Path) -> Finding:
    if not root.is_dir():
        return Finding(
            "folder", False, f"{root} is {'a file' if root.exists() else 'not there'}", "name the project's folder with --project"
        )
    ok = os.access(root, os.W_OK)
    return Finding("folder", ok, str(root), "" if ok else "give this user the right to write there")


def _try(what: str, todo: str, look: Callable[[], str]) -> Finding:
    try:
        return Finding(what, True, look())
    except HeadgateError as error:
        return Finding(what, False, error.what, error.todo or f"run: {todo}")


def _project(root: Path, environment: str) -> str:
    from headgate.declare import load

    project = load(str(root), environment=environment).project
    return f"{len(project.nodes)} nodes, {len(project.sources)} source tables, {len(project.checks)} checks"


def _lake(root: Path, environment: str) -> str:
    from headgate.run.session import open_session

    session = open_session(str(root), environment=environment)
    try:
        with session.still() as still:
            return f"snapshot {still.lake.snapshot()}, {len(still.lake.relations())} relations"
    finally:
        session.close()


def _connectors(root: Path, environment: str) -> list[Finding]:
    """Whether what each used connector needs is installed."""
    from headgate.declare import load

    used = {s.connector for s in load(str(root), environment=environment).project.sources.values() if s.connector}
    findings = []
    for name in sorted(used):
        manifest = manifests("sources")[name]
        missing = [m for m in manifest.requires if importlib.util.find_spec(m) is None]
        findings.append(
            Finding(
                f"connector {name}", not missing, "installed" if not missing else f"missing {', '.join(missing)}",
                f"run: pip install 'headgate[{manifest.extra}]'" if missing else "",
            )
        )  # fmt: skip
    return findings


def _connections(root: Path, environment: str) -> list[Finding]:
    """Whether the secrets that the sources' connections refer to are there. Nobody is called."""
    from headgate.declare import load
    from headgate.extract.secrets import Secrets

    project = load(str(root), environment=environment).project
    secrets = Secrets(project.secrets, root=str(root))

    def found(connection: object) -> str:
        secrets.resolve(connection)
        return "its secrets are found"

    wanted = {t.source: t.connection for t in project.sources.values() if t.connector and "${" in str(t.connection)}
    return [
        _try(f"source {name}", "look at its connection", partial(found, connection))
        for name, connection in sorted(wanted.items())
    ]
