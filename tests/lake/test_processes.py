"""What several processes see and do on one lake, and what a kill leaves: LAKE.md 1, 2, 11."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from lake_bench import Bench, build

from headgate.spec.errors import LockHeld
from servers.processes import Processes

HERE = str(Path(__file__).parent)
TOOLS = str(Path(__file__).parents[1])
START = f"import sys; sys.path[:0] = [{HERE!r}, {TOOLS!r}]\nfrom pathlib import Path\nfrom lake_bench import *\nroot, catalog, *rest = sys.argv[1:]\n"

MERGER = """
# Three processes merge the same new keys: whoever finds its target moved stages again, as a run does.
bench, me = Bench(Path(root), catalog), rest[0]
for number in range(4):
    sql = f"SELECT i AS k, '{me}' AS who FROM range({number * 100}, {number * 100 + 100}) t(i)"
    while True:
        result = build(bench, f"{me}-{number}", "m.a", sql, kind="delta", key=("k",), fence=("lease-" + me, 1))
        if not result.restage:
            break
bench.close()
"""

READER = """
import json, time
bench = Bench(Path(root), catalog)
lake, seen, mixed = bench.open(read_only=True), set(), 0
Path(rest[0]).touch()
while not Path(rest[1]).exists():
    for a, b in bench.rows("SELECT (SELECT max(n) FROM lake.m.a), (SELECT max(n) FROM lake.m.b)"):
        seen.add(a)
        mixed += a != b
bench.close()
sys.stdout.write(json.dumps({"versions": len(seen), "mixed": mixed}))
"""

HOLDER = """
import time
bench = Bench(Path(root), catalog)
with bench.lake.transaction(["m.a"], author="holder", message="held"):
    Path(rest[0]).touch()
    while not Path(rest[1]).exists():
        time.sleep(0.01)
bench.close()
"""

PUBLISHER = """
bench = Bench(Path(root), catalog)
build(bench, "r1", "m.a", "SELECT i FROM range(5, 8) t(i)", kind="append", base_version=rest[0], parquet=rest[1] == "registered")
bench.close()
"""


def test_rule_01_processes_that_merge_the_same_keys_leave_no_duplicates(bench: Bench, python_process: Processes) -> None:
    build(bench, "r0", "m.a", "SELECT -1 AS k, 'nobody' AS who")
    bench.close()
    bench.opened.clear()
    running = [python_process.python(START + MERGER, str(bench.root), bench.catalog, f"p{i}") for i in range(3)]
    for process in running:
        process.wait(100).expect(0)
    assert bench.rows("SELECT count(*), count(DISTINCT k) FROM lake.m.a") == [(401, 401)]
    assert bench.rows("SELECT count(*) FROM lake.headgate.publications WHERE kind = 'delta'") == [(12,)]


def test_rule_01_a_writer_waits_for_that_of_another_process(bench: Bench, python_process: Processes) -> None:
    build(bench, "r0", "m.a", "SELECT 0 AS i")
    bench.lake._lock.wait_seconds = 0.2
    ready, stop = bench.root / "ready", bench.root / "stop"
    holder = python_process.python(START + HOLDER, str(bench.root), bench.catalog, str(ready), str(stop))
    holder.wait_for(ready)
    with pytest.raises(LockHeld), bench.lake.transaction(["m.a"], author="waiter", message="wait"):
        pass
    stop.touch()
    holder.wait().expect(0)
    with bench.lake.transaction(["m.a"], author="waiter", message="wait"):
        pass


def test_rule_11_one_statement_in_another_process_never_sees_a_mix(bench: Bench, python_process: Processes) -> None:
    from lake_bench import put, staged

    for dataset in ("m.a", "m.b"):
        build(bench, f"r-{dataset}", dataset, "SELECT 0 AS n")
    ready, stop = bench.root / "ready", bench.root / "stop"
    reader = python_process.python(START + READER, str(bench.root), bench.catalog, str(ready), str(stop))
    reader.wait_for(ready)
    for number in range(1, 16):
        workspace = bench.lake.workspace(f"r{number}")
        values = [staged(workspace, d, f"SELECT {number} AS n", base_version=bench.version(d)) for d in ("m.a", "m.b")]
        put(bench.lake, f"r{number}", *values)
        workspace.discard()
    stop.touch()
    said = json.loads(reader.wait(60).expect(0).out)
    assert said["mixed"] == 0
    assert said["versions"] > 1, "the reader saw one version only: this proves nothing"


@pytest.mark.parametrize("how", ["inserted", "registered"])
@pytest.mark.parametrize("point", ["after_begin", "after_data", "after_ledger", "before_commit", "after_commit"])
def test_rule_02_a_kill_and_a_retry_give_one_publication(bench: Bench, python_process: Processes, point: str, how: str) -> None:
    build(bench, "r0", "m.a", "SELECT i FROM range(5) t(i)")
    base = bench.version("m.a") or ""
    bench.close()
    bench.opened.clear()
    arguments = (START + PUBLISHER, str(bench.root), bench.catalog, base, how)
    assert python_process.python(*arguments, crash_at=f"publish.{point}").wait().killed
    expected = 8 if point == "after_commit" else 5
    assert bench.rows("SELECT count(*) FROM lake.m.a") == [(expected,)]
    bench.close()
    bench.opened.clear()
    python_process.python(*arguments).wait().expect(0)
    assert bench.rows("SELECT count(*) FROM lake.m.a") == [(8,)]
    assert bench.rows("SELECT count(*) FROM lake.headgate.publications WHERE run_id = 'r1'") == [(1,)]


WRITER = """
# Publishes of different tables on a server's catalog, with leases of their own: no conflict reaches the user.
bench, me = Bench(Path(root), catalog), rest[0]
for number in range(8):
    build(bench, f"{me}-{number}", f"m.{me}", f"SELECT {number} AS n", fence=("lease-" + me, number + 1))
bench.close()
"""


def test_rule_01_processes_that_publish_different_tables_never_fail(bench: Bench, python_process: Processes) -> None:
    build(bench, "r0", "m.first", "SELECT 0 AS n")
    bench.close()
    bench.opened.clear()
    running = [python_process.python(START + WRITER, str(bench.root), bench.catalog, f"t{i}") for i in range(3)]
    for process in running:
        process.wait(100).expect(0)
    assert bench.rows("SELECT count(*) FROM lake.headgate.publications") == [(25,)]
    assert bench.rows(
        "SELECT (SELECT max(n) FROM lake.m.t0), (SELECT max(n) FROM lake.m.t1), (SELECT max(n) FROM lake.m.t2)"
    ) == [(7, 7, 7)]
