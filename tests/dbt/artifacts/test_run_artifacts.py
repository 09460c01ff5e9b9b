"""What the commands leave in `target/`: results, freshness, catalog and SQL, beside what dbt leaves for the same project."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import duckdb
import pytest

from servers.dbt_oracle import DbtOracle

SHOP = Path(__file__).parent / "projects" / "shop"
ARTIFACTS = ("manifest", "run_results", "catalog", "sources")
NOT_OURS = ("operation", "unit_test")  # hooks and unit tests are no steps of a run
LOADED = "create schema crm; create table crm.persons as select 'ann' as customer, {} as seen_at; create table crm.quiet as select 1 as a"


def shop(folder: Path, *, amount: str = "75") -> Path:
    """The project with its outside tables filled."""
    shutil.copytree(SHOP, folder)
    seed = folder / "seeds" / "raw_orders.csv"
    seed.write_text(seed.read_text().replace("3,ann,75", f"3,ann,{amount}"))
    with duckdb.connect(folder / "shop.duckdb") as connection:
        connection.execute(LOADED.format("now()::timestamp - interval 13 hour"))
    return folder


def headgate(folder: Path, *arguments: str, code: int = 0) -> str:
    """What the command says in `folder`."""
    command = [str(Path(sys.executable).with_name("headgate")), *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout


def kept(folder: Path, name: str) -> dict[str, Any]:
    """One artifact."""
    found: dict[str, Any] = json.loads((folder / "target" / f"{name}.json").read_text())
    return found


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, dbt_oracle: DbtOracle) -> dict[str, Path]:
    """The project built, asked and documented by both."""
    base = tmp_path_factory.mktemp("built")
    ours, theirs = shop(base / "ours"), shop(base / "theirs")
    for folder, run in ((ours, headgate), (theirs, dbt_oracle.run)):
        run(folder, "build")
        shutil.copy(folder / "target" / "run_results.json", folder / "build.json")
        shutil.copy(folder / "target" / "manifest.json", folder / "build_manifest.json")
        run(folder, "docs", "generate")
        run(folder, "source", "freshness")
        shutil.copy(folder / "build.json", folder / "target" / "run_results.json")
    return {"ours": ours, "theirs": theirs}


def test_results_are_dbts(built: dict[str, Path]) -> None:
    ours, theirs = (
        {r["unique_id"]: r for r in kept(built[who], "run_results")["results"] if not r["unique_id"].startswith(NOT_OURS)}
        for who in ("ours", "theirs")
    )
    outside = {uid for uid in theirs if ".source_" in uid}  # tests of tables that others fill are weighed by `check`
    assert set(ours) == set(theirs) - outside
    for uid, result in ours.items():
        assert set(result) == set(theirs[uid])
        for key in ("status", "message", "failures", "relation_name", "compiled"):
            assert result[key] == theirs[uid][key], (uid, key)
        assert [t["name"] for t in result["timing"]] == [t["name"] for t in theirs[uid]["timing"]]


def test_the_catalog_is_dbts(built: dict[str, Path]) -> None:
    ours, theirs = kept(built["ours"], "catalog"), kept(built["theirs"], "catalog")
    for part in ("nodes", "sources"):
        assert set(ours[part]) == set(theirs[part])
        for uid, table in ours[part].items():
            kept_rows = uid.startswith("test.")  # a test's own query decides what they look like
            assert kept_rows or table["columns"] == theirs[part][uid]["columns"]
            for key in ("type", "schema", "name", "database"):
                assert table["metadata"][key] == theirs[part][uid]["metadata"][key]


def test_freshness_is_dbts(built: dict[str, Path]) -> None:
    (ours,), (theirs,) = (kept(built[who], "sources")["results"] for who in ("ours", "theirs"))
    assert set(ours) == set(theirs)
    assert (ours["unique_id"], ours["status"], ours["criteria"]) == ("source.shop.crm.people", "warn", theirs["criteria"])
    assert theirs["status"] == "warn"


def test_compiled_and_run_folders_have_dbts_paths(built: dict[str, Path]) -> None:
    def paths(folder: Path) -> set[str]:
        listed = (
            p.relative_to(folder).as_posix() for part in ("compiled", "run") for p in (folder / "target" / part).rglob("*.sql")
        )
        others = ("hooks/", "analyses/", "unit", "orders_are_renamed", "source_not_null", "staging.yml/raw_orders.sql")
        return {path for path in listed if not any(part in path for part in others)}

    ours = paths(built["ours"])
    assert ours - paths(built["theirs"]) == {path for path in ours if "/compiled/" in path and "/snapshots/" in path}
    assert paths(built["theirs"]) <= ours
    sql = (built["ours"] / "target/compiled/shop/models/staging/stg_orders.sql").read_text()
    assert 'from "shop"."main"."raw_orders"' in sql


def test_dbts_published_schemas_hold(built: dict[str, Path], dbt_oracle: DbtOracle) -> None:
    dbt_oracle.python(f"""
