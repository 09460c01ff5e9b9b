"""`row_count` as an aggregate."""

from headgate.ports.check import CheckContext, CompiledCheck
from headgate.spec.project import CheckSpec


def compile(spec: CheckSpec, context: CheckContext) -> CompiledCheck:
    """Fails when the count is outside the bounds."""
    low, high = int(spec.arguments.get("min_value", 1)), spec.arguments.get("max_value")
    failed = f"value < {low}" + (f" OR value > {int(high)}" if high is not None else "")
    bounds = f"at least {low:,}" + (f" and at most {int(high):,}" if high is not None else "")
    return CompiledCheck(aggregate="count(*)", failed_when=failed, message=f"row count is not {bounds}")
