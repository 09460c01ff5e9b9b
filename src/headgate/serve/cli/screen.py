"""The terminal: the answer goes to standard output, the commentary to standard error; colours only where a person looks."""

from __future__ import annotations

import json
import math
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, is_dataclass
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

from rich.cells import cell_len
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

STATUS_STYLE = {
    "done": "green", "accepted": "green", "pass": "green", "up_to_date": "dim", "nothing": "dim", "skipped": "yellow", "warn": "yellow",
    "blocked": "bold red", "block": "bold red", "failed": "bold red", "new": "cyan", "changed": "yellow", "changed_breaking": "magenta",
    "upstream_changed": "cyan", "missing_intervals": "cyan", "stale": "yellow", "forced": "cyan", "fail": "bold red",
}  # fmt: skip


# As Rich reads its markup: a tag with the backslashes before it, or an escaped bracket.
_TAG = re.compile(r"(\\*)(\[[a-z#/@][^[]*?\])|\\\[")
PIPE_WIDTH = 240
"""Columns of a table when nobody's terminal says how wide it is."""
SMALLEST_COIN = 0.01
HANGING = 4
"""How much further in a broken line goes on."""


class Screen:
    """Standard output for answers, standard error for commentary."""

    def __init__(self, output: str = "text") -> None:
        self.output = output
        self.out = Console(highlight=False, emoji=False, width=None if sys.stdout.isatty() else PIPE_WIDTH)
        self.err = Console(stderr=True, highlight=False, emoji=False, width=None if sys.stderr.isatty() else PIPE_WIDTH)

    @property
    def as_json(self) -> bool:
        """True when the caller asked for `-o json`."""
        return self.output == "json"

    def answer(self, value: Any, show: Callable[[Screen], None]) -> None:
        """Print `value` as JSON where asked for, else let `show` draw it."""
        if self.as_json:
            sys.stdout.write(json.dumps(plain(value), indent=2, ensure_ascii=False) + "\n")
        else:
            show(self)

    def say(self, text: str) -> None:
        """A line of commentary; markup is interpreted. For a file or a pipe it is taken out: laying out 500 lines took half a second."""
        if self.err.is_terminal:
            _print(self.err, text)
        else:
            sys.stderr.write(_TAG.sub(_without_markup, text) + "\n")

    def line(self, text: str = "") -> None:
        """A line of the answer; markup is interpreted."""
        _print(self.out, text)

    def verbatim(self, text: str) -> None:
        """Text for other programs, such as SQL: no markup in it, and no line of it broken."""
        self.out.print(text, markup=False, soft_wrap=True)

    def table(self, columns: Sequence[str], rows: Iterable[Sequence[Any]], *, title: str | None = None) -> None:
        """A table of the answer; numbers to the right."""
        drawn = Table(title=title, title_justify="left", box=None, header_style="bold", pad_edge=False, show_edge=False)
        body = [list(row) for row in rows]
        for at, name in enumerate(columns):
            numeric = any(isinstance(r[at], int | float | Decimal) and not isinstance(r[at], bool) for r in body)
            drawn.add_column(name, justify="right" if numeric else "left", overflow="fold")
        for row in body:
            drawn.add_row(*(cell(value) for value in row))
        self.out.print(drawn)

    def rows(self, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
        """Rows of data: a table, or, where a terminal has no room for all columns, one below the other with a line for each value."""
        body = [list(row) for row in rows]
        shown = [[Text.from_markup(cell(value), emoji=False) for value in row] for row in body]
        widths = [max([cell_len(name), *(row[at].cell_len for row in shown)]) for at, name in enumerate(columns)]
        if not self.out.is_terminal or sum(widths) + 2 * (len(widths) - 1) <= self.out.width:
            self.table(columns, body)
            return
        name_width = max(map(cell_len, columns))
        for number, row in enumerate(shown):
            if number:
                self.line()
            for name, value in zip(columns, row, strict=True):
                self.line(f"[bold]{escape(name)}[/bold]{' ' * (name_width - cell_len(name))}  {escape(value.plain)}")


def _print(console: Console, text: str) -> None:
    """Print lines. What a terminal has no room for goes on below, further in than its line begins; in a file or a pipe nothing is broken."""
    if not console.is_terminal:
        console.print(text, soft_wrap=True)
        return
    for shown in Text.from_markup(text, emoji=False).split("\n", allow_blank=True) or [Text()]:
        begin = len(shown.plain) - len(shown.plain.lstrip(" "))
        rest = min(begin + HANGING, console.width // 2)
        first, *more = _broken(console, shown[begin:], console.width - begin, console.width - rest)
        for line, indent in ((first, begin), *((line, rest) for line in more)):
            console.print(Text(" " * indent) + line)


def _broken(console: Console, text: Text, first: int, rest: int) -> list[Text]:
    """`text` in lines of at most `first`, then `rest` columns."""
    lines = list(text.wrap(console, first))
    if len(lines) < 2 or first == rest:
        return lines or [text]
    more = text[len(lines[0].plain) :]
    more = more[len(more.plain) - len(more.plain.lstrip(" ")) :]
    return [lines[0], *more.wrap(console, rest)]


def _without_markup(tag: re.Match[str]) -> str:
    """What stands for a tag where there are no colours: nothing, or its own text when it was escaped."""
    backslashes, text = tag.groups()
    if text is None:
        return "["
    half, escaped = divmod(len(backslashes), 2)
    return "\\" * half + (text if escaped else "")


def styled(status: str) -> str:
    """`status` in its colour, as markup."""
    style = STATUS_STYLE.get(status)
    return f"[{style}]{status}[/{style}]" if style else escape(status)


def cell(value: Any) -> str:
    """A value as a table shows it; markup in text from data is never interpreted."""
    if value is None:
        return "[dim]–[/dim]"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.3f}".rstrip("0").rstrip(".")
    if isinstance(value, Markup):
        return value.text
    return escape(str(value))


class Markup:
    """Text whose markup is ours and may be interpreted."""

    def __init__(self, text: str) -> None:
        self.text = text


def plain(value: Any) -> Any:
    """`value` as JSON types: dataclasses as objects, times as ISO text; decimals, and numbers that JSON lacks (`nan`, `inf`), as text."""
    if is_dataclass(value) and not isinstance(value, type):
        return plain(asdict(value))
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(v) for v in value]
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, Decimal) or (isinstance(value, float) and not math.isfinite(value)):
        return str(value)
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, str | int | float | bool) or value is None:
        return value
    return str(value)


def counted(count: int, noun: str) -> str:
    """A count with its noun: `1 row`, `2,000 rows`."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def one_line(text: str) -> str:
    """`text` without the lines in which an engine draws where it stumbled."""
    return " ".join(text.split())


def moment(text: str) -> str:
    """A time of the ledger as a person reads it, to the second."""
    return text[:19].replace("T", " ")


def duration(seconds: float) -> str:
    """Seconds in words: `0.4 s`, `12 s`, `3 min 5 s`."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds // 60:.0f} min {seconds % 60:.0f} s"


def money(amount: float, currency: str) -> str:
    """An amount as a bill has it; what is less than its smallest coin is said to be less."""
    return f"{amount:,.2f} {currency}".rstrip() if amount >= SMALLEST_COIN else f"less than {SMALLEST_COIN} {currency}".rstrip()


def size(count: int | None) -> str:
    """Bytes in words: `1.2 MB`."""
    if count is None:
        return "–"
    amount = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if amount < 1000:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:.1f} TB"
