"""A small world to build models in: a real lake, real templates, raw tables that tests fill, and a publisher of thirty lines."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import jinja2
import pytest

from headgate.engines.duckdb.lake import open_lake
from headgate.ports.engine import Lake, Workspace
from headgate.spec.clock import Clock
from headgate.spec.errors import Location
from headgate.spec.names import Relation, quote_ident
from headgate.spec.project import LakeSpec, Node, Project, SourceTable
from headgate.spec.recorded import RecordedDataset
from headgate.spec.staged import APPEND, DELTA, REPLACE, VIEW, Interval, Staged
from headgate.transform.build import build


class TextTemplates:
    """Templates over the nodes' own text: enough for models that need no macros of a project."""

    def __init__(self, nodes: Mapping[str, Node]) -> None:
        self.nodes, self.environment = nodes, jinja2.Environment(extensions=["jinja2.ext.do"])

    def render(self, unique_id: str, runtime: Mapping[str, Any]) -> str:
        return self.environment.from_string(self.nodes[unique_id].raw_code).render(**runtime)

    def render_text(self, text: str, runtime: Mapping[str, Any], *, where: str) -> str:
        return self.environment.from_string(text).render(**runtime)

    def call_macro(self, name: str, arguments: Mapping[str, Any], runtime: Mapping[str, Any]) -> Any:
        raise KeyError(name)

    def has_macro(self, name: str) -> bool:
        return False

    def macro_texts(self) -> tuple[tuple[str, str, str], ...]:
        return ()

    def materialization(self, name: str, strategy: str = "") -> str | None:
        return None


