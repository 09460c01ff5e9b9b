"""Open a resource of a REST interface.

Ordering: as the interface gives them. Delivery: exactly once into raw: rows that raw holds already are not appended again. Replay: any window that the
interface answers. Blocking: none. Pages are written as lines of JSON while they arrive and read by the engine in one piece, so that types are
found over all of them, nested data stays nested, and memory holds one page.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests

from headgate.ports.rereads import unseen_sql
from headgate.ports.source import Batch, Extraction, ExtractRequest, SqlBatch
from headgate.sources.rest.asking import client, paginator
from headgate.spec.errors import CredentialRefused, HeadgateError, SourceBroken, SourceUnavailable
from headgate.spec.names import Column, quote_ident, quote_literal
from headgate.spec.positions import Position
from headgate.spec.project import SourceTable

_UNIT, _SEQ = "_hg_unit", "_hg_seq"


def open(request: ExtractRequest) -> Extraction | None:
    """Fetch all pages into the staging folder. None when there is no row that raw does not hold."""
    lines = Path(request.staging_path) / f"{request.load_id}.ndjson"
    highest, rows = _fetch(request, lines)
    if not rows:
        lines.unlink(missing_ok=True)
        return None
    state = (
        {"cursor": highest}
        if highest is not None and request.since is None and request.until is None
        else dict(request.position.state)
    )
    return _Resource(request, lines, Position(state, request.position.units))


class _Resource:
    """The fetched pages as one batch."""

    def __init__(self, request: ExtractRequest, lines: Path, after: Position) -> None:
        self.request, self.lines, self.after = request, lines, after

    def batches(self) -> Iterator[Batch]:
        """One batch over all pages."""
        read = f"read_json({quote_literal(str(self.lines))}, format = 'newline_delimited', sample_size = -1, map_inference_threshold = -1)"
        described = self.request.cursor.execute(f"DESCRIBE SELECT * FROM {read}").fetchall()
        columns = [Column(r[0], r[1]) for r in described if r[0] not in (_UNIT, _SEQ)]
        columns = [Column(c.name, self._type(read, c)) for c in columns]
        listed = ", ".join(f"CAST({quote_ident(c.name)} AS {c.type}) AS {quote_ident(c.name)}" for c in columns)
        place = f"{_UNIT} AS _unit, CAST({_SEQ} AS BIGINT) AS _seq"
        table = self.request.table
        rows_sql = f"SELECT {listed}, {place} FROM {read}"
        rows = unseen_sql(rows_sql, columns, self.request.raw_sql, self.request.known_columns, key=table.primary_key)
        yield SqlBatch(rows)

    def _type(self, read: str, column: Column) -> str:
        """The raw table's type where all values fit, so that a page without a value changes nothing."""
        known = self.request.known_columns.get(column.name)
        if known is None or known == column.type:
            return column.type
        name = quote_ident(column.name)
        row = self.request.cursor.execute(
            f"SELECT count(*) FROM {read} WHERE {name} IS NOT NULL AND TRY_CAST({name} AS {known}) IS NULL"
        ).fetchone()
        return known if row is not None and row[0] == 0 else column.type

    def position(self) -> Position:
        """Where the resource stands after these pages."""
        return self.after

    def close(self) -> None:
        """Remove the fetched pages."""
        self.lines.unlink(missing_ok=True)


def _fetch(request: ExtractRequest, lines: Path) -> tuple[Any, int]:
    """Write all rows of all pages; returns the highest cursor value and the number of rows."""
    table = request.table
    params = dict(table.options.get("params") or {})
    last = request.since or (None if request.full else request.position.state.get("cursor"))
    start = table.options.get("start_param")
    if start and last is not None:
        params[str(start)] = last
    highest, count = last, 0
    with lines.open("w", encoding="utf-8") as out:
        pages = client(request).paginate(
            str(table.options["path"]).lstrip("/"),
            params=params,
            paginator=paginator(request),
            data_selector=table.options.get("data_selector"),
        )
        for page in pages:
            unit = _unit(page.response.url if page.response is not None else str(table.options["path"]))
            for seq, row in enumerate(page, 1):
                record = row if isinstance(row, dict) else {"value": row}
                value = _cursor(record, table.cursor)
                if value is not None and (highest is None or value > highest):
                    highest = value
                out.write(json.dumps({**record, _UNIT: unit, _SEQ: seq}, ensure_ascii=False) + "\n")
                count += 1
    return highest, count


def _unit(url: str) -> str:
    """A page's name without anything that may be a secret: its path and the values of its paging parameters stay out of it."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname}{parts.path}"


def _cursor(record: dict[str, Any], path: str | None) -> Any:
    """The cursor's value in a row; `a.b` looks into nested data."""
    value: Any = record
    for name in (path or "").split(".") if path else ():
        value = value.get(name) if isinstance(value, dict) else None
    return None if path is None else value


def explain(error: Exception, table: SourceTable) -> HeadgateError | None:
    """What an error of HTTP means; None when it has nothing to do with it."""
    source = f"source '{table.source}'"
    if isinstance(error, requests.HTTPError) and error.response is not None:
        status = error.response.status_code
        if status in (401, 403):
            return CredentialRefused(
                f"{source} answers {status} for '{table.name}'", expected="a credential that may read it", todo="check auth:"
            )
        if status == 429 or status >= 500:
            wait = error.response.headers.get("Retry-After", "")
            return SourceUnavailable(
                f"{source} answers {status} again and again", retry_after=float(wait) if wait.isdigit() else None
            )
        return SourceBroken(
            f"{source} answers {status} for '{table.name}': {error.response.text[:200]}", todo="correct path: or params:"
        )
    if isinstance(error, requests.exceptions.JSONDecodeError | json.JSONDecodeError):
        return SourceBroken(f"an answer of {source} is no JSON: {error}", expected="JSON", todo="look at what it answers")
    if isinstance(error, requests.RequestException):
        return SourceUnavailable(f"{source} does not answer: {type(error).__name__}: {error}", todo="look whether it is up")
    return None
