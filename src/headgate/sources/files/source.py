"""The files connector: what is new or changed, and how it is read.

Ordering: files by name, rows in file order. Delivery: a file version is read once; the manifest moves with the commit of its
rows. Replay: the whole file. A file of a known name with other content is a new version and supersedes the old one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from headgate.ports.source import Batch, ExtractRequest
from headgate.sources.files import delimited, documents, listing, tables
from headgate.sources.files.options import FileOptions, is_remote, parse
from headgate.spec.names import quote_ident, quote_literal
from headgate.spec.positions import Position

DELIMITED, DOCUMENTS = ("csv", "tsv"), ("json", "ndjson")


class FilesExtraction:
    """The new and changed files of one look."""

    def __init__(self, request: ExtractRequest, options: FileOptions, found: listing.Found) -> None:
        self._request, self._options, self._files = request, options, found.files
        self.released = found.released

    def batches(self) -> Iterator[Batch]:
        """Files that are alike in one statement; what cannot be read at all as dead letters of row 0."""
        request, options = self._request, self._options
        yield from tables.unreadable([f for f in self._files if f.fault])
        whole = [f for f in self._files if not f.fault]
        delimited_files = [f for f in whole if f.format in DELIMITED]
        document_files = [f for f in whole if f.format in DOCUMENTS]
        others = [f for f in whole if f.format not in DELIMITED + DOCUMENTS]
        if delimited_files:
            yield from delimited.batches(delimited_files, options, request.known_columns, request.cursor)
        if document_files:
            known, staging = request.known_columns, request.staging_path
            yield from documents.batches(document_files, options, known, request.cursor, staging)
        yield from tables.batches(others, options, request.cursor, request.load_extension)

    def position(self) -> Position:
        """The manifest after these files."""
        before = self._request.position
        return Position(before.state, {**before.units, **{f.unit.name: f.unit for f in self._files}})

    def close(self) -> None:
        """Nothing is held open; downloads lie in the staging folder, which its owner removes."""


def open(request: ExtractRequest) -> FilesExtraction | None:
    """The new and changed files, or None. Raises DeclarationError, SourceBroken, SourceUnavailable."""
    table = request.table
    options = parse(table.options, where=f"table '{table.name}' of source '{table.source}'")
    if any(is_remote(p) for p in options.path):
        request.load_extension("httpfs")
        _secrets(request)
    known = listing.Known({}, {}) if request.full else listing.Known(request.position.units, request.position.waiting)
    found = listing.new_files(options, known, request.cursor, root=request.project_root, staging=request.staging_path)
    return FilesExtraction(request, options, found) if found.files or found.released else None


def _secrets(request: ExtractRequest) -> None:
    """Make the connection's keys known to the engine for this source's buckets alone; nothing is written to disk."""
    connection = request.connection
    if not isinstance(connection, Mapping) or not connection:
        return
    kind = str(connection.get("type") or _kind(request)).lower()
    allowed = {k: v for k, v in connection.items() if k in SECRET_KEYS and v not in (None, "")}
    name = quote_ident(f"headgate_{request.table.source}")
    text = "".join(f", {k.upper()} {_value(v)}" for k, v in allowed.items())
    request.cursor.execute(f"CREATE OR REPLACE TEMPORARY SECRET {name} (TYPE {quote_ident(kind)}{text}{_scope(request)})")


def _kind(request: ExtractRequest) -> str:
    """The engine's word for the store of the first path: it looks a gs:// path up among secrets of Google's alone."""
    schemes = (p.partition("://")[0] for p in _paths(request) if is_remote(p))
    return KINDS.get(next(schemes, "s3"), "s3")


def _paths(request: ExtractRequest) -> list[str]:
    path = request.table.options.get("path") or ()
    return [path] if isinstance(path, str) else [str(p) for p in path]


def _scope(request: ExtractRequest) -> str:
    buckets = sorted({"/".join(p.split("/")[:3]) for p in _paths(request) if is_remote(p)})
    return ", SCOPE [" + ", ".join(quote_literal(b) for b in buckets) + "]" if buckets else ""


KINDS = {"gs": "gcs", "gcs": "gcs", "r2": "r2"}
SECRET_KEYS = ("key_id", "secret", "session_token", "region", "endpoint", "url_style", "use_ssl", "bearer_token", "provider")


def _value(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else quote_literal(str(value))
