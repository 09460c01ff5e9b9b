"""LAKE.md's twenty rules, and what becomes of the tests when a rule is taken out of the source.

`RULES` says for each rule which tests hold it. `REMOVALS` says how it is taken out, as an edit of one source file, and which of those tests
breaks then: `make soak` does each in a copy of the source. A removal whose text is not found any more says that the rule has moved: find
where, and say so here. Not here:

* rule 10's second half and rule 12 (expiry, readers' leases) and rule 13's pinned views: with upkeep, in `tests/run`;
* rule 17 (a DuckDB file as the target) belongs to the issue on dbt, rule 18 (erasure) to the issue on governance: there is no code yet.
"""

# ruff: noqa: E501
from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

import headgate

TESTS = Path(__file__).parents[1]
LATER = {17: "the issue on dbt", 18: "the issue on governance"}
RULES: dict[int, tuple[str, ...]] = {
    1: ("lake/test_publish_rules.py", "lake/test_processes.py", "lake/test_rules.py", "concurrency/test_together.py"),
    2: ("lake/test_publish_rules.py", "lake/test_processes.py", "lake/test_rules.py", "crash/test_points.py"),
    3: ("lake/test_publish_rules.py", "lake/test_rules.py", "crash/test_losses.py"),
    4: ("lake/test_publish_rules.py", "lake/test_rules.py", "concurrency/test_together.py"),
    5: ("lake/test_whole_rules.py",),
    6: ("lake/test_publish_rules.py", "lake/test_rules.py"),
    7: ("lake/test_publish_rules.py", "lake/test_rules.py"),
    8: ("lake/test_publish_rules.py", "lake/test_rules.py"),
    9: ("lake/test_rules.py",),
    10: ("lake/test_small_writes.py",),
    11: ("lake/test_read_transactions.py", "lake/test_processes.py", "lake/test_rules.py", "concurrency/test_together.py"),
    13: ("lake/test_publish_rules.py", "lake/test_rules.py", "run/test_groups.py"),
    14: ("lake/test_small_writes.py", "lake/test_rules.py"),
    15: ("lake/test_whole_rules.py",),
    16: ("lake/test_whole_rules.py", "lake/test_rules.py"),
    19: ("lake/test_whole_rules.py",),
    20: ("lake/test_whole_rules.py",),
}


@dataclass(frozen=True)
class Removal:
    """`old` becomes `new` in `file`; then `test`, a pytest node, must break."""

    rule: int
    file: str
    old: str
    new: str
    test: str


