"""Every strategy, history and snapshot through the real product: any order of deliveries, late rows, duplicates and reruns give what the
oracle gives."""

from __future__ import annotations

import os
import random
from pathlib import Path
from typing import Any

import pytest

from books import Audit
from headgate.run.session import Session
from shop_oracle import QUERIES, Oracle, ordered
from shop_world import FAMILIES, MODELS, Event, Member, Shop

HISTORIES = int(os.environ.get("HEADGATE_HISTORIES", "1"))
STEPS = 2 if HISTORIES == 1 else 4


# Of histories and snapshots the ledger counts versions, not rows of the query; a view has no rows.
TOGETHER = ("mart", "shown", "by_batch_of_merged")  # they read others of the models
AUDITED = {name: sql for name, (_, sql) in MODELS.items() if name not in ("type_2", "dim_versions", "shown")}


class History:
    """A random history of one shop, checked after every run."""

    def __init__(self, shop: Shop, family: str, rnd: random.Random) -> None:
        self.shop, self.rnd, self.oracle = shop, rnd, Oracle(shop)
        self.models = [m for m in FAMILIES[family] if m in QUERIES]
        self.snapshots = family == "members"

    def event(self) -> Event:
        r = self.rnd
        return Event(r.randint(1, 5), r.choice((1, 2, 3, 4, None)), r.randint(0, 3), r.randint(0, 8), r.randint(0, 2))

    def deliver(self) -> None:
        """Some events, a part of them again; now and then members and another state."""
        r = self.rnd
        events = [self.event() for _ in range(r.randint(1, 5))]
        events += r.choices(events + [e for load in self.shop.loads for e in load], k=r.randint(0, 2))
        members = [Member(r.randint(1, 4), r.choice("abc"), r.randint(0, 5)) for _ in range(r.choice((0, 0, 1, 2)))]
        state = {k: (r.randint(0, 1), r.randint(0, 6)) for k in (1, 2, 3) if r.random() < 0.6} if r.random() < 0.7 else None
        self.shop.deliver(events, members, state or None)

    def run(self, session: Session, some: tuple[str, ...] = ()) -> None:
        """Run everything (or some models), and look at every table."""
        result = session.run(some)
        assert result.status == "done", [(s.dataset, s.status, s.reason) for s in result.steps if s.status != "done"]
        self.oracle.built(some or self.models)
        if self.snapshots:
            self.oracle.snapshotted([r["moment"] for r in session.query("select moment from main.runs order by 1").to_pylist()])
        self.check(session)

    def check(self, session: Session) -> None:
        wrong = {}
        for name in (n for n in QUERIES if f"main.{n}" in session.lake.relations()):
            found = ordered([r.values() for r in session.query(f"select {QUERIES[name]} from main.{name}").to_pylist()])
            if found != self.oracle.expected(name):
                wrong[name] = (found, self.oracle.expected(name))
        assert not wrong, "\n".join(
            f"{name} holds\n  {found}, expected\n  {expected}" for name, (found, expected) in wrong.items()
        )

    def step(self, session: Session) -> None:
        """Deliver, or only land what was delivered, or run some models or all; then perhaps once more."""
        r = self.rnd
        self.deliver()
        while r.random() < 0.3:
            session.land()
            self.deliver()
        if r.random() < 0.3 and not self.snapshots:
            self.run(session, tuple(r.sample([m for m in self.models if m not in TOGETHER], 2)))
        self.run(session)
        if r.random() < 0.4:
            before = everything(session)
            again = session.run()
            assert again.nothing_to_do, [(s.dataset, s.status, s.reason) for s in again.steps]
            assert everything(session) == before


def everything(session: Session) -> dict[str, list[Any]]:
    """All tables with all of their columns."""
    names = [n for n, kind in session.lake.relations().items() if n.startswith("main.") and kind == "table"]
    return {n: ordered([r.values() for r in session.query(f"select * from {n}").to_pylist()]) for n in names}


@pytest.mark.parametrize("seed", range(HISTORIES))
@pytest.mark.parametrize("family", FAMILIES)
def test_any_history_gives_what_the_oracle_gives(tmp_path: Path, family: str, seed: int) -> None:
    history = History(Shop.create(tmp_path / "shop", family), family, random.Random(seed))
    with history.shop.open() as session:
        history.run(session)
        for _ in range(STEPS):
            history.step(session)
        Audit(session, AUDITED).check()
