"""Leftovers, removed by age: staging of runs that are closed, and files that no catalog row names.

A registered file belongs to the lake (LAKE.md 8): a staged Parquet goes only if the catalog has no row for it and its run is closed. Orphans go
through the lake's own clean-up, never all of them at once, and never younger than what a resumed run may still need.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from headgate.ports.engine import Lake
from headgate.publish.slices import give_way
from headgate.spec.crash import point
from headgate.spec.names import quote_ident, quote_literal

PATHS_A_SLICE = 200


@dataclass(frozen=True, slots=True)
class Done:
    """What one task removed or wrote anew (or, dry, would): how many things, their bytes, and a word on it."""

    task: str
    things: int
    bytes: int
    detail: str = ""


def clean_staging(lake: Lake, root: str, *, keep: Collection[str], older_than: timedelta, dry_run: bool) -> Done:
    """Remove staging folders and unregistered staged Parquet of runs that are not in `keep` and older than `older_than`.

    In slices under the writer lock: a publish that is about to register a file is either over, and the catalog names it, or has not begun.
    """
    found = _leftovers(lake, root, keep, time.time() - older_than.total_seconds())
    things, size = (len(found), sum(map(_size, found))) if dry_run else (0, 0)
    for begin in () if dry_run else range(0, len(found) or 1, PATHS_A_SLICE):
        with lake.transaction(["*"], author="clean staging", message="clean staging"):
            registered = registered_files(lake)
            chosen = [path for path in found[begin : begin + PATHS_A_SLICE] if path.name not in registered]
            things, size = things + len(chosen), size + sum(map(_size, chosen))
            _delete(chosen)
        give_way()
    return Done("clean staging", things, size, "staging of closed runs")


def _delete(paths: Sequence[Path]) -> None:
    point("clean.before_delete")
    for path in paths:
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    point("clean.after_delete")


def _leftovers(lake: Lake, root: str, keep: Collection[str], limit: float) -> list[Path]:
    """What stands there and may go: last modified before `limit`, of a run not in `keep`, and unknown to the catalog."""
    gone: list[Path] = []
    runs = Path(root) / ".headgate" / "runs"
    for folder in sorted(runs.iterdir()) if runs.is_dir() else ():
        if _closed(folder.name, keep) and folder.stat().st_mtime < limit:
            gone.append(folder)
    registered = registered_files(lake)
    staged = Path(lake.data_path) / "hg-stage"
    if "://" not in lake.data_path and staged.is_dir():
        for file in sorted(staged.glob("*/*.parquet")):
            if _closed(file.parent.name, keep) and file.stat().st_mtime < limit and file.name not in registered:
                gone.append(file)
    return gone


def _closed(name: str, keep: Collection[str]) -> bool:
    """Whether the staging folder `name` (a run id, perhaps with a suffix) is of no run that may still need it."""
    return not any(name.startswith(run_id) for run_id in keep)


def _size(path: Path) -> int:
    files = [path] if path.is_file() else [p for p in path.rglob("*") if p.is_file()]
    return sum(p.stat().st_size for p in files)


def registered_files(lake: Lake) -> set[str]:
    """The names of all data files that the catalog knows, at any snapshot, or that it has scheduled for its own, later, deletion."""
    if not lake.takes_files:
        return set()
    metadata = quote_ident("__ducklake_metadata_" + lake.name)
    cursor = lake.cursor()
    try:
        rows = cursor.execute(
            f"SELECT path FROM {metadata}.ducklake_data_file UNION ALL "
            f"SELECT path FROM {metadata}.ducklake_files_scheduled_for_deletion"
        ).fetchall()
    finally:
        cursor.close()
    return {str(path).rsplit("/", 1)[-1] for (path,) in rows}


def clean_orphans(lake: Lake, *, author: str, older_than: timedelta, dry_run: bool) -> Done:
    """Delete files below the data path that the catalog does not know and that are older than `older_than`."""
    call = (
        f"CALL ducklake_delete_orphaned_files({quote_literal(lake.name)}, older_than => now() - INTERVAL {int(older_than.total_seconds())} SECOND, "
        f"dry_run => {str(dry_run).lower()})"
    )
    with lake.transaction(["*"], author=author, message="clean orphans") as cursor:
        found = cursor.execute(call).fetchall()
    return Done("clean orphans", len(found), 0, "files without a catalog row")
