"""`sources.json`, version 3: how fresh every source's table is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from headgate.serve.artifacts.configs import freshness
from headgate.serve.artifacts.metadata import Call, metadata
from headgate.spec.project import Project

if TYPE_CHECKING:
    from headgate.serve.answers.freshness import Fresh

VERSION = 3
NO_ROWS = datetime(1, 1, 1)  # as dbt has it for an empty table


def sources(project: Project, found: Iterable[Fresh], call: Call, elapsed: float) -> dict[str, Any]:
    """The artifact."""
    return {
        "metadata": metadata("sources", VERSION, call),
        "results": [_result(project, fresh) for fresh in found],
        "elapsed_time": elapsed,
    }


def _result(project: Project, fresh: Fresh) -> Mapping[str, Any]:
    if fresh.status == "runtime error":
        return {"unique_id": fresh.unique_id, "error": fresh.error, "status": fresh.status}
    asked = datetime.fromisoformat(fresh.asked)
    newest = datetime.fromisoformat(fresh.newest) if fresh.newest else NO_ROWS
    begun = _iso(asked - timedelta(seconds=fresh.seconds))
    criteria = freshness(project.sources[fresh.unique_id]) or {"warn_after": None, "error_after": None, "filter": None}
    return {
        "unique_id": fresh.unique_id,
        "max_loaded_at": newest.isoformat(timespec="microseconds") + "+00:00",
        "snapshotted_at": asked.isoformat(timespec="microseconds") + "+00:00",
        "max_loaded_at_time_ago_in_s": (asked - newest).total_seconds(),
        "status": fresh.status,
        "criteria": criteria,
        "adapter_response": {},
        "timing": [
            {"name": "compile", "started_at": begun, "completed_at": begun},
            {"name": "execute", "started_at": begun, "completed_at": _iso(asked)},
        ],
        "thread_id": "Thread-1",
        "execution_time": fresh.seconds,
    }


def _iso(moment: datetime) -> str:
    return moment.isoformat(timespec="microseconds") + "Z"
