"""`sources:` to source tables: where they land, how they are extracted, what is promised of them."""

from __future__ import annotations

from functools import partial
from typing import Any

from headgate.declare import keys, shapes
from headgate.declare.configs import FolderConfigs, evaluated
from headgate.declare.document import Entry
from headgate.declare.durations import seconds_of
from headgate.declare.mistakes import Mistakes, nearest
from headgate.declare.properties import Declared, Properties, check_columns, columns_of, severity_for, tags_of
from headgate.declare.reading import Reading
from headgate.ports.plugins import manifests
from headgate.ports.source import Manifest, Option
from headgate.spec.errors import Location
from headgate.spec.names import Relation
from headgate.spec.project import Freshness, SourceTable

_CHANGES = {
    "additive": ("apply", "block", "ignore"),
    "breaking": ("block", "apply", "ignore"),
    "default": ("apply", "block", "ignore"),
}
_TYPES: dict[str, tuple[type, ...]] = {
    "text": (str,),
    "number": (int, float),
    "boolean": (bool,),
    "list": (list,),
    "mapping": (dict,),
    "any": (object,),
}


def read_sources(
    properties: Properties, reading: Reading
) -> tuple[dict[str, SourceTable], dict[str, Declared], frozenset[tuple[str, str]]]:
    """All source tables by unique id, what was written of each, and the (source, table) names that are switched off."""
    tables: dict[str, SourceTable] = {}
    written: dict[str, Declared] = {}
    seen: dict[tuple[str, str], Location] = {}
    off: set[tuple[str, str]] = set()
    for declared in properties.sources:
        entry = declared.entry
        name = shapes.required_name(entry, "a source", reading.mistakes, identifier=not reading.settings.dbt)
        if name is None:
            continue
        before = seen.setdefault((declared.package, name), entry.at("name"))
        if before != entry.at("name") and not reading.settings.dbt:  # dbt's may stand in several files, each with other tables
            reading.mistakes.add(
                "HG-D020",
                entry.at("name"),
                f"source '{name}' is declared twice (first at {before})",
                expected="one declaration",
                todo="put the tables of both under one 'tables:'",
            )
            continue
        reader = _SourceReader(name, declared, reading)
        for table, what in reader.tables():
            if table.unique_id in tables:
                reading.mistakes.add(
                    "HG-D020",
                    table.location,
                    f"table '{table.name}' of source '{name}' is declared twice (first at {tables[table.unique_id].location})",
                    expected="one declaration",
                )
                continue
            tables[table.unique_id] = table
            written[table.unique_id] = Declared(declared.package, what, declared.file)
        off |= reader.off
    return tables, written, frozenset(off)


