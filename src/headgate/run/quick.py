"""A run that has nothing to do, answered in a fifth of a second: stdlib only (and psycopg where the lake is on a server), no engine, no parser.

The last complete run left a settled mark: "project files so, lake snapshot so, source files so: nothing to do". When all
three still hold, the
plan is empty by construction. Anything else, any doubt, and the ordinary path decides.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any


def nothing_to_do(arguments: Sequence[str]) -> str | None:
    """The whole answer of `headgate run …` when nothing is to be done, else None. Only a plain call is answered here."""
    options = _plain_call(arguments)
    if options is None:
        return None
    root, environment, as_json = options
    from headgate.run.settled import still_settled

    mark = still_settled(root, environment)
    if mark is None:
        return None
    from headgate.run.idle_results import leave
    from headgate.spec.ids import uuid7

    run_id = uuid7()
    if mark["state"] and not _keep(mark, run_id):
        return None
    leave(root, run_id)
    if as_json:
        result = {  # as `spec.events.RunResult`, whose module would bring others with it
            "run_id": mark["run_id"], "status": "done", "steps": [], "snapshot": mark["snapshot"], "seconds": 0.0, "reason": "",
            "nothing_to_do": True,
        }  # fmt: skip
        return json.dumps(result, indent=2) + "\n"
    return (
        f"Nothing to do: {mark['nodes']} models are up to date at snapshot {mark['snapshot']} (since run {mark['run_id'][:8]}).\n"
    )


def _keep(mark: Mapping[str, Any], run_id: str) -> bool:
    """Record the run in the state database: one that found nothing to do is a run too. False when that was not possible here."""
    from headgate.spec.clock import now_iso
    from headgate.state.quick import record_noop_run

    return record_noop_run(
        mark["state"], run_id=run_id, project=mark["project"], environment=mark["environment"], command="run", started_at=now_iso(), seconds=0.0,
        snapshot=mark["snapshot"],
    )  # fmt: skip


def _plain_call(arguments: Sequence[str]) -> tuple[Path, str, bool] | None:
    """Project, environment and output of a call that has no other options; None for any other call."""
    root, environment, as_json = Path.cwd(), "", False
    rest = list(arguments)
    while rest:
        option = rest.pop(0)
        if option in ("--project", "-p") and rest:
            root = Path(rest.pop(0)).resolve()
        elif option in ("--env", "-e", "--target", "-t") and rest:
            environment = rest.pop(0)
        elif option in ("-o", "--output") and rest and rest[0] in ("json", "text"):
            as_json = rest.pop(0) == "json"
        else:
            return None
    return root, environment, as_json
