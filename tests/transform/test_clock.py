"""The pinned clock."""

from __future__ import annotations

import duckdb
import pytest

from headgate.spec.clock import Clock
from headgate.transform.clock import pin, without_terminator

CLOCK = Clock("2026-03-04T05:06:07.000008")


@pytest.mark.parametrize(
    "reading",
    ("current_timestamp", "now()", "current_timestamp()", "get_current_timestamp()", "transaction_timestamp()",
     "current_date", "today()", "current_time", "localtimestamp", "current_localtimestamp()", "localtime"),
)  # fmt: skip
def test_each_reading_keeps_its_type(reading):
    con = duckdb.connect()
    con.execute("SET TimeZone = 'UTC'")
    try:
        kind = con.execute(f"SELECT typeof({reading})").fetchone()
    except duckdb.Error:
        return
    sql = pin(f"SELECT typeof({reading}), {reading}::VARCHAR", CLOCK)
    got = con.execute(sql).fetchone()
    assert got[0] == kind[0]
    assert "05:06:07" in got[1] or got[1] == "2026-03-04"


@pytest.mark.parametrize(
    "sql",
    [
        "select 'now() current_date' as x",
        'select "current_date" from t',
        "select 1 -- now()\n",
        "select 1 /* now() */",
        "select $$now()$$, $a$current_date$a$",
        "select t.current_date from t",
        "select x as current_date from t",
        "select e'it\\'s now()'",
        "select now from t",
        "select today from t",
        "select snow() from t",
    ],
)
def test_what_only_looks_like_the_clock_stays(sql):
    assert pin(sql, CLOCK) == sql


def test_terminators():
    assert without_terminator("select ';' ; -- end\n") == "select ';'"
    assert without_terminator("select 1; select 2;") == "select 1; select 2"
    assert without_terminator("select 1 -- a;b\n") == "select 1 -- a;b"
    assert without_terminator("  ") == ""
