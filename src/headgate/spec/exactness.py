"""Whether a conversion keeps a value: SQL predicates, for the engine's casts round, cut and drop without a word.

What counts as kept: a fraction becomes the nearest DOUBLE or FLOAT; a date becomes its midnight; a moment without a zone is UTC;
`yes`, `t`, `y` and `1` are true. A fraction in an integer, digits beyond a DECIMAL's scale or a moment's precision, a whole number that
a DOUBLE cannot tell from its neighbours, a time in a DATE, a zone other than UTC in a TIMESTAMP: those are not.
"""

from __future__ import annotations

import re

from headgate.spec.names import quote_ident, quote_literal
from headgate.spec.schema_rules import canonical, map_types, struct_fields

_INTEGERS = (
    "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT",
)  # fmt: skip
_WHOLE = {"DOUBLE": 2**53, "FLOAT": 2**24}  # up to here every whole number is one of the type
_SECOND_DIGITS = {
    "TIMESTAMP": 6, "TIMESTAMP WITH TIME ZONE": 6, "TIMESTAMP_S": 0, "TIMESTAMP_MS": 3, "TIMESTAMP_NS": 9,
}  # fmt: skip
_EXPONENT = r"'^\s*[-+]?[0-9_.]+[eE]'"
_MIDNIGHT = r"([ T]00:00(:00([.]0*)?)?( ?(Z|[-+]00(:?00)?))?)?"
_DAY = rf"'\s*[-+]?[0-9]+[-/ \\][0-9]+[-/ \\][0-9]+( \(BC\))?{_MIDNIGHT}\s*'"
_DAY_FIRST = r"'^\s*[-+]?[0-9]+[-/ \\][0-9]+[-/ \\][0-9]+'"
_CLOCK = r"'\s*[0-9]+:[0-9]+(:[0-9]+([.][0-9]{0,6}0*)?)?\s*'"


def texted(type_: str) -> str:
    """The type with text in the place of every scalar: what `lossy` and `misfit` look at."""
    if type_.endswith("]"):
        inner, bounds = _element(type_)
        return texted(inner) + bounds
    fields = struct_fields(type_)
    if fields is not None:
        return "STRUCT(" + ", ".join(f"{quote_ident(f.name)} {texted(f.type)}" for f in fields) + ")"
    pair = map_types(type_)
    if pair is not None:
        return f"MAP(VARCHAR, {texted(pair[1])})"
    return type_ if opaque(type_) else "VARCHAR"


def opaque(type_: str) -> bool:
    """Whether a type is taken as the engine reads it: it has no text form of its own, or text is all it is."""
    return type_.upper().startswith("UNION(") or canonical(type_) in ("JSON", "BLOB", "BIT", "VARIANT")


def lossy(type_: str, text: str, formats: tuple[str | None, str | None] = (None, None)) -> str | None:
    """A predicate that `text`, SQL of type `texted(type_)`, holds a value that a cast to `type_` would take and change; NULL or
    false otherwise. `formats` are strptime patterns for dates and for moments. None: the type has no such values.
    """
    return _walk(type_, text, formats, strict=False, depth=0)


def misfit(type_: str, text: str, formats: tuple[str | None, str | None] = (None, None)) -> str | None:
    """A predicate that `text` holds a value that a cast to `type_` refuses or changes; else as `lossy`."""
    return _walk(type_, text, formats, strict=True, depth=0)


def changed(from_type: str, to_type: str, value: str) -> str | None:
    """A predicate that `value`, SQL of `from_type`, is refused or changed by a cast to `to_type`. None: it never is."""
    one, other = canonical(from_type), canonical(to_type)
    if one == other or other in ("VARCHAR", "JSON"):
        return None
    if one == "VARCHAR":
        return misfit(other, value if texted(other) == "VARCHAR" else f"TRY_CAST({value} AS {texted(other)})")
    cast = f"TRY_CAST({value} AS {to_type})"
    back = f"TRY_CAST({cast} AS {from_type}) IS DISTINCT FROM {value}"
    if other in _WHOLE and (one in _WHOLE or one.startswith("DECIMAL")):  # a fraction becomes the nearest one
        back = (
            f"({cast} IS NULL OR isinf({cast}) <> isinf(CAST({value} AS DOUBLE)) OR (abs({value}) >= {_WHOLE[other]} AND {back}))"
        )
    return f"({value} IS NOT NULL AND {back})"


def converted(type_: str, text: str, formats: tuple[str | None, str | None] = (None, None), depth: int = 0) -> str:
    """`text`, SQL of type `texted(type_)`, as a value of `type_`; NULL where it is none."""
    pattern = _pattern(canonical(type_), formats)
    if pattern is not None:
        return f"TRY_CAST(TRY_STRPTIME({text}, {quote_literal(pattern)}) AS {type_})"
    fields = struct_fields(type_)
    if fields is not None and any(formats):
        below = ((f, converted(f.type, f"struct_extract({text}, {quote_literal(f.name)})", formats, depth)) for f in fields)
        packed = ", ".join(f"{quote_ident(f.name)} := {value}" for f, value in below)
        return f"CASE WHEN {text} IS NULL THEN NULL ELSE struct_pack({packed}) END"
    if type_.endswith("[]") and any(formats):
        return f"list_transform({text}, lambda c{depth}: {converted(type_[:-2], f'c{depth}', formats, depth + 1)})"
    return text if texted(type_) == type_ else f"TRY_CAST({text} AS {type_})"