import json, jsonschema
from dbt.artifacts.schemas.catalog import CatalogArtifact
from dbt.artifacts.schemas.freshness import FreshnessExecutionResultArtifact
from dbt.artifacts.schemas.manifest import WritableManifest
from dbt.artifacts.schemas.run import RunResultsArtifact
kinds = [WritableManifest, RunResultsArtifact, CatalogArtifact, FreshnessExecutionResultArtifact]
for name, kind in zip({ARTIFACTS!r}, kinds):
    path = {str(built["ours"] / "target")!r} + "/" + name + ".json"
    jsonschema.Draft202012Validator(kind.json_schema()).validate(json.load(open(path)))
    kind.read_and_check_versions(path)
""")


def test_what_fails_and_what_waits_for_it_are_told(tmp_path: Path) -> None:
    folder = shop(tmp_path / "shop", amount="-5")  # below what a hard test allows
    headgate(folder, "build", code=3)
    results = {r["unique_id"]: r for r in kept(folder, "run_results")["results"]}
    failed = results["test.shop.no_negative"]
    assert (failed["status"], failed["failures"]) == ("fail", 1)
    assert failed["message"] == "Got 1 result, configured to fail if != 0"
    held = results["model.shop.fct_orders"]
    assert held["status"] == "error"
    assert "no_negative" in held["message"]
    listed = headgate(folder, "parse")
    assert "10 nodes" in listed


@pytest.mark.parametrize("command", ["build", "run"])  # `run` answers without the platform
def test_a_run_with_nothing_to_do_tells_that_all_is_well(built: dict[str, Path], command: str) -> None:
    folder = built["ours"]
    before = kept(folder, "run_results")["metadata"]["invocation_id"]
    headgate(folder, command)
    found = kept(folder, "run_results")
    assert found["metadata"]["invocation_id"] != before
    ended = {
        r["unique_id"]: (r["status"], r["message"]) for r in found["results"] if r["unique_id"].startswith(("model.", "seed."))
    }
    assert ended["seed.shop.raw_orders"] == ended["model.shop.fct_orders"] == ("success", "up to date")


def test_a_run_takes_what_an_earlier_one_left_undone(tmp_path: Path) -> None:
    folder = shop(tmp_path / "shop", amount="-5")
    headgate(folder, "build", code=3)
    shutil.copytree(folder / "target", folder / "before")
    said = json.loads(headgate(folder, "plan", "state:modified", "--state", "before", "-o", "json"))
    assert {step["action"] for step in said["steps"]} == {"none"}
    (folder / "models" / "staging" / "stg_orders.sql").write_text(
        "select id as order_id, customer, 1.0::double as amount from {{ ref('raw_orders') }}"
    )
    for selection, expected in (("state:modified+", {"stg_orders", "fct_orders"}), ("result:error", {"fct_orders"})):
        said = json.loads(headgate(folder, "plan", selection, "--state", "before", "-o", "json"))
        todo = {step["unique_id"].split(".")[2] for step in said["steps"] if step["action"] != "none"}
        assert expected <= todo


def test_tests_alone_leave_their_results(built: dict[str, Path]) -> None:
    folder = built["ours"]
    headgate(folder, "test", "stg_orders")
    found = kept(folder, "run_results")
    assert found["args"]["which"] == "test"
    results = {r["unique_id"]: r for r in found["results"]}
    assert {r["status"] for r in results.values()} == {"pass"}
    assert "unit_test.shop.stg_orders.orders_are_renamed" in results
    unique = results["test.shop.unique_stg_orders_order_id.e3b841c71a"]
    assert (unique["failures"], unique["compiled"]) == (0, True)
    assert "order_id" in unique["compiled_code"]
    names = headgate(folder, "ls", "state:modified", "--names", "name", "--state", "target")
    assert names == ""
