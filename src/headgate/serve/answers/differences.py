"""How a table differs between two snapshots, times or environments."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from headgate.publish.restore import require_history
from headgate.publish.snapshots import snapshot_at
from headgate.run.session import Session, open_session
from headgate.serve.answers.moment import at_one_snapshot
from headgate.serve.answers.tables import find
from headgate.spec.errors import UsageError
from headgate.spec.names import Column, Relation, quote_ident, quote_literal
from headgate.spec.project import Node

SAMPLE_ROWS = 10


@dataclass(frozen=True, slots=True)
class Difference:
    """Schema changes in words, row counts, and by key how many rows were added, removed and changed, with the first of them."""

    dataset: str
    before: str
    after: str
    schema: tuple[str, ...]
    rows_before: int
    rows_after: int
    added: int
    removed: int
    changed: int
    sample: tuple[Mapping[str, Any], ...] = ()


@at_one_snapshot
def difference(
    session: Session,
    name: str,
    *,
    before: str | None = None,
    after: str | None = None,
    other_environment: str | None = None,
    key: tuple[str, ...] = (),
) -> Difference:
    """Compare the table `name` at `before` with `after` (snapshot id or time; default: the version before the last, and now), or
    with the same table of another environment. Audit columns are left out.

    "Now" is one snapshot for all the statements of the answer, views included. Raises UsageError.
    """
    subject = find(session, name)
    now = Relation.parse(subject.dataset).sql(session.lake.name)
    if other_environment is not None:
        old_sql, old_name = (
            _elsewhere(session, name, other_environment).sql(session.lake.name),
            f"environment {other_environment}",
        )
        new_sql, new_name = now, f"environment {session.project.environment}"
    else:
        require_history(session.lake, f"{subject.dataset} has no earlier state to compare with")
        before = before or _before_last(session, subject.dataset)
        old_sql, old_name = f"{now} AT ({_when(session, before)})", f"snapshot {before}"
        new_sql = now if after is None else f"{now} AT ({_when(session, after)})"
        new_name = "now" if after is None else f"snapshot {after}"
    old, new = _columns(session, old_sql), _columns(session, new_sql)
    chosen = key or _key(subject.declared, new)
    shared = [c.name for c in new if c.name in {o.name for o in old} and not _audit(session, c.name)]
    counts, sample = _rows(session, old_sql, new_sql, shared, chosen)
    return Difference(subject.dataset, old_name, new_name, _schema(old, new), *counts, sample)


def _when(session: Session, moment: str) -> str:
    """A moment as the one snapshot that it means. Raises UsageError when none is kept of it."""
    return f"VERSION => {snapshot_at(session.lake, moment)}"


def _before_last(session: Session, dataset: str) -> str:
    """The newest snapshot that is kept from before the run which published the table last: commits carry their run's id as author."""
    metadata = quote_ident("__ducklake_metadata_" + session.lake.name)
    table = session.query(
        f"SELECT max(s.snapshot_id) AS id FROM {metadata}.ducklake_snapshot s WHERE s.snapshot_id < "
        f"(SELECT min(c.snapshot_id) FROM {metadata}.ducklake_snapshot_changes c WHERE c.author = "
        f"(SELECT arg_max(run_id, publication_id) FROM {session.lake.name}.headgate.publications WHERE dataset = {quote_literal(dataset)}))"
    )
    found = table.to_pylist()[0]["id"]
    if found is None:
        raise UsageError(f"{dataset} was never published", expected="two snapshots to compare", todo="name them: --from and --to")
    return str(found)


def _elsewhere(session: Session, name: str, environment: str) -> Relation:
    """The relation of the same node in another environment of the same lake."""
    with open_session(session.project.root, environment=environment) as other:
        if other.project.lake != session.project.lake:
            raise UsageError(
                f"environment {environment} has a lake of its own",
                expected="two environments in one lake",
                todo="compare what `headgate query` says in each",
            )
        found = find(other, name).dataset
        if found == find(session, name).dataset:
            raise UsageError(
                f"{found} is the same table in the environments {environment} and {session.project.environment}",
                expected="environments whose tables are apart",
                todo="give one a prefix in headgate.yml: environments: { dev: { schema_prefix: dev_ } }",
            )
        return Relation.parse(found)


