"""Open a resource of a REST interface.

Ordering: as the interface gives them. Delivery: exactly once into raw: rows that raw holds already are not appended again. Replay: any
window that the interface answers. Blocking: none. Pages are written as lines of JSON while they arrive and read by the engine in one
piece, so that types are found over all of them, nested data stays nested, and memory holds one page.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests
from dlt.sources.rest_api.config_setup import create_response_hooks

from headgate.ports.inferred import settled
from headgate.ports.source import Batch, Extraction, ExtractRequest
from headgate.ports.tables import table_batch
from headgate.sources.rest.asking import client, paginator
from headgate.spec.errors import CredentialRefused, HeadgateError, SourceBroken, SourceUnavailable
from headgate.spec.names import quote_ident, quote_literal
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
    return _Resource(request, lines, rows, Position(state, request.position.units))


class _Resource:
    """The fetched pages as one batch."""

    def __init__(self, request: ExtractRequest, lines: Path, rows: int, after: Position) -> None:
        self.request, self.lines, self.rows, self.after = request, lines, rows, after

    def batches(self) -> Iterator[Batch]:
        """One batch over all pages."""
        settings = "format = 'newline_delimited', sample_size = -1, map_inference_threshold = -1"
        read = f"read_json({quote_literal(str(self.lines))}, {settings})"
        placed = f"SELECT * EXCLUDE ({_UNIT}, {_SEQ}), {_UNIT} AS _unit, CAST({_SEQ} AS BIGINT) AS _seq FROM {read}"
        rows_sql, columns = settled(self.request, placed)
        cursor, where = self.request.table.cursor, ""
        if cursor is not None and any(c.name == cursor for c in columns):  # a cursor within nested data bounds nothing
            name = quote_ident(cursor)
            where = f"({name} >= (SELECT min({name}) FROM ({rows_sql})) OR {name} IS NULL)"
        yield table_batch(self.request, rows_sql, columns, None, None, raw_where=where, rows_expected=self.rows)

    def position(self) -> Position:
        """Where the resource stands after these pages."""
        return self.after

    def close(self) -> None:
        """Remove the fetched pages."""
        self.lines.unlink(missing_ok=True)


def _fetch(request: ExtractRequest, lines: Path) -> tuple[Any, int]:
    """Write all rows of all pages; returns the highest cursor value and the number of rows."""
    table = request.table
    options = table.options
    last = request.since or (None if request.full else request.position.state.get("cursor"))
    highest, count = last, 0
    actions = options.get("response_actions")
    with lines.open("w", encoding="utf-8") as out:
        pages = client(request).paginate(
            str(options["path"]).lstrip("/"),
            method=str(options.get("method", "GET")),  # type: ignore[arg-type]
            params=_params(request, last),
            json=options.get("body"),
            paginator=paginator(request),
            data_selector=options.get("data_selector"),
            hooks=create_response_hooks(actions) if actions else None,
        )
        for number, page in enumerate(pages, 1):
            unit = _unit(page.response.url if page.response is not None else str(options["path"]), number)
            for seq, row in enumerate(page, 1):
                record = row if isinstance(row, dict) else {"value": row}
                highest = _higher(highest, _cursor(record, table.cursor), table)
                out.write(json.dumps({**record, _UNIT: unit, _SEQ: seq}, ensure_ascii=False) + "\n")
                count += 1
    return highest, count


def _params(request: ExtractRequest, last: Any) -> dict[str, Any]:
    """The declared parameters, with the ends of the window."""
    options = request.table.options
    params = dict(options.get("params") or {})
    start, end = options.get("start_param"), options.get("end_param")
    begin = options.get("initial_value") if last is None else last
    if start and begin is not None:
        params[str(start)] = begin
    if end and request.until is not None:
        params[str(end)] = request.until
    return params


def _higher(highest: Any, value: Any, table: SourceTable) -> Any:
    """The greater of two cursor values. Raises SourceBroken for values that have no order."""
    if value is None or highest is None:
        return highest if value is None else value
    try:
        return max(highest, value)
    except TypeError:
        raise SourceBroken(
            f"the cursor '{table.cursor}' of '{table.name}' is now {type(highest).__name__}, now {type(value).__name__}",
            expected="values of one kind",
            todo="choose another cursor:",
        ) from None


def _unit(url: str, number: int) -> str:
    """A page's name: its address and its number in the load. Its parameters stay out of it, since a key may be among them."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname}{parts.path}#page={number}"


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
