"""Models that are edited at random, and what each edit means: known from how the models are put together, not from reading their SQL."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

Read = tuple[str, str]  # (model, column)
ALL = "everything"


@dataclass(frozen=True)
class Text:
    """A piece of SQL and the columns that it reads."""

    sql: str
    reads: frozenset[Read] = frozenset()


@dataclass(frozen=True)
class Model:
    """One model. `rows` are the clauses that decide which rows there are; `star` takes all columns of its only parent."""

    name: str
    source: Text  # the FROM clause; its reads are those of join conditions
    parents: tuple[str, ...]
    columns: tuple[tuple[str, Text], ...] = ()
    where: Text | None = None
    group: Text | None = None
    star: bool = False
    kind: str = "table"
    sort: str = ""
    tag: str = ""
    comment: str = ""
    wide: bool = False

    def sql(self) -> str:
        """The query, with {x} for each parent."""
        gap = "\n\n   " if self.wide else " "
        columns = (
            "*"
            if self.star
            else f",{gap}".join(f"{text.sql} {'AS' if self.wide else 'as'} {name}" for name, text in self.columns)
        )
        parts = [f"{'SELECT' if self.wide else 'select'}{gap}{columns}", f"from {self.source.sql}"]
        parts += [f"where {self.where.sql}"] if self.where else []
        parts += [f"group by {self.group.sql}"] if self.group else []
        return gap.join(parts)

    def file(self) -> str:
        """The model's file."""
        config = (
            f"materialized='{self.kind}'"
            + (f", sort_by='{self.sort}'" if self.sort else "")
            + (f", tags='{self.tag}'" if self.tag else "")
        )
        names = {p: f"{{{{ ref('{p}') }}}}" if p != "events" else "{{ source('shop', 'events') }}" for p in self.parents}
        comment = f"-- {self.comment}\n" if self.comment else ""
        return f"{{{{ config({config}) }}}}\n{comment}{self.sql().format(**names)}\n"

    @property
    def meaning(self) -> Any:
        """All of it that has a meaning for rows and columns, in their order."""
        return (self.source, self.where, self.group, self.star)


@dataclass(frozen=True)
class Touch:
    """What readers see of a change: everything, or some columns."""

    everything: bool = False
    changed: frozenset[str] = frozenset()
    added: frozenset[str] = frozenset()

    def __bool__(self) -> bool:
        return self.everything or bool(self.changed or self.added)


def one(model: str, *columns: str) -> frozenset[Read]:
    """Reads of columns of one model."""
    return frozenset((model, c) for c in columns)


def plain(model: str, *names: str) -> tuple[tuple[str, Text], ...]:
    """Columns that are taken over as they are."""
    return tuple((n, Text(n, one(model, n))) for n in names)


def start() -> dict[str, Model]:
    """The models to begin with, parents first."""
    models = [
        Model("base", Text("{events}"), ("events",), plain("events", "id", "a", "b", "c")),
        Model("mid", Text("{base}"), ("base",), plain("base", "id", "a", "b")),
        Model("copy", Text("{base}"), ("base",), star=True),
        Model(
            "sums",
            Text("{base}"),
            ("base",),
            (*plain("base", "a"), ("n", Text("count(*)")), ("total", Text("cast(sum(b) as bigint)", one("base", "b")))),
            group=Text("a", one("base", "a")),
        ),
        Model("shown", Text("{base}"), ("base",), plain("base", "id", "c"), kind="view"),
        Model("top", Text("{shown}"), ("shown",), plain("shown", "id", "c")),
        Model("leaf", Text("{copy}"), ("copy",), plain("copy", "id", "b")),
        Model(
            "pair",
            Text("{mid} as m join {sums} as s on m.a = s.a", one("mid", "a") | one("sums", "a")),
            ("mid", "sums"),
            (("id", Text("m.id", one("mid", "id"))), ("total", Text("s.total", one("sums", "total")))),
        ),
    ]
    return {m.name: m for m in models}


