"""`unique` as the groups of more than one row."""

from headgate.ports.check import CheckContext, CompiledCheck
from headgate.spec.names import quote_ident
from headgate.spec.project import CheckSpec


def compile(spec: CheckSpec, context: CheckContext) -> CompiledCheck:
    """A failure is a value with more than one row. On the table's own unique key the delta alone proves it: publish deletes every
    target row that shares a key with the delta."""
    column = quote_ident(spec.column or "")
    return CompiledCheck(
        failures_sql=(
            f"SELECT {column}, count(*) AS n_records FROM {context.rows_sql} WHERE {column} IS NOT NULL "
            f"GROUP BY {column} HAVING count(*) > 1"
        ),
        decomposes=context.key == (spec.column,),
        message=f"{spec.column} is not unique",
    )
