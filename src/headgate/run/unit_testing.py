"""Unit tests of models within a run and by themselves: which are tried, and their word as verdicts."""

from __future__ import annotations

from collections.abc import Iterable

from headgate.run.context import RunContext
from headgate.spec.names import Column, Relation
from headgate.spec.project import Node
from headgate.spec.verdicts import BLOCK, PASS, Verdict
from headgate.transform.unit_test import Tried, UnitTests


def unit_tests(ctx: RunContext) -> UnitTests:
    """What runs unit tests in this run; built inputs lend their columns' types."""

    def known(relation: Relation) -> tuple[Column, ...] | None:
        return ctx.lake.columns(relation) if str(relation) in ctx.lake.relations() else None

    return UnitTests(ctx.project, ctx.templates, ctx.clock, known)


def try_model(ctx: RunContext, node: Node) -> tuple[Verdict, ...]:
    """The verdicts of all unit tests of a model."""
    wanted = [t for t in ctx.project.unit_tests.values() if t.model == node.unique_id]
    return tuple(verdict(ctx, tried) for tried in try_all(ctx, [t.unique_id for t in wanted])) if wanted else ()


def try_all(ctx: RunContext, unique_ids: Iterable[str]) -> list[Tried]:
    """Try these unit tests, in order."""
    runner = unit_tests(ctx)
    return [runner.run(ctx.project.unit_tests[uid]) for uid in unique_ids]


def verdict(ctx: RunContext, tried: Tried) -> Verdict:
    """What a unit test says of its model: one that does not do what is expected is not built."""
    test = tried.test
    sample = tuple(
        {"": sign, **{name: str(value) if value is not None else None for name, value in zip(tried.columns, row, strict=True)}}
        for sign, rows in (("-", tried.missing), ("+", tried.unexpected))
        for row in rows[:5]
    )
    return Verdict(
        check=test.unique_id,
        name=test.name,
        dataset=str(ctx.project.nodes[test.model].relation),
        outcome=PASS if tried.passed else BLOCK,
        failures=len(tried.missing) + len(tried.unexpected) or int(not tried.passed),
        rows=len(test.expect.rows or ()),
        scope="unit",
        message=tried.message,
        sample=sample,
        sql=tried.sql,
        seconds=tried.seconds,
    )
