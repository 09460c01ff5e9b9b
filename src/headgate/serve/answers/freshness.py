"""How fresh the sources are: the age of each table's newest row against what is promised of it."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Iterable
from dataclasses import dataclass

import duckdb

from headgate.ports.engine import Cursor
from headgate.run.session import Session
from headgate.spec.errors import HeadgateError
from headgate.spec.project import Freshness, SourceTable

OURS = "_loaded_at"


@dataclass(frozen=True, slots=True)
class Fresh:
    """How fresh one table of a source is.

    `status` is pass, warn, error or "runtime error" (then `error` says why). `newest` is the moment of the newest row (null: no rows),
    `asked` that of the question, `age` the seconds between them.
    """

    unique_id: str
    dataset: str
    status: str
    newest: str | None = None
    asked: str = ""
    age: float | None = None
    seconds: float = 0.0
    error: str = ""


def freshness(session: Session, selected: Iterable[str] = ()) -> tuple[Fresh, ...]:
    """The freshness of every table (of those selected) of which a limit is declared. A table that cannot be asked is an answer too."""
    wanted = set(selected)
    found = []
    with session.still() as still:
        cursor = still.lake.cursor()
        try:
            for table in session.project.sources.values():
                if (not wanted or table.unique_id in wanted) and _limited(table.freshness):
                    found.append(_asked(still, table, cursor))
        finally:
            cursor.close()
    return tuple(found)


def _limited(declared: Freshness | None) -> bool:
    return declared is not None and (declared.warn_after is not None or declared.error_after is not None)


def _asked(session: Session, table: SourceTable, cursor: Cursor) -> Fresh:
    began, now = time.perf_counter(), dt.datetime.now(dt.UTC).replace(tzinfo=None)
    declared = table.freshness or Freshness()
    try:
        row = cursor.execute(_query(session, table, declared)).fetchone()
    except (duckdb.Error, HeadgateError) as error:
        return Fresh(table.unique_id, str(table.relation), "runtime error", asked=now.isoformat(), error=str(error).strip())
    newest = None if row is None or row[0] is None else dt.datetime(1970, 1, 1) + dt.timedelta(microseconds=row[0])
    age = None if newest is None else (now - newest).total_seconds()
    status = "pass"
    for name, limit in (("warn", declared.warn_after), ("error", declared.error_after)):
        if limit is not None and (age is None or age > limit):
            status = name
    said = newest.isoformat() if newest else None
    return Fresh(table.unique_id, str(table.relation), status, said, now.isoformat(), age, time.perf_counter() - began)


def _query(session: Session, table: SourceTable, declared: Freshness) -> str:
    """The query for the newest moment, in microseconds. The loading time is asked where no field is named."""
    render = session.templates.render_text
    if declared.loaded_at_query:
        query = render(declared.loaded_at_query, {}, where=f"loaded_at_query of {table.unique_id}")
        return f"SELECT epoch_us(found.at) FROM ({query.strip().rstrip(';')}) AS found(at)"
    where = f" WHERE {render(declared.filter, {}, where=f'filter of {table.unique_id}')}" if declared.filter else ""
    return f"SELECT epoch_us(max({declared.loaded_at_field or OURS})) FROM {table.relation.sql(session.lake.name)}{where}"
