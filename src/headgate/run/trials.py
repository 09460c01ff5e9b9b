"""Trials in a shadow: build a model again on the inputs that stand, compare with what is published, and throw the result away."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

import duckdb

from headgate.ports.engine import Cursor
from headgate.run.building import current_views
from headgate.run.context import RunContext
from headgate.spec.errors import EngineFailed
from headgate.spec.names import quote_ident
from headgate.spec.project import Node
from headgate.spec.recorded import RecordedDataset
from headgate.spec.staged import Interval, Staged
from headgate.transform.build import build


@dataclass(frozen=True, slots=True)
class Trial:
    """What publishing the trial would have done: rows it would write, and how content would differ (audit columns left out)."""

    rows_written: int
    rows_unchanged: int
    added: int
    removed: int

    @property
    def changes_nothing(self) -> bool:
        """True when the table would be as it is."""
        return self.added == 0 and self.removed == 0


def try_again(ctx: RunContext, node: Node, recorded: RecordedDataset, *, whole: bool) -> Trial:
    """Build `node` again: as its next run would (the newest interval, the same lookback), or with `whole` from the beginning.

    Raises what building raises, and EngineFailed when the result cannot be compared with the published table.
    """
    workspace = ctx.lake.workspace(f"{ctx.run_id}-{'whole' if whole else 'again'}-{node.name}")
    cursor = workspace.cursor()
    try:
        staged = [
            build(
                _how(node, whole), node, ctx.project, ctx.templates, ctx.lake, workspace, clock=ctx.clock, interval=interval, full_refresh=whole,
                base_version=recorded.version, recorded=recorded, resolve=current_views(ctx),
            )
            for interval in _intervals(recorded, whole)
        ]  # fmt: skip
        after = staged[-1].overlay_sql or workspace.resolve(node.relation)
        added, removed = _differences(ctx, cursor, node, staged[-1], after)
    except duckdb.Error as error:
        raise EngineFailed(f"{node.relation} cannot be compared with a trial of it: {error}") from error
    finally:
        cursor.close()
        workspace.discard()
    return Trial(sum(s.counts.rows_out for s in staged), sum(s.counts.rows_unchanged for s in staged), added, removed)


def _how(node: Node, whole: bool) -> str:
    if node.materialized == "incremental":
        return (
            "full"
            if whole and not node.config.get("batch_size")
            else "intervals"
            if node.config.get("batch_size")
            else "incremental"
        )
    return {"view": "view", "seed": "seed", "snapshot": "snapshot"}.get(node.materialized, "full")


def _intervals(recorded: RecordedDataset, whole: bool) -> Sequence[Interval | None]:
    """The intervals to build: all that hold rows, or the newest of these; one build without any for other models."""
    filled = [d.interval for d in recorded.intervals if d.rows_out or whole] or [d.interval for d in recorded.intervals]
    if not filled:
        return (None,)
    return filled if whole else filled[-1:]


def _differences(ctx: RunContext, cursor: Cursor, node: Node, staged: Staged, after: str) -> tuple[int, int]:
    """Rows that `after` has and the published table lacks, and the other way round, as bags."""
    content = [
        quote_ident(c.name)
        for c in staged.columns
        if not any(fnmatchcase(c.name.lower(), p.lower()) for p in ctx.project.audit_columns)
    ]
    listed, published = ", ".join(content), node.relation.sql(ctx.lake.name)
    found = []
    for left, right in ((after, published), (published, after)):
        row = cursor.execute(
            f"SELECT count(*) FROM (SELECT {listed} FROM {left} EXCEPT ALL SELECT {listed} FROM {right})"
        ).fetchone()
        found.append(int(row[0]) if row else 0)
    return found[0], found[1]
