"""What generic tests are attached to, and how their entries in property files are taken apart."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from headgate.declare import keys, shapes
from headgate.declare.document import Entry
from headgate.declare.drafts import Draft
from headgate.declare.folders import SourceFile
from headgate.declare.linking import Links
from headgate.declare.properties import Declared, columns_of, tags_of
from headgate.spec.errors import Location
from headgate.spec.project import ColumnSpec


@dataclass(slots=True)
class Subject:
    """What a test is attached to: a node or a source table."""

    unique_id: str
    name: str
    package: str
    label: str
    columns: Mapping[str, ColumnSpec]
    entry: Entry
    reference: str  # as a template refers to it: ref('orders')
    file: SourceFile
    prefix: str = ""  # "source_" for a source's table
    tags: tuple[str, ...] = ()  # that its tests bear too

    @property
    def folders(self) -> tuple[str, ...]:
        """Package and folders of the property file."""
        return (self.file.package, *self.file.folders)


def subjects(drafts: Mapping[str, Draft], written: Mapping[str, Declared], links: Links) -> Iterator[Subject]:
    """Everything that generic tests can be attached to."""
    for draft in drafts.values():
        if draft.patch is not None:
            entry = draft.patch.entry
            label = f"{draft.resource_type} '{draft.name}'"
            name, version = draft.name, draft.version
            reference = f"ref('{name}', version='{version}')" if version else f"ref('{name}')"
            name = f"{name}_v{version}" if version else name
            yield Subject(draft.unique_id, name, draft.package, label, columns_of(entry), entry, reference, draft.patch.file)
    for unique_id, declared in written.items():
        table = links.sources[unique_id]
        label = f"source table '{table.source}.{table.name}'"
        name, reference = f"{table.source}_{table.name}", f"source('{table.source}', '{table.name}')"
        tags = tags_of(table.said.get("tags"), declared.entry.get("tags"))
        yield Subject(
            unique_id, name, table.package, label, table.columns, declared.entry, reference, declared.file, "source_", tags
        )


def added(key: str, before: Any, said: Any) -> Any:
    """A config value under one that is nearer: tags add up, meta is merged, all else is replaced."""
    if key == "tags":
        return list(tags_of(before, said))
    if key == "meta" and isinstance(before, Mapping) and isinstance(said, Mapping):
        return {**before, **said}
    return said


def named_test(value: Any) -> tuple[str, Entry, Location | None] | None:
    """A test item as (kind, body): `unique`, `{unique: {…}}`, or `{name: …, test_name: unique, …}`."""
    if isinstance(value, str):
        return value, Entry(), None
    if not isinstance(value, Entry) or not value:
        return None
    if isinstance(value.get("test_name"), str):
        return value["test_name"], value, value.at("test_name")
    kind = next(iter(value))
    body = value[kind]
    if body is not None and not isinstance(body, Entry):
        return None
    merged = Entry(value.file, value.place)
    for part in ([body] if isinstance(body, Entry) else []) + [value]:
        for key in part:
            if key != kind or part is body:
                merged.put(key, part[key], *part.places(key))
    return kind, merged, value.at(kind)


def arguments_of(body: Entry) -> tuple[dict[str, Any], dict[str, Location]]:
    """The arguments of a test, flat or under `arguments:`, with their places."""
    found: dict[str, Any] = {}
    places: dict[str, Location] = {}
    inner = body.get("arguments")
    for part in (body, inner):
        if isinstance(part, Entry):
            for key in part:
                if part is inner or key not in keys.TEST_KEYS or key == "column_name":
                    found[key], places[key] = shapes.plain(part[key]), part.value_at(key)
    return found, places


def is_a(value: Any, type_name: str) -> bool:
    if isinstance(value, str) and "{{" in value:
        return True
    return {
        "text": isinstance(value, str),
        "number": isinstance(value, int | float) and not isinstance(value, bool),
        "boolean": isinstance(value, bool),
        "list": isinstance(value, list),
        "mapping": isinstance(value, dict),
    }.get(type_name, True)
