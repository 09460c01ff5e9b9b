"""A small project and its ledger, in which tests change one thing at a time; publishing is done in memory, by the same rules."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from headgate.plan import make
from headgate.plan.changes import code_of
from headgate.plan.versions import recorded_inputs
from headgate.spec.errors import Location
from headgate.spec.names import Column, Relation
from headgate.spec.project import LakeSpec, Node, PriceBook, Project, SourceTable
from headgate.spec.recorded import DoneInterval, Recorded, RecordedDataset
from headgate.spec.staged import Interval, RowCounts
from headgate.spec.steps import Plan, Step

NOW = "2013-04-10T12:00:00"
HERE = Location("models/m.sql", 1)


@dataclass
class World:
    """Nodes and sources by short name, and what is recorded of them."""

    nodes: dict[str, Node] = field(default_factory=dict)
    sources: dict[str, SourceTable] = field(default_factory=dict)
    datasets: dict[str, RecordedDataset] = field(default_factory=dict)
    snapshot: int = 1
    clock: int = 0
    quotas: dict[str, float] = field(default_factory=dict)
    now: str = NOW

    def source(self, name: str, connector: str | None = "files") -> str:
        uid = f"source.p.s.{name}"
        self.sources[name] = SourceTable(uid, "s", name, "p", Relation("raw_s", name), HERE, connector=connector)
        return uid

    def node(self, name: str, sql: str = "", materialized: str = "table", schema: str = "marts", **config: Any) -> str:
        """Declare (or declare again) a model; `{x}` in the SQL refers to node or source x."""
        kind = "snapshot" if materialized == "snapshot" else "seed" if materialized == "seed" else "model"
        language = config.pop("language", "csv" if kind == "seed" else "sql")
        depends: list[str] = list(config.pop("depends_on", ()))
        rendered = sql
        for other in (*self.nodes.values(), *self.sources.values()):
            if "{" + other.name + "}" in sql:
                depends.append(other.unique_id)
                inner = other.canonical_sql if isinstance(other, Node) and other.materialized == "ephemeral" else ""
                text = f"({inner})" if inner else other.relation.sql("lake")
                rendered = rendered.replace("{" + other.name + "}", text)
        code = hashlib.sha256(repr((rendered, materialized, sorted(config.items()))).encode()).hexdigest()[:12]
        self.nodes[name] = Node(
            unique_id=f"{kind}.p.{name}",
            resource_type=kind,
            name=name,
            package="p",
            relation=Relation(schema, name),
            location=HERE,
            path=f"models/{name}.sql",
            language=language,
            raw_code=sql,
            materialized=materialized,
            config=config,
            depends_on=tuple(depends),
            canonical_sql=rendered if language == "sql" else "",
            canonical_incremental_sql=rendered if language == "sql" else "",
            code_fingerprint=code,
        )
        return f"{kind}.p.{name}"

    @property
    def project(self) -> Project:
        return Project(
            "shop",
            "/p",
            "dev",
            "",
            LakeSpec("sqlite:/p/c.sqlite", "/p/data"),
            "sqlite:////p/state.db",
            "digest",
            nodes={n.unique_id: n for n in self.nodes.values()},
            sources={s.unique_id: s for s in self.sources.values()},
            checks={},
            prices=PriceBook(cpu_hour=3.6, tb_written=1.0),
            quotas=self.quotas,
        )

    @property
    def recorded(self) -> Recorded:
        return Recorded(self.snapshot, dict(self.datasets))

    def plan(self, **asked: Any) -> Plan:
        asked.setdefault("land", ())
        return make(self.project, self.recorded, now=asked.pop("now", self.now), **asked)

    def step(self, name: str, **asked: Any) -> Step:
        return self.of(self.plan(**asked), name)

    def of(self, plan: Plan, name: str) -> Step:
        uid = (self.nodes.get(name) or self.sources[name]).unique_id
        return next(s for s in plan.steps if s.unique_id == uid)

    def _tick(self) -> tuple[str, str]:
        self.clock += 1
        self.snapshot += 1
        return f"v{self.clock:04d}", f"2013-04-10T00:{self.clock // 60:02d}:{self.clock % 60:02d}.000000"

    def load(self, name: str, columns: str = "id INTEGER, a INTEGER, b INTEGER, at DATE") -> None:
        """Record a load of a source."""
        version, at = self._tick()
        source = self.sources[name]
        self.datasets[str(source.relation)] = RecordedDataset(
            str(source.relation),
            source.unique_id,
            "raw",
            version,
            columns=_columns(columns),
            rows=10,
            published_at=at,
            run_id=version,
        )

    def publish(self, plan: Plan, columns: dict[str, str] | None = None, rows: int = 10, together: bool = False) -> None:
        """Publish the build steps of a plan one after the other, as runs of their own or `together`."""
        project, before = self.project, self.recorded
        inputs = {s.unique_id: recorded_inputs(project, before, s, plan) for s in plan.todo if s.action == "build"}
        run_id = f"run{self.clock}" if together else ""
        for step in plan.todo:
            node = next((n for n in self.nodes.values() if n.unique_id == step.unique_id), None)
            if node is None or step.action != "build":
                continue
            version, at = self._tick()
            old = self.datasets.get(step.dataset)
            read = {d: (self.datasets[d].version or "") if d in self.datasets and self._fresh(d, before) else v
                    for d, v in inputs[step.unique_id].items()}  # fmt: skip
            done = {d.interval.start: d for d in (old.intervals if old and step.build == "intervals" else ())}
            for interval in step.intervals:
                done[interval.start] = DoneInterval(interval, node.code_fingerprint, read, version, at, rows, 0.5)
            kind = "view" if step.build == "view" else "table"
            told = _columns((columns or {}).get(node.name, "")) or (old.columns if old else ())
            self.datasets[step.dataset] = RecordedDataset(
                step.dataset, node.unique_id, kind, version, node.code_fingerprint, code_of(node),
                told, read, rows, RowCounts(rows, rows), at, run_id or version, 2.0, 1.0, 1000, tuple(done.values()),
                materialized=node.materialized,
            )  # fmt: skip

    def _fresh(self, dataset: str, before: Recorded) -> bool:
        old = before.datasets.get(dataset)
        return old is None or old.version != self.datasets[dataset].version

    def settle(self, **asked: Any) -> None:
        """Publish everything there is to do."""
        self.publish(self.plan(**asked))

    def done(self, name: str, start: str, end: str, at: str, rows: int = 10, code: str | None = None) -> None:
        """Record an interval of a model as done."""
        node = self.nodes[name]
        entry = self.datasets[str(node.relation)]
        version, _ = self._tick()
        one = DoneInterval(Interval(start, end), code or node.code_fingerprint, entry.inputs, version, at, rows, 0.5)
        self.datasets[str(node.relation)] = replace(entry, intervals=(*entry.intervals, one))

    def change(self, name: str, **fields: Any) -> None:
        """Change what is recorded of a node or source."""
        dataset = str((self.nodes.get(name) or self.sources[name]).relation)
        self.datasets[dataset] = replace(self.datasets[dataset], **fields)


def _columns(text: str) -> tuple[Column, ...]:
    return tuple(Column(*part.strip().split(" ", 1)) for part in text.split(",") if part.strip())


@pytest.fixture(scope="session")
def new_world() -> type[World]:
    """Makes empty worlds."""
    return World


@pytest.fixture
def world() -> World:
    """An empty world."""
    return World()


@pytest.fixture
def shop(world: World) -> World:
    """raw_s.t → view stg → table fct → table mart, everything built."""
    world.source("t")
    world.load("t")
    world.node("stg", "select id, a, b, at from {t}", "view", "staging")
    world.node("fct", "select id, a + 1 as a1, b from {stg}")
    world.node("mart", "select a1, count(*) as n from {fct} group by 1")
    columns = {
        "stg": "id INTEGER, a INTEGER, b INTEGER, at DATE",
        "fct": "id INTEGER, a1 INTEGER, b INTEGER",
        "mart": "a1 INTEGER, n BIGINT",
    }
    world.publish(world.plan(), columns)
    return world
