"""`accepted_range` as a predicate over one row."""

from headgate.ports.check import CheckContext, CompiledCheck
from headgate.spec.errors import DeclarationError
from headgate.spec.names import quote_ident
from headgate.spec.project import CheckSpec


def compile(spec: CheckSpec, context: CheckContext) -> CompiledCheck:
    """A failing row lies outside the bounds. A bound is an SQL expression, as in the field's packages: text dates are
    written `'2013-01-01'`."""
    low, high = spec.arguments.get("min_value"), spec.arguments.get("max_value")
    if low is None and high is None:
        raise DeclarationError(
            f"{spec.location}: accepted_range of '{spec.column}' has no bound", expected="min_value or max_value"
        )
    column, equal = quote_ident(spec.column or ""), "" if spec.arguments.get("inclusive", True) else "="
    tests = [f"{column} <{equal} ({low})"] if low is not None else []
    tests += [f"{column} >{equal} ({high})"] if high is not None else []
    span = f"above {high}" if low is None else f"below {low}" if high is None else f"outside {low} … {high}"
    return CompiledCheck(row_predicate=" OR ".join(tests), decomposes=True, message=f"{spec.column} {span}")
