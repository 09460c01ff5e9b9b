"""`accepted_values` as a predicate over one row."""

from headgate.ports.check import CheckContext, CompiledCheck
from headgate.spec.errors import DeclarationError
from headgate.spec.names import quote_ident, quote_literal
from headgate.spec.project import CheckSpec


def compile(spec: CheckSpec, context: CheckContext) -> CompiledCheck:
    """A failing row has a value outside the list. Values are compared as text unless `quote: false`."""
    values = spec.arguments.get("values")
    if not isinstance(values, list | tuple) or not values:
        raise DeclarationError(
            f"{spec.location}: accepted_values of '{spec.column}' has no values", expected="a list under 'values:'"
        )
    column = quote_ident(spec.column or "")
    if spec.arguments.get("quote", True):
        subject, listed = f"CAST({column} AS VARCHAR)", ", ".join(quote_literal(_text(v)) for v in values)
    else:
        subject, listed = column, ", ".join(_bare(v, spec) for v in values)
    return CompiledCheck(
        row_predicate=f"{column} IS NOT NULL AND {subject} NOT IN ({listed})",
        decomposes=True,
        message=f"{spec.column} outside {', '.join(map(str, values[:6]))}{' …' if len(values) > 6 else ''}",
    )


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _bare(value: object, spec: CheckSpec) -> str:
    if isinstance(value, bool | int | float):
        return str(value).lower()
    raise DeclarationError(f"{spec.location}: accepted_values with quote: false has '{value}'", expected="numbers or booleans")
