"""Random edits of models: the plan says of every model what the oracle says, and a run that follows the plan gives what a database without
any memory gives."""

from __future__ import annotations

import json
import os
import random
from pathlib import Path

import duckdb
import pytest

from edits_world import Edits
from headgate.run.session import Session, open_session
from headgate.spec.steps import Step

HISTORIES = int(os.environ.get("HEADGATE_HISTORIES", "1"))
STEPS = 10 if HISTORIES == 1 else 20
PROJECT = """name: edits
lake: { catalog: 'sqlite:.headgate/c.sqlite', data: .headgate/data }
state: 'sqlite:///.headgate/state.db'
"""
SOURCES = """sources:
  - name: shop
    owner: tests
    connector: files
    tables: [{ name: events, path: landing/*.ndjson }]
"""


class Project:
    """The folder of a project whose models are edited."""

    def __init__(self, root: Path, edits: Edits) -> None:
        self.root, self.edits, self.rows = root, edits, [[1, 1, 1, 1]]
        for folder in ("models", "sources", "landing"):
            (root / folder).mkdir(parents=True)
        (root / "headgate.yml").write_text(PROJECT)
        (root / "sources" / "shop.yml").write_text(SOURCES)
        self.deliver()

    def deliver(self) -> None:
        """Some more rows."""
        r = self.edits.rnd
        self.rows += [[r.randint(1, 9), r.randint(0, 4), r.choice((None, 1, 2)), r.randint(0, 4)] for _ in range(4)]
        text = "".join(json.dumps(dict(zip(["id", "a", "b", "c"], row, strict=True))) + "\n" for row in self.rows[-4:])
        (self.root / "landing" / f"{len(self.rows)}.ndjson").write_text(text)
        self.edits.fresh = True

    def write(self) -> None:
        for name, model in self.edits.models.items():
            (self.root / "models" / f"{name}.sql").write_text(model.file())

    def expected(self) -> dict[str, list[str]]:
        """Every model, built from nothing in a database of its own."""
        with duckdb.connect() as database:
            database.execute("create table events (id bigint, a bigint, b bigint, c bigint)")
            database.executemany("insert into events values (?, ?, ?, ?)", self.rows[1:])
            for name, model in self.edits.models.items():
                database.execute(f"create table {name} as {model.sql().format(**{p: p for p in model.parents})}")
            return {m: sorted(map(repr, _rows(database, m))) for m in self.edits.models}

    def found(self, session: Session) -> dict[str, list[str]]:
        """Every model as it stands."""
        return {m: sorted(map(repr, session.query(f"select * from main.{m}").to_pylist())) for m in self.edits.models}


def status(step: Step) -> str:
    """The class of a step; what depends on rows that a landing may bring is up to date until then."""
    return "up_to_date" if step.conditional else step.status


def _rows(database: duckdb.DuckDBPyConnection, table: str) -> list[dict[str, object]]:
    return list(database.execute(f"select * from {table}").to_arrow_table().to_pylist())


@pytest.mark.parametrize("seed", range(HISTORIES))
def test_the_plan_says_what_an_edit_means_and_the_run_does_it(tmp_path: Path, seed: int) -> None:
    edits = Edits(random.Random(seed))
    project = Project(tmp_path / "edits", edits)
    log: list[str] = []
    for _ in range(STEPS):
        project.write()
        with open_session(str(project.root)) as session:
            session.land()
            told = {s.dataset.partition(".")[2]: s for s in session.plan().steps if s.dataset.startswith("main.")}
            expected = edits.statuses()
            wrong = [
                f"{n} is {s.status} ({s.reason}), expected {expected[n]}" for n, s in told.items() if status(s) != expected[n]
            ]
            assert not wrong, "\n".join([*log[-6:], *wrong])
            assert session.run().status == "done", log[-1]
            assert project.found(session) == project.expected(), "\n".join(log[-6:])
            assert session.run().nothing_to_do
        edits.built, edits.fresh = dict(edits.models), False
        log.append("-- run")
        log += [edits.edit() for _ in range(edits.rnd.choice((1, 1, 2, 3)))]
        if edits.rnd.random() < 0.2:
            project.deliver()
            log.append("rows")
