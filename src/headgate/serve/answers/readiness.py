"""`headgate ready`: the checklist that data teams keep in their heads, each item a pass or fail with its evidence."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from headgate.run.context import RunContext
from headgate.run.session import Session
from headgate.run.trials import try_again
from headgate.serve.answers.moment import at_one_snapshot
from headgate.spec.errors import HeadgateError
from headgate.spec.names import quote_literal
from headgate.spec.project import Node
from headgate.spec.recorded import RecordedDataset

FRESH_SECONDS_MAX = 600.0
"""Ten minutes: how soon after its inputs a table must be there."""


@dataclass(frozen=True, slots=True)
class Item:
    """One item of the list for one dataset."""

    dataset: str
    item: str
    passed: bool
    evidence: str


@dataclass(frozen=True, slots=True)
class Readiness:
    """All items, dataset by dataset."""

    items: tuple[Item, ...]

    @property
    def ready(self) -> bool:
        """True when every item passes."""
        return all(i.passed for i in self.items)


@dataclass(frozen=True, slots=True)
class _Subject:
    session: Session
    ctx: RunContext
    node: Node
    recorded: RecordedDataset | None


Look = Callable[[_Subject], tuple[bool, str]]


@at_one_snapshot
def readiness(session: Session, select: tuple[str, ...] = ()) -> Readiness:
    """The checklist over the selected nodes that hold data (all by default)."""
    recorded = session.recorded().datasets
    chosen = set(session.select(select))
    items: list[Item] = []
    with session.context("ready") as ctx:
        for uid, node in session.project.nodes.items():
            if uid in chosen and node.materialized in ("table", "incremental", "snapshot"):
                subject = _Subject(session, ctx, node, recorded.get(str(node.relation)))
                items += [_looked(subject, name, look) for name, look in ITEMS.items()]
        ctx.state.finish_run(ctx.run_id, "done")
    return Readiness(tuple(items))


def _looked(subject: _Subject, name: str, look: Look) -> Item:
    """One item; what cannot be tried fails with the reason."""
    try:
        passed, evidence = look(subject)
    except HeadgateError as error:
        passed, evidence = False, f"could not be tried: {error.what}"
    return Item(str(subject.node.relation), name, passed, evidence)


def _built(subject: _Subject) -> RecordedDataset | None:
    return subject.recorded if subject.recorded is not None and subject.recorded.version is not None else None


def _keyed(subject: _Subject) -> tuple[bool, str]:
    node = subject.node
    if node.materialized != "incremental":
        return True, f"{node.materialized}: replaced or versioned as a whole"
    strategy = str(node.config.get("incremental_strategy") or ("merge" if node.unique_key else "append"))
    if strategy in ("insert_overwrite", "microbatch"):
        return True, f"{strategy}: its partitions or intervals are replaced"
    return bool(
        node.unique_key
    ), f"{strategy} by {', '.join(node.unique_key)}" if node.unique_key else f"{strategy} without a unique_key"


def _repeatable(subject: _Subject) -> tuple[bool, str]:
    recorded = _built(subject)
    if recorded is None:
        return False, "it is not built yet"
    trial = try_again(subject.ctx, subject.node, recorded, whole=False)
    return trial.changes_nothing, f"built again on the same inputs: {trial.added:,} rows would come, {trial.removed:,} go"


def _touches_little(subject: _Subject) -> tuple[bool, str]:
    recorded = _built(subject)
    if subject.node.materialized != "incremental":
        return True, "not incremental"
    if recorded is None:
        return False, "it is not built yet"
    trial = try_again(subject.ctx, subject.node, recorded, whole=False)
    return (
        trial.rows_written == 0,
        f"a run without news would write {trial.rows_written:,} rows and leave {trial.rows_unchanged:,} as they are",
    )


def _matches_backfill(subject: _Subject) -> tuple[bool, str]:
    recorded = _built(subject)
    if recorded is None:
        return False, "it is not built yet"
    if subject.node.materialized == "snapshot":
        return True, "a snapshot keeps what its source has forgotten; it is never rebuilt"
    trial = try_again(subject.ctx, subject.node, recorded, whole=True)
    return (
        trial.changes_nothing,
        f"built from the beginning: {trial.added:,} rows more, {trial.removed:,} rows less than published",
    )


def _key_tested(subject: _Subject) -> tuple[bool, str]:
    checks = [c for c in subject.session.project.checks.values() if c.attached_to == subject.node.unique_id]
    kinds = {c.kind.removeprefix("macro:") for c in checks if c.severity == "error"}
    unique = bool(kinds & {"unique", "unique_combination_of_columns"})
    return unique, f"{len(checks)} checks" + ("" if unique else ", none that says its key is unique")


def _described(field: str) -> Look:
    def look(subject: _Subject) -> tuple[bool, str]:
        value = getattr(subject.node, field)
        shown = ", ".join(value) if isinstance(value, tuple) else str(value or "")
        return bool(value), shown or f"no {field}"

    return look


def _fresh(subject: _Subject) -> tuple[bool, str]:
    recorded = _built(subject)
    if recorded is None:
        return False, "it is not built yet"
    every = subject.session.recorded().datasets
    inputs = [every[d].published_at for d in recorded.inputs if d in every and every[d].published_at]
    before = [at for at in inputs if at <= recorded.published_at]
    if not before:
        return True, "it has no recorded inputs"
    seconds = (datetime.fromisoformat(recorded.published_at) - datetime.fromisoformat(max(before))).total_seconds()
    return seconds <= FRESH_SECONDS_MAX, f"published {seconds:.0f} s after its newest input"


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
