"""Drive a source: resolve its secrets, open its connector, ask again when that may help, and leave it alone when it keeps
failing.

`start` opens one extraction. `attempts` does a whole piece of work over it (staging its batches) and does it again from a fresh
extraction when the source fails half-way: the work must discard what a failed attempt has staged. Nothing here keeps rows or
positions.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import duckdb

from headgate.extract.breaker import Breaker, Standing
from headgate.extract.extensions import load_extension
from headgate.extract.retry import Policy
from headgate.extract.secrets import Redactor, Secrets
from headgate.ports import plugins
from headgate.ports.engine import Cursor, Lake
from headgate.ports.source import Batch, Extraction, ExtractRequest
from headgate.spec.clock import now_iso
from headgate.spec.errors import (
    BugError,
    CredentialRefused,
    DeclarationError,
    EngineFailed,
    HeadgateError,
    SourceUnavailable,
    WorldError,
)
from headgate.spec.events import Event
from headgate.spec.positions import RAW_COLUMNS, Position
from headgate.spec.project import SourceTable

T = TypeVar("T")


def _nobody(event: Event) -> None:
    """A listener that does not listen."""


class Started:
    """A running extraction (`ports.source.StartedExtraction`): what it raises is classified and free of secrets."""

    def __init__(self, inner: Extraction, drive: Drive, cursor: Cursor, staging: str | None) -> None:
        self.load_id = drive.load_id
        self._inner, self._drive, self._cursor, self._staging = inner, drive, cursor, staging

    @property
    def notes(self) -> tuple[str, ...]:
        """What the source's owner should know about what was read."""
        return tuple(self._drive.secrets.redactor(note) for note in getattr(self._inner, "notes", ()))

    @property
    def released(self) -> tuple[str, ...]:
        """Blocked units that are gone, or stand again as they were accepted."""
        return tuple(getattr(self._inner, "released", ()))

    def batches(self) -> Iterator[Batch]:
        """The batches. Raises HeadgateErrors only."""
        try:
            yield from self._inner.batches()
        except Exception as error:  # the boundary to a plug-in: whatever it raises gets a name
            raise self.explain(error) from None

    def position(self) -> Position:
        """Where the source stands after all batches."""
        try:
            return self._inner.position()
        except Exception as error:  # the boundary to a plug-in
            raise self.explain(error) from None

    def explain(self, error: Exception) -> HeadgateError:
        """What `error`, met by the plug-in or by the engine over one of its batches, means; redacted."""
        return self._drive.explain(error)

    def close(self) -> None:
        """Free connections and downloads; closing twice does no harm. Errors of a connection that is broken anyway are not
        told.
        """
        try:
            self._inner.close()
        except (
            Exception
        ) as error:  # the boundary to a plug-in: the rows are read or the attempt is lost, either way this decides nothing
            self._drive.tell("source.noted", reason=f"closing the connection failed: {self.explain(error)}")
        finally:
            self._cursor.close()
            if self._staging is not None:
                shutil.rmtree(self._staging, ignore_errors=True)
                self._staging = None


