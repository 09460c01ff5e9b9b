"""Statements of a project around its models: `on-run-start`, `on-run-end`, hooks that write beside their model, operations.

They may write tables that nobody builds, such as audit logs. What a node, a source or the ledger owns goes through the gate alone: such a
statement is refused. Those at the end come after the publish, and nothing that they do, or fail to do, takes it back.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import duckdb

from headgate.declare.context import Names
from headgate.ports.engine import Cursor
from headgate.run.building import current_views
from headgate.run.context import RunContext
from headgate.spec.errors import EngineFailed, HeadgateError
from headgate.spec.events import StepResult
from headgate.spec.names import quote_ident
from headgate.spec.project import Node
from headgate.spec.results import ResultTable
from headgate.spec.templating import TemplateRelation
from headgate.transform.adapter import Adapter, fetched
from headgate.transform.clock import pin, without_terminator
from headgate.transform.context import Reader, Scene, names_for
from headgate.transform.graph import node_of
from headgate.transform.hooks import hooks_of, later, may_write, named, no_meaning, reads_only, written

_DBT_STATUS = {"done": "success", "up_to_date": "success", "blocked": "error", "failed": "error", "skipped": "skipped"}


class Statements:
    """Runs them for one run, each text in a write transaction of its own."""

    def __init__(self, ctx: RunContext) -> None:
        self.ctx = ctx

    def on_run(self, when: str, walked: Sequence[StepResult] = ()) -> tuple[StepResult, ...]:
        """The project's `on-run-start` or `on-run-end`. One at the end that fails is a failed step; at the start it ends the run.

        Raises DeclarationError, EngineFailed at the start.
        """
        texts = self.ctx.project.options.get(f"on-run-{when}") or ()
        names = {**self._schemas(walked), **({"results": self._results(walked)} if when == "end" else {})}
        done = []
        for number, text in enumerate(texts):
            unique_id = f"operation.{self.ctx.project.name}.{self.ctx.project.name}-on-run-{when}-{number}"
            where = f"on-run-{when} {number + 1}"
            done.append(self._step(unique_id, where, partial(_rendered, text), names, fatal=when == "start"))
        return tuple(done)

    def of_nodes(self, walked: Sequence[StepResult]) -> tuple[StepResult, ...]:
        """The hooks of published models that write beside their model, in the order of the steps."""
        done = []
        for result in walked:
            node = self.ctx.project.nodes.get(result.unique_id)
            if node is None or result.status != "done":
                continue
            for when in ("pre", "post"):
                if hooks_of(node, when):
                    where, name = f"{node.name} {when}-hook", f"operation.{node.package}.{node.name}-{when}-hook"
                    step = self._step(name, where, partial(_hooks, node, when), {}, node=node)
                    done += [step] if step.rows or step.status == "failed" else []
        return tuple(done)

    def operation(self, macro: str, arguments: Mapping[str, Any]) -> Any:
        """Call a macro for what it does (dbt's `run-operation`). Returns what it returns. Raises HeadgateError."""
        with self._writing(f"operation {macro}", {}, None) as writing:
            return self.ctx.templates.call_macro(macro, arguments, writing.names)

    def _step(
        self,
        unique_id: str,
        where: str,
        statements: Callable[[Writing], Sequence[str]],
        names: Mapping[str, Any],
        *,
        node: Node | None = None,
        fatal: bool = False,
    ) -> StepResult:
        began = time.perf_counter()
        try:
            with self._writing(where, names, node) as writing:
                for sql in statements(writing):
                    writing.execute(sql)
        except HeadgateError as error:
            if fatal:
                raise
            self.ctx.emit(
                "step.finished", step=unique_id, status="failed", reason=f"{where}: {error}", data={"action": "operation"}
            )
            return StepResult(unique_id, "", "failed", f"{where}: {error}", seconds=time.perf_counter() - began)
        return StepResult(unique_id, "", "done", "", writing.done, time.perf_counter() - began)

    @contextmanager
    def _writing(self, where: str, names: Mapping[str, Any], node: Node | None) -> Any:
        ctx = self.ctx
        workspace = ctx.lake.workspace(f"{ctx.run_id}-statements")
        try:
            with ctx.lake.transaction(["*"], author=ctx.run_id, message=where) as cursor:
                cursor.execute(f"USE {quote_ident(ctx.lake.name)}")
                scene = Scene(
                    ctx.project,
                    ctx.templates,
                    ctx.lake,
                    workspace,
                    cursor,
                    ctx.clock,
                    current_views(ctx),
                    run_id=ctx.run_id,
                    invocation=ctx.called,
                )
                yield Writing(scene, where, names, node)
        except duckdb.Error as error:
            raise EngineFailed(f"{where}: {error}") from error
        finally:
            workspace.discard()

    def _schemas(self, walked: Sequence[StepResult]) -> dict[str, Any]:
        """`schemas` and `database_schemas`: where the models of the run stand."""
        nodes = self.ctx.project.nodes
        found = sorted({nodes[r.unique_id].relation.schema for r in walked if r.unique_id in nodes})
        return {"schemas": found, "database_schemas": [(self.ctx.lake.name, schema) for schema in found]}

    def _results(self, walked: Sequence[StepResult]) -> list[Names]:
        """dbt's `results`: one for each model, seed, snapshot, and one for each test that was weighed."""
        found = []
        for step in walked:
            node = self.ctx.project.nodes.get(step.unique_id)
            if node is None:
                continue
            found.append(
                _result(node_of(node, self.ctx.lake.name), _DBT_STATUS.get(step.status, step.status), step.reason, step.seconds)
            )
            for verdict in step.verdicts:
                check = self.ctx.project.checks.get(verdict.check)
                if check is not None:
                    said = {
                        "unique_id": check.unique_id,
                        "name": check.name,
                        "resource_type": "test",
                        "package_name": check.package,
                    }
                    status = {"pass": "pass", "warn": "warn"}.get(verdict.outcome, "fail")
                    found.append(
                        _result(
                            {**said, "config": dict(check.config)}, status, verdict.message, verdict.seconds, verdict.failures
                        )
                    )
        return found


def _result(node: Mapping[str, Any], status: str, message: str, seconds: float, failures: int | None = None) -> Names:
    said = {"status": status, "message": message, "execution_time": seconds, "failures": failures, "thread_id": "step", "timing": [],
            "adapter_response": {}, "unique_id": node["unique_id"]}  # fmt: skip
    own = Names(**{"to_dict": lambda omit_none=True: dict(node), **node})
    return Names(node=own, to_dict=lambda omit_none=True: {**said, "node": dict(node)}, **said)


def _rendered(text: str, writing: Writing) -> Sequence[str]:
    return [writing.render(text)]


def _hooks(node: Node, when: str, writing: Writing) -> Sequence[str]:
    return writing.hooks(node, when)


class Writing:
    """One open write transaction with the names of templates in it."""

    def __init__(self, scene: Scene, where: str, names: Mapping[str, Any], node: Node | None) -> None:
        self.scene, self.where, self.done = scene, where, 0
        self._own = str(node.relation).lower() if node is not None else ""
        self.names = names_for(scene, node)
        reader = _Reader(scene, node, self)
        asked = ("run_query", "statement", "store_result", "store_raw_result", "load_result")
        adapter = _Adapter(scene.lake, scene.workspace, scene.cursor, scene.templates, self.names, where)
        adapter.writing = self
        self.names |= {**{name: getattr(reader, name) for name in asked}, "adapter": adapter, **names}

    def render(self, text: str, where: str | None = None) -> str:
        """The text with all names."""
        return without_terminator(self.scene.templates.render_text(text, self.names, where=where or self.where))

    def hooks(self, node: Node, when: str) -> list[str]:
        """The statements of a model's hooks that waited for its publishing."""
        return list(later(node, when, self.render, self.scene.project, self.scene.lake.name))

    def execute(self, sql: str) -> Cursor:
        """Run a statement that writes nothing which goes through the gate. Raises DeclarationError for any other."""
        cursor = self.scene.cursor
        if no_meaning(sql):
            return cursor
        if not reads_only(sql):
            targets = written(sql, self.where)
            if self._own and all(named(t) == self._own for t in targets):
                return cursor  # the model's own rows were changed in staging, before the gate
            may_write(targets, self.scene.project, self.where, sql)
        self.done += 1
        cursor.execute(pin(sql, self.scene.clock))
        return cursor


class _Reader(Reader):
    """`run_query` and `statement` may write here."""

    def __init__(self, scene: Scene, node: Node | None, writing: Writing) -> None:
        super().__init__(scene, node)
        self._writing = writing

    def run_query(self, sql: str) -> ResultTable:
        """Run a statement, and return its rows if it has any."""
        text = without_terminator(str(sql))
        return ResultTable((), ()) if no_meaning(text) else fetched(self._writing.execute(text))


class _Adapter(Adapter):
    """`adapter` where writing is allowed: relations that nobody builds may be made and dropped."""

    writing: Writing

    def create_schema(self, relation: TemplateRelation) -> str:
        """Make the schema."""
        self.writing.execute(f"CREATE SCHEMA IF NOT EXISTS {quote_ident(str(relation.schema))}")
        return ""

    def drop_relation(self, relation: TemplateRelation | None) -> str:
        """Drop a table or view that nobody builds."""
        known = self.load_relation(relation)
        if known is not None:
            self.writing.execute(f"DROP {'VIEW' if known.is_view else 'TABLE'} {known}")
        return ""

    def truncate_relation(self, relation: TemplateRelation) -> str:
        """Empty a table that nobody builds."""
        self.writing.execute(f"DELETE FROM {relation}")
        return ""

    def execute(
        self, sql: str, auto_begin: bool = False, fetch: bool = False, limit: int | None = None
    ) -> tuple[str, ResultTable]:
        """dbt's `adapter.execute`."""
        return "", fetched(self.writing.execute(str(sql)))
