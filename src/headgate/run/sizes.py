"""How much a step reads, as far as it is known before it runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from headgate.ports.engine import MANY_TABLES, SMALL_TABLE_ROWS
from headgate.spec.project import Node, Project
from headgate.spec.recorded import Recorded
from headgate.spec.steps import Step


def rows_read(project: Project, node: Node, recorded: Recorded, external: Mapping[str, int]) -> dict[str, int | None]:
    """Rows of each dataset that `node` reads; None for one that nobody has counted. `external` has the tables that others fill."""
    found: dict[str, int | None] = {}
    for parent in node.depends_on:
        relation = project.nodes[parent].relation if parent in project.nodes else None
        relation = project.sources[parent].relation if parent in project.sources else relation
        if relation is not None:
            known = recorded.datasets.get(str(relation))
            found[str(relation)] = known.rows if known is not None else external.get(str(relation))
    return found


def all_small(steps: Sequence[Step], project: Project, recorded: Recorded, external: Mapping[str, int]) -> bool:
    """Whether these are many steps and none is known, or able, to read more than the engine gives to one thread.

    What the steps themselves make is taken to be as small as what they start from. A step that reads no dataset, or one that nobody has
    counted, may be of any size.
    """
    if len(steps) < MANY_TABLES:
        return False
    made = {s.dataset for s in steps}
    for step in steps:
        node = project.nodes[step.unique_id]
        read = rows_read(project, node, recorded, external)
        own = recorded.datasets.get(step.dataset)
        if (
            node.language == "python"
            or not (read or node.materialized == "seed")
            or (own is not None and own.rows > SMALL_TABLE_ROWS)
        ):
            return False
        if any(rows > SMALL_TABLE_ROWS if rows is not None else dataset not in made for dataset, rows in read.items()):
            return False
    return True
