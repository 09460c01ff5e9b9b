"""The columns that an incremental table will have: what the query gives against what stands, by `on_schema_change`."""

from __future__ import annotations

from dataclasses import dataclass, replace

from headgate.spec.names import Column, quote_ident
from headgate.transform.job import Job

# Widenings that the lake does in place (LAKE.md 19). Everything else that sync_all_columns wants rewrites the table.
_INTEGERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT")
_UNSIGNED = ("UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT")


@dataclass(frozen=True, slots=True)
class Shape:
    """The columns after the change, the ALTER actions that lead there, its class, and whether the table must be rewritten."""

    columns: tuple[Column, ...]
    alter: tuple[str, ...] = ()
    change: str = "none"
    rewrite: bool = False
    notes: tuple[str, ...] = ()


def reconcile(job: Job, have: tuple[Column, ...], target: tuple[Column, ...]) -> Shape:
    """The shape of the target when rows with columns `have` go into it. Raises DeclarationError where the rule forbids it."""
    if have == target:
        return Shape(target)
    new_types = {c.name.lower(): c for c in have}
    old_types = {c.name.lower(): c for c in target}
    added = tuple(c for c in have if c.name.lower() not in old_types)
    missing = tuple(c for c in target if c.name.lower() not in new_types)
    retyped = tuple((c, new_types[c.name.lower()]) for c in target if c.name.lower() in new_types)
    retyped = tuple((old, new) for old, new in retyped if old.type != new.type)
    if not (added or missing or retyped):
        return Shape(target)
    rule = str(job.node.config.get("on_schema_change") or "ignore")
    if rule == "fail":
        raise _refused(job, added, missing, retyped)
    cast = tuple(f"{old.name} is cast from {new.type} to {old.type}, which the table has" for old, new in retyped)
    if rule == "append_new_columns":
        shape = appended(target, added)
        return replace(shape, notes=shape.notes + _said("that the query has no more, empty in new rows", missing) + cast)
    if rule == "sync_all_columns":
        return _synced(target, added, missing, retyped)
    if missing:
        raise job.mistake(
            f"on_schema_change is ignore, and its query lacks {', '.join(c.name for c in missing)} of {job.node.relation}",
            expected="all columns of the table",
            todo="set on_schema_change to append_new_columns or sync_all_columns, or run with --full-refresh",
            code="HG-T031",
        )
    notes = (f"columns left out by on_schema_change ignore: {', '.join(c.name for c in added)}",) if added else ()
    return Shape(target, notes=notes + cast)


def _refused(
    job: Job, added: tuple[Column, ...], missing: tuple[Column, ...], retyped: tuple[tuple[Column, Column], ...]
) -> Exception:
    said = [f"new column {c.name} {c.type}" for c in added] + [f"missing column {c.name}" for c in missing]
    said += [f"{old.name} from {old.type} to {new.type}" for old, new in retyped]
    return job.mistake(
        f"its columns differ from {job.node.relation}, and on_schema_change is fail: {'; '.join(said)}",
        expected="the columns of the table",
        todo="change the model back, choose another on_schema_change, or run with --full-refresh",
        code="HG-T030",
    )


def appended(target: tuple[Column, ...], added: tuple[Column, ...]) -> Shape:
    """The shape of the target with new columns at its end."""
    alter = tuple(_add(c) for c in added)
    return Shape(target + added, alter, "additive" if added else "none", notes=_said("added", added))


def _synced(
    target: tuple[Column, ...],
    added: tuple[Column, ...],
    missing: tuple[Column, ...],
    retyped: tuple[tuple[Column, Column], ...],
) -> Shape:
    gone = {c.name for c in missing}
    types = {old.name: new.type for old, new in retyped}
    columns = tuple(Column(c.name, types.get(c.name, c.type), c.nullable) for c in target if c.name not in gone) + added
    notes = _said("added", added) + _said("dropped", missing)
    notes += tuple(f"{old.name} changed from {old.type} to {new.type}" for old, new in retyped)
    if not all(widens(old.type, new.type) for old, new in retyped):
        return Shape(columns, (), "breaking", rewrite=True, notes=notes)
    alter = tuple(_add(c) for c in added)
    alter += tuple(f"ALTER COLUMN {quote_ident(old.name)} SET DATA TYPE {new.type}" for old, new in retyped)
    alter += tuple(f"DROP COLUMN {quote_ident(c.name)}" for c in missing)
    return Shape(columns, alter, "additive", notes=notes)  # dropped columns too: the table stays, its rows stay


def _add(column: Column) -> str:
    return f"ADD COLUMN {quote_ident(column.name)} {column.type}"


def _said(verb: str, columns: tuple[Column, ...]) -> tuple[str, ...]:
    return (f"columns {verb}: {', '.join(c.name for c in columns)}",) if columns else ()


def widens(old: str, new: str) -> bool:
    """True when every value of type `old` is a value of `new`, and the lake can change the type in place."""
    for family in (_INTEGERS, _UNSIGNED):
        if old in family and new in family:
            return family.index(new) > family.index(old)
    if (old, new) in (("FLOAT", "DOUBLE"), ("TIMESTAMP", "TIMESTAMP WITH TIME ZONE")):
        return True
    if old.startswith("DECIMAL(") and new.startswith("DECIMAL("):
        (old_width, old_scale), (new_width, new_scale) = (_digits(old), _digits(new))
        return old_scale == new_scale and new_width > old_width
    return False


def _digits(decimal: str) -> tuple[int, int]:
    width, _, scale = decimal[len("DECIMAL(") : -1].partition(",")
    return int(width), int(scale or 0)
