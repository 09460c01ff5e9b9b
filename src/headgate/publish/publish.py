"""Make gated, staged work visible: one transaction for everything that passed (LAKE.md 1 to 8).

Old publications are read first, so that a commit which landed unacknowledged is never done twice. Base versions are compared
under the lock, so
that an older delta is never laid over newer rows. Proof is re-read after COMMIT, because COMMIT can lie.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field

from headgate.ports.engine import MANY_TABLES, SMALL_TABLE_ROWS, Cursor, Lake
from headgate.publish.apply import apply_staged
from headgate.publish.records import insert_rows, publication_row
from headgate.spec.clock import now_iso
from headgate.spec.crash import point
from headgate.spec.errors import EngineFailed, FenceLost, LakeConflict, LedgerUnbalanced
from headgate.spec.ids import uuid7
from headgate.spec.names import bind, quote_ident
from headgate.spec.staged import Staged

COMMIT_TRIES = 8
PAUSE_SECONDS = 0.02
"""Before the second try; twice as long before each further one, with jitter, so that two writers do not meet again."""


@dataclass(frozen=True, slots=True)
class PublishResult:
    """`published` maps each dataset to its new version (those already published by this run attempt keep theirs). `restage`
    names the datasets whose
    target moved since staging: nothing of the whole bundle was published then. `superseded` names those whose parents moved."""

    published: Mapping[str, str] = field(default_factory=dict)
    restage: tuple[str, ...] = ()
    superseded: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Bundle:
    """What is published together. `codes` maps a code fingerprint to (unique id, code as JSON text); `fence` is the lease's
    name and token. `reasons` say by unique id why each was built; `reason` is why where that is not known."""

    staged: tuple[Staged, ...]
    run_id: str
    attempt: int
    fence: tuple[str, int]
    codes: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    materialized: Mapping[str, str] = field(default_factory=dict)
    reason: str = ""
    reasons: Mapping[str, str] = field(default_factory=dict)


def publish(lake: Lake, bundle: Bundle) -> PublishResult:
    """Publish the bundle, or nothing of it. Raises LedgerUnbalanced, FenceLost, EngineFailed, LakeConflict (after several
    tries)."""
    for staged in bundle.staged:
        if not staged.counts.balanced:
            raise LedgerUnbalanced(
                f"the row ledger of {staged.dataset} does not balance: {staged.counts}", expected="rows in = rows accounted for",
                todo="this run stops; nothing was published. Please report it",
            )  # fmt: skip
    for tried in range(COMMIT_TRIES):
        try:
            return _publish_once(lake, bundle)
        except LakeConflict:
            if tried == COMMIT_TRIES - 1:
                raise
            time.sleep(PAUSE_SECONDS * 2**tried * random.uniform(0.5, 1.0))
        except EngineFailed:
            # The commit may have landed without an answer: only the ledger knows.
            landed = _landed(lake, bundle)
            if landed is None:
                raise
            return landed
    raise AssertionError("unreachable")


def _publish_once(lake: Lake, bundle: Bundle) -> PublishResult:
    """One try in one transaction; the proof is read again afterwards."""
    tables = sorted({s.dataset for s in bundle.staged})
    result = PublishResult()
    small = len(tables) >= MANY_TABLES and all(s.counts.rows_out <= SMALL_TABLE_ROWS for s in bundle.staged)
    with (
        lake.one_thread_a_query() if small else nullcontext(),
        lake.transaction(tables, author=bundle.run_id, message=bundle.reason or "publish") as cursor,
    ):
        point("publish.after_begin")
        done = published_already(cursor, lake.name, bundle.run_id, bundle.attempt)
        todo = tuple(s for s in bundle.staged if _key(s) not in done)
        if not todo:
            return PublishResult({s.dataset: done[_key(s)] for s in bundle.staged})
        check_fence(cursor, lake.name, *bundle.fence)
        versions = newest_versions(cursor, lake.name)
        outdated = tuple(dict.fromkeys(s.dataset for s in todo if versions.get(s.dataset) != s.base_version))
        if outdated:
            return PublishResult(restage=outdated)
        result = _write(cursor, lake, bundle, todo, versions)
        point("publish.before_commit")
    point("publish.after_commit")
    _prove(lake, bundle, result)
    return result


def _write(cursor: Cursor, lake: Lake, bundle: Bundle, todo: Sequence[Staged], versions: Mapping[str, str]) -> PublishResult:
    """All data and all ledger rows of the bundle, in the open transaction."""
    new = {s.dataset: "" for s in todo}
    superseded = []
    rows = []
    at = now_iso()
    relations, shaped = dict(lake.relations()), set[str]()
    for staged in todo:
        apply_staged(cursor, lake, staged, relations, shaped)
    point("publish.after_data")
    for staged in todo:
        moved = [d for d, v in staged.inputs.items() if d in versions and d not in new and versions[d] != v]
        if moved:
            superseded.append(staged.dataset)
        version = uuid7()
        while version <= max(new.values(), default=""):  # one millisecond holds several ids: keep them in order
            version = uuid7()
        new[staged.dataset] = version
        rows.append(publication_row(cursor, lake.name, staged, bundle, version, at, superseded=bool(moved)))
    rows = [_with_own_versions(row, new) for row in rows]
    insert_rows(cursor, lake.name, "publications", rows)
    _write_codes(cursor, lake.name, bundle, todo)
    point("publish.after_ledger")
    return PublishResult(new, (), tuple(superseded))


def _with_own_versions(row: dict[str, object], new: Mapping[str, str]) -> dict[str, object]:
    """Inputs that the same bundle publishes are recorded at their new versions; what was said of the old ones ("~") goes."""
    inputs = {d: new.get(d, v) for d, v in json.loads(str(row["inputs"])).items() if d.removeprefix("~") not in new or d in new}
    return {**row, "inputs": json.dumps(inputs)}


def _write_codes(cursor: Cursor, lake: str, bundle: Bundle, todo: Sequence[Staged]) -> None:
    wanted = {s.code_fingerprint for s in todo if s.code_fingerprint in bundle.codes}
    if not wanted:
        return
    known = {r[0] for r in cursor.execute(f"SELECT code_fingerprint FROM {quote_ident(lake)}.headgate.code").fetchall()}
    rows = [{"code_fingerprint": f, "unique_id": bundle.codes[f][0], "code": bundle.codes[f][1]} for f in sorted(wanted - known)]
    insert_rows(cursor, lake, "code", rows)


def published_already(cursor: Cursor, lake: str, run_id: str, attempt: int) -> dict[tuple[str, str], str]:
    """What this run attempt has published: (dataset, interval start) -> version. A row present means done (LAKE.md 2)."""
    rows = cursor.execute(
        bind(
            f"SELECT dataset, coalesce(interval_start, ''), max(publication_id) FROM {quote_ident(lake)}.headgate.publications "
            "WHERE run_id = ? AND attempt = ? GROUP BY ALL",
            [run_id, attempt],
        ),
    ).fetchall()
    return {(r[0], r[1]): r[2] for r in rows}


def _key(staged: Staged) -> tuple[str, str]:
    return staged.dataset, staged.interval.start if staged.interval else ""


def newest_versions(cursor: Cursor, lake: str) -> dict[str, str]:
    """The version of every published dataset."""
    name = f"{quote_ident(lake)}.headgate"
    rows = cursor.execute(
        f"SELECT dataset, max(publication_id) FROM {name}.publications GROUP BY 1 UNION ALL "
        f"SELECT dataset, arg_max(load_id, committed_at) FROM {name}.loads WHERE status = 'accepted' GROUP BY 1"
    ).fetchall()
    return dict(rows)


def check_fence(cursor: Cursor, lake: str, name: str, token: int) -> None:
    """Move the fence to `token`. Raises FenceLost when a newer holder has been here; a second holder of one token is no
    newer one."""
    table = f"{quote_ident(lake)}.headgate.fences"
    row = cursor.execute(bind(f"SELECT max(token) FROM {table} WHERE name = ?", [name])).fetchone()
    stored = row[0] if row else None
    if stored is not None and stored > token:
        raise FenceLost(
            f"this writer's lease on '{name}' (token {token}) was taken over by token {stored}", expected="to be the newest holder",
            todo="nothing was published; run again",
        )  # fmt: skip
    if stored is None or stored < token:
        # A row per token, never an update: on a PostgreSQL catalog one updated row makes commits of unrelated tables conflict. Writers of
        # one table are ordered by its lock, so the newest token stands before the next of them begins.
        cursor.execute(bind(f"INSERT INTO {table} VALUES (?, ?)", [name, token]))


def attempts_published(lake: Lake, run_id: str) -> int:
    """How many attempts of a run have published something: a run that is resumed, or publishes in groups, takes the next number."""
    cursor = lake.cursor()
    try:
        row = cursor.execute(
            bind(f"SELECT max(attempt) FROM {quote_ident(lake.name)}.headgate.publications WHERE run_id = ?", [run_id])
        ).fetchone()
    finally:
        cursor.close()
    return int(row[0]) if row and row[0] is not None else 0


def newest_fence(lake: Lake, name: str) -> int:
    """The newest token that has written under `name`; 0 when none has."""
    cursor = lake.cursor()
    try:
        row = cursor.execute(
            bind(f"SELECT max(token) FROM {quote_ident(lake.name)}.headgate.fences WHERE name = ?", [name])
        ).fetchone()
    finally:
        cursor.close()
    return int(row[0]) if row and row[0] is not None else 0


def _landed(lake: Lake, bundle: Bundle) -> PublishResult | None:
    """The result of a commit that landed although it reported an error; None when it did not land, or the lake cannot say."""
    import duckdb

    try:
        cursor = lake.cursor()
        try:
            done = published_already(cursor, lake.name, bundle.run_id, bundle.attempt)
        finally:
            cursor.close()
    except duckdb.Error:
        return None  # the first error is the one to report
    if any(_key(s) not in done for s in bundle.staged):
        return None
    return PublishResult({s.dataset: done[_key(s)] for s in bundle.staged})


def _prove(lake: Lake, bundle: Bundle, result: PublishResult) -> None:
    """Read the publications again: only they are proof that COMMIT did what it said (LAKE.md 2, 3)."""
    if not result.published:
        return
    cursor = lake.cursor()
    try:
        done = published_already(cursor, lake.name, bundle.run_id, bundle.attempt)
    finally:
        cursor.close()
    missing = [s.dataset for s in bundle.staged if _key(s) not in done]
    if missing:
        raise LakeConflict(f"the commit of {', '.join(missing[:5])} was acknowledged but did not take place", todo="run again")
