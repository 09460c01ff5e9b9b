"""A lake, a folder of files, and one source table over them: what tests of landing and of files share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from headgate.engines.duckdb.lake import DuckLake, open_lake
from headgate.extract.breaker import MemoryBreaker
from headgate.extract.drive import Drive
from headgate.extract.secrets import Secrets
from headgate.land.landing import LoadResult, land, no_checks
from headgate.spec.errors import Location
from headgate.spec.events import Event
from headgate.spec.ids import uuid7
from headgate.spec.names import Column, Relation
from headgate.spec.project import LakeSpec, SourceTable
from headgate.spec.verdicts import GateResult


@dataclass
class Ground:
    """A project's folder with its lake. `put` writes a delivery, `land` lands it, `rows` reads raw."""

    root: Path
    options: dict[str, Any] = field(default_factory=lambda: {"path": "in/*"})
    events: list[Event] = field(default_factory=list)
    opened: DuckLake | None = None

    @property
    def lake(self) -> DuckLake:
        if self.opened is None:
            spec = LakeSpec(f"sqlite:{self.root}/.headgate/catalog.sqlite", f"{self.root}/.headgate/data")
            self.opened = open_lake(spec, str(self.root))
        return self.opened

    def put(self, name: str, content: str | bytes) -> Path:
        path = self.root / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        data = content.encode() if isinstance(content, str) else content
        path.write_bytes(data)
        return path

    def table(self, name: str = "orders", **declared: Any) -> SourceTable:
        options = declared.pop("options", self.options)
        return SourceTable(
            f"source.p.shop.{name}",
            "shop",
            name,
            "p",
            Relation("raw_shop", name),
            Location("sources/shop.yml"),
            declared.pop("connector", "files"),
            options=options,
            **declared,
        )

    def land(
        self,
        *,
        checks: Callable[[str, Sequence[Column]], GateResult] = no_checks,
        load_id: str | None = None,
        fence: Any = None,
        retry_blocked: bool = False,
        full: bool = False,
        **declared: Any,
    ) -> LoadResult:
        table = self.table(**declared)
        run_id, load_id = uuid7(), load_id or uuid7()
        workspace = self.lake.workspace(run_id)
        drive = Drive(table, self.lake, load_id, Secrets(str(self.root)), MemoryBreaker(), project_root=str(self.root), full=full)
        try:
            return land(
                table,
                self.lake,
                workspace,
                drive.attempts,
                run_id=run_id,
                load_id=load_id,
                fence=fence,
                checks=checks,
                on_event=self.events.append,
                retry_blocked=retry_blocked,
            )
        finally:
            workspace.discard()

    def sql(self, query: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        cursor = self.lake.cursor()
        try:
            return cursor.execute(query, list(parameters)).fetchall()
        finally:
            cursor.close()

    def close(self) -> None:
        if self.opened is not None:
            self.opened.close()
            self.opened = None
