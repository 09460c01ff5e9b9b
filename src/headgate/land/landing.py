"""Land one source table: extract into staging, weigh, and append to raw in one commit together with the position. Exactly
once.

Landing the same again changes nothing: a load id that is committed is not committed twice, units that are landed with the
same content are dropped under the lock, and a position that another process has moved sends the load back to the source.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from typing import Protocol, TypeVar

from headgate.land import commit, ledger
from headgate.land.commit import AllKnown, Fence, Load, Outdated
from headgate.land.judging import Checks, judge
from headgate.land.ledger import Standing
from headgate.land.result import ACCEPTED, BLOCKED, NOTHING, LoadResult
from headgate.land.shape import Shape, fitted, shape
from headgate.land.staging import StagedLoad, Stager
from headgate.ports.engine import Lake, Workspace
from headgate.ports.source import Extraction
from headgate.spec.clock import now_iso
from headgate.spec.crash import point
from headgate.spec.errors import LedgerUnbalanced, LockHeld
from headgate.spec.events import Event
from headgate.spec.names import Column, Relation
from headgate.spec.positions import Position
from headgate.spec.project import SourceTable
from headgate.spec.staged import RowCounts
from headgate.spec.verdicts import GateResult

ROUNDS_MAX = 8
T = TypeVar("T")


class Drive(Protocol):
    """How the source is driven (`extract.drive.Drive.attempts`): do `work(extraction, attempt)` from `position` until it
    succeeds, each time with a fresh extraction; None when there is nothing new.
    """

    def __call__(self, work: Callable[[Extraction | None, int], StagedLoad], position: Position, /) -> StagedLoad: ...


def no_checks(rows_sql: str, columns: Sequence[Column]) -> GateResult:
    """The gate of a table without checks of its own."""
    return GateResult("")


def _nobody(event: Event) -> None:
    """A listener that does not listen."""


def land(
    table: SourceTable,
    lake: Lake,
    workspace: Workspace,
    drive: Drive,
    *,
    run_id: str,
    load_id: str,
    fence: Fence | None = None,
    checks: Checks = no_checks,
    on_event: Callable[[Event], None] = _nobody,
    retry_blocked: bool = False,
) -> LoadResult:
    """Land what is new in `table`'s source as load `load_id`.

    `checks(rows_sql, columns)` is the project's gate on the staged rows. Units that an earlier gate blocked are not tried
    again while their content stays the same, unless `retry_blocked`. Raises WorldError kinds (source, lake), FenceLost,
    LockHeld, DeclarationError; bad data is a result.
    """
    landing = _Landing(table, lake, workspace, drive, run_id, load_id, fence, checks, retry_blocked)
    result = landing.run()
    _tell(result, table, run_id, on_event)
    return result


class _Landing:
    """One call of `land`."""

    def __init__(
        self, table: SourceTable, lake: Lake, workspace: Workspace, drive: Drive, run_id: str, load_id: str, fence: Fence | None,
        checks: Checks, retry_blocked: bool,
    ) -> None:  # fmt: skip
        self.table, self.lake, self.workspace, self.drive = table, lake, workspace, drive
        self.run_id, self.load_id, self.fence = run_id, load_id, fence
        self.checks, self.retry_blocked = checks, retry_blocked
        self.dataset = str(table.relation)
        self.started_at, self.started, self.started_cpu = now_iso(), time.monotonic(), time.process_time()
        self.stagings = 0

    def run(self) -> LoadResult:
        """Stage, weigh and commit, again when another process was first."""
        for _ in range(ROUNDS_MAX):
            base = self._standing()
            if (status := self._already()) is not None:
                return LoadResult(
                    self.load_id, self.dataset, status, "this load was committed before", position=self._position(base)
                )
            staged = self._extract(base)
            if not staged.touched:
                again = f"nothing new: raw holds all {staged.held} rows that were read again" if staged.held else ""
                return self._nothing(base, "" if _waiting(base, staged) else again, staged)
            try:
                return self._weigh_and_commit(base, staged)
            except Outdated:
                continue
            except AllKnown:
                return self._nothing(self._standing(), "another process has landed the same units")
        raise LockHeld(
            f"other processes moved {self.dataset} {ROUNDS_MAX} times while this load was staged",
            expected="a turn of its own",
            todo="land it again when the others have ended",
        )

    # -- extract -----------------------------------------------------------------------

    def _standing(self) -> Standing:
        with closing(self.lake.cursor()) as cursor:
            return ledger.standing(cursor, self.lake.name, self.dataset)

    def _already(self) -> str | None:
        with closing(self.lake.cursor()) as cursor:
            return ledger.has_load(cursor, self.lake.name, self.load_id)

    def _extract(self, base: Standing) -> StagedLoad:
        """What is new. A unit that is repaired or taken away brings back the others of its blocked load: they were blocked for
        its sake, perhaps.
        """
        staged = self._stage(base.position(with_blocked=not self.retry_blocked))
        found = {u.name for u in staged.units}
        if self.retry_blocked:
            return replace(staged, released=tuple(n for n in base.blocked if n not in found))
        moved = found.union(staged.released)
        freed = {base.blocked_loads[n] for n in moved if n in base.blocked}
        if all(n in moved for n in base.blocked if base.blocked_loads[n] in freed):
            return staged
        again = self._stage(base.position(with_blocked=True, without=frozenset(freed)))
        return replace(again, released=staged.released)

    def _stage(self, position: Position) -> StagedLoad:
        loaded_at = now_iso()

        def work(extraction: Extraction | None, attempt: int) -> StagedLoad:
            if extraction is None:
                return StagedLoad()
            self.stagings += 1
            point("land.before_stage")
            staged = Stager(self.workspace, self.table.relation, self.load_id, loaded_at, self.stagings).stage(extraction)
            point("land.after_stage")
            return staged

        return self.drive(work, position)

    # -- weigh and commit --------------------------------------------------------------

    def _weigh_and_commit(self, base: Standing, staged: StagedLoad) -> LoadResult:
        known = self.lake.columns(self.table.relation)
        form = shape(self.dataset, staged.parts, known, self.table.on_schema_change)
        raw_sql = self.table.relation.sql(self.lake.name)
        gate = judge(self.table, staged, form, self._rows_sql(staged, form), raw_sql, self.workspace, self.checks)
        point("land.after_gate")
        load = Load(
            self.table, self.run_id, self.load_id, staged, form, base, known, self.fence,
            self.started_at, self.started, self.started_cpu,
        )  # fmt: skip
        blocked = gate.outcome == "block"
        if blocked:
            counts = commit.block(load, self.lake, [v.message or v.name for v in gate.verdicts if v.blocks])
        else:
            counts = commit.accept(load, self.lake)
        if not counts.balanced:
            raise LedgerUnbalanced(
                f"the books of the load of {self.dataset} do not balance: {counts}", todo="report this as a bug"
            )
        return self._result(load, gate, counts, base, blocked)

    def _rows_sql(self, staged: StagedLoad, form: Shape) -> str:
        """The staged rows as the table will hold them, as one relation."""
        filled = [p for p in staged.parts if p.rows]
        if not filled:
            return "(SELECT 1 WHERE false)"
        if form.blocked:
            return filled[0].rows_sql
        if len(filled) == 1 and filled[0].columns == form.columns:
            return filled[0].rows_sql
        view = Relation("_landing", f"{self.table.relation.schema}__{self.table.relation.name}")
        self.workspace.stage_view(view, " UNION ALL ".join(fitted(p, form.columns) for p in filled))
        return view.sql(self.workspace.catalog)

    # -- results -----------------------------------------------------------------------

    def _position(self, base: Standing) -> Position:
        return base.position(with_blocked=False, without=frozenset(base.blocked_loads.values()))

    def _nothing(self, base: Standing, reason: str = "", staged: StagedLoad | None = None) -> LoadResult:
        waiting = _waiting(base, staged or StagedLoad())
        if waiting and not reason:
            more = f" and {len(waiting) - 1} more" if len(waiting) > 1 else ""
            reason = f"{waiting[0]}{more} still blocked: repair or remove what is bad, the rest of its load then lands by itself"
            reason += "; to try the same again: headgate land --retry-blocked"
        columns = self.lake.columns(self.table.relation) or ()
        return replace(
            LoadResult(self.load_id, self.dataset, NOTHING, reason or "nothing new"),
            position=self._position(base), columns=columns, waiting=waiting, seconds=time.monotonic() - self.started,
        )  # fmt: skip

    def _result(self, load: Load, gate: GateResult, counts: RowCounts, base: Standing, blocked: bool) -> LoadResult:
        after = self._standing()
        return LoadResult(
            self.load_id,
            self.dataset,
            BLOCKED if blocked else ACCEPTED,
            gate.reason,
            counts,
            gate.verdicts,
            load.shape.recorded,
            self._position(after),
            load.shape.columns,
            _waiting(after, load.staged),
            load.staged.notes,
            load.bytes,
            time.monotonic() - self.started,
            time.process_time() - self.started_cpu,
        )


def _waiting(base: Standing, staged: StagedLoad) -> tuple[str, ...]:
    """The blocked units that still stand in the source."""
    return tuple(sorted(n for n in base.blocked if n not in staged.released))


def _tell(result: LoadResult, table: SourceTable, run_id: str, on_event: Callable[[Event], None]) -> None:
    if result.status == NOTHING:
        return
    base = Event("load.accepted", now_iso(), run_id=run_id, step=table.unique_id, dataset=result.dataset)
    for change in result.schema_changes:
        data = {"column": change.column, "kind": change.kind, "from": change.from_type, "to": change.to_type}
        on_event(replace(base, kind="schema.changed", status=change.decision, reason=change.reason, data=data))
    on_event(
        replace(
            base,
            kind=f"load.{result.status}",
            status=result.status,
            reason=result.reason,
            rows=result.counts.rows_out,
            bytes=result.bytes,
            seconds=result.seconds,
            cpu_seconds=result.cpu_seconds,
            data={"load_id": result.load_id, "rows_dead": result.counts.rows_dead, "rows_in": result.counts.rows_in},
        )
    )
