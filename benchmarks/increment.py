"""An increment of 1M rows (90 % updates) into a table of 10M rows in the lake: built, compared, published with its ledger rows.

usage: python benchmarks/increment.py [BASE_ROWS]

The ratio is to the bare statements on an equal table in the same lake: delete by key, insert, commit; no dedup check, no
comparison with what stands, no ledger.
"""

from __future__ import annotations

import json
import resource
import sys
import tempfile
import time
from collections.abc import Mapping
from typing import Any

from headgate.engines.duckdb.lake import DuckLake, open_lake
from headgate.publish.publish import Bundle, publish
from headgate.spec.clock import Clock
from headgate.spec.errors import Location
from headgate.spec.names import Relation
from headgate.spec.project import LakeSpec, Node, Project
from headgate.transform.build import build

TARGET_SECONDS = 1.0


class PlainTemplates:
    """Templates for models without Jinja: the text is the SQL."""

    def __init__(self, nodes: Mapping[str, Node]) -> None:
        self._nodes = nodes

    def render(self, unique_id: str, runtime: Mapping[str, Any]) -> str:
        """The node's code as it stands."""
        return self._nodes[unique_id].raw_code

    def render_text(self, text: str, runtime: Mapping[str, Any], *, where: str) -> str:
        """The text as it stands."""
        return text

    def call_macro(self, name: str, arguments: Mapping[str, Any], runtime: Mapping[str, Any]) -> Any:
        """There are no macros."""
        raise KeyError(name)

    def has_macro(self, name: str) -> bool:
        """There are no macros."""
        return False


def orders(rows: int) -> str:
    """The rows that stand."""
    return (
        "SELECT i AS order_id, i % 100000 AS user_id, ['pending','shipped','delivered'][1 + i % 3] AS status, "
        "(i * 7919 % 100000) / 100.0::DOUBLE AS amount, TIMESTAMP '2026-01-01' + to_seconds(i) AS updated_at "
        f"FROM range({rows}) t(i)"
    )


def changes(rows: int) -> str:
    """One tenth as many changes, nine of ten to rows that stand, scattered over the whole table."""
    return (
        f"SELECT i * 9 + (CASE WHEN i % 10 = 0 THEN {rows} ELSE 0 END) AS order_id, i % 100000 AS user_id, 'refunded' AS status, "
        f"5.0::DOUBLE AS amount, TIMESTAMP '2026-06-01' + to_seconds(i) AS updated_at FROM range({rows // 10}) t(i)"
    )


def _node(name: str, code: str) -> Node:
    config = {"unique_key": "order_id", "incremental_strategy": "merge", "incremental_order": ["updated_at"]}
    return Node(
        f"model.bench.{name}", "model", name, "bench", Relation("marts", name), Location(f"models/{name}.sql"),
        f"models/{name}.sql", "sql", code, "incremental", config, code_fingerprint=name,
    )  # fmt: skip


def step(lake: DuckLake, node: Node, run_id: str, rows_expected: int) -> dict[str, float]:
    """Build and publish one node as a run does; seconds of both."""
    project = Project("bench", "", "prod", "", LakeSpec("", ""), "", run_id, {node.unique_id: node}, {}, {})
    recorded = lake.recorded().datasets.get(str(node.relation))
    workspace = lake.workspace(run_id)
    began = time.perf_counter()
    staged = build(
        "incremental", node, project, PlainTemplates(project.nodes), lake, workspace, clock=Clock.start(), recorded=recorded,
        base_version=recorded.version if recorded else None, rows_expected=rows_expected,
    )  # fmt: skip
    built = time.perf_counter()
    publish(lake, Bundle((staged,), run_id, 1, ("bench", 1), {}, {node.unique_id: "incremental"}))
    done = time.perf_counter()
    workspace.discard()
    counts = staged.counts
    return {"stage": built - began, "publish": done - built, "rows_out": counts.rows_out, "unchanged": counts.rows_unchanged}


def bare(lake: DuckLake, rows: int) -> float:
    """Seconds of the bare statements on an equal table."""
    with lake.transaction(("*",), author="bench", message="bare base") as cursor:
        cursor.execute(f"CREATE TABLE lake.marts.bare AS {orders(rows)}")
    began = time.perf_counter()
    with lake.transaction(("*",), author="bench", message="bare delta") as cursor:
        cursor.execute(f"CREATE TEMP TABLE delta AS {changes(rows)}")
        cursor.execute("DELETE FROM lake.marts.bare WHERE order_id IN (SELECT order_id FROM delta)")
        cursor.execute("INSERT INTO lake.marts.bare SELECT * FROM delta")
    return time.perf_counter() - began


def run(rows: int = 10_000_000) -> dict[str, Any]:
    """The increment's seconds, its CPU seconds, and the ratio to the bare statements."""
    with tempfile.TemporaryDirectory() as folder:
        lake = open_lake(LakeSpec(f"sqlite:{folder}/catalog.sqlite", f"{folder}/data"), folder)
        try:
            step(lake, _node("orders", orders(rows)), "run-1", rows)
            statements = bare(lake, rows)
            cpu = time.process_time()
            took = step(lake, _node("orders", changes(rows)), "run-2", rows)
            cpu = time.process_time() - cpu
            again = step(lake, _node("orders", changes(rows)), "run-3", rows)
        finally:
            lake.close()
    seconds = took["stage"] + took["publish"]
    return {
        "rows": rows,
        "seconds": round(seconds, 2),
        "seconds_max": TARGET_SECONDS,
        "stage_seconds": round(took["stage"], 2),
        "publish_seconds": round(took["publish"], 2),
        "cpu_seconds": round(cpu, 2),
        "again_seconds": round(again["stage"] + again["publish"], 2),
        "again_rows_unchanged": int(again["unchanged"]),
        "bare_seconds": round(statements, 2),
        "ratio": round(seconds / statements, 2),
        "peak_megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }


if __name__ == "__main__":
    said = run(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000_000)
    sys.stdout.write(json.dumps(said, indent=1) + "\n")
