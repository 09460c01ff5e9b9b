"""Check `accepted_values`: the column holds one of the declared values, or NULL (dbt's generic test)."""

from headgate.ports.source import Manifest, Option

MANIFEST = Manifest(
    "accepted_values",
    "the column holds only declared values",
    "headgate.checks.accepted_values.check",
    options=(
        Option("values", "list", "the values that are accepted", required=True),
        Option("quote", "boolean", "write the values as text (default) or as they are", default=True),
    ),
    capabilities=("column",),
)
