"""Kill a backfill after each of its commits: what was published stays whole, and the same call again builds only what is missing."""

from __future__ import annotations

import os
import signal
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest

from headgate.run.session import open_session  # imported before forking: the children begin warm

DAYS = 14
EVENTS_A_DAY = 5
CONFIG = """name: batches
lake: {{ catalog: '{catalog}', data: .headgate/data }}
state: 'sqlite:///.headgate/state.db'
"""
EVENTS = f"""{{{{ config(materialized='table', event_time='happened_at') }}}}
select i as id, timestamp '2020-01-01 01:00:00' + to_days((i // {EVENTS_A_DAY})::integer) as happened_at
from range({DAYS * EVENTS_A_DAY}) t(i)
"""
DAILY = """{{ config(materialized='incremental', incremental_strategy='microbatch', event_time='happened_at', batch_size='day',
    begin='2020-01-01', end='2020-01-15') }}
select id, happened_at from {{ ref('events') }}
"""


def in_child(work: Callable[[], None], crash_at: str | None = None) -> int:
    """The exit code of `work` in a forked child, negative for a signal. The parent never opens the lake."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            if crash_at is not None:
                os.environ["HEADGATE_CRASH_AT"] = crash_at
            work()
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


@pytest.mark.parametrize("catalog", ["sqlite", "postgresql"])
@pytest.mark.parametrize("passage", [1, 2, 3])
def test_a_backfill_dies_after_a_commit(passage: int, catalog: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """Fourteen days: the first two by a run; of the other twelve the canary, six and five, each a commit to die after."""
    dsn = "sqlite:.headgate/catalog.sqlite" if catalog == "sqlite" else request.getfixturevalue("pg_database")
    (tmp_path / "models").mkdir()
    (tmp_path / "headgate.yml").write_text(CONFIG.format(catalog=dsn))
    (tmp_path / "models" / "events.sql").write_text(EVENTS)
    (tmp_path / "models" / "daily.sql").write_text(DAILY)

    def first() -> None:
        with open_session(str(tmp_path)) as session:
            assert session.run(interval_from="2020-01-01", interval_to="2020-01-03").status == "done"

    def backfill() -> None:
        with open_session(str(tmp_path)) as session:
            assert session.backfill("daily", "2020-01-01", "2020-01-15").status == "done"

    def days_stand(expected: int) -> Callable[[], None]:
        def work() -> None:
            with open_session(str(tmp_path)) as session:
                rows = session.query("select id, happened_at from main.daily").to_pylist()
                ids = sorted(r["id"] for r in rows)
                days = sorted({i // EVENTS_A_DAY for i in ids})  # the canary may be any day, so the days themselves are free
                assert ids == [day * EVENTS_A_DAY + n for day in days for n in range(EVENTS_A_DAY)], "a day in part or twice"
                assert len(days) == expected

        return work

    assert in_child(first) == 0
    assert in_child(days_stand(2)) == 0
    assert in_child(backfill, f"backfill.after_interval:{passage}") == -signal.SIGKILL, "the point was not reached"
    assert in_child(days_stand({1: 3, 2: 9, 3: 14}[passage])) == 0, "whole intervals, each once, and no others"
    assert in_child(backfill) == 0
    assert in_child(days_stand(DAYS)) == 0, "lost or doubled after recovery"
    assert in_child(backfill) == 0
    assert in_child(days_stand(DAYS)) == 0, "a backfill with nothing missing changes nothing"
