"""The order of steps where it is not what they read that decides: a fact comes after the dimensions that it infers members of.

A fact need not read its dimension, and yet its missing members are known only when both are staged. Whatever else reads the dimension
comes after the fact, so that it sees the inferred members too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from headgate.spec.project import Project
from headgate.spec.steps import Step
from headgate.transform.inferred import inferences


def after_dimensions(project: Project, todo: Sequence[Step]) -> list[Step]:
    """`todo` with facts after their dimensions, and the dimensions' other readers after the facts; the order of the list stays."""
    facts: dict[str, set[str]] = {}  # dimension -> the facts that infer members of it
    for step in todo:
        node = project.nodes[step.unique_id]
        if node.config.get("inferred_members"):
            for inference in inferences(project, node):
                facts.setdefault(inference.dimension.unique_id, set()).add(node.unique_id)
    if not facts:
        return list(todo)
    before = {s.unique_id: dict.fromkeys(s.depends_on) for s in todo}
    for dimension, inferring in facts.items():
        if dimension in before:
            for fact in sorted(inferring):
                _wait(before, fact, dimension)
    for dimension, inferring in facts.items():
        for reader in sorted(_readers(project, todo, dimension) - inferring):
            for fact in sorted(inferring):
                _wait(before, reader, fact)
    return [replace(s, depends_on=tuple(before[s.unique_id])) for s in todo]


def _readers(project: Project, todo: Sequence[Step], dataset: str) -> set[str]:
    return {s.unique_id for s in todo if dataset in s.depends_on or dataset in project.nodes[s.unique_id].depends_on}


def _wait(before: Mapping[str, dict[str, None]], one: str, other: str) -> None:
    """Let `one` wait for `other`, unless that waits for `one` already."""
    queue, seen = [other], {other}
    while queue:
        for parent in before.get(queue.pop(), ()):
            if parent not in seen:
                seen.add(parent)
                queue.append(parent)
    if one not in seen:
        before[one][other] = None