PUBLISH, APPLY, LOCKS = "publish/publish.py", "publish/apply.py", "engines/duckdb/locks.py"
WORKSPACE = "engines/duckdb/workspace.py"
ON_PUBLISH, ON_PROCESSES = "lake/test_publish_rules.py::test_rule_", "lake/test_processes.py::test_rule_"
ON_WHOLE, ON_RULES = "lake/test_whole_rules.py::test_rule_", "lake/test_rules.py::test_rule_"
ON_POINTS = "crash/test_points.py::test_landing_and_running"
REMOVALS = (
    Removal(1, LOCKS, "self._lock(descriptor, deadline)", "pass", ON_PROCESSES + "01_a_writer_waits_for_that_of_another_process[sqlite]"),
    Removal(1, LOCKS, "for key in keys:", "for key in ():", ON_PUBLISH + "01_writers_of_one_table_exclude_each_other[postgresql]"),
    Removal(1, LOCKS, "f\"SELECT pg_advisory_lock{'' if whole else '_shared'}(%s)\"", '"SELECT %s"', ON_PUBLISH + "01_maintenance_excludes_every_writer[postgresql]"),
    Removal(2, PUBLISH, "if _key(s) not in done)\n        if not todo", "if True)\n        if not todo", ON_PUBLISH + "02_a_publication_that_stands_is_not_done_again"),
    Removal(2, PUBLISH, "landed = _landed(lake, bundle)", "landed = None", ON_PUBLISH + "02_a_commit_that_landed_with_an_error_counts"),
    Removal(2, PUBLISH, '    point("publish.after_data")', '    cursor.execute("COMMIT")\n    cursor.execute("BEGIN")\n    point("publish.after_data")', ON_PROCESSES + "02_a_kill_and_a_retry_give_one_publication[sqlite-after_data-inserted]"),
    Removal(3, PUBLISH, "    _prove(lake, bundle, result)", "    pass", ON_PUBLISH + "03_commit_can_lie"),
    Removal(3, "engines/duckdb/lake.py", "_roll_back(cursor)\n                raise\n            finally", 'cursor.execute("COMMIT")\n                raise\n            finally', ON_PUBLISH + "03_an_error_rolls_everything_back"),
    Removal(4, PUBLISH, "        if outdated:", "        if False:", ON_PUBLISH + "04_a_target_that_moved_is_staged_again"),
    Removal(4, PUBLISH, "        if moved:", "        if False:", ON_PUBLISH + "04_a_parent_that_moved_is_said"),
    Removal(4, PUBLISH, "if stored is not None and stored > token:", "if False:", ON_PUBLISH + "04_an_older_fencing_token_is_refused"),
    Removal(6, APPLY, "    if fresh and _plain(staged):", "    fresh = True\n    if fresh and _plain(staged):", ON_PUBLISH + "06_replace_keeps_identity"),
    Removal(6, APPLY, "    _comment(cursor, lake, staged)\n\n\ndef _plain", "\n\ndef _plain", ON_PUBLISH + "06_a_breaking_change_sets_comment_and_not_null_again"),
    Removal(7, APPLY, "    if staged.partition_by or staged.sort_by:\n        return False\n", "", ON_PUBLISH + "07_a_staged_file_is_registered_only_where_that_is_exact"),
    Removal(7, APPLY, "return [(c.name, c.type) for c in target] == ", "return True or [] == ", ON_PUBLISH + "07_a_staged_file_is_registered_only_where_that_is_exact"),
    Removal(8, WORKSPACE, "if path not in kept and", "if", ON_PUBLISH + "08_a_registered_file_belongs_to_the_lake"),
    Removal(8, "publish/clean.py", "file.name not in registered", "True", ON_RULES + "08_cleaning_spares_open_runs_and_registered_files"),
    Removal(8, "publish/clean.py", "if _closed(file.parent.name, keep) and", "if", ON_RULES + "08_cleaning_spares_open_runs_and_registered_files"),
    Removal(9, "engines/duckdb/types.py", '"DECIMAL(38,0)"', '"DOUBLE"', ON_RULES + "09_a_sum_beyond_2_to_53_keeps_its_digits"),
    Removal(10, "engines/duckdb/connection.py", "DATA_INLINING_ROW_LIMIT 0", "DATA_INLINING_ROW_LIMIT 100000", "lake/test_small_writes.py::test_a_table_inlines_from_its_first_small_addition_on"),
    Removal(11, "publish/compact.py", "lake.alone() if task == FLUSH else nullcontext(True)", "nullcontext(True)", "lake/test_read_transactions.py::test_rule_11_a_read_transaction_sees_one_state[sqlite-upkeep-m.b]"),
    Removal(11, PUBLISH, "apply_staged(cursor, lake, staged, relations, shaped)\n", 'apply_staged(cursor, lake, staged, relations, shaped)\n        cursor.execute("COMMIT")\n        cursor.execute("BEGIN")\n', ON_PROCESSES + "11_one_statement_in_another_process_never_sees_a_mix"),
    Removal(13, "run/running.py", "publish_groups(self.ctx.project)", "()", "run/test_groups.py::test_a_view_that_fails_its_gate_keeps_its_table_too"),
    Removal(14, WORKSPACE, "for s in self._lake_schemas]", "for s in ()]", "lake/test_small_writes.py::test_hand_written_names_are_found_near_first_then_in_the_lake"),
    Removal(15, "land/commit.py", 'if u.name in now.units and now.units[u.name].content_hash != u.content_hash', "if False", ON_WHOLE + "15_a_changed_file_supersedes_its_older_load"),
    Removal(15, "land/commit.py", '_write(load, lake, cursor, "blocked", ', '_write(load, lake, cursor, "accepted", ', ON_WHOLE + "15_a_blocked_load_leaves_its_record_alone"),
    Removal(15, "land/commit.py", '    _write(load, lake, cursor, "accepted", ', '    cursor.execute("COMMIT")\n    point("land.before_commit")\n    cursor.execute("BEGIN")\n    _write(load, lake, cursor, "accepted", ', ON_POINTS + "[land.before_commit-sqlite]"),
    Removal(16, "state/mirror.py", "mirror.c.lake == lake, mirror.c.snapshot == snapshot)", "mirror.c.lake == lake,)", ON_WHOLE + "16_a_mirror_of_another_snapshot_is_not_trusted"),
)  # fmt: skip


@pytest.mark.parametrize("rule", range(1, 21))
def test_every_rule_has_its_tests(rule: int) -> None:
    """Tests that bear the rule's number, each on both catalogs by its fixture or parameter, or the issue that it belongs to."""
    if rule in LATER or rule == 12:
        return
    names = [
        node.name
        for file in RULES[rule]
        for node in ast.parse((TESTS / file).read_text()).body
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    ]
    assert any(f"rule_{rule:02d}_" in name for name in names) or rule in (10, 14)


@pytest.mark.soak
@pytest.mark.timeout(300)
@pytest.mark.parametrize("removal", REMOVALS, ids=[f"{r.rule:02d}-{n}" for n, r in enumerate(REMOVALS)])
def test_a_rule_that_is_taken_out_is_missed(removal: Removal, tmp_path: Path) -> None:
    source = tmp_path / "src" / "headgate"
    shutil.copytree(Path(headgate.__file__).parent, source, ignore=shutil.ignore_patterns("__pycache__"))
    file = source / removal.file
    text = file.read_text()
    assert text.count(removal.old) >= 1, f"rule {removal.rule} has moved: {removal.old!r} is no more in {removal.file}"
    file.write_text(text.replace(removal.old, removal.new))
    env = {**os.environ, "PYTHONPATH": str(source.parent), "PYTHONDONTWRITEBYTECODE": "1"}
    node = str(TESTS / removal.test)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-x", "-p", "no:xdist", "--timeout", "200", f"--basetemp={tmp_path / 'inner'}", node],
        cwd=TESTS.parent, env=env, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1, f"nobody missed rule {removal.rule}:\n{done.stdout[-2000:]}{done.stderr[-500:]}"
    assert "SyntaxError" not in done.stdout and "IndentationError" not in done.stdout
