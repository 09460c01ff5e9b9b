"""The ordinary case from end to end: three versions of one order, late rows, duplicates, reruns (issue, point 13)."""

from __future__ import annotations

import random
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orders_world import World


def order(number: int, status: str, at: str, amount: float = 10.0) -> dict[str, Any]:
    return {"order_id": number, "customer_id": 1, "status": status, "amount": amount, "updated_at": at}


def test_three_versions_late_rows_duplicates_and_a_rerun(world: World) -> None:
    world.deliver(
        [
            order(1, "placed", "2026-01-01T09:00:00"),
            order(1, "paid", "2026-01-01T09:10:00"),
            order(1, "shipped", "2026-01-01T12:00:00"),
            order(2, "placed", "2026-01-01T11:30:00"),
            order(2, "placed", "2026-01-01T11:30:00"),
        ]
    )
    with world.open() as session:
        assert session.run().status == "done"
        world.check(session)
        counts = session.recorded().datasets["staging.stg_orders"].counts
        assert (counts.rows_in, counts.rows_out, counts.rows_deduplicated) == (5, 2, 3)
    world.deliver(
        [order(2, "paid", "2026-01-01T11:40:00"), order(3, "placed", "2026-01-01T12:30:00")]
    )  # 20 minutes late, within the hour
    with world.open() as session:
        assert session.run().status == "done"
        world.check(session)


def test_same_window_same_result_and_stamps_stay(world: World) -> None:
    world.deliver(world.some_rows(random.Random(1), 40))
    everything = "select *, _dbt_loaded_at from staging.stg_orders order by order_id"
    with world.open() as session:
        session.run()
        before = session.query(everything).to_pylist()
        again = session.run(("stg_orders",))
        assert all(s.rows == 0 for s in again.steps)
    with world.open() as session:
        from dataclasses import replace

        node = next(n for n in session.project.nodes.values() if n.name == "stg_orders")
        assert replace(node).config["unique_key"] == "order_id"
        (world.root / "landing" / "orders_99999.ndjson").write_text((world.root / "landing" / "orders_00001.ndjson").read_text())
        session.run()  # the same rows delivered again under another name: new raw rows, the same table
        assert session.query(everything).to_pylist() == before


def test_source_schema_wins_over_the_raw_rule(world: World) -> None:
    world.deliver([order(1, "placed", "2026-01-01T09:00:00")])
    with world.open() as session:
        session.run()
        assert "raw.orders" in session.lake.relations()
        assert not any(name.startswith("raw_raw") for name in session.lake.relations())


def test_a_new_column_reaches_the_incremental_table(world: World) -> None:
    """on_schema_change: sync_all_columns."""
    world.deliver([order(1, "placed", "2026-01-01T09:00:00")])
    with world.open() as session:
        session.run()
    model = world.root / "models" / "staging" / "stg_orders.sql"
    model.write_text(model.read_text().replace("    amount,\n", "    amount,\n    amount * 2 as double_amount,\n"))
    world.deliver([order(2, "placed", "2026-01-01T09:30:00", 4.0)])
    with world.open() as session:
        assert session.run().status == "done"
        rows = session.query("select order_id, double_amount from staging.stg_orders order by 1").to_pylist()
        assert rows[1] == {"order_id": 2, "double_amount": 8.0}


@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 10_000))
def test_any_deliveries_in_any_order_agree_with_the_oracle(tmp_path_factory: Any, seed: int) -> None:
    rnd = random.Random(seed)
    world = World.create(tmp_path_factory.mktemp("orders") / "p")
    for _ in range(rnd.randint(1, 4)):
        rows = world.some_rows(rnd, rnd.randint(1, 25))
        rnd.shuffle(rows)
        world.deliver(rows)
        if rnd.random() < 0.7:
            with world.open() as session:
                assert session.run().status == "done"
    with world.open() as session:
        session.run()
        world.check(session)
