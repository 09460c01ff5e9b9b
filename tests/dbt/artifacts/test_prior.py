"""`state:`, `result:` and `source_status:` against what an earlier run left: the same answers as dbt's, from dbt's manifest and from ours."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from headgate import declare
from headgate.declare.prior import STATES, Prior
from headgate.serve.artifacts.macros import MacroSource
from headgate.serve.artifacts.manifest import manifest
from headgate.serve.artifacts.metadata import Call
from headgate.spec.errors import UsageError
from servers.dbt_oracle import DbtOracle

SHOP = Path(__file__).parent / "projects" / "shop"
EDITS = {
    "models/staging/stg_people.sql": ("select *", "select customer"),  # body
    "macros/helpers.sql": ("{{ cents(column) }}", "{{ cents(column) }} + 0"),  # a macro
    "models/marts/report.sql": ("schema='reports'", "schema='papers'"),  # relation
    "models/marts/dim_people_v2.sql": ("alias='people'", "alias='people', full_refresh=false"),  # config
    "seeds/raw_orders.csv": ("3,ann,75", "3,ann,76"),
    "seeds/seeds.yml": ("data_tests: [unique]", "data_tests: [{unique: {config: {limit: 5}}}]"),
    "models/sources.yml": ("count: 12", "count: 13"),
    "models/marts/marts.yml": ("description: A report", "description: The report"),  # persisted
    "models/staging/staging.yml": ("customer: ann, amount: 2.5", "customer: ann, amount: 3.5"),
    "snapshots/people.yml": ("hard_deletes: invalidate", "hard_deletes: ignore"),
}


def ours(folder: Path) -> Mapping[str, Any]:
    """Our manifest of a project."""
    loaded = declare.load(str(folder), use_cache=False)
    files = [MacroSource(*found) for found in loaded.templates.macro_texts()]
    found: Mapping[str, Any] = json.loads(json.dumps(manifest(loaded.project, files, Call("parse", "some-id", 0.0, 0.0))))
    return found


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, dbt_oracle: DbtOracle) -> dict[str, Any]:
    """The shop before and after edits, with what dbt's selectors say of them."""
    folder = tmp_path_factory.mktemp("prior") / "shop"
    shutil.copytree(SHOP, folder)
    dbt_oracle.run(folder, "parse")
    (folder / "theirs").mkdir()
    shutil.copy(folder / "target" / "manifest.json", folder / "theirs")
    (folder / "ours").mkdir()
    (folder / "ours" / "manifest.json").write_text(json.dumps(ours(folder)))
    for name, (before, after) in EDITS.items():
        text = (folder / name).read_text()
        assert before in text, name
        (folder / name).write_text(text.replace(before, after))
    marts = folder / "models" / "marts"
    (marts / "fresh.sql").write_text("select 1 as a")
    text = (marts / "marts.yml").read_text()
    text = text.replace("url: https://example.com/weekly", "url: https://example.com/daily")
    (marts / "marts.yml").write_text(text.replace("{name: customer, data_type: varchar}", "{name: customer, data_type: text}"))
    said = dbt_oracle.python(f"""
import contextlib, io, json, os
from dbt.cli.main import dbtRunner
os.chdir({str(folder)!r})
found = {{}}
for state in {STATES!r}:
    with contextlib.redirect_stdout(io.StringIO()):
        done = dbtRunner().invoke(["--quiet", "ls", "--profiles-dir", ".", "--state", "theirs", "--select", "state:" + state,
                                   "--indirect-selection", "empty", "--output", "json", "--output-keys", "unique_id"])
    found[state] = [json.loads(line)["unique_id"] for line in done.result or ()] if done.success else str(done.exception)
print(json.dumps(found))
""")
    return {"folder": folder, "dbt": json.loads(said.splitlines()[-1])}


@pytest.mark.parametrize("origin", ["theirs", "ours"])
@pytest.mark.parametrize("state", STATES)
def test_states_are_dbts(world: dict[str, Any], state: str, origin: str) -> None:
    prior = Prior(world["folder"] / origin, lambda: ours(world["folder"]))
    listed = {uid for uid in prior("state", state) if not uid.startswith(("operation.", "analysis."))}  # dbt lists none of these
    assert sorted(listed) == sorted(world["dbt"][state])


def test_results_are_found_by_how_they_ended(tmp_path: Path) -> None:
    results = [{"unique_id": "model.a.b", "status": "error"}, {"unique_id": "test.a.c", "status": "fail"}]
    (tmp_path / "run_results.json").write_text(json.dumps({"results": results}))
    prior = Prior(tmp_path, dict)
    assert prior("result", "error") == {"model.a.b"}
    assert prior("result", "fail") == {"test.a.c"}
    assert prior("result", "warn") == set()


def test_fresher_sources_are_those_with_newer_rows(tmp_path: Path) -> None:
    def write(folder: Path, **at: str) -> None:
        folder.mkdir()
        found = [{"unique_id": f"source.a.b.{name}", "max_loaded_at": moment} for name, moment in at.items()]
        (folder / "sources.json").write_text(json.dumps({"results": found}))

    write(tmp_path / "before", same="2026-01-01T00:00:00Z", newer="2026-01-01T00:00:00Z")
    write(tmp_path / "now", same="2026-01-01T00:00:00Z", newer="2026-01-02T00:00:00Z", fresh="2026-01-02T00:00:00Z")
    prior = Prior(tmp_path / "before", dict, tmp_path / "now")
    assert prior("source_status", "fresher") == {"source.a.b.newer", "source.a.b.fresh"}


def test_where_things_stand_elsewhere(world: dict[str, Any]) -> None:
    relations = Prior(world["folder"] / "theirs", dict).relations()
    assert relations["model.shop.report"].name == '"shop"."main_reports"."report"'
    assert relations["source.shop.crm.people"].alias == "persons"
    assert "model.shop.stg_people" not in relations  # ephemeral


def test_what_cannot_be_compared_is_told(tmp_path: Path) -> None:
    prior = Prior(tmp_path, dict)
    with pytest.raises(UsageError, match=r"manifest\.json cannot be read"):
        prior("state", "new")
    with pytest.raises(UsageError, match="state:modifed") as told:
        prior("state", "modifed")
    assert told.value.todo == "did you mean 'state:modified'?"
