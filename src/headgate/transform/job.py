"""One build of one node: everything its materialisation needs, in one frozen value."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from headgate.ports.engine import Cursor, Lake, Workspace
from headgate.spec.clock import Clock
from headgate.spec.errors import DeclarationError
from headgate.spec.names import Column, Relation, quote_literal
from headgate.spec.project import Node, Project
from headgate.spec.recorded import RecordedDataset
from headgate.spec.staged import REPLACE, Interval, Staged
from headgate.transform.query import content, names


@dataclass(frozen=True, slots=True)
class Result:
    """What a staged query gave: its columns, how many rows, the SQL relation that holds them, and its Parquet files."""

    columns: tuple[Column, ...]
    rows: int
    sql: str
    files: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """The columns' names."""
        return names(self.columns)


@dataclass(frozen=True, slots=True)
class Job:
    """A node, the surroundings it is built in, and what is known of its target.

    `target` holds the columns of the table that stands (in the lake, or as an earlier interval of this run has left it),
    `target_sql` the relation to read it by; both are None when the node is built anew. `sql` is the compiled query.
    """

    node: Node
    project: Project
    lake: Lake
    workspace: Workspace
    cursor: Cursor
    clock: Clock
    interval: Interval | None = None
    base_version: str | None = None
    recorded: RecordedDataset | None = None
    inputs: Mapping[str, str] = field(default_factory=dict)
    target: tuple[Column, ...] | None = None
    target_sql: str | None = None
    sql: str = ""
    rows_expected: int | None = None
    began: tuple[float, float] = (0.0, 0.0)  # wall and CPU clock at the start

    @property
    def suffix(self) -> str:
        """What tells this interval's private relations from those of others."""
        return "" if self.interval is None else "__" + "".join(c for c in self.interval.start if c.isalnum())

    def private(self, purpose: str) -> Relation:
        """A staged relation of this build alone, beside the node's own."""
        return Relation(self.node.relation.schema, f"{self.node.relation.name}__hg_{purpose}{self.suffix}")

    def stage(self, purpose: str, sql: str, *, rows_expected: int | None = None) -> Result:
        """Stage `sql`: under the node's own name if `purpose` is empty, else privately. Raises EngineFailed."""
        own_name = not purpose and self.interval is None  # later intervals build on this one: it needs a name of its own
        relation = self.node.relation if own_name else self.private(purpose or "rows")
        expected = self._expected if rows_expected is None else rows_expected
        result = Result(*self.workspace.stage_query(relation, sql, rows_expected=expected, cursor=self.cursor))
        if not purpose and not own_name:
            self.workspace.alias(self.node.relation, result.sql, cursor=self.cursor)
        return result

    @property
    def _expected(self) -> int | None:
        """How many rows the query may give: for a delta as many as the last one, else as many as its inputs hold."""
        if self.target is not None and self.recorded is not None and self.recorded.counts.rows_in:
            return self.recorded.counts.rows_in
        return self.rows_expected

    def scratch(self, purpose: str) -> str:
        """A quoted name for a private table of this build."""
        return self.workspace.scratch(f"{self.node.relation.schema}__{self.node.relation.name}__{purpose}{self.suffix}")

    def one(self, sql: str) -> tuple[Any, ...]:
        """The single row that `sql` gives."""
        row = self.cursor.execute(sql).fetchone()
        return tuple(row) if row is not None else ()

    def run(self, sql: str) -> None:
        """Run a statement for its effect in staging."""
        self.cursor.execute(sql)

    def content(self, columns: tuple[str, ...]) -> tuple[str, ...]:
        """`columns` without the project's audit columns."""
        return content(columns, self.project.audit_columns)

    def mistake(self, what: str, *, expected: str = "", todo: str = "", code: str = "HG-T000") -> DeclarationError:
        """A DeclarationError that names the node and its file."""
        node = self.node
        return DeclarationError(f"{node.location}: {node.name}: {what}", expected=expected, todo=todo, code=code)

    def staged(self, kind: str, **said: Any) -> Staged:
        """The staged value of this build: `said` over what every build of the node says."""
        node = self.node
        value = Staged(
            dataset=str(node.relation),
            unique_id=node.unique_id,
            relation=node.relation,
            kind=kind,
            base_version=self.base_version,
            inputs=dict(self.inputs),
            code_fingerprint=node.code_fingerprint,
            interval=self.interval,
            partition_by=texts(node.config.get("partition_by")),
            sort_by=texts(node.config.get("sort_by")),
            comment=node.description,
            publish_group=node.publish_group,
            seconds=time.perf_counter() - self.began[0],
            cpu_seconds=time.thread_time() - self.began[1],
            bytes=sum(Path(path).stat().st_size for path in said.get("files", ()) if "://" not in path),
            **said,
        )
        if kind == REPLACE and not value.overlay_sql:
            value = replace(value, overlay_sql=value.rows_sql)
        return replace(value, staged_hash=staged_hash(value, self.workspace.run_id))


def staged_hash(staged: Staged, run_id: str) -> str:
    """What names this piece of staged work: equal for the same rows staged by the same run, whatever the moment."""
    said = [
        run_id, staged.dataset, staged.kind, str(staged.interval), staged.rows_sql, staged.view_sql, staged.files,
        staged.delete_where,
        [(c.name, c.type) for c in staged.columns], staged.base_version, dict(staged.inputs), staged.code_fingerprint,
        [getattr(staged.counts, f) for f in staged.counts.__dataclass_fields__],
    ]  # fmt: skip
    return hashlib.blake2b(json.dumps(said, sort_keys=True, default=str).encode(), digest_size=16).hexdigest()


def texts(value: Any) -> tuple[str, ...]:
    """A config value that may be absent, one text or a list, as a tuple of texts."""
    if value is None or value == "":
        return ()
    return (value,) if isinstance(value, str) else tuple(str(v) for v in value)


def day_or_moment(iso: str) -> str:
    """An interval's bound as an SQL literal: a DATE at midnight (it compares with dates and timestamps), else a TIMESTAMP."""
    day, _, time_of_day = iso.partition("T")
    if not time_of_day.strip("0:.") and len(day) == 10:
        return f"DATE {quote_literal(day)}"
    return f"TIMESTAMP {quote_literal(iso.replace('T', ' '))}"