def _walk(type_: str, x: str, formats: tuple[str | None, str | None], *, strict: bool, depth: int) -> str | None:
    if type_.endswith("]"):
        return _any(_element(type_)[0], x, formats, strict, depth)
    pair = map_types(type_)
    if pair is not None:
        return _any(pair[1], f"map_values({x})", formats, strict, depth)
    fields = struct_fields(type_)
    if fields is not None:
        below = [
            _walk(f.type, f"struct_extract({x}, {quote_literal(f.name)})", formats, strict=strict, depth=depth) for f in fields
        ]
        found = [b for b in below if b]
        return "(" + " OR ".join(found) + ")" if found else None
    return _leaf(type_, x, formats, strict)


def _any(inner: str, values: str, formats: tuple[str | None, str | None], strict: bool, depth: int) -> str | None:
    element = f"e{depth}"
    below = _walk(inner, element, formats, strict=strict, depth=depth + 1)
    return None if below is None else f"coalesce(len(list_filter({values}, lambda {element}: {below})) > 0, false)"


def _leaf(type_: str, x: str, formats: tuple[str | None, str | None], strict: bool) -> str | None:
    kind = canonical(type_)
    written = type_.strip().upper()
    kind = written if written in _SECOND_DIGITS else kind
    if opaque(type_) or kind == "VARCHAR":
        return None
    change = None if _pattern(kind, formats) else _change(kind, x)
    if not strict:
        return change and f"coalesce({change}, false)"
    refused = f"{converted(type_, x, formats)} IS NULL"
    return f"coalesce({x} IS NOT NULL AND ({refused}{f' OR {change}' if change else ''}), false)"


def _pattern(kind: str, formats: tuple[str | None, str | None]) -> str | None:
    if kind == "DATE":
        return formats[0]
    return formats[1] if kind.startswith("TIMESTAMP") else None


def _change(kind: str, x: str) -> str | None:
    """That text `x` is one of `kind` to the engine, but another value after the cast."""
    decimal = re.fullmatch(r"DECIMAL\((\d+),(\d+)\)", kind)
    if kind in _INTEGERS or decimal:
        digits = int(decimal[2]) if decimal else 0
        fraction = rf"'[.][0-9]{{{digits}}}[0-9]*[1-9]'" if digits else "'[.][0-9]*[1-9]'"
        rough = f"regexp_matches({x}, {_EXPONENT}) AND {_rough(kind, x)}"
        # A whole number with a positive exponent is read exactly, or refused.
        return (
            f"CASE WHEN contains({x}, '.') THEN regexp_matches({x}, {fraction}) OR ({rough}) "
            f"WHEN contains({x}, '-') THEN {rough} ELSE false END"
        )
    if kind in _WHOLE:
        return _rounded(kind, x)
    if kind in _SECOND_DIGITS:
        digits = _SECOND_DIGITS[kind]
        cut = rf"regexp_matches({x}, '[.][0-9]{{{digits}}}[0-9]*[1-9]')"
        zone = "false" if kind == "TIMESTAMP WITH TIME ZONE" else rf"regexp_matches({x}, ':[0-9.]+ ?[-+][0-9:]*[1-9]')"
        usual = f"length({x}) <= 10 OR (length({x}) = 19 AND substr({x}, 17, 1) = ':')"
        return f"CASE WHEN {usual} THEN false ELSE {cut} OR {zone} END"
    if kind == "DATE":
        return f"CASE WHEN length({x}) <= 10 THEN false ELSE regexp_matches({x}, {_DAY_FIRST}) AND NOT regexp_full_match({x}, {_DAY}) END"
    if kind == "TIME":
        return f"CASE WHEN length({x}) <= 8 THEN false ELSE NOT regexp_full_match({x}, {_CLOCK}) END"
    return None


def _rough(kind: str, x: str) -> str:
    """That a number written with an exponent is not surely one of `kind`."""
    number = f"TRY_CAST({x} AS DOUBLE)"
    return (
        f"NOT coalesce(length({x}) <= 20 AND abs({number}) < {_WHOLE['DOUBLE']} "
        f"AND {number} = CAST(TRY_CAST({x} AS {kind}) AS DOUBLE) AND ({number} <> 0 OR NOT regexp_matches({x}, '^[^eE]*[1-9]')), false)"
    )


def _rounded(kind: str, x: str) -> str:
    """That a number is too large or too small for a floating type, or a whole one that is not what stands after the cast."""
    number, digits = f"TRY_CAST({x} AS {kind})", len(str(_WHOLE[kind])) - 1
    said = f"trim(regexp_replace(split_part({x}, '.', 1), '[^0-9]', '', 'g'), '0')"
    stands = f"trim(regexp_replace(split_part(CAST({number} AS VARCHAR), 'e', 1), '[^0-9]', '', 'g'), '0')"
    other = f"regexp_matches({x}, '[.][0-9]*[1-9]') OR {said} <> {stands}"
    vanished = f"({number} = 0 AND regexp_matches({x}, '^[^eE]*[1-9]'))"
    burst = f"(isinf({number}) AND NOT contains(lower({x}), 'inf'))"
    far = f"regexp_matches({x}, '[eE][-+]?[0-9]{{{3 if kind == 'DOUBLE' else 2}}}')"
    return (
        f"CASE WHEN contains({x}, 'e') OR contains({x}, 'E') THEN CASE WHEN {far} THEN {burst} OR {vanished} ELSE false END "
        f"WHEN length({x}) <= {digits} OR instr({x}, '.') BETWEEN 1 AND {digits} THEN false "
        f"ELSE {burst} OR (isfinite({number}) AND abs({number}) >= {_WHOLE[kind]} AND ({other})) END"
    )


def _element(type_: str) -> tuple[str, str]:
    """The type of a list's or an array's elements, and the brackets."""
    at = type_.rindex("[")
    return type_[:at], type_[at:]
