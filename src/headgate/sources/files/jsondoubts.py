"""Values of JSON objects that the engine's reader would change in silence: rounded, cut, or taken for a truth value."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from headgate.ports.engine import Cursor
from headgate.spec.exactness import lossy, misfit, opaque
from headgate.spec.names import quote_ident, quote_literal
from headgate.spec.schema_rules import map_types, struct_fields

INTEGERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "DECIMAL(38,0)")
ELEMENTS = "[*]"
TIME = "CASE WHEN length({c}) > 10 THEN TRY_CAST({c} AS TIMESTAMP) <> TRY_CAST({c} AS DATE) ELSE false END"
Formats = tuple[str | None, str | None]
Questions = Callable[[str], list[str]]  # SQL predicates over a text


@dataclass(frozen=True, slots=True)
class Leaf:
    """A scalar of column `steps[0]`; a step `[*]` leads to the elements of a list."""

    steps: tuple[str, ...]
    type: str

    @property
    def path(self) -> str:
        """Where it is, in the engine's words."""
        return "$" + "".join(s if s == ELEMENTS else f'."{s}"' for s in self.steps)

    @property
    def listed(self) -> bool:
        """Whether there are several in one object."""
        return ELEMENTS in self.steps


def settled(
    objects_sql: str,
    columns: Mapping[str, str],
    declared: Collection[str],
    known: Collection[str],
    formats: Formats,
    cursor: Cursor,
) -> tuple[dict[str, str], bool]:
    """The columns with types that keep every value of `objects_sql` (a SELECT of one JSON column `json`) where they may change;
    and whether columns of a declared or standing type hold values that the reader would change. `declared` and `known` are
    names in lower case.
    """
    leaves = [leaf for name, type_ in columns.items() for leaf in _leaves((name,), type_)]
    asked = {leaf: _first(leaf, leaf.steps[0].lower() in declared, formats) for leaf in leaves}
    doubts = [leaf for leaf, (yes,) in _answers(asked, objects_sql, cursor).items() if yes]
    fixed = [leaf for leaf in doubts if leaf.steps[0].lower() in declared]
    wider = {leaf: "TIMESTAMP" if leaf.type == "DATE" else "DOUBLE" for leaf in doubts if leaf.type in (*INTEGERS, "DATE")}
    close = {leaf: _close(leaf, wide, formats) for leaf, wide in wider.items() if leaf not in fixed}
    answers = _answers(close, objects_sql, cursor)
    types, doubtful = dict(columns), bool(fixed)
    for leaf in doubts:
        if leaf in fixed:
            continue
        widens, still, changes = answers.get(leaf, (False, False, leaf not in wider))
        if widens and not still:
            types[leaf.steps[0]] = _with(types[leaf.steps[0]], leaf.steps[1:], wider[leaf])
        elif (widens or changes) and leaf.steps[0].lower() in known:
            doubtful = True
        elif widens or changes:
            types[leaf.steps[0]] = _with(types[leaf.steps[0]], leaf.steps[1:], "VARCHAR")
    return types, doubtful


def _leaves(steps: tuple[str, ...], type_: str) -> Iterator[Leaf]:
    if '"' in steps[-1]:
        return  # the engine's paths cannot say such a name
    fields = struct_fields(type_)
    if type_.endswith("[]"):
        yield from _leaves((*steps, ELEMENTS), type_[:-2])
    elif fields is not None:
        for field in fields:
            yield from _leaves((*steps, field.name), field.type)
    elif not opaque(type_) and map_types(type_) is None and not type_.endswith("]"):
        yield Leaf(steps, type_)


def _first(leaf: Leaf, declared: bool, formats: Formats) -> Questions:
    """The first, cheap question."""
    if declared:
        return lambda x: [misfit(leaf.type, x, formats) or "false"]
    if leaf.type == "DATE":
        return lambda x: [f"length({x}) > 10"]
    return lambda x: [_changes(leaf.type, x, formats)]


def _changes(type_: str, x: str, formats: Formats) -> str:
    if type_ == "BOOLEAN":
        return f"{x} <> 'true' AND {x} <> 'false'"
    changes = lossy(type_, x, formats)
    if changes is None or not (type_ in (*INTEGERS, "DOUBLE", "FLOAT") or type_.startswith("DECIMAL")):
        return changes or "false"
    return f"{x} = 'true' OR {x} = 'false' OR {changes}"


def _close(leaf: Leaf, wider: str, formats: Formats) -> Questions:
    """Whether a value asks for the wider type, would be changed by that too, and is changed by its own."""

    def asked(x: str) -> list[str]:
        widens = TIME.format(c=x) if wider == "TIMESTAMP" else f"TRY_CAST({x} AS DOUBLE) IS NOT NULL"
        return [widens, _changes(wider, x, formats), _changes(leaf.type, x, formats)]

    return asked


def _answers(questions: Mapping[Leaf, Questions], objects_sql: str, cursor: Cursor) -> dict[Leaf, tuple[bool, ...]]:
    """Whether any object says yes, for each leaf's questions; leaves without questions are left out."""
    real = [leaf for leaf, asked in questions.items() if any(q != "false" for q in asked("x"))]
    if not real:
        return {}
    single, listed = [leaf for leaf in real if not leaf.listed], [leaf for leaf in real if leaf.listed]
    looks = [f"bool_or({q})" for i, leaf in enumerate(single, 1) for q in questions[leaf](f"v[{i}]")]
    looks += [
        f"bool_or(len(list_filter(l{i}, lambda x: {q})) > 0)" for i, leaf in enumerate(listed) for q in questions[leaf]("x")
    ]
    paths = ", ".join(quote_literal(leaf.path) for leaf in single)
    found = [f"json_extract_string(json, [{paths}]) AS v"] if single else []
    found += [f"json_extract_string(json, {quote_literal(leaf.path)}) AS l{i}" for i, leaf in enumerate(listed)]
    cursor.execute(f"SELECT {', '.join(looks)} FROM (SELECT {', '.join(found)} FROM ({objects_sql}))")
    row = iter(cursor.fetchone() or ())
    return {leaf: tuple(bool(next(row)) for _ in questions[leaf]("x")) for leaf in [*single, *listed]}


def _with(type_: str, steps: Sequence[str], new: str) -> str:
    """`type_` with `new` in the place that `steps` lead to."""
    if not steps:
        return new
    if steps[0] == ELEMENTS:
        return _with(type_[:-2], steps[1:], new) + "[]"
    fields = struct_fields(type_) or ()
    kinds = ((f.name, _with(f.type, steps[1:], new) if f.name == steps[0] else f.type) for f in fields)
    return "STRUCT(" + ", ".join(f"{quote_ident(n)} {t}" for n, t in kinds) + ")"
