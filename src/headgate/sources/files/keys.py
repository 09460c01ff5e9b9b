"""Keys of JSON objects that no look at a sample has shown.

The engine's reader leaves out what is not among its columns. So the keys of all objects are asked for once where the sample was
not the whole file, and objects with other keys join the sample: nothing is left behind in silence.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from headgate.ports.engine import Cursor
from headgate.spec.names import quote_literal
from headgate.spec.schema_rules import struct_fields

ELEMENTS = "[*]"
EXAMPLES_MAX = 100  # objects that are looked at for each new key
KEYS_MAX = 2_000
BARRIER = 1 << 40  # no limit, but the engine carries no filter past it: it would look into every object instead of every kind


def unseen(objects_sql: str, columns: Mapping[str, str], cursor: Cursor) -> tuple[list[str], bool]:
    """Objects, as text, that have keys beyond `columns`, up to `EXAMPLES_MAX` for each such key; and whether any object has one
    key twice, of which the engine's reader keeps one value and drops the other.

    `objects_sql` is a SELECT of one JSON column `json`; what is NULL or no object does not count.
    """
    places = list(_places("$", columns))
    raw = ", ".join(f"{_raw(path)} AS r{i}" for i, (path, _) in enumerate(places))
    kinds = ", ".join(
        (f"list_distinct(r{i})" if ELEMENTS in path else f"r{i}") + f" AS r{i}" for i, (path, _) in enumerate(places)
    )
    # What tells most objects apart is computed beside the keys: within the filter the engine would do it several times over.
    marks = ", ".join(f"{_mark(path, f'r{i}', known)} AS u{i}" for i, (path, known) in enumerate(places))
    usual = " AND ".join(f"u{i}" for i in range(len(places)))
    keys = ", ".join(f"{_flat(path, f'r{i}')} AS k{i}" for i, (path, _) in enumerate(places))
    other = " OR ".join(f"NOT list_has_all({_names(known)}, coalesce(k{i}, []))" for i, (_, known) in enumerate(places))
    twice = " OR ".join(_doubled(path, f"r{i}") for i, (path, _) in enumerate(places))
    # Most objects have all keys in one order; those of a kind have equal lists, so lists are told apart before they are looked into.
    cursor.execute(
        f"WITH kinds AS MATERIALIZED (SELECT DISTINCT {kinds} FROM (SELECT *, {marks} FROM (SELECT {raw} FROM ({objects_sql}))) "
        f"WHERE NOT ({usual}) LIMIT {BARRIER}), "
        f"told AS (SELECT {keys}, {twice} AS twice FROM kinds) SELECT * FROM told WHERE twice OR {other} LIMIT {KEYS_MAX}"
    )
    found = cursor.fetchall()
    doubled = any(row[-1] for row in found)
    strange = [sorted({k for row in found for k in row[i] or ()}.difference(known)) for i, (_, known) in enumerate(places)]
    wanted = [(i, beyond) for i, beyond in enumerate(strange) if beyond]
    if not wanted:
        return [], doubled
    has = " UNION ALL ".join(
        f"SELECT unnest(list_intersect({_keys(places[i][0])}, {_names(beyond)})) AS name, json FROM ({objects_sql})"
        for i, beyond in wanted
    )
    cursor.execute(
        f"SELECT DISTINCT unnest(min_by(CAST(json AS VARCHAR), hash(json), {EXAMPLES_MAX})) FROM ({has}) GROUP BY name"
    )
    return [str(row[0]) for row in cursor.fetchall()], doubled


def _places(path: str, columns: Mapping[str, str]) -> Iterator[tuple[str, list[str]]]:
    """(path, known keys) of the object itself and of every structure below it."""
    yield path, list(columns)
    for name, type_ in columns.items():
        if '"' in name:
            continue  # the engine's paths cannot say such a name
        inner, below = type_, f'{path}."{name}"'
        while inner.endswith("[]"):
            inner, below = inner[:-2], below + ELEMENTS
        fields = struct_fields(inner)
        if fields is not None:
            yield from _places(below, {f.name: f.type for f in fields})


def _raw(path: str) -> str:
    """The keys at `path`; for the elements of a list, a list of keys for each."""
    return "json_keys(json)" if path == "$" else f"json_keys(json, {quote_literal(path)})"


def _mark(path: str, raw: str, known: list[str]) -> str:
    """That all keys are there, once, in the usual order: what most objects are."""
    if ELEMENTS in path:
        return f"len(list_filter({raw}, lambda k: k <> {_names(known)})) = 0"
    return f"{raw} IS NOT DISTINCT FROM {_names(known)}"


def _flat(path: str, raw: str) -> str:
    return f"list_distinct(flatten({raw}))" if ELEMENTS in path else raw


def _keys(path: str) -> str:
    return _flat(path, _raw(path))


def _doubled(path: str, raw: str) -> str:
    if ELEMENTS in path:
        return f"coalesce(len(list_filter({raw}, lambda k: len(k) > len(list_distinct(k)))) > 0, false)"
    return f"coalesce(len({raw}) > len(list_distinct({raw})), false)"


def _names(names: list[str]) -> str:
    return "CAST([" + ", ".join(quote_literal(n) for n in names) + "] AS VARCHAR[])"


def other_keys(columns: Mapping[str, str]) -> str:
    """A predicate over JSON column `json`: it has a key beyond `columns`."""
    return " OR ".join(f"NOT list_has_all({_names(known)}, coalesce({_keys(path)}, []))" for path, known in _places("$", columns))


def twice(columns: Mapping[str, str]) -> str:
    """A predicate over JSON column `json`: an object among those that become columns and fields has one key twice."""
    return " OR ".join(_doubled(path, _raw(path)) for path, _ in _places("$", columns))
