"""Keys of JSON objects that no look at a sample has shown.

The engine's reader leaves out what is not among its columns. So the keys of all objects are asked for once where the sample was
not the whole file, and objects with other keys join the sample: nothing is left behind in silence.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from headgate.ports.engine import Cursor
from headgate.spec.names import quote_literal
from headgate.spec.schema_rules import struct_fields

EXAMPLES_MAX = 100  # objects that are looked at for each new key
KEYS_MAX = 2_000


def unseen(objects_sql: str, columns: Mapping[str, str], cursor: Cursor) -> list[str]:
    """Objects, as text, that have keys beyond `columns`, up to `EXAMPLES_MAX` for each such key.

    `objects_sql` is a SELECT of one JSON column `json`; what is NULL or no object does not count.
    """
    places = list(_places("$", columns))
    keys = ", ".join(f"{_keys(path)} AS k{i}" for i, (path, _) in enumerate(places))
    kinds = ", ".join(f"k{i}" for i in range(len(places)))
    other = " OR ".join(f"NOT list_has_all({_names(known)}, coalesce(k{i}, []))" for i, (_, known) in enumerate(places))
    usual = " AND ".join(f"k{i} IS NOT DISTINCT FROM {_names(known)}" for i, (_, known) in enumerate(places))
    # Most objects have all keys in one order; those of a kind have equal lists, so lists are told apart before they are looked into.
    cursor.execute(
        f"WITH kinds AS MATERIALIZED (SELECT DISTINCT {kinds} FROM (SELECT {keys} FROM ({objects_sql})) WHERE NOT ({usual})) "
        f"SELECT * FROM kinds WHERE {other} LIMIT {KEYS_MAX}"
    )
    found = cursor.fetchall()
    strange = [sorted({k for row in found for k in row[i] or ()}.difference(known)) for i, (_, known) in enumerate(places)]
    wanted = [(i, names) for i, names in enumerate(strange) if names]
    if not wanted:
        return []
    has = " UNION ALL ".join(
        f"SELECT unnest(list_intersect(k{i}, {_names(names)})) AS name, json FROM objects" for i, names in wanted
    )
    cursor.execute(
        f"WITH objects AS (SELECT {keys}, json FROM ({objects_sql})) "
        f"SELECT DISTINCT unnest(min_by(CAST(json AS VARCHAR), hash(json), {EXAMPLES_MAX})) FROM ({has}) GROUP BY name"
    )
    return [str(row[0]) for row in cursor.fetchall()]


def _places(path: str, columns: Mapping[str, str]) -> Iterator[tuple[str, list[str]]]:
    """(path, known keys) of the object itself and of every structure below it."""
    yield path, list(columns)
    for name, type_ in columns.items():
        if '"' in name:
            continue  # the engine's paths cannot say such a name
        inner, below = type_, f'{path}."{name}"'
        while inner.endswith("[]"):
            inner, below = inner[:-2], below + "[*]"
        fields = struct_fields(inner)
        if fields is not None:
            yield from _places(below, {f.name: f.type for f in fields})


def _keys(path: str) -> str:
    if path == "$":
        return "json_keys(json)"
    found = f"json_keys(json, {quote_literal(path)})"
    return f"list_distinct(flatten({found}))" if "[*]" in path else found


def _names(names: list[str]) -> str:
    return "CAST([" + ", ".join(quote_literal(n) for n in names) + "] AS VARCHAR[])"


def other_keys(columns: Mapping[str, str]) -> str:
    """A predicate over JSON column `json`: it has a key beyond `columns`."""
    return " OR ".join(f"NOT list_has_all({_names(known)}, coalesce({_keys(path)}, []))" for path, known in _places("$", columns))


def twice(columns: Mapping[str, str]) -> str:
    """A predicate over JSON column `json`: an object among those that become columns and fields has one key twice."""
    return " OR ".join(f"({_twice(path)})" for path, _ in _places("$", columns))


def _twice(path: str) -> str:
    if path == "$":
        return "len(json_keys(json)) > len(list_distinct(json_keys(json)))"
    found = f"json_keys(json, {quote_literal(path)})"
    if "[*]" in path:
        return f"coalesce(len(list_filter({found}, lambda k: len(k) > len(list_distinct(k)))) > 0, false)"
    return f"coalesce(len({found}) > len(list_distinct({found})), false)"


def any_twice(objects_sql: str, columns: Mapping[str, str], cursor: Cursor) -> bool:
    """Whether any of the objects has one key twice: the engine's reader keeps one of the values and drops the other."""
    places = [path for path, _ in _places("$", columns)]
    flat = [path for path in places if "[*]" not in path]
    kinds = ", ".join(f"{_keys(path)} AS k{i}" for i, path in enumerate(flat))
    doubled = " OR ".join(f"len(k{i}) > len(list_distinct(k{i}))" for i in range(len(flat)))
    listed = "".join(f" OR t{i}" for i in range(len(places) - len(flat)))
    also = "".join(f", {_twice(path)} AS t{i}" for i, path in enumerate(p for p in places if "[*]" in p))
    cursor.execute(f"SELECT 1 FROM (SELECT DISTINCT {kinds}{also} FROM ({objects_sql})) WHERE {doubled}{listed} LIMIT 1")
    return cursor.fetchone() is not None
