"""The lineage of a whole project: one traced result per model, kept by fingerprint, with quick questions over it.

Reading a graph needs no SQL library: a run that changes nothing loads it from its cache file and asks. `build` (in
`lineage.build`) makes one, taking from an older graph whatever still holds.
"""

from __future__ import annotations

import hashlib
import json
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from headgate.lineage.graph import Graph
from headgate.spec.lineage import (
    ColumnLineage,
    ColumnSource,
    IndirectSource,
    Input,
    ModelLineage,
    Schemas,
    normal_name,
)

FORMAT = 1
"""Version of the JSON form and of the tracing rules: a cache file of another version is built anew."""

ColumnRef = tuple[str, str]
Schema = Mapping[str, str | None]


@dataclass(slots=True)
class Entry:
    """One model of a graph. `key` covers its SQL and the schemas of its inputs; `raw` is the JSON form, decoded when asked."""

    sql_key: str
    key: str
    inputs: tuple[str, ...]
    schema: dict[str, str | None]
    decoded: ModelLineage | None
    raw: list[Any] | None = None

    def lineage(self) -> ModelLineage:
        """The traced result."""
        if self.decoded is None:
            assert self.raw is not None
            self.decoded = decode(self.raw)
        return self.decoded


class LineageGraph:
    """Column lineage of all models of a project. Immutable once built; made by `build.build` or `from_json`.

    Relations and columns are asked for in any spelling. A *column* is a pair (relation, column).
    """

    __slots__ = ("_down", "_graph", "_rows_down", "_up", "entries", "schemas")

    def __init__(self, entries: Mapping[str, Entry], schemas: Schemas) -> None:
        self.entries = dict(entries)
        self.schemas = {normal_name(n): dict(columns) for n, columns in schemas.items()}
        self._graph: Graph | None = None
        self._down: dict[ColumnRef, list[ColumnRef]] | None = None
        self._up: dict[ColumnRef, list[ColumnRef]] = {}
        self._rows_down: dict[ColumnRef, list[str]] = {}

    @property
    def models(self) -> tuple[str, ...]:
        """The normal names of all models, parents first."""
        return tuple(self.entries)

    @property
    def graph(self) -> Graph:
        """The graph of relations: every model depends on what it reads."""
        if self._graph is None:
            self._graph = Graph({name: entry.inputs for name, entry in self.entries.items()})
        return self._graph

    def lineage(self, relation: str) -> ModelLineage:
        """The lineage of one model. Raises KeyError for a relation that is no model of the graph."""
        return self.entries[normal_name(relation)].lineage()

    def schema(self, relation: str) -> Schema | None:
        """Columns and types of a model or a declared relation; None if unknown. `*` marks a list that is not complete."""
        name = normal_name(relation)
        entry = self.entries.get(name)
        return entry.schema if entry is not None else self.schemas.get(name)

    def downstream(self, target: str, depth: int | None = None) -> tuple[str, ...]:
        """Relations that read `target`, directly or not, every one after those it reads. KeyError if nothing is known of it."""
        reached = set(self.graph.descendants(normal_name(target), depth))
        return tuple(n for n in self.entries if n in reached)

    def upstream(self, target: str, depth: int | None = None) -> tuple[str, ...]:
        """Relations that `target` reads, directly or not, nearest first. KeyError if nothing is known of it."""
        return self.graph.ancestors(normal_name(target), depth)

    def downstream_columns(self, column: ColumnRef, depth: int | None = None, *, rows: bool = False) -> tuple[ColumnRef, ...]:
        """Columns made of `column`, directly or not, nearest first; with `rows` also those of models whose rows it decides."""
        self._index()
        assert self._down is not None
        down = self._down

        def step(ref: ColumnRef) -> Iterator[ColumnRef]:
            yield from down.get(ref, ())
            if rows:
                for model in self._rows_down.get(ref, ()):
                    yield from ((model, c.lower()) for c in self.entries[model].schema)

        return self._walk(column, step, depth)

    def upstream_columns(self, column: ColumnRef, depth: int | None = None) -> tuple[ColumnRef, ...]:
        """Columns that `column` is made of, directly or not, nearest first."""
        self._index()
        return self._walk(column, lambda ref: iter(self._up.get(ref, ())), depth)

    def unknowns(self) -> tuple[tuple[str, str, str], ...]:
        """Everything that could not be told: (model, column or `` for the rows, reason)."""
        out = []
        for name, entry in self.entries.items():
            lineage = entry.lineage()
            out += [(name, "", reason) for reason in lineage.unknown]
            out += [(name, c.name, c.unknown) for c in lineage.columns if c.unknown]
        return tuple(out)

    def stale(self, models: Mapping[str, str], schemas: Schemas) -> tuple[str, ...]:
        """Models whose SQL text differs from what the graph was built of, new and gone ones included, or, if a declared schema
        differs, all models that read it. Empty: the graph holds as it is."""
        now = {normal_name(n): sql for n, sql in models.items()}
        changed = {n for n, sql in now.items() if n not in self.entries or self.entries[n].sql_key != key_of(sql)}
        changed |= self.entries.keys() - now.keys()
        given = {normal_name(n): dict(columns) for n, columns in schemas.items()}
        other = {n for n in given.keys() | self.schemas.keys() if given.get(n) != self.schemas.get(n)}
        changed |= {n for n, entry in self.entries.items() if other.intersection(entry.inputs)}
        return tuple(sorted(changed))

    def to_json(self) -> str:
        """The graph as one line of JSON, for a cache file."""
        models = [
            [name, e.sql_key, e.key, e.inputs, e.schema, e.raw if e.raw is not None else encode(e.lineage())]
            for name, e in self.entries.items()
        ]
        return json.dumps({"format": FORMAT, "schemas": self.schemas, "models": models}, separators=(",", ":"))

    @staticmethod
    def from_json(text: str) -> LineageGraph | None:
        """The graph of a cache file; None if the file is damaged or of another version, and has to be built anew."""
        try:
            data = json.loads(text)
            if data["format"] != FORMAT:
                return None
            entries = {
                name: Entry(sql_key, key, tuple(inputs), schema, None, raw)
                for name, sql_key, key, inputs, schema, raw in data["models"]
            }
            return LineageGraph(entries, data["schemas"])
        except (KeyError, TypeError, ValueError, AttributeError):
            return None

    def _walk(self, start: ColumnRef, step: Any, depth: int | None) -> tuple[ColumnRef, ...]:
        first = (normal_name(start[0]), start[1].lower())
        seen = {first: 0}
        queue = deque((first,))
        while queue:
            ref = queue.popleft()
            if depth is not None and seen[ref] >= depth:
                continue
            for other in step(ref):
                if other not in seen:
                    seen[other] = seen[ref] + 1
                    queue.append(other)
        del seen[first]
        return tuple(seen)

    def _index(self) -> None:
        """Lay out the edges between columns, from the JSON form where it has not been decoded."""
        if self._down is not None:
            return
        self._down = {}
        for name, entry in self.entries.items():
            raw = entry.raw
            if raw is None:
                raw = entry.raw = encode(entry.lineage())
            for column in raw[_COLUMNS]:
                target = (name, column[0].lower())
                for source in column[1]:
                    self._edge((source[0], source[1].lower()), target)
            for relation, column_name, _ in raw[_INDIRECT]:
                models = self._rows_down.setdefault((relation, column_name.lower()), [])
                if not models or models[-1] != name:
                    models.append(name)
        for ref in [*self._down, *self._rows_down]:
            self._through_star(ref)

    def _edge(self, origin: ColumnRef, target: ColumnRef) -> None:
        assert self._down is not None
        ups = self._up.setdefault(target, [])
        if origin not in ups:
            ups.append(origin)
            self._down.setdefault(origin, []).append(target)

    def _through_star(self, ref: ColumnRef) -> None:
        """A column read from a model that shows it only through a star over one unknown relation comes from there."""
        relation, column = ref
        entry = self.entries.get(relation)
        while entry is not None and "*" in entry.schema and column not in {c.lower() for c in entry.schema}:
            behind = [w for w in entry.lineage().wild if "*" in (self.schema(w) or {"*": None})]
            if len(behind) != 1:
                return
            self._edge((behind[0], column), (relation, column))
            relation = behind[0]
            entry = self.entries.get(relation)


