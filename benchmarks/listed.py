"""The benchmarks there are, the small sizes of each, and the figures that must hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Target:
    """`key` of a benchmark's result (dots lead into nested ones) must be at most `most` or at least `least`."""

    key: str
    meaning: str
    most: float | None = None
    least: float | None = None


@dataclass(frozen=True, slots=True)
class Weighed:
    """A target with what was measured; `value` and `holds` are None where the benchmark has no such figure (dbt not installed)."""

    meaning: str
    value: float | None
    word: str
    bound: float
    holds: bool | None


@dataclass(frozen=True, slots=True)
class Listed:
    """One benchmark: what it measures, the arguments of a quick run, its targets."""

    meaning: str
    targets: tuple[Target, ...]
    quick: Mapping[str, Any] = field(default_factory=dict)


def weigh(target: Target, values: Mapping[str, Any]) -> Weighed:
    """`target` against a result."""
    found: Any = values
    for part in target.key.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    at_most = target.most is not None
    bound = target.most if target.most is not None else target.least or 0.0
    value = None if found is None else float(found)
    holds = None if value is None else value <= bound if at_most else value >= bound
    return Weighed(target.meaning, value, "<=" if at_most else ">=", bound, holds)


LISTED: Mapping[str, Listed] = {
    "parse": Listed(
        "reading a project of 500 models",
        (
            Target("cold_cpu_seconds", "cold, CPU seconds", most=1.0),
            Target("unchanged_cpu_seconds", "nothing changed, CPU seconds", most=0.1),
        ),
    ),
    "lineage": Listed(
        "columns of 500 models traced to their origins",
        (
            Target("cold_s", "cold, seconds", most=1.2),
            Target("after_edit_s", "after one edit, seconds", most=0.05),
            Target("ratio_to_naive", "ratio to sqlglot.lineage", most=0.05),
        ),
    ),
    "ingest": Listed(
        "landing one large NDJSON and one large CSV file, all on",
        (
            Target("ndjson.rows_per_second", "NDJSON, rows a second", least=700_000),
            Target("csv.rows_per_second", "CSV, rows a second", least=1_200_000),
            Target("ndjson.cpu_ratio_to_bare", "NDJSON, CPU to the bare statement's", most=2.5),
            Target("csv.cpu_ratio_to_bare", "CSV, CPU to the bare statement's", most=1.8),
        ),
        {"rows": 200_000},
    ),
    "small_files": Listed(
        "10,000 small files landed at once, then ten more, then none",
        (
            Target("csv.milliseconds_a_file", "CSV, milliseconds a file", most=0.5),
            Target("ndjson.milliseconds_a_file", "NDJSON, milliseconds a file", most=0.5),
            Target("csv.growth", "time a file at all files to that at a quarter", most=1.5),
            Target("csv.ten_more_seconds", "ten more beside them, seconds", most=1.0),
        ),
        {"files": 1_000},
    ),
    "extract_postgres": Listed(
        "landing a table from a real PostgreSQL",
        (Target("landed_rows_per_second", "rows a second", least=1_100_000),),
        {"rows": 200_000},
    ),
    "publish": Listed(
        "staging and publishing 300 small tables",
        (Target("ratio", "ratio to the bare statements", most=1.3), Target("commit_ratio", "last commits to first", most=1.3)),
        {"tables": 50, "commit_count": 60},
    ),
    "increment": Listed(
        "1M rows into 10M: built and published",
        (Target("seconds", "seconds", most=1.0),),
        {"rows": 1_000_000},
    ),
    "increment_run": Listed(
        "1M rows into 10M through a whole run with its gate",
        (Target("increment_seconds", "stage, gate and publish, seconds", most=1.0),),
        {"rows": 1_000_000},
    ),
    "project": Listed(
        "500 models from process start to exit",
        (
            Target("ratio_to_bare", "cold run to the bare statements in one commit", most=1.3),
            Target("ratio_to_bare_each", "cold run to the bare statements, a commit each", most=1.3),
            Target("nothing_seconds", "nothing to do, seconds", most=0.2),
            Target("ratio_to_dbt", "cold run to dbt's", most=0.2),
        ),
        {"count": 60},
    ),
    "large": Listed(
        "a table of 100M rows built, gated and published",
        (Target("peak_mb", "peak memory in MB", most=4096),),
        {"rows": 5_000_000},
    ),
    "commits": Listed(
        "5,000 commits of 100 rows over 20 tables",
        (Target("ratio", "mean of the last 500 to the mean of commits 500 to 1000", most=1.3),),
        {"count": 500},
    ),
}
