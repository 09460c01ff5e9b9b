"""The table that a query in a template gives: rows and columns by place and by name, as dbt's tables have them."""

from __future__ import annotations

import datetime as dt
import io
import json
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from typing import Any

_CELL_MAX = 20  # characters of a cell that print_table shows
_ROWS_MAX = 20  # rows that print_table shows


class _Mapped(Sequence[Any]):
    """Values by place and by key."""

    __slots__ = ("_keys", "_values")

    def __init__(self, values: Sequence[Any], keys: Sequence[str] | None = None) -> None:
        self._values, self._keys = tuple(values), None if keys is None else tuple(keys)

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, str):
            if self._keys is None or key not in self._keys:
                raise KeyError(key)
            return self._values[self._keys.index(key)]
        return self._values[key]

    def __len__(self) -> int:
        return len(self._values)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._values)

    def __eq__(self, other: object) -> bool:
        return self._values == tuple(other) if isinstance(other, Sequence) and not isinstance(other, str) else False

    def __hash__(self) -> int:
        return hash(self._values)

    def keys(self) -> tuple[str, ...] | None:
        """The keys, where there are any."""
        return self._keys

    def values(self) -> tuple[Any, ...]:
        """The values."""
        return self._values

    def items(self) -> list[tuple[str, Any]]:
        """Pairs of key and value."""
        return list(zip(self._keys or (), self._values, strict=True))

    def get(self, key: str, default: Any = None) -> Any:
        """The value under `key`, or `default`."""
        return self[key] if self._keys is not None and key in self._keys else default

    def dict(self) -> dict[str, Any]:
        """The values by key."""
        return dict(self.items())

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self._values!r}>"


class ResultRow(_Mapped):
    """One row: by place, or by column name."""

    __slots__ = ()


