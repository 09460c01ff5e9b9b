"""The demo from end to end, and then every command on the project that it leaves: what the README promises is what happens."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from servers.processes import Processes


@dataclass(frozen=True)
class Project:
    """A project folder on which commands are called as at a terminal."""

    root: Path
    processes: Processes

    def call(self, *arguments: str, code: int = 0) -> str:
        """Standard output of `headgate …`, which must end with `code`."""
        done = self.processes.headgate(*arguments, "--project", str(self.root)).wait(120)
        assert done.code == code, f"headgate {' '.join(arguments)} ended with {done.code}:\n{done.out}\n{done.err}"
        return done.out

    def json(self, *arguments: str, code: int = 0) -> Any:
        """The same with `-o json`, read."""
        return json.loads(self.call(*arguments, "-o", "json", code=code))

    def rows(self, sql: str, *more: str) -> Sequence[dict[str, Any]]:
        """The rows of a query."""
        found: Sequence[dict[str, Any]] = self.json("query", sql, *more)
        return found


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The project after `headgate demo`."""
    processes = Processes()
    root = tmp_path_factory.mktemp("demo") / "flights"
    done = processes.headgate("demo", str(root)).wait(240)
    assert done.code == 0, f"{done.out}\n{done.err}"
    for told in ("Stopped at the gate", "both untouched", "same rows, same checksum"):
        assert told in done.err
    assert "336,776 flights in 12 months" in done.out
    return Project(root, processes)


def test_every_flight_stands_once(demo: Project) -> None:
    row = demo.rows("select count(*) as n, count(distinct flight_id) as d from marts.fct_flight")[0]
    assert row == {"n": 336_776, "d": 336_776}
    months = demo.rows("select count(distinct date_trunc('month', flight_date)) as n from marts.fct_flight")[0]
    assert months == {"n": 12}


def test_the_blocked_load_never_touched_raw(demo: Project) -> None:
    assert demo.rows("select count(*) as n, count(*) filter (distance < 0) as bad from raw_nyc.flights")[0] == {
        "n": 336_776,
        "bad": 0,
    }
    statuses = demo.rows(
        "select status, count(*) as n from lake.headgate.loads where dataset = 'raw_nyc.flights' group by 1 order by 1"
    )
    assert statuses == [{"status": "accepted", "n": 12}, {"status": "blocked", "n": 1}]


def test_dimensions_have_history_and_inferred_members(demo: Project) -> None:
    planes = demo.rows("select count(*) as n, count(*) filter (not is_current) as past from marts.dim_plane")[0]
    assert planes == {"n": 4_060, "past": 17}
    inferred = demo.rows("select airport_code from marts.dim_airport where is_inferred order by 1")
    assert [r["airport_code"] for r in inferred] == ["BQN", "PSE", "SJU", "STT"]


def test_a_run_again_has_nothing_to_do(demo: Project) -> None:
    demo.call("run")
    assert "Nothing to do" in demo.call("run")
    assert demo.json("run")["nothing_to_do"] is True


def test_history_and_why_and_the_row_ledger_balances(demo: Project) -> None:
    assert demo.json("history", "fct_flight", "--limit", "100")
    assert demo.json("why", "fct_flight")["status"] == "current"
    unbalanced = demo.rows(
        "select dataset from lake.headgate.publications where rows_in <> rows_out + rows_quarantined + rows_deduplicated + rows_late + "
        "rows_filtered + rows_dead + rows_unchanged and kind not in ('view', 'restore')"
    )
    assert unbalanced == []


def test_lineage_reaches_the_raw_column(demo: Project) -> None:
    found = demo.json("lineage", "mart_carrier_punctuality.on_time_percent")
    assert any(e["source"] == "raw_nyc.flights.arr_delay" for e in found["upstream"])
    assert found["unknown"] == []


def test_diff_restore_and_the_past(demo: Project) -> None:
    past = demo.rows("select count(*) as n from marts.fct_flight", "--at", "20")[0]["n"]
    assert 0 < past < 336_776
    found = demo.json("diff", "fct_flight", "--from", "20")
    assert found["added"] == 336_776 - past and found["removed"] == 0 and found["changed"] == 0
    before = demo.rows("select max(snapshot_id) as id from lake.snapshots()")[0]["id"]
    demo.call("restore", "fct_flight", "--to", "20")
    assert demo.rows("select count(*) as n from marts.fct_flight")[0]["n"] == past
    demo.call("restore", "fct_flight", "--to", str(before))
    assert demo.rows("select count(*) as n from marts.fct_flight")[0]["n"] == 336_776


def test_backfill_shows_its_price_keeps_quotas_and_rehearses(demo: Project) -> None:
    price = demo.json("backfill", "fct_flight", "--from", "2013-01-01", "--to", "2013-04-01", "--rebuild", "--dry-run")
    assert len(price["steps"][0]["intervals"]) == 3
    assert price["steps"][0]["estimate"]["rows"] > 0
    missing_only = demo.json("backfill", "fct_flight", "--from", "2013-01-01", "--to", "2013-04-01", "--dry-run")
    assert all(s["action"] == "none" for s in missing_only["steps"])
    assert demo.json("backfill", "fct_flight", "--from", "2013-02-01", "--to", "2013-03-01", "--rehearse", "1%")["failing"] == []
    config = demo.root / "headgate.yml"
    text = config.read_text()
    config.write_text(text + "quotas: { backfill_rows_max: 60000 }\n")
    demo.call("backfill", "fct_flight", "--from", "2013-01-01", "--to", "2014-01-01", "--rebuild", code=5)
    config.write_text(text)


def test_ready_tells_item_by_item(demo: Project) -> None:
    report = demo.json("ready", "mart_route_weather", code=3)
    items = {i["item"]: i["passed"] for i in report["items"]}
    assert items["same inputs, same table"] and items["a full rebuild matches"] and items["owner"]
    assert items["a rollback was tried"] is False
    assert all(i["evidence"] for i in report["items"])


def test_exit_codes_say_whose_turn_it_is(demo: Project) -> None:
    demo.call("run", "no_such_model", code=2)
    demo.call("query", "delete from marts.fct_flight", code=2)
    demo.call("query", "with a as (select 1) delete from marts.fct_flight", code=2)
    model = demo.root / "models" / "marts" / "broken.sql"
    model.write_text("select * from {{ ref('no_such_parent') }}")
    demo.call("plan", code=1)
    model.unlink()
    demo.call("doctor")


def test_maintenance_changes_no_row(demo: Project) -> None:
    before = demo.rows("select count(*) as n, bit_xor(hash(flight_id)) as h from marts.fct_flight")
    demo.call("maintain", "--dry-run")
    demo.call("maintain")
    assert demo.rows("select count(*) as n, bit_xor(hash(flight_id)) as h from marts.fct_flight") == before
