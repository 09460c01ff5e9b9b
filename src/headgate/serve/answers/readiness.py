"""`headgate ready`: the checklist that data teams keep in their heads, each item a pass or fail with its evidence."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from headgate.gate.thresholds import holds
from headgate.run.context import RunContext
from headgate.run.session import Session
from headgate.run.trials import Trial, try_again
from headgate.serve.answers.moment import at_one_snapshot
from headgate.spec.clock import now_iso
from headgate.spec.errors import HeadgateError, UsageError
from headgate.spec.names import quote_literal
from headgate.spec.project import CheckSpec, Node
from headgate.spec.recorded import RecordedDataset
from headgate.transform import history, strategy

FRESH_SECONDS_MAX = 600.0
"""Ten minutes: how soon after its inputs a table must be there."""
HOLDING_DATA = ("table", "incremental", "snapshot")


@dataclass(frozen=True, slots=True)
class Item:
    """One item of the list for one dataset."""

    dataset: str
    item: str
    passed: bool
    evidence: str


@dataclass(frozen=True, slots=True)
class Readiness:
    """All items, dataset by dataset; `ready` is true when every one passes."""

    ready: bool
    items: tuple[Item, ...]


@dataclass(frozen=True, slots=True)
class _Subject:
    """A node that is looked at. `due` says why a run would build it now (empty: it would not); `trials` keeps what was tried, by `whole`."""

    session: Session
    ctx: RunContext
    node: Node
    recorded: RecordedDataset | None
    ledger: Mapping[str, RecordedDataset]
    due: str
    trials: dict[bool, Trial] = field(default_factory=dict)

    def built(self) -> RecordedDataset:
        """Its record. Raises UsageError when there is none."""
        if self.recorded is None or self.recorded.version is None:
            raise UsageError(f"it is not built yet: headgate run {self.node.name}")
        return self.recorded

    def tried(self, *, whole: bool) -> Trial:
        """What building it again would do. Raises UsageError when it was never built."""
        recorded = self.built()
        whole = whole or self.node.materialized == "table"
        if whole not in self.trials:
            self.trials[whole] = try_again(self.ctx, self.node, recorded, whole=whole)
        return self.trials[whole]

    def judged(self, passed: bool, evidence: str) -> tuple[bool, str]:
        """What a trial has shown; where there is news that the table has not taken in, a difference is no wonder."""
        if passed or not self.due:
            return passed, evidence
        return False, f"{evidence}; a run would build it anyway ({self.due}): headgate run {self.node.name}"


Look = Callable[[_Subject], tuple[bool, str]]


@at_one_snapshot
def readiness(session: Session, select: tuple[str, ...] = ()) -> Readiness:
    """The checklist over the selected nodes that hold data (all by default). Raises UsageError for a selection without any."""
    chosen = set(session.select(select))
    nodes = [n for uid, n in session.project.nodes.items() if uid in chosen and n.materialized in HOLDING_DATA]
    if select and not nodes:
        raise UsageError(
            f"'{' '.join(select)}' selects no table", expected="models that are tables, incremental tables or snapshots",
            todo="see what there is: headgate ls",
        )  # fmt: skip
    ledger = session.recorded().datasets
    due = {s.dataset: s.reason for s in session.plan().todo if s.action == "build" and not s.conditional}
    items: list[Item] = []
    with session.context("ready") as ctx:
        for node in nodes:
            dataset = str(node.relation)
            subject = _Subject(session, ctx, node, ledger.get(dataset), ledger, due.get(dataset, ""))
            items += [_looked(subject, name, look) for name, look in ITEMS.items()]
        ctx.state.finish_run(ctx.run_id, "done", nothing_to_do=True)
    return Readiness(all(i.passed for i in items), tuple(items))


def _looked(subject: _Subject, name: str, look: Look) -> Item:
    """One item; what cannot be tried fails with the reason."""
    try:
        passed, evidence = look(subject)
    except HeadgateError as error:
        passed, evidence = False, f"could not be tried: {error.what}"
    return Item(str(subject.node.relation), name, passed, evidence)


def _keyed(subject: _Subject) -> tuple[bool, str]:
    node, key = subject.node, ", ".join(strategy.unique_key(subject.node))
    if node.materialized != "incremental":
        return True, f"snapshot by {key}" if node.materialized == "snapshot" else "table: replaced as a whole"
    chosen = strategy.of(node, dbt=True)  # a lack is told below
    if chosen in (strategy.INSERT_OVERWRITE, strategy.MICROBATCH):
        return True, f"{chosen}: its {'partitions' if chosen == strategy.INSERT_OVERWRITE else 'intervals'} are replaced"
    return bool(key), f"{chosen} by {key}" if key else f"{chosen} without a unique_key: the same rows can come twice"


def _repeatable(subject: _Subject) -> tuple[bool, str]:
    trial = subject.tried(whole=False)
    return subject.judged(
        trial.changes_nothing, f"built again on the same inputs: {trial.added:,} rows would come, {trial.removed:,} go"
    )


def _touches_little(subject: _Subject) -> tuple[bool, str]:
    node = subject.node
    if node.materialized != "incremental":
        return True, "not incremental"
    whole_input = node.language == "sql" and node.canonical_sql == node.canonical_incremental_sql
    if whole_input and not node.config.get("batch_size") and history.declared(node) is None:
        return False, "every run reads all of its inputs: nothing in its SQL is under is_incremental()"
    trial = subject.tried(whole=False)
    return subject.judged(
        trial.rows_written == 0,
        f"a run without news would write {trial.rows_written:,} rows and leave {trial.rows_unchanged:,} as they are",
    )


def _matches_backfill(subject: _Subject) -> tuple[bool, str]:
    if subject.node.materialized == "snapshot":
        subject.built()
        return True, "a snapshot keeps what its source has forgotten; it is never rebuilt"
    trial = subject.tried(whole=True)
    told = f"built from the beginning: {trial.added:,} rows more, {trial.removed:,} rows less than published"
    return subject.judged(trial.changes_nothing, told)


def _key_tested(subject: _Subject) -> tuple[bool, str]:
    """Hard checks, without a filter, say that the grain (or else the unique key) is unique and has no NULL."""
    key = subject.node.grain or strategy.unique_key(subject.node)
    if not key:
        return False, "it declares neither a grain nor a unique_key"
    wanted = {k.lower() for k in key}
    hard = [c for c in subject.session.project.checks.values() if c.attached_to == subject.node.unique_id and _is_hard(c)]
    unique = [c.name for c in hard if (columns := _unique_columns(c)) and columns <= wanted]
    filled = {str(c.column).lower() for c in hard if _kind(c) == "not_null"}
    if not unique:
        return False, f"no hard check says that ({', '.join(key)}) is unique"
    if wanted - filled:
        return False, f"no hard check says that {', '.join(k for k in key if k.lower() not in filled)} is never NULL"
    return True, f"{unique[0]}, and not_null on {', '.join(key)}"


def _is_hard(check: CheckSpec) -> bool:
    """Whether one failing row anywhere in the table blocks."""
    blocks = check.severity == "error" and check.on_fail == "block" and check.where is None
    return blocks and holds(1, check.error_if, where=f"{check.location}: check '{check.name}'")


def _kind(check: CheckSpec) -> str:
    return check.kind.removeprefix("macro:").rpartition(".")[2]


def _unique_columns(check: CheckSpec) -> set[str]:
    """The columns that a check says are unique together; empty for other checks."""
    if _kind(check) == "unique":
        return {str(check.column).lower()}
    said = check.arguments.get("combination_of_columns") if _kind(check) == "unique_combination_of_columns" else None
    return {str(c).lower() for c in said or ()}


def _described(field: str) -> Look:
    def look(subject: _Subject) -> tuple[bool, str]:
        value = getattr(subject.node, field)
        shown = ", ".join(value) if isinstance(value, tuple) else str(value or "")
        return bool(value), shown or f"no {field}"

    return look


def _fresh(subject: _Subject) -> tuple[bool, str]:
    """A table that is behind has waited since the first of its inputs that it has not taken in."""
    recorded = subject.built()
    inputs = [d for d in recorded.inputs if d in subject.ledger and subject.ledger[d].published_at]
    if not inputs:
        return True, "it has no recorded inputs"
    if subject.due and (first := _first_after(subject, inputs, recorded.published_at)):
        waited = _seconds(first, now_iso())
        return waited <= FRESH_SECONDS_MAX, f"an input of {first[:19]} waits for {waited:,.0f} s: {subject.due}"
    before = {d: at for d in inputs if (at := subject.ledger[d].published_at) <= recorded.published_at}
    if not before:
        return True, "its inputs have changed nothing since"
    newest = max(before, key=lambda d: before[d])
    took = _seconds(before[newest], recorded.published_at)
    return took <= FRESH_SECONDS_MAX, f"published {took:,.0f} s after its newest input, {newest}"


def _first_after(subject: _Subject, inputs: list[str], at: str) -> str | None:
    """When the first version of `inputs` after `at` was published or landed."""
    ledger, listed = f"{subject.session.lake.name}.headgate", ", ".join(map(quote_literal, inputs))
    rows = subject.session.query(
        f"SELECT min(moment)::VARCHAR AS first FROM (SELECT dataset, published_at AS moment FROM {ledger}.publications UNION ALL "
        f"SELECT dataset, committed_at FROM {ledger}.loads WHERE status = 'accepted') "
        f"WHERE dataset IN ({listed}) AND moment > TIMESTAMP {quote_literal(at)}"
    ).to_pylist()
    found: str | None = rows[0]["first"]
    return found


def _seconds(since: str, until: str) -> float:
    return (datetime.fromisoformat(until) - datetime.fromisoformat(since)).total_seconds()


def _rolled_back(subject: _Subject) -> tuple[bool, str]:
    dataset = quote_literal(str(subject.node.relation))
    found = subject.session.query(
        f"SELECT max(published_at)::VARCHAR AS at FROM {subject.session.lake.name}.headgate.publications WHERE dataset = {dataset} AND kind = 'restore'"
    ).to_pylist()[0]["at"]
    return (
        found is not None,
        f"restored at {found[:19]}" if found else f"never tried: headgate restore {subject.node.relation} --to SNAPSHOT",
    )


ITEMS: dict[str, Look] = {
    "writes are keyed": _keyed,
    "same inputs, same table": _repeatable,
    "touches only what is new": _touches_little,
    "a full rebuild matches": _matches_backfill,
    "its key is tested": _key_tested,
    "owner": _described("owner"),
    "description": _described("description"),
    "grain": _described("grain"),
    "fresh within ten minutes": _fresh,
    "a rollback was tried": _rolled_back,
}
"""Item -> how it is looked at; later parts of the product add theirs here."""
