"""What is to be done with one node, and why."""

from __future__ import annotations

from dataclasses import dataclass, field

from headgate.plan.changes import CodeChange, compare
from headgate.plan.due import Arrivals, Due, Question, due
from headgate.plan.inputs import Board, News
from headgate.plan.intervals import Batches, batches_of
from headgate.plan.outside import outside_input
from headgate.plan.stateful import STATEFUL
from headgate.plan.touch import ALL, NOTHING, Touch
from headgate.spec.project import Node
from headgate.spec.recorded import RecordedDataset
from headgate.spec.staged import Interval
from headgate.spec.steps import (
    CHANGED_BREAKING,
    CHANGED_NON_BREAKING,
    FORCED,
    MISSING_INTERVALS,
    NEW,
    STALE,
    UP_TO_DATE,
    UPSTREAM_CHANGED,
    ColumnChange,
)


@dataclass(frozen=True, slots=True)
class Asked:
    """What the caller wants: now, full refresh, a range of event time, and what is known of rows that arrived."""

    now: str
    full_refresh: bool = False
    since: str | None = None
    until: str | None = None
    arrivals: dict[str, Arrivals] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do with a node: `build` is empty when nothing is; `touch` is what its readers will see of it, `edit` the
    part of that which the change of its code alone accounts for."""

    status: str
    reason: str
    build: str = ""
    intervals: tuple[Interval, ...] = ()
    touch: Touch = NOTHING
    columns: tuple[ColumnChange, ...] = ()
    maybe: frozenset[str] = frozenset()
    edit: Touch = NOTHING


@dataclass(slots=True)
class _Case:
    """A node under consideration. `causes` are (status, sentence), in order of weight."""

    node: Node
    recorded: RecordedDataset | None
    news: News
    causes: list[tuple[str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    code: CodeChange | None = None

    @property
    def built(self) -> bool:
        return self.recorded is not None and self.recorded.version is not None

    @property
    def keeps_state(self) -> bool:
        """Whether the published table can be added to: it was built as what the node is now."""
        return self.recorded is not None and self.built and self.recorded.materialized in ("", self.node.materialized)

    def say(self, status: str, sentence: str) -> None:
        self.causes.append((status, sentence))


def decide(node: Node, recorded: RecordedDataset | None, news: News, board: Board, asked: Asked) -> Decision:
    """The decision on one selected node that can be built."""
    case = _Case(node, recorded, news)
    refresh = asked.full_refresh and refreshable(node)
    _existence(case, asked, refresh)
    _code(case, board)
    batches = batches_of(node)
    need = _intervals(case, batches, asked, refresh) if batches is not None else None
    _rest(case, board)
    if not case.causes:
        return _quiet(case)
    build = _how(case, refresh, batches)
    intervals = need.intervals if need is not None else ()
    if build == "intervals" and not intervals:
        return _quiet(case)
    conditional = all(status == "maybe" for status, _ in case.causes)
    status = UPSTREAM_CHANGED if conditional else next(s for s, _ in case.causes if s != "maybe")
    sentences = [text for cause, text in case.causes if conditional or cause != "maybe"]
    columns = case.code.columns if case.code is not None else ()
    maybe = news.maybe if conditional else frozenset()
    edit = case.code.touch if case.code is not None else NOTHING
    return Decision(status, "; ".join([*sentences, *case.notes]), build, intervals, _touch(case), columns, maybe, edit)


def refreshable(node: Node) -> bool:
    """Whether `--full-refresh` rebuilds the node: not a snapshot, whose history is nowhere else, nor one that forbids it."""
    return node.materialized not in ("snapshot", "view") and node.config.get("full_refresh") is not False


def _existence(case: _Case, asked: Asked, refresh: bool) -> None:
    recorded = case.recorded
    if not case.built:
        stale = recorded.stale_reason if recorded is not None else None
        case.say(NEW, "it was never built" + (f" (its last run did not publish: {stale})" if stale else ""))
    elif refresh:
        case.say(FORCED, "--full-refresh: the whole table is built anew")
    elif asked.full_refresh and case.node.materialized == "snapshot":
        case.notes.append("a snapshot keeps its history: --full-refresh does not rebuild it")
    elif asked.full_refresh and case.node.config.get("full_refresh") is False:
        case.notes.append("its config forbids --full-refresh")


def _code(case: _Case, board: Board) -> None:
    """The code's change, if it means anything."""
    recorded, node = case.recorded, case.node
    if recorded is None or not case.built:
        return
    differs = recorded.code_fingerprint != node.code_fingerprint
    moved = bool(recorded.materialized) and recorded.materialized != node.materialized
    if not differs and not moved:
        return
    case.code = compare(node, recorded, board.reader)
    if moved and case.code.kind == "none":
        text = f"materialized changed from {recorded.materialized} to {node.materialized}"
        case.code = CodeChange("non_breaking", text)
    if case.code.kind == "none":
        case.notes.append("its code changed in form alone and means the same")
        return
    breaking = case.code.kind == "breaking"
    case.say(CHANGED_BREAKING if breaking else CHANGED_NON_BREAKING, f"its code changed: {case.code.reason}")
    if node.materialized == "incremental" and case.keeps_state and refreshable(node):
        case.notes.append(_history(node, breaking))


