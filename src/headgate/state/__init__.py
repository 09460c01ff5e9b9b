"""The control tables: runs, events, verdicts, leases, breakers, and the mirror of the lake's ledger.

`open_state` is the way in. `quick` answers a run with nothing to do without any heavy import, which is why the names of this
package are looked up only when they are asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from headgate.state.opening import State, open_state

__all__ = ["State", "open_state"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        from headgate.state import opening

        return getattr(opening, name)
    raise AttributeError(f"module 'headgate.state' has no attribute '{name}'")
