"""What moves together or not at all: declared publish groups, facts with the dimensions they infer members of, views with their tables."""

from __future__ import annotations

from collections.abc import Collection

from headgate.spec.project import Project
from headgate.transform.inferred import inferences


def publish_groups(project: Project, pinned: Collection[str] = ()) -> tuple[frozenset[str], ...]:
    """Every group of more than one node, as unique ids. `pinned` are the views that stand pinned: they stay as they are without their tables."""
    groups: dict[str, set[str]] = {name: set(members) for name, members in project.publish_groups.items()}
    for uid, node in project.nodes.items():
        if node.publish_group:
            groups.setdefault(node.publish_group, set()).add(uid)
        if node.config.get("inferred_members"):
            groups[f"inferred members of {uid}"] = {uid, *(i.dimension.unique_id for i in inferences(project, node))}
        if node.materialized == "view" and str(node.relation) not in pinned:
            groups[f"view {uid}"] = {uid, *nearest_tables(project, uid)}
    return tuple(frozenset(g) for g in groups.values() if len(g) > 1)


def nearest_tables(project: Project, view: str) -> set[str]:
    """The tables that a view shows, directly or through other views: it changes when they publish (LAKE.md 13)."""
    found: set[str] = set()
    queue = list(project.nodes[view].depends_on)
    while queue:
        node = project.nodes.get(queue.pop())
        if node is None:
            continue
        if node.materialized in ("view", "ephemeral"):
            queue += node.depends_on
        else:
            found.add(node.unique_id)
    return found
