"""The window of a cursor column that one extraction reads, worked out inside DuckDB so that every type counts as SQL says.

Lower end: the last position less the lookback, inclusive, because rows that tie with the last one may come later. Upper end: the
highest value at the start, inclusive, so that the position is exact. A backfill (`since`, `until`) is half-open and moves no
position.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from headgate.ports.source import ExtractRequest
from headgate.spec.errors import DeclarationError
from headgate.spec.names import quote_ident, quote_literal

TIMES = ("TIMESTAMP", "TIMESTAMP WITH TIME ZONE", "DATE", "TIMESTAMP_NS", "TIMESTAMP_MS", "TIMESTAMP_S")
NUMBERS = (
    "TINYINT",
    "SMALLINT",
    "INTEGER",
    "BIGINT",
    "HUGEINT",
    "UTINYINT",
    "USMALLINT",
    "UINTEGER",
    "UBIGINT",
    "FLOAT",
    "DOUBLE",
)


@dataclass(frozen=True, slots=True)
class Window:
    """What to read of cursor column `column` (DuckDB type `type`); values are DuckDB's text of them.

    `lower` inclusive, `upper` inclusive, `before` exclusive; None: open. `nulls`: rows without a (finite) cursor are read too.
    `moves`: this read may move the position.
    """

    column: str
    type: str
    lower: str | None = None
    upper: str | None = None
    before: str | None = None
    nulls: bool = False
    moves: bool = True

    def predicate(self, column: str | None = None, cast: str = "CAST({text} AS {type})") -> str:
        """The window as a predicate over `column` (SQL; default: the quoted name); `cast` is the dialect's typed literal."""
        name = column or quote_ident(self.column)
        literal = {
            sign: cast.format(text=quote_literal(text), type=self.type)
            for sign, text in ((">=", self.lower), ("<=", self.upper), ("<", self.before))
            if text is not None
        }
        bounds = " AND ".join(f"{name} {sign} {value}" for sign, value in literal.items())
        if not bounds:
            return "" if self.nulls or not self.upper else f"{name} IS NOT NULL"
        if not self.nulls:
            return bounds
        infinite = f" OR NOT isfinite({name})" if self.type in TIMES else ""
        return f"(({bounds}) OR {name} IS NULL{infinite})"

    def raw_predicate(self) -> str:
        """What every row of raw fulfils that this window can give again; empty where texts do not sort as the source sorts
        them.
        """
        if self.type not in TIMES and self.type not in NUMBERS and not self.type.startswith("DECIMAL"):
            return ""
        if self.lower is None:
            return ""
        name = f"TRY_CAST({quote_ident(self.column)} AS {self.type})"
        infinite = f" OR {name} = '-infinity'" if self.type in TIMES else ""
        return f"({name} >= CAST({quote_literal(self.lower)} AS {self.type}) OR {quote_ident(self.column)} IS NULL{infinite})"

    def state(self, before: Mapping[str, Any]) -> dict[str, Any]:
        """The position's state after this window was read, given the state before."""
        if not self.moves or self.upper is None:
            return dict(before)
        return {"cursor": self.upper, "cursor_type": self.type}


def begin_window(request: ExtractRequest, column: str, type_name: str) -> Window:
    """The window with its lower end: from position and lookback, or the bounds of a backfill. The upper end is the source's
    to tell.

    Raises DeclarationError for a lookback on a cursor that is neither time nor number, or bounds that are no such value.
    """
    if request.since is not None or request.until is not None:
        lower = None if request.since is None else _as_type(request, request.since, type_name)
        before = None if request.until is None else _as_type(request, request.until, type_name)
        return Window(column, type_name, lower, before=before, moves=False)
    last = request.position.state.get("cursor")
    if last is None or request.full:
        return Window(column, type_name)
    lookback = request.table.lookback
    if not lookback:
        return Window(column, type_name, str(last))
    value = f"CAST({quote_literal(str(last))} AS {type_name})"
    if type_name in TIMES:
        wide = "TIMESTAMP" if type_name == "DATE" else type_name
        lower_sql = f"CAST(CAST({value} AS {wide}) - to_microseconds({round(lookback * 1_000_000)}) AS {type_name})"
    elif type_name in NUMBERS or type_name.startswith("DECIMAL"):
        lower_sql = f"CAST(CAST({value} AS DECIMAL(38,6)) - {lookback} AS {type_name})"
    else:
        raise DeclarationError(
            f"table '{request.table.name}' has a lookback, but its cursor '{column}' is of type {type_name}",
            expected="a cursor of a time or number type",
            todo="remove lookback, or choose another cursor",
        )
    row = request.cursor.execute(f"SELECT CAST({lower_sql} AS VARCHAR)").fetchone()
    return Window(column, type_name, str(row[0]) if row else None)


def _as_type(request: ExtractRequest, text: str, type_name: str) -> str:
    row = request.cursor.execute(f"SELECT CAST(TRY_CAST({quote_literal(text)} AS {type_name}) AS VARCHAR)").fetchone()
    if row is None or row[0] is None:
        raise DeclarationError(
            f"'{text}' is no bound for cursor '{request.table.cursor}' of table '{request.table.name}'", expected=f"a {type_name}"
        )
    return str(row[0])
