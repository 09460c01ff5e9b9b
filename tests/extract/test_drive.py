"""Driving a source: what is tried again and after how long, what is not, and when a source is left alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from headgate.extract.breaker import MemoryBreaker
from headgate.extract.drive import Started, start
from headgate.extract.retry import Policy
from headgate.extract.secrets import Secrets
from headgate.spec.errors import (
    CredentialRefused,
    DeclarationError,
    HeadgateError,
    LakeConflict,
    SourceBroken,
    SourceUnavailable,
    WorldError,
)
from headgate.spec.ids import uuid7
from headgate.spec.positions import Position
from headgate.state.opening import open_state
from sources.lakes import Trial, source_table


@pytest.fixture
def trial(tmp_path: Path) -> Iterator[Trial]:
    trial = Trial(tmp_path, root=str(tmp_path))
    yield trial
    trial.close()


def table(trial: Trial, code: str = "yield {'a': 1}", **fields: Any) -> Any:
    body = code.replace("\n", "\n    ")
    (Path(trial.root) / "given.py").write_text(f"def rows(context):\n    {body}\n")
    return source_table("given", "python", options={"function": "given.py:rows"}, **fields)


def failing(trial: Trial, errors: list[Exception]) -> Callable[[Started | None, int], int]:
    """Work that stages one batch, then meets the next error; lands when there is none left."""

    def work(extraction: Started | None, attempt: int) -> int:
        assert extraction is not None
        next(iter(extraction.batches()))
        if errors:
            raise errors.pop(0)
        return trial.lake.land(extraction, trial_table.relation)

    trial_table = source_table("given", "python")
    return work


def test_an_unavailable_source_is_asked_again_and_no_row_doubles(trial: Trial) -> None:
    errors: list[Exception] = [SourceUnavailable("down"), LakeConflict("first"), SourceUnavailable("down")]
    assert trial.drive(table(trial)).attempts(failing(trial, errors), Position()) == 1
    assert [(e.kind, e.attempt) for e in trial.events] == [("source.retried", n) for n in (1, 2, 3)]
    assert trial.lake.rows(table(trial)) == [(1,)]


@pytest.mark.parametrize("error", [SourceBroken("no"), DeclarationError("no"), WorldError("no")])
def test_what_waiting_cannot_help_is_not_tried_again(trial: Trial, error: HeadgateError) -> None:
    with pytest.raises(type(error)):
        trial.drive(table(trial)).attempts(failing(trial, [error]), Position())
    assert not trial.waited


def test_the_declared_retries_are_the_limit(trial: Trial) -> None:
    errors: list[Exception] = [SourceUnavailable("down") for _ in range(10)]
    with pytest.raises(SourceUnavailable):
        trial.drive(table(trial, retries=3)).attempts(failing(trial, errors), Position())
    assert len(errors) == 6 and len(trial.waited) == 3


def test_waits_grow_are_jittered_capped_and_never_shorter_than_asked() -> None:
    full, none = Policy(draw=lambda: 1.0), Policy(draw=lambda: 0.0)
    down = SourceUnavailable("down")
    assert [full.delay(n, down) for n in range(1, 9)] == [0.5, 1, 2, 4, 8, 16, 30, 30]
    assert none.delay(5, down) == 0
    assert none.delay(1, SourceUnavailable("slow down", retry_after=7)) == 7
    assert none.delay(1, SourceUnavailable("slow down", retry_after=7200)) is None
    assert full.delay(1, SourceBroken("no")) is None


def test_a_failing_source_is_left_alone_then_tried_by_one_and_taken_back(trial: Trial) -> None:
    now = [0.0]
    trial.breaker = MemoryBreaker(threshold=2, pause_seconds=60, clock=lambda: now[0])
    down = table(trial, "raise ConnectionError('down')\nyield", retries=0)
    for _ in range(2):
        with pytest.raises(SourceUnavailable, match="down"):
            trial.load(down)
    with pytest.raises(SourceUnavailable, match="circuit breaker open"):
        trial.load(table(trial))
    now[0] = 61
    assert trial.load(table(trial)) == 1
    assert [e.status for e in trial.events if e.kind == "source.circuit"] == ["open", "half_open", "closed"]
    assert trial.load(table(trial, "yield {'a': 2}")) == 1


def test_the_state_database_keeps_the_breaker_between_processes(trial: Trial, tmp_path: Path) -> None:
    down = table(trial, "raise ConnectionError('down')\nyield", retries=0)
    for _ in range(5):
        with open_state(f"sqlite:///{tmp_path}/state.db") as state:
            trial.breaker = state  # type: ignore[assignment]
            with pytest.raises(SourceUnavailable):
                trial.load(down)
    with open_state(f"sqlite:///{tmp_path}/state.db") as state:
        trial.breaker = state  # type: ignore[assignment]
        with pytest.raises(SourceUnavailable, match="circuit breaker open"):
            trial.load(table(trial))


def test_a_broken_source_opens_no_breaker(trial: Trial) -> None:
    trial.breaker = MemoryBreaker(threshold=1)
    with pytest.raises(SourceBroken):
        trial.load(table(trial, "raise ValueError('no')\nyield"))
    assert trial.load(table(trial)) == 1


def test_a_credential_refused_half_way_is_resolved_once_more_and_no_more(trial: Trial) -> None:
    errors: list[Exception] = [CredentialRefused("rotated")]
    assert trial.drive(table(trial)).attempts(failing(trial, errors), Position()) == 1
    errors = [CredentialRefused("rotated") for _ in range(5)]
    with pytest.raises(CredentialRefused):
        trial.drive(table(trial)).attempts(failing(trial, errors), Position())
    assert len(errors) == 3


def test_each_attempt_is_closed_and_leaves_no_file(trial: Trial, tmp_path: Path) -> None:
    folder = tmp_path / "staged"
    folder.mkdir()
    errors: list[Exception] = [SourceUnavailable("down") for _ in range(2)]
    drive = trial.drive(table(trial), staging_path=str(folder))
    assert drive.attempts(failing(trial, errors), Position()) == 1
    assert list(folder.iterdir()) == []


def test_an_error_of_a_connector_that_nobody_foresaw_has_a_name_and_no_secret(
    trial: Trial, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HG_PW", "hunter22")
    spec = table(trial, "raise RuntimeError('with ' + context.connection)\nyield", connection="${env:HG_PW}")
    with pytest.raises(SourceBroken, match=r"RuntimeError: with \[redacted\]"):
        trial.load(spec)


def test_a_table_without_a_connector_says_so(trial: Trial) -> None:
    from dataclasses import replace

    bare = replace(source_table("t", "python"), connector=None)
    with pytest.raises(DeclarationError, match="no connector"):
        start(bare, Position(), trial.lake, load_id=uuid7(), secrets=Secrets(), state_breaker=MemoryBreaker())  # type: ignore[arg-type]
    with pytest.raises(DeclarationError, match="there is no source 'nonsense'"):
        trial.load(replace(bare, connector="nonsense"))
