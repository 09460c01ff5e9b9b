"""The five minutes of the README, in a shell, line by line."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

README = Path(__file__).resolve().parents[2] / "README.md"


def test_the_five_minutes(tmp_path: Path) -> None:
    section = README.read_text().split("## Five minutes", 1)[1].split("\n## ", 1)[0]
    lines = [line for block in re.findall(r"^```sh\n(.*?)^```$", section, re.M | re.S) for line in block.splitlines()]
    assert len(lines) > 8
    folder, env = tmp_path, {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    printed = ""
    for line in lines:
        if line.startswith("cd "):
            folder = folder / line.split()[1]
            continue
        done = subprocess.run(["sh", "-c", line], cwd=folder, env=env, capture_output=True, text=True, timeout=120)
        assert done.returncode == (3 if "exit code 3" in line else 0), f"$ {line}\n{done.stdout}{done.stderr}"
        printed += done.stdout
    for said in ("Nothing to do", "status outside", "lost", "repair it at its source", "Run "):
        assert said in printed
