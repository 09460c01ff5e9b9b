"""Plans as JSON and back, exactly: for the run's record, for `-o json`, for `run --resume`."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from headgate.spec.staged import Interval
from headgate.spec.steps import ColumnChange, Estimate, Plan, Step


def plan_to_json(plan: Plan) -> str:
    """The plan as compact JSON with the names of its fields."""
    return json.dumps(asdict(plan), ensure_ascii=False, separators=(",", ":"))


def plan_from_json(text: str) -> Plan:
    """The inverse of `plan_to_json`."""
    values: dict[str, Any] = json.loads(text)
    return Plan(**{**values, "steps": tuple(_step(step) for step in values["steps"])})


def _step(values: dict[str, Any]) -> Step:
    return Step(
        **{
            **values,
            "intervals": tuple(Interval(**interval) for interval in values["intervals"]),
            "depends_on": tuple(values["depends_on"]),
            "column_changes": tuple(ColumnChange(**change) for change in values["column_changes"]),
            "consumers": {dataset: tuple(columns) for dataset, columns in values["consumers"].items()},
            "estimate": Estimate(**values["estimate"]),
            "conditional": tuple(values["conditional"]),
            "same_as": {version: tuple(columns) for version, columns in values["same_as"].items()},
        }
    )
