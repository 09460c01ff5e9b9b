"""Has anything of the project changed? Answered from file sizes and times alone, with the standard library alone.

The last full reading leaves `.headgate/cache/reading.json`: which folders it read and which environment variables. Until it
exists, dbt's ordinary folders are taken.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

CACHE = ".headgate/cache"
READING = "reading.json"
ROOT_FILES = (
    "headgate.yml", "headgate.yaml", "dbt_project.yml", "profiles.yml", "packages.yml", "dependencies.yml", "selectors.yml",
    "selectors.yaml", ".dbtignore",
)  # fmt: skip
FOLDERS = ("sources", "models", "seeds", "snapshots", "tests", "macros", "docs", "analyses", "dbt_packages")
SUFFIXES = (".yml", ".yaml", ".sql", ".py", ".csv", ".md")

_DEPTH_MAX = 32
_NOT_OF_A_PACKAGE = ("target", "logs", "dbt_packages", "dbt_modules", "node_modules", "venv", "integration_tests")

Stamp = tuple[int, int, int]
"""Size in bytes, time of change and time of the inode's change in nanoseconds."""


def digest(root: str) -> str:
    """A name of the state of all files read and of the environment variables used. Equal: nothing has changed."""
    reading = last_reading(root)
    found = stamps(root, reading.get("folders") or FOLDERS, reading.get("files") or ())
    return signature(found, environment_of(reading.get("env_vars") or ()))


def last_reading(root: str) -> Mapping[str, Any]:
    """What the last full reading left: `folders`, `files` outside the project and `env_vars`; empty when there is none."""
    try:
        found = json.loads(Path(root, CACHE, READING).read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def environment_of(names: Any) -> dict[str, str | None]:
    """The present values of the environment variables `names`."""
    return {name: os.environ.get(name) for name in sorted(names)}


def signature(found: Mapping[str, Stamp], variables: Mapping[str, str | None]) -> str:
    """One hash over files with their stamps, and environment variables with their values."""
    text = json.dumps([sorted(found.items()), sorted(variables.items(), key=lambda item: item[0])])
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def stamps(root: str, folders: Any, files: Any = ()) -> dict[str, Stamp]:
    """Every file that a reading of the project would open, relative to `root` with forward slashes, with its stamp.

    `files` are absolute paths outside the project, which may be missing.
    """
    found: dict[str, Stamp] = {}
    for name in (*ROOT_FILES, *files):
        try:
            status = Path(root, name).stat()
        except OSError:
            continue
        found[name] = (status.st_size, status.st_mtime_ns, status.st_ctime_ns)
    above = (_place(root),)
    for folder in folders:
        for path, status in _files(f"{root}/{folder}", folder, (*above, _place(f"{root}/{folder}"))):
            found[path] = (status.st_size, status.st_mtime_ns, status.st_ctime_ns)
    return found


def _place(path: str) -> tuple[int, int]:
    """Names a folder, whatever links lead to it; (0, 0) for one that is not there."""
    try:
        status = Path(path).stat()
    except OSError:
        return 0, 0
    return status.st_dev, status.st_ino


def _files(folder: str, shown: str, above: tuple[tuple[int, int], ...]) -> Iterator[tuple[str, os.stat_result]]:
    """Files with a known suffix below `folder`. Links are followed, but never into a folder that the walk is in already.

    The folder of an installed package that is a link to a whole repository holds more than the package.
    """
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError:
        return
    left_out = _NOT_OF_A_PACKAGE if any(entry.name == "dbt_project.yml" for entry in entries) else ()
    for entry in entries:
        name = entry.name
        if name.startswith((".", "__pycache__")) or name in left_out:
            continue
        try:
            status = entry.stat()
        except OSError:
            continue
        if stat.S_ISDIR(status.st_mode):
            place = (status.st_dev, status.st_ino)
            if len(above) < _DEPTH_MAX and place not in above:
                yield from _files(f"{folder}/{name}", f"{shown}/{name}", (*above, place))
        elif name.endswith(SUFFIXES):
            yield f"{shown}/{name}", status
