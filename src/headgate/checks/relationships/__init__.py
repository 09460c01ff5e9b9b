"""Check `relationships`: every value of the column exists in a column of another table; NULLs are ignored (dbt's generic
test)."""

from headgate.ports.source import Manifest, Option

MANIFEST = Manifest(
    "relationships",
    "every value exists in another table",
    "headgate.checks.relationships.check",
    options=(
        Option("to", "text", "the other table: ref('…') or source('…', '…')", required=True),
        Option("field", "text", "the other table's column", required=True),
    ),
    capabilities=("column",),
)
