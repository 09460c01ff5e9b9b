"""Stars: `*`, `t.*`, EXCLUDE, REPLACE, RENAME, LIKE, and COLUMNS(…) in all its forms."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from fnmatch import translate

from sqlglot import exp

from headgate.lineage.scope import Col, Entry, Open, Rel, Scope, below, parts_of, placed
from headgate.lineage.typing import struct_fields
from headgate.lineage.values import Trace, value

Test = Callable[[str], bool]
_NAME_TESTS = (exp.Like, exp.ILike, exp.SimilarTo, exp.Glob)


@dataclass(slots=True)
class Expansion:
    """The columns that a star stands for, and what of it is open."""

    cols: list[Col] = field(default_factory=list)
    opens: list[Open] = field(default_factory=list)
    wild: set[str] = field(default_factory=set)


def expand(t: Trace, scope: Scope, item: exp.Expr) -> Expansion | None:
    """What a projection stands for if it is a star of any form, else None."""
    if isinstance(item, exp.Star):
        return _star(t, scope, item, None)
    if isinstance(item, exp.Column):
        return _star(t, scope, item.this, item) if isinstance(item.this, exp.Star) else None
    test = item.this if isinstance(item, exp.Not) else item
    star = test.this if isinstance(test, _NAME_TESTS) else None
    if isinstance(star, exp.Star) or (isinstance(star, exp.Column) and isinstance(star.this, exp.Star)):
        matches = _matcher(test) if test is item else _negated(_matcher(test))
        return _filtered(t, scope, matches, star if isinstance(star, exp.Column) else None)
    columns = _columns_in(item)
    return None if columns is None else _each(t, scope, item, columns)


def _columns_in(item: exp.Expr) -> exp.Columns | None:
    for node in item.find_all(exp.Columns):
        if isinstance(node, exp.Columns) and not node.args.get("unpack"):
            return node
    return None


def visible(scope: Scope, qualifier: exp.Column | None = None) -> tuple[list[tuple[Entry, Col]], str | None]:
    """The columns a star ranges over, with a reason where the qualifier names nothing."""
    entries = scope.entries
    if qualifier is not None:
        parts = tuple(p.name.lower() for p in qualifier.parts[:-1])
        entry = scope.find(parts)
        if entry is None:
            return [], f"{'.'.join(parts)}.* names no relation in FROM"
        return [(entry, placed(entry, c)) for c in entry.rel.cols], None
    out = []
    for entry in entries:
        for col in entry.rel.cols:
            name = col.name.lower()
            if name not in entry.hidden:
                out.append((entry, scope.merged.get(name) or placed(entry, col)))
    return out, None


def _star(t: Trace, scope: Scope, star: exp.Expr, qualifier: exp.Column | None) -> Expansion:
    pairs, reason = visible(scope, qualifier)
    if reason is not None and qualifier is not None:
        return _struct_star(t, scope, qualifier, reason)
    without, apart = _excluded(star)
    replaced = {r.alias.lower(): r.this for r in star.args.get("replace") or ()}
    renamed = {r.this.name.lower(): r.alias for r in star.args.get("rename") or ()}
    test = _like(star.args["ilike"].name.lower(), fold=True) if star.args.get("ilike") is not None else None
    out = Expansion()
    for entry, col in pairs:
        name = col.name.lower()
        out.wild |= entry.rel.wild
        if (
            name in without
            or any((*q, name) in apart for q in entry.qualifiers)
            or (test is not None and name != "*" and not test(col.name))
        ):
            continue
        if name in replaced:
            out.cols.append(value(t, replaced[name], scope, col.name))
        else:
            out.cols.append(col.named(renamed[name]) if name in renamed else col)
    known = {c.name.lower() for _, c in pairs}
    if any(c.name == "*" for _, c in pairs):  # REPLACE speaks of a column that must exist, known or not
        out.cols += [value(t, node, scope, name) for name, node in replaced.items() if name not in known]
    for entry in {id(e): e for e, _ in pairs}.values():
        if entry.rel.open:
            gone = frozenset(without | set(renamed) | (entry.hidden if qualifier is None else set()))
            back = {new.lower(): old for old, new in renamed.items()}
            out.opens.append(Open(entry.rel, gone, back))
    return out


def _excluded(star: exp.Expr) -> tuple[set[str], set[tuple[str, ...]]]:
    """The names that EXCLUDE leaves out everywhere, and those it leaves out of one relation (`EXCLUDE (t.a)`)."""
    parts = [parts_of(c) for c in star.args.get("except_") or () if isinstance(c, exp.Column)]
    bare = {c.name.lower() for c in star.args.get("except_") or () if not isinstance(c, exp.Column)}
    return bare | {p[0] for p in parts if len(p) == 1}, {p for p in parts if len(p) > 1}


def _struct_star(t: Trace, scope: Scope, qualifier: exp.Column, reason: str) -> Expansion:
    """`s.*` where `s` is a struct: one column per field."""
    parts = tuple(p.name.lower() for p in qualifier.parts[:-1])
    col = t.resolve(parts, scope)
    names = spread_fields(col)
    if names:
        return Expansion([below(col, (name,)).named(name) for name in names])
    why = frozenset((f"{reason}, and is no struct column with known fields",))
    return Expansion([Col("*", col.sources, why)])


def spread_fields(col: Col) -> list[str]:
    """The field names of a struct column, in order; empty if it is none or they are not known."""
    return list(col.fields or struct_fields(col.type))


def _filtered(t: Trace, scope: Scope, test: Test, qualifier: exp.Column | None) -> Expansion:
    pairs, reason = visible(scope, qualifier)
    if reason is not None and qualifier is not None:
        fields = _struct_star(t, scope, qualifier, reason)
        fields.cols = [c for c in fields.cols if c.name == "*" or test(c.name)]
        return fields
    out = Expansion()
    for entry, col in pairs:
        out.wild |= entry.rel.wild
        if col.name == "*" or test(col.name):
            out.cols.append(col)
    ranged = scope.entries if qualifier is None else [e for e in scope.entries if any(e is entry for entry, _ in pairs)]
    out.opens = [Open(e.rel) for e in ranged if e.rel.open]
    return out


def chosen(scope: Scope, node: exp.Columns) -> tuple[list[tuple[Entry, Col]], bool]:
    """The columns that COLUMNS(…) picks, and whether a column added to a source would be weighed too."""
    what: exp.Expr = node.this
    star, pairs = what, visible(scope, None)[0]
    if isinstance(what, exp.Column) and isinstance(what.this, exp.Star):
        star, pairs = what.this, visible(scope, what)[0]
    if isinstance(star, exp.Star):
        without = {c.name.lower() for c in star.args.get("except_") or ()}
        return [(e, c) for e, c in pairs if c.name.lower() not in without], True
    if isinstance(what, (exp.Array, exp.Tuple)) and all(isinstance(e, exp.Literal) for e in what.expressions):
        names = [e.name.lower() for e in what.expressions]
        found = {c.name.lower(): (e, c) for e, c in pairs}
        return [found[n] for n in names if n in found], False
    test = _test(what)
    if test is None:
        reason = frozenset((f"which columns {node.sql(dialect='duckdb')} picks cannot be told from the text",))
        return [(e, Col(c.name, c.sources, c.why | reason, c.type, print=c.print)) for e, c in pairs], True
    return [(e, c) for e, c in pairs if c.name == "*" or test(c.name)], True


def unpacked(scope: Scope, node: exp.Expr) -> list[Col]:
    """The columns that `*COLUMNS(…)` puts as arguments into a function."""
    return [col for _, col in chosen(scope, node)[0]] if isinstance(node, exp.Columns) else []


def _each(t: Trace, scope: Scope, item: exp.Expr, columns: exp.Columns) -> Expansion:
    picked, wild = chosen(scope, columns)
    pattern = columns.this.name if isinstance(columns.this, exp.Literal) else None
    alias = item.alias if isinstance(item, exp.Alias) else ""
    out = Expansion()
    for entry, col in picked:
        if wild:
            out.wild |= entry.rel.wild
        scope.choice = col
        out.cols.append(value(t, item.copy(), scope, _alias(alias, pattern, col.name) if alias else col.name))
    scope.choice = None
    bare = item.unalias() if isinstance(item, exp.Alias) else item
    if isinstance(bare, exp.Columns) and not alias:
        out.opens = [Open(e.rel) for e in scope.entries if e.rel.open]
    return out


def _alias(alias: str, pattern: str | None, name: str) -> str:
    """`COLUMNS('(.)') AS 'p_\\1'`: groups of the pattern in the alias; `\\0` is the whole name."""
    if name == "*":
        return name
    compiled = _regex(pattern) if pattern is not None else None
    found = compiled.search(name) if compiled is not None else None

    def group(match: re.Match[str]) -> str:
        number = int(match[1])
        if found is None or number > found.re.groups:
            return name if number == 0 else ""
        return (name if number == 0 and found[0] == name else found[number]) or ""

    return re.sub(r"\\(\d)", group, alias)


def _like(pattern: str, fold: bool = False) -> Test:
    text = "".join(".*" if c == "%" else "." if c == "_" else re.escape(c) for c in pattern)
    compiled = re.compile(text, re.DOTALL | (re.IGNORECASE if fold else 0))
    return lambda name: compiled.fullmatch(name) is not None


def _regex(pattern: str) -> re.Pattern[str] | None:
    """A pattern of DuckDB's (RE2) compiled; None where Python cannot read it."""
    try:
        return re.compile(pattern)
    except re.error:
        return None


