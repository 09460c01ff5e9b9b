"""What a terminal of 80 columns shows, and what a pipe is given."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from headgate.serve.cli.build_commands import place_of, show_plan, show_sample
from headgate.serve.cli.follow import Follow
from headgate.serve.cli.screen import Screen, counted, money
from headgate.spec.events import Event
from headgate.spec.steps import Estimate, Plan, Step

LONG = "raw.orders is blocked: [order_id] is not unique (250 results); NULL in carrier (15 of 28,385 rows); distance below 1"


def screen_of(width: int | None) -> tuple[Screen, io.StringIO]:
    """A screen that writes into memory: a terminal of `width` columns, or a pipe."""
    shown, screen = io.StringIO(), Screen()
    screen.out = screen.err = Console(
        file=shown, width=width or 240, force_terminal=width is not None, color_system=None, emoji=False
    )
    return screen, shown


def plan_of(*steps: Step) -> Plan:
    return Plan("shop", "dev", "", 7, steps, "2026-01-01T00:00:00")


def test_a_long_line_goes_on_further_in() -> None:
    screen, shown = screen_of(80)
    screen.line(f"\n  [bold]✗[/bold] land  {LONG.replace('[', chr(92) + '[')}")
    lines = shown.getvalue().splitlines()
    assert lines[0] == "" and lines[1].startswith("  ✗ land  raw.orders is blocked: [order_id]")
    assert len(lines) == 3 and lines[2].startswith("      ") and not lines[2].startswith("       ")
    assert all(len(line.rstrip()) <= 80 for line in lines)


def test_nothing_is_broken_in_a_pipe() -> None:
    screen, shown = screen_of(None)
    screen.line("  " + "word " * 200)
    assert shown.getvalue().count("\n") == 1


@pytest.mark.parametrize("kind", ["load.accepted", "load.blocked", "step.finished", "run.finished"])
def test_what_happens_fits_80_columns(kind: str) -> None:
    screen, shown = screen_of(80)
    status = {"load.blocked": "blocked"}.get(kind, "done")
    data = {"action": "build", "published": "11 tables"}
    Follow(screen)(
        Event(
            kind,
            "",
            dataset="intermediate.int_flights_with_weather",
            status=status,
            reason="",
            rows=1234567,
            seconds=1.5,
            data=data,
            snapshot=7,
        )
    )
    assert shown.getvalue().count("\n") == 1


def test_a_reason_of_an_engine_is_one_line() -> None:
    screen, shown = screen_of(200)
    reason = "Binder Error: no\n\nLINE 1: x\n  ^"
    Follow(screen)(Event("step.finished", "", dataset="a.b", status="failed", reason=reason, data={"action": "build"}))
    assert shown.getvalue().splitlines()[0].endswith("failed  Binder Error: no LINE 1: x ^")


def test_a_plan_says_each_reason_once() -> None:
    never = "it was never built"
    steps = [Step(f"model.shop.{n}", f"marts.{n}", "build", "new", never, "view") for n in "abc"]
    steps.append(
        Step("model.shop.d", "marts.d", "build", "changed", "its SQL differs\n", "full", estimate=Estimate(rows=1, seconds=0.2))
    )
    screen, shown = screen_of(80)
    show_plan(screen, plan_of(*steps))
    text = shown.getvalue()
    assert text.count(never) == 1
    assert "  changed marts.d full (1 row, 0.2 s)\n      its SQL differs\n" in text
    assert "4 to do, against snapshot 7." in text


def test_an_empty_plan_says_how_to_begin() -> None:
    screen, shown = screen_of(80)
    show_plan(screen, plan_of())
    assert "headgate new source NAME" in shown.getvalue()


def test_money_and_counts() -> None:
    assert [counted(n, "row") for n in (0, 1, 2000)] == ["0 rows", "1 row", "2,000 rows"]
    assert [money(a, "USD") for a in (0.00001, 0.01, 1234.5)] == ["less than 0.01 USD", "0.01 USD", "1,234.50 USD"]


def test_a_failing_raw_row_is_shown_with_its_place() -> None:
    assert (
        place_of({"unit": "a.csv", "seq": 3})
        == place_of("{'unit': 'a.csv', 'seq': 3}")
        == place_of("{'unit': a.csv, 'seq': 3}")
        == "a.csv #3"
    )
    screen, shown = screen_of(80)
    show_sample(
        screen, "unique_id", [{"id": "1", "_loaded_at": "x", "_load_id": "y", "_position": "{'unit': a.csv, 'seq': 3}"}], 3
    )
    assert shown.getvalue().split() == ["first", "rows", "that", "fail", "unique_id:", "id", "place", "1", "a.csv", "#3"]


def test_rows_without_room_stand_below_each_other() -> None:
    rows = [(1, "Ada [x]", "a" * 40), (20, None, "b")]
    screen, shown = screen_of(80)
    screen.rows(("customer_id", "name", "note"), rows)
    assert shown.getvalue().splitlines()[0].split() == ["customer_id", "name", "note"]
    screen, shown = screen_of(60)
    screen.rows(("customer_id", "name", "note"), rows)
    lines = shown.getvalue().splitlines()
    assert lines[:2] == ["customer_id  1", "name         Ada [x]"] and "name         –" in lines
    assert lines[lines.index("customer_id  20") - 1] == ""


def test_sql_is_shown_as_it_is() -> None:
    screen, shown = screen_of(40)
    sql = "select [1, 2] as [bold], '" + "a b " * 20 + "'\nfrom x"
    screen.verbatim(sql)
    assert shown.getvalue() == sql + "\n"
