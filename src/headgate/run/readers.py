"""Readers of earlier snapshots: the lease by which expiry knows of them (LAKE.md 12)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count

from headgate.ports.engine import Lake
from headgate.publish.snapshots import exists
from headgate.spec.errors import UsageError
from headgate.state import State

READER_LEASE_SECONDS = 60.0
_READER, _SNAPSHOT = "reader:", "snapshot "


@contextmanager
def held(state: State, lake: Lake, snapshot: int) -> Iterator[None]:
    """Keep expiry from `snapshot` while the context lasts; only what may be older than the retention needs it. Raises UsageError when it has
    gone."""
    # Names are used again: the state database keeps the token of every name for ever.
    lease = next(
        lease
        for number in count()
        if (lease := state.acquire(f"{_READER}{number}", f"{_SNAPSHOT}{snapshot}", READER_LEASE_SECONDS)) is not None
    )
    with state.keep(lease):
        if not exists(lake, snapshot):
            raise UsageError(f"snapshot {snapshot} has just expired", expected="one that is kept", todo="choose a later one")
        yield


def snapshots_held(state: State) -> frozenset[int]:
    """The snapshots that readers hold now."""
    return frozenset(int(lease.holder.removeprefix(_SNAPSHOT)) for lease in state.leases(_READER))
