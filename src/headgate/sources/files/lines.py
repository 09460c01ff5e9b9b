"""JSON records as lines of text, parsed in sets: a line that is no JSON object, or has a value that does not fit its column, becomes
a dead letter, the others are rows.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from headgate.ports.source import SqlBatch
from headgate.sources.files import keys
from headgate.spec.exactness import converted, misfit, opaque, texted
from headgate.spec.names import quote_ident, quote_literal
from headgate.spec.positions import Unit
from headgate.spec.schema_rules import struct_fields

Formats = tuple[str | None, str | None]


def from_lines(lines: str, units: tuple[Unit, ...], columns: Mapping[str, str], formats: Formats = (None, None)) -> SqlBatch:
    """The rows of `lines`, a relation of unit, seq, line and fault, with `columns`. `formats` are strptime patterns for dates
    and moments.
    """
    structure = "{" + ", ".join(f"{json.dumps(n)}: {_structure(texted(t))}" for n, t in columns.items()) + "}"
    good = "CASE WHEN json_valid(line) THEN line END"
    parsed = (
        f"SELECT unit, seq, line, fault, json_valid(line) AS ok, try_cast({good} AS JSON) AS json, "
        f"TRY(json_transform(CASE WHEN json_type({good}) = 'OBJECT' THEN line END, {quote_literal(structure)})) AS v "
        f"FROM {lines}"
    )
    misfits = "".join(
        f" WHEN {path_bad} THEN {quote_literal(f'the value of {label} does not fit {type_}')}"
        for name, type_top in columns.items()
        for label, type_, path_bad in _leaves([name], type_top, formats)
    )
    judged = (
        "SELECT unit, seq, line, v, CASE WHEN seq = 0 THEN 'the file is no JSON document, or has no list where records: says' "
        "WHEN fault IS NOT NULL THEN fault WHEN NOT ok THEN 'the line is no valid JSON' "
        "WHEN json_type(json) <> 'OBJECT' THEN 'the line is JSON, but no object' "
        f"WHEN {keys.twice(columns)} THEN 'an object on the line has one key twice'{misfits} "
        f"WHEN {keys.other_keys(columns)} THEN 'the line has a key that cannot be a column: it is empty, or another in other letters' "
        f"END AS reason FROM ({parsed})"
    )
    names = ", ".join(
        f"{converted(t, f'struct_extract(v, {quote_literal(n)})', formats)} AS {quote_ident(n)}" for n, t in columns.items()
    )
    return SqlBatch(
        f"SELECT {names}, unit AS _unit, seq AS _seq FROM ({judged}) WHERE reason IS NULL",
        dead_letters_sql=f"SELECT unit, seq, reason, left(line, 65536) FROM ({judged}) WHERE reason IS NOT NULL ORDER BY 1, 2",
        units=units,
    )


def _leaves(path: list[str], type_: str, formats: Formats) -> Iterator[tuple[str, str, str]]:
    """(label, type, predicate) of every value below `path` that is not what the document has there."""
    fields = struct_fields(type_)
    pointer = quote_literal("/" + "/".join(p.replace("~", "~0").replace("/", "~1") for p in path))
    value = "v"
    for part in path:
        value = f"struct_extract({value}, {quote_literal(part)})"
    lost = [f"(coalesce(json_type(json, {pointer}), 'NULL') <> 'NULL' AND {value} IS NULL)"]
    if fields is not None:
        lost = [f"coalesce(json_type(json, {pointer}), 'NULL') NOT IN ('NULL', 'OBJECT')"]
    elif changed := misfit(type_, value, formats):
        lost.append(changed)
    if type_.endswith("[]") and not any('"' in p for p in path):  # the engine's paths cannot say such a name
        below = "$" + "".join(f'."{p}"' for p in path) + "[*]"
        lost += _lost(type_[:-2], f"coalesce({value}, [])", below, 0)
    yield ".".join(path), type_, "(" + " OR ".join(lost) + ")"
    for field in fields or ():
        yield from _leaves([*path, field.name], field.type, formats)


def _lost(type_: str, values: str, below: str, depth: int) -> Iterator[str]:
    """Predicates that of the list's elements, or of what is below them, some have no place in `type_`: there are fewer
    `values` than the document has.
    """
    fields = struct_fields(type_)
    if opaque(type_):
        return
    found, j = f"coalesce(json_extract(json, {quote_literal(below)}), [])", f"j{depth}"
    if fields is not None:  # of what is no object the engine makes one without values
        yield f"(len(list_filter({found}, lambda {j}: json_type({j}) NOT IN ('NULL', 'OBJECT'))) > 0)"
    else:
        there = f"list_filter({found}, lambda {j}: json_type({j}) <> 'NULL')"
        yield f"(len({there}) <> len(list_filter({values}, lambda l{depth}: l{depth} IS NOT NULL)))"
    if type_.endswith("[]"):
        yield from _lost(type_[:-2], f"flatten({values})", below + "[*]", depth + 1)
    for field in fields or ():
        if '"' not in field.name:
            element = f"s{depth}"
            part = f"list_transform({values}, lambda {element}: struct_extract({element}, {quote_literal(field.name)}))"
            yield from _lost(field.type, part, f'{below}."{field.name}"', depth + 1)


def _structure(type_: str) -> str:
    fields = struct_fields(type_)
    if fields is not None:
        return "{" + ", ".join(f"{json.dumps(f.name)}: {_structure(f.type)}" for f in fields) + "}"
    if type_.endswith("[]"):
        return f"[{_structure(type_[:-2])}]"
    return json.dumps(type_)
