"""The tutorial, executed block by block: files are written, commands run, and what the page says they print is in what they print."""

from __future__ import annotations

import os
import re
import shlex
import sqlite3
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

DOCS = Path(__file__).resolve().parents[2] / "docs"
BLOCK = re.compile(
    r"^```(\w+) (file=(?P<file>\S+)|(?P<kind>run|output)(?: exit=(?P<exit>\d+))?)\n(?P<body>.*?)^```$", re.M | re.S
)


@dataclass
class Reader:
    """Somebody who does what the page says."""

    folder: Path
    printed: str = ""

    def do(self, match: re.Match[str]) -> None:
        """One block."""
        if match["file"]:
            self.write(match[1], match["file"], match["body"])
        elif match["kind"] == "run":
            self.run(match["body"], int(match["exit"] or 0))
        else:
            for line in match["body"].splitlines():
                assert line.strip() in self.printed, f"the page says '{line.strip()}', printed was:\n{self.printed}"

    def write(self, language: str, name: str, body: str) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if language == "sqlite":
            with sqlite3.connect(path) as database:
                database.executescript(body)
        else:
            path.write_text(body)

    def run(self, body: str, code: int) -> None:
        self.printed = ""
        for line in body.splitlines():
            words = shlex.split(line)
            if words[0] == "cd":
                self.folder = self.folder / words[1]
                continue
            command = [str(Path(sys.executable).with_name("headgate")), *words[1:]]
            done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, timeout=120, env=os.environ)
            assert done.returncode == code, (
                f"$ {line}\nended with {done.returncode}, expected {code}\n{done.stdout}\n{done.stderr}"
            )
            self.printed += done.stdout


def test_the_tutorial_does_what_it_says(tmp_path: Path) -> None:
    reader = Reader(tmp_path)
    blocks = list(BLOCK.finditer((DOCS / "tutorial.md").read_text()))
    assert len(blocks) > 20
    for block in blocks:
        reader.do(block)
