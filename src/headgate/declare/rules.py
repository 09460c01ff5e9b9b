"""What a node's configuration must fulfil: known words, the keys that a strategy needs, columns that exist."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from typing import Any

from headgate.declare import keys, shapes
from headgate.declare.drafts import Draft
from headgate.declare.durations import seconds_of
from headgate.declare.macros import BUILTIN
from headgate.declare.mistakes import nearest
from headgate.declare.models import seed_header
from headgate.declare.reading import Reading
from headgate.spec.errors import Location

_OTHERS = ("partition_by", "sort_by", "grain")  # keys of ours that other engines' adapters use in their own way


def check_rules(draft: Draft, reading: Reading) -> None:
    """Check one enabled node."""
    checker = _Rules(draft, reading)
    checker.shapes()
    if draft.resource_type == "model":
        checker.materialized()
    elif draft.resource_type == "snapshot":
        checker.snapshot()
    else:
        checker.seed()
    checker.columns_of_keys()


class _Rules:
    def __init__(self, draft: Draft, reading: Reading) -> None:
        self.draft, self.reading, self.m = draft, reading, reading.mistakes
        self.who = f"{draft.resource_type} '{draft.name}'"

    def at(self, *names: str) -> Location:
        """Where the first of these configs was written; the node's beginning if none was."""
        return next((self.draft.config.places[n] for n in names if n in self.draft.config.places), self.draft.location)

    def need(
        self,
        key: str,
        because: str,
        example: str,
        *,
        code: str = "HG-D061",
        near: tuple[str, ...] = ("incremental_strategy", "materialized"),
    ) -> None:
        """`key` must be set."""
        if self.draft.value(key) in (None, "", []):
            self.m.add(code, self.at(*near), f"{self.who} has no '{key}', which {because} needs", expected=example)

    def word(self, key: str, allowed: tuple[str, ...]) -> bool:
        """The value of `key`, if set, must be one of `allowed`."""
        value = self.draft.value(key)
        return value is None or shapes.one_of(value, allowed, key, self.at(key), self.m)

    def shapes(self) -> None:
        """Types of the configs that everybody reads."""
        for key in (
            "unique_key",
            "grain",
            "partition_by",
            "sort_by",
            "tags",
            "incremental_order",
            "event_time",
            "merge_update_columns",
            "merge_exclude_columns",
        ):
            value = self.draft.value(key)
            if value is not None and not (
                isinstance(value, str) or (isinstance(value, list) and all(isinstance(v, str) for v in value))
            ):
                self.m.add(
                    "HG-D012",
                    self.at(key),
                    f"'{key}' of {self.who} is {shapes.told(value)}",
                    expected="text or a list of texts",
                    severity="notice" if key in _OTHERS and self.reading.settings.dbt else "error",
                )
                self.draft.config.values[key] = None
        for key, kind, words in (
            ("enabled", bool, "true or false"),
            ("meta", dict, "a mapping"),
            ("tier", int, "a whole number"),
            ("owner", str, "text"),
            ("alias", str, "text"),
            ("schema", str, "text"),
            ("publish_group", str, "text"),
        ):
            value = self.draft.value(key)
            if value is not None and (not isinstance(value, kind) or (kind is int and isinstance(value, bool))):
                self.m.add("HG-D012", self.at(key), f"'{key}' of {self.who} is {shapes.told(value)}", expected=words)
                self.draft.config.values[key] = None
        self.word("views", ("live", "pinned"))
        reconcile = self.draft.value("reconcile")
        if reconcile is not None and not (isinstance(reconcile, dict) and seconds_of(reconcile.get("after")) is not None):
            self.m.add(
                "HG-D016",
                self.at("reconcile"),
                f"'reconcile' of {self.who} is {shapes.told(reconcile)}",
                expected="{after: 6 hours}",
            )

    def materialized(self) -> None:
        """A model's materialization and its needs."""
        draft, name = self.draft, self.draft.materialized
        custom = {
            n.removeprefix("materialization_").rpartition("_")[0]
            for package, known in self.reading.macros.packages.items()
            for n in known
            if package != BUILTIN and n.startswith("materialization_") and n.endswith(("_default", "_duckdb"))
        }
        if name not in keys.MATERIALIZED and name not in custom:
            self.m.add(
                "HG-D060",
                self.at("materialized"),
                f"{self.who} is materialized as '{name}', which does not exist",
                expected="one of " + ", ".join([*keys.MATERIALIZED, *sorted(custom)]),
                suggestion=nearest(name, [*keys.MATERIALIZED, *custom]),
            )
            return
        if draft.language == "python" and name in ("view", "ephemeral"):
            self.m.add(
                "HG-D060",
                self.at("materialized"),
                f"{self.who} is Python and cannot be a {name}",
                expected="table or incremental",
            )
        if name == "incremental":
            self.incremental()
        elif draft.value("incremental_strategy") and "incremental_strategy" in draft.config.places and name != "ephemeral":
            self.m.add(
                "HG-D062",
                self.at("incremental_strategy"),
                f"{self.who} has an incremental strategy but is a {name}",
                expected="materialized: incremental",
                severity="warning",
            )
        self.partition_by()

    def incremental(self) -> None:
        """What each strategy needs."""
        draft = self.draft
        strategy = draft.value("incremental_strategy")
        custom = {
            n
            for known in self.reading.macros.packages.values()
            for n in known
            if n.startswith("get_incremental_") and n.endswith("_sql")
        }
        named = {n.removeprefix("get_incremental_").removesuffix("_sql") for n in custom}
        if strategy is not None and strategy not in keys.STRATEGIES and strategy not in named:
            shapes.one_of(
                strategy, (*keys.STRATEGIES, *sorted(named)), "incremental_strategy", self.at("incremental_strategy"), self.m
            )
            return
        self.word("on_schema_change", keys.ON_SCHEMA_CHANGE)
        dbt = self.reading.settings.dbt
        if strategy in ("merge", "delete+insert") and not dbt:
            self.need("unique_key", f"strategy '{strategy}'", "unique_key: the column or columns that name a row")
        if strategy == "insert_overwrite":
            self.need(
                "partition_by", "strategy 'insert_overwrite'", "partition_by: the columns or month(column) that name a partition"
            )
        if strategy == "microbatch":
            self.need("event_time", "strategy 'microbatch'", "event_time: the column with a row's time")
            self.need("begin", "strategy 'microbatch'", "begin: the first day, such as '2024-01-01'")
            self.need("batch_size", "strategy 'microbatch'", "batch_size: hour, day, month or year")
            self.word("batch_size", keys.BATCH_SIZES)
            self.begin()
        keyless = (None, "append", "merge", "delete+insert") if dbt else (None, "append")
        if strategy in keyless and not draft.value("unique_key") and not draft.value("leave_duplicates"):
            place = self.at("incremental_strategy", "materialized")
            self.m.add(
                "HG-D062",
                place,
                f"{self.who} appends without a 'unique_key', so a repeated run may double rows",
                expected="unique_key: the columns that name a row, or leave_duplicates: true",
                severity="warning" if dbt else "error",
            )
            if dbt:  # dbt appends whenever there is no key
                draft.config.put("incremental_strategy", "append", place)
                draft.config.put("leave_duplicates", True, place)
        if draft.value("merge_update_columns") and draft.value("merge_exclude_columns"):
            self.m.add(
                "HG-D062",
                self.at("merge_exclude_columns"),
                f"{self.who} has both 'merge_update_columns' and 'merge_exclude_columns'",
                expected="one of the two",
            )

    def begin(self) -> None:
        """`begin` is a moment, `lookback` a number of batches."""
        from datetime import datetime

        value = self.draft.value("begin")
        if value is not None:
            try:
                datetime.fromisoformat(str(value))
            except ValueError:
                self.m.add(
                    "HG-D012",
                    self.at("begin"),
                    f"'begin' of {self.who} is {shapes.told(value)}",
                    expected="a day or a moment, such as '2024-01-01'",
                )
        lookback = self.draft.value("lookback")
        if lookback is not None and (isinstance(lookback, bool) or not isinstance(lookback, int) or lookback < 0):
            self.m.add(
                "HG-D012",
                self.at("lookback"),
                f"'lookback' of {self.who} is {shapes.told(lookback)}",
                expected="a number of batches",
            )

    def partition_by(self) -> None:
        """Partitioning a view means nothing."""
        if (
            self.draft.materialized in ("view", "ephemeral")
            and self.draft.value("partition_by")
            and not self.reading.settings.dbt
        ):
            self.m.add(
                "HG-D062",
                self.at("partition_by"),
                f"{self.who} is a {self.draft.materialized} and cannot be partitioned",
                expected="a table or an incremental model",
            )

    def snapshot(self) -> None:
        """A snapshot's strategy and its needs."""
        near = ("strategy", "unique_key")
        self.need("unique_key", "a snapshot", "unique_key: the column or columns that name a row", code="HG-D063", near=near)
        self.need("strategy", "a snapshot", "strategy: timestamp or check", code="HG-D063", near=near)
        if self.reading.macros.has_strategy("snapshot", self.draft.value("strategy")):
            return
        if self.draft.value("strategy") is not None and self.word("strategy", keys.SNAPSHOT_STRATEGIES):
            if self.draft.value("strategy") == "timestamp":
                self.need(
                    "updated_at",
                    "strategy 'timestamp'",
                    "updated_at: the column that says when a row changed",
                    code="HG-D063",
                    near=near,
                )
            else:
                self.need(
                    "check_cols",
                    "strategy 'check'",
                    "check_cols: all, or the columns that are compared",
                    code="HG-D063",
                    near=near,
                )
        self.word("hard_deletes", keys.HARD_DELETES)

    def seed(self) -> None:
        """A seed has a header whose names differ; `column_types` names columns of it."""
        place = Location(self.draft.file.path)
        delimiter = self.draft.value("delimiter", ",")
        if not isinstance(delimiter, str) or len(delimiter) != 1:
            self.m.add(
                "HG-D012",
                self.at("delimiter"),
                f"'delimiter' of {self.who} is {shapes.told(delimiter)}",
                expected="one character",
            )
            return
        try:
            header = seed_header(self.reading.settings.root, self.draft.file, delimiter)
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            self.m.add("HG-D002", place, f"{self.who} cannot be read: {error}", expected="a CSV file in UTF-8")
            return
        if not any(header):
            self.m.add("HG-D002", place, f"{self.who} is empty", expected="a first line with the columns' names")
        lowered = [name.strip().lower() for name in header]
        for name in dict.fromkeys(n for n in lowered if lowered.count(n) > 1):
            self.m.add(
                "HG-D020", place, f"column '{name}' of {self.who} stands twice in its first line", expected="names that differ"
            )
        for name in self.draft.value("column_types") or {}:
            if name.lower() not in lowered:
                at = self.at("column_types")
                what = f"'column_types' of {self.who} names column '{name}', which the file does not have"
                near, severity = nearest(name, header), "notice" if self.reading.settings.dbt else "error"
                self.m.add("HG-D064", at, what, expected="one of " + ", ".join(header), suggestion=near, severity=severity)

    def columns_of_keys(self) -> None:
        """Columns named in keys must be among the columns that the node has, where those are known."""
        known = output_columns(self.draft)
        if known is None:
            return
        for key in ("unique_key", "grain", "event_time", "incremental_order"):
            value = self.draft.value(key)
            for name in [value] if isinstance(value, str) else value or ():
                if not name.isidentifier() or name.lower() in known:
                    continue  # an expression is the engine's to judge
                self.m.add(
                    "HG-D064",
                    self.at(key),
                    f"'{key}' of {self.who} names column '{name}', which the query does not return",
                    expected="one of " + ", ".join(known.values()),
                    suggestion=nearest(name, known.values()),
                    severity="warning" if self.reading.settings.dbt else "error",
                )


