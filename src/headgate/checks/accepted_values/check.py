"""`accepted_values` as a predicate over one row."""

from headgate.ports.check import CheckContext, CompiledCheck
from headgate.spec.errors import DeclarationError
from headgate.spec.names import quote_ident, quote_literal
from headgate.spec.project import CheckSpec


def compile(spec: CheckSpec, context: CheckContext) -> CompiledCheck:
    """A failing row has a value outside the list; failures are counted by value, as dbt does.

    Values are read as the column's type (`quote: false`: as they are); one that cannot be read so is a value that no row has.
    """
    values = spec.arguments.get("values")
    if not isinstance(values, list | tuple) or not values:
        raise DeclarationError(
            f"{spec.location}: accepted_values of '{spec.column}' has no values", expected="a list under 'values:'"
        )
    column = quote_ident(spec.column or "")
    if spec.arguments.get("quote", True):
        kind = next((c.type for c in context.columns if c.name.lower() == str(spec.column).lower()), "VARCHAR")
        listed = ", ".join(f"TRY_CAST({quote_literal(_text(v))} AS {kind})" for v in values)
    else:
        listed = ", ".join(_bare(v, spec) for v in values)
    outside = f"{column} IS NOT NULL AND ({column} IN ({listed})) IS NOT TRUE"
    return CompiledCheck(
        row_predicate=outside,
        groups_sql=f"SELECT {column} AS value_field, count(*) AS n_records FROM {context.rows_sql} WHERE {outside} GROUP BY 1",
        decomposes=True,
        message=f"{spec.column} outside {', '.join(map(str, values[:6]))}{' …' if len(values) > 6 else ''}",
    )


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _bare(value: object, spec: CheckSpec) -> str:
    if isinstance(value, bool | int | float):
        return str(value).lower()
    raise DeclarationError(f"{spec.location}: accepted_values with quote: false has '{value}'", expected="numbers or booleans")
