"""`relationships` as an anti join inside the fused scan (a NOT IN subquery costs a third of a left join there)."""

from headgate.ports.check import CheckContext, CompiledCheck
from headgate.spec.names import quote_ident
from headgate.spec.project import CheckSpec


def compile(spec: CheckSpec, context: CheckContext) -> CompiledCheck:
    """A failing row has a value that the other table lacks. The delta alone does not prove it: the other table may have lost
    rows."""
    column, field = quote_ident(spec.column or ""), quote_ident(str(spec.arguments["field"]))
    to = str(spec.arguments["to"])
    other, called = context.resolve(to), to.split(".", 2)[-1]  # a unique id: kind, project, then the name by which it is written
    return CompiledCheck(
        row_predicate=f"{column} IS NOT NULL AND {column} NOT IN (SELECT {field} FROM {other} WHERE {field} IS NOT NULL)",
        message=f"{spec.column} has values that {called}.{spec.arguments['field']} lacks",
    )
