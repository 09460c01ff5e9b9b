"""YAML with places: plain dicts and lists that remember the line and column of every key, value and item.

Only the safe C loader is used: a tag that would build an object is a mistake, not an object.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

import yaml
from yaml.constructor import SafeConstructor

from headgate.declare.mistakes import Mistakes
from headgate.spec.errors import Location

_DEPTH_MAX = 100  # deeper nesting is a mistake or an attack, never a project
_PLAIN = frozenset(f"tag:yaml.org,2002:{name}" for name in ("int", "float", "bool", "null"))
_Place = tuple[int, int]


class Entry(dict[str, Any]):
    """A mapping. `at(key)` is the place of a key, `value_at(key)` that of its value; for an unknown key its own place."""

    __slots__ = ("_files", "_keys", "_values", "file", "place")

    def __init__(self, file: str = "", place: _Place = (1, 0)) -> None:
        super().__init__()
        self.file, self.place = file, place
        self._keys: dict[str, _Place] = {}
        self._values: dict[str, _Place] = {}
        self._files: dict[str, str] = {}  # of keys that stand in another file

    @property
    def location(self) -> Location:
        """Where the mapping begins."""
        return Location(self.file, *self.place)

    def put(self, key: str, value: Any, key_place: _Place, value_place: _Place) -> None:
        """Set `key` with its places."""
        self[key] = value
        self._keys[key], self._values[key] = key_place, value_place

    def at(self, key: str) -> Location:
        """Where `key` is written."""
        return Location(self._files.get(key, self.file), *self._keys.get(key, self.place))

    def value_at(self, key: str) -> Location:
        """Where the value of `key` is written."""
        return Location(self._files.get(key, self.file), *self._values.get(key, self.place))

    def places(self, key: str) -> tuple[_Place, _Place]:
        """Places of a key and of its value."""
        return self._keys.get(key, self.place), self._values.get(key, self.place)

    def fill(self, other: Entry, keys: Collection[str]) -> None:
        """Take those of `keys` that are missing here from `other`; they keep their places in its file."""
        for key in other:
            if key in keys and key not in self:
                self.put(key, other[key], *other.places(key))
                self._files[key] = other.file


class Items(list[Any]):
    """A list. `at(index)` is the place of an item."""

    __slots__ = ("_items", "file", "place")

    def __init__(self, file: str = "", place: _Place = (1, 0)) -> None:
        super().__init__()
        self.file, self.place = file, place
        self._items: list[_Place] = []

    @property
    def location(self) -> Location:
        """Where the list begins."""
        return Location(self.file, *self.place)

    def put(self, value: Any, place: _Place) -> None:
        """Append with its place."""
        self.append(value)
        self._items.append(place)

    def at(self, index: int) -> Location:
        """Where item `index` is written."""
        return Location(self.file, *(self._items[index] if index < len(self._items) else self.place))


def read(text: str, file: str, mistakes: Mistakes) -> Entry | None:
    """The mapping of a YAML file; None for an empty file or one whose syntax is wrong (which `mistakes` then holds)."""
    loader: Any = yaml.CSafeLoader(text)
    try:
        node = loader.get_single_node()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = Location(file, mark.line + 1, mark.column + 1) if mark else Location(file)
        what = " ".join(part for part in (error.context, error.problem) if part)
        mistakes.add("HG-D010", place, f"this is no YAML: {what}", todo=_hint(text, mark.line if mark else 0))
        return None
    except yaml.YAMLError as error:
        mistakes.add("HG-D010", Location(file), f"this is no YAML: {error}")
        return None
    finally:
        loader.dispose()
    if node is None:
        return None
    value = _Reader(file, mistakes).value(node, 0)
    if value is None:
        return None
    if not isinstance(value, Entry):
        mistakes.add(
            "HG-D012", Location(file, node.start_mark.line + 1), "the file holds no mapping", expected="'key: value' lines"
        )
        return None
    return value


def _hint(text: str, line: int) -> str:
    lines = text.splitlines()
    near = lines[max(0, line - 1) : line + 1]
    if any("\t" in part[: len(part) - len(part.lstrip())] for part in near):
        return "indent with spaces: YAML forbids tabs"
    if any("{{" in part and '"' not in part and "'" not in part.split("{{")[0] for part in near):
        return 'write quotes around a value that begins with {{: "{{ … }}"'
    return ""


class _Reader:
    """Turns nodes into values. An alias gives the same value again, so a file of aliases cannot grow without bound."""

    def __init__(self, file: str, mistakes: Mistakes) -> None:
        self.file, self.mistakes = file, mistakes
        self._constructor: Any = SafeConstructor()
        self._done: dict[int, Any] = {}

    def value(self, node: Any, depth: int) -> Any:
        if type(node) is yaml.ScalarNode:
            return self._scalar(node)
        known = self._done.get(id(node), self)
        if known is not self:
            return known
        place = _place(node)
        if depth > _DEPTH_MAX:
            self.mistakes.add("HG-D010", Location(self.file, *place), f"values are nested deeper than {_DEPTH_MAX}")
            return None
        if type(node) is yaml.SequenceNode:
            items = Items(self.file, place)
            self._done[id(node)] = items
            for child in node.value:
                items.put(self.value(child, depth + 1), _place(child))
            return items
        entry = Entry(self.file, place)
        self._done[id(node)] = entry
        self._fill(entry, node, depth)
        return entry

    def _fill(self, entry: Entry, node: Any, depth: int) -> None:
        merged: list[Entry] = []
        for key_node, value_node in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge":
                value = self.value(value_node, depth + 1)
                merged += [v for v in (value if isinstance(value, Items) else [value]) if isinstance(v, Entry)]
                continue
            key = self._scalar(key_node) if type(key_node) is yaml.ScalarNode else None
            if key is None:
                self.mistakes.add("HG-D012", Location(self.file, *_place(key_node)), "a key is not plain text", expected="a name")
                continue
            name = key_node.value if not isinstance(key, str) else key
            place = _place(key_node)
            if name in entry:
                first = entry.at(name)
                self.mistakes.add(
                    "HG-D011",
                    Location(self.file, *place),
                    f"key '{name}' stands twice in one mapping (first at line {first.line})",
                    expected="each key once",
                    todo="remove one of the two",
                    severity="warning" if self.mistakes.lenient else "error",
                )
                if not self.mistakes.lenient:
                    continue
            entry.put(name, self.value(value_node, depth + 1), place, _place(value_node))
        for other in merged:
            for name in other:
                if name not in entry:
                    entry.put(name, other[name], *other.places(name))

    def _scalar(self, node: Any) -> Any:
        tag: str = node.tag
        if tag == "tag:yaml.org,2002:str":
            return node.value
        if tag == "tag:yaml.org,2002:timestamp":
            return node.value  # dates stay text: what they mean is decided where they are used
        build: Callable[[Any, Any], Any] | None = SafeConstructor.yaml_constructors.get(tag) if tag in _PLAIN else None
        if build is None:
            self.mistakes.add(
                "HG-D010", Location(self.file, *_place(node)), f"tag '{tag}' is not allowed", expected="plain values"
            )
            return None
        try:
            return build(self._constructor, node)
        except (yaml.YAMLError, ValueError) as error:
            self.mistakes.add("HG-D010", Location(self.file, *_place(node)), f"'{node.value}' cannot be read: {error}")
            return None


def _place(node: Any) -> _Place:
    mark = node.start_mark
    return mark.line + 1, mark.column + 1
