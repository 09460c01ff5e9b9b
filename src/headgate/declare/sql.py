"""SQL text: is it one query DuckDB can parse, where is the mistake in the model's file, and what identifies it."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

from headgate.declare.drafts import Draft
from headgate.declare.keys import DESCRIPTIVE
from headgate.declare.mistakes import Mistakes
from headgate.spec.errors import Location

_TOKEN = re.compile(
    r"""(?P<comment>--[^\n]*|/\*.*?\*/)|(?P<space>\s+)|(?P<keep>'(?:[^']|'')*'|"(?:[^"]|"")*"|\$(\w*)\$.*?\$\4\$)|(?P<word>[\w.]+)|(?P<sign>.)""",
    re.S,
)
_LINE = re.compile(r"LINE (\d+): (.*)\n([^\S\n]*)\^")
_MARKS = re.compile(r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}")


def check_query(sql: str, draft: Draft, mistakes: Mistakes) -> bool:
    """Whether `sql` is one query by DuckDB's own parser; if not, the mistake is placed in the draft's file."""
    import duckdb

    try:
        statements = duckdb.extract_statements(sql)
    except duckdb.Error as error:
        message = str(error).removeprefix("Parser Error: ")
        found = _LINE.search(message)
        line, column = _place(found, sql)
        said = message.split("\n")[0].strip()
        _tell(sql, line, column, said, draft, mistakes)
        return False
    if len(statements) == 1 and statements[0].type == duckdb.StatementType.SELECT:
        return True
    if not statements:
        mistakes.add("HG-D050", draft.location, f"{draft.resource_type} '{draft.name}' holds no SQL", expected="one SELECT")
        return False
    if len(statements) > 1 and any(s.type != duckdb.StatementType.SELECT for s in statements) and _is_pivot(sql):
        return True
    what = "holds more than one statement" if len(statements) > 1 else "is no query"
    mistakes.add(
        "HG-D050",
        draft.location,
        f"{draft.resource_type} '{draft.name}' {what}",
        expected="one SELECT",
        todo="keep one query per model",
    )
    return False


def _is_pivot(sql: str) -> bool:
    """DuckDB takes a PIVOT apart into several statements."""
    return re.search(r"\bpivot\b", sql, re.I) is not None


def _place(found: re.Match[str] | None, sql: str) -> tuple[int, int]:
    """Line and column in `sql`, from 1. DuckDB cuts long lines, so the column is where the shown piece lies in the line."""
    lines = sql.rstrip().split("\n")
    if found is None:
        return len(lines), len(lines[-1])
    line, shown = int(found[1]), found[2]
    caret = len(found[3]) - len(f"LINE {line}: ")
    piece = shown.removeprefix("...").removesuffix("...")
    offset = lines[line - 1].find(piece) if line <= len(lines) else -1
    return line, max(1, caret + 1 + max(offset, 0) - (3 if shown.startswith("...") else 0))


def _tell(sql: str, line: int, column: int, said: str, draft: Draft, mistakes: Mistakes) -> None:
    place, exact = in_file(sql, line, column, draft)
    shown = sql.split("\n")[line - 1].strip() if line <= sql.count("\n") + 1 else ""
    what = f"SQL of {draft.resource_type} '{draft.name}': {said}"
    mistakes.add("HG-D050", place, what, todo="" if exact or not shown else f"the rendered line is: {shown[:120]}")


def in_file(sql: str, line: int, column: int, draft: Draft) -> tuple[Location, bool]:
    """The place in the draft's file of a place in its rendered SQL, and whether that line stands there word for word.

    Equal lines are matched in order; a rendered line with templates in it matches where its fixed parts do.
    """
    rendered = sql.split("\n")
    wanted = rendered[line - 1].strip() if line <= len(rendered) else ""
    written = draft.code.split("\n")
    exact = [i for i, text in enumerate(written) if text.strip() == wanted]
    if wanted and exact:
        nth = sum(1 for text in rendered[: line - 1] if text.strip() == wanted)
        index = exact[min(nth, len(exact) - 1)]
        shift = len(written[index]) - len(written[index].lstrip()) - (len(rendered[line - 1]) - len(rendered[line - 1].lstrip()))
        return Location(draft.file.path, draft.first_line + index, max(1, column + shift)), True
    best, index = 0, -1
    for at, text in enumerate(written):
        fixed = [part for part in _MARKS.split(text.strip()) if part.strip()]
        size = sum(len(part) for part in fixed)
        if size > best and "{{" in text and re.fullmatch(_pattern(text), wanted, re.S):
            best, index = size, at
    if index >= 0:
        column = _column(written[index], rendered[line - 1], column)
        return Location(draft.file.path, draft.first_line + index, column), True
    return Location(draft.file.path, draft.first_line + min(line, len(written)) - 1), False


def _pattern(text: str) -> str:
    return ".*".join(re.escape(part) for part in _MARKS.split(text.strip()))


def _column(written: str, rendered: str, column: int) -> int:
    """The column in a line with templates: counted from the left before the first, from the right after the last, else at one."""
    first, last = written.index("{{"), written.rindex("}}") + 2
    if column - 1 < first:
        return column
    from_right = len(rendered.rstrip()) - (column - 1)
    return len(written.rstrip()) - from_right + 1 if from_right <= len(written.rstrip()) - last else first + 1


def normal_text(sql: str) -> str:
    """`sql` without comments, with single blanks, words in lower case: equal for texts that differ in formatting alone."""
    parts: list[str] = []
    for token in _TOKEN.finditer(sql):
        kind = token.lastgroup
        if kind == "keep":
            parts.append(token[0])
        elif kind == "word":
            parts.append(token[0].lower())
        elif kind == "sign" and token[0] != ";":
            parts.append(token[0])
    return " ".join(parts)


def fingerprint(config: Mapping[str, Any], *texts: str) -> str:
    """What identifies the code of a node: its normal texts and the configuration that decides what is built."""
    building = {key: value for key, value in config.items() if key not in DESCRIPTIVE}
    said = json.dumps([building, texts], sort_keys=True, default=str)
    return hashlib.blake2b(said.encode(), digest_size=16).hexdigest()
