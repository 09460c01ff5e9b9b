"""A company's project in dbt's layout, with a package, its own schema names, snapshots and selectors, from plan to rows."""

from __future__ import annotations

from pathlib import Path

import pytest

from company_world import write_company
from headgate.run.session import open_session


@pytest.fixture
def company(tmp_path: Path) -> Path:
    return write_company(tmp_path)


def test_a_company_project_is_built_and_then_has_nothing_to_do(company: Path) -> None:
    with open_session(str(company)) as session:
        ran = session.run()
        assert ran.status == "done", [(s.dataset, s.status, s.reason) for s in ran.steps]
        rows = session.query("select order_id, amount, name, currency, region from marts.fct_orders order by 1").to_pylist()
        assert [tuple(r.values()) for r in rows] == [(1, 10.0, "Ada", "EUR", "eu"), (3, 20.5, "Grace", "EUR", "eu")]
        pivoted = session.query("select * from finance.by_customer order by 1").to_pylist()
        assert pivoted == [{"customer_id": 1, "paid": 10.0, "open": 3.0}, {"customer_id": 2, "paid": 20.5, "open": 0.0}]
        assert session.query("select count(*) as n from marts.days").to_pylist() == [{"n": 3}]
        assert session.query("select * from marts.slim").column_names == [
            "order_id", "customer_id", "status", "amount", "ordered_at", "name", "currency",
        ]  # fmt: skip
        assert session.query("select distinct _source from finance.everything order by 1").num_rows == 2
        assert session.query("select count(*) as n from history.customers_history").to_pylist() == [{"n": 3}]
        assert session.run().steps == ()
    (company / "seeds" / "raw_customers.csv").write_text("id,name\n1,Ada\n2,Hopper\n3,\n")
    with open_session(str(company)) as session:
        assert session.run().status == "done"
        assert session.query("select count(*) as n from history.customers_history").to_pylist() == [{"n": 4}]
        assert session.query("select name from marts.fct_orders where order_id = 3").to_pylist() == [{"name": "Hopper"}]
