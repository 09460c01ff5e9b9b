"""The configuration of a node: folder configs under property file under `config()` in the file, as in dbt.

`tags` and hooks add up, `meta` is merged key by key, everything else is replaced by the nearer place. Every value keeps the
place where it was written, for the mistakes found later.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

from headgate.declare import keys, shapes
from headgate.declare.document import Entry, Items
from headgate.declare.mistakes import Mistakes, nearest
from headgate.declare.syntax import literal_value
from headgate.spec.errors import Location

_HOOKS = ("pre_hook", "post_hook")  # texts that are rendered when they run
_DICTS = frozenset(
    (
        "meta",
        "persist_docs",
        "grants",
        "docs",
        "contract",
        "column_types",
        "quoting",
        "options",
        "freshness",
        "reconcile",
        "history",
        "snapshot_meta_column_names",
        "inferred_members",
    )
)
Evaluate = Callable[[str, Location], Any]
"""Renders a text with `{{ }}` in a YAML value."""


class Config:
    """A configuration while it is put together: values and where each came from."""

    __slots__ = ("places", "values")

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}
        self.places: dict[str, Location] = {}

    def put(self, key: str, value: Any, place: Location) -> None:
        """Set a value from a nearer place than all before."""
        key = key.replace("-", "_")
        old = self.values.get(key)
        if key == "tags" and all(isinstance(tag, str) for tag in (*_listed(old), *_listed(value))):
            value = list(dict.fromkeys([*_listed(old), *_listed(value)]))
        elif key in _HOOKS:
            value = [*_listed(old), *_listed(value)]
        elif key == "meta" and isinstance(old, dict) and isinstance(value, dict):
            value = {**old, **value}
        self.values[key] = value
        self.places[key] = place

    def copy(self) -> Config:
        """An independent copy."""
        other = Config()
        other.values, other.places = dict(self.values), dict(self.places)
        return other


def _listed(value: Any) -> list[Any]:
    if value is None:
        return []
    return list(value) if isinstance(value, list | tuple) else [value]


class FolderConfigs:
    """The folder-level configs of one kind ("models"), of the project and of one package."""

    def __init__(self, tree: Entry, package: str, known: Collection[str], evaluate: Evaluate) -> None:
        self.tree, self.package, self.known, self.evaluate = tree, package, known, evaluate
        self._cache: dict[tuple[str, ...], Config] = {}

    def of(self, fqn: tuple[str, ...], *, own: bool) -> Config:
        """The config for a node. `own`: the node belongs to the package whose file this is, so its name may be left out."""
        key = fqn if _mentions(self.tree, fqn[-1]) else fqn[:-1]
        hit = self._cache.get(key)
        if hit is None:
            hit = Config()
            self._keys(self.tree, fqn, hit)
            self._descend(self.tree, fqn, hit)
            if own and fqn[1:] and fqn[1] != fqn[0]:
                self._descend(self.tree, fqn[1:], hit)
            self._cache[key] = hit
        return hit

    def _keys(self, level: Entry, rest: tuple[str, ...], config: Config) -> None:
        for key, value in level.items():
            name = key.removeprefix("+")
            if (
                key.startswith("+")
                or not isinstance(value, Entry)
                or (name in _DICTS and name in self.known and name not in rest[:1])
            ):
                config.put(name, self._value(name, value, level.value_at(key)), level.at(key))

    def _descend(self, level: Entry, rest: tuple[str, ...], config: Config) -> None:
        inner = level.get(rest[0]) if rest else None
        if isinstance(inner, Entry):
            self._keys(inner, rest[1:], config)
            self._descend(inner, rest[1:], config)

    def _value(self, name: str, value: Any, place: Location) -> Any:
        return shapes.plain(value) if name.replace("-", "_") in _HOOKS else evaluated(value, place, self.evaluate)


def _mentions(level: Entry, name: str) -> bool:
    return name in level or any(isinstance(value, Entry) and _mentions(value, name) for value in level.values())


def evaluated(value: Any, place: Location, evaluate: Evaluate) -> Any:
    """A YAML value as plain data, its texts with `{{ }}` rendered."""
    if isinstance(value, str):
        return evaluate(value, place) if "{{" in value or "{%" in value else value
    if isinstance(value, Entry):
        return {key: evaluated(item, value.value_at(key), evaluate) for key, item in value.items()}
    if isinstance(value, Items):
        return [evaluated(item, value.at(index), evaluate) for index, item in enumerate(value)]
    return value


def check_folder_configs(
    tree: Entry, kind: str, known: Collection[str], folders: Collection[str], severity: str, mistakes: Mistakes
) -> None:
    """Every key of a folder-level config must be a config key or a folder (or node, or package) that exists."""
    for key, value in tree.items():
        name = key.removeprefix("+")
        if key.startswith("+") or not isinstance(value, Entry):
            if name.replace("-", "_") not in known:
                near = nearest(name, [*known, *([] if key.startswith("+") else folders)])
                mistakes.add(
                    "HG-D013",
                    tree.at(key),
                    f"unknown config '{name}' for {kind}",
                    expected="a config key" if near is None else "",
                    todo="keep own values under '+meta:'" if near is None else "",
                    suggestion=near and ("+" if key.startswith("+") else "") + near,
                    severity=severity,
                )
            continue
        if name in folders:
            check_folder_configs(value, kind, known, folders, severity, mistakes)
        elif name not in _DICTS or name not in known:
            mistakes.add(
                "HG-D022",
                tree.at(key),
                f"'{kind}: {key}' configures nothing: there is no such folder or name",
                expected="a folder, a node or a package",
                suggestion=nearest(key, folders),
                severity="warning",
            )


def property_config(config: Config, entry: Entry, kind: str, severity: str, evaluate: Evaluate, mistakes: Mistakes) -> None:
    """Put what a property file says over folder configs: `config:` and the keys that may stand beside it."""
    known = keys.CONFIG_OF[kind]
    for key in (
        "owner",
        "grain",
        "tier",
        "publish_group",
        "tags",
        "meta",
        "access",
        "group",
        "latest_version",
        "deprecation_date",
        "time_spine",
        "alias",
        "reconcile",
        "contract",
        "freshness",
        "relation",
        "quote_columns",
        "docs",
    ):
        if entry.get(key) is not None:
            config.put(key, evaluated(entry[key], entry.value_at(key), evaluate), entry.at(key))
    inner = shapes.mapping(entry, "config", mistakes)
    for key, value in inner.items():
        name = key.replace("-", "_")
        if name not in known:
            near = nearest(name, known)
            mistakes.add(
                "HG-D013",
                inner.at(key),
                f"unknown config '{key}' of {kind} '{entry.get('name')}'",
                expected="a config key" if near is None else "",
                todo="keep own values under 'meta:'" if near is None else "",
                suggestion=near,
                severity=severity,
            )
        said = shapes.plain(value) if name in _HOOKS else evaluated(value, inner.value_at(key), evaluate)
        config.put(name, said, inner.at(key))


def in_file_config(
    config: Config,
    given: Mapping[str, Any],
    kind: str,
    places: Callable[[str], Location],
    severity: str,
    what: str,
    mistakes: Mistakes,
) -> None:
    """Put what `config()` in the file says on top."""
    known = keys.CONFIG_OF[kind]
    for key, value in given.items():
        if key not in known:
            near = nearest(key, known)
            mistakes.add(
                "HG-D013",
                places(key),
                f"unknown config '{key}' of {what}",
                expected="a config key" if near is None else "",
                todo="keep own values under meta={…}" if near is None else "",
                suggestion=near,
                severity=severity,
            )
        config.put(key, value, places(key))


def native(text: str) -> Any:
    """A rendered YAML value as dbt takes it: numbers, booleans and lists become such, all else stays text."""
    lowered = text.strip().lower()
    if lowered in ("true", "false"):
        return lowered == "true"
    if lowered in ("none", "null"):
        return None
    try:
        return literal_value(text.strip())
    except (ValueError, SyntaxError):
        return text
