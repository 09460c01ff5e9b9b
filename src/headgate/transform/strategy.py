"""Which incremental strategy a model asks for, and whether it says enough for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from headgate.spec.errors import DeclarationError
from headgate.spec.project import Node

APPEND, MERGE, DELETE_INSERT, INSERT_OVERWRITE, MICROBATCH = "append", "merge", "delete+insert", "insert_overwrite", "microbatch"
STRATEGIES = (APPEND, MERGE, DELETE_INSERT, INSERT_OVERWRITE, MICROBATCH)
LEAVE = "leave"  # `unique_key: leave`, as `leave_duplicates: true`: append without a key, on purpose
BATCH_SIZES = ("hour", "day", "month", "year")
SCHEMA_CHANGES = ("ignore", "fail", "append_new_columns", "sync_all_columns")


def unique_key(node: Node) -> tuple[str, ...]:
    """The node's key; empty when there is none or it was left out on purpose."""
    return () if node.config.get("unique_key") == LEAVE else node.unique_key


def of(node: Node, *, dbt: bool = False) -> str:
    """The strategy of an incremental node. Raises DeclarationError when its config lacks what the strategy needs.

    In a project of dbt's (`dbt`) a model without a key appends, as it does there; reading the project has warned of it.
    """
    config = node.config
    strategy = str(config.get("incremental_strategy") or (MERGE if unique_key(node) else APPEND)).lower().replace(" ", "")
    check = _NEEDS.get(strategy)
    if check is None:
        raise _wrong(node, f"'{strategy}' is no incremental strategy", "one of " + ", ".join(STRATEGIES))
    if not (dbt and strategy == APPEND):
        check(node, config)
    change = config.get("on_schema_change")
    if change is not None and change not in SCHEMA_CHANGES:
        raise _wrong(node, f"'{change}' is no value of on_schema_change", "one of " + ", ".join(SCHEMA_CHANGES))
    return strategy


def _wrong(node: Node, what: str, expected: str, todo: str = "") -> DeclarationError:
    return DeclarationError(f"{node.location}: {node.name}: {what}", expected=expected, todo=todo, code="HG-T020")


def _append(node: Node, config: Mapping[str, Any]) -> None:
    left_out = config.get("leave_duplicates") or ("unique_key" in config and config["unique_key"] in (None, LEAVE))
    if not unique_key(node) and not left_out:
        raise _wrong(
            node,
            "appends without a key, so that a second run would append the same rows again",
            "unique_key: <columns>, or leave_duplicates: true to append on purpose without one",
        )


def _keyed(node: Node, config: Mapping[str, Any]) -> None:
    if not unique_key(node):
        strategy = config.get("incremental_strategy")
        raise _wrong(node, f"strategy {strategy} has no unique_key", "unique_key: <column or list of columns>")


def _partitioned(node: Node, config: Mapping[str, Any]) -> None:
    if not config.get("partition_by"):
        raise _wrong(node, "insert_overwrite has no partition_by", "partition_by: <columns or month(column), day(column), …>")


def _microbatch(node: Node, config: Mapping[str, Any]) -> None:
    missing = [k for k in ("event_time", "begin", "batch_size") if not config.get(k)]
    if missing:
        raise _wrong(node, f"microbatch lacks {', '.join(missing)}", "event_time, begin and batch_size")
    if str(config["batch_size"]).lower() not in BATCH_SIZES:
        raise _wrong(node, f"'{config['batch_size']}' is no batch_size", "one of " + ", ".join(BATCH_SIZES))


_NEEDS: Mapping[str, Callable[[Node, Mapping[str, Any]], None]] = {
    APPEND: _append,
    MERGE: _keyed,
    DELETE_INSERT: _keyed,
    INSERT_OVERWRITE: _partitioned,
    MICROBATCH: _microbatch,
}
