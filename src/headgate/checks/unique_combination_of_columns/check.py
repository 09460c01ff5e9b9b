"""`unique_combination_of_columns` as the groups of more than one row."""

from headgate.ports.check import CheckContext, CompiledCheck
from headgate.spec.names import quote_ident
from headgate.spec.project import CheckSpec


def compile(spec: CheckSpec, context: CheckContext) -> CompiledCheck:
    """A failure is a combination with more than one row; NULLs count as values."""
    names = tuple(str(c) for c in spec.arguments["combination_of_columns"])
    columns = ", ".join(map(quote_ident, names))
    return CompiledCheck(
        failures_sql=f"SELECT {columns}, count(*) AS n_records FROM {context.rows_sql} GROUP BY {columns} HAVING count(*) > 1",
        decomposes=bool(context.key) and set(context.key) == set(names),
        message=f"({', '.join(names)}) is not unique",
    )
