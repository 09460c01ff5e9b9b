"""A page of the docs, executed block by block: files are written, commands run, and what the page says they print is in what they print."""

from __future__ import annotations

import os
import re
import shlex
import sqlite3
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

DOCS = Path(__file__).resolve().parents[1] / "docs"
BLOCK = re.compile(
    r"^```(\w+) (file=(?P<file>\S+)|(?P<kind>run|output)(?: exit=(?P<exit>\d+))?)\n(?P<body>.*?)^```$", re.M | re.S
)


@dataclass
class Reader:
    """Somebody who does what the page says, in `folder`, with `environment` besides the process's own."""

    folder: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    printed: str = ""

    def read(self, page: str) -> int:
        """Do every block of `page`; returns how many there were."""
        blocks = list(BLOCK.finditer((DOCS / page).read_text()))
        for block in blocks:
            self.do(block)
        return len(blocks)

    def do(self, match: re.Match[str]) -> None:
        """One block."""
        if match["file"]:
            self.write(match[1], match["file"], match["body"])
        elif match["kind"] == "run":
            self.run(match[1], match["body"], int(match["exit"] or 0))
        else:
            for line in match["body"].splitlines():
                assert line.strip() in self.printed, f"the page says '{line.strip()}', printed was:\n{self.printed}"

    def write(self, language: str, name: str, body: str) -> None:
        """A file; of an SQLite database its statements, of PostgreSQL (`file=$NAME`) those for the database that NAME says."""
        if name.startswith("$"):
            import psycopg

            with psycopg.connect(self.environment[name[1:]], autocommit=True) as connection:
                connection.execute(body)  # type: ignore[call-overload]
            return
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if language == "sqlite":
            with sqlite3.connect(path) as database:
                database.executescript(body)
        else:
            path.write_text(body)

    def run(self, language: str, body: str, code: int) -> None:
        """Commands, a line each, or one piece of Python."""
        self.printed = ""
        if language == "python":
            self._call([sys.executable, "-c", body], body, code)
            return
        for line in body.splitlines():
            words = shlex.split(line)
            if words[0] == "cd":
                self.folder = self.folder / words[1]
            elif words[0] == "rm":
                (self.folder / words[1]).unlink()
            else:
                self._call([str(Path(sys.executable).with_name("headgate")), *words[1:]], line, code)

    def _call(self, command: list[str], said: str, code: int) -> None:
        env = {**os.environ, **self.environment}
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, timeout=120, env=env)
        assert done.returncode == code, f"$ {said}\nended with {done.returncode}, expected {code}\n{done.stdout}\n{done.stderr}"
        self.printed += done.stdout
