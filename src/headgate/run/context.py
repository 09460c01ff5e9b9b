"""What every part of one run shares: the project, the lake, the state, the pinned clock, and where events go."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from headgate.extract.secrets import Secrets
from headgate.ports.engine import Lake
from headgate.ports.templates import Templates
from headgate.spec.clock import Clock, now_iso
from headgate.spec.events import Event
from headgate.spec.invocation import UNCALLED, Invocation
from headgate.spec.project import Project
from headgate.state import State

Listener = Callable[[Event], None]


@dataclass(frozen=True, slots=True)
class RunContext:
    """One run's surroundings. `listeners` are told every event at once (the terminal); the state database keeps them."""

    run_id: str
    project: Project
    templates: Templates
    lake: Lake
    state: State
    clock: Clock
    secrets: Secrets
    listeners: tuple[Listener, ...] = ()
    invocation: Invocation = UNCALLED

    @property
    def called(self) -> Invocation:
        """How the command was called, for templates; what they log or print becomes an event."""
        return replace(self.invocation, say=self.say)

    def say(self, text: str, info: bool) -> None:
        """Record what a template printed, or logged for the user's eyes."""
        if info:
            self.emit("template.said", reason=text)

    def emit(self, kind: str, **fields: Any) -> None:
        """Record that `kind` happened now; `fields` are those of `spec.events.Event`."""
        self.pass_on(Event(kind, now_iso(), run_id=self.run_id, **fields))

    def pass_on(self, event: Event) -> None:
        """Record an event that a stage has made."""
        self.state.emit(event)
        for listener in self.listeners:
            listener(event)

    def note(self, kind: str, dataset: str, reason: str, data: Mapping[str, Any] | None = None) -> None:
        """Record a sentence about a dataset."""
        self.emit(kind, dataset=dataset, reason=reason, data=data or {})
