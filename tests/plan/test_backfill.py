"""Backfills: only what is missing, priced, within the quota, canary first; and the query for late rows, on a real engine."""

from __future__ import annotations

from typing import Any

import duckdb
import pytest

from headgate.plan import backfill
from headgate.plan.reconcile import arrivals_of, arrivals_sql, asking, narrowed
from headgate.spec.errors import RefusedError, UsageError

DAYS = {"event_time": "at", "begin": "2013-01-01", "batch_size": "day"}


@pytest.fixture
def daily(world: Any) -> Any:
    """A model by day, of which January is done but for the 10th to the 12th."""
    world.source("t")
    world.load("t")
    world.node("fct", "select id, at from {t}", "incremental", **DAYS, end="2013-02-01")
    world.publish(world.plan(), {"fct": "id INTEGER, at DATE"}, rows=100)
    kept = tuple(d for d in world.datasets["marts.fct"].intervals if d.interval.start[8:10] not in ("10", "11", "12"))
    world.change("fct", intervals=kept)
    return world


def fill(world: Any, start: str, end: str, **asked: Any) -> Any:
    return backfill(world.project, world.recorded, "model.p.fct", start, end, now=world.now, **asked).steps[0]


def days(step: Any) -> list[str]:
    return [i.start[8:10] for i in step.intervals]


def test_only_missing_intervals_with_the_canary_first(daily: Any) -> None:
    step = fill(daily, "2013-01-01", "2013-02-01")
    assert (step.status, days(step)) == ("forced", ["12", "10", "11"])
    assert (step.estimate.rows, step.estimate.seconds, step.estimate.bytes) == (300, 1.5, 3000)
    assert step.estimate.cost == pytest.approx(0.00075)
    assert "3 intervals missing: [2013-01-10, 2013-01-13); canary first: [2013-01-12, 2013-01-13)" in step.reason


def test_all_of_a_range_and_nothing_of_a_done_one(daily: Any) -> None:
    assert days(fill(daily, "2013-01-08", "2013-01-11T05:00", only_missing=False)) == ["09", "08", "10", "11"]
    step = fill(daily, "2013-01-01", "2013-01-05")
    assert (step.action, step.status) == ("none", "up_to_date")


@pytest.mark.parametrize(("quota", "said"), [("backfill_rows_max", "3,100 rows"), ("backfill_seconds_max", "15.5 seconds")])
def test_a_quota_refuses_with_a_range_that_fits(daily: Any, quota: str, said: str) -> None:
    daily.quotas = {quota: {"backfill_rows_max": 1050.0, "backfill_seconds_max": 5.2}[quota]}
    with pytest.raises(RefusedError) as refused:
        fill(daily, "2013-01-01", "2013-02-01", only_missing=False)
    assert said in refused.value.what
    assert "--from 2013-01-22 --to 2013-02-01" in refused.value.todo
    assert len(fill(daily, "2013-01-22", "2013-02-01", only_missing=False).intervals) == 10


def test_a_quota_below_one_interval(daily: Any) -> None:
    daily.quotas = {"backfill_rows_max": 1}
    with pytest.raises(RefusedError, match="not even one interval"):
        fill(daily, "2013-01-01", "2013-02-01")


def test_a_backfill_builds_nothing_outside_its_range(daily: Any) -> None:
    """Late rows elsewhere are no part of it, and the canary stays first."""
    step = fill(daily, "2013-01-10", "2013-01-13")
    late = dict.fromkeys((f"2013-01-{day:02d}T00:00:00" for day in (3, 10, 12)), "2013-04-10T11:00:00")
    entry = daily.datasets["marts.fct"]
    assert days(narrowed(step, daily.project, entry, late, daily.now)) == ["12", "10"]


def test_wrong_backfills(daily: Any) -> None:
    daily.node("plain", "select 1 as x")
    with pytest.raises(UsageError, match="not built by intervals"):
        backfill(daily.project, daily.recorded, "model.p.plain", "2013-01-01", "2013-02-01", now=daily.now)
    with pytest.raises(UsageError, match="no interval of fct"):
        fill(daily, "2015-01-01", "2015-02-01")
    with pytest.raises(UsageError, match=r"no 'model\.p\.nope'"):
        backfill(daily.project, daily.recorded, "model.p.nope", "2013-01-01", "2013-02-01", now=daily.now)


def test_the_query_for_late_rows(daily: Any) -> None:
    rows = """
      VALUES (1, DATE '2013-01-01', TIMESTAMP '2013-04-10 00:00:01'), (2, DATE '2013-01-02', TIMESTAMP '2013-04-10 00:00:01'),
             (3, DATE '2013-01-02', TIMESTAMP '2013-04-10 09:30:00.5'), (4, NULL, TIMESTAMP '2013-04-10 09:30:00')
    """
    with duckdb.connect() as connection:
        sql = arrivals_sql(daily.nodes["fct"], f'SELECT * FROM ({rows}) AS t(id, "at", _loaded_at);')
        arrivals = arrivals_of(connection.execute(sql).fetchall())
        bare = arrivals_sql(daily.nodes["fct"], f'SELECT * FROM ({rows}) AS t(id, "at", x)', loaded_at=None)
        assert connection.execute(bare).fetchall() == [("2013-01-01T00:00:00", None, "1"), ("2013-01-02T00:00:00", None, "2")]
    assert arrivals == {"2013-01-01T00:00:00": "2013-04-10T00:00:01.000000", "2013-01-02T00:00:00": "2013-04-10T09:30:00.500000"}
    daily.load("t")
    assert days(daily.step("fct", arrivals={"model.p.fct": arrivals})) == ["02"]
    assert [n.name for n in asking(daily.project, daily.recorded)] == ["fct"]
