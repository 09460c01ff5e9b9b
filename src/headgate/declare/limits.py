"""What a template may use up: rounds of loops, characters of a text, digits of a number. A slip fails instead of eating the machine."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import jinja2.nodes

ROUNDS_MAX = 5_000_000
"""How often the loops of one rendering may go round, all together: some seconds."""
CHARACTERS_MAX = 50_000_000
"""How long a text may become by joining and repeating."""
BITS_MAX = 1_000_000
"""How large a whole number may become."""
_PADDING = ("ljust", "rjust", "center", "zfill", "expandtabs", "replace", "join")
_WIDTH = re.compile(r"[:%][^}\s]{0,9}?\d{6,}")
_NESTED = re.compile(r":[^}]*\{")


class LimitReached(Exception):
    """A template has used up what one rendering may use."""


class _Budget(threading.local):
    depth = 0
    rounds = ROUNDS_MAX


_budget = _Budget()


@contextmanager
def one_rendering() -> Iterator[None]:
    """The outermost of nested renderings begins with the whole budget."""
    if _budget.depth == 0:
        _budget.rounds = ROUNDS_MAX
    _budget.depth += 1
    try:
        yield
    finally:
        _budget.depth -= 1


class _Counted:
    """What a loop goes through; each round is counted."""

    __slots__ = ("_items",)

    def __init__(self, items: Iterable[Any]) -> None:
        self._items = items

    def __iter__(self) -> Iterator[Any]:
        for item in self._items:
            _budget.rounds -= 1
            if _budget.rounds < 0:
                raise LimitReached(f"the loops of this template went round more than {ROUNDS_MAX:,} times")
            yield item

    def __len__(self) -> int:
        return len(self._items)  # type: ignore[arg-type]  # an iterator has none: TypeError, as without us


def bounded_text(value: Any) -> Any:
    """`value`; a text that has become too long fails."""
    if isinstance(value, str) and len(value) > CHARACTERS_MAX:
        raise LimitReached(f"a text of this template is longer than {CHARACTERS_MAX:,} characters")
    return value


FILTERS = {"_counted": _Counted, "_bounded": bounded_text}


def bound(tree: jinja2.nodes.Template) -> jinja2.nodes.Template:
    """The template with its loops counted and the texts that `~` joins measured."""
    for loop in tree.find_all(jinja2.nodes.For):
        loop.iter = _through(loop.iter, "_counted")
    for assigned in tree.find_all(jinja2.nodes.Assign):
        if isinstance(assigned.node, jinja2.nodes.Concat):
            assigned.node = _through(assigned.node, "_bounded")
    return tree


def _through(node: Any, name: str) -> jinja2.nodes.Filter:
    return jinja2.nodes.Filter(node, name, [], [], None, None, lineno=node.lineno)


def check_operation(operator: str, left: Any, right: Any) -> None:
    """Raises LimitReached for an operation whose outcome would be too large."""
    if operator == "**" and isinstance(right, int | float):
        if abs(right) > 1000 or (isinstance(left, int) and left.bit_length() * right > BITS_MAX):
            raise LimitReached(f"{right} is too large an exponent")
    elif operator == "*":
        _check_product(left, right)
    elif operator == "+" and isinstance(left, str) and isinstance(right, str) and len(left) + len(right) > CHARACTERS_MAX:
        raise LimitReached(f"a text of this template is longer than {CHARACTERS_MAX:,} characters")
    elif operator == "%" and isinstance(left, str) and _WIDTH.search(left):
        raise LimitReached("a width in a format is too large")


def _check_product(left: Any, right: Any) -> None:
    if isinstance(left, int) and isinstance(right, int):
        if left.bit_length() + right.bit_length() > BITS_MAX:
            raise LimitReached("a number of this template is too large")
        return
    text, times = (left, right) if isinstance(right, int) else (right, left)
    if isinstance(text, str | list | tuple) and isinstance(times, int) and len(text) * times > 10_000_000:
        raise LimitReached("the repetition is longer than 10,000,000 characters")


def check_call(called: Any, arguments: tuple[Any, ...]) -> None:
    """Raises LimitReached for a method of a text that would make it too long."""
    owner = getattr(called, "__self__", None)
    if not isinstance(owner, str):
        return
    name = getattr(called, "__name__", "")
    if name in _PADDING and any(isinstance(a, int) and a > CHARACTERS_MAX for a in arguments):
        raise LimitReached(f"the width of {name}() is too large")
    if name == "replace" and len(arguments) > 1 and isinstance(arguments[1], str):
        grown = owner.count(str(arguments[0])) * len(arguments[1])
        if grown > CHARACTERS_MAX:
            raise LimitReached("replace() would make a text too long")


def bounded_format(text: str, wrapped: Callable[..., str]) -> Callable[..., str]:
    """`str.format` of `text` whose widths, also those given as arguments, are not too large."""

    def formatted(*args: Any, **kwargs: Any) -> str:
        given = [*args, *kwargs.values()] if _NESTED.search(text) else []
        if _WIDTH.search(text) or any(isinstance(v, int) and v > CHARACTERS_MAX for v in given):
            raise LimitReached("a width in a format is too large")
        return wrapped(*args, **kwargs)

    return formatted
