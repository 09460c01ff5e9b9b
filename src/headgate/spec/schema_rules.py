"""The one place where a difference between what arrives and what stands is classified and decided.

Types are DuckDB's, as text. A type is wider than another when it holds every value of it: a wider arrival widens the table,
a narrower one is cast to the table's type, anything else is a breaking change.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from headgate.spec.names import Column, quote_ident
from headgate.spec.verdicts import SchemaChange

_DIGITS = {  # decimal digits that hold every value of the type
    "TINYINT": 3, "SMALLINT": 5, "INTEGER": 10, "BIGINT": 19, "HUGEINT": 39, "UTINYINT": 3,
    "USMALLINT": 5, "UINTEGER": 10, "UBIGINT": 20,
}  # fmt: skip
_SIGNED = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT")
_UNSIGNED = ("UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT")
_MOMENTS = ("DATE", "TIMESTAMP", "TIMESTAMP WITH TIME ZONE")
_SYNONYMS = {
    "INT": "INTEGER", "INT4": "INTEGER", "INT8": "BIGINT", "LONG": "BIGINT", "INT2": "SMALLINT", "INT1": "TINYINT",
    "FLOAT4": "FLOAT",
    "REAL": "FLOAT", "FLOAT8": "DOUBLE", "TEXT": "VARCHAR", "STRING": "VARCHAR", "CHAR": "VARCHAR", "BOOL": "BOOLEAN",
    "BYTEA": "BLOB",
    "TIMESTAMPTZ": "TIMESTAMP WITH TIME ZONE", "DATETIME": "TIMESTAMP", "TIMESTAMP_US": "TIMESTAMP", "TIMESTAMP_S": "TIMESTAMP",
    "TIMESTAMP_MS": "TIMESTAMP", "NUMERIC": "DECIMAL(18,3)", "DECIMAL": "DECIMAL(18,3)",
}  # fmt: skip


def canonical(type_: str) -> str:
    """The one spelling of a scalar type; nested types are returned as they are."""
    text = type_.strip()
    if text.endswith("]") or text.upper().startswith(("STRUCT(", "MAP(", "UNION(", "ENUM(")):
        return text
    upper = re.sub(r"\s*\(\s*(\d+)\s*,\s*(\d+)\s*\)", r"(\1,\2)", text.upper())
    if upper.startswith(("VARCHAR(", "CHAR(")):
        return "VARCHAR"
    return _SYNONYMS.get(upper, upper.replace("NUMERIC(", "DECIMAL("))


def common_type(one: str, other: str) -> str | None:
    """The narrowest type that holds every value of both; None when there is none but text."""
    a, b = canonical(one), canonical(other)
    if a == b or b == '"NULL"':
        return a
    if a == '"NULL"':
        return b
    if a.endswith("[]") and b.endswith("[]"):
        inner = common_type(a[:-2], b[:-2])
        return None if inner is None else inner + "[]"
    left, right = struct_fields(a), struct_fields(b)
    if left is not None and right is not None:
        return _common_struct(left, right)
    if a in _MOMENTS and b in _MOMENTS:
        return max(a, b, key=_MOMENTS.index)
    return _common_number(a, b)


def _common_struct(left: Sequence[Column], right: Sequence[Column]) -> str | None:
    arriving = {c.name.lower(): c.type for c in right}
    fields: list[tuple[str, str]] = []
    for column in left:
        other = arriving.pop(column.name.lower(), None)
        both = column.type if other is None else common_type(column.type, other)
        if both is None:
            return None
        fields.append((column.name, both))
    fields += [(c.name, c.type) for c in right if c.name.lower() in arriving]
    return "STRUCT(" + ", ".join(f"{quote_ident(n)} {t}" for n, t in fields) + ")"


def _common_number(a: str, b: str) -> str | None:
    for family in (_SIGNED, _UNSIGNED):
        if a in family and b in family:
            return max(a, b, key=family.index)
    if {a, b} <= {"FLOAT", "DOUBLE", *_DIGITS}:
        if a in _DIGITS and b in _DIGITS:
            return _common_integer(a, b)
        return "DOUBLE"
    one, other = _decimal(a), _decimal(b)
    if one is None or other is None:
        floats = {"FLOAT", "DOUBLE"}
        return "DOUBLE" if (one or other) and (a in floats or b in floats) else None
    scale = max(one[1], other[1])
    whole = max(one[0] - one[1], other[0] - other[1])
    return f"DECIMAL({whole + scale},{scale})" if whole + scale <= 38 else None


def _common_integer(a: str, b: str) -> str:
    if "HUGEINT" in (a, b):
        return "HUGEINT"
    if "UBIGINT" in (a, b):
        return "DECIMAL(38,0)"
    digits = max(_DIGITS[a], _DIGITS[b]) + 1
    return next((t for t in _SIGNED if _DIGITS[t] >= digits), "BIGINT")


def _decimal(type_: str) -> tuple[int, int] | None:
    match = re.fullmatch(r"DECIMAL\((\d+),(\d+)\)", type_)
    if match:
        return int(match[1]), int(match[2])
    return (min(_DIGITS[type_], 38), 0) if type_ in _DIGITS else None


def struct_fields(type_: str) -> tuple[Column, ...] | None:
    """The fields of a STRUCT type; None for any other type."""
    if not (type_.upper().startswith("STRUCT(") and type_.endswith(")")):
        return None
    fields = []
    for part in _split(type_[7:-1]):
        name, type_text = _field(part.strip())
        fields.append(Column(name, type_text))
    return tuple(fields)


def map_types(type_: str) -> tuple[str, str] | None:
    """The types of a MAP's keys and values; None for any other type."""
    if not (type_.upper().startswith("MAP(") and type_.endswith(")")):
        return None
    key, value = (part.strip() for part in _split(type_[4:-1]))
    return key, value


