"""Nothing stateful is recreated silently: a missing or altered incremental table or snapshot is an error with the choices."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from headgate.spec.errors import StatefulTarget
from headgate.spec.names import Column
from headgate.spec.project import Node
from headgate.spec.recorded import RecordedDataset

STATEFUL = ("incremental", "snapshot")

Actual = Mapping[str, tuple[Column, ...] | None]
"""Columns of datasets as the lake has them now (None: it is not there); datasets that were not looked at are left out."""


def objection(node: Node, recorded: RecordedDataset | None, actual: Actual, *, rebuild: bool) -> str | None:
    """Why `node` must not be built as asked, or None. `rebuild`: the user has asked for the whole table anew."""
    if recorded is None or recorded.version is None or recorded.materialized not in STATEFUL or rebuild:
        return None
    dataset = recorded.dataset
    if recorded.materialized == "snapshot" and node.materialized != "snapshot":
        return f"{dataset} holds the history of a snapshot and is declared as {node.materialized} now: its history would be lost"
    if dataset not in actual:
        return None
    columns = actual[dataset]
    if columns is None:
        return f"{dataset} is recorded as published {recorded.published_at} with {recorded.rows} rows, and is not in the lake"
    differ = _difference(recorded.columns, columns)
    return f"{dataset} is not as its last run left it: {differ}" if differ else None


def refuse(objections: Iterable[tuple[Node, str]]) -> None:
    """Raise StatefulTarget for all objections at once; do nothing when there are none."""
    found = list(objections)
    if not found:
        return
    node = found[0][0]
    dataset = str(node.relation)
    rebuild = (
        "" if node.materialized == "snapshot" else f"; headgate run {node.name} --full-refresh builds it anew from its inputs"
    )
    raise StatefulTarget(
        ". ".join(text for _, text in found),
        expected="the tables that the ledger knows, unchanged: nothing stateful is recreated silently",
        todo=f"choose: headgate restore {dataset} --to SNAPSHOT brings its last published state back{rebuild}",
    )


def _difference(recorded: tuple[Column, ...], actual: tuple[Column, ...]) -> str:
    if not recorded:
        return ""
    before = {c.name.lower(): c for c in recorded}
    now = {c.name.lower(): c for c in actual}
    said = [f"column {before[n].name} is gone" for n in before if n not in now]
    said += [f"column {now[n].name} is new" for n in now if n not in before]
    kept = ((before[n], now[n]) for n in before if n in now)
    said += [f"{b.name} is {a.type} instead of {b.type}" for b, a in kept if a.type.upper() != b.type.upper()]
    return ", ".join(said)
