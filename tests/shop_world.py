"""A shop whose models cover every incremental strategy, history and snapshot: deliveries go in through the real product, and plain Python
says what must stand in every table."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from headgate.run.session import Session, open_session

DAYS = 4
"""Events fall on today and the days before it."""

PROJECT = """name: shop
lake: { catalog: 'sqlite:.headgate/c.sqlite', data: .headgate/data }
state: 'sqlite:///.headgate/state.db'
"""
SOURCES = """sources:
  - name: shop
    owner: tests
    connector: files
    tables:
      - { name: events, path: landing/events_*.ndjson, config: { event_time: happened_at } }
      - { name: members, path: landing/members_*.ndjson }
      - { name: state, path: landing/state.ndjson }
"""
EVENTS = "from {{ source('shop', 'events') }}"
SINCE = "{% if is_incremental() %} where _loaded_at >= (select max(_loaded_at) from {{ this }}) {% endif %}"
NEW_DAYS = """{% if is_incremental() %} where cast(happened_at as date) in (select cast(happened_at as date)
  from {{ source('shop', 'events') }} where _loaded_at >= (select max(_loaded_at) from {{ this }})) {% endif %}"""
COLUMNS = "id, k, happened_at, changed_at, v, _loaded_at, current_timestamp as _dbt_loaded_at"
ROW = f"select {COLUMNS} {EVENTS} "
DAILY = f"select cast(happened_at as date) as day, count(*) as n, sum(v) as total, max(_loaded_at) as _loaded_at {EVENTS} {NEW_DAYS} group by all"
BY_DAY = "incremental_strategy='microbatch', event_time='happened_at', batch_size='day', begin='{begin}'"
KEYED = "unique_key='id', incremental_order='changed_at'"
MEMBERS = "select k, name, changed_at, _loaded_at from {{ source('shop', 'members') }}"
NEWEST_MEMBER = (
    "select k, arg_max(name, (changed_at, _loaded_at, _position)) as name from {{ source('shop', 'members') }} group by k"
)
INFERRED = (
    "[{'dimension': 'dim_merged', 'key': 'k'}, {'dimension': 'dim_versions', 'key': 'k'}, {'dimension': 'dim_table', 'key': 'k'}]"
)

MODELS = {
    "appended": (f"incremental_strategy='append', {KEYED}", ROW + SINCE),
    "merged": (f"incremental_strategy='merge', {KEYED}, event_time='happened_at'", ROW + SINCE),
    "replaced": (f"incremental_strategy='delete+insert', {KEYED}", ROW + SINCE),
    "by_group": ("incremental_strategy='delete+insert', unique_key='day', key_is_group=true", DAILY),
    "by_partition": (
        "incremental_strategy='insert_overwrite', partition_by='day'",
        f"select {COLUMNS}, cast(happened_at as date) as day {EVENTS} {NEW_DAYS}",
    ),
    "by_batch": (BY_DAY, ROW),
    "by_batch_keyed": (f"{BY_DAY}, {KEYED}", ROW),
    "by_batch_of_merged": (BY_DAY, f"select {COLUMNS.partition(', current')[0]} from {{{{ ref('merged') }}}}"),
    "type_1": ("unique_key='id', scd=1, incremental_order='changed_at'", ROW + SINCE),
    "type_2": ("unique_key='id', history={'type': 2, 'effective': 'changed_at', 'track': ['v']}", ROW + SINCE),
    "type_3": ("unique_key='id', history={'type': 3, 'effective': 'changed_at', 'track': ['v']}", ROW + SINCE),
    "dim_merged": ("unique_key='k', incremental_order='changed_at'", MEMBERS + " " + SINCE),
    "dim_versions": ("unique_key='k', history={'type': 2, 'effective': 'changed_at', 'track': ['name']}", MEMBERS + " " + SINCE),
    "dim_table": ("materialized='table'", NEWEST_MEMBER),
    "fact": (f"{KEYED}, inferred_members={INFERRED}", ROW + SINCE),
    "mart": ("materialized='table'", "select k, count(*) as n, sum(v) as total from {{ ref('merged') }} group by k"),
    "shown": ("materialized='view'", "select id, v from {{ ref('by_batch') }}"),
    "runs": (
        "unique_key='moment'",
        "select cast(current_timestamp as timestamp) as moment, max(_load_id) as load_id from {{ source('shop', 'state') }}",
    ),
}
FAMILIES = {
    "keyed": ("appended", "merged", "replaced", "type_1", "type_2", "type_3", "mart"),
    "spans": ("merged", "by_group", "by_partition", "by_batch", "by_batch_keyed", "by_batch_of_merged", "shown"),
    "members": ("dim_merged", "dim_versions", "dim_table", "fact", "runs"),
}
"""Models that are tried together; the snapshots go with the members."""
SNAPSHOTS = {
    "kept": "strategy='timestamp', updated_at='changed_at', hard_deletes='invalidate'",
    "marked": "strategy='timestamp', updated_at='changed_at', hard_deletes='new_record'",
    "checked": "strategy='check', check_cols=['v'], hard_deletes='invalidate'",
}


class Event(NamedTuple):
    """A version of an event: `day` days ago it happened, at minute `changed` this version was written."""

    id: int
    k: int | None
    day: int
    changed: int
    v: int


class Member(NamedTuple):
    """A version of a member, written at minute `changed`."""

    k: int
    name: str
    changed: int


@dataclass
class Shop:
    """One project folder and everything that was delivered to it, in the order of arrival."""

    root: Path
    today: datetime
    loads: list[list[Event]] = field(default_factory=list)
    members: list[Member] = field(default_factory=list)
    states: list[dict[int, tuple[int, int]]] = field(default_factory=list)

    @staticmethod
    def create(root: Path, family: str) -> Shop:
        """A fresh project with one family of models."""
        for folder in ("models", "snapshots", "sources", "landing"):
            (root / folder).mkdir(parents=True)
        today = datetime.now(UTC).replace(tzinfo=None, hour=0, minute=0, second=0, microsecond=0)
        begin = (today - timedelta(days=DAYS)).date().isoformat()
        (root / "headgate.yml").write_text(PROJECT)
        (root / "sources" / "shop.yml").write_text(SOURCES)
        for name in FAMILIES[family]:
            config, sql = MODELS[name]
            config = config if "materialized" in config else f"materialized='incremental', {config}"
            (root / "models" / f"{name}.sql").write_text(f"{{{{ config({config.replace('{begin}', begin)}) }}}}\n{sql}\n")
        for name in SNAPSHOTS if family == "members" else ():
            code = f"{{% snapshot {name} %}}{{{{ config(target_schema='main', unique_key='k', {SNAPSHOTS[name]}) }}}}\n"
            code += "select k, v, changed_at from {{ source('shop', 'state') }} {% endsnapshot %}\n"
            (root / "snapshots" / f"{name}.sql").write_text(code)
        shop = Shop(root, today)
        shop.deliver([Event(1, 1, 0, 0, 0)], [Member(1, "a", 0)], {1: (0, 0)})
        return shop

    def open(self) -> Session:
        """The project's session."""
        return open_session(str(self.root))

    def at(self, minute: int) -> datetime:
        """The moment that `minute` stands for."""
        return self.today - timedelta(days=30) + timedelta(minutes=minute)

    def happened(self, event: Event) -> datetime:
        """When an event happened."""
        return self.today - timedelta(days=event.day) + timedelta(hours=event.id)

    def deliver(
        self, events: Sequence[Event] = (), members: Sequence[Member] = (), state: dict[int, tuple[int, int]] | None = None
    ) -> None:
        """New files with these rows; `state` (key to value and minute) replaces the state file."""
        if events:
            self.loads.append(list(events))
            self._write(f"events_{len(self.loads):04d}", [self._row(e) for e in events])
        if members:
            self.members += members
            rows = [{"k": m.k, "name": m.name, "changed_at": self.at(m.changed).isoformat()} for m in members]
            self._write(f"members_{len(self.members):04d}", rows)
        if state is not None and (not self.states or state != self.states[-1]):
            self.states.append(state)
            self._write("state", [{"k": k, "v": v, "changed_at": self.at(m).isoformat()} for k, (v, m) in sorted(state.items())])

    def _row(self, e: Event) -> dict[str, Any]:
        when = {"happened_at": self.happened(e).isoformat(), "changed_at": self.at(e.changed).isoformat()}
        return {"id": e.id, "k": e.k, **when, "v": e.v}

    def _write(self, name: str, rows: Sequence[dict[str, Any]]) -> None:
        fresh = self.root / "landing" / f"{name}.part"
        fresh.write_text("".join(json.dumps(r) + "\n" for r in rows))
        fresh.rename(fresh.with_suffix(".ndjson"))
