"""What a run has staged, in a file of its own beside the staging database: how staged work survives a crash.

One JSON document a line, written whole before anybody relies on it. The last line of a killed process may be torn: it is dropped.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

from headgate.spec.names import Column, Relation
from headgate.spec.staged import Interval, RowCounts, Staged
from headgate.spec.verdicts import Verdict

_TUPLES = ("files", "key", "partition_by", "sort_by", "alter", "notes")


class Journal:
    """The journal of one run: staged values, and the Parquet files that it began to write. Safe to use from several threads."""

    def __init__(self, path: Path, *, resume: bool) -> None:
        self._path, self._guard = path, threading.Lock()
        if resume and path.exists():
            whole = path.read_bytes().rpartition(b"\n")
            os.truncate(path, len(whole[0]) + len(whole[1]))
        self._file = path.open("ab" if resume else "wb", buffering=0)

    def remember(self, staged: Staged) -> None:
        """Note a staged value."""
        self._write({"staged": to_json(staged)})

    def will_write(self, path: str) -> None:
        """Note a Parquet file before it is written, so that it can be cleaned away."""
        self._write({"file": path})

    def staged(self) -> dict[str, Staged]:
        """The newest staged value of each key."""
        found = (from_json(line["staged"]) for line in self._lines() if "staged" in line)
        return {journal_key(staged): staged for staged in found}

    def files(self) -> list[str]:
        """Every Parquet file that the run has begun to write."""
        return [str(line["file"]) for line in self._lines() if "file" in line]

    def close(self) -> None:
        """Close the file; it stays."""
        self._file.close()

    def _write(self, document: dict[str, Any]) -> None:
        line = json.dumps(document, separators=(",", ":")).encode() + b"\n"
        with self._guard:
            self._file.write(line)

    def _lines(self) -> Iterator[dict[str, Any]]:
        with self._path.open("rb") as file:
            for line in file:
                yield json.loads(line)


def to_json(staged: Staged) -> dict[str, Any]:
    """`staged` as a JSON document."""
    document = {field.name: getattr(staged, field.name) for field in fields(staged)}
    document["relation"] = [staged.relation.schema, staged.relation.name]
    document["columns"] = [[c.name, c.type, c.nullable] for c in staged.columns]
    document["counts"] = _plain(staged.counts)
    document["interval"] = _plain(staged.interval) if staged.interval else None
    document["verdicts"] = [_plain(v) for v in staged.verdicts]
    document["inputs"] = dict(staged.inputs)
    return document


def from_json(document: dict[str, Any]) -> Staged:
    """The reverse of `to_json`."""
    said = dict(document)
    said["relation"] = Relation(*said["relation"])
    said["columns"] = tuple(Column(*c) for c in said["columns"])
    said["counts"] = RowCounts(**said["counts"])
    said["interval"] = Interval(**said["interval"]) if said["interval"] else None
    said["verdicts"] = tuple(Verdict(**{**v, "sample": tuple(v["sample"])}) for v in said["verdicts"])
    for name in _TUPLES:
        said[name] = tuple(said[name])
    return Staged(**said)


def journal_key(staged: Staged) -> str:
    """The key of a staged value: its unique id, with the interval's start where it has one."""
    return staged.unique_id if staged.interval is None else f"{staged.unique_id}@{staged.interval.start}"


def _plain(value: Any) -> dict[str, Any]:
    return {field.name: getattr(value, field.name) for field in fields(value)}