@dataclass
class World:
    """One lake, the nodes declared so far, and what was published of them."""

    root: Path
    lake: Lake
    nodes: dict[str, Node] = field(default_factory=dict)
    sources: dict[str, SourceTable] = field(default_factory=dict)
    recorded: dict[str, RecordedDataset] = field(default_factory=dict)
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    @property
    def project(self) -> Project:
        return Project(
            "shop",
            str(self.root),
            "dev",
            "",
            LakeSpec("", ""),
            "",
            str(len(self.nodes)),
            dict(self.nodes),
            dict(self.sources),
            {},
        )

    def model(self, name: str, code: str, materialized: str = "table", schema: str = "marts", **config: Any) -> Node:
        """Declare a model, seed or snapshot."""
        kind = materialized if materialized in ("seed", "snapshot") else "model"
        language = (
            "csv"
            if kind == "seed"
            else "python"
            if code.lstrip().startswith(("def ", "import ", "from ")) and "def model" in code
            else "sql"
        )
        depends = tuple(uid for uid, other in (*self.nodes.items(), *self.sources.items()) if f"'{other.name}'" in code)
        node = Node(
            f"{kind}.shop.{name}", kind, name, "shop", Relation(schema, name), Location(f"models/{name}.sql"),
            f"models/{name}.sql", language, code, materialized, config, depends,
            canonical_incremental_sql=code, code_fingerprint=str(hash(code)),
            grain=tuple(config.pop("grain", ())),
        )  # fmt: skip
        self.nodes[node.unique_id] = node
        return node

    def source(self, name: str, columns: str, event_time: str | None = None) -> SourceTable:
        """Declare and make a raw table with the raw columns at its end."""
        relation = Relation("raw_shop", name)
        table = SourceTable(
            f"source.shop.shop.{name}", "shop", name, "shop", relation, Location("sources/shop.yml"),
            config={"event_time": event_time} if event_time else {},
        )  # fmt: skip
        self.sources[table.unique_id] = table
        with self.lake.transaction(("*",), author="test", message="raw") as cursor:
            cursor.execute("CREATE SCHEMA IF NOT EXISTS lake.raw_shop")
            cursor.execute(
                f"CREATE TABLE {relation.sql('lake')} ({columns}, _loaded_at TIMESTAMP, _load_id VARCHAR, "
                "_position STRUCT(unit VARCHAR, seq BIGINT))"
            )
        return table

    def deliver(self, name: str, rows: list[tuple[Any, ...]]) -> None:
        """Append one delivery to a raw table."""
        load = next(self.numbers)
        at = datetime(2026, 1, 1) + timedelta(seconds=load)
        with self.lake.transaction(("*",), author="test", message="land") as cursor:
            for seq, row in enumerate(rows, 1):
                marks = ", ".join("?" for _ in row)
                cursor.execute(
                    f"INSERT INTO lake.raw_shop.{name} VALUES ({marks}, ?, ?, {{'unit': ?, 'seq': ?}})",
                    [*row, at, f"load{load:04}", f"file{load:04}", seq],
                )

    def workspace(self) -> Workspace:
        return self.lake.workspace(f"run{next(self.numbers):04}")

    def clock(self) -> Clock:
        return Clock((datetime(2026, 6, 1) + timedelta(hours=next(self.numbers))).isoformat(timespec="microseconds"))

    def stage(self, node: Node, workspace: Workspace, how: str = "incremental", **said: Any) -> Staged:
        """Build a node into an open workspace."""
        said.setdefault("clock", self.clock())
        staged = build(
            how, self.nodes[node.unique_id], self.project, TextTemplates(self.nodes), self.lake, workspace,
            recorded=self.recorded.get(str(node.relation)), **said,
        )  # fmt: skip
        assert staged.counts.balanced, staged.counts
        return staged

    def run(self, node: Node, how: str = "incremental", interval: Interval | None = None, **said: Any) -> Staged:
        """Build and publish one node; the overlay must show what is published."""
        workspace = self.workspace()
        try:
            staged = self.stage(node, workspace, how, interval=interval, **said)
            assert not [v for v in staged.verdicts if v.blocks], staged.verdicts
            expected = self._multiset(f"SELECT * FROM {staged.overlay_sql}", workspace.cursor())
            self.publish(staged)
            assert self._multiset(f"SELECT * FROM {staged.relation.sql('lake')}", workspace.cursor()) == expected
            return staged
        finally:
            workspace.discard()

    def publish(self, staged: Staged) -> None:
        """What publish does with a staged value, without its guards."""
        target = staged.relation.sql("lake")
        names = ", ".join(quote_ident(c.name) for c in staged.columns)
        exists = self.lake.columns(staged.relation) is not None
        with self.lake.transaction(("*",), author="test", message="publish") as cursor:
            cursor.execute(f"CREATE SCHEMA IF NOT EXISTS lake.{quote_ident(staged.relation.schema)}")
            if staged.kind == VIEW:
                cursor.execute(f"CREATE OR REPLACE VIEW {target} AS {staged.view_sql}")
            elif staged.kind == REPLACE or not exists:
                cursor.execute(f"CREATE OR REPLACE TABLE {target} AS SELECT {names} FROM {staged.rows_sql}")
            else:
                for action in staged.alter:
                    cursor.execute(f"ALTER TABLE {target} {action}")
                if staged.kind == DELTA and staged.delete_where is not None:
                    cursor.execute(f"DELETE FROM {target} WHERE {staged.delete_where}")
                elif staged.kind == DELTA and staged.key:
                    key = ", ".join(quote_ident(k) for k in staged.key)
                    cursor.execute(f"DELETE FROM {target} WHERE ({key}) IN (SELECT {key} FROM {staged.rows_sql})")
                assert staged.kind in (DELTA, APPEND)
                cursor.execute(f"INSERT INTO {target} ({names}) SELECT {names} FROM {staged.rows_sql}")
        kind = "view" if staged.kind == VIEW else "table"
        columns = self.lake.columns(staged.relation) or ()
        self.recorded[staged.dataset] = RecordedDataset(
            staged.dataset,
            staged.unique_id,
            kind,
            str(next(self.numbers)),
            columns=columns,
            rows=len(self.rows(f"SELECT 1 FROM {target}")),
            published_at="now",
        )

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """The rows of a query on the lake, sorted."""
        cursor = self.lake.cursor()
        try:
            return sorted(cursor.execute(sql).fetchall(), key=repr)
        finally:
            cursor.close()

    @staticmethod
    def _multiset(sql: str, cursor: Any) -> list[tuple[Any, ...]]:
        return sorted(cursor.execute(sql).fetchall(), key=repr)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A fresh lake for a test."""
    yield from make_world(tmp_path)


def make_world(root: Path) -> Iterator[World]:
    """Open a world in `root` and close it."""
    lake = open_lake(LakeSpec(f"sqlite:{root}/catalog.sqlite", f"{root}/data", options={"threads": 2}), str(root))
    try:
        yield World(root, lake)
    finally:
        lake.close()


@pytest.fixture
def open_world():
    """Opens a world in a folder, for tests that need many."""
    return contextmanager(make_world)
