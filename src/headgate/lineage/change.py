"""What an edit of a query means: nothing, spelling, more columns, or other data.

Both versions are traced, and every output column and the set of rows get a canonical print in which names of CTEs and
aliases, formatting and comments have gone. Equal prints mean equal data; different prints are taken as a change.
"""

from __future__ import annotations

from headgate.lineage.canon import fingerprint
from headgate.lineage.columns import TypedSchemas, run_trace, typed_schemas
from headgate.lineage.parse import parse_select
from headgate.lineage.scope import Col, Rel
from headgate.lineage.typing import type_text
from headgate.lineage.values import Trace
from headgate.spec.lineage import Change, ColumnChange, Schemas

__all__ = ["classify", "fingerprint"]


def classify(old_sql: str, new_sql: str, schemas: Schemas) -> Change:
    """The meaning of replacing `old_sql` by `new_sql`, both read against the same input schemas.

    `none`: the same text. `cosmetic`: the same data. `non_breaking`: columns were added or moved, all others are as they were.
    `breaking`: columns were removed or changed (then only their consumers are touched), or the set of rows may differ (then
    every consumer is). Raises parse.SqlSyntax if either text is no query.
    """
    typed = typed_schemas(schemas)
    if old_sql.strip() == new_sql.strip():
        return Change("none", "the text is the same", _unchanged(new_sql, typed))
    old_tree, new_tree = parse_select(old_sql), parse_select(new_sql)
    if fingerprint(old_tree) == fingerprint(new_tree):
        reason = "only comments, formatting, case or redundant parentheses differ"
        return Change("cosmetic", reason, _unchanged(new_sql, typed))
    old_trace, old = run_trace(old_tree, typed, printing=True)
    new_trace, new = run_trace(new_tree, typed, printing=True)
    columns = _columns(old, new)
    if old.rows != new.rows:
        why = _row_reason(old_trace, new_trace)
        return Change("breaking", f"{why}, so the rows may differ", columns, why)
    return _by_columns(columns, old, new, old_trace.orders != new_trace.orders)


def _unchanged(sql: str, typed: TypedSchemas) -> tuple[ColumnChange, ...]:
    _, rel = run_trace(parse_select(sql), typed)
    return tuple(ColumnChange(c.name, "unchanged") for c in rel.cols)


def _columns(old: Rel, new: Rel) -> tuple[ColumnChange, ...]:
    before = {c.name.lower(): c for c in old.cols}
    after = {c.name.lower(): c for c in new.cols}
    told = [_column(before.get(name), col, before, after) for name, col in after.items()]
    prints = {c.print: c.name for name, c in after.items() if name not in before}
    for name, col in before.items():
        if name in after:
            continue
        reason = "it is no longer in the output"
        if col.print in prints:
            reason += f"; {prints[col.print]} has the same definition: perhaps a new name"
        told.append(ColumnChange(col.name, "removed", reason))
    return tuple(told)


def _column(old: Col | None, new: Col, before: dict[str, Col], after: dict[str, Col]) -> ColumnChange:
    if old is None:
        gone = next((c.name for n, c in before.items() if n not in after and c.print == new.print), None)
        return ColumnChange(new.name, "added", f"it has the definition that {gone} had" if gone else "it is new")
    if old.print == new.print:
        return ColumnChange(new.name, "unchanged")
    was, now = type_text(old.type), type_text(new.type)
    if was and now and was != now:
        return ColumnChange(new.name, "type_changed", f"its expression changed, and its type from {was} to {now}")
    fed, feeds = {s[:2] for s in old.sources}, {s[:2] for s in new.sources}
    if fed != feeds:
        return ColumnChange(new.name, "changed", f"its sources changed: {_difference(fed, feeds)}")
    return ColumnChange(new.name, "changed", "its expression changed")


def _difference(old: set[tuple[str, str]], new: set[tuple[str, str]]) -> str:
    parts = [f"no longer {r}.{c}" for r, c in sorted(old - new)] + [f"now {r}.{c}" for r, c in sorted(new - old)]
    return ", ".join(parts)


def _by_columns(columns: tuple[ColumnChange, ...], old: Rel, new: Rel, reordered_rows: bool) -> Change:
    named = {kind: [c.name for c in columns if c.kind == kind] for kind in ("added", "removed", "changed", "type_changed")}
    touched = [*named["changed"], *named["type_changed"]]
    parts = []
    if named["removed"]:
        parts.append(f"{_list(named['removed'])} removed")
    if touched:
        parts.append(f"{_list(touched)} changed")
    if named["added"]:
        parts.append(f"{_list(named['added'])} added")
    if named["removed"] or touched:
        return Change("breaking", "; ".join(parts), columns)
    kept = [c.name.lower() for c in new.cols if c.name not in named["added"]]
    if kept != [c.name.lower() for c in old.cols]:
        parts.append("columns stand in another order")
    if reordered_rows:
        parts.append("rows are stored in another order")
    if parts:
        return Change("non_breaking", "; ".join(parts), columns)
    return Change("cosmetic", "it is written differently and means the same", columns)


def _list(names: list[str]) -> str:
    shown = ", ".join(names[:5])
    return shown + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def _row_reason(old: Trace, new: Trace) -> str:
    """Which clause of which part changed, the innermost first; FROM only if nothing inside it explains more."""
    before, after = _numbered(old), _numbered(new)
    gone = dict.fromkeys(label for label, _ in before if (label, 1) not in after)
    came = dict.fromkeys(label for label, _ in after if (label, 1) not in before)
    renamed = dict(zip(came, gone, strict=False))  # a CTE under a new name keeps its place among the others
    from_reason = None
    for (label, number), clauses in after.items():
        known = before.get((renamed.get(label, label), number))
        if known is None:
            continue
        for clause in dict.fromkeys([*known, *clauses]):
            if known.get(clause) == clauses.get(clause):
                continue
            said = _clause_reason(label, clause, known.get(clause), clauses.get(clause))
            if clause != "FROM":
                return said
            from_reason = from_reason or said
    if set(old.inputs) != set(new.inputs):
        dropped, taken = sorted(set(old.inputs) - set(new.inputs)), sorted(set(new.inputs) - set(old.inputs))
        parts = [f"it no longer reads {_list(dropped)}"] if dropped else []
        parts += [f"it now reads {_list(taken)}"] if taken else []
        return " and ".join(parts)
    return from_reason or "the shape of the query changed"


def _numbered(trace: Trace) -> dict[tuple[str, int], dict[str, str]]:
    """The clauses of every SELECT and set operation, by the part that it stands in and its number there."""
    counts: dict[str, int] = {}
    out: dict[tuple[str, int], dict[str, str]] = {}
    for label, clauses in trace.clauses:
        counts[label] = counts.get(label, 0) + 1
        out[(label, counts[label])] = clauses
    return out


def _clause_reason(label: str, clause: str, old: str | None, new: str | None) -> str:
    what = "added" if old is None else "removed" if new is None else "changed"
    return f"{clause} of {label} was {what}"