def _history(node: Node, breaking: bool) -> str:
    """What an incremental model does about rows that older code has made, and the command that makes them anew."""
    what = (
        "rows built before keep what the old code made of them"
        if breaking
        else "rows built before have nothing in the new columns"
    )
    return f"{what}; to build all of them anew: headgate run {node.name} --full-refresh"


def _intervals(case: _Case, batches: Batches, asked: Asked, refresh: bool) -> Due:
    recorded = case.recorded
    same = (
        frozenset((recorded.code_fingerprint,))
        if recorded is not None and (case.code is None or case.code.kind == "none")
        else frozenset()
    )
    question = Question(
        now=asked.now,
        whole=refresh or not case.keeps_state,
        since=asked.since,
        until=asked.until,
        inputs_changed=case.news.carried.affected or bool(case.news.maybe) or _stale(recorded),
        code_changed=case.code is not None and case.code.kind != "none",
        arrivals=asked.arrivals.get(case.node.unique_id),
        same_codes=same,
    )
    need = due(case.node, batches, recorded, question)
    firm = case.news.carried.affected or not case.news.maybe
    for kind, sentence in need.reasons:
        # What only a landing may change is no reason of its own; what is missing is missing anyway.
        if kind == "asked":
            case.causes.insert(1 if case.causes and case.causes[0][0] == NEW else 0, (FORCED, sentence))
        elif firm or kind != "inputs":
            case.say(MISSING_INTERVALS, sentence)
    case.notes.extend(need.notes)
    return need


def _stale(recorded: RecordedDataset | None) -> bool:
    return recorded is not None and recorded.stale_reason is not None


def _rest(case: _Case, board: Board) -> None:
    """Everything that is not about the node itself: its marks, its inputs, what cannot be compared, what may come."""
    recorded, news, node = case.recorded, case.news, case.node
    if recorded is not None and case.built and recorded.stale_reason is not None:
        case.say(STALE, f"its last run did not publish: {recorded.stale_reason}")
    for sentence in news.carried.reasons if case.built else ():
        case.say(UPSTREAM_CHANGED, sentence)
    for dataset in news.unknown if case.built else ():
        case.say(FORCED, f"{dataset} is filled by others, and nothing tells whether it changed")
    if news.spared:
        case.notes.append(f"what changed in {', '.join(news.spared)} is not used here")
        if node.materialized == "view" and news.staged:
            case.say(UPSTREAM_CHANGED, "a view goes along with what it reads")
    if case.built and not any(status == FORCED for status, _ in case.causes):
        outside = outside_input(node, board.reader.lineage)
        if outside:
            case.say(FORCED, outside)
    if news.maybe and not case.causes:
        names = ", ".join(sorted(board.wiring.dataset(uid) for uid in news.maybe))
        case.say("maybe", f"after landing, if it brings rows: {names}")


def _quiet(case: _Case) -> Decision:
    recorded = case.recorded
    at = recorded.published_at[:19].replace("T", " ") if recorded is not None else ""
    text = f"up to date since {at}" if at else "up to date"
    return Decision(UP_TO_DATE, "; ".join([text, *case.notes]) if case.notes else text)


def _how(case: _Case, refresh: bool, batches: Batches | None) -> str:
    node = case.node
    if node.materialized == "view":
        return "view"
    if node.resource_type == "seed" or node.materialized == "seed":
        return "seed"
    if node.materialized == "snapshot" or node.resource_type == "snapshot":
        return "snapshot"
    if batches is not None:
        return "full" if refresh or (case.built and not case.keeps_state) else "intervals"
    if node.materialized == "incremental" and case.keeps_state and not refresh:
        return "incremental"
    return "full"


def _touch(case: _Case) -> Touch:
    """What readers will see: column by column only where a whole table or view is made anew from the same rows."""
    by_column = {CHANGED_BREAKING, CHANGED_NON_BREAKING, UPSTREAM_CHANGED}
    if case.node.materialized in STATEFUL or any(status not in by_column for status, _ in case.causes):
        return ALL
    return case.news.carried.touch | (case.code.touch if case.code is not None else NOTHING)
