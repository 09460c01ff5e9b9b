"""Source tables that others fill: a run builds what reads them when, and only when, they have changed."""

from __future__ import annotations

from pathlib import Path

import pytest

from headgate.run.external import external_rows
from headgate.run.session import Session, open_session

CONFIG = """name: external
lake: { catalog: "sqlite:.headgate/catalog.sqlite", data: .headgate/data }
state: "sqlite:///.headgate/state.db"
"""
SOURCE = "sources:\n  - name: shop\n    schema: raw\n    tables:\n      - name: orders\n      - name: never_filled\n"
MODEL = "{{ config(materialized='table') }}\nselect count(*) as n from {{ source('shop', 'orders') }}\n"


def fill(session: Session, *statements: str) -> None:
    """What somebody else writes."""
    with session.lake.transaction(("*",), author="other", message="somebody else") as cursor:
        for statement in statements:
            cursor.execute(statement)


@pytest.fixture
def external_project(tmp_path: Path) -> Path:
    (tmp_path / "models").mkdir()
    (tmp_path / "headgate.yml").write_text(CONFIG)
    (tmp_path / "models" / "sources.yml").write_text(SOURCE)
    (tmp_path / "models" / "counted.sql").write_text(MODEL)
    return tmp_path


def test_a_table_that_others_fill_is_read_again_when_it_changes(external_project: Path) -> None:
    with open_session(str(external_project)) as session:
        fill(session, "CREATE SCHEMA lake.raw", "CREATE TABLE lake.raw.orders AS SELECT i AS id FROM range(5) t(i)")
        assert session.run().status == "done"
        assert session.query("select n from main.counted").to_pylist() == [{"n": 5}]
        assert session.run().nothing_to_do
        for rows in (3, 1000):  # a few rows live in the catalog itself, many in a file: both are changes
            before = session.query("select n from main.counted").to_pylist()[0]["n"]
            fill(session, f"INSERT INTO lake.raw.orders SELECT i FROM range({rows}) t(i)")
            assert not session.run().nothing_to_do
            assert session.query("select n from main.counted").to_pylist() == [{"n": before + rows}]
            assert session.run().nothing_to_do


def test_a_large_table_of_others_is_known_to_be_large(external_project: Path) -> None:
    with open_session(str(external_project)) as session:
        fill(session, "CREATE SCHEMA lake.raw", "CREATE TABLE lake.raw.orders AS SELECT i AS id FROM range(5000) t(i)")
        assert external_rows(session.project, session.lake) == {"raw.orders": 5000}
        fill(session, "DELETE FROM lake.raw.orders WHERE id < 1000", "INSERT INTO lake.raw.orders SELECT i FROM range(3) t(i)")
        assert 4000 <= external_rows(session.project, session.lake)["raw.orders"] <= 5003
