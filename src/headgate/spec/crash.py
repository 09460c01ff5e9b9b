"""Named points at which a crash test may kill the process.

`HEADGATE_CRASH_AT=name` (or `name:3` for the third passage) makes the process send itself SIGKILL there: no handler runs,
nothing is flushed, as in a power cut of the process. Without the variable a point costs one dictionary look-up.
"""

from __future__ import annotations

import os
import signal

POINTS = (
    "land.before_stage",
    "land.after_stage",
    "land.after_gate",
    "land.before_commit",
    "land.after_commit",
    "run.before_step",
    "run.after_stage",
    "run.after_gate",
    "run.before_publish",
    "run.after_publish",
    "publish.after_begin",
    "publish.after_data",
    "publish.after_ledger",
    "publish.before_commit",
    "publish.after_commit",
    "backfill.after_interval",
    "restore.before_commit",
    "clean.before_delete",
    "clean.after_delete",
)
_passed: dict[str, int] = {}


def point(name: str) -> None:
    """Die here if the environment asks for it. `name` is one of `POINTS`."""
    wanted = os.environ.get("HEADGATE_CRASH_AT")
    if wanted is None:
        return
    wanted_name, _, nth = wanted.partition(":")
    if wanted_name != name:
        return
    _passed[name] = _passed.get(name, 0) + 1
    if _passed[name] >= int(nth or 1):
        os.kill(os.getpid(), signal.SIGKILL)
