"""Make the control tables: runs, steps, events, verdicts, leases, breakers and mirror."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def _text(*names: str) -> list[sa.Column[Any]]:
    return [sa.Column(name, sa.Text, nullable=False) for name in names]


def _maybe(kind: Any, *names: str) -> list[sa.Column[Any]]:
    return [sa.Column(name, kind) for name in names]


def _integers(*names: str) -> list[sa.Column[Any]]:
    return [sa.Column(name, sa.Integer, nullable=False) for name in names]


def upgrade() -> None:
    """Create every table and index of the first version."""
    _runs()
    _facts()
    _control()


def _runs() -> None:
    op.create_table(
        "runs",
        sa.Column("run_id", sa.Text, primary_key=True),
        *_text("project", "environment", "command", "args", "status", "reason", "host"),
        *_integers("pid"),
        *_text("process_started", "started_at", "heartbeat_at"),
        *_maybe(sa.Text, "finished_at"),
        *_maybe(sa.Double, "seconds"),
        *_maybe(sa.BigInteger, "snapshot"),
        *_integers("nothing_to_do"),
    )
    op.create_index("runs_by_status", "runs", ["status", "run_id"])
    op.create_index("runs_by_environment", "runs", ["environment", "run_id"])
    op.create_table("run_plans", sa.Column("run_id", sa.Text, primary_key=True), *_text("plan"))
    op.create_table(
        "steps",
        sa.Column("run_id", sa.Text, primary_key=True),
        sa.Column("unique_id", sa.Text, primary_key=True),
        *_text("dataset", "action"),
        *_integers("attempt"),
        *_text("status", "reason"),
        sa.Column("rows", sa.BigInteger, nullable=False),
        sa.Column("seconds", sa.Double, nullable=False),
        *_maybe(sa.Text, "version"),
        *_text("started_at"),
        *_maybe(sa.Text, "finished_at"),
    )
    op.create_index("steps_by_node", "steps", ["unique_id", "run_id"])


def _facts() -> None:
    op.create_table(
        "events",
        sa.Column("id", _NUMBER, primary_key=True, autoincrement=True),
        *_text("at", "kind", "run_id", "step"),
        *_integers("attempt"),
        *_text("dataset", "status", "reason"),
        *_maybe(sa.BigInteger, "rows", "bytes"),
        *_maybe(sa.Double, "cpu_seconds", "seconds"),
        *_maybe(sa.BigInteger, "snapshot"),
        *_text("data"),
    )
    op.create_index("events_by_run", "events", ["run_id", "id"])
    op.create_index("events_by_kind", "events", ["kind", "id"])
    op.create_index("events_by_dataset", "events", ["dataset", "id"])
    op.create_index("events_by_time", "events", ["at"])
    op.create_table(
        "verdicts",
        sa.Column("id", _NUMBER, primary_key=True, autoincrement=True),
        *_text("run_id", "at", "dataset", "check_id", "name", "outcome"),
        sa.Column("failures", sa.BigInteger, nullable=False),
        sa.Column("rows", sa.BigInteger, nullable=False),
        *_text("scope"),
        *_maybe(sa.Text, "column_name"),
        *_text("message", "sample", "sql"),
        sa.Column("seconds", sa.Double, nullable=False),
    )
    op.create_index("verdicts_by_dataset", "verdicts", ["dataset", "id"])
    op.create_index("verdicts_by_run", "verdicts", ["run_id", "id"])
    op.create_index("verdicts_by_time", "verdicts", ["at"])


def _control() -> None:
    op.create_table(
        "leases",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("token", sa.BigInteger, nullable=False),
        *_maybe(sa.Text, "holder", "host"),
        *_maybe(sa.Integer, "pid"),
        *_maybe(sa.Text, "process_started", "acquired_at", "expires_at"),
    )
    op.create_table(
        "breakers",
        sa.Column("source", sa.Text, primary_key=True),
        *_text("state"),
        *_integers("failures"),
        *_maybe(sa.Text, "opened_at", "next_try_at"),
        *_text("reason"),
    )
    op.create_table(
        "mirror",
        sa.Column("lake", sa.Text, primary_key=True),
        sa.Column("snapshot", sa.BigInteger, nullable=False),
        *_text("recorded", "at"),
    )