def _split(text: str) -> list[str]:
    """Split at the commas that no bracket and no quote encloses."""
    parts, depth, quoted, start = [], 0, False, 0
    for i, char in enumerate(text):
        if char == '"':
            quoted = not quoted
        elif quoted:
            continue
        elif char in "([":
            depth += 1
        elif char in ")]":
            depth -= 1
        elif char == "," and depth == 0:
            parts.append(text[start:i])
            start = i + 1
    return [*parts, text[start:]]


def _field(text: str) -> tuple[str, str]:
    if text.startswith('"'):
        match = re.match(r'"((?:[^"]|"")*)"\s+', text)
        if match:
            return match[1].replace('""', '"'), text[match.end() :]
    name, _, type_text = text.partition(" ")
    return name, type_text.strip()


def decide(
    dataset: str, known: Sequence[Column], arriving: Sequence[Column], rules: Mapping[str, str]
) -> tuple[SchemaChange, ...]:
    """Every difference between `known` (the table) and `arriving`, with its decision; names are compared without case.

    `rules`: "additive" for new columns and wider types ("apply" | "block" | "ignore"), "breaking" for missing columns and
    types that do not fit ("block" | "ignore"), "missing" for missing columns alone. A narrower type that fits is applied by
    a cast, always.
    """
    additive, breaking = rules.get("additive", "apply"), rules.get("breaking", "block")
    missing = rules.get("missing", breaking)
    standing = {c.name.lower(): c for c in known}
    changes: list[SchemaChange] = []
    for column in arriving:
        before = standing.pop(column.name.lower(), None)
        if before is None:
            reason = {"apply": "a new column is added", "ignore": "a new column is left out by rule"}.get(
                additive, "the rule for additive changes blocks new columns"
            )
            changes.append(SchemaChange(dataset, column.name, "column_added", None, column.type, additive, reason))
        elif canonical(before.type) != canonical(column.type):
            changes.append(_type_change(dataset, before, column, additive, breaking))
    for column in standing.values():
        reason = "the column does not arrive; its values would be NULL" + ("" if missing == "block" else ", as the rule allows")
        changes.append(SchemaChange(dataset, column.name, "column_missing", column.type, None, missing, reason))
    return tuple(changes)


def _type_change(dataset: str, before: Column, arriving: Column, additive: str, breaking: str) -> SchemaChange:
    both = common_type(before.type, arriving.type)
    name = before.name
    if both is None:
        reason = f"{arriving.type} does not fit into {before.type}, nor can {before.type} be widened to it"
        return SchemaChange(dataset, name, "type_changed", before.type, arriving.type, breaking, reason)
    if same_type(both, before.type):
        reason = f"{arriving.type} fits into {before.type} and is cast"
        return SchemaChange(dataset, name, "type_narrowed", before.type, arriving.type, "apply", reason)
    return SchemaChange(dataset, name, "type_widened", before.type, both, additive, f"{both} holds every value of {before.type}")


def same_type(one: str, other: str) -> bool:
    """Whether two spellings mean one type, field by field."""
    a, b = canonical(one), canonical(other)
    if a == b:
        return True
    if a.endswith("[]") and b.endswith("[]"):
        return same_type(a[:-2], b[:-2])
    left, right = struct_fields(a), struct_fields(b)
    if left is None or right is None or len(left) != len(right):
        return False
    return all(x.name.lower() == y.name.lower() and same_type(x.type, y.type) for x, y in zip(left, right, strict=True))


def columns_after(known: Sequence[Column], changes: Sequence[SchemaChange]) -> tuple[Column, ...]:
    """The table's columns once the applied changes are made: widened types, then new columns at the end."""
    widened = {c.column: c.to_type for c in changes if c.kind == "type_widened" and c.decision == "apply"}
    stay = [Column(c.name, widened.get(c.name) or c.type, c.nullable) for c in known]
    added = [Column(c.column, c.to_type or "VARCHAR") for c in changes if c.kind == "column_added" and c.decision == "apply"]
    return (*stay, *added)
