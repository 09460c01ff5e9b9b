"""What a blocked load holds back is let go as soon as its bad file is repaired, taken away or put back: by itself, once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from headgate.run.session import open_session
from headgate.spec.verdicts import GateResult, Verdict
from land.ground import Ground

HEADER = "id,amount\n"
CONFIG = """name: shop
lake: { catalog: "sqlite:.headgate/catalog.sqlite", data: .headgate/data }
state: "sqlite:///.headgate/state.db"
"""
SOURCE = """sources:
  - name: shop
    connector: files
    tables:
      - name: orders
        path: "in/*.csv"
"""


def refuse_negative(ground: Ground) -> Any:
    def checks(rows_sql: str, columns: Any) -> GateResult:
        bad = ground.lake.cursor().execute(f"SELECT count(*) FROM {rows_sql} WHERE amount < 0").fetchone()
        outcome = "block" if bad and bad[0] else "pass"
        return GateResult("raw_shop.orders", (Verdict("c", "amount", "raw_shop.orders", outcome, message="negative amounts"),))

    return checks


def ids(ground: Ground) -> list[int]:
    return [row[0] for row in ground.sql("SELECT id FROM lake.raw_shop.orders ORDER BY id")]


def test_siblings_land_when_the_bad_file_is_taken_away(ground: Ground) -> None:
    checks = refuse_negative(ground)
    ground.put("1.csv", HEADER + "1,1\n")
    bad = ground.put("2.csv", HEADER + "2,-1\n")
    ground.put("3.csv", HEADER + "3,1\n")
    assert ground.land(checks=checks).waiting == ("in/1.csv", "in/2.csv", "in/3.csv")
    bad.unlink()
    result = ground.land(checks=checks)
    assert (result.status, result.waiting, ids(ground)) == ("accepted", (), [1, 3])
    before = ground.lake.snapshot()
    assert (ground.land(checks=checks).status, ground.land(checks=checks).waiting) == ("nothing", ())
    assert ground.lake.snapshot() == before
    ground.put("2.csv", HEADER + "2,-1\n")  # the same again: it was blocked as it stands
    assert ground.land(checks=checks).waiting == ("in/2.csv",)
    ground.put("2.csv", HEADER + "2,2\n")
    assert (ground.land(checks=checks).waiting, ids(ground)) == ((), [1, 2, 3])


def test_only_the_load_of_the_file_that_was_taken_away_is_tried_again(ground: Ground) -> None:
    checks = refuse_negative(ground)
    ground.put("1.csv", HEADER + "1,1\n")
    first = ground.put("2.csv", HEADER + "2,-1\n")
    ground.land(checks=checks)
    ground.put("3.csv", HEADER + "3,-1\n")
    ground.land(checks=checks)
    first.unlink()
    result = ground.land(checks=checks)
    assert (result.status, result.waiting, ids(ground)) == ("accepted", ("in/3.csv",), [1])
    with_nothing_left = ground.land(checks=checks, retry_blocked=True)
    assert (with_nothing_left.status, with_nothing_left.waiting) == ("blocked", ("in/3.csv",))


@pytest.mark.parametrize("keeps_its_time", [False, True])
def test_a_version_that_is_put_back_waits_for_nothing(ground: Ground, keeps_its_time: bool) -> None:
    checks = refuse_negative(ground)
    path = ground.put("1.csv", HEADER + "1,1\n")
    ground.land(checks=checks)
    aside = path.rename(ground.root / "aside")
    ground.put("1.csv", HEADER + "1,-1\n")
    ground.put("2.csv", HEADER + "2,1\n")
    assert ground.land(checks=checks).waiting == ("in/1.csv", "in/2.csv")
    if keeps_its_time:
        aside.rename(path)
    else:
        ground.put("1.csv", HEADER + "1,1\n")
    assert (ground.land(checks=checks).waiting, ids(ground)) == ((), [1, 2])
    assert ground.land(checks=checks).status == "nothing"


def test_a_run_goes_on_without_the_file_that_was_taken_away(tmp_path: Path) -> None:
    for folder in ("sources", "models", "in"):
        (tmp_path / folder).mkdir()
    (tmp_path / "headgate.yml").write_text(CONFIG)
    (tmp_path / "sources" / "shop.yml").write_text(SOURCE)
    (tmp_path / "models" / "totals.sql").write_text("select sum(amount) as total from {{ source('shop', 'orders') }}\n")
    for name, rows in (("1", "1,1\n"), ("2", "2,2\n"), ("3", "3,4\n4\n5,y,z\n")):
        (tmp_path / "in" / f"{name}.csv").write_text(HEADER + rows)
    with open_session(str(tmp_path)) as session:
        assert session.run().status == "blocked"
        assert session.run().status == "blocked"  # and it waits
        (tmp_path / "in" / "3.csv").unlink()
        assert session.run().status == "done"
        assert session.query("select total from main.totals").to_pylist() == [{"total": 3}]
        assert {s.status for s in session.run().steps} <= {"up_to_date", "skipped"}
