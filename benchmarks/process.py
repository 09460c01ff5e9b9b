"""Run one command to its end and say what it cost: the figures of a process from its start to its exit, its own children included."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile

HEADGATE = str(Path(sys.executable).with_name("headgate"))
"""The command that users call, of the environment that runs the benchmarks."""


@dataclass(frozen=True, slots=True)
class Cost:
    """`wall` and `cpu` in seconds, `peak` in megabytes (of the largest process), and what the command said."""

    wall: float
    cpu: float
    peak: int
    code: int
    said: str
    complained: str


def cost(command: Sequence[str], *, cwd: Path | None = None, environment: Mapping[str, str] | None = None) -> Cost:
    """Run `command` and measure it. A command that fails is a result too: see `Cost.code`."""
    with TemporaryFile("w+") as out, TemporaryFile("w+") as err:
        began = time.perf_counter()
        process = subprocess.Popen(command, cwd=cwd, stdout=out, stderr=err, env={**os.environ, **(environment or {})})
        _, status, used = os.wait4(process.pid, 0)
        wall = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        return Cost(wall, used.ru_utime + used.ru_stime, used.ru_maxrss // 1024, process.returncode, out.read(), err.read())


def done(command: Sequence[str], *, cwd: Path | None = None, environment: Mapping[str, str] | None = None) -> Cost:
    """As `cost`, for a command that must succeed. Raises RuntimeError with what it said."""
    found = cost(command, cwd=cwd, environment=environment)
    if found.code != 0:
        raise RuntimeError(f"{' '.join(command[:6])} ended with {found.code}:\n{found.said[-2000:]}\n{found.complained[-4000:]}")
    return found
