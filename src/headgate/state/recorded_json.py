"""`spec.recorded` values to JSON text and back, exactly. Stdlib only: the quick way to an answer may read a mirror too."""

from __future__ import annotations

import json
from dataclasses import fields
from typing import Any

from headgate.spec.names import Column
from headgate.spec.recorded import DoneInterval, Recorded, RecordedDataset
from headgate.spec.staged import Interval, RowCounts


def recorded_to_json(recorded: Recorded) -> str:
    """The ledger as compact JSON; equal values give equal texts."""
    datasets = {name: _dataset(d) for name, d in recorded.datasets.items()}
    return json.dumps({"snapshot": recorded.snapshot, "datasets": datasets}, ensure_ascii=False, separators=(",", ":"))


def recorded_from_json(text: str) -> Recorded:
    """The inverse of `recorded_to_json`."""
    data = json.loads(text)
    return Recorded(data["snapshot"], {name: _read_dataset(d) for name, d in data["datasets"].items()})


_PLAIN = tuple(f.name for f in fields(RecordedDataset) if f.name not in ("columns", "counts", "intervals"))
_COUNTS = tuple(f.name for f in fields(RowCounts))


def _dataset(d: RecordedDataset) -> dict[str, Any]:
    values: dict[str, Any] = {name: getattr(d, name) for name in _PLAIN}
    values["code"], values["inputs"] = dict(d.code), dict(d.inputs)
    values["columns"] = [[c.name, c.type, c.nullable] for c in d.columns]
    values["counts"] = [getattr(d.counts, name) for name in _COUNTS]
    values["intervals"] = [_interval(done) for done in d.intervals]
    return values


def _interval(done: DoneInterval) -> list[Any]:
    span = done.interval
    return [
        span.start,
        span.end,
        done.code_fingerprint,
        dict(done.inputs),
        done.version,
        done.done_at,
        done.rows_out,
        done.seconds,
    ]


def _read_dataset(values: dict[str, Any]) -> RecordedDataset:
    plain = {name: values[name] for name in _PLAIN}
    return RecordedDataset(
        **plain,
        columns=tuple(Column(*column) for column in values["columns"]),
        counts=RowCounts(*values["counts"]),
        intervals=tuple(DoneInterval(Interval(start, end), *rest) for start, end, *rest in values["intervals"]),
    )
