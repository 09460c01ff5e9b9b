"""`exposures:` to consumers outside: what they read, whose they are."""

from __future__ import annotations

from headgate.declare import keys, shapes
from headgate.declare.checks import CheckReader
from headgate.declare.document import Entry
from headgate.declare.properties import Properties, severity_for, tags_of
from headgate.declare.reading import Reading
from headgate.declare.resources import ResourceReader, entry_config, fqn_of
from headgate.spec.project import Exposure


def read_exposures(
    properties: Properties, checks: CheckReader, resources: ResourceReader, reading: Reading
) -> dict[str, Exposure]:
    """All exposures that are switched on, by unique id."""
    found: dict[str, Exposure] = {}
    m = reading.mistakes
    for declared in properties.exposures:
        entry = declared.entry
        name = shapes.required_name(entry, "an exposure", m)
        if name is None:
            continue
        unique_id = f"exposure.{declared.package}.{name}"
        severity = severity_for(declared.package, reading.settings.name, reading.settings.dbt)
        shapes.known_keys(entry, keys.EXPOSURE_KEYS, f"exposure '{name}'", m, severity=severity)
        if unique_id in found:
            first = found[unique_id].location
            m.add(
                "HG-D020", entry.at("name"), f"exposure '{name}' is declared twice (first at {first})", expected="one declaration"
            )
            continue
        config = entry_config(entry, declared, "exposures", reading)
        if config.get("enabled") is False or entry.get("enabled") is False:
            continue
        owner = entry.get("owner")
        email = owner.get("email") or owner.get("name") if isinstance(owner, Entry) else owner
        meta = entry.get("meta")
        found[unique_id] = Exposure(
            unique_id,
            name,
            entry.at("name"),
            _depends_on(entry, declared.package, f"exposure '{name}'", checks, resources, reading),
            None if email is None else str(email),
            shapes.text(entry, "description", m, "") or "",
            package=declared.package,
            path=declared.file.inner,
            fqn=fqn_of(declared.file, name),
            said=shapes.plain(entry),
            tags=tags_of(entry.get("tags"), config.get("tags")),
            meta={**(shapes.plain(meta) if isinstance(meta, Entry) else {}), **(config.get("meta") or {})},
            config=config,
        )
    return found


def _depends_on(
    entry: Entry, package: str, who: str, checks: CheckReader, resources: ResourceReader, reading: Reading
) -> tuple[str, ...]:
    m, depends = reading.mistakes, []
    for index, text in enumerate(shapes.texts(entry, "depends_on", m)):
        place = shapes.item_at(entry, "depends_on", index)
        before = len(m.errors)
        unique = checks.reference(text, package, place, who) or resources.metric(text)
        if unique:
            depends.append(unique)
        elif len(m.errors) == before and not text.strip().startswith("metric("):
            m.add("HG-D012", place, f"'{text}' is no reference", expected="ref('model') or source('source', 'table')")
    return tuple(depends)
