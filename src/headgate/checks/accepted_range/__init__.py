"""Check `accepted_range`: the column lies between two bounds; NULLs are ignored."""

from headgate.ports.source import Manifest, Option

MANIFEST = Manifest(
    "accepted_range",
    "the column lies between bounds",
    "headgate.checks.accepted_range.check",
    options=(
        Option("min_value", "any", "the lower bound: a number, a date as text, or an SQL expression"),
        Option("max_value", "any", "the upper bound"),
        Option("inclusive", "boolean", "the bounds themselves are accepted", default=True),
    ),
    capabilities=("column",),
)
