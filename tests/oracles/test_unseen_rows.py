"""Rows that an interval was built without, one case each: nothing that is known to be there is forgotten, whatever was built in between."""

from __future__ import annotations

from pathlib import Path

import pytest

from days_world import COUNT, Days
from headgate.run.session import Session
from headgate.spec.events import Event

FIRST, LAST = str(Days.day(0)), str(Days.day(COUNT))


def ends_whole(days: Days, session: Session, *models: str) -> None:
    """The next run makes `models` what the files say, and the one after it finds nothing to do."""
    days.landed()
    assert session.run().status == "done"
    for model in models:
        assert days.found(session, model) == days.expected(model), model
    assert session.run().nothing_to_do


def built(root: Path, *models: str) -> Days:
    """A project with these models and two days, built."""
    days = Days.create(root, models)
    days.put(2, [(1, 1, 1), (2, 2, 2)])
    with days.open() as session:
        ends_whole(days, session, *models)
    return days


def test_rows_that_are_gone(tmp_path: Path) -> None:
    """A file comes again without its row of day 2, and with nothing else for that day."""
    days = built(tmp_path / "days", "whole", "daily", "bare")
    days.put(1, [(1, 4, 1)])
    days.put(2, [(1, 1, 1)])
    with days.open() as session:
        ends_whole(days, session, "whole", "daily", "bare")


def test_rows_that_moved_to_another_day(tmp_path: Path) -> None:
    days = built(tmp_path / "days", "newest", "second")
    days.put(3, [(2, 5, 2)])
    with days.open() as session:
        ends_whole(days, session, "newest", "second")


def test_a_parent_that_is_built_after_its_child(tmp_path: Path) -> None:
    """The row was loaded before the child's build, and the child could not see it: its parent was built later."""
    days = built(tmp_path / "days", "newest", "second")
    days.put(3, [(5, 1, 1)])
    with days.open() as session:
        session.land()
        assert session.backfill("second", FIRST, LAST, rebuild=True).status == "done"
        ends_whole(days, session, "newest", "second")


@pytest.mark.parametrize("how", ["range", "backfill"])
def test_other_intervals_than_those_asked_for(tmp_path: Path, how: str) -> None:
    """The rows of day 4 are news still after day 1 alone was built."""
    days = built(tmp_path / "days", "newest", "second", "whole")
    days.put(3, [(5, 4, 1), (6, 1, 1)])
    with days.open() as session:
        if how == "range":
            session.run(interval_from=str(days.day(1)), interval_to=str(days.day(2)))
        else:
            session.land()
            session.backfill("whole", str(days.day(1)), str(days.day(2)), rebuild=True)
        ends_whole(days, session, "newest", "second", "whole")


def test_rows_that_land_while_a_run_builds(tmp_path: Path) -> None:
    """They are older than the publication, and not in it."""
    days = built(tmp_path / "days", "newest", "whole")
    days.put(3, [(5, 1, 1)])

    def land(event: Event) -> None:
        if event.kind == "step.finished" and event.dataset == "main.whole":
            days.put(4, [(7, 1, 1)])
            with days.open() as other:
                assert other.land().status == "done"

    with days.open() as session:
        session.run(("whole",), listeners=(land,))
        assert (7, 1, 1) not in days.found(session, "whole")
        ends_whole(days, session, "newest", "whole")


def test_a_day_without_rows_is_asked_for_once(tmp_path: Path) -> None:
    """Days that come into the range and have nothing are done and empty, not missing for ever."""
    days = built(tmp_path / "days", "whole")
    model = days.root / "models" / "whole.sql"
    model.write_text(model.read_text().replace(FIRST, "2025-12-29"))
    with days.open() as session:
        assert session.run().status == "done"
        assert session.run().nothing_to_do


def test_a_dimension_that_changed_reaches_the_newest_days(tmp_path: Path) -> None:
    """Batches read it as a whole: the newest ones are built again, as the lookback says, and older ones only with rows of their own."""
    days = Days.create(tmp_path / "days", ("tops", "joined"))
    days.put(2, [(1, 5, 1), (3, 1, 1)])
    with days.open() as session:
        assert session.run().status == "done"
        days.put(3, [(1, 0, 2), (3, 0, 2)])
        assert session.run().status == "done"
        assert days.found(session, "joined") == [(1, 0, 2), (1, 2, 1), (1, 5, 2), (3, 0, 2), (3, 1, 1)]
        assert session.run().nothing_to_do
