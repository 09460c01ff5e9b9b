"""Opening a project for a command."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich.markup import escape

from headgate.spec.errors import UsageError

if TYPE_CHECKING:
    from headgate.run.session import Session
    from headgate.serve.cli.screen import Screen

LOG = "HEADGATE_LOG"
"""`json` or `text`, and from which level on (`json:warning`; info without one): events as log lines on standard error."""


def variables_of(text: str, option: str = "--vars") -> Mapping[str, Any]:
    """`--vars` (or another option of its kind) as a mapping. Raises UsageError when it is not one."""
    if not text:
        return {}
    import yaml

    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError as error:
        problem = " ".join(str(getattr(error, "problem", None) or error).split())
        raise UsageError(
            f"--vars '{text}' cannot be read: {problem}", expected="a YAML mapping", todo="for example --vars '{day: 2026-01-01}'"
        ) from error
    if not isinstance(value, dict):
        raise UsageError(f"{option} is '{text}'", expected="a YAML mapping", todo="for example --vars '{day: 2026-01-01}'")
    return value


@contextmanager
def opened(project: str, environment: str, variables: str = "") -> Iterator[Session]:
    """The project's session, closed at the end."""
    from headgate.run.session import open_session

    session = open_session(project, environment=environment, variables=variables_of(variables))
    try:
        _log(session)
        yield session
    finally:
        session.close()


def logged() -> bool:
    """Whether events are written as log lines, which are for programs: then no others are written beside them."""
    return bool(os.environ.get(LOG))


def _log(session: Session) -> None:
    """Write the session's events as log lines if that is asked for. Raises UsageError for a style or level that there is not."""
    if not logged():
        return
    from headgate.state import logs

    style, _, level = os.environ[LOG].partition(":")
    if style not in ("json", "text"):
        raise UsageError(f"{LOG} is '{os.environ[LOG]}'", expected="json or text, and a level: json:warning")
    logs.configure(level=level or "info", as_json=style == "json", redact=session.secrets.redactor)
    session.listeners = (logs.write_event,)


@contextmanager
def leaving(screen: Screen) -> Iterator[None]:
    """Around the writing of artifacts: what is done is done, so that they cannot be written is told, and is no failure of the command."""
    try:
        yield
    except OSError as error:
        screen.say(f"[yellow]The artifacts are not written:[/yellow] {escape(str(error))}")
