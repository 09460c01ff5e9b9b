"""Mistakes and how they are told: each case is a project in plain text with the diagnostics that it must give.

`HEADGATE_WRITE_CASES=1` writes what is told now; read the difference before keeping it.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from headgate import declare
from headgate.spec.errors import DeclarationError

CASES = sorted((Path(__file__).parent / "cases").glob("*.case"))


@pytest.mark.parametrize("case", CASES, ids=lambda path: path.stem)
def test_every_mistake_is_told_with_its_place(case: Path, declared_project: Callable[[str], Path]) -> None:
    text, _, expected = case.read_text(encoding="utf-8").partition("=== told\n")
    root = declared_project(text)
    try:
        told = declare.load(str(root), use_cache=False).project.notices
    except DeclarationError as error:
        told = error.diagnostics
    found = "".join(f"{d}{'' if d.severity == 'error' else f' ({d.severity})'}\n" for d in told)
    if os.environ.get("HEADGATE_WRITE_CASES"):
        case.write_text(f"{text}=== told\n{found}", encoding="utf-8")
        return
    assert found == expected
