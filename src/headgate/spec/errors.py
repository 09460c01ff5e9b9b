"""Every error that Headgate raises, in one drawing.

    HeadgateError
    ├── DeclarationError      fix the project                                        exit 1
    │   └── UsageError        fix the call                                           exit 2
    ├── WorldError            source, network, engine; `retryable` says whose turn   exit 4
    │   ├── CredentialRefused    resolved again once, then the fallback
    │   ├── SourceUnavailable    network, time-out, 429, 5xx: retried with backoff
    │   ├── SourceBroken         the source answers, but wrongly: not retried
    │   ├── LakeConflict         another writer was first: staged again or retried
    │   └── EngineFailed         SQL or disk or memory
    ├── RefusedError          policy, quota, lock                                    exit 5
    │   ├── LockHeld
    │   ├── FenceLost            a newer holder has taken over: this writer stops
    │   ├── StatefulTarget       nothing stateful is recreated silently
    │   └── LedgerUnbalanced     rows in do not equal rows accounted for
    └── BugError              ours                                                   exit 70

Bad data is no exception: it is a verdict (`spec.verdicts`), and exit 3 at the edge.
A message has three parts: what happened to which thing, what was expected, what to do now.
"""

from __future__ import annotations

from dataclasses import dataclass

EXIT_DONE, EXIT_PROJECT, EXIT_CALL, EXIT_BLOCKED, EXIT_WORLD, EXIT_REFUSED, EXIT_BUG = 0, 1, 2, 3, 4, 5, 70


@dataclass(frozen=True, slots=True)
class Location:
    """A place in a file of the project: path relative to the project, line and column from 1 (column 0: whole line)."""

    file: str
    line: int = 1
    column: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" + (f":{self.column}" if self.column else "")


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One mistake (or notice) in the project's files.

    `code` is stable (`HG-D…`), `what` says what happened to which thing, `expected` what was expected,
    `todo` what to do now, `suggestion` the nearest valid spelling where there is one.
    """

    code: str
    location: Location
    what: str
    expected: str = ""
    todo: str = ""
    suggestion: str | None = None
    severity: str = "error"  # "error" | "warning" | "notice"

    def __str__(self) -> str:
        parts = [f"{self.location}: {self.what}"]
        if self.expected:
            parts.append(f"expected {self.expected}")
        if self.suggestion:
            parts.append(f"did you mean '{self.suggestion}'?")
        if self.todo:
            parts.append(self.todo)
        return "; ".join(parts) + f" [{self.code}]"


class HeadgateError(Exception):
    """Root of the tree. `what`, `expected` and `todo` are the three parts of the message; `code` is stable."""

    code = "HG-X000"
    exit_code = EXIT_BUG
    retryable = False

    def __init__(self, what: str, *, expected: str = "", todo: str = "", code: str | None = None) -> None:
        self.what, self.expected, self.todo = what, expected, todo
        if code is not None:
            self.code = code
        super().__init__(self.message)

    @property
    def message(self) -> str:
        """The three parts as one text."""
        text = self.what
        if self.expected:
            text += f"; expected {self.expected}"
        if self.todo:
            text += f". {self.todo[0].upper()}{self.todo[1:]}"
        return text


class DeclarationError(HeadgateError):
    """The project is wrong. Carries all mistakes found, not the first alone."""

    code = "HG-D000"
    exit_code = EXIT_PROJECT

    def __init__(
        self,
        what: str,
        *,
        expected: str = "",
        todo: str = "",
        code: str | None = None,
        diagnostics: tuple[Diagnostic, ...] = (),
    ) -> None:
        self.diagnostics = diagnostics
        super().__init__(what, expected=expected, todo=todo, code=code)


class UsageError(DeclarationError):
    """The call is wrong: an unknown option, a table that does not exist."""

    code = "HG-U000"
    exit_code = EXIT_CALL


class WorldError(HeadgateError):
    """Source, network or engine failed."""

    code = "HG-W000"
    exit_code = EXIT_WORLD


class CredentialRefused(WorldError):
    """The source said that the credential is not valid."""

    code = "HG-W010"


class SourceUnavailable(WorldError):
    """Network, time-out, 429 or 5xx. `retry_after` (seconds) is what the source asked for, if it did."""

    code = "HG-W020"
    retryable = True

    def __init__(self, what: str, *, expected: str = "", todo: str = "", retry_after: float | None = None) -> None:
        self.retry_after = retry_after
        super().__init__(what, expected=expected, todo=todo)


class SourceBroken(WorldError):
    """The source answers, but what it answers cannot be used; trying again would not help."""

    code = "HG-W030"


class LakeConflict(WorldError):
    """Another writer committed first."""

    code = "HG-W040"
    retryable = True


class EngineFailed(WorldError):
    """SQL, disk or memory of the engine."""

    code = "HG-W050"


class RefusedError(HeadgateError):
    """Policy, quota or a lock said no."""

    code = "HG-R000"
    exit_code = EXIT_REFUSED


class LockHeld(RefusedError):
    """Another process holds what this one needs, and waited-for time is over."""

    code = "HG-R010"


class FenceLost(RefusedError):
    """A newer holder has taken over; whatever this writer staged is not published."""

    code = "HG-R020"


class StatefulTarget(RefusedError):
    """A stateful target (incremental table, snapshot, stream) is missing or altered; nothing recreates it silently."""

    code = "HG-R030"


class LedgerUnbalanced(RefusedError):
    """Rows in do not equal rows out plus the rows that are accounted for."""

    code = "HG-R040"


class BugError(HeadgateError):
    """A mistake of ours: please report it."""

    code = "HG-B000"
    exit_code = EXIT_BUG
