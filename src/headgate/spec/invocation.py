"""How the command was called, as templates may ask it: `flags`, `invocation_args_dict`, `selected_resources`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

Say = Callable[[str, bool], None]
"""Takes a text of `log` or `print`, and whether it is for the user's eyes (`info=True`, `print`)."""


def unheard(text: str, info: bool) -> None:
    """Says nothing to nobody."""


@dataclass(frozen=True, slots=True)
class Invocation:
    """One call of a command. `which` is dbt's word for it; `selected` holds the unique ids that it chose."""

    which: str = "build"
    full_refresh: bool = False
    empty: bool = False
    store_failures: bool = False
    selected: tuple[str, ...] = ()
    arguments: Mapping[str, Any] = field(default_factory=dict)
    say: Say = unheard

    def flags(self) -> dict[str, Any]:
        """dbt's flags."""
        return {
            "WHICH": self.which,
            "FULL_REFRESH": self.full_refresh,
            "EMPTY": self.empty,
            "STORE_FAILURES": self.store_failures,
            "INTROSPECT": True,
            "FAIL_FAST": False,
            "WARN_ERROR": False,
            "USE_COLORS": False,
            "DEBUG": False,
            "QUIET": False,
            "DEFER": False,
            "FAVOR_STATE": False,
            "INDIRECT_SELECTION": "eager",
            "SEND_ANONYMOUS_USAGE_STATS": False,
            "PRINT": True,
            **{key.upper(): value for key, value in self.arguments.items()},
        }

    def args(self) -> dict[str, Any]:
        """dbt's `invocation_args_dict`."""
        return {"which": self.which, "full_refresh": self.full_refresh, "empty": self.empty, **self.arguments}


UNCALLED = Invocation()
"""What templates are told where nobody has called a command."""