class ResultType:
    """The kind of a column's values: Integer, Number, Text, Boolean, Date or DateTime."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def __str__(self) -> str:
        return self.name

    def __repr__(self) -> str:
        return f"<{self.name}>"


class ResultColumn(_Mapped):
    """One column."""

    __slots__ = ("data_type", "index", "name")

    def __init__(self, index: int, name: str, kind: ResultType, values: Sequence[Any]) -> None:
        super().__init__(values)
        self.index: Any = index  # dbt's tables have a number here, where sequences have a method
        self.name, self.data_type = name, kind

    def values_distinct(self) -> tuple[Any, ...]:
        """Each value once, in order of appearance."""
        return tuple(dict.fromkeys(self._values))

    def values_without_nulls(self) -> tuple[Any, ...]:
        """The values that are not NULL."""
        return tuple(v for v in self._values if v is not None)

    def values_sorted(self) -> tuple[Any, ...]:
        """The values in order, NULLs last."""
        return tuple(sorted(self._values, key=_order))


class ResultTable:
    """Rows and columns of a query's result."""

    def __init__(self, names: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        self.column_names = tuple(names)
        turned = [[row[at] for row in rows] for at in range(len(self.column_names))]
        kept = [_as_dbt(column) for column in turned]
        self.rows = _Mapped([ResultRow(row, self.column_names) for row in zip(*kept, strict=True)] if rows and kept else [])
        self.column_types = tuple(ResultType(_kind(column)) for column in kept)
        made = zip(range(len(kept)), self.column_names, self.column_types, kept, strict=True)
        self.columns = _Mapped([ResultColumn(*parts) for parts in made], self.column_names)
        self.row_names = None

    def __iter__(self) -> Iterator[ResultRow]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: Any) -> Any:
        return self.rows[index]

    def select(self, key: str | Sequence[str]) -> ResultTable:
        """The columns named, in that order."""
        names = [key] if isinstance(key, str) else list(key)
        return ResultTable(names, [[row[n] for n in names] for row in self.rows])

    def exclude(self, key: str | Sequence[str]) -> ResultTable:
        """All columns but those named."""
        out = {key} if isinstance(key, str) else set(key)
        return self.select([n for n in self.column_names if n not in out])

    def where(self, test: Callable[[ResultRow], Any]) -> ResultTable:
        """The rows for which `test` is true."""
        return ResultTable(self.column_names, [r for r in self.rows if test(r)])

    def limit(self, start_or_stop: int | None = None, stop: int | None = None, step: int | None = None) -> ResultTable:
        """The first rows, or those from start to stop."""
        part = slice(start_or_stop, stop, step) if stop is not None else slice(start_or_stop)
        return ResultTable(self.column_names, self.rows[part])

    def order_by(self, key: str | Sequence[str], reverse: bool = False) -> ResultTable:
        """The rows by the columns named, NULLs last."""
        names = [key] if isinstance(key, str) else list(key)
        ordered = sorted(self.rows, key=lambda row: [_order(row[n]) for n in names], reverse=reverse)
        return ResultTable(self.column_names, ordered)

    def distinct(self, key: str | Sequence[str] | None = None) -> ResultTable:
        """The first row of each value of the columns named, or of all."""
        names = list(self.column_names) if key is None else [key] if isinstance(key, str) else list(key)
        first = {tuple(row[n] for n in names): row for row in reversed(self.rows)}
        return ResultTable(self.column_names, list(reversed(first.values())))

    def rename(self, column_names: Sequence[str] | dict[str, str], **_: Any) -> ResultTable:
        """The same rows under other column names: a list of all, or old to new."""
        renamed = column_names if not isinstance(column_names, dict) else [column_names.get(n, n) for n in self.column_names]
        return ResultTable(list(renamed), self.rows)

    def print_table(self, max_rows: int | None = _ROWS_MAX, max_columns: int | None = None, **_: Any) -> str:
        """The table as text. dbt writes it to standard output; here it is the value, for `log` and `print`."""
        names = self.column_names[:max_columns]
        shown = [[_cell(v) for v in row[: len(names)]] for row in self.rows[:max_rows]]
        wide = [max([len(n), *(len(row[at]) for row in shown)]) for at, n in enumerate(names)]
        lines = [names, ["-" * w for w in wide], *shown]
        return "\n".join("| " + " | ".join(str(v).ljust(w) for v, w in zip(line, wide, strict=True)) + " |" for line in lines)

    def print_csv(self, **_: Any) -> str:
        """The table as CSV."""
        import csv

        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows([self.column_names, *self.rows])
        return text.getvalue()

    def print_json(self, **_: Any) -> str:
        """The rows as JSON."""
        return json.dumps([row.dict() for row in self.rows], default=str)

    def print_structure(self, **_: Any) -> str:
        """The columns and their kinds."""
        return "\n".join(f"| {n} | {t} |" for n, t in zip(self.column_names, self.column_types, strict=True))


class StatementResult(dict[str, Any]):
    """What `load_result` gives: `.table`, `.data`, `.response`, by attribute or key."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self.get(name)


class Response(dict[str, Any]):
    """The database's word on a statement: printed it is that word."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self.get(name)

    def __str__(self) -> str:
        return str(self.get("_message", ""))


def response(rows: int | None = None) -> Response:
    """The word on a statement that went well."""
    return Response(_message="OK", code="OK", rows_affected=-1 if rows is None else rows)


def _as_dbt(values: list[Any]) -> list[Any]:
    """A column's values as dbt's tables keep them: containers as JSON, floats exact, what is neither number nor time as text."""
    first = next((v for v in values if v is not None), None)
    if first is None or isinstance(first, str | bool | int | Decimal | dt.date):
        return values
    if isinstance(first, float):
        return [None if v is None else Decimal(repr(v)) for v in values]
    if isinstance(first, list | tuple | dict):
        return [None if v is None else json.dumps(v, default=str) for v in values]
    return [None if v is None else str(v) for v in values]


def _kind(values: list[Any]) -> str:
    first = next((v for v in values if v is not None), 0)
    for kind, name in (
        (bool, "Boolean"),
        (int, "Integer"),
        (Decimal, "Number"),
        (dt.datetime, "DateTime"),
        (dt.date, "Date"),
    ):
        if isinstance(first, kind):
            return name
    return "Text"


def _cell(value: Any) -> str:
    text = "" if value is None else str(value)
    return text if len(text) <= _CELL_MAX else text[: _CELL_MAX - 3] + "..."


def _order(value: Any) -> tuple[bool, Any]:
    return (value is None, 0 if value is None else value)
