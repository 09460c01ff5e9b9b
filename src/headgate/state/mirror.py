"""The mirror of the lake's ledger, trusted only while the lake's snapshot is the same."""

from __future__ import annotations

from sqlalchemy import Connection, Table, delete, insert, select

from headgate.spec.clock import now_iso
from headgate.spec.recorded import Recorded
from headgate.state.database import Area
from headgate.state.recorded_json import recorded_from_json, recorded_to_json
from headgate.state.tables import mirror


class MirrorTables(Area):
    """Save and load the mirror."""

    def save_mirror(self, lake: str, snapshot: int, recorded: Recorded) -> None:
        """Keep `recorded` as the ledger of lake `lake` at `snapshot`; an older one is replaced, a newer one stays."""
        text = recorded_to_json(recorded)
        with self._database.write() as connection:
            known = connection.execute(select(mirror.c.snapshot).where(mirror.c.lake == lake)).scalar()
            if known is not None and known > snapshot:
                return
            _replace(connection, mirror, {"lake": lake}, {"snapshot": snapshot, "recorded": text, "at": now_iso()})

    def load_mirror(self, lake: str, snapshot: int) -> Recorded | None:
        """The ledger of `lake` if it was mirrored at exactly `snapshot`, else None."""
        wanted = (mirror.c.lake == lake, mirror.c.snapshot == snapshot)
        with self._database.read() as connection:
            text = connection.execute(select(mirror.c.recorded).where(*wanted)).scalar()
        return None if text is None else recorded_from_json(text)

    def forget_mirror(self) -> None:
        """Drop every mirror: after a restore, which may bring an old snapshot's content back."""
        with self._database.write() as connection:
            connection.execute(delete(mirror))


def _replace(connection: Connection, table: Table, key: dict[str, object], values: dict[str, object]) -> None:
    name, value = next(iter(key.items()))
    connection.execute(delete(table).where(table.c[name] == value))
    connection.execute(insert(table).values(**key, **values))
