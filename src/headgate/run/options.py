"""What a caller may ask of a run."""

from __future__ import annotations

from dataclasses import dataclass

from headgate.run.context import Listener


@dataclass(frozen=True, slots=True)
class RunOptions:
    """`select`/`exclude` in dbt's grammar; `interval_from`/`interval_to` bound the intervals of models that have any (ISO).

    `resume_from` is the run whose staged work is taken over (its id is not: what it published, it published).
    `threads` is how many steps run at once; `wait_seconds` how long to wait for another run of the same environment.
    """

    select: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    full_refresh: bool = False
    interval_from: str | None = None
    interval_to: str | None = None
    resume_from: str | None = None
    land: bool = True
    fail_fast: bool = False
    threads: int = 2
    wait_seconds: float = 3600.0
    listeners: tuple[Listener, ...] = ()
