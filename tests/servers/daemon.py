"""A server program of the tests: start on a free port, wait until it answers, stop, kill, freeze, start again.

The subclasses say which command it is and how to ask whether it is ready.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from servers import reaper

START_SECONDS_MAX = 30.0
STOP_SECONDS_MAX = 10.0


class MissingServer(RuntimeError):
    """A real part of the tests is not installed; the message names the command that gets it."""


class Daemon:
    """One server process on 127.0.0.1 with a folder of its own. A context manager: leaving it stops and removes all."""

    name = "daemon"
    stop_signal = signal.SIGTERM

    def __init__(self) -> None:
        self.folder = reaper.new_folder(self.name)
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    def prepare(self) -> None:
        """Make what the first start needs (a data folder). Called once, before the first start."""

    def command(self) -> list[str]:
        raise NotImplementedError

    def environment(self) -> dict[str, str]:
        return dict(os.environ)

    def run_as(self) -> int | None:
        """The user id to run as, or None for our own."""
        return None

    def is_ready(self) -> bool:
        raise NotImplementedError

    @property
    def pid(self) -> int:
        assert self._process is not None, f"{self.name} is not running"
        return self._process.pid

    @property
    def log(self) -> Path:
        return self.folder / "server.log"

    def start(self) -> None:
        """Start and return when it answers. The port stays the same over stop and start."""
        assert self._process is None, f"{self.name} is already running"
        user = self.run_as()
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self.command(),
                env=self.environment(),
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                user=user,
                group=user,
                extra_groups=None if user is None else [],
            )
        reaper.adopt(self._process)
        self._await_ready()

    def _await_ready(self) -> None:
        assert self._process is not None
        deadline = time.monotonic() + START_SECONDS_MAX
        while not self.is_ready():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                tail = self.log.read_text(errors="replace")[-2000:]
                raise RuntimeError(f"{self.name} did not start on port {self.port}; the end of its log:\n{tail}")
            time.sleep(0.03)

    def stop(self) -> None:
        """Stop in order: open connections are cut, what was committed stays."""
        self._end(self.stop_signal)

    def kill(self) -> None:
        """SIGKILL, as when the machine of the server is lost."""
        self._end(signal.SIGKILL)

    def freeze(self) -> None:
        """Let the server hang: connections stay open and nothing answers, until `thaw`."""
        os.killpg(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let a frozen server go on."""
        os.killpg(self.pid, signal.SIGCONT)

    def _end(self, how: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        if process.poll() is None:
            process.send_signal(signal.SIGCONT)
            process.send_signal(how)
        try:
            process.wait(STOP_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            reaper.kill_group(process.pid)
            process.wait(STOP_SECONDS_MAX)
        reaper.release(process)

    def close(self) -> None:
        """Stop if it runs and remove the folder."""
        self.stop()
        reaper.remove_folder(self.folder)

    def __enter__(self) -> Self:
        try:
            self.prepare()
            self._start_on_some_port()
        except BaseException:
            self.close()
            raise
        return self

    def _start_on_some_port(self) -> None:
        try:
            self.start()
        except RuntimeError as failed:
            # Another process may take the port between our look and the server's bind.
            if "in use" not in str(failed).lower():
                raise
            self.port = free_port()
            self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody uses at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
