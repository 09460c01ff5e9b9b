"""The lake as it stands at one snapshot: what an answer of several queries reads, so that no publish comes between them (LAKE.md 11)."""

from __future__ import annotations

from headgate.engines.duckdb.connection import attach
from headgate.engines.duckdb.lake import DuckLake
from headgate.engines.duckdb.ledger import read_recorded
from headgate.spec.names import quote_ident
from headgate.spec.project import LakeSpec
from headgate.spec.recorded import Recorded


def can_stand_still(spec: LakeSpec) -> bool:
    """Whether the lake that `spec` declares keeps earlier snapshots; told without opening it."""
    return not spec.catalog.startswith("duckdb:")


class StillLake(DuckLake):
    """A lake attached at the snapshot that was the newest when it was opened or last moved; every cursor of it, and every view, sees that one.

    The engine keeps such a lake read-only; nothing is ever published through it. The catalog's own tables are those of now: they are asked
    for what was there at the snapshot.
    """

    def __init__(self, spec: LakeSpec, root: str) -> None:
        self._at = -1
        super().__init__(spec, root)

    def _attach(self, read_only: bool) -> None:
        super()._attach(read_only=False)  # a project that never ran has its lake made here
        self.move()

    def move(self, to: int | None = None) -> None:
        """Stand at the newest snapshot, or at `to`. No cursor may be open."""
        snapshot = super().snapshot() if to is None else to
        if snapshot == self._at:
            return
        self._connection.execute("USE memory")  # a workspace that was closed has left the lake as the default
        self._connection.execute(f"DETACH {quote_ident(self.name)}")
        attach(self._connection, self.spec, snapshot=snapshot)
        self._at, self._known = snapshot, None

    def snapshot(self) -> int:
        """The id of the snapshot at which this lake stands."""
        return self._at

    def recorded(self) -> Recorded:
        """The ledger as of the snapshot."""
        with self._read() as cursor:
            return read_recorded(cursor, self.name, self._at, self.relations(), self._row_bytes(cursor))

    def _kinds(self) -> dict[str, str]:
        """Relations that had begun and not ended at the snapshot."""
        metadata = quote_ident("__ducklake_metadata_" + self.name)
        there = " AND ".join(
            f"{of}.begin_snapshot <= {self._at} AND coalesce({of}.end_snapshot, {self._at + 1}) > {self._at}" for of in "rs"
        )
        sql = " UNION ALL ".join(
            f"SELECT s.schema_name, r.{kind}_name, '{kind}' FROM {metadata}.ducklake_{kind} r JOIN {metadata}.ducklake_schema s "
            f"USING (schema_id) WHERE {there}"
            for kind in ("table", "view")
        )
        with self._read() as cursor:
            return {f"{schema}.{name}": str(kind) for schema, name, kind in cursor.execute(sql).fetchall()}
