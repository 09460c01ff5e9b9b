"""The settled mark: after a run that left nothing to do, what must be unchanged for the next run to have nothing to do either.

It is exact, not a guess: the project's files and the environment variables they use, the lake's snapshot, the files that
sources watch. A source that must be
asked (a database, an API) is never settled. Reading a mark needs the standard library alone.
"""

from __future__ import annotations

import glob
import hashlib
import json
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from headgate.spec.errors import HeadgateError

POINTER = "settled-{environment}.json"


def pointer_path(root: Path, environment: str) -> Path:
    """The file that holds the mark."""
    return root / ".headgate" / "cache" / POINTER.format(environment=environment or "default")


def still_settled(root: Path, environment: str) -> Mapping[str, Any] | None:
    """The mark, if everything that it names is as it was; else None."""
    path = pointer_path(root, environment)
    try:
        mark: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    from headgate.declare.quick import digest

    if mark["files"] != watched(mark["patterns"]) or mark["digest"] != digest(str(root)):
        return None
    if str(mark["catalog"]).startswith("duckdb:"):
        return mark  # the file itself is one of those watched
    from headgate.engines.duckdb.snapshot_id import lake_at, snapshot_id

    try:
        catalog, state = (_with_secrets(mark[key], mark["secrets"], root) for key in ("catalog", "state"))
    except (HeadgateError, KeyError):
        return None
    same = lake_at(catalog) == mark["lake"] and snapshot_id(catalog) == mark["snapshot"]
    return {**mark, "state": state} if same else None


def may_be_kept(declared: str) -> bool:
    """Whether a declared URL may stand in the mark: it writes out no password."""
    from headgate.extract.secrets import Redactor

    bare = re.sub(r"\$\{[^}]*\}", "", declared)
    return Redactor()(bare) == bare


def _with_secrets(declared: str, kinds: Iterable[str], root: Path) -> str:
    """`declared` with its secrets, read now."""
    if "${" not in declared:
        return declared
    from headgate.extract.secrets import Secrets

    return str(Secrets(kinds, root=str(root)).resolve(declared))


def watched(patterns: Iterable[str]) -> str:
    """A digest of names, sizes and times of all files that the patterns match."""
    found = hashlib.blake2b(digest_size=16)
    for pattern in patterns:
        for name in sorted(glob.glob(pattern, recursive=True)):  # noqa: PTH207 - patterns are absolute texts
            status = os.stat(name)  # noqa: PTH116 - pathlib costs more than the look
            found.update(f"{name}\0{status.st_size}\0{status.st_mtime_ns}\n".encode())
    return found.hexdigest()


def write_mark(root: Path, environment: str, mark: Mapping[str, Any]) -> None:
    """Keep the mark, whole or not at all."""
    path = pointer_path(root, environment)
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(f".{os.getpid()}")
    fresh.write_text(json.dumps(mark), encoding="utf-8")
    fresh.replace(path)


def remove_mark(root: Path, environment: str) -> None:
    """Forget the mark: something is to be done again."""
    pointer_path(root, environment).unlink(missing_ok=True)
