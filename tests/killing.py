"""Do work in a process of its own and kill it: at a named point, or at a moment.

A process that starts cold takes longer to import than to run. So every attempt is a fork of this one, in which all modules are loaded and
nothing is open: no lake, no database, no engine, whose threads would not live on in a child. The kill is a real SIGKILL.
"""

from __future__ import annotations

import importlib
import os
import pkgutil
import select
import signal
import struct
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import headgate

Tell = Callable[[int], None]
"""What the work calls with a number for the parent when it begins with what may be killed."""
Work = Callable[[Tell], None]


@dataclass(frozen=True)
class Ended:
    """How a child ended: its exit code, negative for a signal, and the number that it told, if it came so far."""

    code: int
    told: int | None

    @property
    def killed(self) -> bool:
        return self.code == -signal.SIGKILL


@cache
def load_everything() -> None:
    """Import all of the product, and what it imports only when used."""
    for module in pkgutil.walk_packages(headgate.__path__, "headgate."):
        if ".migrations" not in module.name and not module.name.endswith("__main__"):  # those run when imported
            importlib.import_module(module.name)
    for name in ("duckdb", "pandas", "psycopg", "pyarrow.dataset", "sqlglot"):
        importlib.import_module(name)


def in_child(work: Work, *, crash_at: str | None = None, kill_after: float | None = None, from_start: bool = False) -> Ended:
    """Do `work` in a child. It dies at the named point `crash_at`, or `kill_after` seconds after it told us (or after its start).

    What it raises is printed and becomes exit code 1.
    """
    load_everything()
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reader)
        _child(work, crash_at, writer)
    os.close(writer)
    told = None
    end = time.monotonic() + kill_after if kill_after is not None and from_start else None
    try:
        while True:
            if not select.select([reader], [], [], None if end is None else max(0.0, end - time.monotonic()))[0]:
                os.kill(pid, signal.SIGKILL)
                break
            said = os.read(reader, 8)
            if not said:
                break  # it has ended: nobody holds the other end any more
            told = struct.unpack("q", said)[0]
            if kill_after is not None and end is None:
                end = time.monotonic() + kill_after
        return Ended(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), told)
    finally:
        os.close(reader)


def _child(work: Work, crash_at: str | None, writer: int) -> None:
    """The life of the child; does not return."""
    code = 1
    try:
        if crash_at is not None:
            os.environ["HEADGATE_CRASH_AT"] = crash_at
        work(lambda number: _tell(writer, number))
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def _tell(writer: int, number: int) -> None:
    os.write(writer, struct.pack("q", number))
