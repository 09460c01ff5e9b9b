"""What a template or a model reads in the information schema: the parents of its run, staged or published, under their own names."""

from __future__ import annotations

from pathlib import Path

import pytest

from headgate.run.session import open_session

ASKS = """{{ config(materialized='table') }}
-- depends_on: {{ ref('one') }}
{% set found = run_query("select table_name, table_type from " ~ target.database ~ ".INFORMATION_SCHEMA.tables where table_schema = 'main' "
                         ~ "and table_name <> 'asks' order by 1") %}
{% set cols = run_query("select column_name from information_schema.columns where table_name = 'one' order by 1") %}
select '{{ found.columns[0].values() | join(",") if execute else "" }}' as tables,
    '{{ cols.columns[0].values() | join(",") if execute else "" }}' as columns,
    (select count(*) from "information_schema"."schemata"
      where catalog_name = '{{ target.database }}' and schema_name in ('main', 'headgate', '_scratch')) as schemas
"""


@pytest.mark.parametrize("catalog", ["sqlite:.headgate/c.sqlite", "duckdb:shop.duckdb"])
def test_the_staged_and_the_published(tmp_path: Path, catalog: str) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "headgate.yml").write_text(
        f"name: shop\nlake: {{ catalog: '{catalog}', data: .headgate/data }}\nstate: 'sqlite:///.headgate/state.db'\n"
    )
    (tmp_path / "models" / "one.sql").write_text(
        "{{ config(materialized='table') }} select 1 as a, 2 as {{ var('second', 'b') }}"
    )
    (tmp_path / "models" / "asks.sql").write_text(ASKS)
    with open_session(str(tmp_path)) as session:
        assert session.run().status == "done"
        assert session.query("select * from main.asks").to_pylist() == [{"tables": "one", "columns": "a,b", "schemas": 1}]
    with open_session(str(tmp_path), variables={"second": "c"}) as session:
        assert session.run().status == "done"
        assert session.query("select * from main.asks").to_pylist() == [{"tables": "one", "columns": "a,c", "schemas": 1}]
    with open_session(str(tmp_path)) as session:
        (tmp_path / "models" / "asks.sql").write_text(ASKS + "-- anew\n where 1 = 1")
        assert session.run(["asks"]).status == "done"
        assert session.query("select * from main.asks").to_pylist() == [{"tables": "one", "columns": "a,c", "schemas": 1}]
