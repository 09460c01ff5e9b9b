"""Where the command starts. `--version` and a run with nothing to do are answered here without importing the platform."""

from __future__ import annotations

import os
import sys


def main() -> None:
    """Entry point of the `headgate` command."""
    arguments = sys.argv[1:]
    if arguments == ["--version"]:
        from headgate import __version__

        sys.stdout.write(f"headgate {__version__}\n")
        return
    if arguments[:1] == ["run"] and not os.environ.get("HEADGATE_LOG"):
        from headgate.run.quick import nothing_to_do

        said = nothing_to_do(arguments[1:])
        if said is not None:
            sys.stdout.write(said)
            return
    from headgate.serve.cli.app import run_app

    run_app()