class _SourceReader:
    """Reads one source and its tables."""

    def __init__(self, name: str, declared: Declared, reading: Reading) -> None:
        self.name, self.entry, self.package, self.reading = name, declared.entry, declared.package, reading
        self.file = declared.file
        self.mistakes = reading.mistakes
        self.severity = severity_for(declared.package, reading.settings.name, reading.settings.dbt)
        self.config = shapes.mapping(self.entry, "config", self.mistakes)
        self.connector = shapes.text(self.entry, "connector", self.mistakes)
        self.manifest = self._manifest()
        self.off: set[tuple[str, str]] = set()

    def _manifest(self) -> Manifest | None:
        if self.connector is None:
            return None
        known = manifests("sources")
        found = known.get(self.connector)
        if found is None:
            near = nearest(self.connector, known)
            self.mistakes.add(
                "HG-D070",
                self.entry.value_at("connector"),
                f"source '{self.name}' names connector '{self.connector}', which does not exist",
                expected="" if near else "one of " + ", ".join(sorted(known)),
                suggestion=near,
            )
        return found

    def tables(self) -> list[tuple[SourceTable, Entry]]:
        """The source's tables with what was written of each."""
        where = f"source '{self.name}'"
        options = self._option_names()
        loose = self.connector is not None and self.manifest is None  # one mistake is enough: the keys are the connector's
        if not loose:
            shapes.known_keys(self.entry, keys.SOURCE_KEYS, where, self.mistakes, severity=self.severity, also=options["source"])
        shapes.known_keys(
            self.config, keys.SOURCE_CONFIG, f"'config' of {where}", self.mistakes, severity=self.severity, also=("owner",)
        )
        for key in ("connection", "fallback_connection"):
            if key in self.entry:
                shapes.secrets(self.entry[key], self.entry.value_at(key), self.reading.settings.secrets, self.mistakes)
        found: list[tuple[SourceTable, Entry]] = []
        names: dict[str, Location] = {}
        items = shapes.entries(self.entry, "tables", self.mistakes)
        if not items and self.entry.get("tables") is None:
            severity = "notice" if self.reading.settings.dbt else "error"
            expected = "tables: [ { name: … } ]"
            self.mistakes.add("HG-D014", self.entry.at("name"), f"{where} has no 'tables'", expected=expected, severity=severity)
        for item in items:
            name = shapes.required_name(item, f"a table of {where}", self.mistakes, identifier=not self.reading.settings.dbt)
            if name is None:
                continue
            before = names.setdefault(name, item.at("name"))
            if before != item.at("name"):
                self.mistakes.add(
                    "HG-D020",
                    item.at("name"),
                    f"table '{name}' of {where} is declared twice (first at {before})",
                    expected="one declaration",
                )
                continue
            if not loose:
                label = f"table '{name}' of {where}"
                shapes.known_keys(
                    item, keys.SOURCE_TABLE_KEYS, label, self.mistakes, severity=self.severity, also=options["table"]
                )
            check_columns(item, f"table '{name}'", self.severity, self.mistakes)
            if self._off(item):
                self.off.add((self.name, name))
            else:
                found.append((self._table(item, name), item))
        return found

    def _option_names(self) -> dict[str, tuple[str, ...]]:
        options = self.manifest.options if self.manifest else ()
        return {level: tuple(o.name for o in options if o.level in ("any", level)) for level in ("source", "table")}

    def _off(self, item: Entry) -> bool:
        config = shapes.mapping(item, "config", self.mistakes)
        shapes.known_keys(
            config,
            keys.SOURCE_CONFIG,
            f"'config' of table '{item.get('name')}'",
            self.mistakes,
            severity=self.severity,
            also=("owner",),
        )
        values = [self._evaluated(e, "enabled") for e in (self.entry, self.config, item, config) if e.get("enabled") is not None]
        values = [self._folders(str(item.get("name"))).get("enabled"), *values]
        return next((v for v in reversed(values) if v is not None), True) is False

    def _folders(self, table: str) -> dict[str, Any]:
        """What `sources:` of the package's and the project's settings say of a table."""
        fqn = (self.package, *self.file.folders, self.name, table)
        found: dict[str, Any] = {}
        for package in dict.fromkeys((self.package, self.reading.settings.name)):
            tree = next((p.configs.get("sources") for p in self.reading.files.packages if p.name == package), None)
            if tree:
                rules = FolderConfigs(tree, package, keys.SOURCE_CONFIG, partial(self.reading.evaluate_setting, package))
                for key, value in rules.of(fqn, own=package == self.package).values.items():
                    known = found.get(key)
                    if key == "meta" and isinstance(value, dict) and isinstance(known, dict):
                        value = {**known, **value}
                    found[key] = value
        return found

    def _evaluated(self, entry: Entry, key: str) -> Any:
        return evaluated(entry[key], entry.value_at(key), lambda text, place: self.reading.evaluate_in(self.package, text, place))

    def _nearer(self, item: Entry, key: str) -> Entry:
        """The mapping that has the say over `key`: the table, its config, the source, its config."""
        inner = item.get("config")
        for entry in (item, inner, self.entry, self.config):
            if isinstance(entry, Entry) and entry.get(key) is not None:
                return entry
        return item

    def _table(self, item: Entry, name: str) -> SourceTable:
        m = self.mistakes
        inner = shapes.mapping(item, "config", m)
        lookback = self._nearer(item, "lookback")
        dead = self._nearer(item, "dead_letters_max")
        timeout = shapes.duration(self._nearer(item, "timeout"), "timeout", m, 300.0)
        folders = self._folders(name)
        own = {k: item[k] for k in ("loaded_at_query", "external") if k in item}
        return SourceTable(
            unique_id=f"source.{self.package}.{self.name}.{name}",
            source=self.name,
            name=name,
            package=self.package,
            relation=self._relation(item, name),
            location=item.at("name"),
            connector=self.connector,
            connection=self._value(item, "connection"),
            fallback_connection=self._value(item, "fallback_connection"),
            options=self._options(item, name),
            primary_key=shapes.texts(item, "primary_key", m),
            cursor=shapes.text(item, "cursor", m),
            lookback=shapes.duration(lookback, "lookback", m, 0.0) or 0.0,
            columns=columns_of(item),
            schedule=shapes.cron(self._nearer(item, "schedule"), "schedule", m),
            owner=shapes.text(self._nearer(item, "owner"), "owner", m),
            description=shapes.text(item, "description", m, "") or "",
            tier=_whole(shapes.number(self._nearer(item, "tier"), "tier", m)),
            contract=shapes.text(item, "contract", m),
            freshness=self._freshness(item),
            on_schema_change=self._on_schema_change(item),
            dead_letters_max=shapes.number(dead, "dead_letters_max", m, self.reading.settings.dead_letters_max) or 0.0,
            retries=_whole(shapes.number(self._nearer(item, "retries"), "retries", m, 5.0)) or 0,
            timeout=300.0 if timeout is None else timeout,
            tags=tags_of(self.entry.get("tags"), self.config.get("tags"), item.get("tags"), inner.get("tags")),
            meta={
                **(folders.get("meta") or {}),
                **shapes.plain(shapes.mapping(self.entry, "meta", m)),
                **shapes.plain(shapes.mapping(self.config, "meta", m)),
                **shapes.plain(shapes.mapping(item, "meta", m)),
                **shapes.plain(shapes.mapping(inner, "meta", m)),
            },
            config=shapes.plain({**folders, **self.config, **own, **inner}),
            fqn=(self.package, *self.file.folders, self.name, name),
            path=self.file.inner,
            said={**shapes.plain({k: v for k, v in self.entry.items() if k not in ("tables", "connection", "fallback_connection")}),
                  "table": shapes.plain({k: v for k, v in item.items() if k not in ("columns", "connection", "fallback_connection")})},
        )  # fmt: skip

    def _value(self, item: Entry, key: str) -> Any:
        entry = self._nearer(item, key)
        if key in item:
            shapes.secrets(item[key], item.value_at(key), self.reading.settings.secrets, self.mistakes)
        return self._evaluated(entry, key) if entry.get(key) is not None else None

    def _relation(self, item: Entry, name: str) -> Relation:
        """`schema:` and `identifier:` win; else schema raw_<source> under the environment's prefix."""
        settings = self.reading.settings
        named = self._nearer(item, "schema")
        schema = str(self._evaluated(named, "schema")) if named.get("schema") is not None else None
        if schema is None:
            schema = self.name if settings.dbt else f"{settings.schema_prefix}raw_{self.name}"
        identifier = self._nearer(item, "identifier").get("identifier")
        return Relation(schema, str(identifier or name))

    def _freshness(self, item: Entry) -> Freshness | None:
        """dbt's merge: a table's thresholds over its source's, each by itself; `freshness: null` at a table means none."""
        m = self.mistakes
        inner = item.get("config")
        places = [e for e in (item, inner) if isinstance(e, Entry)]
        field, query = (shapes.text(self._nearer(item, k), k, m) for k in ("loaded_at_field", "loaded_at_query"))
        if any("freshness" in e and e["freshness"] is None for e in places):
            return Freshness(loaded_at_field=field, loaded_at_query=query) if field or query else None
        said: dict[str, Entry] = {}
        for entry in (self.entry, self.config, *places):
            freshness = shapes.mapping(entry, "freshness", m)
            shapes.known_keys(freshness, keys.FRESHNESS_KEYS, "'freshness'", m, severity=self.severity)
            for key in freshness:
                said[key] = freshness
        if not said:
            return Freshness(loaded_at_field=field, loaded_at_query=query) if field or query else None
        ages = {key: self._age(said[key], key) if key in said else None for key in ("warn_after", "error_after")}
        warn, error = ages["warn_after"], ages["error_after"]
        if warn is not None and error is not None and warn > error:
            m.add(
                "HG-D015",
                said["warn_after"].value_at("warn_after"),
                "'warn_after' is longer than 'error_after'",
                expected="a warning before the error",
                severity="warning" if self.reading.settings.dbt else "error",
            )
        if "loaded_at_field" in said:
            field = shapes.text(said["loaded_at_field"], "loaded_at_field", m, field)
        sql = shapes.text(said["filter"], "filter", m) if "filter" in said else None
        written = [shapes.plain(said[k][k]) if k in said and isinstance(said[k][k], Entry) else None for k in ages]
        return Freshness(warn, error, field, sql, query, *written)

    def _age(self, freshness: Entry, key: str) -> float | None:
        value = freshness.get(key)
        if isinstance(value, Entry):
            shapes.known_keys(value, ("count", "period"), f"'{key}'", self.mistakes)
            if seconds_of(value) is None:
                bad = "period" if isinstance(value.get("count"), int) else "count"
                self.mistakes.add(
                    "HG-D016",
                    value.value_at(bad),
                    f"'{key}' is no duration",
                    expected="{count: <number>, period: minute | hour | day}",
                    suggestion=nearest(str(value.get("period")), ("minute", "hour", "day")) if bad == "period" else None,
                )
                return None
        return shapes.duration(freshness, key, self.mistakes)

    def _on_schema_change(self, item: Entry) -> dict[str, str]:
        found = {"additive": "apply", "breaking": "block"}
        entry = self._nearer(item, "on_schema_change")
        if entry.get("on_schema_change") is None:
            return found
        rules = shapes.mapping(entry, "on_schema_change", self.mistakes)
        shapes.known_keys(rules, ("additive", "breaking"), "'on_schema_change'", self.mistakes, severity=self.severity)
        for key in ("additive", "breaking"):
            if key in rules and shapes.one_of(rules[key], _CHANGES[key], key, rules.value_at(key), self.mistakes):
                found[key] = rules[key]
        return found

    def _options(self, item: Entry, name: str) -> dict[str, Any]:
        """The connector's own keys: the table's over the source's, checked against its card."""
        found: dict[str, Any] = {}
        if self.manifest is None:
            return found
        for option in self.manifest.options:
            holders = [e for level, e in (("table", item), ("source", self.entry)) if option.level in ("any", level)]
            holder = next((e for e in holders if e.get(option.name) is not None), None)
            if holder is not None:
                shapes.secrets(holder[option.name], holder.value_at(option.name), self.reading.settings.secrets, self.mistakes)
                value = self._evaluated(holder, option.name)
                if _fits(option, value, holder, self.manifest.name, self.mistakes):
                    found[option.name] = value
            elif option.required:
                self.mistakes.add(
                    "HG-D071",
                    item.at("name"),
                    f"table '{name}' of source '{self.name}' lacks '{option.name}', which connector '{self.manifest.name}' needs",
                    expected=f"{option.name}: <{option.type}>",
                )
            elif option.default is not None:
                found[option.name] = option.default
        return found


def _fits(option: Option, value: Any, holder: Entry, connector: str, mistakes: Mistakes) -> bool:
    """Whether the value of an option has its type and is among its choices."""
    place = holder.value_at(option.name)
    wanted = _TYPES.get(option.type, (object,))
    if not isinstance(value, wanted) or (bool not in wanted and object not in wanted and isinstance(value, bool)):
        mistakes.add("HG-D071", place, f"'{option.name}' is {shapes.told(value)}", expected=f"a {option.type}")
        return False
    if option.choices and value not in option.choices:
        near = nearest(str(value), option.choices)
        mistakes.add(
            "HG-D071",
            place,
            f"'{option.name}' of connector '{connector}' is '{value}'",
            expected="" if near else "one of " + ", ".join(option.choices),
            suggestion=near,
        )
        return False
    return True


def _whole(value: float | None) -> int | None:
    return None if value is None else int(value)
