"""Property files: what YAML says of models, seeds, snapshots, sources, tests and exposures, not yet matched to code."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from headgate.declare import keys, shapes
from headgate.declare.document import Entry, Items, read
from headgate.declare.folders import Files, SourceFile, read_text
from headgate.declare.mistakes import Mistakes, nearest
from headgate.spec.errors import Location
from headgate.spec.project import ColumnSpec

_DOCS = re.compile(r"\{%[-+]?\s*docs\s+(\w+)\s*[-+]?%\}(.*?)\{%[-+]?\s*enddocs\s*[-+]?%\}", re.S)
_DOC_CALL = re.compile(r"\{\{\s*doc\(\s*(?:['\"]\w+['\"]\s*,\s*)?['\"](\w+)['\"]\s*\)\s*\}\}")
_LISTS = {"models": "model", "seeds": "seed", "snapshots": "snapshot"}


@dataclass(frozen=True, slots=True)
class Patch:
    """What a property file says of one model, seed or snapshot (`kind`)."""

    kind: str
    name: str
    package: str
    entry: Entry
    file: SourceFile


@dataclass(frozen=True, slots=True)
class Declared:
    """One entry of `sources:` or `exposures:` with its package."""

    package: str
    entry: Entry
    file: SourceFile


@dataclass(slots=True)
class Properties:
    """Everything that the property files say."""

    patches: dict[tuple[str, str, str], Patch] = field(default_factory=dict)  # (kind, package, name)
    sources: list[Declared] = field(default_factory=list)
    exposures: list[Declared] = field(default_factory=list)
    singular: dict[tuple[str, str], Entry] = field(default_factory=dict)  # (package, test name) -> entry
    kept: dict[str, list[Any]] = field(default_factory=dict)  # dbt's other lists: accepted, kept as written, not read


def severity_for(package: str, root_package: str, dbt: bool) -> str:
    """How bad an unknown key is: in the project itself an error, in packages and dbt projects a notice."""
    return "error" if package == root_package and not dbt else "notice"


def read_properties(root: str, files: Files, root_package: str, dbt: bool, mistakes: Mistakes) -> Properties:
    """Read every property file."""
    found = Properties()
    docs = _docs(root, files, mistakes)
    for file in files.of("properties"):
        text = read_text(root, file.path, mistakes)
        entry = read(text, file.path, mistakes) if text is not None else None
        if entry is not None:
            if text is not None and "doc(" in text:
                _describe(entry, docs, mistakes)
            _read_file(entry, file, found, severity_for(file.package, root_package, dbt), mistakes)
    return found


def _docs(root: str, files: Files, mistakes: Mistakes) -> dict[str, str]:
    """The texts of all `{% docs name %}` blocks."""
    found: dict[str, str] = {}
    for file in files.of("docs"):
        text = read_text(root, file.path, mistakes) or ""
        for block in _DOCS.finditer(text):
            if found.setdefault(block[1], block[2].strip()) != block[2].strip() and file.package == files.packages[0].name:
                line = text.count("\n", 0, block.start()) + 1
                mistakes.add(
                    "HG-D020", Location(file.path, line), f"docs block '{block[1]}' stands twice", expected="one block of a name"
                )
    return found


def _describe(value: Any, docs: Mapping[str, str], mistakes: Mistakes) -> None:
    """Put docs blocks into the descriptions that ask for them with `{{ doc('name') }}`."""
    if isinstance(value, Items):
        for item in value:
            _describe(item, docs, mistakes)
    if not isinstance(value, Entry):
        return
    for key, inner in value.items():
        if key != "description" or not isinstance(inner, str):
            _describe(inner, docs, mistakes)
            continue
        for call in _DOC_CALL.finditer(inner):
            if call[1] not in docs:
                what = f"the description asks for docs block '{call[1]}', which does not exist"
                mistakes.add("HG-D022", value.value_at(key), what, suggestion=nearest(call[1], docs), severity="warning")
        value[key] = _DOC_CALL.sub(lambda call: docs.get(call[1], ""), inner)


def _read_file(entry: Entry, file: SourceFile, found: Properties, severity: str, mistakes: Mistakes) -> None:
    shapes.known_keys(entry, keys.PROPERTY_KEYS, "a property file", mistakes, severity=severity)
    for key, kind in _LISTS.items():
        for item in shapes.entries(entry, key, mistakes):
            _patch(item, kind, file, found, severity, mistakes)
    found.sources += [Declared(file.package, item, file) for item in shapes.entries(entry, "sources", mistakes)]
    found.exposures += [Declared(file.package, item, file) for item in shapes.entries(entry, "exposures", mistakes)]
    for key in keys.KEPT_UNREAD:
        if entry.get(key):
            found.kept.setdefault(key, []).append({"file": file.path, "package": file.package, "said": shapes.plain(entry[key])})
    for key in ("data_tests", "tests"):
        for item in shapes.entries(entry, key, mistakes):
            name = shapes.required_name(item, "a test", mistakes)
            if name:
                found.singular[(file.package, name)] = item


def _patch(entry: Entry, kind: str, file: SourceFile, found: Properties, severity: str, mistakes: Mistakes) -> None:
    name = shapes.required_name(entry, f"a {kind}", mistakes)
    if name is None:
        return
    shapes.known_keys(entry, keys.NODE_KEYS[kind], f"{kind} '{name}'", mistakes, severity=severity)
    key = (kind, file.package, name)
    if key in found.patches:
        first = found.patches[key].entry.at("name")
        mistakes.add(
            "HG-D020",
            entry.at("name"),
            f"{kind} '{name}' is described twice (first at {first})",
            expected="one description",
            todo="merge the two",
        )
        return
    check_columns(entry, f"{kind} '{name}'", severity, mistakes)
    found.patches[key] = Patch(kind, name, file.package, entry, file)


def check_columns(entry: Entry, where: str, severity: str, mistakes: Mistakes) -> None:
    """Check names and keys of `columns:`."""
    seen: dict[str, Location] = {}
    for column in shapes.entries(entry, "columns", mistakes):
        name = shapes.required_name(column, f"a column of {where}", mistakes, identifier=False)
        if name is None:
            continue
        shapes.known_keys(column, keys.COLUMN_KEYS, f"column '{name}' of {where}", mistakes, severity=severity)
        if name.lower() in seen:
            mistakes.add(
                "HG-D020",
                column.at("name"),
                f"column '{name}' of {where} stands twice (first at {seen[name.lower()]})",
                expected="each column once",
            )
        seen.setdefault(name.lower(), column.at("name"))


def columns_of(entry: Entry | None) -> dict[str, ColumnSpec]:
    """The declared columns. Wrong ones were told of by `check_columns`."""
    if entry is None or not isinstance(entry.get("columns"), Items):
        return {}
    found: dict[str, ColumnSpec] = {}
    for item in entry["columns"]:
        if not isinstance(item, Entry) or not isinstance(item.get("name"), str):
            continue
        raw = item.get("config")
        config: Mapping[str, Any] = raw if isinstance(raw, Entry) else {}
        meta = {**_mapping(item.get("meta")), **_mapping(config.get("meta"))}
        found.setdefault(
            item["name"],
            ColumnSpec(
                name=item["name"],
                description=str(item.get("description") or ""),
                data_type=None if item.get("data_type") is None else str(item["data_type"]),
                classification=_text(item.get("classification") or meta.get("classification")),
                meta=meta,
                tags=tags_of(item.get("tags"), config.get("tags")),
            ),
        )
    return found


def tags_of(*values: Any) -> tuple[str, ...]:
    """Tags from several places, added up, in order, each once."""
    found: list[str] = []
    for value in values:
        found += [value] if isinstance(value, str) else [str(v) for v in value] if isinstance(value, Iterable) else []
    return tuple(dict.fromkeys(found))


def _mapping(value: Any) -> dict[str, Any]:
    plain = shapes.plain(value)
    return plain if isinstance(plain, dict) else {}


def _text(value: Any) -> str | None:
    return None if value is None else str(value)
