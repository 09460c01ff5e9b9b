"""Pin the clock of SQL: `current_timestamp` and its kin become the run's own moment, so that every retry gives equal rows.

The rewrite works on tokens, not on a syntax tree: text in strings, quoted names and comments stays as it is, and SQL that no
parser of ours understands is pinned too. What each spelling returns in DuckDB decides the type of its literal.
"""

from __future__ import annotations

import re

from headgate.spec.clock import Clock

# What may not be touched: strings (with and without escapes), quoted names, comments, dollar-quoted text.
OPAQUE = r"""[eE]'(?:[^'\\]|\\.|'')*'|'(?:[^']|'')*'|"(?:[^"]|"")*"|--[^\n]*|/\*.*?\*/|\$(?P<tag>\w*)\$.*?\$(?P=tag)\$"""

_ZONED = ("current_timestamp", "now", "get_current_timestamp", "transaction_timestamp")
_LOCAL = ("localtimestamp", "current_localtimestamp")
_DATES = ("current_date", "today")
_TIMES = ("current_time", "get_current_time")
_LOCAL_TIMES = ("localtime", "current_localtime")
_BARE = ("current_timestamp", "current_date", "current_time", "localtimestamp", "localtime")  # need no parentheses
_NAMES = _ZONED + _LOCAL + _DATES + _TIMES + _LOCAL_TIMES

_MENTION = re.compile(r"\b(?:" + "|".join(_NAMES) + r")\b", re.IGNORECASE)
_TOKEN = re.compile(
    rf"(?P<opaque>{OPAQUE})|(?P<before>\.\s*|\bas\s+)?\b(?P<name>{'|'.join(_NAMES)})\b(?P<call>\s*\(\s*\))?(?P<open>\s*\()?",
    re.IGNORECASE | re.DOTALL,
)


def pin(sql: str, clock: Clock) -> str:
    """`sql` with every reading of the clock replaced by the run's moment as a literal of the type that DuckDB would give."""
    if _MENTION.search(sql) is None:
        return sql

    def replaced(match: re.Match[str]) -> str:
        name = (match["name"] or "").lower()
        named_otherwise = match["opaque"] or match["before"] or match["open"]  # a column, an alias, another function
        if named_otherwise or (not match["call"] and name not in _BARE):
            return match[0]
        return literal(name, clock)

    return _TOKEN.sub(replaced, sql)


def literal(name: str, clock: Clock) -> str:
    """What `name` (one of the clock's spellings, in lower case) says at the run's moment, as SQL."""
    moment = clock.run_started_at
    day, _, time = moment.partition("T")
    if name in _ZONED:
        return f"CAST('{day} {time}+00' AS TIMESTAMPTZ)"
    if name in _LOCAL:
        return f"CAST('{day} {time}' AS TIMESTAMP)"
    if name in _DATES:
        return f"CAST('{day}' AS DATE)"
    return f"CAST('{time}+00' AS TIMETZ)" if name in _TIMES else f"CAST('{time}' AS TIME)"


def moment(clock: Clock) -> str:
    """The run's moment as a TIMESTAMP literal (UTC, no zone)."""
    return f"CAST('{clock.run_started_at.replace('T', ' ')}' AS TIMESTAMP)"


def without_terminator(sql: str) -> str:
    """`sql` without its closing semicolon and what follows it, so that it can stand in parentheses."""
    end = len(sql)
    for match in re.finditer(rf"(?P<opaque>{OPAQUE})|(?P<semicolon>;)|(?P<other>[^\s;])", sql, re.DOTALL):
        if match["semicolon"]:
            end = match.start() if end == len(sql) else end
        elif match["other"] or not match[0].startswith(("--", "/*")):
            end = len(sql)
    return sql[:end].strip()
