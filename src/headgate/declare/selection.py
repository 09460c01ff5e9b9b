"""dbt's selector grammar over a project.

`+stg_orders`, `tag:daily,config.materialized:incremental`, `@source:shop.orders`, `path:models/marts`. A space (or another
argument) is a union, a comma an intersection. `n+x` and `x+n` bound the distance, `@x` is x, all that depends on it, and all that
these need. `select` takes tests only when they are named, because whatever is built is weighed by all of its tests anyway; `choose`
takes them along as dbt's commands do.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import partial

from headgate.declare.methods import GIVEN, METHODS, Thing, known_values, resource_type
from headgate.declare.mistakes import nearest
from headgate.declare.selecting import WAYS, Criterion, Field, Group, Selection, union_of
from headgate.declare.selectors import default_selector, selector_named
from headgate.spec.declared import Resource, UnitTest
from headgate.spec.errors import UsageError
from headgate.spec.project import CheckSpec, Project

Prior = Callable[[str, str], Collection[str]]
"""Answers `state:`, `result:` and `source_status:`: (method, value) -> unique ids. Raises UsageError for an unknown value."""
SELECTABLE = ("metric", "semantic_model", "saved_query", "analysis")


@dataclass(frozen=True, slots=True)
class Choice:
    """A selection as a command gives it. `selector` names one of selectors.yml; `resource_types` keep (or leave out) kinds of things."""

    select: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    selector: str | None = None
    resource_types: tuple[str, ...] = ()
    exclude_resource_types: tuple[str, ...] = ()
    indirect: str = "eager"


@dataclass(frozen=True, slots=True)
class Chosen:
    """What a choice means: unique ids in the project's order, and the parts of it that matched nothing."""

    ids: tuple[str, ...]
    nothing: tuple[str, ...] = ()


def select(
    project: Project, expressions: Sequence[str], exclude: Sequence[str] = (), prior: Prior | None = None
) -> tuple[str, ...]:
    """See `headgate.declare.select`."""
    field = _field(project, prior, tests=False)
    if expressions:
        chosen = field.select(union_of(expressions, "empty"))
    else:
        chosen = {*project.nodes, *project.sources}
    unknown = [text for text in field.nothing if not _compares(text)]
    if expressions and unknown and not (project.dbt and chosen):
        _nothing(project, unknown[0])
    field.nothing.clear()
    chosen -= field.select(union_of(exclude, "empty"))
    unknown = [text for text in field.nothing if not _compares(text)]
    if unknown and not project.dbt:
        _nothing(project, unknown[0])
    return tuple(unique_id for unique_id in field.things if unique_id in chosen and unique_id not in project.resources)


def choose(project: Project, choice: Choice, prior: Prior | None = None) -> Chosen:
    """What a command of dbt's takes for `choice`. Raises UsageError for a method, selector or kind that does not exist."""
    if choice.indirect not in WAYS:
        raise UsageError(f"--indirect-selection is '{choice.indirect}'", expected="one of " + ", ".join(WAYS))
    field = _field(project, prior, tests=True)
    selection = _selection(project, choice)
    chosen = set(field.things) if selection is None else field.select(selection)
    kinds = {uid: resource_type(thing) for uid, thing in field.things.items()}
    for option, wanted in (
        ("--resource-type", choice.resource_types),
        ("--exclude-resource-type", choice.exclude_resource_types),
    ):
        _check_kinds(option, wanted)
    keep = {_KIND_NAMES.get(k, k) for k in choice.resource_types} - {"default", "all"}
    if choice.resource_types and "all" not in choice.resource_types and keep:
        chosen = {
            uid for uid in chosen if kinds[uid] in keep or ("default" in choice.resource_types and kinds[uid] != "analysis")
        }
    elif "all" not in choice.resource_types:
        chosen = {uid for uid in chosen if kinds[uid] != "analysis"}
    drop = {_KIND_NAMES.get(k, k) for k in choice.exclude_resource_types}
    return Chosen(
        tuple(uid for uid in field.things if uid in chosen and kinds[uid] not in drop), tuple(dict.fromkeys(field.nothing))
    )


_KIND_NAMES = {"data_test": "test"}
_KINDS = (
    "model", "seed", "snapshot", "test", "data_test", "unit_test", "source", "exposure", "analysis", *SELECTABLE[:3], "default", "all",
)  # fmt: skip


def _check_kinds(option: str, wanted: Sequence[str]) -> None:
    for kind in wanted:
        if kind not in _KINDS:
            near = nearest(kind, _KINDS)
            raise UsageError(
                f"{option} is '{kind}'",
                expected="one of " + ", ".join(_KINDS),
                todo=f"did you mean '{near}'?" if near else "take one of these",
            )


