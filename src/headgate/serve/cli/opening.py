"""Opening a project for a command."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from headgate.spec.errors import UsageError

if TYPE_CHECKING:
    from headgate.run.session import Session


def variables_of(text: str) -> Mapping[str, Any]:
    """`--vars` as a mapping. Raises UsageError when it is not one."""
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
        raise UsageError(f"--vars is '{text}'", expected="a YAML mapping", todo="for example --vars '{day: 2026-01-01}'")
    return value


@contextmanager
def opened(project: str, environment: str, variables: str = "") -> Iterator[Session]:
    """The project's session, closed at the end."""
    from headgate.run.session import open_session

    session = open_session(project, environment=environment, variables=variables_of(variables))
    try:
        yield session
    finally:
        session.close()
