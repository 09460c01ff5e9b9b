"""Python's own parser, one thread at a time."""

from __future__ import annotations

import ast
import threading
from typing import Any

_one_at_a_time = threading.Lock()
# CPython before 3.13 counts the depth of a tree in one place for the whole process: two threads that build one each may end in
# "SystemError: AST constructor recursion depth mismatch". Models are rendered in several threads.


def parsed(text: str, *, mode: str = "exec", file: str = "<unknown>") -> Any:
    """The syntax tree of `text`. Raises what `ast.parse` raises: SyntaxError, ValueError, RecursionError."""
    with _one_at_a_time:
        return ast.parse(text, file, mode=mode)


def literal_value(text: str) -> Any:
    """The value of a Python literal. Raises what `ast.literal_eval` raises."""
    return ast.literal_eval(parsed(text.lstrip(" \t"), mode="eval"))
