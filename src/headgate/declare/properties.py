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
from headgate.declare.reading import Reading
from headgate.spec.declared import Constraint
from headgate.spec.errors import Location
from headgate.spec.project import ColumnSpec

_DOCS = re.compile(r"\{%[-+]?\s*docs\s+(\w+)\s*[-+]?%\}(.*?)\{%[-+]?\s*enddocs\s*[-+]?%\}", re.S)
_DOC_CALL = re.compile(r"\{\{[-+]?\s*doc\(\s*(?:['\"](\w+)['\"]\s*,\s*)?['\"](\w+)['\"]\s*\)\s*[-+]?\}\}")
_LATER = frozenset(  # rendered when they are used, or never
    ("description", "data_tests", "tests", "pre-hook", "post-hook", "pre_hook", "post_hook", "filter", "where", "constraints",
     "loaded_at_query", "sql_header", "arguments", "depends_on", "relation")
)  # fmt: skip
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


@dataclass(frozen=True, slots=True)
class DocsBlock:
    """A `{% docs %}` block: `text` with its package, name and place."""

    package: str
    name: str
    text: str
    file: SourceFile
    line: int


@dataclass(slots=True)
class Properties:
    """Everything that the property files say."""

    patches: dict[tuple[str, str, str], Patch] = field(default_factory=dict)  # (kind, package, name)
    sources: list[Declared] = field(default_factory=list)
    exposures: list[Declared] = field(default_factory=list)
    singular: dict[tuple[str, str], Entry] = field(default_factory=dict)  # (package, test name) -> entry
    listed: dict[str, list[Declared]] = field(default_factory=dict)  # dbt's other lists by key: groups, metrics, unit_tests, …
    docs: dict[tuple[str, str], DocsBlock] = field(default_factory=dict)  # (package, name)

    def of(self, key: str) -> list[Declared]:
        """The entries of one of dbt's other lists."""
        return self.listed.get(key, [])


def severity_for(package: str, root_package: str, dbt: bool) -> str:
    """How bad an unknown key is: in the project itself an error, in packages and dbt projects a notice."""
    return "error" if package == root_package and not dbt else "notice"


def read_properties(reading: Reading) -> Properties:
    """Read every property file."""
    found = Properties()
    settings, mistakes = reading.settings, reading.mistakes
    found.docs = _docs(settings.root, reading.files, mistakes)
    for file in reading.files.of("properties"):
        text = read_text(settings.root, file.path, mistakes)
        entry = read(text, file.path, mistakes) if text is not None else None
        if entry is None or text is None:
            continue
        if "{{" in text or "{%" in text:
            _describe(entry, found.docs, (file.package, settings.name), reading)
            _evaluate(entry, file.package, reading)
        _read_file(entry, file, found, reading)
    return found


def _docs(root: str, files: Files, mistakes: Mistakes) -> dict[tuple[str, str], DocsBlock]:
    """All `{% docs name %}` blocks."""
    found: dict[tuple[str, str], DocsBlock] = {}
    for file in files.of("docs"):
        text = read_text(root, file.path, mistakes) or ""
        for block in _DOCS.finditer(text):
            made = DocsBlock(file.package, block[1], block[2].strip(), file, text.count("\n", 0, block.start()) + 1)
            first = found.setdefault((file.package, block[1]), made)
            if first is not made and file.package == files.packages[0].name and first.text != made.text:
                place = Location(file.path, made.line)
                mistakes.add("HG-D020", place, f"docs block '{block[1]}' stands twice", expected="one block of a name")
    return found


def _describe(value: Any, docs: Mapping[tuple[str, str], DocsBlock], packages: tuple[str, ...], reading: Reading) -> None:
    """Put docs blocks into the descriptions that ask for them with `{{ doc('name') }}`, and render what else they ask for."""
    if isinstance(value, Items):
        for item in value:
            _describe(item, docs, packages, reading)
    if not isinstance(value, Entry):
        return
    for key, inner in value.items():
        if key != "description" or not isinstance(inner, str):
            _describe(inner, docs, packages, reading)
        elif "{{" in inner or "{%" in inner:
            value[key] = _described(inner, value.value_at(key), docs, packages, reading)


def _described(
    text: str, place: Location, docs: Mapping[tuple[str, str], DocsBlock], packages: tuple[str, ...], reading: Reading
) -> str:
    def block(call: re.Match[str]) -> str:
        named = (call[1],) if call[1] else (*packages, *(p.name for p in reading.files.packages))
        found = next((docs[package, call[2]] for package in named if (package, call[2]) in docs), None)
        if found is None:
            what = f"the description asks for docs block '{call[2]}', which does not exist"
            near = nearest(call[2], (name for _, name in docs))
            reading.mistakes.add("HG-D022", place, what, suggestion=near, severity="warning")
        return found.text if found else ""

    done = _DOC_CALL.sub(block, text)
    if done == text:
        rendered = reading.quietly(packages[0], done, place)  # a description that cannot be rendered stays as it is written
        return done if rendered is None else str(rendered)
    return done


