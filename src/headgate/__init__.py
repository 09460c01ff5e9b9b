"""Headgate: a data platform in one package. Nothing flows downstream until it passes the gate."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = ["__version__", "open"]

if TYPE_CHECKING:
    from headgate.run.session import Session


def open(project: str = ".", *, environment: str = "", **options: Any) -> Session:
    """Open the project in folder `project`: `.run()`, `.plan()`, `.query(sql)`; see `headgate.run.session.Session`."""
    from headgate.run.session import open_session

    return open_session(project, environment=environment, **options)