def output_columns(draft: Draft) -> dict[str, str] | None:
    """The columns of a node's query by lower-case name, when the text alone tells them; else None."""
    if draft.language != "sql" or draft.failed or not draft.canonical_sql:
        return None
    wanted: list[Any] = []
    for key in ("unique_key", "grain", "event_time", "incremental_order"):
        value = draft.value(key)
        wanted += [value] if isinstance(value, str) else value or []
    text = draft.canonical_sql.lower()
    if all(str(name).lower() in text for name in wanted):
        # A name that occurs nowhere in a query without stars cannot be its output; one that occurs is left to the engine,
        # which answers at staging. Parsing every query for this would cost more than all other checks together.
        return None
    if "*" in text.replace("count(*)", ""):
        return None
    return _selected(draft.canonical_sql)


def _selected(sql: str) -> dict[str, str] | None:
    from headgate.lineage.parse import SqlSyntax, parse_select

    try:
        tree = parse_select(sql)
    except SqlSyntax:
        return None
    names = list(tree.named_selects) if hasattr(tree, "named_selects") else []
    if not names or any(n in ("", "*") for n in names):
        return None
    return {name.lower(): name for name in names}


def check_publish_groups(drafts: Iterable[Draft], reading: Reading) -> dict[str, tuple[str, ...]]:
    """Groups by name: those of headgate.yml and those that nodes name, as unique ids."""
    enabled = [d for d in drafts if d.enabled]
    names = {d.name: d for d in enabled}
    groups: dict[str, list[str]] = {}
    declared = reading.settings.publish_groups
    for group in declared:
        for index, name in enumerate(shapes.texts(declared, group, reading.mistakes)):
            member = names.get(name)
            if member is None:
                place = shapes.item_at(declared, group, index)
                reading.mistakes.add(
                    "HG-D030",
                    place,
                    f"publish group '{group}' names '{name}', which does not exist",
                    expected="a model, seed or snapshot",
                    suggestion=nearest(name, names),
                )
                continue
            groups.setdefault(group, []).append(member.unique_id)
            member.config.values.setdefault("publish_group", group)
    for draft in enabled:
        own = draft.value("publish_group")
        if isinstance(own, str) and draft.unique_id not in groups.setdefault(own, []):
            groups[own].append(draft.unique_id)
    return {name: tuple(members) for name, members in groups.items()}
