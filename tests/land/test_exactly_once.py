"""No row lost, none doubled: under SIGKILL at every point of landing, by parallel landings, and whatever the order of deliveries."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from land.ground import Ground

LANDER = Path(__file__).with_name("lander.py")
POINTS = ("land.before_stage", "land.after_stage", "land.after_gate", "land.before_commit", "land.after_commit")


def start(root: Path, crash_at: str = "") -> subprocess.Popen[str]:
    environment = {**os.environ, "HEADGATE_CRASH_AT": crash_at} if crash_at else dict(os.environ)
    return subprocess.Popen(
        [sys.executable, str(LANDER), str(root)], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


@pytest.mark.parametrize("point", POINTS)
def test_a_killed_landing_is_finished_by_the_next(ground: Ground, point: str) -> None:
    ground.put("a.csv", "id\n1\n2\n")
    killed = start(ground.root, point)
    killed.communicate(timeout=60)
    assert killed.returncode == -9
    landed = point == "land.after_commit"
    assert ground.land().status == ("nothing" if landed else "accepted")
    assert ground.sql("SELECT list(id ORDER BY id) FROM lake.raw_shop.orders") == [([1, 2],)]
    assert ground.sql("SELECT count(*) FROM lake.headgate.loads WHERE status = 'accepted'") == [(1,)]


def test_parallel_landings_of_the_same_files(ground: Ground) -> None:
    for n in range(4):
        ground.put(f"{n}.csv", f"id\n{n}0\n{n}1\n")
    processes = [start(ground.root) for _ in range(3)]
    for process in processes:
        _, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
    assert ground.sql("SELECT count(*), count(DISTINCT id) FROM lake.raw_shop.orders") == [(8, 8)]
    assert ground.land().status == "nothing"


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 3)), max_size=4), min_size=1, max_size=4))
def test_current_is_the_newest_version_of_each_file(deliveries: list[list[tuple[int, int]]]) -> None:
    """Each delivery writes some files in some version; an oracle keeps what a folder would hold."""
    with tempfile.TemporaryDirectory() as folder:
        ground = Ground(Path(folder), options={"path": "in/*", "allow_missing": True})
        holds: dict[str, list[int]] = {}
        landed = 0
        for delivery in deliveries:
            for file, version in delivery:
                rows = [version * 10 + n for n in range(version + 1)]
                ground.put(f"{file}.csv", "id\n" + "".join(f"{r}\n" for r in rows))
                holds[f"in/{file}.csv"] = rows
            landed += ground.land().counts.rows_out
            assert ground.land().status == "nothing"
        relations = ground.lake.relations()
        if holds:
            view = "orders__current" if "raw_shop.orders__current" in relations else "orders"
            found = ground.sql(f"SELECT _position.unit, id FROM lake.raw_shop.{view} ORDER BY ALL")
            assert found == sorted((unit, row) for unit, rows in holds.items() for row in rows)
            assert ground.sql("SELECT count(*) FROM lake.raw_shop.orders") == [(landed,)]
        ground.close()
