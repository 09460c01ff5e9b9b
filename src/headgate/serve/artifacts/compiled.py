"""The folders `compiled/` and `run/`: the SQL of every node, and the statement that stands for building it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from headgate.serve.artifacts.nodes import compiled_path


def compiled_files(manifest: Mapping[str, Any], target: str) -> dict[str, str]:
    """Path within the project -> SQL, for every node that the manifest holds compiled."""
    return {
        _path(node, target, "compiled"): node["compiled_code"]
        for node in manifest["nodes"].values()
        if node.get("compiled_code") is not None
    }


def run_files(manifest: Mapping[str, Any], target: str, ran: Mapping[str, str]) -> dict[str, str]:
    """Path within the project -> statement, for the nodes that were run; `ran` tells how, by unique id: the step's build, or "test"."""
    found: dict[str, str] = {}
    for unique_id, build in ran.items():
        node = manifest["nodes"].get(unique_id)
        if node is not None and node.get("compiled_code") is not None:
            found[_path(node, target, "run")] = _statement(node, build)
    return found


def _path(node: Mapping[str, Any], target: str, folder: str) -> str:
    return compiled_path(target, folder, node["package_name"], node["original_file_path"], node["path"])


def _statement(node: Mapping[str, Any], build: str) -> str:
    """What building comes to, as one statement. Headgate stages the rows first and publishes them together with all others."""
    code, name = node["compiled_code"].strip(), node["relation_name"]
    if build == "test" or name is None or node["language"] == "python":
        return str(code)
    if build == "view":
        return f"create or replace view {name} as (\n{code}\n)"
    if build in ("incremental", "intervals", "snapshot"):
        return f"insert into {name} by name (\n{code}\n)"
    return f"create or replace table {name} as (\n{code}\n)"
