"""The newest load is the one that committed last, whichever began first: read, plan, publish and land agree on it."""

from __future__ import annotations

from headgate.land.ledger import LOAD_COLUMNS, standing, write_load, write_units
from headgate.publish.publish import newest_versions
from headgate.spec.positions import Unit


def write(world, load_id: str, committed_at: str, page: int) -> None:
    values = dict.fromkeys(LOAD_COLUMNS) | {
        "load_id": load_id, "run_id": "r", "source": "shop", "table_name": "s", "dataset": "raw_shop.s", "status": "accepted",
        "position": f'{{"page": {page}}}', "rows_in": page, "rows_out": page, "rows_dead": 0, "rows_deduplicated": 0,
        "rows_filtered": 0, "started_at": "2026-01-01T00:00:00", "committed_at": committed_at,
    }  # fmt: skip
    with world.lake.transaction(("*",), author="test", message="land") as cursor:
        write_load(cursor, "lake", values)
        write_units(cursor, "lake", load_id, "raw_shop.s", [Unit("a.csv", page, "", f"hash{page}", page)], "accepted")


def test_a_load_that_began_later_and_committed_first_is_the_older(world):
    world.source("s", "k INTEGER")
    write(world, "load-b", "2026-01-01T00:00:01", 1)
    write(world, "load-a", "2026-01-01T00:00:02", 2)
    position, recorded = world.lake.position("raw_shop.s"), world.lake.recorded().datasets["raw_shop.s"]
    cursor = world.lake.cursor()
    landed, versions = standing(cursor, "lake", "raw_shop.s"), newest_versions(cursor, "lake")
    cursor.close()
    assert position.state == landed.state == {"page": 2}
    assert position.units == landed.units == {"a.csv": Unit("a.csv", 2, "", "hash2", 2)}
    assert recorded.version == landed.load_id == versions["raw_shop.s"] == "load-a"
    assert (recorded.rows, recorded.counts.rows_out) == (3, 2)
