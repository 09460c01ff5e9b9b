"""Which downstream models an edit really touches, told by column lineage."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from headgate.lineage.project import LineageGraph
from headgate.spec.lineage import Change, ModelLineage, normal_name


@dataclass(slots=True)
class _Effect:
    """What has changed about one relation. Column names are in lower case, each with its reason."""

    rows: str | None = None
    changed: dict[str, str] = field(default_factory=dict)
    removed: dict[str, str] = field(default_factory=dict)
    added: set[str] = field(default_factory=set)

    @property
    def any(self) -> bool:
        return bool(self.rows or self.changed or self.removed or self.added)


def affected(graph: LineageGraph, relation: str, change: Change) -> dict[str, str | None]:
    """Every model downstream of `relation` with the reason why `change` touches it, or None if it does not.

    In the order of the graph. A model whose lineage is partly unknown counts as touched, and the reason says so.
    """
    start = normal_name(relation)
    effects = {start: _first(start, change)}
    out: dict[str, str | None] = {}
    for name in graph.downstream(start):
        lineage = graph.lineage(name)
        effect, reason = _Effect(), None
        for source in lineage.inputs:
            cause = effects.get(source.relation)
            if cause is not None and cause.any:
                said = _spread(lineage, source.relation, cause, effect)
                reason = reason or said
        effects[name] = effect
        out[name] = reason
    return out


def _first(relation: str, change: Change) -> _Effect:
    if change.kind in ("none", "cosmetic"):
        return _Effect()
    changed = {n.lower(): f"reads {relation}.{n}, which changed" for n in change.named("changed", "type_changed")}
    removed = {n.lower(): f"reads {relation}.{n}, which was removed" for n in change.named("removed")}
    rows = f"reads {relation}, whose rows may differ: {change.rows_changed}" if change.rows_changed else None
    return _Effect(rows, changed, removed, {n.lower() for n in change.named("added")})


def _spread(lineage: ModelLineage, relation: str, cause: _Effect, effect: _Effect) -> str | None:
    """Carry the effect on an input over to the model; return why the model is touched, if it is."""
    if cause.rows:
        effect.rows = f"reads {lineage.name}, whose rows may differ"
        return cause.rows
    reasons = _star(lineage, relation, cause, effect)
    touched = {**cause.changed, **cause.removed}
    for column in lineage.columns:
        name = column.name.lower()
        if name in effect.removed:
            continue
        hit = next((touched[s.column.lower()] for s in column.sources if _hits(s.relation, s.column, relation, touched)), None)
        if hit is None and column.unknown and touched and _may_read(column.unknown, relation):
            hit = f"cannot be ruled out for {column.name}: {column.unknown}"
        if hit is not None:
            effect.changed[name] = f"reads {lineage.name}.{column.name}, which changed with {relation}"
            reasons.append(hit)
    for decider in lineage.indirect:
        if decider.kind != "sort" and _hits(decider.relation, decider.column, relation, touched):
            effect.rows = f"reads {lineage.name}, whose rows may differ"
            reasons.append(f"{touched[decider.column.lower()]} (it decides the rows: {decider.kind})")
    reasons += [cause.removed[c.lower()] for r, c in lineage.reads if r == relation and c.lower() in cause.removed]
    return reasons[0] if reasons else None


def _hits(relation: str, column: str, wanted: str, touched: Mapping[str, str]) -> bool:
    return relation == wanted and column.lower() in touched


def _may_read(reason: str, relation: str) -> bool:
    return relation in reason or "may come from" in reason


def _star(lineage: ModelLineage, relation: str, cause: _Effect, effect: _Effect) -> list[str]:
    """A model that takes every column of its input gains and loses columns with it."""
    if relation not in lineage.wild:
        return []
    own = {c.name.lower() for c in lineage.columns}
    named = {c.lower() for r, c in lineage.reads if r == relation}
    new, gone = cause.added - own, (cause.removed.keys() & own) - named
    effect.added |= new
    effect.removed.update({n: f"reads {lineage.name}.{n}, which went with {relation}.{n}" for n in gone})
    reasons = [f"takes every column of {relation}: {_names(new)} comes with it"] if new else []
    return reasons + ([f"takes every column of {relation}: {_names(gone)} goes with it"] if gone else [])


def _names(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))
