"""Directed graphs over node ids: order, cycles, ancestors, descendants.

Used by the plan and by selectors; knows nothing of SQL. Every answer is deterministic: nodes come in the order in
which they were first named.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping

from headgate.spec.errors import DeclarationError


class Graph:
    """A graph given as node → the nodes it depends on (its parents). Parents without an entry of their own are nodes."""

    __slots__ = ("_children", "_order", "_parents")

    def __init__(self, edges: Mapping[str, Iterable[str]]) -> None:
        self._parents: dict[str, tuple[str, ...]] = {n: tuple(dict.fromkeys(p)) for n, p in edges.items()}
        for parents in list(self._parents.values()):
            for parent in parents:
                self._parents.setdefault(parent, ())
        self._children: dict[str, list[str]] = {n: [] for n in self._parents}
        for node, parents in self._parents.items():
            for parent in parents:
                self._children[parent].append(node)
        self._order: tuple[str, ...] | None = None

    @property
    def nodes(self) -> tuple[str, ...]:
        """All nodes, in the order in which they were first named."""
        return tuple(self._parents)

    def parents(self, node: str) -> tuple[str, ...]:
        """What `node` depends on directly. Raises KeyError for an unknown node."""
        return self._parents[node]

    def children(self, node: str) -> tuple[str, ...]:
        """What depends directly on `node`. Raises KeyError for an unknown node."""
        return tuple(self._children[node])

    def order(self) -> tuple[str, ...]:
        """All nodes, every node after its parents. Raises DeclarationError that names the path of a cycle."""
        if self._order is None:
            self._order = self._sorted()
        return self._order

    def _sorted(self) -> tuple[str, ...]:
        waiting = {node: len(parents) for node, parents in self._parents.items()}
        ready = deque(node for node, count in waiting.items() if not count)
        done: list[str] = []
        while ready:
            node = ready.popleft()
            done.append(node)
            for child in self._children[node]:
                waiting[child] -= 1
                if not waiting[child]:
                    ready.append(child)
        if len(done) < len(waiting):
            cycle = self.cycle() or []
            raise DeclarationError(
                f"models depend on each other in a circle: {path_in_words(cycle)}",
                expected="every model to read only models that do not read it, directly or not",
                todo="remove one of these references",
                code="HG-D033",
            )
        return tuple(done)

    def cycle(self) -> list[str] | None:
        """One cycle as a path that ends where it began (`a` reads `b` reads … reads `a`), or None."""
        finished: set[str] = set()
        for start in self._parents:
            if start in finished:
                continue
            path: list[str] = [start]
            on_path = {start: 0}
            walks = [iter(self._parents[start])]
            while walks:
                step = next(walks[-1], None)
                if step is None:
                    walks.pop()
                    node = path.pop()
                    del on_path[node]
                    finished.add(node)
                elif step in on_path:
                    return [*path[on_path[step] :], step]
                elif step not in finished:
                    on_path[step] = len(path)
                    path.append(step)
                    walks.append(iter(self._parents[step]))
        return None

    def ancestors(self, node: str, depth: int | None = None) -> tuple[str, ...]:
        """Everything that `node` depends on, nearest first, at most `depth` steps away (None: any distance)."""
        return _reach(self._parents, node, depth)

    def descendants(self, node: str, depth: int | None = None) -> tuple[str, ...]:
        """Everything that depends on `node`, nearest first, at most `depth` steps away (None: any distance)."""
        return _reach(self._children, node, depth)


def path_in_words(path: Iterable[str]) -> str:
    """A path of a cycle as a sentence: `a reads b reads a`."""
    return " reads ".join(path)


def _reach(edges: Mapping[str, Iterable[str]], start: str, depth: int | None) -> tuple[str, ...]:
    seen = {start: 0}
    queue = deque((start,))
    edges[start]  # an unknown node is a KeyError, not an empty answer
    while queue:
        node = queue.popleft()
        if depth is not None and seen[node] >= depth:
            continue
        for other in edges[node]:
            if other not in seen:
                seen[other] = seen[node] + 1
                queue.append(other)
    del seen[start]
    return tuple(seen)
