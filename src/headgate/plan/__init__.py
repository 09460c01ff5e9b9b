"""Compare what is declared with what is recorded; return the ordered, frozen steps. No side effects, no engine."""

from __future__ import annotations

from headgate.plan.backfill import backfill
from headgate.plan.making import make
from headgate.plan.serial import plan_from_json, plan_to_json

__all__ = ["backfill", "make", "plan_from_json", "plan_to_json"]
