"""What the terminal shows of text that came from data."""

from __future__ import annotations

import io
from contextlib import redirect_stderr

from hypothesis import given, settings
from hypothesis import strategies as st
from rich.markup import escape, render

from headgate.serve.cli.screen import Screen


@settings(max_examples=400, deadline=None)
@given(st.text(alphabet="ab[]/\\#@= 1:"))
def test_a_line_for_a_pipe_is_the_line_without_its_colours(found: str) -> None:
    line = f"[green]✓[/green] {escape(found)} [dim]0.1 s[/dim]"
    with redirect_stderr(io.StringIO()) as written:
        Screen().say(line)
    assert written.getvalue() == render(line, emoji=False).plain + "\n"


def test_data_that_looks_like_an_emoji_is_shown_as_it_is() -> None:
    screen = Screen()
    with screen.out.capture() as shown:
        screen.table(["code"], [[":warning:"], ["a:b:c"]])
    assert ":warning:" in shown.get() and "a:b:c" in shown.get()
