"""Landing files end to end: what lands, what is held back, what is recorded."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from headgate.land import staging
from headgate.spec.errors import FenceLost, SourceBroken
from headgate.spec.verdicts import GateResult, Verdict
from land.ground import Ground

HEADER = "id,name,amount\n"


def test_rows_carry_their_load_and_place(ground: Ground) -> None:
    ground.put("a.csv", HEADER + '1,x,1.5\n2,"two\nlines",2.5\n')
    result = ground.land()
    assert (result.status, result.counts.rows_in, result.counts.rows_out) == ("accepted", 2, 2)
    rows = ground.sql("SELECT id, name, amount, _load_id, _position.unit, _position.seq FROM lake.raw_shop.orders ORDER BY id")
    assert rows == [(1, "x", 1.5, result.load_id, "in/a.csv", 1), (2, "two\nlines", 2.5, result.load_id, "in/a.csv", 2)]
    assert ground.sql("SELECT count(DISTINCT _loaded_at) FROM lake.raw_shop.orders") == [(1,)]
    assert [e.kind for e in ground.events] == ["load.accepted"]


def test_landing_again_changes_nothing(ground: Ground) -> None:
    ground.put("a.csv", HEADER + "1,x,1.5\n")
    first = ground.land()
    before = ground.lake.snapshot()
    again = ground.land(load_id=first.load_id)  # a retry of a commit that was not acknowledged
    other = ground.land()
    full = ground.land(full=True)
    assert (again.status, other.status, full.status) == ("accepted", "nothing", "nothing")
    assert ground.lake.snapshot() == before


def test_a_touched_file_is_not_new(ground: Ground) -> None:
    path = ground.put("a.csv", HEADER + "1,x,1.5\n")
    ground.land()
    path.touch()
    assert ground.land().status == "nothing"


def test_a_changed_file_supersedes_its_older_version(ground: Ground) -> None:
    ground.put("a.csv", HEADER + "1,x,1.5\n2,y,2.5\n")
    ground.put("b.csv", HEADER + "3,z,3.5\n")
    ground.land()
    ground.put("a.csv", HEADER + "1,new,9\n")
    ground.land()
    assert ground.sql("SELECT count(*) FROM lake.raw_shop.orders") == [(4,)]
    current = ground.sql("SELECT id, name FROM lake.raw_shop.orders__current ORDER BY id")
    assert current == [(1, "new"), (3, "z")]


def test_malformed_lines_are_dead_letters_and_refuse_the_load(ground: Ground) -> None:
    ground.put("a.csv", HEADER + "1,x,1.5\n")
    ground.land()
    ground.put("b.csv", HEADER + "2,y,2.5\nthree,z,3.5\n4,w\n")
    refused = ground.land()
    assert refused.status == "blocked" and "dead_letters_max" in refused.reason and "line 3" in refused.reason
    assert refused.counts.balanced and refused.counts.rows_out == 0
    assert ground.sql("SELECT count(*) FROM lake.raw_shop.orders") == [(1,)]
    letters = ground.sql("SELECT unit, seq, record FROM lake.headgate.dead_letters ORDER BY seq")
    assert letters == [("in/b.csv", 3, "three,z,3.5"), ("in/b.csv", 4, "4,w")]
    waiting = ground.land()
    assert waiting.status == "nothing" and waiting.waiting == ("in/b.csv",) and "--retry-blocked" in waiting.reason
    allowed = ground.land(retry_blocked=True, dead_letters_max=2)
    assert (allowed.status, allowed.counts.rows_out, allowed.counts.rows_dead) == ("accepted", 1, 2)


def refuse_negative(ground: Ground) -> Any:
    def checks(rows_sql: str, columns: Any) -> GateResult:
        bad = ground.lake.cursor().execute(f"SELECT count(*) FROM {rows_sql} WHERE amount < 0").fetchone()
        outcome = "block" if bad and bad[0] else "pass"
        return GateResult("raw_shop.orders", (Verdict("c", "amount", "raw_shop.orders", outcome, message="negative amounts"),))

    return checks


def test_a_blocked_delivery_is_repaired(ground: Ground) -> None:
    checks = refuse_negative(ground)
    ground.put("1.csv", HEADER + "1,x,1\n")
    ground.land(checks=checks)
    ground.put("2.csv", HEADER + "2,x,-1\n")
    ground.put("3.csv", HEADER + "3,x,1\n")
    blocked = ground.land(checks=checks)
    assert blocked.status == "blocked" and blocked.reason == "negative amounts"
    assert ground.sql("SELECT id FROM lake.raw_shop.orders") == [(1,)]
    assert ground.land(checks=checks).waiting == ("in/2.csv", "in/3.csv")
    ground.put("2.csv", HEADER + "2,x,2\n")
    repaired = ground.land(checks=checks)
    assert repaired.status == "accepted" and repaired.waiting == ()
    assert ground.sql("SELECT id, amount FROM lake.raw_shop.orders ORDER BY id") == [(1, 1.0), (2, 2.0), (3, 1.0)]


def test_new_columns_and_wider_types_are_applied(ground: Ground) -> None:
    ground.put("a.csv", "id,amount\n1,5\n")
    ground.land()
    ground.put("b.csv", "id,amount,note\n2,5.5,hello\n")
    result = ground.land()
    assert {(c.kind, c.column) for c in result.schema_changes} == {("type_widened", "amount"), ("column_added", "note")}
    assert ground.sql("SELECT id, amount, note FROM lake.raw_shop.orders ORDER BY id") == [(1, 5.0, None), (2, 5.5, "hello")]
    assert ground.sql("SELECT count(*) FROM lake.headgate.schema_changes WHERE decision = 'apply'") == [(2,)]


def test_widening_that_would_change_a_number_blocks(ground: Ground) -> None:
    ground.put("a.csv", "id\n9007199254740993\n")
    ground.land()
    ground.put("b.csv", "id\n1.5\n")
    assert "1 values would change" in ground.land().reason
    assert ground.sql("SELECT id FROM lake.raw_shop.orders") == [(9007199254740993,)]


def test_a_missing_column_blocks_unless_the_rule_allows_it(ground: Ground) -> None:
    ground.put("a.csv", "id,amount\n1,5\n")
    ground.land()
    ground.put("b.csv", "id\n2\n")
    assert "column 'amount'" in ground.land().reason
    allowed = ground.land(retry_blocked=True, on_schema_change={"additive": "apply", "breaking": "ignore"})
    assert allowed.status == "accepted"
    assert ground.sql("SELECT amount FROM lake.raw_shop.orders WHERE id = 2") == [(None,)]


def test_a_key_without_a_value_blocks(ground: Ground) -> None:
    ground.put("a.csv", HEADER + ",x,1\n2,y,2\n")
    assert "1 rows have no value in key (id)" in ground.land(primary_key=("id",)).reason


def test_half_a_file_is_never_landed(ground: Ground) -> None:
    whole = gzip.compress((HEADER + "".join(f"{i},x,{i}\n" for i in range(5000))).encode())
    ground.put("a.csv.gz", whole[: len(whole) // 2])
    result = ground.land(dead_letters_max=0.5)
    assert result.status == "blocked" and "cut off" in result.reason
    ground.put("a.csv.gz", whole)
    assert ground.land().counts.rows_out == 5000


def test_empty_files_land_without_making_a_table(ground: Ground) -> None:
    ground.put("a.csv", "")
    ground.put("b.csv", HEADER)
    result = ground.land()
    assert (result.status, result.counts.rows_out) == ("accepted", 0)
    assert ground.land().status == "nothing"
    ground.put("c.csv", HEADER + "1,x,1\n")
    assert ground.land().counts.rows_out == 1
    assert ground.lake.columns(ground.table().relation)[0].type == "BIGINT"


def test_a_glob_that_matches_nothing(ground: Ground) -> None:
    with pytest.raises(SourceBroken, match="no file matches"):
        ground.land()
    assert ground.land(options={"path": "in/*", "allow_missing": True}).status == "nothing"


class Token:
    """A lease as land sees it."""

    def __init__(self, token: int) -> None:
        self.name, self.token = "land:raw_shop.orders", token


def test_an_older_fence_rolls_back(ground: Ground) -> None:
    ground.put("a.csv", HEADER + "1,x,1\n")
    ground.land(fence=Token(7))
    ground.put("b.csv", HEADER + "2,x,1\n")
    with pytest.raises(FenceLost):
        ground.land(fence=Token(6))
    assert ground.sql("SELECT count(*) FROM lake.raw_shop.orders") == [(1,)]
    assert ground.land(fence=Token(8)).status == "accepted"


def test_a_large_load_is_registered_not_written_twice(ground: Ground) -> None:
    ground.put("a.ndjson", "".join(f'{{"id": {i}, "name": "{"x" * 160}"}}\n' for i in range(1000)))
    ground.put("b.parquet", b"")
    (ground.root / "in/b.parquet").unlink()
    ground.land()
    stage = ground.root / ".headgate/data"
    big = ground.root / "in/big.ndjson"
    with big.open("w") as out:
        for i in range(5):
            out.write("".join(f'{{"id": {i * 210_000 + n}, "name": "{"x" * 150}"}}\n' for n in range(210_000)))
    result = ground.land()
    assert result.counts.rows_out == 1_050_000
    assert list(stage.glob("hg-stage/*/*.parquet"))
    wrong = "SELECT count(*) FROM lake.raw_shop.orders WHERE _position.unit = 'in/big.ndjson' AND _position.seq <> id + 1"
    assert ground.sql(wrong) == [(0,)]
    assert ground.sql("SELECT count(*), count(DISTINCT _position) FROM lake.raw_shop.orders") == [(1_051_000, 1_051_000)]


def test_small_loads_need_no_arrow(ground: Ground) -> None:
    """Loading Arrow and pandas would take longer than the load."""
    program = (
        "import sys; from pathlib import Path; from land.ground import Ground\n"
        "ground = Ground(Path(sys.argv[1]))\n"
        "assert ground.land().status == 'accepted'\n"
        "print(sorted({'pandas', 'pyarrow', 'numpy', 'polars', 'sqlglot'} & set(sys.modules)))"
    )
    for name, content in (("a.csv", "id,name\n1,x\n"), ("b.ndjson", '{"id": 2}\n'), ("c.json", '[{"id": 3}]'), ("d.csv", "")):
        ground.put(name, content)
    tests = Path(__file__).parent.parent
    run = subprocess.run(
        [sys.executable, "-c", program, str(ground.root)], cwd=tests, env={**os.environ, "PYTHONPATH": str(tests)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (run.stdout.strip(), run.returncode) == ("[]", 0), run.stderr


def test_both_ways_of_numbering_agree(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    ground.put("a.csv", "id\n" + "".join(f"{n}\n" for n in range(5000)))
    ground.put("b.csv", "id\n")
    ground.put("c.csv", "id\n" + "".join(f"{n}\n" for n in range(3000)))
    found = []
    for few in (0, 100_000):
        monkeypatch.setattr(staging, "FEW_ROWS", few)
        ground.land(name=f"t{few}")
        found.append(ground.sql(f"SELECT id, _position FROM lake.raw_shop.t{few} ORDER BY _position"))
    assert found[0] == found[1]
    assert all(row[1]["seq"] == row[0] + 1 for row in found[0])