@dataclass
class Edits:
    """The models as they are declared now, and as they were when they were built last."""

    rnd: random.Random
    models: dict[str, Model] = field(default_factory=start)
    built: dict[str, Model] = field(default_factory=dict)
    fresh: bool = True  # the source has rows that nobody has seen

    def edit(self) -> str:
        """One random edit that leaves the project whole. Returns what it was."""
        while True:
            kind = self.rnd.choice((comment, layout, add, add, change, change, remove, filtered, tag, sort, back))
            name = self.rnd.choice(list(self.models))
            after = kind(self, self.models[name])
            if after is not None and after != self.models[name]:
                self.models[name] = after
                return f"{kind.__name__} {name}: {after.sql()}"

    def columns_of(self, name: str, models: Mapping[str, Model] | None = None) -> list[str]:
        """The output columns of a model."""
        models = self.models if models is None else models
        if name == "events":
            return ["id", "a", "b", "c"]
        return self.columns_of(models[name].parents[0], models) if models[name].star else [n for n, _ in models[name].columns]

    def read(self) -> set[Read]:
        """Everything that some model reads by name, also through a star."""
        found = {r for m in self.models.values() for t in texts(m) for r in t.reads}
        return found | {("base", c) for name, c in found if name == "copy"}

    def statuses(self) -> dict[str, str]:
        """What a plan must say of every model."""
        touches: dict[str, Touch] = {"events": Touch(everything=True)} if self.fresh else {}
        told: dict[str, str] = {}
        for name, model in self.models.items():
            old = self.built.get(name)
            own, status = (Touch(everything=True), "new") if old is None else self._own(old, model)
            parents = {p: touches[p] for p in model.parents if p in touches}
            affected, carried = self._carried(model, parents)
            along = model.kind == "view" and any(parents.values())  # a view goes along with what it reads
            told[name] = status or ("upstream_changed" if affected or along else "up_to_date")
            touches[name] = union(own, carried)
        return told

    def _own(self, old: Model, new: Model) -> tuple[Touch, str]:
        """What the edit of a model means for its readers, and its class."""
        before, after = dict(old.columns), dict(new.columns)
        if old.meaning != new.meaning:
            return Touch(everything=True), "changed_breaking"
        changed = {n for n in before if n not in after or after[n] != before[n]}
        added = after.keys() - before.keys()
        touch = Touch(changed=frozenset(changed), added=frozenset(added))
        stored = (old.sort, list(before)) != (new.sort, [n for n in after if n in before])
        return touch, "changed_breaking" if changed else "changed" if added or stored else ""

    def _carried(self, model: Model, touches: Mapping[str, Touch]) -> tuple[bool, Touch]:
        """Whether what changed in its parents reaches a model, and as what."""
        if any(t.everything for t in touches.values()):
            return True, Touch(everything=True)
        gone = {(p, c) for p, t in touches.items() for c in t.changed}
        if any(gone & t.reads for t in (model.source, model.where, model.group) if t is not None):
            return True, Touch(everything=True)
        if model.star:
            touch = touches.get(model.parents[0], Touch())
            return bool(touch), touch
        touch = Touch(changed=frozenset(n for n, t in model.columns if gone & t.reads))
        return bool(touch), touch


def union(one: Touch, other: Touch) -> Touch:
    """Both touches."""
    return Touch(one.everything or other.everything, one.changed | other.changed, one.added | other.added)


def texts(model: Model) -> list[Text]:
    """Every piece of a model that reads columns."""
    return [t for t in (*(t for _, t in model.columns), model.source, model.where, model.group) if t is not None]


# --- the edits: each gives the model after it, or None where it does not fit -------------------------------------------------------


def comment(edits: Edits, model: Model) -> Model:
    """A comment says something else."""
    return replace(model, comment=edits.rnd.choice(("one", "another", "")))


def layout(edits: Edits, model: Model) -> Model:
    """Line breaks and capitals."""
    return replace(model, wide=not model.wide)


def tag(edits: Edits, model: Model) -> Model:
    """Configuration that is not about what is built."""
    return replace(model, tag=edits.rnd.choice(("daily", "")))


def sort(edits: Edits, model: Model) -> Model | None:
    """Configuration of how the table is stored."""
    return None if model.kind == "view" else replace(model, sort="" if model.sort else edits.columns_of(model.name)[0])


def expression(edits: Edits, model: Model) -> Text | None:
    """Some expression over a column of its parent."""
    if len(model.parents) != 1 or model.star:
        return None
    parent = model.parents[0]
    column = edits.rnd.choice(edits.columns_of(parent))
    form = edits.rnd.choice(("{} + 1", "{} * 2", "coalesce({}, 7)", "case when {} > 1 then 1 else 0 end"))
    return Text(
        f"cast({'sum(' * bool(model.group)}{form.format(column)}{')' * bool(model.group)} as bigint)", one(parent, column)
    )


def add(edits: Edits, model: Model) -> Model | None:
    """One more column."""
    text, name = expression(edits, model), f"x{edits.rnd.randint(1, 3)}"
    taken = {n for n, _ in model.columns} | {n for m in edits.models.values() for n, _ in m.columns if m.name != model.name}
    return None if text is None or name in taken else replace(model, columns=(*model.columns, (name, text)))


def change(edits: Edits, model: Model) -> Model | None:
    """Another expression under the same name."""
    text = expression(edits, model)
    names = [n for n, _ in model.columns if n != "id" and not (model.group and n == "a")]
    if text is None or not names:
        return None
    name = edits.rnd.choice(names)
    return replace(model, columns=tuple((n, text if n == name else t) for n, t in model.columns))


def remove(edits: Edits, model: Model) -> Model | None:
    """One column less, if nobody reads it."""
    read = edits.read()
    free = [n for n, _ in model.columns if (model.name, n) not in read and n != model.sort and n != "id"]
    free = [n for n in free if not (model.group and n == "a")]
    if not free or len(model.columns) < 2:
        return None
    name = edits.rnd.choice(free)
    return replace(model, columns=tuple((n, t) for n, t in model.columns if n != name))


def filtered(edits: Edits, model: Model) -> Model | None:
    """Other rows."""
    if len(model.parents) != 1:
        return None
    column = edits.rnd.choice(edits.columns_of(model.parents[0]))
    where = Text(f"{column} <> {edits.rnd.randint(0, 4)}", one(model.parents[0], column))
    return replace(model, where=edits.rnd.choice((where, None)))


def back(edits: Edits, model: Model) -> Model | None:
    """As it was when it was built."""
    old = edits.built.get(model.name)
    if old is None:
        return None
    names = set(edits.columns_of(old.parents[0]))
    columns_there = all(c in names for t in texts(old) for p, c in t.reads if p == old.parents[0])
    read = {c for m, c in edits.read() if m == model.name}
    return old if columns_there and read <= {n for n, _ in old.columns} | ({*names} if old.star else set()) else None
