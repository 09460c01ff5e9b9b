"""Run Python or the `headgate` command in a process of its own and kill it at a chosen moment: the ground of the crash tests.

A *named* moment is reached through `crash_at=` (the environment variable HEADGATE_CRASH_AT: the product sends itself SIGKILL at
`headgate.spec.crash.point(name)`); any other through `kill_after(seconds)` or `kill_when(marker)`.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from servers import reaper


@dataclass(frozen=True)
class Finished:
    """How a process ended. `code` is negative for a signal; `killed` means SIGKILL, ours or its own."""

    code: int
    out: str
    err: str
    seconds: float

    @property
    def killed(self) -> bool:
        return self.code == -signal.SIGKILL

    def expect(self, code: int = 0) -> Finished:
        """Return self if the exit code is this one, else fail with everything that the process said."""
        assert self.code == code, f"exit code {self.code}, expected {code}\n--- stdout\n{self.out}\n--- stderr\n{self.err}"
        return self


class Running:
    """A process under way. Output goes to files, so that it can never fill a pipe and hang, and survives the kill."""

    def __init__(self, command: Sequence[str], folder: Path, env: Mapping[str, str], cwd: Path | None) -> None:
        self._folder = folder
        self._begun = time.monotonic()
        self._timers: list[threading.Timer] = []
        self._finished: Finished | None = None
        with self._file("out").open("wb") as out, self._file("err").open("wb") as err:
            self._process = subprocess.Popen(
                list(command), stdin=subprocess.DEVNULL, stdout=out, stderr=err, env=dict(env), cwd=cwd, start_new_session=True
            )
        reaper.adopt(self._process)

    def _file(self, stream: str) -> Path:
        return self._folder / stream

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    def output(self) -> tuple[str, str]:
        """Standard output and standard error so far."""
        return tuple(self._file(stream).read_text(errors="replace") for stream in ("out", "err"))  # type: ignore[return-value]

    def kill(self) -> Finished:
        """SIGKILL the process and every process it started in its group; return how it ended."""
        if self.running:
            reaper.kill_group(self.pid)
        return self.wait()

    def interrupt(self) -> None:
        """Send SIGINT, as Ctrl-C does."""
        self._process.send_signal(signal.SIGINT)

    def kill_after(self, seconds: float) -> Running:
        """Kill at this delay from now unless it has ended; returns at once."""
        timer = threading.Timer(seconds, self._kill_if_running)
        timer.daemon = True
        timer.start()
        self._timers.append(timer)
        return self

    def _kill_if_running(self) -> None:
        if self._process.returncode is None:
            reaper.kill_group(self.pid)

    def kill_when(self, marker: Path, timeout: float = 30.0) -> Finished:
        """Kill as soon as a file exists. Fails if the process ends, or the time passes, before that."""
        self.wait_for(marker, timeout)
        return self.kill()

    def wait_for(self, marker: Path, timeout: float = 30.0) -> None:
        """Return as soon as a file exists. Fails if the process ends, or the time passes, before that."""
        deadline = time.monotonic() + timeout
        while not marker.exists():
            if not self.running:
                ended = self.wait()
                assert marker.exists(), f"ended with {ended.code} before {marker.name} appeared\n{ended.out}\n{ended.err}"
                return
            if time.monotonic() > deadline:
                ended = self.kill()
                raise AssertionError(f"{marker.name} did not appear in {timeout} s; killed\n{ended.out}\n{ended.err}")
            time.sleep(0.005)

    def wait(self, timeout: float = 60.0) -> Finished:
        """Wait for the end; after `timeout` seconds kill it and fail with everything that it said."""
        if self._finished is None:
            self._finished = self._wait(timeout)
        return self._finished

    def _wait(self, timeout: float) -> Finished:
        late = False
        try:
            self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            late = True
            reaper.kill_group(self.pid)
            self._process.wait(10)
        for timer in self._timers:
            timer.cancel()
        reaper.kill_group(self.pid)  # children that outlived their parent
        reaper.release(self._process)
        finished = Finished(self._process.returncode, *self.output(), time.monotonic() - self._begun)
        if late:
            raise AssertionError(
                f"still running after {timeout} s; killed\n--- stdout\n{finished.out}\n--- stderr\n{finished.err}"
            )
        return finished


class Processes:
    """Starts processes with the tests' Python and environment; `close` kills what is left."""

    def __init__(self) -> None:
        self._folder = reaper.new_folder("processes")
        self._started: list[Running] = []

    def start(
        self,
        command: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        crash_at: str | None = None,
    ) -> Running:
        """Start a command. `env` is added to our environment; `crash_at` is `point` or `point:nth`."""
        whole = {name: value for name, value in os.environ.items() if not name.startswith(("HEADGATE_", "COV_"))}
        whole["PYTHONUNBUFFERED"] = "1"
        if crash_at is not None:
            whole["HEADGATE_CRASH_AT"] = crash_at
        folder = self._folder / str(len(self._started))
        folder.mkdir()
        running = Running(command, folder, {**whole, **(env or {})}, cwd)
        self._started.append(running)
        return running

    def python(
        self,
        code: str,
        *arguments: str,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        crash_at: str | None = None,
    ) -> Running:
        """Start a Python snippet; `arguments` are its sys.argv[1:]."""
        return self.start([sys.executable, "-c", code, *arguments], env=env, cwd=cwd, crash_at=crash_at)

    def headgate(
        self,
        *arguments: str,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        crash_at: str | None = None,
    ) -> Running:
        """Start the `headgate` command of this environment."""
        program = str(Path(sys.executable).parent / "headgate")
        return self.start([program, *arguments], env=env, cwd=cwd, crash_at=crash_at)

    def close(self) -> None:
        """Kill whatever still runs and remove the outputs."""
        for running in self._started:
            if running.running:
                running.kill()
            running.wait()
        reaper.remove_folder(self._folder)
