"""A project that is open: the Python face of Headgate, and what the command line stands on.

`headgate.open(project)` gives one. It opens the lake and the state database when they are first needed, and closes them at
the end.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from headgate.declare import load, select
from headgate.engines.duckdb.lake import open_lake
from headgate.engines.duckdb.still import StillLake, can_stand_still
from headgate.extract.secrets import Secrets
from headgate.ports.engine import Lake
from headgate.run import reading, repairing, settling
from headgate.run.context import Listener, RunContext
from headgate.run.options import RunOptions
from headgate.run.running import Running
from headgate.run.statements import Statements
from headgate.spec.clock import Clock
from headgate.spec.events import RunResult
from headgate.spec.ids import uuid7
from headgate.spec.project import LakeSpec
from headgate.spec.recorded import Recorded
from headgate.spec.steps import Plan
from headgate.spec.verdicts import GateResult
from headgate.state import State, open_state

if TYPE_CHECKING:
    import pyarrow as pa

    from headgate.declare.selection import Prior


def open_session(project: str = ".", *, environment: str = "", variables: Mapping[str, Any] | None = None) -> Session:
    """Open the project in folder `project` for `environment` (left out: "dev", or what a dbt project's profile names).

    Raises DeclarationError with all mistakes of the project.
    """
    return Session(str(Path(project).resolve()), environment, variables or {})


class Session:
    """An open project. Use it in a `with`, or call `close`."""

    def __init__(self, root: str, environment: str, variables: Mapping[str, Any]) -> None:
        loaded = load(root, environment=environment, variables=variables)
        self.project, self.templates = loaded.project, loaded.templates
        self.asked_environment = environment
        self.files_digest = loaded.digest
        self.variables = dict(variables)
        self.secrets = Secrets(self.project.secrets, root=root)
        self.prior: Prior | None = None  # what selections of `state:` and `result:` compare with
        self.listeners: tuple[Listener, ...] = ()  # told the events of every call, beside those that a call names
        self._lake: Lake | None = None
        self._state: State | None = None
        self._idle: list[StillLake] = []

    @property
    def lake(self) -> Lake:
        """The lake, opened at first use."""
        if self._lake is None:
            self._lake = open_lake(self._lake_spec(), self.project.root)
        return self._lake

    def _lake_spec(self) -> LakeSpec:
        """The lake as declared, with its secrets: read at the moment of connecting, kept nowhere else."""
        declared = self.project.lake
        catalog, data, options = self.secrets.resolve([declared.catalog, declared.data, dict(declared.options)])
        return replace(declared, catalog=catalog, data=data, options=options)

    @property
    def state(self) -> State:
        """The state database, opened at first use."""
        if self._state is None:
            self._state = open_state(self.secrets.resolve(self.project.state), redact=self.secrets.redactor)
        return self._state

    @contextmanager
    def still(self, at: int | None = None) -> Iterator[Session]:
        """This session while its lake stands still at the newest snapshot (or `at`): what an answer of several queries asks (LAKE.md 11).

        What is published meanwhile is seen by the next call; nothing can be published through it. The lake is kept for the next call, since
        opening one takes a tenth of a second.
        """
        spec = self._lake_spec()
        if not can_stand_still(spec):
            yield self  # nobody else can write the file while it is open here
            return
        try:
            lake = self._idle.pop()  # one operation, so that two threads never get the same
        except IndexError:
            lake = StillLake(spec, self.project.root)
        try:
            lake.move(at)
            yield StillSession(self, lake)
        except BaseException:
            lake.close()  # a failed statement may have left a cursor open
            raise
        self._idle.append(lake)

    def recorded(self) -> Recorded:
        """What the lake's ledger says has happened; from its mirror, if that is of the same snapshot (LAKE.md 16)."""
        catalog = self._lake_spec().catalog
        name = hashlib.blake2b(catalog.encode(), digest_size=16).hexdigest()  # the URL may hold a password
        snapshot = self.lake.snapshot()
        known = self.state.load_mirror(name, snapshot)
        if known is None:
            known = self.lake.recorded()
            self.state.save_mirror(name, known.snapshot, known)
        return known

    def select(self, expressions: Sequence[str] = (), exclude: Sequence[str] = ()) -> tuple[str, ...]:
        """Unique ids that the expressions (dbt's grammar) select; by default what the default of selectors.yml says, else everything."""
        if not expressions and not exclude:
            default = next((name for name, s in self.project.selectors.items() if s.get("default") is True), None)
            if default is None:
                return (*self.project.nodes, *self.project.sources)
            expressions = (f"selector:{default}",)
        return tuple(select(self.project, tuple(expressions), tuple(exclude), self.prior))

    def plan(
        self,
        expressions: Sequence[str] = (),
        *,
        exclude: Sequence[str] = (),
        full_refresh: bool = False,
        interval_from: str | None = None,
        interval_to: str | None = None,
    ) -> Plan:
        """What a run would do, and why. Nothing is changed."""
        selected = self.select(expressions, exclude)
        with self.still() as still:
            return reading.plan(still, selected, full_refresh, interval_from, interval_to)

    def run(
        self,
        expressions: Sequence[str] = (),
        *,
        exclude: Sequence[str] = (),
        full_refresh: bool = False,
        interval_from: str | None = None,
        interval_to: str | None = None,
        resume: bool = False,
        land: bool = True,
        fail_fast: bool = False,
        threads: int | None = None,
        wait_seconds: float = 3600.0,
        listeners: Sequence[Listener] = (),
    ) -> RunResult:
        """Land, build what is new or changed, gate it, publish what passed in one commit.

        A blocked gate is a result, not an exception. Raises LockHeld when another run of the environment does not end in
        `wait_seconds`.
        """
        options = RunOptions(
            tuple(expressions), tuple(exclude), full_refresh, interval_from, interval_to, self._resumed() if resume else None, land, fail_fast,
            threads or int(self.project.options.get("threads", 2)), wait_seconds, tuple(listeners),
        )  # fmt: skip
        selected = self.select(expressions, exclude)  # a misspelt name is no run
        with self.context("run", options.listeners) as ctx:
            result = Running(ctx, options, selected).whole()
        settling.settle(self, result, options)
        return result

    def land(
        self, sources: Sequence[str] = (), *, retry_blocked: bool = False, full: bool = False, listeners: Sequence[Listener] = ()
    ) -> RunResult:
        """Ingest alone."""
        with self.context("land", listeners) as ctx:
            return repairing.land_only(ctx, sources, retry_blocked=retry_blocked, full=full)

    def operation(self, macro: str, arguments: Mapping[str, Any] | None = None, *, listeners: Sequence[Listener] = ()) -> Any:
        """Call a macro of the project for what it does, in one write transaction (dbt's `run-operation`). Returns what it returns.

        It may write tables that nobody builds. Raises DeclarationError for one that would write what goes through the gate.
        """
        with self.context("run-operation", listeners) as ctx:
            found = Statements(ctx).operation(macro, arguments or {})
            ctx.state.finish_run(ctx.run_id, "done", f"operation {macro}")
            return found

    def query(self, sql: str, *, at: str | int | None = None) -> pa.Table:
        """The answer of one SELECT over the published tables, as an Arrow table; at an earlier snapshot or time with `at`."""
        return reading.query(self.lake, sql) if at is None else reading.query_at(self, sql, str(at))

    def check(self, target: str) -> GateResult:
        """Weigh the published rows of a table against its checks now."""
        with self.still() as still:
            return reading.check(still, target)

    def plan_backfill(self, model: str, since: str, until: str, *, rebuild: bool = False) -> Plan:
        """The plan of a backfill with its price. Raises RefusedError above a quota, naming a smaller range."""
        with self.still() as still:
            return repairing.plan_backfill(still, model, since, until, rebuild)

    def backfill(
        self,
        model: str,
        since: str,
        until: str,
        *,
        rebuild: bool = False,
        during: str | None = None,
        listeners: Sequence[Listener] = (),
    ) -> RunResult:
        """Build the missing (with `rebuild`: all) intervals of `model`, the canary first."""
        return repairing.backfill(self, model, since, until, rebuild, during, tuple(listeners))

    def rehearse(self, model: str, since: str, until: str, *, share: str) -> repairing.Rehearsal:
        """Build a sample of the intervals' input in a shadow and weigh it; nothing is published."""
        with self.still() as still:
            return repairing.rehearse(still, model, since, until, share)

    def reconcile(self, *, listeners: Sequence[Listener] = ()) -> RunResult:
        """Rebuild the closed intervals of models with `reconcile:` into which rows have landed since."""
        return repairing.reconcile(self, tuple(listeners))

    def restore(self, table: str, to: str, *, listeners: Sequence[Listener] = ()) -> RunResult:
        """Put a table back as it was at a snapshot id or time, as a new publication."""
        return repairing.restore_table(self, table, to, tuple(listeners))

    def maintain(self, *, dry_run: bool = False, older_than_hours: float = 48.0) -> tuple[repairing.Maintenance, ...]:
        """Clean up leftovers by age, merge small files, expire old snapshots."""
        self._forget()  # a lake that is kept for an answer counts as open, and upkeep puts off what could harm its readers
        return repairing.maintain(self, dry_run, older_than_hours)

    def context(self, command: str, listeners: Sequence[Listener] = ()) -> settling.Recorded:
        """The surroundings of one recorded call: a run id, a pinned clock, events, and its end in the state database."""
        ctx = RunContext(
            uuid7(), self.project, self.templates, self.lake, self.state, Clock.start(), self.secrets,
            (*self.listeners, *listeners),
        )  # fmt: skip
        return settling.Recorded(ctx, command)

    def _resumed(self) -> str | None:
        """The id of the run that was interrupted last, if one is to be resumed."""
        row = self.state.last_unfinished_run(self.project.environment)
        return row.run_id if row is not None else None

    def close(self) -> None:
        """Close what is open."""
        self._forget()
        if self._state is not None:
            self._state.close()
        if self._lake is not None:
            self._lake.close()

    def _forget(self) -> None:
        """Close the lakes that are kept for answers."""
        while self._idle:
            self._idle.pop().close()

    def __enter__(self) -> Session:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


class StillSession(Session):
    """A session whose lake stands at one snapshot; everything else is that of the session it was made from, which also closes it."""

    def __init__(self, origin: Session, lake: StillLake) -> None:
        self.__dict__.update(origin.__dict__)
        self._origin, self._lake = origin, lake

    @property
    def state(self) -> State:
        """The state database of the session that this one was made from."""
        return self._origin.state

    @contextmanager
    def still(self, at: int | None = None) -> Iterator[Session]:
        """Itself; the session that it was made from, for another snapshot."""
        if at is None or at == self.lake.snapshot():
            yield self
            return
        with self._origin.still(at) as still:
            yield still

    def close(self) -> None:
        """Nothing: the session that this one was made from closes all."""
