"""Docs are tests: the reference is up to date, everything has a meaning, and no link leads nowhere."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_the_reference_is_up_to_date() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "reference.py"), "--check"], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr


def test_everything_in_the_reference_has_a_meaning() -> None:
    for page in (ROOT / "docs" / "reference").glob("*.md"):
        for number, line in enumerate(page.read_text().splitlines(), 1):
            assert not re.search(r"\|\s*\|\s*$", line), f"{page.name}:{number} has no meaning: {line}"


def test_links_lead_somewhere() -> None:
    pages = [ROOT / "README.md", ROOT / "ARCHITECTURE.md", *(ROOT / "docs").rglob("*.md")]
    for page in pages:
        for target in re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", page.read_text()):
            assert "://" in target or (page.parent / target).exists(), f"{page.name} links to {target}, which is not there"


def test_tests_named_in_the_architecture_exist() -> None:
    for name in re.findall(r"`(tests/[\w/.]+)`", (ROOT / "ARCHITECTURE.md").read_text()):
        assert (ROOT / name).exists(), f"ARCHITECTURE.md names {name}, which is not there"
