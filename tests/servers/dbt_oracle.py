"""dbt itself, in an environment of its own: what the projects of the tests are compared with. It is installed when it is first asked for."""

from __future__ import annotations

import os
import subprocess
import venv
from pathlib import Path

import duckdb
import pytest

HOME = Path(__file__).parents[2] / "benchmarks" / "data" / "dbt"  # where the benchmarks install it too
PACKAGES = ("dbt-core==1.10.*", "dbt-duckdb==1.10.*", f"duckdb=={duckdb.__version__}")
QUIET = {"DO_NOT_TRACK": "1", "DBT_SEND_ANONYMOUS_USAGE_STATS": "false", "DBT_USE_COLORS": "false"}


class DbtOracle:
    """Runs dbt in a project's folder."""

    def __init__(self) -> None:
        self.command = HOME / "bin" / "dbt"
        if self.command.is_file():
            return
        venv.create(HOME, with_pip=True)
        install = [str(HOME / "bin" / "python"), "-m", "pip", "install", "-q", *PACKAGES]
        done = subprocess.run(install, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            pytest.fail(
                f"dbt, with which this test compares, cannot be installed: run {' '.join(install)}\n{done.stderr[-2000:]}"
            )

    def run(self, folder: Path, *arguments: str, ok: tuple[int, ...] = (0,)) -> str:
        """What `dbt <arguments>` says in `folder`, whose profiles.yml it uses. Its exit code must be one of `ok`."""
        done = subprocess.run(
            [str(self.command), *arguments, "--profiles-dir", str(folder)],
            cwd=folder, env={**os.environ, **QUIET}, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode in ok, done.stdout + done.stderr
        return done.stdout

    def python(self, code: str) -> str:
        """What a Python program prints in dbt's environment."""
        command = [str(HOME / "bin" / "python"), "-c", code]
        return subprocess.run(command, env={**os.environ, **QUIET}, capture_output=True, text=True, check=True).stdout
