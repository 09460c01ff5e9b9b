"""How a change of one dataset touches those that read it, told by column where lineage can tell.

A `Touch` is what has changed about a dataset, seen by its readers. It is carried from a dataset to its reader through the
reader's lineage; whatever lineage cannot tell counts as touched.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from headgate.spec.errors import DeclarationError
from headgate.spec.lineage import ModelLineage, normal_name
from headgate.spec.project import Node

Lineages = Callable[[Node], ModelLineage | None]


@dataclass(frozen=True, slots=True)
class Touch:
    """What changed about a dataset: everything, or some columns (names in lower case)."""

    everything: bool = False
    changed: frozenset[str] = frozenset()
    removed: frozenset[str] = frozenset()
    added: frozenset[str] = frozenset()

    @property
    def columns(self) -> frozenset[str]:
        """All columns that are not as they were."""
        return self.changed | self.removed | self.added

    def __bool__(self) -> bool:
        return self.everything or bool(self.columns)

    def __or__(self, other: Touch) -> Touch:
        if self.everything or other.everything:
            return ALL
        return Touch(False, self.changed | other.changed, self.removed | other.removed, self.added | other.added)


ALL = Touch(everything=True)
NOTHING = Touch()


@dataclass(frozen=True, slots=True)
class Carried:
    """What reaches a reader: what of it is touched in turn, and why, in words (empty: it is not affected)."""

    touch: Touch = NOTHING
    reasons: tuple[str, ...] = ()

    @property
    def affected(self) -> bool:
        """Whether the reader has to be built again."""
        return bool(self.reasons)


@dataclass(slots=True)
class _Found:
    everything: bool = False
    changed: set[str] = field(default_factory=set)
    added: set[str] = field(default_factory=set)
    reasons: list[str] = field(default_factory=list)

    def carried(self) -> Carried:
        if self.everything:
            return Carried(ALL, tuple(dict.fromkeys(self.reasons)))
        touch = Touch(changed=frozenset(self.changed), added=frozenset(self.added))
        return Carried(touch, tuple(dict.fromkeys(self.reasons)))


def carry(
    reader: Node, causes: Mapping[str, Touch], lake: str, lineages: Lineages, words: Mapping[str, str] | None = None
) -> Carried:
    """Carry what changed in the inputs (`causes`: dataset to touch) over to `reader`; `words` say what happened to an input."""
    whole = [dataset for dataset, touch in causes.items() if touch.everything]
    if whole:
        return Carried(ALL, tuple((words or {}).get(dataset) or f"{dataset} changed" for dataset in whole))
    partly = {dataset: touch for dataset, touch in causes.items() if touch}
    if not partly:
        return Carried()
    lineage = _lineage(reader, lineages)
    if lineage is None:
        return Carried(ALL, tuple(f"{dataset} changed ({_names(touch.columns)})" for dataset, touch in partly.items()))
    found = _Found()
    for dataset, touch in partly.items():
        _spread(lineage, dataset, normal_name(f"{lake}.{dataset}"), touch, found)
    return found.carried()


def _lineage(reader: Node, lineages: Lineages) -> ModelLineage | None:
    if reader.language != "sql":
        return None
    try:
        return lineages(reader)
    except DeclarationError:
        return None  # SQL that cannot be read is reported by `declare`; here it only means that nothing can be told


def _spread(lineage: ModelLineage, dataset: str, relation: str, touch: Touch, found: _Found) -> None:
    if relation not in {i.relation for i in lineage.inputs} or lineage.unknown:
        found.everything = True
        found.reasons.append(f"{dataset} changed ({_names(touch.columns)}), and how it is used here cannot be told")
        return
    gone = touch.changed | touch.removed
    for column in lineage.columns:
        hit = sorted(s.column for s in column.sources if s.relation == relation and s.column.lower() in gone)
        if hit:
            found.changed.add(column.name.lower())
            found.reasons.append(f"reads {dataset}.{hit[0]}, which changed")
        elif (column.unknown or column.name == "*") and gone:
            found.everything = True
            found.reasons.append(f"{dataset} changed ({_names(gone)}), and the origin of {column.name} cannot be told")
    for decider in lineage.indirect:
        if decider.relation == relation and decider.column.lower() in gone and decider.kind != "sort":
            found.everything = True
            found.reasons.append(f"its rows depend on {dataset}.{decider.column}, which changed")
    for name, column_name in lineage.reads:
        if name == relation and column_name.lower() in touch.removed:
            found.reasons.append(f"reads {dataset}.{column_name}, which was removed")
    _star(lineage, dataset, relation, touch, found)


def _star(lineage: ModelLineage, dataset: str, relation: str, touch: Touch, found: _Found) -> None:
    if relation not in lineage.wild or not touch.added:
        return
    found.added |= touch.added
    found.reasons.append(f"takes every column of {dataset}, which has {_names(touch.added)} now")


def _names(names: frozenset[str]) -> str:
    shown = sorted(names)
    return ", ".join(shown[:5]) + (f" and {len(shown) - 5} more" if len(shown) > 5 else "")
