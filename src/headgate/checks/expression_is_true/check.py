"""`expression_is_true` as a predicate over one row."""

from headgate.ports.check import CheckContext, CompiledCheck
from headgate.spec.names import quote_ident
from headgate.spec.project import CheckSpec


def compile(spec: CheckSpec, context: CheckContext) -> CompiledCheck:
    """A failing row makes the expression false; NULL passes, as everywhere in the field."""
    expression = str(spec.arguments["expression"])
    subject = f"{quote_ident(spec.column)} {expression}" if spec.column else expression
    return CompiledCheck(row_predicate=f"NOT ({subject})", decomposes=True, message=f"not true: {subject}")
