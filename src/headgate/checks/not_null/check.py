"""`not_null` as a predicate over one row."""

from headgate.ports.check import CheckContext, CompiledCheck
from headgate.spec.names import quote_ident
from headgate.spec.project import CheckSpec


def compile(spec: CheckSpec, context: CheckContext) -> CompiledCheck:
    """A failing row has NULL in the column."""
    column = quote_ident(spec.column or "")
    return CompiledCheck(row_predicate=f"{column} IS NULL", decomposes=True, message=f"NULL in {spec.column}")
