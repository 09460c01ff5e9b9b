"""Check `row_count`: the table (for a source: the load) has between `min_value` and `max_value` rows."""

from headgate.ports.source import Manifest, Option

MANIFEST = Manifest(
    "row_count",
    "the number of rows lies between bounds",
    "headgate.checks.row_count.check",
    options=(
        Option("min_value", "number", "at least so many rows", default=1),
        Option("max_value", "number", "at most so many rows"),
    ),
)
