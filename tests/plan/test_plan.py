"""The plan as a value: equal for equal inputs, exact through JSON, priced, and quick when nothing changed."""

from __future__ import annotations

import random
import time
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from headgate.plan import make, plan_from_json, plan_to_json
from headgate.plan.estimate import estimate
from headgate.spec.project import PriceBook
from headgate.spec.recorded import RecordedDataset
from headgate.spec.staged import RowCounts
from headgate.spec.steps import Estimate


def test_equal_inputs_give_equal_plans(shop: Any) -> None:
    shop.load("t")
    shop.node("fct", "select id, a + 1 as a1, b * 2 as b, at from {stg}")
    assert shop.plan(land=None) == shop.plan(land=None)


def test_json_round_trip(shop: Any) -> None:
    shop.node("inc", "select id, at from {stg}", "incremental", event_time="at", begin="2013-01-01", batch_size="month")
    shop.node("fct", "select id, a + 1 as a1, b * 2 as b, at from {stg}")
    for plan in (shop.plan(), shop.plan(land=None), shop.plan(full_refresh=True)):
        assert plan_from_json(plan_to_json(plan)) == plan


def test_estimates_come_from_history() -> None:
    prices = PriceBook(cpu_hour=3600.0, tb_written=1e6)
    assert estimate(None, "full", 0, prices) == Estimate()
    entry = RecordedDataset(
        "m.x", "model.p.x", "table", "v", rows=1000, counts=RowCounts(100, 100), seconds=2.0, cpu_seconds=1.0, bytes=500,
        materialized="incremental",
    )  # fmt: skip
    assert estimate(entry, "incremental", 0, prices) == Estimate(100, 500, 2.0, 1.0005)
    assert estimate(entry, "full", 0, prices) == Estimate(1000, 5000, 20.0, 10.005)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_any_history_of_runs_settles_and_misses_nothing(new_world: Any, seed: int) -> None:
    """Random graphs, edits, loads and partial runs: a full run settles; every table then has read the newest of what it reads."""
    rng = random.Random(seed)
    world = new_world()
    content: dict[str, Any] = {}  # what each table would hold: a digest of its code and inputs, as an engine would compute it
    names: list[str] = []
    for i in range(2):
        world.source(f"s{i}")
        world.load(f"s{i}", "c0 INTEGER, c1 INTEGER, c2 INTEGER")
        content[f"s{i}"] = {c: (f"s{i}", c, 0) for c in ("c0", "c1", "c2")}
        names.append(f"s{i}")
    models: list[str] = []

    def declare(name: str) -> None:
        parent = rng.choice(names[: names.index(name)] if name in names else names)
        columns = [f"c{n} + {rng.randint(0, 2)} as c{n}" for n in range(3)]
        world.node(name, f"select {', '.join(columns)} from {{{parent}}}", rng.choice(["view", "table"]))
        if name not in names:
            names.append(name)
            models.append(name)

    for i in range(5):
        declare(f"m{i}")
    columns = dict.fromkeys(models, "c0 INTEGER, c1 INTEGER, c2 INTEGER")
    truth = _Truth(world, content)
    for _ in range(6):
        what = rng.random()
        if what < 0.35:
            source = rng.choice(("s0", "s1"))
            world.load(source, "c0 INTEGER, c1 INTEGER, c2 INTEGER")
            truth.loaded(source)
        elif what < 0.75:
            declare(rng.choice(models))
        chosen = None if rng.random() < 0.5 else [world.nodes[m].unique_id for m in rng.sample(models, 2)]
        plan = world.plan(selected=chosen)
        world.publish(plan, columns)
        truth.published(plan)
        # An edited view that was not selected still reads what it read before: the next plan sees that, not this one.
        for model in () if truth.edited() else models:
            if (chosen is None or world.nodes[model].unique_id in chosen) and world.of(plan, model).status != "skipped":
                assert truth.shown(model) == truth.again(model), f"{model} does not hold what it reads"
    plan = world.plan()
    world.publish(plan, columns)
    truth.published(plan)
    assert world.plan().todo == ()
    for model in models:
        assert truth.shown(model) == truth.wanted(model), f"{model} is out of date"


class _Truth:
    """What tables hold, computed by brute force: per column, the chain of expressions and loads that made it."""

    def __init__(self, world: Any, sources: dict[str, Any]) -> None:
        self.world, self.held = world, dict(sources)
        self.code: dict[str, tuple[str, str]] = {}  # published SQL and kind

    def loaded(self, source: str) -> None:
        self.held[source] = {c: (source, c, value[2] + 1) for c, value in self.held[source].items()}

    def published(self, plan: Any) -> None:
        for step in plan.todo:
            node = next(n for n in self.world.nodes.values() if n.unique_id == step.unique_id)
            self.code[node.name] = (node.raw_code, node.materialized)
            if node.materialized != "view":
                self.held[node.name] = self._run(node.raw_code, self.shown)

    def shown(self, name: str) -> Any:
        """What a reader sees: a table's rows as built, a view's as of now."""
        sql, kind = self.code.get(name, ("", ""))
        return self._run(sql, self.shown) if kind == "view" else self.held[name]

    def edited(self) -> bool:
        """Whether some published view has other code by now."""
        nodes = self.world.nodes
        return any(
            kind == "view" and (nodes[m].raw_code, nodes[m].materialized) != (sql, kind) for m, (sql, kind) in self.code.items()
        )

    def again(self, name: str) -> Any:
        """What building it now, alone, would give."""
        return self._run(self.world.nodes[name].raw_code, self.shown)

    def wanted(self, name: str) -> Any:
        """What would be there if everything were built now."""
        node = self.world.nodes.get(name)
        return self._run(node.raw_code, self.wanted) if node is not None else self.held[name]

    @staticmethod
    def _run(sql: str, read: Any) -> Any:
        columns, _, parent = sql.removeprefix("select ").partition(" from ")
        rows = read(parent.strip("{}"))
        return {c.split(" as ")[1]: (c.split(" as ")[0], rows[c.split(" ")[0]]) for c in columns.split(", ")}


def test_nothing_changed_over_500_models_is_quick(world: Any) -> None:
    for i in range(20):
        world.source(f"s{i}")
        world.load(f"s{i}")
    for i in range(500):
        parents = [f"s{i % 20}"] if i < 100 else [f"m{(i * 7) % i}", f"m{(i * 3) % i}"]
        sql = f"select a.id, a.a from {{{parents[0]}}} a" + "".join(f" join {{{p}}} b using (id)" for p in parents[1:])
        kind = ("view", "table", "incremental")[i % 3]
        world.node(f"m{i}", sql + " where a.note <> 'nothing of interest here'" * 5, kind)
    world.settle()
    project, recorded = world.project, world.recorded
    best = 1.0
    for _ in range(7):
        began = time.perf_counter()
        plan = make(project, recorded, now=world.now, land=())
        best = min(best, time.perf_counter() - began)
    assert plan.todo == ()
    print(f"plan over 500 models, nothing changed: {best * 1000:.1f} ms")
    assert best < 0.1  # 20 ms on a quiet machine; the margin is for a loaded one
