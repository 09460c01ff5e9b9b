"""Answers about one table: what it is, how it came to be, why it stands as it stands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

from headgate.plan.versions import read_by
from headgate.run.session import Session
from headgate.serve.answers.moment import at_one_snapshot
from headgate.spec.errors import UsageError
from headgate.spec.events import Event
from headgate.spec.names import Relation, quote_literal
from headgate.spec.project import Node, SourceTable
from headgate.spec.recorded import RecordedDataset
from headgate.spec.staged import Interval
from headgate.spec.verdicts import Verdict


@dataclass(frozen=True, slots=True)
class Subject:
    """A dataset that was asked for: its name, its declaration (None: only recorded) and its record (None: never built)."""

    dataset: str
    declared: Node | SourceTable | None
    recorded: RecordedDataset | None


def find(session: Session, name: str) -> Subject:
    """The dataset called `name`: `schema.table`, a model's name or `source.table`. Raises UsageError with the nearest names."""
    recorded = session.recorded().datasets
    known: dict[str, tuple[str, Node | SourceTable | None]] = {d: (d, None) for d in recorded}
    for table in session.project.sources.values():
        for spelling in (f"{table.source}.{table.name}", str(table.relation)):
            known[spelling] = (str(table.relation), table)
    for node in session.project.nodes.values():
        for spelling in (node.name, str(node.relation)):
            known[spelling] = (str(node.relation), node)
    if name not in known:
        near = get_close_matches(name, known, n=3)
        raise UsageError(
            f"there is no table '{name}'",
            expected="one of " + ", ".join(near) if near else "a model's name, schema.table or source.table",
            todo="see the names: headgate ls",
        )
    dataset, declared = known[name]
    return Subject(dataset, declared, recorded.get(dataset))


@dataclass(frozen=True, slots=True)
class Publication:
    """One line of a table's history: what was published or landed, by which run, with which counts."""

    version: str
    at: str
    run_id: str
    kind: str
    rows_in: int
    rows_out: int
    rows_deleted: int
    rows_set_aside: Mapping[str, int]
    interval: Interval | None
    reason: str


@at_one_snapshot
def history(session: Session, name: str, limit: int = 50) -> tuple[Publication, ...]:
    """The publications (for raw tables: the loads) of a table, newest first."""
    subject = find(session, name)
    lake = session.lake.name
    dataset = quote_literal(subject.dataset)
    if isinstance(subject.declared, SourceTable):
        rows = session.query(
            f"SELECT load_id, committed_at, run_id, status, rows_in, rows_out, 0 AS deleted, 0 AS quarantined, rows_deduplicated, 0 AS late, "
            f"rows_filtered, rows_dead, 0 AS unchanged, NULL AS interval_start, NULL AS interval_end, {_REASONS} FROM {lake}.headgate.loads "
            f"WHERE dataset = {dataset} ORDER BY committed_at DESC, load_id DESC LIMIT {int(limit)}"
        )
    else:
        rows = session.query(
            f"SELECT publication_id, published_at, run_id, kind, rows_in, rows_out, rows_deleted, rows_quarantined, rows_deduplicated, rows_late, "
            f"rows_filtered, rows_dead, rows_unchanged, interval_start, interval_end, reason FROM {lake}.headgate.publications "
            f"WHERE dataset = {dataset} ORDER BY publication_id DESC LIMIT {int(limit)}"
        )
    return tuple(_publication(row) for row in zip(*rows.to_pydict().values(), strict=True))


_REASONS = "array_to_string(reasons::JSON::VARCHAR[], '; ') AS reasons"


def _publication(row: tuple[Any, ...]) -> Publication:
    names = ("quarantined", "deduplicated", "late", "filtered", "dead", "unchanged")
    aside = {n: int(v) for n, v in zip(names, row[7:13], strict=True) if v}
    interval = Interval(str(row[13]), str(row[14])) if row[13] is not None else None
    return Publication(
        str(row[0]),
        row[1].isoformat(),
        row[2],
        row[3],
        int(row[4]),
        int(row[5]),
        int(row[6]),
        aside,
        interval,
        str(row[15] or ""),
    )


