"""Check `expression_is_true`: an SQL expression holds in every row."""

from headgate.ports.source import Manifest, Option

MANIFEST = Manifest(
    "expression_is_true",
    "an SQL expression is true in every row",
    "headgate.checks.expression_is_true.check",
    options=(Option("expression", "text", "the expression; with a column it follows the column's name", required=True),),
)
