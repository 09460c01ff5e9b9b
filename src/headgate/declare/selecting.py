"""Selections as values, and how they are worked out over a project's graph: criteria, unions, intersections, differences.

A criterion names things by a method and may take in what they need or what needs them. Tests come along with what they test; how
readily is the selection's `indirect` way: eager (one of their parents is selected), cautious (all are), buildable (all are, or are
needed by what is selected), empty (only when named).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from headgate.spec.errors import UsageError

WAYS = ("eager", "cautious", "buildable", "empty")
_ATOM = re.compile(
    r"(?P<at>@)?(?:(?P<up_depth>\d*)(?P<up>\+))?(?:(?P<method>[a-zA-Z_]\w*)(?P<path>(?:\.[\w-]+)*):)?(?P<value>.*?)"
    r"(?:(?P<down>\+)(?P<down_depth>\d*))?\Z"
)
_FILE_ENDINGS = (".sql", ".py", ".csv", ".yml", ".yaml")


@dataclass(frozen=True, slots=True)
class Criterion:
    """Things by one method; `up` and `down` are distances (0: none, None: without bound); `around` is `@`."""

    method: str
    path: str
    value: str
    text: str
    up: int | None = 0
    down: int | None = 0
    around: bool = False
    indirect: str = "eager"


@dataclass(frozen=True, slots=True)
class Group:
    """A union, intersection or difference of selections. `told` says that a match of nothing is worth a word."""

    kind: str  # "union" | "intersection" | "difference"
    parts: tuple[Selection, ...]
    text: str = ""
    told: bool = False
    indirect: str = "eager"


Selection = Criterion | Group


def criterion(text: str, whole: str, indirect: str = "eager") -> Criterion:
    """One criterion as it is written: `+tag:daily`, `@stg_orders`, `2+source:shop.orders+1`. Raises UsageError."""
    match = _ATOM.match(text)
    if match is None or not match["value"]:
        raise UsageError(
            f"selection '{whole}' names nothing",
            expected="a name, or method:value such as tag:daily",
            todo="run: headgate ls",
            code="HG-U010",
        )
    if match["at"] and match["down"]:
        raise UsageError(f"selection '{whole}' has '@' and a '+' at its end", expected="one of the two", code="HG-U010")
    value, method = match["value"], match["method"]
    if method is None:
        method = "path" if "/" in value else "file" if value.lower().endswith(_FILE_ENDINGS) else "fqn"
    return Criterion(
        method,
        (match["path"] or "").strip("."),
        value,
        text,
        up=_depth(match["up"], match["up_depth"]),
        down=_depth(match["down"], match["down_depth"]),
        around=bool(match["at"]),
        indirect=indirect,
    )


def _depth(sign: str | None, depth: str | None) -> int | None:
    return 0 if not sign else int(depth) if depth else None


def union_of(expressions: Iterable[str], indirect: str = "eager", *, told: bool = True) -> Group:
    """The union that words separated by spaces mean; commas in a word are intersections."""
    words = [word for expression in expressions for word in expression.split()]
    parts: list[Selection] = [
        Group("intersection", tuple(criterion(part, word, indirect) for part in word.split(",")), word, told, indirect)
        for word in words
    ]
    return Group("union", tuple(parts), " ".join(words), indirect=indirect)


@dataclass(slots=True)
class Field:
    """What selections are worked out over: everything that can be selected, who needs whom, and how methods find things.

    `tests` are the ids that come along with what they test (none: tests are selected only when named).
    """

    things: Mapping[str, Any]
    parents: Mapping[str, Collection[str]]
    find: Callable[[Criterion], set[str]]
    tests: frozenset[str] = frozenset()
    sources: frozenset[str] = frozenset()
    nothing: list[str] = field(default_factory=list)  # the texts that matched nothing
    children: dict[str, list[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for child, parents in self.parents.items():
            for parent in parents:
                self.children.setdefault(parent, []).append(child)

    def select(self, selection: Selection) -> set[str]:
        """The unique ids that the selection means."""
        return self._direct(selection)[0]

    def _direct(self, selection: Selection) -> tuple[set[str], set[str]]:
        """What is selected, and the tests that would be if more of their parents were."""
        if isinstance(selection, Criterion):
            found = self._with_neighbours(selection)
            return (found, set()) if selection.indirect == "empty" else self._with_tests(found, selection.indirect)
        pairs = [self._direct(part) for part in selection.parts]
        direct = _combined(selection.kind, [one for one, _ in pairs])
        indirect = _combined(selection.kind, [one | two for one, two in pairs])
        direct = self._completed(direct, indirect, selection.indirect)
        if selection.told and not direct:
            self.nothing.append(selection.text)
        return direct, indirect

    def _with_neighbours(self, wanted: Criterion) -> set[str]:
        named = self.find(wanted)
        found = set(named)
        if wanted.around:
            below = named | self.reach(named, self.children, None)
            found |= below | self.reach(below, self.parents, None)
        return found | self.reach(named, self.parents, wanted.up) | self.reach(named, self.children, wanted.down)

    def reach(self, start: set[str], edges: Mapping[str, Collection[str]], depth: int | None) -> set[str]:
        """All that can be reached from `start` in at most `depth` steps (None: in any number)."""
        found: set[str] = set()
        layer, steps = set(start), 0
        while layer and (depth is None or steps < depth):
            layer = {far for near in layer for far in edges.get(near, ()) if far in self.things} - found
            found |= layer
            steps += 1
        return found

    def _with_tests(self, found: set[str], way: str) -> tuple[set[str], set[str]]:
        direct, indirect = set(found), set()
        known = found
        if way == "buildable":
            known = found | self.reach(found, self.parents, None) | self.sources
        for test in {t for uid in found for t in self.children.get(uid, ()) if t in self.tests}:
            needs = set(self.parents[test])
            if way == "eager" or needs <= found or (way == "buildable" and needs <= known):
                direct.add(test)
            else:
                indirect.add(test)
        return direct, indirect

    def _completed(self, direct: set[str], indirect: set[str], way: str) -> set[str]:
        """Add the tests all of whose parents the parts of a group have brought together."""
        if direct == indirect or way not in ("cautious", "buildable"):
            return direct
        known = direct | self.reach(direct, self.parents, None) if way == "buildable" else direct
        return direct | {t for t in indirect if t in self.tests and set(self.parents[t]) <= known}


def _combined(kind: str, sets: list[set[str]]) -> set[str]:
    if not sets:
        return set()
    if kind == "union":
        return set().union(*sets)
    if kind == "intersection":
        return set.intersection(*sets)
    return sets[0].difference(*sets[1:])


def in_way(selection: Selection, way: str) -> Selection:
    """The selection with another way of taking tests along."""
    if isinstance(selection, Criterion):
        return replace(selection, indirect=way)
    return replace(selection, parts=tuple(in_way(part, way) for part in selection.parts), indirect=way)