@dataclass(frozen=True, slots=True)
class Weighed:
    """A verdict, and when which run weighed it."""

    at: str
    run_id: str
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Because:
    """Why a table is as it is: its state in one sentence, then the facts in order, newest first.

    `inputs` are the versions of the datasets that it was built from; `verdicts` those of the last run that weighed it which did not pass, with samples of
    the failing rows and the SQL that found them (names in `st` are those of the run's staging area). `todo` is the way on, where one is needed.
    """

    dataset: str
    status: str  # "current" | "stale" | "blocked" | "never built"
    sentence: str
    inputs: Mapping[str, str] = field(default_factory=dict)
    verdicts: tuple[Weighed, ...] = ()
    events: tuple[Event, ...] = ()
    todo: str = ""


@at_one_snapshot
def why(session: Session, name: str) -> Because:
    """Why a table stands as it stands: last publication or load, staleness with its reason, last verdicts, last events."""
    subject = find(session, name)
    recorded = subject.recorded
    events = tuple(reversed(session.state.events(dataset=subject.dataset, limit=15)))
    verdicts = session.state.verdicts(dataset=subject.dataset, limit=50)
    last_weighed = [k for k in verdicts if k.run_id == verdicts[0].run_id]
    failing = tuple(Weighed(k.at, k.run_id, k.verdict) for k in last_weighed if k.verdict.outcome != "pass")[:10]
    inputs = {d: recorded.inputs[d] for d in read_by(recorded)} if recorded else {}
    status, sentence, todo = _standing(subject, events, _blocked(session, subject.dataset))
    return Because(subject.dataset, status, sentence, inputs, failing, events, todo)


def _standing(subject: Subject, events: tuple[Event, ...], reasons: str | None) -> tuple[str, str, str]:
    """Status, the sentence for it, and what to do now; `reasons` are those for which its last load was blocked."""
    dataset, recorded = subject.dataset, subject.recorded
    raw = isinstance(subject.declared, SourceTable)
    if reasons is not None:
        todo = "repair it at its source, under the same name, and run again; or correct the check that is wrong"
        return "blocked", f"the last load of {dataset} was blocked: {reasons}", todo
    if recorded is None or recorded.version is None:
        failed = recorded.stale_reason if recorded is not None else None
        what = "landed" if raw else "built"
        sentence = f"{dataset} has not been {what} yet" + (f"; its last run did not publish: {failed}" if failed else "")
        return "never built", sentence, f"headgate {'land' if raw else 'run'}" if not failed else "correct that, and run again"
    if recorded.stale_reason:
        sentence = f"{dataset} keeps its version of {_at(recorded)}: {recorded.stale_reason}"
        return "stale", sentence, "correct what is named here, and run again: it is built then"
    rows = "" if recorded.kind == "view" else f" with {recorded.rows:,} {'row' if recorded.rows == 1 else 'rows'}"
    restored = next((e for e in events if e.kind in ("dataset.restored", "dataset.published")), None)
    if restored is not None and restored.kind == "dataset.restored":
        todo = "put the model back too, or the next change of it or of its inputs builds it as it is written"
        return "current", f"{dataset} was restored at {_at(recorded)} {restored.reason}; it stands{rows}", todo
    return (
        "current",
        f"{dataset} was {'landed' if raw else 'published'} at {_at(recorded)} by run {recorded.run_id[:8]}{rows}",
        "",
    )


def _at(recorded: RecordedDataset) -> str:
    return recorded.published_at[:19].replace("T", " ")


def _blocked(session: Session, dataset: str) -> str | None:
    """Why the last load of a raw table was blocked; None when it was accepted, or when there was none."""
    rows = session.query(
        f"SELECT status, {_REASONS} FROM {session.lake.name}.headgate.loads WHERE dataset = {quote_literal(dataset)} "
        "ORDER BY committed_at DESC, load_id DESC LIMIT 1"
    ).to_pylist()
    return str(rows[0]["reasons"]) if rows and rows[0]["status"] == "blocked" else None


@dataclass(frozen=True, slots=True)
class Described:
    """A column as it is, with the description that is declared for it."""

    name: str
    type: str
    description: str


@dataclass(frozen=True, slots=True)
class Shown:
    """A table's card: what is declared and recorded of it, its columns, and its first rows."""

    dataset: str
    kind: str
    owner: str | None
    description: str
    grain: tuple[str, ...]
    rows: int | None  # None: a view, whose rows nobody has counted
    version: str | None
    published_at: str
    columns: tuple[Described, ...]
    checks: tuple[str, ...]
    sample: tuple[Mapping[str, Any], ...]


