"""Make the plan: go through the nodes in order, decide on each by what is recorded and what was decided above it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from headgate.plan.changes import Reader
from headgate.plan.decide import Asked, Decision, decide, refreshable
from headgate.plan.due import Arrivals
from headgate.plan.estimate import estimate
from headgate.plan.inputs import Board, News
from headgate.plan.stateful import Actual, objection, refuse
from headgate.plan.touch import Touch, carry
from headgate.plan.versions import same_as
from headgate.plan.wiring import Wiring
from headgate.spec.errors import UsageError
from headgate.spec.project import Node, Project
from headgate.spec.recorded import Recorded
from headgate.spec.steps import CHANGED_BREAKING, FORCED, NEW, SKIPPED, UPSTREAM_CHANGED, Plan, Step


def make(
    project: Project,
    recorded: Recorded,
    *,
    now: str,
    selected: Sequence[str] | None = None,
    full_refresh: bool = False,
    interval_from: str | None = None,
    interval_to: str | None = None,
    land: Sequence[str] | None = None,
    actual: Actual | None = None,
    external: Mapping[str, str] | None = None,
    arrivals: Mapping[str, Arrivals] | None = None,
) -> Plan:
    """The ordered steps that bring what is recorded to what is declared, each with its reason. Equal inputs give equal plans.

    `now` is the run's clock (ISO). `selected` are unique ids (None: all). `land` are the source tables to ask for new rows; by
    default those with a connector above the selection. What is downstream of a landing and otherwise up to date is *conditional*:
    `run` lands, reads the ledger again and plans with `land=()`. `actual` has the columns that stateful targets really have;
    `external` versions of tables that others fill, by dataset; `arrivals`, per model built by intervals, which intervals have
    input rows and when the newest of these came (see `reconcile`): with them missing and late intervals are exact.
    Raises UsageError (an unknown id, an empty range), DeclarationError (a circle, a wrong interval), StatefulTarget.
    """
    wiring = Wiring(project)
    chosen = _chosen(project, selected)
    landings = _landings(wiring, chosen, land)
    reader = Reader(wiring, recorded)
    board = Board(wiring, recorded, dict(external or {}), reader, frozenset(landings))
    asked = Asked(now, full_refresh, interval_from, interval_to, dict(arrivals or {}))
    maker = _Maker(project, recorded, board, asked, chosen)
    steps = [maker.landing(uid) for uid in landings]
    for uid in wiring.order:
        node = project.nodes.get(uid)
        if node is not None:
            steps.append(maker.node(node))
    refuse(maker.objections(actual or {}))
    return Plan(project.name, project.environment, project.digest, recorded.snapshot, tuple(steps), now, full_refresh)


def _chosen(project: Project, selected: Sequence[str] | None) -> frozenset[str]:
    if selected is None:
        return frozenset((*project.nodes, *project.sources))
    for uid in selected:
        if uid not in project.nodes and uid not in project.sources and uid not in project.checks:
            raise UsageError(
                f"there is no '{uid}' in the project", expected="the unique id of a node or source table", code="HG-U021"
            )
    return frozenset(selected)


def _landings(wiring: Wiring, chosen: frozenset[str], land: Sequence[str] | None) -> list[str]:
    sources = wiring.project.sources
    if land is None:
        wanted = wiring.ancestors(chosen) | chosen
        return [uid for uid, source in sources.items() if uid in wanted and source.connector is not None]
    for uid in land:
        if uid not in sources:
            raise UsageError(f"there is no source table '{uid}'", expected="the unique id of a source table", code="HG-U021")
        if sources[uid].connector is None:
            raise UsageError(
                f"{sources[uid].relation} cannot be landed: its source has no connector, somebody else fills it",
                todo="declare a connector for it, or leave it out",
                code="HG-U022",
            )
    return [uid for uid in sources if uid in set(land)]


class _Maker:
    """Makes steps in order; the board remembers what they mean for those that follow."""

    def __init__(self, project: Project, recorded: Recorded, board: Board, asked: Asked, chosen: frozenset[str]) -> None:
        self.project, self.recorded, self.board, self.asked, self.chosen = project, recorded, board, asked, chosen
        self.between: frozenset[str] | set[str] = frozenset()
        if len(chosen) < len(project.nodes):
            self.between = board.wiring.ancestors(chosen) & board.wiring.descendants(chosen)
        self.built: list[Node] = []

    def landing(self, uid: str) -> Step:
        """The step that asks a source table for new rows."""
        source = self.project.sources[uid]
        dataset = str(source.relation)
        entry = self.recorded.datasets.get(dataset)
        if entry is None or entry.version is None:
            return Step(uid, dataset, "land", NEW, f"it was never landed: {source.connector} is asked for everything")
        since = entry.published_at[:19].replace("T", " ")
        text = f"{source.connector} is asked for what is new since {since}"
        expected = estimate(entry, "incremental", 0, self.project.prices)
        return Step(uid, dataset, "land", FORCED, text, estimate=expected)

    def node(self, node: Node) -> Step:
        """The step of a node, or why there is nothing to do."""
        dataset = str(node.relation)
        if node.materialized == "ephemeral":
            return Step(node.unique_id, dataset, "none", SKIPPED, "ephemeral: its SQL is part of those that read it")
        if node.config.get("enabled") is False:
            return Step(node.unique_id, dataset, "none", SKIPPED, "disabled by its config")
        entry = self.recorded.datasets.get(dataset)
        news = self.board.news(node, entry)
        if node.unique_id not in self.chosen:
            return self._unselected(node, news)
        if news.lacking:
            return Step(node.unique_id, dataset, "none", SKIPPED, self._lacking(news.lacking))
        decision = decide(node, entry, news, self.board, self.asked)
        if not decision.build:
            return Step(node.unique_id, dataset, "none", decision.status, decision.reason)
        return self._build(node, news, decision)

    def objections(self, actual: Actual) -> Iterable[tuple[Node, str]]:
        """Why stateful targets of this plan must not be built."""
        for node in self.built:
            entry = self.recorded.datasets.get(str(node.relation))
            text = objection(node, entry, actual, rebuild=self.asked.full_refresh and refreshable(node))
            if text:
                yield node, text

    def _unselected(self, node: Node, news: News) -> Step:
        """Not selected; a view goes along all the same when it stands between tables that are built."""
        uid, dataset = node.unique_id, str(node.relation)
        entry = self.recorded.datasets.get(dataset)
        published = entry is not None and entry.version is not None
        if node.materialized == "view" and published and news.staged and uid in self.between:
            reason = "not selected, but it stands between tables that are built"
            return self._build(node, news, Decision(UPSTREAM_CHANGED, reason, "view", touch=news.carried.touch))
        return Step(uid, dataset, "none", SKIPPED, "not selected")

    def _lacking(self, names: tuple[str, ...]) -> str:
        by_name = {self.board.wiring.dataset(uid): uid for uid in (*self.project.nodes, *self.project.sources)}
        said = []
        for name in names:
            uid = by_name[name]
            if uid in self.project.sources:
                said.append(f"{name} has no accepted load yet")
            elif uid in self.chosen:
                said.append(f"{name}, which it reads, cannot be built")
            else:
                said.append(
                    f"{name}, which it reads, was never built and is not selected (select +{self.project.nodes[uid].name})"
                )
        return "; ".join(said)

    def _build(self, node: Node, news: News, decision: Decision) -> Step:
        uid, dataset, board = node.unique_id, str(node.relation), self.board
        entry = self.recorded.datasets.get(dataset)
        if decision.maybe:
            board.maybe[uid] = decision.maybe
        else:
            board.touch[uid] = decision.touch
            board.words[uid] = f"{dataset} is built again" if entry is not None and entry.version else f"{dataset} is new"
        self.built.append(node)
        shared = {} if entry is None or decision.maybe else same_as(entry, board.effective.get(dataset, ""), decision.touch)
        consumers: dict[str, tuple[str, ...]] = {}
        if decision.status == CHANGED_BREAKING:
            consumers = self._consumers(uid, decision.edit)
        return Step(
            uid,
            dataset,
            "build",
            decision.status,
            decision.reason,
            decision.build,
            decision.intervals,
            news.before,
            decision.columns,
            consumers,
            estimate(entry, decision.build, len(decision.intervals), self.project.prices),
            tuple(sorted(decision.maybe)),
            shared,
        )

    def _consumers(self, origin: str, touch: Touch) -> dict[str, tuple[str, ...]]:
        """Every dataset downstream that a change of `origin` touches, with the columns touched ("*": all of it)."""
        wiring, lake = self.board.wiring, self.project.lake.name
        reached = wiring.descendants((origin,))
        touches: dict[str, Touch] = {origin: touch}
        out: dict[str, tuple[str, ...]] = {}
        for uid in wiring.order:
            node = self.project.nodes.get(uid)
            if uid not in reached or node is None or node.materialized == "ephemeral":
                continue
            causes = {wiring.dataset(p): touches[p] for p in wiring.parents[uid] if p in touches}
            carried = carry(node, causes, lake, self.board.reader.lineage)
            if carried.affected:
                touches[uid] = carried.touch
                out[str(node.relation)] = ("*",) if carried.touch.everything else tuple(sorted(carried.touch.columns))
        return out
