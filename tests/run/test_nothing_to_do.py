"""A run with nothing to do asks the catalog's database alone for the newest snapshot (LAKE.md 16), on both catalogs."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

import pytest

from headgate.engines.duckdb.snapshot_id import lake_at, snapshot_id
from headgate.run.session import open_session
from headgate.run.settled import may_be_kept
from servers.postgres import PostgresServer
from servers.processes import Processes

CONFIG = """name: kept
lake: {{ catalog: "{catalog}", data: .headgate/data }}
state: "{state}"
"""
LOOK = """
import sys
from headgate.run.quick import nothing_to_do
said = nothing_to_do(["--project", sys.argv[1]])
loaded = [name for name in ("duckdb", "sqlglot", "sqlalchemy", "pyarrow") if name in sys.modules]
sys.stdout.write(f"{said is not None} {loaded}")
"""


@dataclass
class Project:
    root: Path
    processes: Processes
    env: dict[str, str]

    def run(self) -> None:
        self.processes.headgate("run", "--project", str(self.root), env=self.env).wait(120).expect(0)

    def answer(self, **env: str) -> str:
        return self.processes.python(LOOK, str(self.root), env={**self.env, **env}).wait(60).expect(0).out

    def mark(self) -> Path:
        return next((self.root / ".headgate" / "cache").glob("settled-*"))

    def runs(self) -> list[tuple[str, bool]]:
        with open_session(str(self.root)) as session:
            return [(r.command, r.nothing_to_do) for r in session.state.runs()]


@pytest.fixture(params=["sqlite", "postgresql", "postgresql with its state"])
def project(
    request: pytest.FixtureRequest, tmp_path: Path, python_process: Processes, monkeypatch: pytest.MonkeyPatch
) -> Project:
    env, catalog, state = {}, "sqlite:.headgate/catalog.sqlite", "sqlite:///.headgate/state.db"
    if request.param != "sqlite":
        env["TEST_DSN"] = request.getfixturevalue("pg_database")
        catalog = "${env:TEST_DSN}"
        if "state" in request.param:
            server: PostgresServer = request.getfixturevalue("postgres_server")
            env["TEST_STATE"] = server.dsn(server.create_database())
            state = "${env:TEST_STATE}"
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "a.sql").write_text("{{ config(materialized='table') }} select 1 as id")
    (tmp_path / "headgate.yml").write_text(CONFIG.format(catalog=catalog, state=state))
    return Project(tmp_path, python_process, {**os.environ, **env})


def test_rule_16_nothing_to_do_is_said_without_the_engine(project: Project) -> None:
    assert project.answer() == "False []"
    project.run()
    assert project.answer() == "True []"
    assert sorted(project.runs()) == [("run", False), ("run", True)]
    assert "headgate-pw" not in project.mark().read_text()


def test_rule_16_another_snapshot_or_another_lake_is_looked_at_again(project: Project) -> None:
    project.run()
    mark = json.loads(project.mark().read_text())
    project.mark().write_text(json.dumps({**mark, "snapshot": mark["snapshot"] - 1}))
    assert project.answer() == "False []"
    project.mark().write_text(json.dumps({**mark, "lake": mark["lake"] + "another"}))
    assert project.answer() == "False []"
    project.mark().write_text(json.dumps(mark))
    assert project.answer() == "True []"
    if "TEST_DSN" in project.env:
        nowhere = "postgresql://headgate:headgate-pw@127.0.0.1:1/lake"
        assert snapshot_id(nowhere) is None
        assert project.answer(TEST_DSN=nowhere) == "False []"
        assert project.answer(TEST_DSN="") == "False []"
    with open_session(str(project.root)) as session, session.lake.transaction(["m.x"], author="other", message="other") as cursor:
        cursor.execute("CREATE TABLE lake.main.x AS SELECT 1 AS i")
    assert project.answer() == "False []"


def test_rule_16_a_password_that_is_written_out_is_not_copied() -> None:
    assert (
        may_be_kept("postgresql://reader:${env:PASSWORD}@db/lake")
        and may_be_kept("${env:DSN}")
        and may_be_kept("postgresql://db/lake")
    )
    assert not may_be_kept("postgresql://reader:hunter2@db/lake") and not may_be_kept("postgresql://db/lake?password=hunter2")
    assert (
        lake_at("postgresql://a:hunter2@db:5433/lake")
        == lake_at("postgresql://b@db:5433/lake")
        != lake_at("postgresql://b@db/lake")
    )
    assert "hunter2" not in lake_at("postgresql://a:hunter2@db:5433/lake") and lake_at("postgresql://[broken") == ""
