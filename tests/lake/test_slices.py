"""Upkeep holds the writer lock for moments, and lets waiting writers go first (LAKE.md 1), on both catalogs."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from lake_bench import Bench, build

from headgate.publish import clean, slices
from headgate.publish import compact as compacting
from headgate.publish.clean import clean_staging
from headgate.publish.compact import compact, expire, windows
from headgate.publish.slices import SLICE_BYTES

TABLES = 12
LONGEST_SLEEP = 0.05  # of a writer that waits for the lock of an SQLite catalog: `engines/duckdb/locks.py`


@pytest.fixture
def small_files(bench: Bench) -> Bench:
    """A lake of many small files, and rows in the catalog."""
    for number in range(TABLES):
        build(bench, f"r{number}", f"m.t{number}", "SELECT 0::BIGINT AS i")
    for _ in range(4):
        with bench.lake.transaction(["*"], author="t", message="many small files") as cursor:
            for number in range(TABLES):
                cursor.execute(f"INSERT INTO lake.m.t{number} SELECT i FROM range(300) t(i)")
    return bench


class Watch:
    """Every moment at which upkeep has the writer lock."""

    def __init__(self, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
        self.held: list[tuple[float, float, str]] = []
        real, watch = type(bench.lake).transaction, self

        @contextmanager
        def watched(lake: object, tables: object, *, author: str, message: str) -> Iterator[object]:
            began = [0.0]
            try:
                with real(lake, tables, author=author, message=message) as cursor:  # type: ignore[arg-type]
                    began[0] = time.monotonic()
                    yield cursor
            finally:
                watch.held.append((began[0], time.monotonic(), message))

        monkeypatch.setattr(type(bench.lake), "transaction", watched)


def test_rule_01_a_publish_during_upkeep_waits_for_about_one_slice(small_files: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slices, "SLICE_SECONDS", 0.0)  # as if every table's files took a whole slice
    other = small_files.open()._lock
    watch, waits, done = Watch(small_files, monkeypatch), [], threading.Event()

    def publishes() -> None:
        while not done.is_set():
            began = time.monotonic()
            with other.hold(["m.new"], "publish"):
                waits.append((began, time.monotonic()))
            time.sleep(0.02)

    writer = threading.Thread(target=publishes)
    writer.start()
    merged = compact(small_files.lake, author="t", dry_run=False)[1]
    done.set()
    writer.join()
    assert merged.things >= 3 * TABLES
    merges = [(a, b) for a, b, message in watch.held if message == "merge small files"]
    assert len(merges) >= TABLES, "one slice did them all"
    assert len(waits) > 3
    for began, got in waits:
        assert sum(began < end <= got for _, end in merges) <= 3, "upkeep went first again and again"


def test_rule_01_slices_end_in_time_and_leave_longer_than_a_waiting_writer_sleeps(
    small_files: Bench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for module, name in ((compacting, "SNAPSHOTS_A_SLICE"), (compacting, "FILES_A_SLICE"), (clean, "PATHS_A_SLICE")):
        monkeypatch.setattr(module, name, 4)
    monkeypatch.setattr(slices, "SLICE_SECONDS", 0.0)
    for number in range(9):
        (tmp_path / ".headgate" / "runs" / f"run{number}").mkdir(parents=True)
    watch = Watch(small_files, monkeypatch)
    cleaned = clean_staging(small_files.lake, str(tmp_path), keep=(), older_than=timedelta(0), dry_run=False)
    compact(small_files.lake, author="t", dry_run=False)
    expired = expire(small_files.lake, author="t", older_than=timedelta(0), keep=frozenset, dry_run=False)
    by_task: dict[str, int] = {}
    for _, _, message in watch.held:
        by_task[message] = by_task.get(message, 0) + 1
    assert (cleaned.things, by_task["clean staging"]) == (9, 3)
    assert by_task["expire snapshots"] == -(-expired.things // 4) > 3
    assert by_task["flush inlined rows"] >= 2 and by_task["clean up files"] >= 3 and by_task["merge small files"] >= TABLES
    for (_, end, _), (begin, _, _) in zip(watch.held, watch.held[1:], strict=False):
        assert begin - end > LONGEST_SLEEP
    assert small_files.rows("SELECT count(*) FROM lake.m.t3") == [(1201,)]


def test_rule_01_many_small_things_share_a_slice(small_files: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slices, "SLICE_SECONDS", 60.0)
    watch = Watch(small_files, monkeypatch)
    compact(small_files.lake, author="t", dry_run=False)
    assert len(watch.held) <= 3


def test_rule_01_what_one_slice_merges_is_bounded_by_bytes() -> None:
    third = SLICE_BYTES // 3
    sizes = [10, 20, 30, third - 2, third - 1, third, third + 1, third + 2]
    assert list(windows(sizes)) == [(10, third), (third, third + 2)]  # and the largest, which would be alone, waits for others
    assert list(windows([])) == list(windows([5])) == []
    assert list(windows([7] * 3)) == [(7, 8)]
    assert list(windows([SLICE_BYTES] * 2)) == [(SLICE_BYTES, SLICE_BYTES + 1)], "files of one size are in one window"
