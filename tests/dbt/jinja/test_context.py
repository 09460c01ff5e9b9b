"""Every name of dbt's context, rendered while the project is read and in a run: `context.cases` says what each gives."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from headgate.spec.errors import DeclarationError

Rendering = dict[str, Callable[[str], str]]


def cases() -> Iterator[tuple[str, str, str]]:
    """Template, when it is rendered, and what is expected; "fails" in both."""
    template = ""
    for line in Path(__file__).with_name("context.cases").read_text(encoding="utf-8").splitlines():
        if line.startswith("  "):
            when, _, expected = line.strip().partition(":")
            for each in ("read", "run") if when == "both" else (when,):
                yield template, each, expected.strip().replace("\\n", "\n")
        elif line and not line.startswith("# "):
            template = line


@pytest.mark.parametrize(("template", "when", "expected"), list(cases()))
def test_a_name_of_the_context(rendering: Rendering, template: str, when: str, expected: str) -> None:
    if when != "fails":
        assert rendering[when](template).strip() == expected
        return
    for render in rendering.values():
        with pytest.raises(DeclarationError) as told:
            render(template)
        assert expected in str(told.value)
