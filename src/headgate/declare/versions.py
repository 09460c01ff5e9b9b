"""Versions of a model: one description, a file and a node for each version.

`versions:` says which there are; a version takes over the model's description, columns, tests and config, and says what differs.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from headgate.declare import shapes
from headgate.declare.document import Entry, Items
from headgate.declare.drafts import Draft
from headgate.declare.mistakes import nearest
from headgate.declare.properties import Patch, Properties
from headgate.declare.reading import Reading

VERSION_KEYS = (
    "v", "defined_in", "description", "columns", "config", "docs", "access", "data_tests", "tests", "constraints",
    "deprecation_date", "meta", "tags",
)  # fmt: skip
_OWN = ("description", "docs", "access", "data_tests", "tests", "constraints", "deprecation_date")


def settle_versions(drafts: list[Draft], properties: Properties, reading: Reading) -> set[tuple[str, str, str]]:
    """Make each file of a versioned model that version. Returns the keys of the patches used; a version without file is a mistake."""
    files = {(d.package, d.name): d for d in drafts if d.resource_type == "model"}
    used: set[tuple[str, str, str]] = set()
    for key, patch in properties.patches.items():
        if key[0] != "model" or not patch.entry.get("versions"):
            continue
        used.add(key)
        listed = [v for v in shapes.entries(patch.entry, "versions", reading.mistakes) if _named(v, patch, reading)]
        latest = latest_of(patch.entry)
        seen: set[str] = set()
        for item in listed:
            version = str(item["v"])
            if version in seen:
                what = f"version {version} of model '{patch.name}' is declared twice"
                reading.mistakes.add("HG-D020", item.at("v"), what, expected="each version once")
                continue
            seen.add(version)
            draft = _file_of(item, patch, version, version == latest, files)
            if draft is None:
                _missing(item, patch, version, files, reading)
                continue
            draft.name, draft.version, draft.alias = patch.name, version, f"{patch.name}_v{version.replace('.', '_')}"
            draft.patch = replace(patch, entry=merged(patch.entry, item, latest))
        wanted = patch.entry.get("latest_version")
        if wanted is not None and str(wanted) not in seen and seen:
            reading.mistakes.add(
                "HG-D015",
                patch.entry.value_at("latest_version"),
                f"'latest_version' of model '{patch.name}' is {wanted}",
                expected="one of " + ", ".join(sorted(seen)),
            )
    return used


def _named(item: Entry, patch: Patch, reading: Reading) -> bool:
    """Whether the version has its `v`."""
    shapes.known_keys(item, VERSION_KEYS, f"a version of model '{patch.name}'", reading.mistakes, severity="notice")
    if item.get("v") is None:
        reading.mistakes.add("HG-D014", item.location, f"a version of model '{patch.name}' has no 'v'", expected="v: 1")
        return False
    return True


def latest_of(entry: Entry) -> str:
    """The version that ref() without one means: the declared one, else the greatest."""
    if entry.get("latest_version") is not None:
        return str(entry["latest_version"])
    versions = [item["v"] for item in entry["versions"] if isinstance(item, Entry) and item.get("v") is not None]
    return str(max(versions, key=version_order, default=""))


def version_order(version: Any) -> tuple[int, float, str]:
    """Numbers by size and after texts, texts by alphabet."""
    try:
        return (1, float(version or 0), "")
    except (TypeError, ValueError):
        return (0, 0.0, str(version))


def _file_of(item: Entry, patch: Patch, version: str, latest: bool, files: dict[tuple[str, str], Draft]) -> Draft | None:
    """The file of a version: the one it names, `<model>_v<version>`, `<model>.v<version>`, or for the latest `<model>`."""
    named = item.get("defined_in")
    names = [str(named)] if named else [f"{patch.name}_v{version}", f"{patch.name}.v{version}", *([patch.name] if latest else [])]
    return next((files[patch.package, name] for name in names if (patch.package, name) in files), None)


def _missing(item: Entry, patch: Patch, version: str, files: dict[tuple[str, str], Draft], reading: Reading) -> None:
    named = str(item.get("defined_in") or f"{patch.name}_v{version}")
    reading.mistakes.add(
        "HG-D022",
        item.value_at("defined_in") if item.get("defined_in") else item.at("v"),
        f"version {version} of model '{patch.name}' has no file",
        expected=f"a file {named}.sql",
        suggestion=nearest(named, (name for package, name in files if package == patch.package)),
    )


def merged(base: Entry, item: Entry, latest: str) -> Entry:
    """The description of one version: the model's, with what the version says over it."""
    found = Entry(base.file, base.place)
    for key in base:
        if key != "versions":
            found.put(key, base[key], *base.places(key))
    for key in _OWN:
        if item.get(key) is not None:
            if key in ("data_tests", "tests"):
                found.pop("tests" if key == "data_tests" else "data_tests", None)
            found.put(key, item[key], *item.places(key))
    if isinstance(item.get("config"), Entry):
        config = Entry(item.file, item["config"].place)
        for part in (base.get("config"), item["config"]):
            if isinstance(part, Entry):
                for key in part:
                    config.put(key, part[key], *part.places(key))
        found.put("config", config, *item.places("config"))
    if isinstance(item.get("columns"), Items):
        found.put("columns", _columns(base.get("columns"), item["columns"]), *item.places("columns"))
    found.put("latest_version", latest, *base.places("latest_version"))
    return found


def _columns(base: Any, own: Items) -> Items:
    """The version's columns: those of the model that `include` and `exclude` leave (all by default), and its own over them."""
    rules = [item for item in own if isinstance(item, Entry) and ("include" in item or "exclude" in item)]
    include: Any = rules[0].get("include", "all") if rules else "all"
    exclude = rules[0].get("exclude") or () if rules else ()
    mine = {
        item["name"]: index for index, item in enumerate(own) if isinstance(item, Entry) and isinstance(item.get("name"), str)
    }
    found = Items(own.file, own.place)
    for index, column in enumerate(base if isinstance(base, Items) else ()):
        name = column.get("name") if isinstance(column, Entry) else None
        taken = include in ("all", "*") or (isinstance(include, list) and name in include)
        if taken and name not in exclude and name not in mine:
            place = base.at(index)
            found.put(column, (place.line, place.column))
    for index in mine.values():
        place = own.at(index)
        found.put(own[index], (place.line, place.column))
    return found