@dataclass(frozen=True)
class Drive:
    """How one source table is driven. `lake` gives cursors of the DuckDB instance on which the batches will run.

    `staging_path` is a folder for downloads; without it each extraction has its own: below the project's folder of runs, named
    after `run_id`, so that the clean-up finds what a killed process left there, or a temporary one. `on_event` hears of retries,
    credentials and the circuit breaker; the events have no run id, which the caller adds.
    """

    table: SourceTable
    lake: Lake
    load_id: str
    secrets: Secrets
    state_breaker: Breaker
    policy: Policy = field(default_factory=Policy)
    full: bool = False
    since: str | None = None
    until: str | None = None
    on_event: Callable[[Event], None] = _nobody
    project_root: str = "."
    staging_path: str | None = None
    run_id: str | None = None

    def start(self, position: Position) -> Started | None:
        """Open the source; asked again by the rules of `policy`. None: there is nothing new."""
        return self.attempts(lambda extraction, attempt: extraction, position, close=False)

    def attempts(self, work: Callable[[Started | None, int], T], position: Position, *, close: bool = True) -> T:
        """Do `work(extraction, attempt)` until it succeeds, at most `table.retries` times more than once.

        Raises the error of the last attempt: CredentialRefused, SourceUnavailable (also without trying, when the breaker is
        open), SourceBroken, EngineFailed, DeclarationError, or what `work` itself raises.
        """
        standing = self._ask_breaker()
        failures, refused = 0, False
        while True:
            try:
                result = self._attempt(work, position, failures + 1, close)
            except HeadgateError as error:
                failures += 1
                again = isinstance(error, CredentialRefused) and error.code == MID_EXTRACTION and not refused
                refused = refused or again
                delay = 0.0 if again else self.policy.delay(failures, error)
                if delay is None or failures > self.table.retries:
                    self._give_up(error, standing)
                    raise self.secrets.redactor.error(error) from None
                self._again(error, failures, delay)
            else:
                if close:
                    self._worked(standing)
                return result

    def _attempt(self, work: Callable[[Started | None, int], T], position: Position, attempt: int, close: bool) -> T:
        extraction = self._open_by_credentials(position)
        try:
            return work(extraction, attempt)
        except (HeadgateError, duckdb.Error) as error:
            told = error if isinstance(error, HeadgateError) else self.explain(error)
            if isinstance(told, CredentialRefused):
                told.code = MID_EXTRACTION
            raise told from None
        finally:
            if extraction is not None and close:
                extraction.close()

    def _open_by_credentials(self, position: Position) -> Started | None:
        """Open with the connection; refused, with its secrets resolved again; refused again, with the fallback."""
        try:
            return self._open(position, self.table.connection)
        except CredentialRefused as error:
            self.tell("source.credential", status="refused", reason=f"{error.what}; its secrets are resolved again")
        try:
            return self._open(position, self.table.connection)
        except CredentialRefused as error:
            if self.table.fallback_connection is None:
                self.tell("source.credential", status="refused", reason=f"{error.what}; no fallback_connection is declared")
                raise
            self.tell("source.credential", status="fallback", reason=f"{error.what}; the fallback_connection is used")
        return self._open(position, self.table.fallback_connection)

    def _open(self, position: Position, connection: Any) -> Started | None:
        """Open the plug-in once. Raises HeadgateErrors only."""
        module = plugins.load("sources", str(self.table.connector))
        resolved = self.secrets.resolve(connection)
        cursor: Cursor = self.lake.cursor()
        own = None if self.staging_path is not None else self._own_folder()
        try:
            extraction = module.open(self._request(position, cursor, resolved, self.staging_path or str(own)))
        except Exception as error:  # the boundary to a plug-in: whatever it raises gets a name
            _drop(cursor, own)
            raise self.explain(error) from None
        if extraction is None:
            _drop(cursor, own)
            return None
        return Started(extraction, self, cursor, own)

    def _own_folder(self) -> str:
        if self.run_id is None:
            return tempfile.mkdtemp(prefix="headgate-")
        runs = Path(self.project_root) / ".headgate" / "runs"
        runs.mkdir(parents=True, exist_ok=True)
        return tempfile.mkdtemp(prefix=f"{self.run_id}-extract-", dir=runs.resolve())

    def _request(self, position: Position, cursor: Cursor, connection: Any, staging: str) -> ExtractRequest:
        columns = self.lake.columns(self.table.relation)
        place = {name for name, _ in RAW_COLUMNS}
        return ExtractRequest(
            table=self.table,
            position=position,
            cursor=cursor,
            load_extension=lambda name: load_extension(cursor, name),
            connection=connection,
            staging_path=staging,
            load_id=self.load_id,
            known_columns={c.name: c.type for c in columns or () if c.name not in place},
            full=self.full,
            since=self.since,
            until=self.until,
            project_root=self.project_root,
            raw_sql=None if columns is None else self.table.relation.sql(self.lake.name),
        )

    def explain(self, error: Exception) -> HeadgateError:
        """`error` as one of the four families, with all that is known to be secret blackened."""
        redactor: Redactor = self.secrets.redactor
        if isinstance(error, HeadgateError):
            return redactor.error(error)
        module = plugins.load("sources", str(self.table.connector))
        told = module.explain(error, self.table) if hasattr(module, "explain") else None
        if told is None:
            told = self._unexplained(error)
        return redactor.error(told)

    def _unexplained(self, error: Exception) -> HeadgateError:
        name = f"table '{self.table.name}' of source '{self.table.source}'"
        if isinstance(error, duckdb.Error):
            return EngineFailed(
                f"reading {name} failed in the engine: {error}", todo="look at the message; disk and memory are the usual causes"
            )
        if isinstance(error, ConnectionError | TimeoutError):
            return SourceUnavailable(f"{name} does not answer: {error}", todo="look whether the source is up")
        if isinstance(error, OSError):
            return WorldError(f"reading {name} failed: {error}", todo="look at the file or folder named")
        return BugError(
            f"connector '{self.table.connector}' failed on {name} with {type(error).__name__}: {error}",
            todo="report this with the project's log",
        )

    def tell(self, kind: str, *, reason: str, status: str = "", attempt: int = 1, **data: Any) -> None:
        """Emit an event about this table, redacted."""
        reason, dataset = self.secrets.redactor(reason), str(self.table.relation)
        self.on_event(Event(kind, now_iso(), "", self.table.unique_id, attempt, dataset, status, reason, data=data))

    def _ask_breaker(self) -> Standing:
        standing = self.state_breaker.ask_source(self.table.source)
        if standing.may_try:
            if standing.state != "closed":
                self.tell("source.circuit", status=standing.state, reason="the pause is over: one trial is let through")
            return standing
        why = f"failed {standing.failures} times in a row and is left alone (circuit breaker open): {standing.reason}"
        raise SourceUnavailable(
            f"source '{self.table.source}' {why}",
            expected=f"a next try at {standing.next_try_at} (UTC)",
            todo="mend the source, or wait for the next try",
        )

    def _again(self, error: HeadgateError, failures: int, delay: float) -> None:
        told: dict[str, Any] = {"delay_seconds": round(delay, 3), "code": error.code, "attempts_max": self.table.retries + 1}
        self.tell("source.retried", reason=error.message, status="retried", attempt=failures, **told)
        self.policy.sleep(delay)

    def _give_up(self, error: HeadgateError, before: Standing) -> None:
        if not isinstance(error, SourceUnavailable | CredentialRefused):
            return
        after = self.state_breaker.source_failed(self.table.source, self.secrets.redactor(error.what))
        if after.state != before.state:
            self.tell("source.circuit", status=after.state, reason=f"failed {after.failures} times in a row: {error.what}")

    def _worked(self, before: Standing) -> None:
        if before.failures:
            self.state_breaker.source_succeeded(self.table.source)
        if before.state != "closed":
            self.tell("source.circuit", status="closed", reason="the source answers again")


MID_EXTRACTION = "HG-W011"
"""CredentialRefused after the connection was open: the secret was rotated meanwhile, and one more attempt resolves it anew."""


def _drop(cursor: Cursor, folder: str | None) -> None:
    cursor.close()
    if folder is not None:
        shutil.rmtree(folder, ignore_errors=True)


def start(table: SourceTable, position: Position, lake: Lake, **terms: Any) -> Started | None:
    """Open one extraction of `table` from `position`: `Drive(table, lake, **terms).start(position)`. None: nothing new."""
    if table.connector is None:
        raise DeclarationError(
            f"table '{table.name}' of source '{table.source}' has no connector",
            todo="declare connector:, or fill it by other means",
        )
    return Drive(table, lake, **terms).start(position)


def attempts(work: Callable[[Started | None, int], T], table: SourceTable, position: Position, lake: Lake, **terms: Any) -> T:
    """Do `work` over fresh extractions of `table` until it succeeds: `Drive(table, lake, **terms).attempts(work, position)`."""
    return Drive(table, lake, **terms).attempts(work, position)
