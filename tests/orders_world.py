"""The orders project as a small world with an oracle: deliveries go in, and what must stand in every table is known by brute force."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from headgate.run.session import Session, open_session
from headgate.serve.answers.templates import create

BEGIN = datetime(2026, 1, 1, 9)
STATUSES = ("placed", "paid", "shipped", "delivered", "cancelled")

CUSTOMERS = "customer_id, count(*) as orders, round(sum(amount) filter (where status <> 'cancelled'), 2) as revenue, max(updated_at) as last"
DAYS = "cast(updated_at as date) as order_date, count(*) as orders, round(sum(amount), 2) as revenue"
MIXED = f"""
with customers as (select {CUSTOMERS} from staging.stg_orders group by all),
customers_there as (select customer_id, orders, round(revenue, 2), last_order_at from marts.mart_customer_orders),
days as (select {DAYS} from staging.stg_orders where status <> 'cancelled' group by all),
days_there as (select order_date, orders, round(revenue, 2) from marts.mart_daily_revenue)
select (select count(*) from (from customers except all from customers_there)) as customers_lacking,
    (select count(*) from (from customers_there except all from customers)) as customers_too_many,
    (select count(*) from (from days except all from days_there)) as days_lacking,
    (select count(*) from (from days_there except all from days)) as days_too_many
"""
"""How many rows of the marts are not what the table below them gives, in one statement."""


@dataclass
class World:
    """One project folder, everything that was delivered to it, and the oracle over that."""

    root: Path
    delivered: list[dict[str, Any]] = field(default_factory=list)
    files: int = 0
    clock: datetime = BEGIN
    ends: list[int] = field(default_factory=list)
    """After each delivery, how many rows there were."""

    @staticmethod
    def create(root: Path, catalog: str | None = None) -> World:
        """A fresh project; with `catalog` on that catalog instead of SQLite."""
        create(root, "orders")
        for sample in (root / "landing").glob("*.ndjson"):
            sample.unlink()
        if catalog is not None:
            config = root / "headgate.yml"
            text = config.read_text().replace("sqlite:.headgate/catalog.sqlite", catalog)
            config.write_text(text)
        return World(root)

    def open(self) -> Session:
        """The project's session."""
        return open_session(str(self.root))

    def deliver(self, rows: Sequence[dict[str, Any]]) -> Path:
        """One file with `rows`, whole at once, as a rename makes it."""
        self.files += 1
        path = self.root / "landing" / f"orders_{self.files:05d}.ndjson"
        fresh = path.with_suffix(".part")
        fresh.write_text("".join(json.dumps(r) + "\n" for r in rows))
        fresh.rename(path)
        self.delivered += rows
        self.ends.append(len(self.delivered))
        return path

    def some_rows(self, rnd: random.Random, count: int, orders: int = 30) -> list[dict[str, Any]]:
        """New versions of random orders, each later than all before, some of them twice."""
        rows = []
        for _ in range(count):
            self.clock += timedelta(seconds=rnd.randint(1, 90))
            row = {
                "order_id": rnd.randint(1, orders),
                "customer_id": rnd.randint(1, 7),
                "status": rnd.choice(STATUSES),
                "amount": rnd.randint(0, 10_000) / 100,
                "updated_at": self.clock.isoformat(),
            }
            rows.append(row)
            if rnd.random() < 0.1:
                rows.append(dict(row))
        return rows

    def newest(self) -> dict[int, tuple[Any, ...]]:
        """The oracle: the newest version of each order among all that was delivered."""
        best: dict[int, tuple[Any, ...]] = {}
        self._apply(best, self.delivered)
        return best

    def check(self, session: Session) -> None:
        """Everything stands as the oracle says: nothing lost, nothing doubled, nothing mixed."""
        raw = session.query("select count(*) as n from raw.orders").to_pylist()[0]["n"]
        assert raw == len(self.delivered), f"raw has {raw} rows, {len(self.delivered)} were delivered"
        assert _versions(session) == self.newest()
        self.consistent(session)

    def consistent(self, session: Session) -> None:
        """One statement over all tables: the marts never show another state than the table that they are made from."""
        if "marts.mart_customer_orders" not in session.lake.relations():
            return
        row = session.query(MIXED).to_pylist()[0]
        assert set(row.values()) == {0}, f"a mix of old and new: {row}"

    def stands(self, session: Session) -> int:
        """What may stand after a kill at any moment: whole files in raw, in the order of delivery, each once; the models as of one of those
        files, all of the same one or none at all. Returns how many files the models show.
        """
        there = {"staging.stg_orders", "marts.mart_customer_orders", "marts.mart_daily_revenue"} & set(session.lake.relations())
        assert len(there) in (0, 3), f"some of the tables that move together: {sorted(there)}"
        landed = self._landed(session) if "raw.orders" in session.lake.relations() else 0
        if not there:
            return 0
        self.consistent(session)
        found = _versions(session)
        state: dict[int, tuple[Any, ...]] = {}
        shown = [0] if not found else []
        for file in range(landed):
            self._apply(state, self.delivered[self.ends[file - 1] if file else 0 : self.ends[file]])
            if state == found:
                shown.append(file + 1)
        assert shown, f"stg_orders is as of none of the {landed} files that are landed"
        return shown[-1]

    def _landed(self, session: Session) -> int:
        """How many files stand in raw, each whole and once, the first ones without a gap."""
        rows = session.query("select _position.unit as unit, count(*) as n from raw.orders group by all").to_pylist()
        counts = {int(Path(r["unit"]).stem.removeprefix("orders_")): r["n"] for r in rows}
        expected = {i + 1: end - (self.ends[i - 1] if i else 0) for i, end in enumerate(self.ends[: len(counts)])}
        assert counts == expected, f"raw has rows by file {counts}, delivered were {expected}"
        return len(counts)

    @staticmethod
    def _apply(state: dict[int, tuple[Any, ...]], rows: Sequence[dict[str, Any]]) -> None:
        for r in rows:
            if r["order_id"] not in state or r["updated_at"] >= state[r["order_id"]][3]:
                state[r["order_id"]] = (r["customer_id"], r["status"], r["amount"], r["updated_at"])


def _versions(session: Session) -> dict[int, tuple[Any, ...]]:
    """What stg_orders holds, each order once."""
    rows = session.query("select order_id, customer_id, status, amount, updated_at from staging.stg_orders").to_pylist()
    found = {r["order_id"]: (r["customer_id"], r["status"], r["amount"], r["updated_at"].isoformat()) for r in rows}
    assert len(rows) == len(found), "an order stands twice in stg_orders"
    return found
