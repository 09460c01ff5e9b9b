"""Who a process is, and whether it is still alive: the proof that a holder or a run is dead."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from functools import cache
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Process:
    """A process of some machine. `started` tells it from a later one that got the same pid; empty where that is not known."""

    host: str
    pid: int
    started: str = ""

    @property
    def dead(self) -> bool:
        """True only when it is certain: a process of this very host and namespace that is gone. Others may be alive."""
        if self.host != this_host():
            return False
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return True
        except PermissionError:
            pass  # it exists and belongs to somebody else
        now = _start_mark(self.pid)
        return now == _GONE or bool(self.started and now and now != self.started)


_GONE = "gone"


@cache
def this_host() -> str:
    """This machine's name with its process namespace: two containers may share a name, but their pids mean different things."""
    try:
        namespace = Path("/proc/self/ns/pid").readlink().name.strip("pid:[]")
    except OSError:
        namespace = ""
    return f"{socket.gethostname()}/{namespace}" if namespace else socket.gethostname()


def this_process() -> Process:
    """The calling process."""
    pid = os.getpid()
    return Process(this_host(), pid, _start_mark(pid))


def _start_mark(pid: int) -> str:
    """Clock ticks since boot at which `pid` started; empty where the system does not tell; "gone" for a zombie."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return ""
    fields = text.rpartition(")")[2].split()  # the name before may hold blanks and parentheses
    return _GONE if fields[0] in "ZX" else fields[19]