def _columns(session: Session, sql: str) -> tuple[Column, ...]:
    rows = session.query(f"DESCRIBE SELECT * FROM {sql}").to_pylist()
    return tuple(Column(r["column_name"], r["column_type"]) for r in rows)


def _audit(session: Session, column: str) -> bool:
    from fnmatch import fnmatchcase

    return any(fnmatchcase(column.lower(), p.lower()) for p in session.project.audit_columns)


def _key(declared: object, columns: tuple[Column, ...]) -> tuple[str, ...]:
    """The declared key or grain; empty: rows are compared whole."""
    wanted = (declared.unique_key or declared.grain) if isinstance(declared, Node) else getattr(declared, "primary_key", ())
    return tuple(wanted) if set(wanted) <= {c.name for c in columns} else ()


def _schema(old: tuple[Column, ...], new: tuple[Column, ...]) -> tuple[str, ...]:
    before, after = {c.name: c.type for c in old}, {c.name: c.type for c in new}
    said = [f"{n} {t} added" for n, t in after.items() if n not in before]
    said += [f"{n} {t} removed" for n, t in before.items() if n not in after]
    said += [f"{n} {before[n]} became {t}" for n, t in after.items() if n in before and before[n] != t]
    return tuple(said)


def _rows(
    session: Session, old: str, new: str, columns: list[str], key: tuple[str, ...]
) -> tuple[tuple[int, int, int, int, int], tuple[Mapping[str, Any], ...]]:
    """Counts (before, after, added, removed, changed) and a sample, set-based: one full join by key, or a difference of bags."""
    listed = ", ".join(map(quote_ident, columns))
    totals = session.query(f"SELECT (SELECT count(*) FROM {old}) AS a, (SELECT count(*) FROM {new}) AS b").to_pylist()[0]
    if not key:
        added = f"SELECT {listed} FROM {new} EXCEPT ALL SELECT {listed} FROM {old}"
        removed = f"SELECT {listed} FROM {old} EXCEPT ALL SELECT {listed} FROM {new}"
        n = session.query(f"SELECT (SELECT count(*) FROM ({added})) AS a, (SELECT count(*) FROM ({removed})) AS r").to_pylist()[0]
        sample = session.query(
            f"(SELECT 'added' AS change, * FROM ({added}) LIMIT {SAMPLE_ROWS}) UNION ALL (SELECT 'removed', * FROM ({removed}) LIMIT {SAMPLE_ROWS})"
        ).to_pylist()
        return (totals["a"], totals["b"], n["a"], n["r"], 0), tuple(sample[:SAMPLE_ROWS])
    on = " AND ".join(f"o.{quote_ident(k)} IS NOT DISTINCT FROM n.{quote_ident(k)}" for k in key)
    rest = [c for c in columns if c not in key]
    differs = " OR ".join(f"o.{quote_ident(c)} IS DISTINCT FROM n.{quote_ident(c)}" for c in rest) or "FALSE"
    names = "list_filter([" + ", ".join(
        f"CASE WHEN o.{quote_ident(c)} IS DISTINCT FROM n.{quote_ident(c)} THEN {quote_literal(c)} END" for c in rest
    ) + "], x -> x IS NOT NULL)" if rest else "[]"  # fmt: skip
    keys = ", ".join(f"coalesce(n.{quote_ident(k)}, o.{quote_ident(k)}) AS {quote_ident(k)}" for k in key)
    joined = (
        f"SELECT {keys}, CASE WHEN o._there IS NULL THEN 'added' WHEN n._there IS NULL THEN 'removed' ELSE 'changed' END AS change, "
        f"CASE WHEN o._there AND n._there THEN {names} ELSE [] END AS columns "
        f"FROM (SELECT *, TRUE AS _there FROM {old}) o FULL JOIN (SELECT *, TRUE AS _there FROM {new}) n ON {on} "
        f"WHERE o._there IS NULL OR n._there IS NULL OR {differs}"
    )
    counted = {r["change"]: r["n"] for r in session.query(f"SELECT change, count(*) AS n FROM ({joined}) GROUP BY 1").to_pylist()}
    sample = session.query(f"SELECT * FROM ({joined}) ORDER BY ALL LIMIT {SAMPLE_ROWS}").to_pylist()
    return (totals["a"], totals["b"], counted.get("added", 0), counted.get("removed", 0), counted.get("changed", 0)), tuple(
        sample
    )
