"""What a run stops at: a test over two tables stops both, and `why` has the evidence."""

from __future__ import annotations

from pathlib import Path

import pytest

from headgate.run.session import open_session
from headgate.serve.answers.tables import why

CONFIG = """name: shop
lake: {{ catalog: "{catalog}", data: .headgate/data }}
state: "sqlite:///.headgate/state.db"
"""
PROPERTIES = "models:\n  - name: orders\n    columns:\n      - name: id\n        data_tests: [unique]\n"
TOTALS = "{{ config(materialized='table') }}\nselect count(*) as n from {{ ref('orders') }}\n"
BOTH = "select o.id, t.n from {{ ref('orders') }} o cross join {{ ref('totals') }} t where t.n > 5\n"


@pytest.fixture(params=["sqlite", "postgresql"])
def shop(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    catalog = "sqlite:.headgate/catalog.sqlite" if request.param == "sqlite" else request.getfixturevalue("pg_database")
    (tmp_path / "models").mkdir()
    (tmp_path / "tests").mkdir()
    (tmp_path / "headgate.yml").write_text(CONFIG.format(catalog=catalog))
    (tmp_path / "models" / "orders.yml").write_text(PROPERTIES)
    (tmp_path / "models" / "totals.sql").write_text(TOTALS)
    (tmp_path / "tests" / "both.sql").write_text(BOTH)
    orders(tmp_path, "range(3)")
    with open_session(str(tmp_path)) as session:
        assert session.run().status == "done"
    return tmp_path


def orders(shop: Path, rows: str) -> None:
    (shop / "models" / "orders.sql").write_text(f"{{{{ config(materialized='table') }}}}\nselect i as id from {rows} t(i)\n")


def test_a_test_over_two_tables_stops_both(shop: Path) -> None:
    orders(shop, "range(9)")
    with open_session(str(shop)) as session:
        result = session.run()
        assert result.status == "blocked"
        assert {s.dataset: s.status for s in result.steps} == {"main.orders": "blocked", "main.totals": "blocked"}
        assert session.query("select (select count(*) from main.orders) as a, n from main.totals").to_pylist() == [
            {"a": 3, "n": 3}
        ]
        for table in ("orders", "totals"):
            because = why(session, table)
            assert because.status == "stale" and "test both found something (9 results)" in because.sentence
            (weighed,) = because.verdicts
            assert (weighed.verdict.name, weighed.verdict.failures, len(weighed.verdict.sample)) == ("both", 9, 9)
    orders(shop, "range(4)")
    with open_session(str(shop)) as session:
        assert session.run().status == "done" and why(session, "totals").verdicts == ()


def test_the_reason_is_said_once_with_the_rows_and_the_statement(shop: Path) -> None:
    orders(shop, "(select unnest([1, 1, 2]))")
    with open_session(str(shop)) as session:
        assert session.run().status == "blocked"
        because, below = why(session, "orders"), why(session, "totals")
    verdict = because.verdicts[0].verdict
    assert verdict.sample == ({"id": "1", "n_records": "2"},) and 'GROUP BY "id"' in verdict.sql
    assert not any(name.startswith("check:") for name in because.inputs)
    assert [e.kind for e in because.events].count("dataset.stale") == 1
    assert below.sentence.endswith("main.orders is blocked") and below.verdicts == ()
