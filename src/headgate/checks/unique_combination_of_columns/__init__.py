"""Check `unique_combination_of_columns`: no two rows agree in all the columns."""

from headgate.ports.source import Manifest, Option

MANIFEST = Manifest(
    "unique_combination_of_columns",
    "no two rows agree in all the columns",
    "headgate.checks.unique_combination_of_columns.check",
    options=(Option("combination_of_columns", "list", "the columns", required=True),),
)
