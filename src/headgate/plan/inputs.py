"""What has happened to the inputs of one node since it was built: by this plan, by landings, and by what is recorded."""

from __future__ import annotations

from dataclasses import dataclass, field

from headgate.plan.changes import Reader
from headgate.plan.touch import ALL, NOTHING, Carried, Touch, carry
from headgate.plan.versions import as_compared, difference, effective_versions, read_by
from headgate.plan.wiring import Wiring
from headgate.spec.project import Node
from headgate.spec.recorded import Recorded, RecordedDataset

_NOTHING_CARRIED = Carried()


@dataclass(frozen=True, slots=True)
class News:
    """What is new about a node's inputs.

    `carried` is what reaches the node, `spared` the inputs whose change does not touch it. `lacking` are inputs that were never
    built or landed, `unknown` those of which nothing tells whether they changed. `before` are the steps that must be done first,
    `maybe` the landings that may bring more; `staged` says that some input is staged by this plan.
    """

    carried: Carried = _NOTHING_CARRIED
    spared: tuple[str, ...] = ()
    lacking: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    before: tuple[str, ...] = ()
    maybe: frozenset[str] = frozenset()
    staged: bool = False


_QUIET = News()


@dataclass(slots=True)
class Board:
    """What the plan has decided so far: what each step touches and why, on which landings it waits, what drifted behind views."""

    wiring: Wiring
    recorded: Recorded
    external: dict[str, str]
    reader: Reader
    landings: frozenset[str]
    effective: dict[str, str] = field(init=False)
    touch: dict[str, Touch] = field(default_factory=dict)  # built by this plan
    words: dict[str, str] = field(default_factory=dict)
    maybe: dict[str, frozenset[str]] = field(default_factory=dict)  # built if a landing brings rows
    drift: dict[str, Touch] = field(default_factory=dict)  # by dataset: what changed behind a published view

    def __post_init__(self) -> None:
        self.effective = effective_versions(self.recorded, self.external)

    def news(self, node: Node, recorded: RecordedDataset | None) -> News:
        """What is new for `node`, recorded as `recorded` (None: never built)."""
        found = _Gathered()
        recorded = as_compared(recorded) if recorded is not None else None
        for parent in self.wiring.parents[node.unique_id]:
            self._one(parent, recorded, found)
        if found.quiet:
            return _QUIET
        carried = _NOTHING_CARRIED
        if found.causes:
            lake = self.wiring.project.lake.name
            carried = carry(node, found.causes, lake, self.reader.lineage, found.words)
        spared = () if carried.affected else tuple(found.causes)
        return News(
            carried,
            spared,
            tuple(found.lacking),
            tuple(found.unknown),
            tuple(found.before),
            frozenset(found.maybe),
            found.staged,
        )

    def _one(self, parent: str, recorded: RecordedDataset | None, found: _Gathered) -> None:
        name = self.wiring.dataset(parent)
        entry = self.recorded.datasets.get(name)
        built = entry is not None and entry.version is not None
        planned = parent in self.touch or parent in self.maybe or parent in self.landings
        if parent in self.touch:
            found.staged = True
            found.cause(name, self.touch[parent], self.words.get(parent, f"{name} is built again"))
        if parent in self.landings:
            found.maybe.add(parent)
        found.maybe |= self.maybe.get(parent, frozenset())
        if planned:
            found.before.append(parent)
        if not built and not planned:
            self._unrecorded(parent, name, recorded, found)
        elif built and entry is not None and recorded is not None and recorded.version is not None:
            drift = NOTHING if parent in self.touch else self._drift(entry)
            found.cause(name, difference(recorded, entry, self.effective.get(name, ""), drift), _published(entry))

    def _drift(self, view: RecordedDataset) -> Touch:
        """What changed behind a published view since its publication. It reads what that said, whatever is declared by now."""
        if view.kind != "view":
            return NOTHING
        if view.dataset not in self.drift:
            self.drift[view.dataset] = NOTHING
            self.drift[view.dataset] = self._behind(view)
        return self.drift[view.dataset]

    def _behind(self, view: RecordedDataset) -> Touch:
        causes: dict[str, Touch] = {}
        for name in read_by(view):
            entry = self.recorded.datasets.get(name)
            if entry is not None and entry.version is not None:
                causes[name] = difference(view, entry, self.effective.get(name, ""), self._drift(entry))
            elif view.inputs[name] != self.external.get(name, ""):
                causes[name] = ALL
        node = self.wiring.project.nodes.get(view.unique_id)
        if not any(causes.values()):
            return NOTHING
        if node is None or node.code_fingerprint != view.code_fingerprint:
            return ALL
        return carry(node, causes, self.wiring.project.lake.name, self.reader.lineage).touch

    def _unrecorded(self, parent: str, name: str, recorded: RecordedDataset | None, found: _Gathered) -> None:
        """A table without a ledger: somebody else's, or one that is not there yet."""
        source = self.wiring.project.sources.get(parent)
        if source is None or source.connector is not None:
            found.lacking.append(name)
        elif name not in self.external:
            found.unknown.append(name)
        elif recorded is not None and recorded.inputs.get(name) != self.external[name]:
            found.cause(name, ALL, f"{name}, which others fill, changed")


@dataclass(slots=True)
class _Gathered:
    causes: dict[str, Touch] = field(default_factory=dict)
    words: dict[str, str] = field(default_factory=dict)
    lacking: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    before: list[str] = field(default_factory=list)
    maybe: set[str] = field(default_factory=set)
    staged: bool = False

    @property
    def quiet(self) -> bool:
        return not (self.causes or self.lacking or self.unknown or self.before or self.maybe)

    def cause(self, dataset: str, touch: Touch, words: str) -> None:
        if touch:
            self.causes[dataset] = self.causes.get(dataset, NOTHING) | touch
            self.words.setdefault(dataset, words)


def _published(entry: RecordedDataset) -> str:
    at = entry.published_at[:19].replace("T", " ")
    what = "has a newer load" if entry.kind == "raw" else "was published"
    return f"{entry.dataset} {what}" + (f" ({at})" if at else "")
