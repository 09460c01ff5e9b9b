"""The manifest of the same project by Headgate and by dbt, field by field; and dbt reads ours."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from headgate import declare
from headgate.serve.artifacts.macros import MacroSource
from headgate.serve.artifacts.manifest import manifest
from headgate.serve.artifacts.metadata import Call
from headgate.serve.artifacts.semantic_manifest import semantic_manifest
from servers.dbt_oracle import DbtOracle

PROJECTS = Path(__file__).parent / "projects"
NAMES = ("shop", "semantic")

# Fields whose values are the machine's, the moment's or written with another's whims, and why.
ELSEWHERE = {
    "created_at": "the moment",
    "root_path": "the folder",
}
UNLIKE = {
    ".dim_people.v": "what dbt keeps of a versioned model's meta leaves the folders' out",
    ".order_count": "dbt makes the metric of a measure with a config of its own",
}  # of unrendered_config
ORDERED_ANYHOW = ("macros", "nodes", "refs", "tags", "primary_key")
OTHERS_MACROS = ("dbt", "dbt_duckdb")  # their built-in library is not ours


@pytest.fixture(scope="module", params=NAMES)
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, dbt_oracle: DbtOracle) -> dict[str, Any]:
    """A project's manifests and semantic manifests: `ours` and `theirs`."""
    folder = tmp_path_factory.mktemp(request.param) / request.param
    shutil.copytree(PROJECTS / request.param, folder)
    dbt_oracle.run(folder, "parse")
    loaded = declare.load(str(folder), use_cache=False)
    files = [MacroSource(*found) for found in loaded.templates.macro_texts()]
    ours = json.loads(json.dumps(manifest(loaded.project, files, Call("parse", "some-id", 0.0, 0.0))))
    (folder / "ours.json").write_text(json.dumps(ours), encoding="utf-8")
    return {
        "folder": folder,
        "ours": ours,
        "theirs": json.loads((folder / "target" / "manifest.json").read_text()),
        "our_semantics": semantic_manifest(ours),
        "their_semantics": json.loads((folder / "target" / "semantic_manifest.json").read_text()),
    }


def differences(path: str, ours: Any, theirs: Any) -> Iterator[str]:
    """Where two values differ, field by field."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for key in sorted({*ours, *theirs} - {*ELSEWHERE}):
            if key not in ours or key not in theirs:
                yield f"{path}.{key}: only {'theirs' if key not in ours else 'ours'}: {str(ours.get(key, theirs.get(key)))[:100]}"
                continue
            if key == "unrendered_config" and any(name in path for name in UNLIKE):
                continue
            pair = (ours[key], theirs[key])
            if key in ORDERED_ANYHOW and all(isinstance(v, list) for v in pair):
                pair = (sorted(ours[key], key=str), sorted(theirs[key], key=str))
            yield from differences(f"{path}.{key}", *pair)
    elif isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        for index, (our, their) in enumerate(zip(ours, theirs, strict=True)):
            yield from differences(f"{path}[{index}]", our, their)
    elif ours != theirs:
        yield f"{path}: ours {str(ours)[:100]}, theirs {str(theirs)[:100]}"


def told(part: str, found: dict[str, Any]) -> dict[str, Any]:
    """What is compared of a part of a manifest."""
    if part == "macros":
        return {uid: entry for uid, entry in found.items() if entry["package_name"] not in OTHERS_MACROS}
    if part == "docs":
        return {uid: entry for uid, entry in found.items() if entry["package_name"] != "dbt"}
    if part == "groups":  # dbt lets a folder's model configs reach a group that stands in it
        return {uid: {**entry, "config": None} for uid, entry in found.items()}
    return found


@pytest.mark.parametrize(
    "part",
    ["nodes", "sources", "macros", "docs", "exposures", "metrics", "groups", "selectors", "disabled", "parent_map", "child_map",
     "group_map", "saved_queries", "semantic_models", "unit_tests"],
)  # fmt: skip
def test_every_part_is_as_dbt_writes_it(pair: dict[str, Any], part: str) -> None:
    assert set(pair["ours"]) == set(pair["theirs"])
    assert list(differences(part, told(part, pair["ours"][part]), told(part, pair["theirs"][part]))) == []


def test_metadata_has_dbts_fields(pair: dict[str, Any]) -> None:
    ours, theirs = pair["ours"]["metadata"], pair["theirs"]["metadata"]
    assert set(ours) == set(theirs)
    same = ("dbt_schema_version", "project_name", "project_id", "adapter_type", "quoting")
    assert {key: ours[key] for key in same} == {key: theirs[key] for key in same}


def test_the_semantic_manifest_is_dbts(pair: dict[str, Any]) -> None:
    assert list(differences("semantic", pair["our_semantics"], pair["their_semantics"])) == []


def test_dbt_reads_ours_and_its_published_schema_holds(pair: dict[str, Any], dbt_oracle: DbtOracle) -> None:
    said = dbt_oracle.python(f"""
import json, jsonschema
from dbt.artifacts.schemas.manifest import WritableManifest
from dbt.contracts.graph.manifest import Manifest
path = {str(pair["folder"] / "ours.json")!r}
jsonschema.Draft202012Validator(WritableManifest.json_schema()).validate(json.load(open(path)))
read = Manifest.from_writable_manifest(WritableManifest.read_and_check_versions(path))
print(len(read.nodes), len(read.metrics))
""")
    assert said.split() == [str(len(pair["theirs"]["nodes"])), str(len(pair["theirs"]["metrics"]))]
