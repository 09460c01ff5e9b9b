"""Bring staged work and landed rows before the gate: which checks, on what, with which names."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from headgate.gate.weigh import Subject, Tools, fingerprint, weigh
from headgate.lineage.graph import Graph
from headgate.ports.engine import Cursor, Workspace
from headgate.run.context import RunContext
from headgate.run.holding import dependency_graph
from headgate.spec.names import Column
from headgate.spec.project import CheckSpec, Node, Project, SourceTable
from headgate.spec.recorded import RecordedDataset
from headgate.spec.staged import DELTA, VIEW, Staged
from headgate.spec.verdicts import GateResult, Verdict

Current = Callable[[str], str | None]

CHECK_PREFIX = "check:"
"""Key prefix under which a publication's inputs name the checks that it passed, with their fingerprints."""


def checks_of(project: Project, unique_id: str) -> tuple[CheckSpec, ...]:
    """The checks attached to a node or source table."""
    every = (*project.checks.values(), *project.contract_checks.values())
    return tuple(c for c in every if c.attached_to == unique_id)


def joint_checks(project: Project) -> tuple[CheckSpec, ...]:
    """Checks over several tables which no order of building brings together: they are weighed when all that a run builds is staged.

    Singular tests of several tables, and tests of one table that name another which it is not built from (`relationships` to a dimension
    that the fact does not read).
    """
    graph = dependency_graph(project)
    return tuple(c for c in project.checks.values() if c.attached_to is None or _names_another(c, project, graph))


def _names_another(check: CheckSpec, project: Project, graph: Graph) -> bool:
    attached = check.attached_to or ""
    others = {d for d in check.depends_on if d in project.nodes and d != attached}
    return bool(others) and attached in project.nodes and not others <= set(graph.ancestors(attached))


def proven(recorded: RecordedDataset | None) -> frozenset[str]:
    """Fingerprints of the checks that the published table has passed."""
    if recorded is None:
        return frozenset()
    return frozenset(v for k, v in recorded.inputs.items() if k.startswith(CHECK_PREFIX))


def with_proof(staged: Staged, checks: Sequence[CheckSpec], verdicts: Sequence[Verdict]) -> Staged:
    """`staged` with the checks that it passed noted among its inputs, so that the next delta need not prove the whole table
    again."""
    passed = {v.check for v in verdicts if v.outcome == "pass"}
    notes = {f"{CHECK_PREFIX}{c.unique_id}": fingerprint(c) for c in checks if c.unique_id in passed}
    return replace(staged, inputs={**staged.inputs, **notes})


def weigh_node(
    ctx: RunContext,
    workspace: Workspace,
    node: Node,
    staged: Sequence[Staged],
    recorded: RecordedDataset | None,
    tools: Callable[[], Tools],
    joint: Collection[str] = (),
) -> GateResult:
    """The gate on a node's staged work (all its intervals together), but for the checks whose ids are in `joint`."""
    checks = tuple(c for c in checks_of(ctx.project, node.unique_id) if c.unique_id not in joint)
    last = staged[-1]
    if not checks:
        return GateResult(last.dataset)
    whole = last.overlay_sql or workspace.resolve(node.relation)
    partial = last.kind not in (VIEW,) and all(s.kind == DELTA for s in staged)
    rows = rows_of(staged) or whole
    subject = Subject(
        dataset=last.dataset,
        columns=last.columns,
        rows_sql=rows if partial else whole,
        overlay_sql=whole,
        partial=partial,
        key=node.unique_key,
        proven=proven(recorded),
        masked=_masked(node.columns),
    )
    return weigh(subject, checks, tools())


def rows_of(staged: Sequence[Staged]) -> str:
    """The staged rows of all intervals of a node as one relation."""
    filled = [s.rows_sql for s in staged if s.rows_sql]
    return (
        filled[0]
        if len(filled) == 1
        else f"({' UNION ALL BY NAME '.join(f'SELECT * FROM {r}' for r in filled)})"
        if filled
        else ""
    )


def weigh_joint(ctx: RunContext, workspace: Workspace, check: CheckSpec, staged: Sequence[Staged], tools: Tools) -> GateResult:
    """The gate's word on a check over several tables. `staged` is what this run has staged of the table that it is attached to."""
    node = ctx.project.nodes.get(check.attached_to or "")
    if node is None:
        datasets = ", ".join(d.split(".")[-1] for d in check.depends_on) or check.name
        return weigh(Subject(datasets, (), "", ""), (check,), tools)
    whole = (staged[-1].overlay_sql if staged else "") or workspace.resolve(node.relation)
    columns = staged[-1].columns if staged else ctx.lake.columns(node.relation) or ()
    subject = Subject(str(node.relation), columns, whole, whole, key=node.unique_key, masked=_masked(node.columns))
    return weigh(subject, (check,), tools)


def landing_gate(
    project: Project, table: SourceTable, tools: Callable[[], Tools], kept: Callable[[Sequence[Verdict]], None]
) -> Callable[[str, Sequence[Column]], GateResult]:
    """What `land` calls with the staged rows of a load. `kept` is given the verdicts while the rows stand."""
    checks = tuple(c for c in checks_of(project, table.unique_id) if c.kind != "singular")

    def gate(rows_sql: str, columns: Sequence[Column]) -> GateResult:
        subject = Subject(str(table.relation), tuple(columns), rows_sql, rows_sql, masked=_masked(table.columns))
        if not checks:
            return GateResult(str(table.relation))
        result = weigh(subject, checks, tools())
        kept(result.verdicts)
        return result

    return gate


def _masked(columns: Mapping[str, Any]) -> frozenset[str]:
    return frozenset(name for name, column in columns.items() if column.classification)


def tools_for(ctx: RunContext, workspace: Workspace, cursor: Cursor, runtime: Mapping[str, Any], current: Current) -> Tools:
    """The gate's tools with `runtime` names. `current` says which other relation stands for a source, if one does."""

    def resolve(text: str) -> str:
        item = ctx.project.nodes.get(text) or ctx.project.sources.get(text)
        if item is None:
            return ctx.templates.render_text(text, runtime, where="a check's argument")
        return current(text) or workspace.resolve(item.relation)

    return Tools(cursor, ctx.templates, runtime, resolve, ctx.lake.name)
