"""What every artifact says of the call that made it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

SCHEMAS = "https://schemas.getdbt.com/dbt"
SPOKEN = "1.10.0"
"""The dbt whose shapes these are: tools read `dbt_version` to know what to expect."""
_ENV_PREFIX = "DBT_ENV_CUSTOM_ENV_"


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a command: `which` is dbt's word for it, moments are in seconds since 1970."""

    which: str
    invocation_id: str
    started: float
    generated: float


def metadata(artifact: str, version: int, call: Call) -> dict[str, Any]:
    """The metadata of an artifact: manifest, run-results, sources or catalog."""
    return {
        "dbt_schema_version": f"{SCHEMAS}/{artifact}/v{version}.json",
        "dbt_version": SPOKEN,
        "generated_at": iso(call.generated),
        "invocation_id": call.invocation_id,
        "invocation_started_at": iso(call.started),
        "env": custom_env(),
    }


def custom_env() -> dict[str, str]:
    """Environment variables that are meant for artifacts, without their prefix."""
    return {key.removeprefix(_ENV_PREFIX): value for key, value in os.environ.items() if key.startswith(_ENV_PREFIX)}


def iso(seconds: float) -> str:
    """A moment in UTC as artifacts have it."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
