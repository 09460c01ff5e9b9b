"""The command line, called in this process as a shell calls it; nobody sits at its terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from headgate.serve.cli.entry import main


@dataclass(frozen=True)
class Said:
    """What a call came to."""

    code: int
    out: str
    err: str


Call = Callable[..., Said]


def caller(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    """Gives `call(*words, at=folder)`: `headgate WORDS…` in that folder."""

    def call(*words: str, at: Path | None = None) -> Said:
        if at is not None:
            monkeypatch.chdir(at)
        monkeypatch.setattr(sys, "argv", ["headgate", *words])
        capsys.readouterr()
        code = 0
        try:
            main()
        except SystemExit as stop:
            code = stop.code if isinstance(stop.code, int) else 1
        said = capsys.readouterr()
        return Said(code, said.out, said.err)

    return call
