"""Where a source stands, and where each raw row came from.

Every raw row has `_position STRUCT(unit VARCHAR, seq BIGINT)`: `unit` is the file's path, the table and chunk, the log
position or
the page; `seq` the row's place in it, from 1 (0: the source gives none). Two versions of one key are ordered by
`_loaded_at`, then `_position`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

RAW_COLUMNS = (
    ("_loaded_at", "TIMESTAMP"),
    ("_load_id", "VARCHAR"),
    ("_position", "STRUCT(unit VARCHAR, seq BIGINT)"),
)


@dataclass(frozen=True, slots=True)
class Unit:
    """One named piece that a load takes from a source: a file version, a table chunk, a page.

    For files: `name` is the path or URL, `size` in bytes, `modified_at` ISO text, `content_hash` hex. A unit of the same
    name with another
    hash is a new version and supersedes the old one.
    """

    name: str
    size: int = 0
    modified_at: str = ""
    content_hash: str = ""
    rows: int = 0


@dataclass(frozen=True, slots=True)
class Position:
    """A source table's position: JSON-able `state` (cursor value, log position, …) and, for files, the units known.

    `waiting` are the versions that a gate has blocked: a connector leaves each alone while it stands there unchanged, and names
    it in its extraction's `released` when it is gone, or stands again as in `units`.
    """

    state: Mapping[str, Any] = field(default_factory=dict)
    units: Mapping[str, Unit] = field(default_factory=dict)
    waiting: Mapping[str, Unit] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A malformed record that could not become a row: where it was, why, and its text (cut at 64 KiB)."""

    unit: str
    seq: int
    reason: str
    record: str
