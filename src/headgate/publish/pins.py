"""Pinned views (LAKE.md 13): published at a version, so that they change when they are published, and not when what they read is.

The commit that publishes a view cannot name its own snapshot by number: the engine binds a view when it is made, and the snapshot is not
there yet. It can name a moment within the transaction, which means the transaction's own state while that is open and its snapshot
afterwards. A second, small commit puts the number in the moment's place: a later commit of a machine whose clock is behind could otherwise
come to stand before that moment. A view that a crash leaves with the moment shows the same, and keeps its snapshot from expiry as well.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from headgate.ports.engine import Cursor, Lake
from headgate.spec.errors import EngineFailed
from headgate.spec.names import quote_ident, quote_literal
from headgate.spec.staged import VIEW, Staged

_VERSION = re.compile(r"\bAT \(VERSION => (?:CAST\()?(\d+)")


def pinned_sql(cursor: Cursor, lake: str, sql: str, unit: str, value: str) -> str:
    """The view's query `sql` with every relation of the lake read AT (`unit` => `value`): ("VERSION", "7"), ("TIMESTAMP", "'…'").

    By the engine's own parser. What is read through a view of the lake is read at the version, too. Raises EngineFailed for a query that the
    engine cannot write out again.
    """
    expression = json.dumps(_tree(cursor, f"SELECT {value}")["statements"][0]["node"]["select_list"][0])
    tree = _tree(cursor, sql)
    for table in _tables(tree):
        if table.get("catalog_name") == lake and table.get("at_clause") is None:
            table["at_clause"] = {"unit": unit, "expr": json.loads(expression)}
    row = cursor.execute(f"SELECT json_deserialize_sql({quote_literal(json.dumps(tree))}::JSON)").fetchone()
    return str(row[0]) if row else sql


def _tree(cursor: Cursor, sql: str) -> Any:
    row = cursor.execute(f"SELECT json_serialize_sql({quote_literal(sql)})").fetchone()
    tree = json.loads(row[0]) if row else {"error": True}
    if tree["error"]:
        raise EngineFailed(
            f"a view cannot be pinned: {tree.get('error_message', 'its query cannot be taken apart')}",
            expected="a SELECT that the engine can write out again",
            todo="leave it live: views: live",
        )
    return tree


def _tables(tree: Any) -> Iterator[dict[str, Any]]:
    """Every table reference below `tree`."""
    if isinstance(tree, dict):
        if tree.get("type") == "BASE_TABLE":
            yield tree
        for value in tree.values():
            yield from _tables(value)
    elif isinstance(tree, list):
        for value in tree:
            yield from _tables(value)


def view_statement(lake: str, staged: Staged, sql: str) -> str:
    """Views are stored with explicit columns and lake-qualified names (LAKE.md 13)."""
    columns = ", ".join(quote_ident(c.name) for c in staged.columns)
    return f"CREATE OR REPLACE VIEW {staged.relation.sql(lake)} ({columns}) AS {sql}"


def number(lake: Lake, staged: Sequence[Staged], published: Mapping[str, str], author: str) -> None:
    """Put the snapshot's number in place of its moment in the pinned views of a bundle that has been `published` (dataset -> version); not in
    those that somebody has published again since."""
    views = {s.dataset: s for s in staged if s.kind == VIEW and s.pinned}
    if not views:
        return
    with lake.transaction(sorted(views), author=author, message="pin views") as cursor:
        for dataset, (version, snapshot) in _newest(cursor, lake, views).items():
            view = views[dataset]
            if published.get(dataset) != version:
                continue
            cursor.execute(
                view_statement(lake.name, view, pinned_sql(cursor, lake.name, view.view_sql, "VERSION", str(snapshot)))
            )
            if view.comment:
                cursor.execute(f"COMMENT ON VIEW {view.relation.sql(lake.name)} IS {quote_literal(view.comment)}")


def pinned_views(lake: Lake) -> Mapping[str, frozenset[int]]:
    """The published views that are pinned, each with the snapshots that it reads."""
    if not lake.keeps_history:
        return {}
    metadata = quote_ident("__ducklake_metadata_" + lake.name)
    cursor = lake.cursor()
    try:
        rows = cursor.execute(
            f"SELECT s.schema_name || '.' || v.view_name, v.sql FROM {metadata}.ducklake_view v JOIN {metadata}.ducklake_schema s "
            "USING (schema_id) WHERE v.end_snapshot IS NULL AND s.end_snapshot IS NULL AND contains(v.sql, ' AT (')"
        ).fetchall()
        by_moment = [name for name, sql in rows if "AT (TIMESTAMP" in sql]
        at = {name: {snapshot} for name, (_, snapshot) in _newest(cursor, lake, by_moment).items()}
    finally:
        cursor.close()
    return {name: frozenset((*map(int, _VERSION.findall(sql)), *at.get(name, ()))) for name, sql in rows}


def _newest(cursor: Cursor, lake: Lake, datasets: Collection[str]) -> dict[str, tuple[str, int]]:
    """Version and snapshot of the newest publication of each of `datasets`."""
    listed = ", ".join(quote_literal(d) for d in datasets) or "NULL"
    rows = cursor.execute(
        f"SELECT dataset, max(publication_id), arg_max(snapshot_id, publication_id) FROM {quote_ident(lake.name)}.headgate.publications "
        f"WHERE dataset IN ({listed}) GROUP BY 1"
    ).fetchall()
    return {dataset: (version, int(snapshot)) for dataset, version, snapshot in rows}
