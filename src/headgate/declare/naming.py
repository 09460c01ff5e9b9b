"""Which relation a node builds: schema, alias and database by dbt's rules, with the project's macros where it has its own."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from headgate.declare.context import Recorder
from headgate.declare.drafts import Draft
from headgate.declare.macros import BUILTIN, Bound, Macros
from headgate.declare.mistakes import Mistakes
from headgate.declare.models import model_names
from headgate.declare.reading import Reading
from headgate.declare.sandbox import MACROS, TemplateFailed, guarded
from headgate.declare.settings import Settings
from headgate.spec.names import Relation


def name_relations(drafts: Iterable[Draft], reading: Reading) -> None:
    """Set each draft's relation."""
    macros = reading.macros
    own = {n for n in ("generate_schema_name", "generate_alias_name", "generate_database_name") if _rewritten(macros, n)}
    for draft in drafts:
        custom = draft.value("schema") or draft.value("target_schema") or _layer(draft, reading)
        alias = draft.value("alias") or draft.alias
        draft.relation = Relation(default_schema(custom, reading.settings), str(alias or draft.name))
        exact = draft.value("target_schema") if draft.resource_type == "snapshot" and reading.settings.dbt else None
        if exact:  # dbt takes a snapshot's target schema as it is
            draft.relation = Relation(str(exact).strip(), draft.relation.name)
        if own:
            schema = exact or (
                _own("generate_schema_name", custom, draft, reading) if "generate_schema_name" in own else draft.relation.schema
            )
            name = _own("generate_alias_name", alias, draft, reading) if "generate_alias_name" in own else draft.relation.name
            draft.relation = Relation(schema, name)


def _rewritten(macros: Macros, name: str) -> bool:
    """Whether the project or a package has its own macro for naming: by the name itself, or for the built-in one to dispatch to."""
    return macros.overridden(name) or macros.rewritten(name)


def _layer(draft: Draft, reading: Reading) -> str | None:
    """The layer that a model's folders name."""
    if draft.resource_type != "model":
        return None
    return next((f for f in draft.file.folders if f in reading.settings.layers), None)


def default_schema(custom: Any, settings: Settings) -> str:
    """The schema in which something stands whose config names `custom`, by dbt's rule or, in our own projects, by that name."""
    if settings.dbt:
        target = settings.schema_prefix + settings.schema
        return f"{target}_{str(custom).strip()}" if custom else target
    return settings.schema_prefix + (str(custom).strip() if custom else settings.schema)


def _own(macro: str, given: Any, draft: Draft, reading: Reading) -> str:
    """What the project's own macro says."""
    here = draft.package if macro in reading.macros.packages.get(draft.package, {}) else reading.settings.name
    names = reading.bind(dict(reading.constants), here)
    names["var"] = reading.names(draft.package, Recorder(), {})["var"]
    bound = names[MACROS].find(macro)
    fallback = draft.relation.schema if macro == "generate_schema_name" else draft.relation.name
    if not isinstance(bound, Bound) or (bound.package == BUILTIN and not reading.macros.rewritten(macro)):
        return fallback
    node = model_names(draft)
    try:
        said = str(guarded(lambda: bound(given, node), draft.file.path)).strip()
    except TemplateFailed as error:
        reading.fail(error)
        return fallback
    return said or fallback


def check_relations(drafts: Iterable[Draft], mistakes: Mistakes) -> None:
    """No two nodes may build one relation."""
    first: dict[str, Draft] = {}
    for draft in drafts:
        if draft.materialized == "ephemeral":
            continue
        before = first.setdefault(str(draft.relation).lower(), draft)
        if before is not draft:
            mistakes.add(
                "HG-D021",
                draft.config.places.get("alias", draft.location),
                f"{draft.resource_type} '{draft.name}' would build {draft.relation}, already built by "
                f"{before.resource_type} '{before.name}' ({before.file.path})",
                expected="one node per relation",
                todo="set another 'alias' or 'schema' for one of the two",
            )
