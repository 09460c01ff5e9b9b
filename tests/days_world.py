"""Models built by days over files that come late, twice, and in another version: what must stand is what stands in the files."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from headgate.run.session import Session, open_session

BEGIN, COUNT = date(2026, 1, 1), 6
PROJECT = """name: days
lake: { catalog: 'sqlite:.headgate/c.sqlite', data: .headgate/data }
state: 'sqlite:///.headgate/state.db'
"""
SOURCES = """sources:
  - name: shop
    owner: tests
    connector: files
    tables: [{ name: events, path: landing/*.ndjson, config: { event_time: moment } }]
"""
END = BEGIN + timedelta(days=COUNT)
BATCHES = f"materialized='incremental', incremental_strategy='microbatch', batch_size='day', begin='{BEGIN}', end='{END}'"
EVENTS, NEWEST = "from {{ source('shop', 'events') }}", "from {{ ref('newest') }}"
MODELS = {
    "newest": (
        "materialized='table'",
        f"select id, moment, v, _loaded_at {EVENTS} qualify row_number() over (partition by id order by _loaded_at desc, _position desc) = 1",
    ),
    "whole": (
        f"{BATCHES}, event_time='moment'",
        f"select id, moment, v, _loaded_at, current_timestamp as _dbt_loaded_at {EVENTS}",
    ),
    "bare": (f"{BATCHES}, event_time='moment'", f"select id, moment, v {EVENTS}"),
    "some": (f"{BATCHES}, event_time='moment', unique_key=['id', 'v']", f"select id, moment, v, _loaded_at {EVENTS} where v > 0"),
    "daily": (
        f"{BATCHES}, event_time='day'",
        f"select cast(moment as date) as day, count(*) as n, sum(v) as total, max(_loaded_at) as _loaded_at {EVENTS} group by 1",
    ),
    "second": (f"{BATCHES}, event_time='moment', unique_key='id'", f"select id, moment, v, _loaded_at {NEWEST}"),
    "held": (f"{BATCHES}, event_time='moment', reconcile={{'after': '300 days'}}", f"select id, moment, v, _loaded_at {EVENTS}"),
}
"""`newest` is built as a whole, all others by days; `held` takes late rows only when it is told to."""
ASIDE = {
    "tops": ("materialized='table'", f"select id, max(v) as top {EVENTS} group by id"),
    "joined": (
        f"{BATCHES}, event_time='moment'",
        f"select e.id, e.moment, t.top as v, e._loaded_at {EVENTS} as e join {{{{ ref('tops') }}}} as t using (id)",
    ),
}
"""A model by days beside a dimension, which every batch reads as a whole."""


@dataclass
class Days:
    """One project folder and the rows of each of its files: (id, day, v), in order of arrival."""

    root: Path
    files: dict[int, list[tuple[int, int, int]]] = field(default_factory=dict)
    order: list[int] = field(default_factory=list)
    waiting: list[int] = field(default_factory=list)

    @staticmethod
    def create(root: Path, models: Sequence[str] = tuple(MODELS)) -> Days:
        """A fresh project with a first file."""
        for folder in ("models", "sources", "landing"):
            (root / folder).mkdir(parents=True)
        (root / "headgate.yml").write_text(PROJECT)
        (root / "sources" / "shop.yml").write_text(SOURCES)
        for name in models:
            config, sql = (MODELS | ASIDE)[name]
            (root / "models" / f"{name}.sql").write_text(f"{{{{ config({config}) }}}}\n{sql}\n")
        days = Days(root)
        days.put(1, [(1, 2, 1)])
        return days

    def open(self) -> Session:
        """The project's session."""
        return open_session(str(self.root))

    def put(self, file: int, rows: list[tuple[int, int, int]]) -> None:
        """A new file, or a new version of one."""
        if self.files.get(file) == rows:
            return
        self.files[file] = rows
        self.waiting = [f for f in self.waiting if f != file] + [file]
        text = "".join(json.dumps({"id": i, "moment": f"{self.day(day)}T{i:02d}:00:00", "v": v}) + "\n" for i, day, v in rows)
        fresh = self.root / "landing" / f"{file}.part"
        fresh.write_text(text)
        fresh.rename(fresh.with_suffix(".ndjson"))

    def landed(self) -> None:
        """What was waiting has arrived, in one load: its files are ordered by name."""
        fresh = sorted(self.waiting, key=str)
        self.order, self.waiting = [f for f in self.order if f not in fresh] + fresh, []

    def some_rows(self, rnd: random.Random) -> list[tuple[int, int, int]]:
        """Rows of any days, some of them twice, some outside of the models' range."""
        rows = [(rnd.randint(1, 9), rnd.randint(-1, COUNT), rnd.randint(0, 2)) for _ in range(rnd.randint(1, 6))]
        return rows + rnd.choices(rows, k=rnd.randint(0, 1))

    @staticmethod
    def day(number: int) -> date:
        """The date of day 0, 1, …"""
        return BEGIN + timedelta(days=number)

    def rows(self) -> list[tuple[int, int, int]]:
        """All rows of the files as they are now, in order of arrival."""
        return [row for file in self.order for row in self.files[file]]

    def expected(self, model: str) -> list[tuple[Any, ...]]:
        """What one run over all data gives: (id, day, v), or (day, count, sum)."""
        rows = [r for r in self.rows() if 0 <= r[1] < COUNT or model == "newest"]
        if model == "some":
            return sorted({(i, d, v) for i, d, v in rows if v > 0})
        if model in ("newest", "second"):
            last = {i: (i, d, v) for i, d, v in self.rows()}
            return sorted(r for r in last.values() if model == "newest" or 0 <= r[1] < COUNT)
        if model == "daily":
            sums: dict[int, list[int]] = {}
            for _, d, v in rows:
                sums.setdefault(d, []).append(v)
            return sorted((d, len(vs), sum(vs)) for d, vs in sums.items())
        return sorted(rows)

    def found(self, session: Session, model: str) -> list[tuple[Any, ...]]:
        """What stands, in the form of `expected`."""
        day = f"datediff('day', date '{BEGIN}', cast({{}} as date))"
        columns = f"{day.format('day')}, n, total" if model == "daily" else f"id, {day.format('moment')}, v"
        rows = session.query(f"select {columns} from main.{model}").to_pylist()
        return sorted(tuple(r.values()) for r in rows)
