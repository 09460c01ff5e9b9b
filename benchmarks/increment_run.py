"""An increment of 1M rows (90 % updates) into a table of 10M through the whole of `session.run`, with its gate.

usage: python -m benchmarks.increment_run [BASE_ROWS]

A table that others fill holds 10M rows; the model merges it by key, guarded by not_null and unique on the key, accepted_values, and
not_null on the amount: checks that decompose, so the gate weighs the delta. The figure that must hold is the step: stage + gate +
publish. What the run does around it (lease, plan, records, clean-up) is `around_seconds`. The same checks over the whole table, as
`headgate check` weighs them, are apart: `whole_table_seconds`.
"""

from __future__ import annotations

import json
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.increment import changes, orders

from headgate.run import building, running
from headgate.run.session import Session, open_session
from headgate.spec.events import RunResult

CONFIG = """name: increment
lake: { catalog: "sqlite:.headgate/catalog.sqlite", data: .headgate/data }
state: "sqlite:///.headgate/state.db"
"""
SOURCE = "sources:\n  - name: shop\n    schema: raw\n    tables:\n      - name: changes\n"
MODEL = """{{ config(materialized='incremental', unique_key='order_id', incremental_strategy='merge', incremental_order=['updated_at']) }}
select order_id, user_id, status, amount, updated_at from {{ source('shop', 'changes') }}
{% if is_incremental() %} where updated_at > (select max(updated_at) from {{ this }}) {% endif %}
"""
PROPERTIES = """models:
  - name: orders
    columns:
      - name: order_id
        data_tests: [not_null, unique]
      - name: status
        data_tests:
          - accepted_values: { values: [pending, shipped, delivered, refunded] }
      - name: amount
        data_tests: [not_null]
"""


def lay_out(folder: Path) -> Path:
    """The project in `folder`."""
    (folder / "models").mkdir(parents=True)
    (folder / "headgate.yml").write_text(CONFIG, encoding="utf-8")
    (folder / "models" / "sources.yml").write_text(SOURCE, encoding="utf-8")
    (folder / "models" / "orders.sql").write_text(MODEL, encoding="utf-8")
    (folder / "models" / "orders.yml").write_text(PROPERTIES, encoding="utf-8")
    return folder


def fill(session: Session, rows_sql: str) -> None:
    """Rows for the source, written by somebody else."""
    with session.lake.transaction(("*",), author="bench", message="somebody else") as cursor:
        if "raw.changes" not in session.lake.relations():
            cursor.execute("CREATE SCHEMA lake.raw")
            cursor.execute(f"CREATE TABLE lake.raw.changes AS {rows_sql}")
        else:
            cursor.execute(f"INSERT INTO lake.raw.changes {rows_sql}")


@contextmanager
def watched(module: Any, name: str, took: dict[str, float]) -> Any:
    """Add the seconds of every call of `module.name` to `took[name]` while inside."""
    real: Callable[..., Any] = getattr(module, name)

    def timed(*arguments: Any, **more: Any) -> Any:
        began = time.perf_counter()
        try:
            return real(*arguments, **more)
        finally:
            took[name] = took.get(name, 0.0) + time.perf_counter() - began

    setattr(module, name, timed)
    try:
        yield
    finally:
        setattr(module, name, real)


def one_run(session: Session) -> tuple[RunResult, dict[str, float]]:
    """A run and the seconds of its parts."""
    took: dict[str, float] = {}
    began, cpu = time.perf_counter(), time.process_time()
    with watched(building, "build", took), watched(building, "weigh_node", took), watched(running, "publish_staged", took):
        result = session.run()
    whole = time.perf_counter() - began
    parts = {"stage": took.get("build", 0.0), "gate": took.get("weigh_node", 0.0), "publish": took.get("publish_staged", 0.0)}
    return result, {**parts, "whole": whole, "cpu": time.process_time() - cpu}


def run(rows: int = 10_000_000) -> dict[str, Any]:
    """Seconds of the increment's parts, of the run around them, and of the checks over the whole table."""
    with tempfile.TemporaryDirectory() as name:
        folder = lay_out(Path(name).resolve() / "project")
        with open_session(str(folder)) as session:
            fill(session, orders(rows))
            first, _ = one_run(session)
            fill(session, changes(rows))
        with open_session(str(folder)) as session:
            result, took = one_run(session)
            _, again = one_run(session)
            began = time.perf_counter()
            whole = session.check("marts.orders" if "marts.orders" in session.lake.relations() else "orders")
            whole_seconds = time.perf_counter() - began
    step = next(s for s in result.steps if s.unique_id.endswith(".orders"))
    assert first.status == result.status == "done" and step.rows == rows // 10 and whole.outcome == "pass", (first, result, whole)
    increment = took["stage"] + took["gate"] + took["publish"]
    return {
        "rows": rows,
        "increment_seconds": round(increment, 2),
        **{f"{part}_seconds": round(took[part], 2) for part in ("stage", "gate", "publish")},
        "around_seconds": round(took["whole"] - increment, 2),
        "run_seconds": round(took["whole"], 2),
        "run_cpu_seconds": round(took["cpu"], 2),
        "again_seconds": round(again["whole"], 2),
        "checks": len(whole.verdicts),
        "weighed": sorted({v.scope for v in step.verdicts}),
        "whole_table_seconds": round(whole_seconds, 2),
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(run(*(int(word) for word in sys.argv[1:])), indent=1) + "\n")
