"""What a query can see while it is traced: columns, relations, and the rules by which a name finds its column.

Internal to `lineage`; the values that leave the package are those of `headgate.spec.lineage`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from sqlglot import exp

from headgate.lineage.digests import digest
from headgate.lineage.typing import common_type, struct_fields

# Strength of a step, weakest first: the strongest step of a path names the path.
IDENTITY, TRANSFORMATION, AGGREGATION, CONDITIONAL, WINDOW = range(5)

Path = tuple[str, ...]
Source = tuple[str, str, Path, int]
Indirect = tuple[str, str, str]
NOTHING: frozenset[Source] = frozenset()
NO_REASON: frozenset[str] = frozenset()


class Col:
    """One column of a relation while tracing. `print` identifies its meaning when changes are weighed."""

    __slots__ = ("counts", "fields", "guessed", "name", "print", "sources", "type", "why")

    def __init__(
        self,
        name: str,
        sources: frozenset[Source] = NOTHING,
        why: frozenset[str] = NO_REASON,
        type: exp.DataType | None = None,
        *,
        counts: bool = False,
        fields: dict[str, Col] | None = None,
        print: str = "",
    ) -> None:
        self.name, self.sources, self.why, self.type = name, sources, why, type
        self.counts, self.fields, self.print = counts, fields, print
        self.guessed = False  # of a relation without a schema: its name is known as it was asked for, in lower case

    def named(self, name: str) -> Col:
        """The same column under another name."""
        return Col(name, self.sources, self.why, self.type, counts=self.counts, fields=self.fields, print=self.print)


@dataclass(slots=True)
class Open:
    """Columns of `rel` that pass through a star although nobody knows their names."""

    rel: Rel
    without: frozenset[str] = frozenset()
    renamed: Mapping[str, str] = field(default_factory=dict)

    def inner(self, name: str) -> str | None:
        """The name below the star of what is called `name` (lower case) above it; None if the star leaves it out."""
        old = self.renamed.get(name)
        return old if old is not None else None if name in self.without else name

    def lookup(self, name: str) -> Col | None:
        """The column `name` (lower case), if it can be among those that pass."""
        inner = self.inner(name)
        return None if inner is None else self.rel.lookup(inner)

    def known(self, name: str) -> Col | None:
        """The same without guessing."""
        inner = self.inner(name)
        return None if inner is None else self.rel.index.get(inner)


class Rel:
    """A relation with its columns. A closed relation has exactly these; an open one may have more."""

    __slots__ = ("base", "cols", "dynamic", "every", "index", "indirect", "opens", "rows", "why", "wild")

    def __init__(
        self,
        cols: Iterable[Col],
        *,
        base: str | None = None,
        opens: tuple[Open, ...] = (),
        every: bool = False,
        dynamic: Col | None = None,
        indirect: frozenset[Indirect] = frozenset(),
        wild: frozenset[str] = frozenset(),
        why: frozenset[str] = NO_REASON,
        rows: str = "",
    ) -> None:
        self.cols = list(cols)
        self.index: dict[str, Col] = {}
        for col in self.cols:
            if col.name != "*":
                self.index.setdefault(col.name.lower(), col)
        self.base = base  # a base relation whose schema is unknown: any column may be asked of it
        self.opens = opens
        self.every = every  # a set operation: a name has to be looked up in all of `opens`, not in one
        self.dynamic = dynamic  # columns whose names come from data (PIVOT) all look like this one
        self.indirect, self.wild, self.why, self.rows = indirect, wild, why, rows

    @property
    def open(self) -> bool:
        """Whether there may be columns beyond the known ones."""
        return self.base is not None or bool(self.opens) or self.dynamic is not None

    def lookup(self, name: str) -> Col | None:
        """The column `name` (lower case), assumed where the schema is unknown."""
        found = self.index.get(name)
        if found is not None or not self.open:
            return found
        if self.base is not None:
            found = Col(name, frozenset(((self.base, name, (), IDENTITY),)), print=f"{self.base}.{name}")
            found.guessed = True
        elif self.dynamic is not None:
            found = self.dynamic.named(name)
        else:
            found = self._through(name)
        if found is not None:
            self.index[name] = found
        return found

    def _through(self, name: str) -> Col | None:
        certain = [c for o in self.opens if (c := o.known(name)) is not None]
        if certain and not self.every:
            return certain[0].named(name)
        found = [c for o in self.opens if (c := o.lookup(name)) is not None]
        if not found:
            return None
        if self.every or len(found) == 1:
            one = merge(name, found)
            one.guessed = True
            return one
        where = ", ".join(sorted({s[0] for c in found for s in c.sources}))
        return Col(name, why=frozenset((f"column {name} may come from any of {where}: their columns are not known",)))

    def renamed(self, names: list[str]) -> Rel:
        """The relation with its first columns renamed (`t(a, b)`)."""
        if not names:
            return self
        cols = [col.named(names[i]) if i < len(names) else col for i, col in enumerate(self.cols)]
        if self.open and (not self.cols or self.cols[0].name == "*"):
            reason = "columns are renamed by position, but the columns of the source are not known"
            cols = [Col(n, why=frozenset((reason,))) for n in names] + self.cols
        return self.with_cols(cols)

    def with_cols(self, cols: Iterable[Col]) -> Rel:
        """The same rows with other columns."""
        return Rel(
            cols,
            base=self.base,
            opens=self.opens,
            every=self.every,
            dynamic=self.dynamic,
            indirect=self.indirect,
            wild=self.wild,
            why=self.why,
            rows=self.rows,
        )


def merge(name: str, cols: Iterable[Col], at_least: int = IDENTITY) -> Col:
    """One column fed by several (a set operation, a coalesced USING column)."""
    cols = list(cols)
    sources = frozenset(s if s[3] >= at_least else (s[0], s[1], s[2], at_least) for col in cols for s in col.sources)
    why = frozenset(w for col in cols for w in col.why)
    counts = any(col.counts for col in cols)
    text = cols[0].print if len({c.print for c in cols}) == 1 else "(" + "|".join(c.print for c in cols) + ")"
    if len(text) > 200:
        text = digest(text)
    return Col(name, sources, why, common_type([col.type for col in cols]), counts=counts, print=text)


@dataclass(slots=True)
class Entry:
    """A relation in FROM under its alias. `qualifiers` are the dotted names (lower case) that address it."""

    rel: Rel
    alias: str
    qualifiers: tuple[Path, ...]
    hidden: frozenset[str] = frozenset()  # columns that an unqualified star leaves out (USING, NATURAL)
    place: str = ""


class Scope:
    """Everything a name in one SELECT can mean."""

    __slots__ = ("aliases", "choice", "ctes", "entries", "merged", "params", "parent", "windows")

    def __init__(self, parent: Scope | None, ctes: Mapping[str, Rel]) -> None:
        self.parent, self.ctes = parent, ctes
        self.entries: list[Entry] = []
        self.merged: dict[str, Col] = {}
        self.aliases: dict[str, Col] = {}
        self.windows: dict[str, exp.Window] = {}
        self.params: frozenset[str] = frozenset()
        self.choice: Col | None = None  # the column that COLUMNS(…) stands for at this moment

    def resolve(self, parts: Path) -> Col:
        """The column that dotted `parts` (lower case) name; a Col with a reason where it cannot be told."""
        scope: Scope | None = self
        while scope is not None:
            found = scope._certain(parts)
            if found is None and (found := scope._possible(parts)) is not None and scope.parent is not None:
                found = _or_outer(found, scope.parent, parts)
            if found is not None:
                return found
            scope = scope.parent
        seen = ", ".join(dict.fromkeys(e.alias for e in self.entries)) or "nothing (there is no FROM)"
        return Col(parts[-1], why=frozenset((f"column {'.'.join(parts)} is not in {seen}",)), print=f"?{parts}")

    def _certain(self, parts: Path) -> Col | None:
        if parts[0] in self.params:
            return Col(parts[0], print=parts[0])
        for split in (3, 2, 1):
            if len(parts) > split and (entry := self.entry(parts[:split])) is not None:
                found = entry.rel.lookup(parts[split])
                if found is not None:
                    return below(placed(entry, found), parts[split + 1 :])
        found = self._column(parts[0])
        if found is None and (alias := self.aliases.get(parts[0])) is not None:
            found = alias
        if found is None and len(parts) == 1 and (entry := self.entry(parts)) is not None:
            found = row_of(entry)
        return None if found is None else below(found, parts[1:])

    def _column(self, name: str) -> Col | None:
        found = self.merged.get(name)
        if found is not None:
            return found
        for entry in self.entries:
            found = entry.rel.index.get(name)
            if found is not None:
                return placed(entry, found)
        return None

    def _possible(self, parts: Path) -> Col | None:
        open_entries = [e for e in self.entries if e.rel.open]
        found = [(e, c) for e in open_entries if (c := e.rel.lookup(parts[0])) is not None]
        if not found:
            return None
        if len(found) == 1:
            return below(placed(*found[0]), parts[1:])
        for entry, _ in found:  # what was only guessed must not count as known from now on
            entry.rel.index.pop(parts[0], None)
        where = " or ".join(e.alias for e, _ in found)
        reason = f"column {parts[0]} may come from {where}: their columns are not known"
        return Col(parts[-1], why=frozenset((reason,)), print=f"?{parts}")

    def entry(self, qualifier: Path) -> Entry | None:
        """The FROM entry that a qualifier (lower case) addresses."""
        return next((e for e in self.entries if qualifier in e.qualifiers), None)

    def find(self, qualifier: Path) -> Entry | None:
        """The same, searched outwards."""
        scope: Scope | None = self
        while scope is not None:
            if (entry := scope.entry(qualifier)) is not None:
                return entry
            scope = scope.parent
        return None


def _or_outer(found: Col, outer: Scope | None, parts: Path) -> Col:
    """A guess at an open relation, weighed against the outer query that is known to have such a column."""
    while outer is not None:
        other = outer._certain(parts)
        if other is not None:
            both = merge(found.name, (found, other))
            reason = f"column {'.'.join(parts)} is of the inner or the outer query: the columns of the inner are not known"
            both.why |= {reason}
            return both
        outer = outer.parent
    return found


def placed(entry: Entry, col: Col) -> Col:
    """`col` as seen through its FROM entry: the same table joined twice gives two different columns."""
    if not entry.place or not col.print:
        return col
    seen = col.named(col.name)
    seen.print, seen.guessed = entry.place + col.print, col.guessed
    return seen


def row_of(entry: Entry) -> Col:
    """A whole row as one value (`SELECT t FROM t`)."""
    whole = merge(entry.alias, entry.rel.cols, TRANSFORMATION)
    whole.fields, whole.type = dict(entry.rel.index), None
    if entry.rel.base is not None:
        whole.why = frozenset((f"the columns of {entry.rel.base} are not known",))
    whole.print = f"row({','.join(c.print for c in entry.rel.cols)})"
    return whole


def below(col: Col, path: Path) -> Col:
    """The struct field at `path` below `col`."""
    for step in path:
        col = _field(col, step)
    return col


def _field(col: Col, step: str) -> Col:
    name = step.lower()
    if col.fields is not None and name in col.fields:
        return col.fields[name]
    kind = struct_fields(col.type).get(name) if col.type is not None else None
    sources = frozenset((r, c, (*p, name), k) if k == IDENTITY else (r, c, p, k) for r, c, p, k in col.sources)
    return Col(step, sources, col.why, kind, counts=col.counts, print=f"{col.print}.{name}")


def parts_of(node: exp.Column) -> Path:
    """The dotted parts of a column reference in lower case."""
    args = node.args
    if args.get("table") is None:
        return (node.this.name.lower(),)
    return tuple(p.name.lower() for p in node.parts)


def window_clauses(node: exp.Expr, scope: Scope) -> list[exp.Expr]:
    """PARTITION BY, ORDER BY and frame of a window, those of a named window included."""
    clauses = [*(node.args.get("partition_by") or ())]
    clauses += [c for c in (node.args.get("order"), node.args.get("spec")) if isinstance(c, exp.Expr)]
    seen = {id(node)}
    name: exp.Expr | None = node.args.get("alias") if not isinstance(node.this, exp.Identifier) else None
    while name is not None and (base := scope.windows.get(name.name.lower())) is not None and id(base) not in seen:
        seen.add(id(base))
        clauses += [*(base.args.get("partition_by") or ())]
        clauses += [c for c in (base.args.get("order"), base.args.get("spec")) if isinstance(c, exp.Expr)]
        name = base.args.get("alias")
    return clauses
