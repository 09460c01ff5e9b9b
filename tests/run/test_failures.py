"""dbt's `store_failures`: the failing rows of a check stand in a table of their own, of blocked tables too."""

from __future__ import annotations

from pathlib import Path

import pytest

from headgate.run.session import Session, open_session
from headgate.spec.errors import DeclarationError
from headgate.spec.events import RunResult

CONFIG = """name: shop
lake: {{ catalog: "{catalog}", data: .headgate/data }}
state: "sqlite:///.headgate/state.db"
data_tests: {{ shop: {{ +schema: audit }} }}
"""
MODEL = "{{{{ config(materialized='table') }}}}\nselect * from (values {rows}) t(id, status, email)\n"
PROPERTIES = """models:
  - name: orders
    columns:
      - name: id
        data_tests:
          - unique: { config: { store_failures: true, alias: doubled_ids } }
          - not_null
      - name: status
        data_tests:
          - accepted_values: { values: [paid, open], config: { store_failures: true, severity: warn } }
      - name: email
        classification: pii.email
"""
GOOD = "(1, 'paid', 'a@x'), (2, 'open', 'b@x')"
BAD = "(1, 'paid', 'a@x'), (1, 'lost', 'b@x')"


@pytest.fixture(params=["sqlite", "postgresql"])
def shop(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    catalog = "sqlite:.headgate/catalog.sqlite" if request.param == "sqlite" else request.getfixturevalue("pg_database")
    (tmp_path / "models").mkdir()
    (tmp_path / "headgate.yml").write_text(CONFIG.format(catalog=catalog))
    (tmp_path / "models" / "orders.yml").write_text(PROPERTIES)
    return tmp_path


def run(shop: Path, rows: str) -> tuple[RunResult, dict[str, list[dict[str, object]]]]:
    (shop / "models" / "orders.sql").write_text(MODEL.format(rows=rows))
    with open_session(str(shop)) as session:
        result = session.run()
        return result, {name: kept(session, name) for name in session.lake.relations() if name.startswith("audit.")}


def kept(session: Session, name: str) -> list[dict[str, object]]:
    found: list[dict[str, object]] = session.query(f"select * from {name}").to_pylist()
    return found


def test_failing_rows_are_kept_while_the_table_is_not_published(shop: Path) -> None:
    good, tables = run(shop, GOOD)
    assert good.status == "done" and tables["audit.doubled_ids"] == []
    bad, tables = run(shop, BAD)
    assert bad.status == "blocked" and "audit.doubled_ids" in bad.reason
    assert [(row["id"], row["n_records"]) for row in tables["audit.doubled_ids"]] == [(1, 2)]
    (other,) = [rows for name, rows in tables.items() if name != "audit.doubled_ids"]
    assert other == [{"id": 1, "status": "lost", "email": "[masked]"}]
    with open_session(str(shop)) as session:
        assert session.query("select count(distinct id) as n from main.orders").to_pylist() == [{"n": 2}]
    mended, tables = run(shop, GOOD)
    assert mended.status == "done" and not any(tables.values())


def test_a_check_of_a_landing_keeps_its_rows(shop: Path) -> None:
    (shop / "sources").mkdir()
    (shop / "orders.csv").write_text("id,status\n1,paid\n1,open\n")
    (shop / "models" / "orders.yml").unlink()
    (shop / "sources" / "files.yml").write_text(
        "sources:\n  - name: files\n    connector: files\n    tables:\n      - name: orders\n        path: orders.csv\n        columns:\n"
        "          - name: id\n            data_tests:\n              - unique: { config: { store_failures: true, alias: raw_ids } }\n"
    )
    with open_session(str(shop)) as session:
        assert session.run().status == "blocked"
        assert [row["id"] for row in kept(session, "audit.raw_ids")] == [1]
        assert "raw_files.orders" not in session.lake.relations()


def test_to_hold_rows_back_is_refused_until_something_holds_them(shop: Path) -> None:
    (shop / "models" / "orders.sql").write_text(MODEL.format(rows=GOOD))
    properties = shop / "models" / "orders.yml"
    properties.write_text(PROPERTIES.replace("- not_null", "- not_null: { config: { on_fail: quarantine } }"))
    with pytest.raises(DeclarationError, match=r"quarantine.*not offered yet.*block or warn"), open_session(str(shop)) as session:
        session.run()
