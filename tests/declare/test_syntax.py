"""Python's parser is used by many threads at once."""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from headgate.declare.syntax import literal_value, parsed

DEEP = "f(" + "[" * 60 + "1" + "]" * 60 + ", b={'a': (1, 2, [3])})"


class Yielding:
    """Garbage that gives the interpreter to another thread when it is collected: in the midst of building a tree."""

    def __init__(self) -> None:
        self.me = self

    def __del__(self) -> None:
        time.sleep(0)


@pytest.fixture
def eager_collection() -> Iterator[None]:
    before = gc.get_threshold()
    gc.set_threshold(20)
    yield
    gc.set_threshold(*before)


def test_threads_that_parse_at_once_do_not_disturb_each_other(eager_collection: None) -> None:
    def work(number: int) -> int:
        total = 0
        for _ in range(100):
            Yielding()
            total += parsed(f"{DEEP} + {number}", mode="eval").body.right.value
        return total

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(work, range(16))) == [100 * n for n in range(16)]


def test_literals() -> None:
    assert literal_value("  [1, 'a', {'b': None}]") == [1, "a", {"b": None}]
    for text in ("f(x)", "1 +", "a"):
        with pytest.raises((ValueError, SyntaxError)):
            literal_value(text)
