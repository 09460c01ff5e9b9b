"""What must stand in every table of the shop, by going through the rows one by one. It knows the design and none of the code."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from shop_world import SNAPSHOTS, Event, Member, Shop

Rows = list[tuple[Any, ...]]
DIMENSIONS = ("dim_merged", "dim_versions", "dim_table")


def ordered(rows: Sequence[Sequence[Any]]) -> Rows:
    """Rows without their order."""
    return sorted((tuple(r) for r in rows), key=repr)


def newest(events: Sequence[Event], key: Any = lambda e: e.id) -> dict[Any, Event]:
    """The newest version of each key: by the moment of its change, then by arrival."""
    best: dict[Any, Event] = {}
    for e in events:
        if key(e) not in best or e.changed >= best[key(e)].changed:
            best[key(e)] = e
    return best


def at_each_moment(rows: Sequence[Any], key: Any) -> dict[tuple[Any, int], Any]:
    """What arrived last for each key and moment of change."""
    return {(key(r), r.changed): r for r in rows}


def spans(rows: Sequence[Any], key: Any, value: Any) -> Rows:
    """(key, value, from, to) of every version, a new one where the value differs from the one before; moments in minutes."""
    seen = at_each_moment(rows, key)
    found: Rows = []
    for member in {k for k, _ in seen}:
        opened: list[tuple[int, Any]] = []
        for (_, changed), row in sorted((item for item in seen.items() if item[0][0] == member), key=lambda item: item[0][1]):
            if not opened or opened[-1][1] != value(row):
                opened.append((changed, value(row)))
        ends = [begin for begin, _ in opened[1:]] + [None]
        found += [(member, v, begin, end) for (begin, v), end in zip(opened, ends, strict=True)]
    return found


class Oracle:
    """What stands after each run. `built` is told which models a run has built; `tables` says what they hold."""

    def __init__(self, shop: Shop) -> None:
        self.shop = shop
        self.loads: dict[str, int] = {}  # by model: how many loads it has seen
        self.members = 0
        self.appended: dict[int, Event] = {}
        self.type_3: dict[int, tuple[Event, int | None]] = {}
        self.inferred: set[int] = set()
        self.states = 0
        self.history: dict[str, list[list[Any]]] = {name: [] for name in SNAPSHOTS}

    def built(self, models: Sequence[str]) -> None:
        """These models have seen everything that was delivered so far."""
        fresh = {m: self._fresh(m) for m in models}
        for e in (e for e in fresh.get("appended", ()) if e.id not in self.appended):
            self.appended[e.id] = newest([f for f in fresh["appended"] if f.id == e.id])[e.id]
        for key in {e.id for e in fresh.get("type_3", ())}:
            self._type_3([e for e in fresh["type_3"] if e.id == key])
        for m in models:
            self.loads[m] = len(self.shop.loads)
        if "fact" in models:
            self.inferred |= {e.k for e in newest(self.rows("fact")).values() if e.k is not None}
            self.members = len(self.shop.members)

    def _fresh(self, model: str) -> list[Event]:
        return [e for load in self.shop.loads[self.loads.get(model, 0) :] for e in load]

    def _type_3(self, fresh: Sequence[Event]) -> None:
        rows = sorted(at_each_moment(fresh, lambda e: e.id).values(), key=lambda e: e.changed)
        standing = self.type_3.get(rows[0].id)
        rows = [r for r in rows if standing is None or r.changed >= standing[0].changed]
        if rows:
            before = [standing[0].v] if standing is not None else []
            others = [v for v in before + [r.v for r in rows] if v != rows[-1].v]
            self.type_3[rows[-1].id] = (rows[-1], others[-1] if others else standing[1] if standing is not None else None)

    def snapshotted(self, moments: Sequence[datetime]) -> None:
        """The snapshots have seen the newest state, at the newest of `moments`."""
        if self.states == len(self.shop.states):
            return
        self.states = len(self.shop.states)
        for name, history in self.history.items():
            self._snapshot(name, history, self.shop.states[-1], moments[-1])

    def _snapshot(self, name: str, history: list[list[Any]], state: dict[int, tuple[int, int]], now: datetime) -> None:
        """Versions are [key, value, from, to, deleted, changed]."""
        by_time, marks = "timestamp" in SNAPSHOTS[name], "new_record" in SNAPSHOTS[name]
        for k, (v, minute) in state.items():
            at = self.shop.at(minute) if by_time else now
            standing = next((h for h in history if h[0] == k and h[3] is None), None)
            if standing is not None:
                if not standing[4] and not (at > standing[5] if by_time else v != standing[1]):
                    continue
                floor = standing[2]
            else:
                floor = max((h[3] for h in history if h[0] == k), default=None)
            begin = at if floor is None or at > floor else now
            if standing is not None:
                standing[3] = begin
            history.append([k, v, begin, None, False, at])
        for h in [h for h in history if h[3] is None and not h[4] and h[0] not in state]:
            h[3] = now
            if marks:
                history.append([h[0], h[1], now, None, True, now])

    def rows(self, model: str) -> list[Event]:
        """Everything that `model` has seen, in order of arrival."""
        return [e for load in self.shop.loads[: self.loads.get(model, 0)] for e in load]

    def expected(self, model: str) -> Rows:
        """The rows of `model`, in the columns of `QUERIES`."""
        if model in self.history:
            return ordered([h[:5] for h in self.history[model]])
        if model in DIMENSIONS:
            return ordered(self._dimension(model))
        return ordered(_ROWS[model](self, self.rows("by_batch" if model == "shown" else model)))  # a view moves with its table

    def _plain(self, events: Any) -> Rows:
        return [(e.id, e.k, self.shop.happened(e), self.shop.at(e.changed), e.v) for e in events]

    def _dimension(self, model: str) -> Rows:
        members = self.shop.members[: self.members]
        known = {m.k for m in members}
        invented = [(k, None, True) for k in self.inferred - known]
        if model == "dim_versions":
            spans_of = spans(members, lambda m: m.k, lambda m: m.name)
            at = self.shop.at
            real = [(k, name, at(begin), None if end is None else at(end), False) for k, name, begin, end in spans_of]
            return real + [(k, None, datetime(1900, 1, 1), None, True) for k, _, _ in invented]
        best: dict[int, Member] = {}
        for m in members:
            if m.k not in best or m.changed >= best[m.k].changed:
                best[m.k] = m
        return [(m.k, m.name, False) for m in best.values()] + invented

    def _by_day(self, events: Sequence[Event]) -> Rows:
        days: dict[Any, list[int]] = {}
        for e in events:
            days.setdefault(self.shop.happened(e).date(), []).append(e.v)
        return [(day, len(values), sum(values)) for day, values in days.items()]

    def _versions(self, events: Sequence[Event]) -> Rows:
        last = newest(events)
        found = spans(events, lambda e: e.id, lambda e: e.v)
        at = self.shop.at
        return [(i, v, at(begin), None if end is None else at(end), end is None, last[i].k) for i, v, begin, end in found]

    def _totals(self, events: Sequence[Event]) -> Rows:
        groups: dict[Any, list[int]] = {}
        for e in newest(events).values():
            groups.setdefault(e.k, []).append(e.v)
        return [(k, len(values), sum(values)) for k, values in groups.items()]


def _newest_rows(oracle: Oracle, events: Sequence[Event]) -> Rows:
    return oracle._plain(newest(events).values())


_ROWS: dict[str, Any] = {
    "appended": lambda o, e: o._plain(o.appended.values()),
    **dict.fromkeys(("merged", "replaced", "type_1", "fact", "by_batch_of_merged"), _newest_rows),
    "by_group": lambda o, e: o._by_day(e),
    **dict.fromkeys(("by_partition", "by_batch"), lambda o, e: o._plain(e)),
    "by_batch_keyed": lambda o, e: o._plain(newest(e, lambda x: (x.id, x.day)).values()),
    "type_2": lambda o, e: o._versions(e),
    "type_3": lambda o, e: [(r.id, r.v, previous, r.k) for r, previous in o.type_3.values()],
    "mart": lambda o, e: o._totals(e),
    "shown": lambda o, e: [(x.id, x.v) for x in e],
}
PLAIN = "id, k, happened_at, changed_at, v"
QUERIES = {
    **dict.fromkeys(_ROWS, PLAIN),
    "by_group": "day, n, total",
    "type_2": "id, v, valid_from, valid_to, is_current, k",
    "type_3": "id, v, previous_v, k",
    "mart": "k, n, total",
    "shown": "id, v",
    "dim_merged": "k, name, is_inferred",
    "dim_table": "k, name, is_inferred",
    "dim_versions": "k, name, valid_from, valid_to, is_inferred",
    **dict.fromkeys(SNAPSHOTS, "k, v, dbt_valid_from, dbt_valid_to, false"),
    "marked": "k, v, dbt_valid_from, dbt_valid_to, dbt_is_deleted = 'True'",
}
"""The columns of each table that the oracle knows."""