@at_one_snapshot
def show(session: Session, name: str, limit: int = 5) -> Shown:
    """The card of a table, with up to `limit` rows; values of classified columns are masked."""
    subject = find(session, name)
    declared, recorded = subject.declared, subject.recorded
    relation = Relation.parse(subject.dataset)
    actual = session.lake.columns(relation) or ()
    spec = dict(declared.columns) if declared else {}
    columns = tuple(Described(c.name, c.type, spec[c.name].description if c.name in spec else "") for c in actual)
    masked = {n for n, c in spec.items() if c.classification}
    sample: tuple[Mapping[str, Any], ...] = ()
    if actual and limit:
        rows = session.query(f"SELECT * FROM {relation.sql(session.lake.name)} LIMIT {int(limit)}").to_pylist()
        sample = tuple({k: ("[masked]" if k in masked else v) for k, v in row.items()} for row in rows)
    checks = tuple(c.name for c in session.project.checks.values() if declared and c.attached_to == declared.unique_id)
    kind = recorded.kind if recorded else (declared.materialized if isinstance(declared, Node) else "raw")
    grain = declared.grain if isinstance(declared, Node) else (declared.primary_key if declared else ())
    return Shown(
        subject.dataset, kind, declared.owner if declared else None, declared.description if declared else "", grain,
        _rows(recorded, kind), recorded.version if recorded else None, recorded.published_at if recorded else "",
        columns, checks, sample,
    )  # fmt: skip


def _rows(recorded: RecordedDataset | None, kind: str) -> int | None:
    """The rows of the standing version; None for a view."""
    return None if kind in ("view", "ephemeral") else recorded.rows if recorded is not None else 0


@dataclass(frozen=True, slots=True)
class Listed:
    """One line of `ls`. `kind` is "source" or the materialisation; `status` is current, stale, blocked (its last load), never built, or ephemeral;
    `rows` is None for a view, whose rows nobody has counted."""

    unique_id: str
    dataset: str
    kind: str
    owner: str | None
    status: str
    rows: int | None
    published_at: str


@at_one_snapshot
def listed(session: Session, select: tuple[str, ...] = (), exclude: tuple[str, ...] = ()) -> tuple[Listed, ...]:
    """All (or the selected) sources and nodes with their state."""
    chosen = set(session.select(select, exclude)) if select or exclude else None
    recorded = session.recorded().datasets
    blocked = _last_load_blocked(session)
    lines = []
    every: list[SourceTable | Node] = [*session.project.sources.values(), *session.project.nodes.values()]
    for item in every:
        if chosen is not None and item.unique_id not in chosen:
            continue
        found = recorded.get(str(item.relation))
        kind = item.materialized if isinstance(item, Node) else "source"
        if isinstance(item, Node) and item.materialized == "ephemeral":
            status = "ephemeral"
        elif found is None or found.version is None:
            status = "never built"
        elif isinstance(item, SourceTable) and found.dataset in blocked:
            status = "blocked"
        else:
            status = "stale" if found.stale_reason else "current"
        lines.append(
            Listed(
                item.unique_id,
                str(item.relation),
                kind,
                item.owner,
                status,
                _rows(found, kind),
                found.published_at if found else "",
            )
        )
    return tuple(lines)


@dataclass(frozen=True, slots=True)
class Checked:
    """What the checks of a table say of its published rows: the worst outcome (pass, warn, block), and every verdict."""

    dataset: str
    outcome: str
    verdicts: tuple[Verdict, ...]


@at_one_snapshot
def checked(session: Session, target: str) -> Checked:
    """Weigh the published rows of a table against its checks now."""
    result = session.check(target)
    return Checked(result.dataset, result.outcome, result.verdicts)


def _last_load_blocked(session: Session) -> frozenset[str]:
    """The raw tables whose newest load was blocked."""
    rows = session.query(
        f"SELECT dataset FROM {session.lake.name}.headgate.loads GROUP BY dataset HAVING arg_max(status, (committed_at, load_id)) = 'blocked'"
    )
    return frozenset(rows.to_pydict()["dataset"])