_COLUMNS, _INDIRECT = 1, 3


def encode(lineage: ModelLineage) -> list[Any]:
    """A model's lineage as plain lists."""
    columns = [
        [c.name, [[s.relation, s.column, s.kind, *s.path] for s in c.sources], c.origin, c.unknown, c.type]
        for c in lineage.columns
    ]
    return [
        lineage.name,
        columns,
        [[i.relation, i.external] for i in lineage.inputs],
        [[i.relation, i.column, i.kind] for i in lineage.indirect],
        list(lineage.wild),
        [list(r) for r in lineage.reads],
        list(lineage.unknown),
    ]


def decode(raw: list[Any]) -> ModelLineage:
    """The reverse of `encode`."""
    name, columns, inputs, indirect, wild, reads, unknown = raw
    return ModelLineage(
        name=name,
        columns=tuple(
            ColumnLineage(n, tuple(ColumnSource(s[0], s[1], s[2], tuple(s[3:])) for s in sources), origin, why, kind)
            for n, sources, origin, why, kind in columns
        ),
        inputs=tuple(Input(r, e) for r, e in inputs),
        indirect=tuple(IndirectSource(r, c, k) for r, c, k in indirect),
        wild=tuple(wild),
        reads=tuple((r, c) for r, c in reads),
        unknown=tuple(unknown),
    )


def key_of(*texts: str) -> str:
    """A fingerprint of texts, equal in every process."""
    digest = hashlib.blake2b(digest_size=12)
    for text in texts:
        digest.update(text.encode())
        digest.update(b"\0")
    return digest.hexdigest()


def schema_text(columns: Schema | None) -> str:
    """A schema as a text for fingerprints."""
    if columns is None:
        return "?"
    return ",".join(f"{name} {kind or ''}" for name, kind in columns.items())


def parents_first(inputs: Mapping[str, Iterable[str]]) -> tuple[str, ...]:
    """The models of a project in an order in which each comes after those it reads. DeclarationError for a cycle."""
    return tuple(n for n in Graph(inputs).order() if n in inputs)
