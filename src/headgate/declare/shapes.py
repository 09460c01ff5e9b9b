"""Reading values of expected shapes out of a document; what does not fit becomes a mistake with its place."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any

from headgate.declare.document import Entry, Items
from headgate.declare.durations import seconds_of
from headgate.declare.mistakes import Mistakes, nearest
from headgate.spec.errors import Location

_WORDS: dict[type, str] = {
    bool: "true or false",
    int: "a number",
    float: "a number",
    str: "text",
    Entry: "a mapping",
    Items: "a list",
}
_SECRET = re.compile(r"\$\{([^}]*)\}?")
_SECRET_WHOLE = re.compile(r"\$\{([a-z][a-z0-9_]*):([^{}]+)\}")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")


def known_keys(
    entry: Entry, known: Collection[str], where: str, mistakes: Mistakes, *, severity: str = "error", also: Collection[str] = ()
) -> None:
    """Every key of `entry` must be in `known` (or `also`); `where` names the mapping in words."""
    for key in entry:
        if key in known or key in also:
            continue
        near = nearest(key, [*known, *also])
        mistakes.add(
            "HG-D013",
            entry.at(key),
            f"unknown key '{key}' in {where}",
            expected="" if near else "one of " + ", ".join(sorted({*known, *also})),
            todo="" if near else "remove it, or keep it under 'meta:'",
            suggestion=near,
            severity=severity,
        )


def told(value: Any) -> str:
    """What kind of value this is, in words."""
    if value is None:
        return "nothing"
    if isinstance(value, Entry | dict):
        return "a mapping"
    if isinstance(value, Items | list):
        return "a list"
    return f"{'text' if isinstance(value, str) else 'the value'} '{value}'"


def wrong_type(entry: Entry, key: str, expected: str, mistakes: Mistakes) -> None:
    """Record that the value of `key` is of the wrong type."""
    mistakes.add("HG-D012", entry.value_at(key), f"'{key}' is {told(entry[key])}", expected=expected)


def text(entry: Entry, key: str, mistakes: Mistakes, default: str | None = None) -> str | None:
    """A text; numbers are taken as text."""
    value = entry.get(key)
    if value is None:
        return default
    if isinstance(value, str):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    wrong_type(entry, key, "text", mistakes)
    return default


def number(entry: Entry, key: str, mistakes: Mistakes, default: float | None = None) -> float | None:
    """A number that is not negative."""
    value = entry.get(key)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
        wrong_type(entry, key, "a number, zero or more", mistakes)
        return default
    return float(value)


def mapping(entry: Entry, key: str, mistakes: Mistakes) -> Entry:
    """A mapping; an empty one when the key is missing."""
    value = entry.get(key)
    if isinstance(value, Entry):
        return value
    if value is not None:
        wrong_type(entry, key, "a mapping", mistakes)
    return Entry(entry.file, entry.places(key)[1])


def entries(entry: Entry, key: str, mistakes: Mistakes) -> list[Entry]:
    """A list of mappings."""
    value = entry.get(key)
    if value is None:
        return []
    if not isinstance(value, Items):
        wrong_type(entry, key, "a list", mistakes)
        return []
    found = []
    for index, item in enumerate(value):
        if isinstance(item, Entry):
            found.append(item)
        else:
            mistakes.add("HG-D012", value.at(index), f"an item of '{key}' is {told(item)}", expected="a mapping with 'name:'")
    return found


def texts(entry: Entry, key: str, mistakes: Mistakes) -> tuple[str, ...]:
    """One text or a list of texts, as a tuple."""
    value = entry.get(key)
    if value is None:
        return ()
    if isinstance(value, str):
        return (value,)
    if not isinstance(value, Items):
        wrong_type(entry, key, "text or a list of texts", mistakes)
        return ()
    for index, item in enumerate(value):
        if isinstance(item, dict | list) or item is None:
            mistakes.add("HG-D012", value.at(index), f"an item of '{key}' is {told(item)}", expected="text")
    return tuple(str(item) for item in value if not isinstance(item, dict | list) and item is not None)


def item_at(entry: Entry, key: str, index: int) -> Location:
    """Where an item of a list is written, or the value itself when it is no list."""
    value = entry.get(key)
    return value.at(index) if isinstance(value, Items) else entry.value_at(key)


def required_name(entry: Entry, what: str, mistakes: Mistakes, *, identifier: bool = True) -> str | None:
    """The `name:` of a thing; missing or unusable is a mistake."""
    value = entry.get("name")
    if value is None:
        near = nearest("name", entry)
        mistakes.add(
            "HG-D014",
            entry.at(near) if near else entry.location,
            f"{what} has no 'name'" + (f" but '{near}'" if near else ""),
            expected="name: <name>",
            suggestion="name" if near else None,
        )
        return None
    if isinstance(value, bool):
        word = "true" if value else "false"
        mistakes.add(
            "HG-D012",
            entry.value_at("name"),
            f"the name of {what} is the word for {word} in YAML (yes, no, on, off and the like are)",
            expected="text",
            todo="put quotes around it",
        )
        return None
    if not isinstance(value, str):
        wrong_type(entry, "name", "text", mistakes)
        return None
    if identifier and not _NAME.match(value):
        mistakes.add(
            "HG-D015",
            entry.value_at("name"),
            f"'{value}' cannot name {what}",
            expected="letters, digits and underscores",
            suggestion=re.sub(r"\W", "_", value) if value and not value[0].isdigit() else None,
        )
        return None
    return value


def one_of(value: Any, allowed: Collection[str], key: str, location: Location, mistakes: Mistakes) -> bool:
    """Whether `value` is one of `allowed`; if not, that is a mistake at `location`."""
    if value in allowed:
        return True
    near = nearest(str(value), allowed)
    mistakes.add("HG-D015", location, f"'{key}' is {told(value)}", expected="one of " + ", ".join(allowed), suggestion=near)
    return False


def duration(entry: Entry, key: str, mistakes: Mistakes, default: float | None = None) -> float | None:
    """A duration in seconds."""
    value = entry.get(key)
    if value is None:
        return default
    seconds = seconds_of(value)
    if seconds is None:
        mistakes.add(
            "HG-D016",
            entry.value_at(key),
            f"'{key}' is {told(value)}, which is no duration",
            expected="such as '30 minutes', '1 hour' or {count: 2, period: day}",
        )
        return default
    return seconds


def cron(entry: Entry, key: str, mistakes: Mistakes) -> str | None:
    """A cron expression of five fields."""
    value = text(entry, key, mistakes)
    if value is None:
        return None
    from datetime import UTC, datetime

    from cronsim import CronSim, CronSimError

    try:
        CronSim(value, datetime(2020, 1, 1, tzinfo=UTC))
    except CronSimError as error:
        mistakes.add(
            "HG-D017",
            entry.value_at(key),
            f"'{value}' is no cron expression: {str(error).lower()}",
            expected="five fields: minute hour day month weekday, such as '*/15 * * * *'",
        )
        return None
    return value


def secrets(value: Any, location: Location, providers: Collection[str], mistakes: Mistakes) -> None:
    """Every `${provider:name}` in `value` (any depth) must be well formed and of a known provider."""
    if isinstance(value, Entry):
        for key in value:
            secrets(value[key], value.value_at(key), providers, mistakes)
    elif isinstance(value, Items):
        for index, item in enumerate(value):
            secrets(item, value.at(index), providers, mistakes)
    elif isinstance(value, str) and "${" in value:
        for match in _SECRET.finditer(value):
            whole = _SECRET_WHOLE.fullmatch(match[0])
            if whole is None:
                mistakes.add(
                    "HG-D018",
                    location,
                    f"'{match[0]}' is no secret reference",
                    expected="${env:NAME}, ${file:PATH} or ${vault:PATH#KEY}",
                )
            elif whole[1] not in providers:
                mistakes.add(
                    "HG-D018",
                    location,
                    f"secret provider '{whole[1]}' is not switched on",
                    expected="one of " + ", ".join(providers),
                    todo="name it under 'secrets:' in headgate.yml",
                    suggestion=nearest(whole[1], providers),
                )


def plain(value: Any) -> Any:
    """`value` as ordinary dicts and lists, without places."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value
