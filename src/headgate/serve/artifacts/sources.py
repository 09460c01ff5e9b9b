"""`sources.json`, version 3: how fresh every source's table is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from headgate.serve.artifacts.configs import freshness
from headgate.serve.artifacts.metadata import Call, iso, metadata
from headgate.spec.project import Project

VERSION = 3


@dataclass(frozen=True, slots=True)
class Freshly:
    """How fresh one table is: `status` pass, warn or error, or "runtime error" with `error`; moments are in seconds since 1970."""

    unique_id: str
    status: str
    newest: float = 0.0  # the newest row
    asked: float = 0.0  # when that was asked
    seconds: float = 0.0
    error: str = ""


def sources(project: Project, found: Iterable[Freshly], call: Call, elapsed: float) -> dict[str, Any]:
    """The artifact."""
    return {
        "metadata": metadata("sources", VERSION, call),
        "results": [_result(project, fresh) for fresh in found],
        "elapsed_time": elapsed,
    }


def _result(project: Project, fresh: Freshly) -> Mapping[str, Any]:
    if fresh.status == "runtime error":
        return {"unique_id": fresh.unique_id, "error": fresh.error, "status": fresh.status}
    begun = fresh.asked - fresh.seconds
    criteria = freshness(project.sources[fresh.unique_id]) or {"warn_after": None, "error_after": None, "filter": None}
    return {
        "unique_id": fresh.unique_id,
        "max_loaded_at": iso(fresh.newest),
        "snapshotted_at": iso(fresh.asked),
        "max_loaded_at_time_ago_in_s": fresh.asked - fresh.newest,
        "status": fresh.status,
        "criteria": criteria,
        "adapter_response": {},
        "timing": [
            {"name": "compile", "started_at": iso(begun), "completed_at": iso(begun)},
            {"name": "execute", "started_at": iso(begun), "completed_at": iso(fresh.asked)},
        ],
        "thread_id": "Thread-1",
        "execution_time": fresh.seconds,
    }
