"""The SQL of nodes as it would be run now: templates are asked with the lake behind them, relations bear their published names."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import duckdb

from headgate.ports.engine import Cursor, Workspace
from headgate.run.building import scene_of
from headgate.run.context import RunContext
from headgate.spec.clock import Clock
from headgate.spec.errors import EngineFailed
from headgate.spec.ids import uuid7
from headgate.spec.project import Node
from headgate.transform.context import names_for, published_sql
from headgate.transform.ephemeral import wrap

if TYPE_CHECKING:
    from headgate.run.session import Session


def compile_nodes(session: Session, unique_ids: Iterable[str]) -> dict[str, str]:
    """The SQL of those of `unique_ids` that have any, by unique id. Nothing is built and no run is recorded.

    Raises DeclarationError, EngineFailed.
    """
    nodes = [session.project.nodes[uid] for uid in unique_ids if uid in session.project.nodes]
    wanted = [node for node in nodes if node.language == "sql"]
    if not wanted:
        return {}
    ctx = RunContext(uuid7(), session.project, session.templates, session.lake, session.state, Clock.start(), session.secrets)
    workspace = ctx.lake.workspace(ctx.run_id)
    cursor = workspace.cursor()
    try:
        return {node.unique_id: _compiled(ctx, workspace, cursor, node) for node in wanted}
    finally:
        cursor.close()
        workspace.discard()


def _compiled(ctx: RunContext, workspace: Workspace, cursor: Cursor, node: Node) -> str:
    scene = scene_of(ctx, workspace, cursor)
    scene.incremental = node.materialized == "incremental" and ctx.lake.columns(node.relation) is not None
    scene.inlined.open.append(node.unique_id)
    try:
        text = ctx.templates.render(node.unique_id, names_for(scene, node))
    except duckdb.Error as error:
        raise EngineFailed(f"{node.location}: {node.name} cannot be compiled: {error}") from error
    return published_sql(wrap(text, scene.inlined.found.values()), scene.read).strip()
