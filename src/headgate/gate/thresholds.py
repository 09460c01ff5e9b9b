"""dbt's `warn_if` and `error_if`: a comparison of the failure count, as text such as `!= 0`, `>10` or `between 5 and 9`."""

from __future__ import annotations

import re

from headgate.spec.errors import DeclarationError

_SIMPLE = re.compile(r"\s*(=|==|!=|<>|<=|>=|<|>)\s*(-?\d+(?:\.\d+)?)\s*")
_BETWEEN = re.compile(r"\s*between\s+(-?\d+(?:\.\d+)?)\s+and\s+(-?\d+(?:\.\d+)?)\s*", re.IGNORECASE)


def holds(failures: float, condition: str, *, where: str) -> bool:
    """Whether `failures` meets `condition`; terms may be joined by `and` / `or` (and binds tighter).

    Raises DeclarationError, naming `where`, for a condition in another form.
    """
    text = _BETWEEN.sub(lambda m: f" >= {m[1]} and <= {m[2]} ", condition)
    return any(
        all(_term(failures, term, condition, where) for term in re.split(r"\band\b", choice, flags=re.IGNORECASE))
        for choice in re.split(r"\bor\b", text, flags=re.IGNORECASE)
    )


def _term(failures: float, term: str, condition: str, where: str) -> bool:
    match = _SIMPLE.fullmatch(term)
    if match is None:
        raise DeclarationError(
            f"{where}: the threshold '{condition}' cannot be read",
            expected="a comparison such as '!= 0', '> 10' or 'between 5 and 9'",
        )
    number = float(match[2])
    return {
        "=": failures == number,
        "==": failures == number,
        "!=": failures != number,
        "<>": failures != number,
        "<": failures < number,
        "<=": failures <= number,
        ">": failures > number,
        ">=": failures >= number,
    }[match[1]]
