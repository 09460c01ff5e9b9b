"""Which difference between what arrives and what stands is what, and what is decided."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.spec.names import Column
from headgate.spec.schema_rules import columns_after, common_type, decide, same_type, struct_fields

RULES = {"additive": "apply", "breaking": "block"}


@pytest.mark.parametrize(
    ("one", "other", "both"),
    [
        ("INTEGER", "BIGINT", "BIGINT"),
        ("UINTEGER", "INTEGER", "BIGINT"),
        ("UBIGINT", "BIGINT", "DECIMAL(38,0)"),
        ("BIGINT", "DOUBLE", "DOUBLE"),
        ("BIGINT", "DECIMAL(10,2)", "DECIMAL(21,2)"),
        ("DECIMAL(10,2)", "DECIMAL(8,4)", "DECIMAL(12,4)"),
        ("DECIMAL(38,0)", "DECIMAL(10,5)", None),
        ("DATE", "TIMESTAMP", "TIMESTAMP"),
        ("TIMESTAMP", "TIMESTAMPTZ", "TIMESTAMP WITH TIME ZONE"),
        ("VARCHAR", "BIGINT", None),
        ("BOOLEAN", "BIGINT", None),
        ("INTEGER[]", "BIGINT[]", "BIGINT[]"),
        ("STRUCT(a INTEGER)", "STRUCT(a BIGINT, b VARCHAR[])", 'STRUCT("a" BIGINT, "b" VARCHAR[])'),
        ("STRUCT(a INTEGER)", "STRUCT(a VARCHAR)", None),
        ("VARCHAR(10)", "TEXT", "VARCHAR"),
    ],
)
def test_common_types(one: str, other: str, both: str | None) -> None:
    assert common_type(one, other) == both
    swapped = common_type(other, one)
    assert swapped == both or (swapped is not None and both is not None and same_type(swapped, both))


def test_decisions() -> None:
    known = (Column("id", "BIGINT"), Column("at", "DATE"), Column("name", "VARCHAR"), Column("gone", "BIGINT"))
    arriving = (Column("ID", "INTEGER"), Column("at", "TIMESTAMP"), Column("name", "BIGINT[]"), Column("new", "DOUBLE"))
    changes = {c.column: (c.kind, c.decision) for c in decide("d", known, arriving, RULES)}
    assert changes == {
        "id": ("type_narrowed", "apply"),
        "at": ("type_widened", "apply"),
        "name": ("type_changed", "block"),
        "new": ("column_added", "apply"),
        "gone": ("column_missing", "block"),
    }


def test_rules_change_decisions() -> None:
    known, arriving = (Column("id", "BIGINT"), Column("gone", "BIGINT")), (Column("id", "BIGINT"), Column("new", "DOUBLE"))
    strict = decide("d", known, arriving, {"additive": "block", "breaking": "block", "missing": "ignore"})
    assert {c.column: c.decision for c in strict} == {"new": "block", "gone": "ignore"}
    assert all(c.reason for c in strict)


def test_columns_after() -> None:
    known = (Column("id", "INTEGER"), Column("_load_id", "VARCHAR"))
    changes = decide("d", known[:1], (Column("id", "BIGINT"), Column("new", "DATE")), RULES)
    assert columns_after(known, changes) == (Column("id", "BIGINT"), Column("_load_id", "VARCHAR"), Column("new", "DATE"))


def test_struct_fields_with_awkward_names() -> None:
    fields = struct_fields('STRUCT("a, b" DECIMAL(10,2), "q""x" STRUCT(c INTEGER, d VARCHAR[]), e MAP(VARCHAR, INTEGER))')
    assert fields is not None
    assert [(f.name, f.type) for f in fields] == [
        ("a, b", "DECIMAL(10,2)"),
        ('q"x', "STRUCT(c INTEGER, d VARCHAR[])"),
        ("e", "MAP(VARCHAR, INTEGER)"),
    ]


SCALARS = st.sampled_from(["TINYINT", "INTEGER", "BIGINT", "UINTEGER", "DOUBLE", "DATE", "TIMESTAMP", "VARCHAR", "DECIMAL(10,2)"])


@given(SCALARS, SCALARS)
def test_a_common_type_is_stable(one: str, other: str) -> None:
    both = common_type(one, other)
    if both is not None:
        assert common_type(both, one) == both and common_type(both, other) == both
