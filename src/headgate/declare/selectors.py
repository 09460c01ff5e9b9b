"""`selectors.yml`: selections under a name, made of criteria, unions, intersections and exclusions, and of one another."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from headgate.declare import shapes
from headgate.declare.document import read
from headgate.declare.folders import read_text
from headgate.declare.mistakes import nearest
from headgate.declare.reading import Reading
from headgate.declare.selecting import WAYS, Criterion, Group, Selection, criterion
from headgate.spec.errors import UsageError
from headgate.spec.project import Project

FILES = ("selectors.yml", "selectors.yaml")
KEYS = ("name", "description", "definition", "default")


def read_selectors(reading: Reading) -> dict[str, Any]:
    """The selectors by name, as written, with `default` evaluated; what cannot be meant is a mistake."""
    m = reading.mistakes
    found: dict[str, Any] = {}
    name = next((n for n in FILES if n in reading.files.stamps), None)
    text = read_text(reading.settings.root, name, m) if name is not None else None
    entry = read(text, name or "", m) if text is not None else None
    for item in shapes.entries(entry, "selectors", m) if entry is not None else ():
        named = item.get("name")
        if not isinstance(named, str):
            m.add("HG-D014", item.location, "a selector has no 'name'", expected="name: <name>")
            continue
        shapes.known_keys(item, KEYS, f"selector '{named}'", m, severity="notice" if reading.settings.dbt else "error")
        if named in found:
            m.add("HG-D020", item.at("name"), f"selector '{named}' is declared twice", expected="one declaration")
            continue
        default = item.get("default", False)
        if isinstance(default, str):
            default = reading.evaluate(default, item.value_at("default"))
        definition = shapes.plain(item.get("definition"))
        try:
            _parsed(definition, found, "eager")
        except UsageError as error:
            m.add("HG-D015", item.value_at("definition"), f"selector '{named}': {error.what}", expected=error.expected)
            continue
        found[named] = {"definition": definition, "default": default is True, "description": str(item.get("description") or "")}
    return found


def selector_named(project: Project, name: str, indirect: str) -> Selection:
    """The selection of a selector. Raises UsageError when there is none of this name."""
    found = project.selectors.get(name)
    if found is None:
        near = nearest(name, project.selectors)
        raise UsageError(
            f"there is no selector '{name}'",
            expected="one of " + ", ".join(project.selectors) if project.selectors else "a file selectors.yml that declares it",
            todo=f"did you mean '{near}'?" if near else "",
            code="HG-U010",
        )
    return _parsed(found["definition"], project.selectors, indirect)


def default_selector(project: Project, indirect: str) -> Selection | None:
    """The selection of the selector that is the default, if one is."""
    name = next((n for n, s in project.selectors.items() if s.get("default") is True), None)
    return None if name is None else selector_named(project, name, indirect)


def _parsed(definition: Any, known: Mapping[str, Any], indirect: str) -> Selection:
    """A definition as a selection. Raises UsageError."""
    if isinstance(definition, str):
        return criterion(definition, definition, indirect)
    if not isinstance(definition, Mapping) or not definition:
        raise UsageError(
            f"a definition is {shapes.told(definition)}",
            expected="text, or a mapping with method and value, union or intersection",
        )
    for kind in ("union", "intersection"):
        if kind in definition:
            return _group(kind, definition, known, indirect)
    if definition.get("method") == "selector":
        named = str(definition.get("value"))
        if named not in known:
            raise UsageError(
                f"it names selector '{named}', which is not declared before it", expected="a selector above this one"
            )
        return _parsed(known[named]["definition"], known, indirect)
    if len(definition) == 1:
        method, value = next(iter(definition.items()))
        return _criterion({"method": method, "value": value}, indirect)
    if "method" not in definition or "value" not in definition:
        raise UsageError("a definition has no method and value", expected="method: tag, value: nightly")
    found = _criterion(definition, indirect)
    excluded = _listed(definition, "exclude")
    if not excluded:
        return found
    return Group("difference", (found, Group("union", tuple(_parsed(part, known, indirect) for part in excluded))))


def _group(kind: str, definition: Mapping[str, Any], known: Mapping[str, Any], indirect: str) -> Selection:
    parts, excluded = [], []
    for part in _listed(definition, kind):
        if isinstance(part, Mapping) and "exclude" in part and "method" not in part:
            excluded += [_parsed(one, known, indirect) for one in _listed(part, "exclude")]
        else:
            parts.append(_parsed(part, known, indirect))
    found = Group(kind, tuple(parts))
    return Group("difference", (found, Group("union", tuple(excluded)))) if excluded else found


def _listed(definition: Mapping[str, Any], key: str) -> list[Any]:
    value = definition.get(key, [])
    if not isinstance(value, list):
        raise UsageError(f"'{key}' is {shapes.told(value)}", expected="a list")
    return value


def _criterion(said: Mapping[str, Any], indirect: str) -> Criterion:
    """A criterion in words: method, value, parents, children, their depths, childrens_parents, indirect_selection."""
    method, _, path = str(said["method"]).partition(".")
    way = str(said.get("indirect_selection") or indirect)
    if way not in WAYS:
        raise UsageError(f"'indirect_selection' is '{way}'", expected="one of " + ", ".join(WAYS))
    up = said.get("parents_depth") if said.get("parents") else 0
    down = said.get("children_depth") if said.get("children") else 0
    return Criterion(
        method,
        path,
        str(said["value"]),
        f"{said['method']}:{said['value']}",
        up=None if up is None else int(up),
        down=None if down is None else int(down),
        around=bool(said.get("childrens_parents")),
        indirect=way,
    )
