"""Staged values as JSON and back: how a run's staged work survives a crash."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from headgate.spec.names import Column, Relation
from headgate.spec.staged import Interval, RowCounts, Staged
from headgate.spec.verdicts import Verdict

_TUPLES = ("files", "key", "partition_by", "sort_by", "alter", "notes")


def to_json(staged: Staged) -> str:
    """`staged` as one line of JSON."""
    return json.dumps(asdict(staged))


def from_json(text: str) -> Staged:
    """The reverse of `to_json`."""
    said: dict[str, Any] = json.loads(text)
    said["relation"] = Relation(**said["relation"])
    said["columns"] = tuple(Column(**c) for c in said["columns"])
    said["counts"] = RowCounts(**said["counts"])
    said["interval"] = Interval(**said["interval"]) if said["interval"] else None
    said["verdicts"] = tuple(Verdict(**{**v, "sample": tuple(v["sample"])}) for v in said["verdicts"])
    for name in _TUPLES:
        said[name] = tuple(said[name])
    return Staged(**said)


def journal_key(staged: Staged) -> str:
    """The key of a staged value: its unique id, with the interval's start where it has one."""
    return staged.unique_id if staged.interval is None else f"{staged.unique_id}@{staged.interval.start}"
