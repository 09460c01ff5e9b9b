"""A lake for a test on either catalog, and staged values made from plain SQL."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from headgate.engines.duckdb.lake import DuckLake, open_lake
from headgate.ports.engine import Workspace
from headgate.publish.publish import Bundle, PublishResult, publish
from headgate.spec.names import Relation
from headgate.spec.project import LakeSpec
from headgate.spec.staged import REPLACE, RowCounts, Staged


@dataclass
class Bench:
    """An open lake, where it is, and short words for staging and publishing."""

    root: Path
    catalog: str
    opened: list[DuckLake] = field(default_factory=list)

    def spec(self) -> LakeSpec:
        return LakeSpec(self.catalog, str(self.root / "data"), options={"threads": 2})

    def open(self, **said: Any) -> DuckLake:
        """A further opening of the lake, closed with the test."""
        lake = open_lake(self.spec(), str(self.root), **said)
        self.opened.append(lake)
        return lake

    @property
    def lake(self) -> DuckLake:
        return self.opened[0] if self.opened else self.open()

    def close(self) -> None:
        for lake in self.opened:
            lake.close()

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        cursor = self.lake.cursor()
        try:
            return cursor.execute(sql).fetchall()
        finally:
            cursor.close()

    def version(self, dataset: str) -> str | None:
        found = self.lake.recorded().datasets.get(dataset)
        return found.version if found else None


def staged(workspace: Workspace, dataset: str, sql: str, *, kind: str = REPLACE, parquet: bool = False, **said: Any) -> Staged:
    """Stage `sql` for `dataset`; `base_version` and the rest as said."""
    relation = Relation.parse(dataset)
    columns, rows, rows_sql, files = workspace.stage_query(relation, sql, rows_expected=10_000_000 if parquet else None)
    said.setdefault("counts", RowCounts(rows_in=rows, rows_out=rows))
    said.setdefault("code_fingerprint", dataset)
    return Staged(
        dataset, f"model.t.{relation.name}", relation, kind, said.pop("columns", columns), rows_sql, rows_sql, files=files, **said
    )


def put(lake: DuckLake, run_id: str, *values: Staged, attempt: int = 1, fence: tuple[str, int] = ("dev", 1)) -> PublishResult:
    """Publish `values` together."""
    return publish(lake, Bundle(values, run_id, attempt, fence, reason="test"))


def build(
    bench: Bench, run_id: str, dataset: str, sql: str, *, fence: tuple[str, int] = ("dev", 1), **said: Any
) -> PublishResult:
    """Stage and publish one dataset on top of what stands."""
    workspace = bench.lake.workspace(run_id)
    try:
        said.setdefault("base_version", bench.version(dataset))
        return put(bench.lake, run_id, staged(workspace, dataset, sql, **said), fence=fence)
    finally:
        workspace.discard()
