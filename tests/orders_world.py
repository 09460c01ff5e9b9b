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


@dataclass
class World:
    """One project folder, everything that was delivered to it, and the oracle over that."""

    root: Path
    delivered: list[dict[str, Any]] = field(default_factory=list)
    files: int = 0
    clock: datetime = BEGIN

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
        best: dict[int, dict[str, Any]] = {}
        for row in self.delivered:
            if row["order_id"] not in best or row["updated_at"] >= best[row["order_id"]]["updated_at"]:
                best[row["order_id"]] = row
        return {k: (r["customer_id"], r["status"], r["amount"], r["updated_at"]) for k, r in best.items()}

    def check(self, session: Session) -> None:
        """Everything stands as the oracle says: nothing lost, nothing doubled, nothing mixed."""
        raw = session.query("select count(*) as n from raw.orders").to_pylist()[0]["n"]
        assert raw == len(self.delivered), f"raw has {raw} rows, {len(self.delivered)} were delivered"
        rows = session.query("select order_id, customer_id, status, amount, updated_at from staging.stg_orders").to_pylist()
        found = {r["order_id"]: (r["customer_id"], r["status"], r["amount"], r["updated_at"].isoformat()) for r in rows}
        assert len(rows) == len(found), "an order stands twice in stg_orders"
        assert found == self.newest()
        self.consistent(session)

    def consistent(self, session: Session) -> None:
        """One statement over both tables: the mart never shows another state than the table it is made from."""
        if "marts.mart_customer_orders" not in session.lake.relations():
            return
        row = session.query(
            "select (select count(*) from staging.stg_orders) as staged, (select coalesce(sum(orders), 0) from marts.mart_customer_orders) as marts"
        ).to_pylist()[0]
        assert row["staged"] == row["marts"], f"a mix of old and new: {row}"
