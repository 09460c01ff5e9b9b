"""A real Iceberg table, written by PyIceberg with a catalog of its own, through landing."""

from __future__ import annotations

import pyarrow as pa
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.types import DoubleType

from land.ground import Ground


def rows(*ids: int) -> pa.Table:
    return pa.table({"id": pa.array(ids, pa.int64()), "name": [f"n{n}" for n in ids]})


def test_iceberg(ground: Ground) -> None:
    folder = ground.root / "in"
    folder.mkdir()
    catalog = SqlCatalog("c", uri=f"sqlite:///{ground.root}/iceberg.sqlite", warehouse=f"file://{folder}")
    catalog.create_namespace("shop")
    table = catalog.create_table("shop.orders", schema=rows(1).schema)
    table.append(rows(1, 2))
    options = {"path": "in/shop/orders", "format": "iceberg"}
    assert ground.land(options=options).counts.rows_out == 2
    assert ground.land(options=options).status == "nothing"
    table.delete("id = 1")
    table.append(rows(3))
    assert ground.land(options=options).counts.rows_out == 2
    assert ground.sql("SELECT id, name FROM lake.raw_shop.orders__current ORDER BY 1") == [(2, "n2"), (3, "n3")]
    with table.update_schema() as change:
        change.add_column("amount", DoubleType())
    table.append(rows(4).append_column("amount", pa.array([1.5])))
    result = ground.land(options=options)
    assert [(c.kind, c.column) for c in result.schema_changes] == [("column_added", "amount")]
    assert ground.sql("SELECT id, amount FROM lake.raw_shop.orders__current ORDER BY 1") == [(2, None), (3, None), (4, 1.5)]
