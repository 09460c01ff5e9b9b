"""The moment of an answer: however many queries it takes, all of them see one snapshot of the lake (LAKE.md 11)."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar

from headgate.run.session import Session

P = ParamSpec("P")
R = TypeVar("R")


def at_one_snapshot(answer: Callable[Concatenate[Session, P], R]) -> Callable[Concatenate[Session, P], R]:
    """`answer`, asked of a session whose lake stands still meanwhile."""

    @wraps(answer)
    def asked(session: Session, /, *args: P.args, **kwargs: P.kwargs) -> R:
        with session.still() as still:
            return answer(still, *args, **kwargs)

    return asked
