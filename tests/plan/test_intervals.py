"""Interval arithmetic against brute force, and which intervals are to be built."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.plan.intervals import (
    SIZES,
    Batches,
    Ledger,
    batches_of,
    between,
    ceil,
    count_between,
    declared_range,
    floor,
    missing,
    moment,
    seconds,
    step,
    text,
)
from headgate.plan.reconcile import arrivals_of, narrowed
from headgate.spec.errors import DeclarationError, UsageError
from headgate.spec.recorded import DoneInterval, RecordedDataset
from headgate.spec.staged import Interval

MONTHS = {"event_time": "at", "begin": "2013-01-01", "batch_size": "month", "lookback": 0}
moments = st.datetimes(datetime(1999, 12, 20), datetime(2001, 3, 10))
sizes = st.sampled_from(SIZES)


def key(at: datetime, size: str) -> Any:
    """What two moments of one batch have in common, told without any arithmetic of batches."""
    return {
        "hour": (at.date(), at.hour),
        "day": at.date(),
        "week": at.isocalendar()[:2],
        "month": (at.year, at.month),
        "year": at.year,
    }[size]


@given(moments, sizes)
def test_floor_is_the_first_moment_of_the_same_batch(at: datetime, size: str) -> None:
    start = floor(at, size)
    assert key(start, size) == key(at, size)
    assert key(start - timedelta(microseconds=1), size) != key(at, size)


@given(moments, sizes, st.integers(-30, 30))
def test_step_goes_batch_by_batch(at: datetime, size: str, count: int) -> None:
    start = floor(at, size)
    here = start
    for _ in range(abs(count)):
        here = step(here, size) if count > 0 else floor(here - timedelta(microseconds=1), size)
    assert step(start, size, count) == here


@given(moments, moments, st.sampled_from(SIZES[1:]))
def test_between_covers_every_moment_once(a: datetime, b: datetime, size: str) -> None:
    start, end = min(a, b), max(a, b)
    batches = list(between(start, end, size))
    assert len(batches) == count_between(start, end, size)
    assert all(x.end == y.start for x, y in pairwise(batches))
    days = {start + timedelta(days=n) for n in range((end - start).days + 1) if start + timedelta(days=n) < end}
    keys = {key(moment(i.start), size) for i in batches}
    assert {key(day, size) for day in days} <= keys
    if batches:
        assert moment(batches[0].start) <= start < moment(batches[0].end)
        assert moment(batches[-1].start) < end <= moment(batches[-1].end)


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(1, 9)), max_size=8), st.integers(0, 40), st.integers(1, 20))
def test_missing_is_what_no_day_covers(done: list[tuple[int, int]], first: int, days: int) -> None:
    zero = datetime(2013, 1, 1)

    def day(n: int) -> str:
        return text(zero + timedelta(days=n))

    rows = tuple(DoneInterval(Interval(day(a), day(a + n)), "c", {}, "v", day(90)) for a, n in done)
    ledger = Ledger(RecordedDataset("m.x", "model.p.x", "table", "v", intervals=rows))
    covered = {n for a, count in done for n in range(a, a + count)}
    found = missing(Batches("at", "day", zero), ledger, zero + timedelta(days=first), zero + timedelta(days=first + days))
    assert [i.start for i in found] == [day(n) for n in range(first, first + days) if n not in covered]


def test_a_batch_size_that_changed_asks_again_for_what_is_not_whole() -> None:
    rows = tuple(
        DoneInterval(i, "c", {}, "v", "2014-01-01T00:00:00") for i in between(moment("2013-01-01"), moment("2013-03-15"), "day")
    )
    ledger = Ledger(RecordedDataset("m.x", "model.p.x", "table", "v", intervals=rows))
    found = missing(Batches("at", "month", moment("2013-01-01")), ledger, moment("2013-01-01"), moment("2013-05-01"))
    assert [i.start[:7] for i in found] == ["2013-03", "2013-04"]


def test_moments_and_durations() -> None:
    assert moment("2013-01-31T01:00:00+02:00") == datetime(2013, 1, 30, 23)
    assert moment(date(2013, 1, 31)) == datetime(2013, 1, 31)
    assert (seconds("6 hours"), seconds(30), seconds("1.5 day")) == (21600, 30, 129600)
    assert ceil(datetime(2013, 1, 1), "month") == datetime(2013, 1, 1)
    for wrong in ("soon", 7, None):
        with pytest.raises(DeclarationError, match="no point in time"):
            moment(wrong)
    with pytest.raises(DeclarationError, match="no duration"):
        seconds("6 fortnights")


@pytest.fixture
def monthly(world: Any) -> Any:
    """A microbatch model by month over a source, built on 10 April 2013 up to March; April is open and built too."""
    world.source("t")
    world.load("t")
    world.node("fct", "select id, at from {t}", "incremental", **MONTHS)
    world.publish(world.plan(), {"fct": "id INTEGER, at DATE"})
    return world


def months(step: Any) -> list[str]:
    return [i.start[:7] for i in step.intervals]


def test_a_new_model_builds_its_declared_range(world: Any) -> None:
    world.source("t")
    world.load("t")
    world.node("fct", "select id, at from {t}", "incremental", **MONTHS)
    step = world.step("fct")
    assert (step.status, step.build, months(step)) == ("new", "intervals", ["2013-01", "2013-02", "2013-03", "2013-04"])
    assert "4 of 4 intervals missing: [2013-01-01, 2013-05-01)" in step.reason
    world.node("fct", "select id, at from {t}", "incremental", **{**MONTHS, "end": "2013-02-10"})
    assert months(world.step("fct")) == ["2013-01", "2013-02"]


def test_done_intervals_stay_and_a_missing_one_is_named(monthly: Any) -> None:
    assert monthly.plan().todo == ()
    gone = tuple(d for d in monthly.datasets["marts.fct"].intervals if not d.interval.start.startswith("2013-03"))
    monthly.change("fct", intervals=gone)
    step = monthly.step("fct")
    assert (step.status, months(step)) == ("missing_intervals", ["2013-03"])
    assert step.reason == "1 of 4 intervals missing: [2013-03-01, 2013-04-01)"


def test_time_brings_a_new_interval(monthly: Any) -> None:
    assert months(monthly.step("fct", now="2013-05-01T00:00:00")) == ["2013-05"]


def test_changed_inputs_rebuild_the_newest_with_lookback(monthly: Any) -> None:
    monthly.load("t")
    assert months(monthly.step("fct")) == ["2013-04"]
    monthly.node("fct", "select id, at from {t}", "incremental", **{**MONTHS, "lookback": 2})
    step = monthly.step("fct")
    assert (step.status, months(step)) == ("missing_intervals", ["2013-02", "2013-03", "2013-04"])
    assert "lookback 2" in step.reason and "raw_s.t has a newer load" in step.reason


def test_intervals_that_were_empty_are_tried_again(monthly: Any) -> None:
    rows = [0 if d.interval.start.startswith("2013-02") else 5 for d in monthly.datasets["marts.fct"].intervals]
    monthly.change(
        "fct", intervals=tuple(replace(d, rows_out=n) for d, n in zip(monthly.datasets["marts.fct"].intervals, rows, strict=True))
    )
    assert monthly.plan().todo == ()
    monthly.load("t")
    assert months(monthly.step("fct")) == ["2013-02", "2013-04"]


def test_arrivals_make_it_exact(monthly: Any) -> None:
    monthly.load("t")
    arrivals = {"2013-01-01T00:00:00": "2013-04-10T00:00:01", "2013-02-01T00:00:00": "2013-04-10T11:00:00"}
    step = monthly.step("fct", arrivals={"model.p.fct": arrivals})
    assert months(step) == ["2013-02"]
    assert "1 interval got rows after they were built" in step.reason
    later = monthly.step("fct", now="2013-06-02T00:00:00", arrivals={"model.p.fct": arrivals})
    assert months(later) == ["2013-02"]
    assert "2 intervals have no input rows yet" in later.reason


@pytest.mark.parametrize(
    ("reconcile", "now", "built"),
    [
        ({"after": "6 hours"}, "2013-05-02T05:59:59", []),
        ({"after": "6 hours"}, "2013-05-02T06:00:00", ["2013-03"]),
        (False, "2013-06-02T00:00:00", []),
    ],
)
def test_reconcile_waits_as_declared(monthly: Any, reconcile: Any, now: str, built: list[str]) -> None:
    monthly.node("fct", "select id, at from {t}", "incremental", **MONTHS, reconcile=reconcile, end="2013-04-01")
    monthly.done("fct", "2013-03-01T00:00:00", "2013-04-01T00:00:00", at="2013-05-02T00:00:00")
    monthly.load("t")
    arrivals = {"2013-03-01T00:00:00": "2013-05-02T01:00:00"}
    step = monthly.step("fct", now=now, arrivals={"model.p.fct": arrivals})
    assert months(step) == built
    assert ("stay as they are" in step.reason) == (not built)


def test_narrowing_waits_as_declared_too(monthly: Any) -> None:
    monthly.node("fct", "select id, at from {t}", "incremental", **MONTHS, reconcile={"after": "6 hours"})
    entry = monthly.datasets["marts.fct"]
    every = replace(
        monthly.step("fct"), build="intervals", status="missing_intervals", intervals=tuple(d.interval for d in entry.intervals)
    )
    arrivals = {"2013-01-01T00:00:00": "2013-04-10T01:00:00", "2013-04-01T00:00:00": "2013-04-10T01:00:00"}
    assert months(narrowed(every, monthly.project, entry, arrivals, "2013-04-10T05:00:00")) == ["2013-04"]
    assert months(narrowed(every, monthly.project, entry, arrivals, "2013-04-10T07:00:00")) == ["2013-01", "2013-04"]


def test_an_open_interval_never_waits(monthly: Any) -> None:
    monthly.node("fct", "select id, at from {t}", "incremental", **MONTHS, reconcile={"after": "6 hours"})
    monthly.load("t")
    arrivals = {"2013-04-01T00:00:00": "2013-04-10T11:00:00"}
    assert months(monthly.step("fct", arrivals={"model.p.fct": arrivals})) == ["2013-04"]


def test_from_to_builds_what_is_asked_for(monthly: Any) -> None:
    step = monthly.step("fct", interval_from="2013-02-10", interval_to="2013-03-01")
    assert (step.status, months(step)) == ("forced", ["2013-02"])
    with pytest.raises(UsageError, match=r"no interval of fct.*within \[2013-01-01, 2013-05-01\)"):
        monthly.plan(interval_from="2014-01-01", interval_to="2014-02-01")


def test_full_refresh_builds_all_intervals_anew(monthly: Any) -> None:
    step = monthly.step("fct", full_refresh=True)
    assert (step.status, step.build, len(step.intervals)) == ("forced", "full", 4)


def test_new_code_goes_forward_only(monthly: Any) -> None:
    monthly.node("fct", "select id, at from {t} where id > 0", "incremental", **MONTHS)
    step = monthly.step("fct")
    assert (step.status, step.build, months(step)) == ("changed_breaking", "intervals", ["2013-04"])
    assert "--full-refresh" in step.reason and "3 intervals were built by older code" in step.reason
    monthly.settle()
    step = monthly.step("fct")
    assert step.status == "up_to_date"
    assert "3 intervals were built by older code and stay as they are" in step.reason


def test_conditional_intervals(monthly: Any) -> None:
    step = monthly.of(monthly.plan(land=None), "fct")
    assert (step.conditional, months(step)) == (("source.p.s.t",), ["2013-04"])


def test_narrowing_a_step_to_what_arrived(monthly: Any) -> None:
    monthly.load("t")
    entry = monthly.datasets["marts.fct"]
    step = monthly.step("fct")
    arrivals = arrivals_of(
        [("2013-02-01T00:00:00", "2013-04-10T11:00:00.000", "2"), ("2013-04-01T00:00:00", "2013-04-09T00:00:00", "1")]
    )
    assert months(narrowed(step, monthly.project, entry, arrivals, monthly.now)) == ["2013-02"]
    entry = replace(entry, intervals=entry.intervals[:3])
    monthly.datasets["marts.fct"] = entry
    arrivals = {**arrivals, "2013-01-01T00:00:00": None}
    step = replace(monthly.step("fct"), intervals=tuple(d.interval for d in monthly.datasets["marts.fct"].intervals))
    assert months(narrowed(step, monthly.project, entry, arrivals, monthly.now)) == ["2013-01", "2013-02", "2013-04"]
    monthly.datasets.pop("marts.fct")
    assert months(narrowed(monthly.step("fct"), monthly.project, None, arrivals, monthly.now)) == [
        "2013-01",
        "2013-02",
        "2013-04",
    ]


@pytest.mark.parametrize(("key", "value"), [("begin", None), ("event_time", ""), ("batch_size", "fortnight"), ("begin", "soon")])
def test_a_cut_that_cannot_be_made(world: Any, key: str, value: Any) -> None:
    world.node("fct", "select 1", "incremental", **{**MONTHS, "incremental_strategy": "microbatch", key: value})
    with pytest.raises(DeclarationError):
        batches_of(world.nodes["fct"])


def test_the_range_ends_with_the_open_batch() -> None:
    batches = Batches("at", "week", datetime(2013, 1, 2))
    assert declared_range(batches, datetime(2013, 1, 16)) == (datetime(2012, 12, 31), datetime(2013, 1, 21))