def _evaluate(value: Any, package: str, reading: Reading) -> None:
    """Render the values that are Jinja, in place; what stands under a key of `_LATER` is left alone."""
    if isinstance(value, Items):
        for index, item in enumerate(value):
            if isinstance(item, str) and "{{" in item:
                value[index] = reading.evaluate_in(package, item, value.at(index))
            else:
                _evaluate(item, package, reading)
    elif isinstance(value, Entry):
        for key, inner in value.items():
            if key in _LATER:
                continue
            if isinstance(inner, str):
                if "{{" in inner or "{%" in inner:
                    value[key] = reading.evaluate_in(package, inner, value.value_at(key))
            elif key not in keys.UNRENDERED:
                _evaluate(inner, package, reading)


def _read_file(entry: Entry, file: SourceFile, found: Properties, reading: Reading) -> None:
    mistakes = reading.mistakes
    severity = severity_for(file.package, reading.settings.name, reading.settings.dbt)
    shapes.known_keys(entry, keys.PROPERTY_KEYS, "a property file", mistakes, severity=severity)
    for key, kind in _LISTS.items():
        for item in shapes.entries(entry, key, mistakes):
            _patch(item, kind, file, found, severity, mistakes)
    found.sources += [Declared(file.package, item, file) for item in shapes.entries(entry, "sources", mistakes)]
    found.exposures += [Declared(file.package, item, file) for item in shapes.entries(entry, "exposures", mistakes)]
    for key in keys.LISTED:
        for item in shapes.entries(entry, key, mistakes):
            found.listed.setdefault(key, []).append(Declared(file.package, item, file))
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
    check_constraints(entry, f"{kind} '{name}'", mistakes)
    found.patches[key] = Patch(kind, name, file.package, entry, file)


def check_columns(entry: Entry, where: str, severity: str, mistakes: Mistakes) -> None:
    """Check names and keys of `columns:`."""
    seen: dict[str, Location] = {}
    for column in shapes.entries(entry, "columns", mistakes):
        name = shapes.required_name(column, f"a column of {where}", mistakes, identifier=False)
        if name is None:
            continue
        shapes.known_keys(column, keys.COLUMN_KEYS, f"column '{name}' of {where}", mistakes, severity=severity)
        check_constraints(column, f"column '{name}' of {where}", mistakes)
        if name.lower() in seen:
            mistakes.add(
                "HG-D020",
                column.at("name"),
                f"column '{name}' of {where} stands twice (first at {seen[name.lower()]})",
                expected="each column once",
                severity=severity,
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
                constraints=constraints_of(item),
                quote=item["quote"] if isinstance(item.get("quote"), bool) else None,
                granularity=_text(item.get("granularity")),
            ),
        )
    return found


def constraints_of(entry: Entry | None) -> tuple[Constraint, ...]:
    """The constraints that stand at a model or a column, `to` as written. Malformed ones were told of by `check_constraints`."""
    listed = entry.get("constraints") if entry is not None else None
    found = []
    for item in listed if isinstance(listed, Items) else ():
        if not isinstance(item, Entry) or item.get("type") is None:
            continue
        found.append(
            Constraint(
                type=str(item["type"]).lower(),
                columns=tags_of(item.get("columns")),
                expression=_text(item.get("expression")),
                name=_text(item.get("name")),
                to=_text(item.get("to")),
                to_columns=tags_of(item.get("to_columns")),
                warn_unenforced=item.get("warn_unenforced") is not False,
                warn_unsupported=item.get("warn_unsupported") is not False,
            )
        )
    return tuple(found)


def check_constraints(entry: Entry, where: str, mistakes: Mistakes) -> None:
    """Every constraint has a known type; a check has its expression."""
    for item in shapes.entries(entry, "constraints", mistakes):
        kind = item.get("type")
        if kind is None:
            mistakes.add("HG-D014", item.location, f"a constraint of {where} has no 'type'", expected="type: not_null")
        elif shapes.one_of(str(kind).lower(), keys.CONSTRAINTS, "type", item.value_at("type"), mistakes) and (
            kind == "check" and not item.get("expression")
        ):
            mistakes.add(
                "HG-D014", item.location, f"a check of {where} has no 'expression'", expected="expression: an SQL condition"
            )


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
