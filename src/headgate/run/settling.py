"""The frame of a recorded call, and the settled mark that lets the next run end at once."""

from __future__ import annotations

import glob
import time
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from headgate.engines.duckdb.snapshot_id import lake_at
from headgate.plan import make
from headgate.run.context import RunContext
from headgate.run.external import external_versions
from headgate.run.options import RunOptions
from headgate.run.running import stateful_columns
from headgate.run.settled import may_be_kept, remove_mark, watched, write_mark
from headgate.spec.clock import now_iso
from headgate.spec.errors import HeadgateError
from headgate.spec.events import RunResult

if TYPE_CHECKING:
    from headgate.run.session import Session


class Recorded:
    """A context that records a call's start and, when it fails, its end. A call that succeeds records its own end."""

    def __init__(self, ctx: RunContext, command: str) -> None:
        self.value, self.command = ctx, command
        self._began = time.perf_counter()

    def __enter__(self) -> RunContext:
        ctx = self.value
        ctx.state.start_run(ctx.run_id, project=ctx.project.name, environment=ctx.project.environment, command=self.command)
        ctx.emit("run.started", data={"command": self.command})
        return ctx

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if error is None:
            return
        ctx, seconds = self.value, time.perf_counter() - self._began
        status = "failed" if isinstance(error, HeadgateError) else "interrupted"
        reason = ctx.secrets.redactor(str(error) or type(error).__name__)
        ctx.state.finish_run(ctx.run_id, status, reason, seconds=seconds)
        ctx.emit("run.finished", status=status, reason=reason, seconds=seconds)


def settle(session: Session, result: RunResult, options: RunOptions) -> None:
    """Leave the settled mark, if this run did everything and the sources can be watched; else remove it."""
    project = session.project
    root, whole = Path(project.root), not (options.select or options.exclude or options.interval_from or options.interval_to)
    patterns = watched_patterns(session) if whole and options.land else None
    scheme, _, catalog = project.lake.catalog.partition(":")
    if scheme == "duckdb" and patterns is not None:
        patterns = sorted([*patterns, glob.escape(catalog)])  # the file tells by itself that it has changed
    if (
        result.status != "done"
        or patterns is None
        or (scheme not in ("sqlite", "duckdb") and not may_be_kept(project.lake.catalog))
        or session.variables
        or project.options.get("on-run-start")
        or project.options.get("on-run-end")
        or _due_again(session)
        or _something_left(session)
    ):
        remove_mark(root, session.asked_environment)
        return
    kept = f"{scheme}:{Path(catalog).resolve()}" if scheme in ("sqlite", "duckdb") else project.lake.catalog
    mark = {
        "run_id": result.run_id,
        "snapshot": result.snapshot,
        "catalog": kept,  # a secret in it is read again when the mark is
        "lake": lake_at(session.secrets.resolve(kept)),
        "secrets": list(project.secrets),
        "digest": session.files_digest,  # of the files as they were read: an edit made during the run is not settled
        "patterns": patterns,
        "files": watched(patterns),
        "nodes": len(project.nodes),
        "environment": project.environment,
        "project": project.name,
        "state": project.state if may_be_kept(project.state) else "",
    }
    write_mark(root, session.asked_environment, mark)


def watched_patterns(session: Session) -> list[str] | None:
    """Local glob patterns of all sources that a run lands; None when one of them can only be asked."""
    patterns: list[str] = []
    for table in session.project.sources.values():
        if table.connector is None:
            continue
        path = table.options.get("path")
        paths = [path] if isinstance(path, str) else list(path or ())
        if not paths or any("://" in p for p in paths):
            return None
        patterns += [str(Path(glob.escape(session.project.root)) / p) for p in paths]
    return sorted(patterns)


def _due_again(session: Session) -> bool:
    """True when time alone makes work: models built by intervals that have no declared end."""
    return any(n.config.get("batch_size") and not n.config.get("end") for n in session.project.nodes.values())


def _something_left(session: Session) -> bool:
    """Whether a plan made now would still build something: the mark says "nothing to do" only when that was shown."""
    project = session.project
    left = make(
        project,
        session.recorded(),
        now=now_iso(),
        land=(),
        actual=stateful_columns(project, session.lake),
        external=external_versions(project, session.lake),
    )
    return bool(left.todo)