def _matcher(node: exp.Expr) -> Test:
    """The test on names that LIKE, ILIKE, SIMILAR TO or GLOB with a literal stands for."""
    pattern = node.expression.name
    test = _like(pattern, isinstance(node, exp.ILike))
    if isinstance(node, (exp.SimilarTo, exp.Glob)):
        compiled = _regex(translate(pattern) if isinstance(node, exp.Glob) else pattern)
        if compiled is not None:
            test = _whole(compiled)
    return _negated(test) if node.args.get("negate") else test


def _whole(compiled: re.Pattern[str]) -> Test:
    return lambda name: compiled.fullmatch(name) is not None


def _negated(test: Test) -> Test:
    return lambda name: not test(name)


def _test(what: exp.Expr) -> Test | None:
    """The test on column names that the argument of COLUMNS stands for; None if it is beyond reading."""
    if isinstance(what, exp.Literal):
        compiled = _regex(what.name)
        return None if compiled is None else lambda name: compiled.search(name) is not None
    if isinstance(what, exp.Lambda):
        return _condition(what.this)
    if isinstance(what, exp.Array) and len(what.expressions) == 1:
        what = what.expressions[0]
    if isinstance(what, exp.Comprehension) and what.args.get("condition") is not None:
        return _condition(what.args["condition"])
    return None


