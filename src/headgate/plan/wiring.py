"""Who reads whom among the things that have data: ephemeral models are read through, as they are nothing of their own."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping

from headgate.lineage.graph import Graph
from headgate.spec.project import Node, Project


class Wiring:
    """Parents, children and an order over nodes and source tables by unique id. Raises DeclarationError for a circle."""

    def __init__(self, project: Project) -> None:
        self.project = project
        known = {**project.nodes, **project.sources}
        self.direct = {uid: tuple(p for p in node.depends_on if p in known) for uid, node in project.nodes.items()}
        self.order = Graph(self.direct).order()
        self.parents: dict[str, tuple[str, ...]] = {}
        self.children: dict[str, list[str]] = {uid: [] for uid in known}
        for uid in self.order:
            self.parents[uid] = self._through(self.direct.get(uid, ()))
            for parent in self.parents[uid]:
                self.children[parent].append(uid)

    def _through(self, direct: Iterable[str]) -> tuple[str, ...]:
        found: dict[str, None] = {}
        for parent in direct:
            node = self.project.nodes.get(parent)
            if node is not None and node.materialized == "ephemeral":
                found.update(dict.fromkeys(self.parents[parent]))
            else:
                found[parent] = None
        return tuple(found)

    def ancestors(self, of: Iterable[str]) -> set[str]:
        """Everything that `of` is made from, at any distance."""
        return _reached(self.parents, of)

    def descendants(self, of: Iterable[str]) -> set[str]:
        """Everything that is made from `of`, at any distance."""
        return _reached(self.children, of)

    def dataset(self, uid: str) -> str:
        """The dataset name of a node or a source table."""
        node: Node | None = self.project.nodes.get(uid)
        return str(node.relation if node is not None else self.project.sources[uid].relation)


def _reached(edges: Mapping[str, Iterable[str]], of: Iterable[str]) -> set[str]:
    found: set[str] = set()
    queue = deque(of)
    while queue:
        for other in edges.get(queue.popleft(), ()):
            if other not in found:
                found.add(other)
                queue.append(other)
    return found
