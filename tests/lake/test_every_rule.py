"""LAKE.md's twenty rules, and what becomes of the tests when a rule is taken out of the source.

`RULES` says for each rule which tests hold it. `REMOVALS` says how it is taken out, as an edit of one source file, and which of those tests
breaks then: `make soak` does each in a copy of the source. A removal whose text is not found any more says that the rule has moved: find
where, and say so here. Not here: rule 17 (a DuckDB file as the target) is tried in `tests/dbt`, rule 18 (erasure) belongs to the issue on
governance: there is no code yet. Rules 5 and 20 are kept by the engine and by a dependency: there is nothing in the source to take out.
"""

# ruff: noqa: E501
from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

import headgate

TESTS = Path(__file__).parents[1]
ELSEWHERE = {17: "tests/dbt", 18: "the issue on governance"}
RULES: dict[int, tuple[str, ...]] = {
    1: (
        "lake/test_publish_rules.py",
        "lake/test_slices.py",
        "lake/test_processes.py",
        "lake/test_rules.py",
        "concurrency/test_together.py",
    ),
    2: ("lake/test_publish_rules.py", "lake/test_processes.py", "lake/test_rules.py", "crash/test_points.py"),
    3: ("lake/test_publish_rules.py", "lake/test_rules.py", "crash/test_losses.py"),
    4: ("lake/test_publish_rules.py", "lake/test_rules.py", "concurrency/test_together.py"),
    5: ("lake/test_whole_rules.py",),
    6: ("lake/test_publish_rules.py", "lake/test_rules.py"),
    7: ("lake/test_publish_rules.py", "lake/test_rules.py"),
    8: ("lake/test_publish_rules.py", "lake/test_rules.py", "run/test_upkeep.py"),
    9: ("lake/test_rules.py",),
    10: ("lake/test_small_writes.py",),
    11: (
        "lake/test_read_transactions.py",
        "lake/test_processes.py",
        "lake/test_rules.py",
        "concurrency/test_together.py",
        "run/test_answers_at_one_snapshot.py",
    ),
    12: ("lake/test_expiry.py", "run/test_earlier_states.py"),
    13: (
        "lake/test_publish_rules.py",
        "lake/test_rules.py",
        "run/test_groups.py",
        "run/test_pinned_views.py",
        "lake/test_pins.py",
    ),
    14: ("lake/test_small_writes.py", "lake/test_rules.py"),
    15: ("lake/test_whole_rules.py",),
    16: ("lake/test_whole_rules.py", "lake/test_rules.py", "run/test_nothing_to_do.py"),
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
COMPACT, SNAPSHOTS, SLICES = "publish/compact.py", "publish/snapshots.py", "publish/slices.py"
WORKSPACE = "engines/duckdb/workspace.py"
ON_PUBLISH, ON_PROCESSES = "lake/test_publish_rules.py::test_rule_", "lake/test_processes.py::test_rule_"
ON_WHOLE, ON_RULES = "lake/test_whole_rules.py::test_rule_", "lake/test_rules.py::test_rule_"
ON_EXPIRY, ON_SLICES = "lake/test_expiry.py::test_rule_12_", "lake/test_slices.py::test_rule_01_"
ON_ANSWERS = "run/test_answers_at_one_snapshot.py::test_rule_"
ON_PINNED = "run/test_pinned_views.py::test_rule_13_"
ON_POINTS = "crash/test_points.py::test_landing_and_running"
REMOVALS = (
    Removal(1, LOCKS, "self._lock(descriptor, deadline)", "pass", ON_PROCESSES + "01_a_writer_waits_for_that_of_another_process[sqlite]"),
    Removal(1, LOCKS, "for key in keys:", "for key in ():", ON_PUBLISH + "01_writers_of_one_table_exclude_each_other[postgresql]"),
    Removal(1, LOCKS, "f\"SELECT pg_advisory_lock{'' if whole else '_shared'}(%s)\"", '"SELECT %s"', ON_PUBLISH + "01_maintenance_excludes_every_writer[postgresql]"),
    Removal(1, SLICES, "if time.monotonic() - began >= SLICE_SECONDS:", "if False:", ON_SLICES + "a_publish_during_upkeep_waits_for_about_one_slice"),
    Removal(1, SLICES, "time.sleep(PAUSE_SECONDS)", "pass", ON_SLICES + "slices_end_in_time_and_leave_longer_than_a_waiting_writer_sleeps"),
    Removal(1, COMPACT, "> SLICE_BYTES and size", "> 1 << 60 and size", ON_SLICES + "what_one_slice_merges_is_bounded_by_bytes"),
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
    Removal(8, "run/upkeep.py", "ORPHANS_MIN, _staged_since(ctx, kept_runs))", "ORPHANS_MIN)", "run/test_upkeep.py::test_rule_08_staged_parquet_of_a_run_that_can_be_resumed_is_no_orphan"),
    Removal(9, "engines/duckdb/types.py", '"DECIMAL(38,0)"', '"DOUBLE"', ON_RULES + "09_a_sum_beyond_2_to_53_keeps_its_digits"),
    Removal(10, "engines/duckdb/connection.py", "DATA_INLINING_ROW_LIMIT 0", "DATA_INLINING_ROW_LIMIT 100000", "lake/test_small_writes.py::test_rule_10_a_table_inlines_from_its_first_small_addition_on"),
    Removal(11, COMPACT, ", allowed=lake.alone)", ")", "lake/test_read_transactions.py::test_rule_11_a_read_transaction_sees_one_state[sqlite-upkeep-m.b]"),
    Removal(11, PUBLISH, "apply_staged(cursor, lake, staged, relations, shaped)\n", 'apply_staged(cursor, lake, staged, relations, shaped)\n        cursor.execute("COMMIT")\n        cursor.execute("BEGIN")\n', ON_PROCESSES + "11_one_statement_in_another_process_never_sees_a_mix"),
    Removal(11, "engines/duckdb/still.py", "self.spec, snapshot=snapshot)", "self.spec)", ON_ANSWERS + "11_a_lake_that_stands_still_moves_for_the_next_answer_and_lets_upkeep_be_alone"),
    Removal(11, "serve/answers/moment.py", "return answer(still, ", "return answer(session, ", ON_ANSWERS + "11_no_answer_shows_a_mix_beside_a_writer"),
    Removal(12, SNAPSHOTS, "lead(snapshot_time) OVER (ORDER BY snapshot_id) AS ended", "snapshot_time AS ended", ON_EXPIRY + "an_old_newest_snapshot_is_read_on_after_the_next_publish"),
    Removal(12, SNAPSHOTS, "return frozenset(previous).union(", "return frozenset().union(", ON_EXPIRY + "the_version_before_the_present_one_can_always_be_restored"),
    Removal(12, SNAPSHOTS, "for version in others}", "for version in ()}", ON_EXPIRY + "what_others_fill_keeps_its_version"),
    Removal(12, SNAPSHOTS, " AND (next IS NULL OR next = snapshot_id + 1)", "", ON_EXPIRY + "a_moment_that_has_expired_is_refused_not_answered_with_an_older_state"),
    Removal(12, "engines/duckdb/lake.py", "'{_CHANGES}:'", "':'", ON_EXPIRY + "what_others_fill_keeps_its_version"),
    Removal(12, "run/readers.py", "state.leases(_READER)", "()", ON_EXPIRY + "a_reader_with_a_lease_reads_while_expiry_runs"),
    Removal(12, "run/reading.py", "with held(session.state, session.lake, snapshot), ", "with ", "run/test_earlier_states.py::test_rule_12_an_earlier_state_is_read_whole_and_held_meanwhile"),
    Removal(12, "run/upkeep.py", "needed(ctx.lake, others) | ", "", "run/test_earlier_states.py::test_rule_12_upkeep_after_a_long_rest_leaves_what_restore_needs"),
    Removal(13, "run/running.py", "publish_groups(self.ctx.project, pinned_views(self.ctx.lake))", "()", "run/test_groups.py::test_a_view_that_fails_its_gate_keeps_its_table_too"),
    Removal(13, "publish/apply.py", "if staged.pinned:", "if False:", "lake/test_pins.py::test_rule_13_a_view_is_pinned_by_its_own_commit_and_a_late_number_is_not_written"),
    Removal(13, "publish/pins.py", "if published.get(dataset) != version:", "if False:", "lake/test_pins.py::test_rule_13_a_view_is_pinned_by_its_own_commit_and_a_late_number_is_not_written"),
    Removal(13, SNAPSHOTS, ".union(*pinned_views(lake).values())", "", "lake/test_pins.py::test_rule_13_a_view_is_pinned_by_its_own_commit_and_a_late_number_is_not_written"),
    Removal(13, "run/groups.py", " and str(node.relation) not in pinned", "", ON_PINNED + "a_pinned_view_moves_when_it_is_published_and_stays_when_its_gate_fails"),
    Removal(14, WORKSPACE, "for s in self._lake_schemas]", "for s in ()]", "lake/test_small_writes.py::test_rule_14_hand_written_names_are_found_near_first_then_in_the_lake"),
    Removal(15, "land/commit.py", 'if u.name in now.units and now.units[u.name].content_hash != u.content_hash', "if False", ON_WHOLE + "15_a_changed_file_supersedes_its_older_load"),
    Removal(15, "land/commit.py", '_write(load, lake, cursor, "blocked", ', '_write(load, lake, cursor, "accepted", ', ON_WHOLE + "15_a_blocked_load_leaves_its_record_alone"),
    Removal(15, "land/commit.py", '    _write(load, lake, cursor, "accepted", ', '    cursor.execute("COMMIT")\n    point("land.before_commit")\n    cursor.execute("BEGIN")\n    _write(load, lake, cursor, "accepted", ', ON_POINTS + "[land.before_commit-sqlite]"),
    Removal(16, "state/mirror.py", "mirror.c.lake == lake, mirror.c.snapshot == snapshot)", "mirror.c.lake == lake,)", ON_WHOLE + "16_a_mirror_of_another_snapshot_is_not_trusted"),
    Removal(16, "run/settled.py", "and snapshot_id(catalog) == mark", "and True or mark", "run/test_nothing_to_do.py::test_rule_16_another_snapshot_or_another_lake_is_looked_at_again"),
    Removal(16, "run/settled.py", "lake_at(catalog) == mark", "True or mark", "run/test_nothing_to_do.py::test_rule_16_another_snapshot_or_another_lake_is_looked_at_again"),
    Removal(16, "run/settled.py", "Redactor()(bare) == bare", "True", "run/test_nothing_to_do.py::test_rule_16_a_password_that_is_written_out_is_not_copied"),
    Removal(19, COMPACT, "list(_merges(lake))", "[]", ON_WHOLE + "19_additions_before_and_after_a_change_of_columns_are_kept_by_compaction"),
)  # fmt: skip


@pytest.fixture(scope="module")
def collected() -> list[str]:
    """The ids of all tests in the files of `RULES`."""
    files = sorted({str(TESTS / file) for several in RULES.values() for file in several})
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "--collect-only", "-p", "no:xdist", "-o", "addopts=--import-mode=importlib -q", *files],
        cwd=TESTS.parent, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-2000:]
    return done.stdout.splitlines()


@pytest.mark.parametrize("rule", [rule for rule in range(1, 21) if rule not in ELSEWHERE])
def test_every_rule_has_its_tests_on_both_catalogs(rule: int, collected: list[str]) -> None:
    """Tests that bear the rule's number, in the files that are named for it."""
    ids = [
        line
        for line in collected
        if f"test_rule_{rule:02d}_" in line and line.startswith(tuple(f"tests/{f}" for f in RULES[rule]))
    ]
    for catalog in ("sqlite", "postgresql"):
        assert any(catalog in line for line in ids), f"rule {rule} is not tried on {catalog}"
    assert any(removal.rule == rule for removal in REMOVALS) or rule in (5, 20)


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