def _condition(node: exp.Expr) -> Test | None:
    """A test from a condition over the one parameter of a lambda."""
    if isinstance(node, exp.Paren):
        return _condition(node.this)
    if isinstance(node, exp.Not):
        inner = _condition(node.this)
        return None if inner is None else _negated(inner)
    if isinstance(node, (exp.And, exp.Or)):
        a, b = _condition(node.this), _condition(node.expression)
        if a is None or b is None:
            return None
        return (lambda n: a(n) and b(n)) if isinstance(node, exp.And) else (lambda n: a(n) or b(n))
    if not isinstance(node.this, (exp.Identifier, exp.Column)):
        return None
    if isinstance(node, exp.In):
        names = {e.name for e in node.expressions}
        return lambda n: n in names
    other = node.args.get("expression")
    if not isinstance(other, exp.Literal):
        return None
    text = other.name
    if isinstance(node, _NAME_TESTS):
        return _matcher(node)
    simple: dict[type[exp.Expr], Test] = {
        exp.EQ: lambda n: n == text,
        exp.NEQ: lambda n: n != text,
        exp.StartsWith: lambda n: n.startswith(text),
        exp.EndsWith: lambda n: n.endswith(text),
        exp.Contains: lambda n: text in n,
        exp.RegexpLike: lambda n: re.search(text, n) is not None,
    }
    return simple.get(type(node))


def all_columns(t: Trace, scope: Scope) -> Rel:
    """Everything that a scope's FROM shows, as a relation."""
    out = _star(t, scope, exp.Star(), None)
    rows = frozenset(i for e in scope.entries for i in e.rel.indirect)
    text = ";".join(e.rel.rows for e in scope.entries)
    return Rel(out.cols, opens=tuple(out.opens), indirect=rows, wild=frozenset(out.wild), rows=text)
