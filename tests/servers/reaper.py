"""Sees to it that nothing a test started outlives the test process, even when that process is killed.

One small process per test process listens on a pipe for what exists: `+group 123`, `-group 123`, `+folder /tmp/x`,
`-folder /tmp/x`. The pipe closes when the test process ends in any way, SIGKILL included; then everything still on the
list is killed and removed. It is a pipe and not a parent-death signal because that signal follows the starting *thread*.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import IO

_lock = threading.Lock()
_pipe: dict[int, IO[bytes]] = {}


def new_folder(prefix: str) -> Path:
    """Return a new folder, removed with the test process. Not under pytest's own folders, which only their owner may enter."""
    folder = Path(tempfile.mkdtemp(prefix=f"headgate-{prefix}-"))
    _tell(f"+folder {folder}")
    return folder


def remove_folder(folder: Path) -> None:
    """Remove a folder made by `new_folder`."""
    shutil.rmtree(folder, ignore_errors=True)
    _tell(f"-folder {folder}")


def adopt(process: subprocess.Popen[bytes]) -> None:
    """Kill this process's group when the test process ends. The process must lead its own session."""
    _tell(f"+group {process.pid}")


def release(process: subprocess.Popen[bytes]) -> None:
    """Forget a process that has been waited for; its number may be given to another one."""
    _tell(f"-group {process.pid}")


def kill_group(leader: int) -> None:
    """SIGKILL a process group; one that is already gone is no error."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)


def _tell(line: str) -> None:
    with _lock:
        pipe = _pipe.get(os.getpid())
        if pipe is None:
            pipe = _pipe[os.getpid()] = _start()
        pipe.write(line.encode() + b"\n")
        pipe.flush()


def _start() -> IO[bytes]:
    command = [sys.executable, "-I", "-S", __file__]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True, stdout=subprocess.DEVNULL)
    assert process.stdin is not None
    return process.stdin


def _listen() -> None:
    alive: dict[str, None] = {}
    for line in sys.stdin:
        verb, what = line[0], line[1:].rstrip("\n")
        if verb == "+":
            alive[what] = None
        else:
            alive.pop(what, None)
    for what in alive:
        kind, _, name = what.partition(" ")
        if kind == "group":
            kill_group(int(name))
    for what in alive:
        kind, _, name = what.partition(" ")
        if kind == "folder":
            shutil.rmtree(name, ignore_errors=True)


if __name__ == "__main__":
    _listen()
