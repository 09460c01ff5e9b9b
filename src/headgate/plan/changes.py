"""What a changed code fingerprint means: spelling, configuration, more columns, or other data. Reads SQL only when asked.

`sqlglot` is imported on the first node whose fingerprint differs; a plan in which nothing changed never loads it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from headgate.plan.touch import ALL, NOTHING, Touch
from headgate.plan.wiring import Wiring
from headgate.spec.errors import DeclarationError
from headgate.spec.lineage import Change, ModelLineage
from headgate.spec.project import Node
from headgate.spec.recorded import Recorded, RecordedDataset
from headgate.spec.steps import ColumnChange

# Configuration that says how a node is described, tested or run, not what is built.
_ASIDE = frozenset(
    (
        *("alias", "contract", "database", "description", "docs", "enabled", "full_refresh", "grain", "grants", "group", "meta"),
        *("on_configuration_change", "owner", "persist_docs", "quoting", "schema", "severity", "store_failures", "tags", "tier"),
        *(
            "batch_size",
            "begin",
            "end",
            "event_time_end",
            "event_time_start",
            "lookback",
            "reconcile",
        ),  # which intervals, not what
    )
)
# Configuration that changes how a table is stored, but no row of it.
_LAYOUT = frozenset(("materialized", "partition_by", "sort_by", "cluster_by", "publish_group", "pre_hook", "post_hook", "views"))


@dataclass(frozen=True, slots=True)
class CodeChange:
    """What an edit means. `kind`: "none" (nothing to build), "non_breaking" or "breaking"; `touch` is what readers see of it."""

    kind: str
    reason: str
    touch: Touch = NOTHING
    columns: tuple[ColumnChange, ...] = ()


def code_of(node: Node) -> dict[str, str]:
    """What the ledger keeps of a node's code under its fingerprint: canonical SQL (or Python) and building configuration."""
    config = {k: v for k, v in node.config.items() if k not in _ASIDE}
    config["materialized"] = node.materialized
    text = json.dumps(config, sort_keys=True, default=str, ensure_ascii=False)
    if node.language == "python":
        return {"raw_code": node.raw_code, "config": text}
    return {"sql": node.canonical_sql, "incremental_sql": node.canonical_incremental_sql, "config": text}


class Reader:
    """Lineage of nodes against the columns that are recorded, each traced once."""

    def __init__(self, wiring: Wiring, recorded: Recorded) -> None:
        self._wiring, self._recorded = wiring, recorded
        self._lake = wiring.project.lake.name
        self._traced: dict[str, ModelLineage] = {}

    def lineage(self, node: Node) -> ModelLineage:
        """The lineage of a node. Raises DeclarationError (SQL that cannot be read)."""
        found = self._traced.get(node.unique_id)
        if found is None:
            from headgate.lineage.columns import trace

            found = trace(node.canonical_sql, self.schemas(node), name=f"{self._lake}.{node.relation}")
            self._traced[node.unique_id] = found
        return found

    def schemas(self, node: Node) -> dict[str, dict[str, str]]:
        """The recorded columns of what a node reads, ephemeral models read through."""
        names = [self._wiring.dataset(p) for p in self._wiring.parents[node.unique_id]]
        known = ((name, self._recorded.datasets.get(name)) for name in names)
        return {f"{self._lake}.{name}": {c.name: c.type for c in d.columns} for name, d in known if d is not None and d.columns}


def compare(node: Node, recorded: RecordedDataset, reader: Reader) -> CodeChange:
    """What changed between the code that built `recorded` and the node's code now."""
    config = _config(node, recorded)
    if not recorded.code:
        return CodeChange("breaking", "its code changed, and the code that built it is not recorded", ALL)
    if node.language == "python" or recorded.code.get("raw_code"):
        same = recorded.code.get("raw_code") == node.raw_code and node.language == "python"
        return _by_config(config, ALL) if same else CodeChange("breaking", "its Python code changed", ALL)
    if node.resource_type == "seed":
        return CodeChange("breaking", "its file changed", ALL)
    try:
        told = _sql(node, recorded, reader)
    except DeclarationError:
        return CodeChange("breaking", "its SQL changed, and how cannot be told", ALL)
    if told.kind == "none":
        return _by_config(config, NOTHING) if config else told
    reason = "; ".join([told.reason, *([_config_reason(config)] if config else [])])
    kind = "breaking" if _heavy(config) else told.kind
    return CodeChange(kind, reason, ALL if _heavy(config) else told.touch, told.columns)


def _sql(node: Node, recorded: RecordedDataset, reader: Reader) -> CodeChange:
    from headgate.lineage.change import classify

    schemas = reader.schemas(node)
    change = classify(recorded.code.get("sql", ""), node.canonical_sql, schemas)
    told = _told(change)
    old, new = recorded.code.get("incremental_sql", ""), node.canonical_incremental_sql
    if told.kind == "none" and old != new and node.materialized == "incremental":
        # `this` is a relation of its own there, with the columns that stand.
        own = {c.name: c.type for c in recorded.columns}
        told = _told(classify(old, new, {**schemas, f"{reader._lake}.{node.relation}": own}))
        if told.kind != "none":
            return CodeChange(told.kind, f"the incremental branch: {told.reason}", told.touch, told.columns)
    return told


def _told(change: Change) -> CodeChange:
    columns = tuple(ColumnChange(c.name, c.kind, c.reason) for c in change.columns if c.kind != "unchanged")
    if change.kind in ("none", "cosmetic"):
        return CodeChange("none", change.reason)
    if change.rows_changed:
        return CodeChange("breaking", change.reason, ALL, columns)
    touch = Touch(
        changed=_lower(change.named("changed", "type_changed")),
        removed=_lower(change.named("removed")),
        added=_lower(change.named("added")),
    )
    return CodeChange(change.kind, change.reason, touch, columns)


def _lower(names: tuple[str, ...]) -> frozenset[str]:
    return frozenset(name.lower() for name in names)


def _config(node: Node, recorded: RecordedDataset) -> dict[str, tuple[Any, Any]]:
    """Building configuration that differs: key to old and new value."""
    text = recorded.code.get("config")
    if not text:
        return {}
    old: Mapping[str, Any] = json.loads(text)
    new: Mapping[str, Any] = json.loads(code_of(node)["config"])
    keys = [k for k in dict.fromkeys((*old, *new)) if k not in _ASIDE and old.get(k) != new.get(k)]
    if "materialized" not in old:
        keys = [k for k in keys if k != "materialized"]
    return {k: (old.get(k), new.get(k)) for k in keys}


def _heavy(config: Mapping[str, tuple[Any, Any]]) -> bool:
    return any(key not in _LAYOUT for key in config)


def _by_config(config: Mapping[str, tuple[Any, Any]], unknown: Touch) -> CodeChange:
    if not config:
        # The fingerprint changed though text and configuration did not: a macro or module behind it did.
        return CodeChange("breaking", "code that it uses changed", ALL) if unknown else CodeChange("none", "it means the same")
    if _heavy(config):
        return CodeChange("breaking", _config_reason(config), ALL)
    return CodeChange("non_breaking", _config_reason(config), unknown)


def _config_reason(config: Mapping[str, tuple[Any, Any]]) -> str:
    said = (f"{key} changed from {_value(old)} to {_value(new)}" for key, (old, new) in sorted(config.items()))
    return "; ".join(said)


def _value(value: Any) -> str:
    return "nothing" if value is None else str(value)
