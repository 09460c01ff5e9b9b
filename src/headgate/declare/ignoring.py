"""`.dbtignore`: which files of a project are not read, by patterns as in `.gitignore`."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

NAME = ".dbtignore"


def ignored_in(folder: Path) -> Callable[[str], bool]:
    """Whether a file (its path relative to `folder`, with forward slashes) is ignored there; a missing file ignores nothing."""
    try:
        text = Path(folder, NAME).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError):
        return lambda path: False
    rules = [rule for line in text.splitlines() if (rule := _rule(line)) is not None]

    def ignored(path: str) -> bool:
        found = False
        for keep, pattern in rules:
            if pattern.match(path):
                found = not keep
        return found

    return ignored


def _rule(line: str) -> tuple[bool, re.Pattern[str]] | None:
    """One line as (takes back, pattern over whole paths); None for comments and empty lines."""
    line = line.rstrip("\n")
    if not line.endswith("\\ "):
        line = line.rstrip()
    if not line or line.startswith("#"):
        return None
    keep = line.startswith("!")
    if keep or line.startswith(("\\#", "\\!")):
        line = line[1:]
    inside_only = line.endswith("/")
    line = line.rstrip("/")
    anchored = "/" in line
    text = "".join(_parts(line.lstrip("/")))
    start = "" if anchored else "(?:.*/)?"
    return keep, re.compile(f"{start}{text}{'/.*' if inside_only else '(?:/.*)?'}\\Z", re.S)


def _parts(pattern: str) -> list[str]:
    """A pattern as pieces of a regular expression: `**` crosses folders, `*` and `?` do not."""
    found: list[str] = []
    for piece in re.findall(r"\*\*/|/\*\*$|\*\*|\*|\?|\[!?[^\]]+\]|\\.|.", pattern):
        if piece == "**/":
            found.append("(?:.*/)?")
        elif piece in ("/**", "**"):
            found.append(("/" if piece == "/**" else "") + ".*")
        elif piece in ("*", "?"):
            found.append("[^/]*" if piece == "*" else "[^/]")
        elif piece.startswith("[") and len(piece) > 1:
            found.append("[^" + piece[2:] if piece.startswith("[!") else piece)
        else:
            found.append(re.escape(piece[-1]))
    return found
