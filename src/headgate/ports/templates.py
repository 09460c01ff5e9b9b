"""Rendering of the project's Jinja, done by `declare` and used by `transform` and `gate` through this port."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol


class Templates(Protocol):
    """The sandboxed Jinja environment with the project's and packages' macros.

    `render` renders a node's or check's code (`unique_id`) with `runtime` names over the parse-time ones: the caller gives
    `ref`, `source`, `this`,
    `is_incremental`, `config`, `execute`, `run_query`, `adapter`, `model`, `target`, `run_started_at`… Raises
    DeclarationError with the
    template's file:line. `render_text` does the same for a text (hooks, where clauses). `call_macro` calls a macro by name.
    `macro_texts` gives every file of macros: package, path within the package, text.
    """

    def render(self, unique_id: str, runtime: Mapping[str, Any]) -> str: ...
    def render_text(self, text: str, runtime: Mapping[str, Any], *, where: str) -> str: ...
    def call_macro(self, name: str, arguments: Mapping[str, Any], runtime: Mapping[str, Any]) -> Any: ...
    def has_macro(self, name: str) -> bool: ...
    def macro_texts(self) -> tuple[tuple[str, str, str], ...]: ...
    def materialization(self, name: str, strategy: str = "") -> str | None: ...
