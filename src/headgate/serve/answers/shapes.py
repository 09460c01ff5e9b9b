"""The shapes of `-o json`: which value each command prints. The reference page and the tests are made from this table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from headgate.run.deps import Installed
from headgate.run.repairing import Maintenance, Rehearsal
from headgate.run.testing import Tested
from headgate.serve.answers.columns import Lineage
from headgate.serve.answers.differences import Difference
from headgate.serve.answers.freshness import Fresh
from headgate.serve.answers.health import Finding
from headgate.serve.answers.readiness import Readiness
from headgate.serve.answers.tables import Because, Checked, Listed, Publication, Shown
from headgate.spec.events import RunResult
from headgate.spec.steps import Plan

Rows = tuple[Mapping[str, Any], ...]

SHAPES: Mapping[str, tuple[Any, ...]] = {
    "backfill": (RunResult, Plan, Rehearsal),
    "build": (RunResult, Plan),
    "check": (Checked,),
    "deps": (tuple[Installed, ...],),
    "diff": (Difference,),
    "doctor": (tuple[Finding, ...],),
    "history": (tuple[Publication, ...],),
    "land": (RunResult,),
    "lineage": (Lineage,),
    "ls": (tuple[Listed, ...],),
    "maintain": (tuple[Maintenance, ...],),
    "plan": (Plan,),
    "query": (Rows,),
    "ready": (Readiness,),
    "reconcile": (RunResult,),
    "restore": (RunResult,),
    "run": (RunResult, Plan),
    "seed": (RunResult,),
    "show": (Shown,),
    "source freshness": (tuple[Fresh, ...],),
    "snapshot": (RunResult,),
    "test": (tuple[Tested, ...],),
    "why": (Because,),
}
"""Command -> what it prints: the first, or with `--dry-run` and `--rehearse` the others."""

_WORDS: Mapping[Any, str] = {
    str: "text", int: "whole number", float: "number", bool: "true or false", Any: "any value", NoneType: "null",
}  # fmt: skip


def told(shape: Any) -> str:
    """A shape in words; values with a name of their own by that name."""
    if is_dataclass(shape):
        return getattr(shape, "__name__", str(shape))
    origin, arguments = get_origin(shape), get_args(shape)
    if origin in (Union, UnionType):
        return " or ".join(told(a) for a in arguments)
    if origin is tuple:
        return f"list of {told(arguments[0])}"
    if origin is not None and issubclass(origin, Mapping):
        return f"object: {told(arguments[1])} by name"
    return _WORDS[shape]


def keys_of(shape: Any) -> Mapping[str, Any]:
    """The keys of a value with a name, each with its shape, in the order in which they are printed."""
    hints = get_type_hints(shape)
    return {f.name: hints[f.name] for f in fields(shape)}


def named(shape: Any) -> Iterator[Any]:
    """Every value with a name that `shape` holds, itself first; one that stands twice comes twice."""
    if is_dataclass(shape):
        yield shape
        for inner in keys_of(shape).values():
            yield from named(inner)
    for inner in get_args(shape):
        yield from named(inner)