def _selection(project: Project, choice: Choice) -> Selection | None:
    """The selection of a choice; None: everything. `--selector` stands for select and exclude; so does a default, when nothing is given."""
    if choice.selector is not None:
        return selector_named(project, choice.selector, choice.indirect)
    if not choice.select and not choice.exclude:
        return default_selector(project, choice.indirect)
    everything = ("fqn:*", "source:*", "exposure:*", "metric:*", "semantic_model:*", "saved_query:*", "unit_test:*")
    included = union_of(choice.select or everything, choice.indirect, told=bool(choice.select))
    if not choice.exclude:
        return included
    return Group("difference", (included, union_of(choice.exclude, choice.indirect)))


def _field(project: Project, prior: Prior | None, *, tests: bool) -> Field:
    things: dict[str, Thing] = {
        **project.sources,
        **project.nodes,
        **project.exposures,
        **{uid: r for uid, r in project.resources.items() if r.resource_type in SELECTABLE},
        **project.checks,
        **project.unit_tests,
    }
    along = {uid for uid, thing in things.items() if isinstance(thing, CheckSpec | UnitTest)}
    parents = {uid: getattr(thing, "depends_on", ()) for uid, thing in things.items() if tests or uid not in along}
    find = partial(_find, project, things, prior, tests)
    return Field(things, parents, find, frozenset(along) if tests else frozenset(), frozenset(project.sources))


_PLACES = ("path", "file", "package", "config")  # methods by which tests are found only where they come along with what they test


def _find(project: Project, things: dict[str, Thing], prior: Prior | None, tests: bool, wanted: Criterion) -> set[str]:
    """The things that one criterion names."""
    if wanted.method in GIVEN:
        if prior is None:
            raise UsageError(
                f"selection '{wanted.text}' compares with an earlier run, and none is given",
                expected="--state: the folder with the artifacts of that run",
                code="HG-U010",
            )
        return {uid for uid in prior(wanted.method, wanted.value) if uid in things}
    if wanted.method == "selector":
        way = wanted.indirect if tests else "empty"
        return _field(project, prior, tests=tests).select(selector_named(project, wanted.value, way))
    matcher = METHODS.get(wanted.method)
    if matcher is None:
        near = nearest(wanted.method, METHODS)
        raise UsageError(
            f"selection '{wanted.text}' uses method '{wanted.method}', which does not exist",
            expected="one of " + ", ".join((*METHODS, *GIVEN, "selector")),
            todo=f"did you mean '{near}:'?" if near else "take one of these, or a name alone",
            code="HG-U010",
        )
    found = {uid for uid, thing in things.items() if matcher(thing, wanted.value, wanted.path, project)}
    return found if tests else {uid for uid in found if _named(things[uid], wanted)}


def _named(thing: Thing, wanted: Criterion) -> bool:
    """Whether a criterion names a test itself, rather than where it stands."""
    if isinstance(thing, CheckSpec):
        if wanted.method == "fqn":
            return any(thing.name == name for name in (wanted.value, wanted.value.rpartition(".")[2])) or "*" in wanted.value
        return wanted.method not in _PLACES or (thing.kind == "singular" and wanted.method in ("path", "file"))
    if isinstance(thing, UnitTest):
        return wanted.method in ("unit_test", "test_type", "test_name", "resource_type", "tag") or thing.name == wanted.value
    return not isinstance(thing, Resource) or wanted.method in SELECTABLE


def _compares(text: str) -> bool:
    """Whether a selection compares with an earlier run: that nothing has changed since is no mistake."""
    return any(f"{method}:" in text for method in GIVEN)


def _nothing(project: Project, text: str) -> None:
    """Raise for a selection that matches nothing, with the nearest known name."""
    wanted = [part for part in union_of((text,)).parts[0].parts if isinstance(part, Criterion)]  # type: ignore[union-attr]
    field = _field(project, None, tests=False)
    missing = next((part for part in wanted if part.method not in GIVEN and not field.find(part)), None)
    if missing is None:
        raise UsageError(
            f"selection '{text}' matches nothing in project '{project.name}'", todo="run: headgate ls", code="HG-U010"
        )
    known = sorted({name for thing in field.things.values() for name in known_values(thing, missing.method)})
    near = nearest(missing.value, known)
    raise UsageError(
        f"selection '{missing.text}' matches nothing in project '{project.name}'",
        expected="a known name"
        if near and missing.method == "fqn"
        else f"a known {missing.method}"
        if near
        else ("one of " + ", ".join(known[:20]) if known else ""),
        todo=f"did you mean '{near}'?" if near else "run: headgate ls",
        code="HG-U010",
    )
