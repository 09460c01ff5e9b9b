"""A value that its column's type cannot hold unchanged is a dead letter, whatever the format; what fits lands as it is."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from land.ground import Ground

# type, a value that fits (as text, as it lands), texts that the engine's cast would take and change, or refuse
CASES: Sequence[tuple[str, str, Any, Sequence[str]]] = [
    ("BIGINT", "1e3", 1000, ["1.5", "-0.4", "1e-1", "9223372036854775808", "true"]),
    ("INTEGER", "1.0", 1, ["1.2", "2147483648"]),
    ("HUGEINT", "99999999999999999999", 99999999999999999999, ["1.5", "1" + "0" * 40]),
    ("DECIMAL(10,2)", "1.250", Decimal("1.25"), ["1.005", "12345678.999", "123456789.1", "1e-3"]),
    ("DOUBLE", "0.1", 0.1, ["9007199254740993", "12345678901234567890.5", "1e400", "1e-400"]),
    ("FLOAT", "0.5", 0.5, ["16777217", "1e39"]),
    ("BOOLEAN", "yes", True, ["2", "on"]),
    ("DATE", "2024-01-01", date(2024, 1, 1), ["2024-01-01 10:00:00", "2024-01-01T10:00:00Z", "2024-01-01abc"]),
    ("TIMESTAMP", "2024-01-01", datetime(2024, 1, 1), ["2024-01-01 10:00:00+02:00", "2024-01-01 10:00:00.1234567"]),
    (
        "TIMESTAMPTZ",
        "2024-01-01T12:00:00+02:00",
        datetime(2024, 1, 1, 10, tzinfo=UTC),
        ["2024-01-01 10:00:00.1234567Z", "yesterday"],
    ),
    ("VARCHAR", "007", "007", []),
    ("INTEGER[]", "[1, 2]", [1, 2], ["[1.5]", "[1, 2147483648]"]),
]


def quoted(text: str, type_: str) -> str:
    """`text` as JSON: numbers as such, for they are what the type is about."""
    bare = type_ not in ("DATE", "TIMESTAMP", "TIMESTAMPTZ", "VARCHAR") and text not in ("yes", "on")
    return text if bare else f'"{text}"'


@pytest.mark.parametrize(("type_", "text", "value", "bad"), CASES, ids=[c[0] for c in CASES])
@pytest.mark.parametrize("name", ["a.csv"])
def test_what_does_not_fit_is_a_dead_letter(
    ground: Ground, name: str, type_: str, text: str, value: Any, bad: Sequence[str]
) -> None:
    texts = [text, *bad]
    if name == "a.csv":
        ground.put(name, "id|V\n" + "".join(f"{i}|{t}\n" for i, t in enumerate(texts)))
    else:
        records = [f'{{"id": {i}, "V": {quoted(t, type_)}}}' for i, t in enumerate(texts)]
        ground.put(name, "[" + ", ".join(records) + "]" if name == "a.json" else "\n".join(records) + "\n")
    result = ground.land(options={"path": "in/*", "types": {"V" if name != "a.csv" else "v": type_}}, dead_letters_max=100)
    assert (result.status, result.counts.rows_in, result.counts.rows_dead) == ("accepted", len(texts), len(bad))
    rows = ground.sql('SELECT id, "V" FROM lake.raw_shop.orders ORDER BY id')
    assert [(r[0], r[1].astimezone(UTC) if type_ == "TIMESTAMPTZ" else r[1]) for r in rows] == [(0, value)]
    letters = ground.sql("SELECT seq, reason, record FROM lake.headgate.dead_letters ORDER BY seq")
    assert [r[0] for r in letters] == [i + {"a.csv": 2}.get(name, 1) for i in range(1, len(texts))]
    for (_, reason, record), wrong in zip(letters, bad, strict=True):
        assert "V" in reason and (wrong in record or name == "a.json")


def test_a_load_is_refused_with_the_value_in_the_reason(ground: Ground) -> None:
    ground.put("a.csv", "id,n\n1,2\n2,1.5\n")
    result = ground.land(options={"path": "in/*", "types": {"n": "BIGINT"}})
    assert result.status == "blocked" and 'line 3: the value of "n" does not fit BIGINT unchanged: 1.5' in result.reason


def test_lines_are_told_right_among_lines_that_the_reader_rejects(ground: Ground) -> None:
    ground.put("a.csv", 'id,n,t\n1,2,"two\nlines"\n2\n3,1.5,"a,""b"""\n4,x,y,z\n5,2.5,c\n')
    ground.put("b.csv", "id,n,t\n6,7,z\n7,7.5,z\n")
    ground.put("c.csv", "id,n,t\n8,8,z\n")
    ground.land(options={"path": "in/*", "types": {"n": "BIGINT"}}, dead_letters_max=9)
    letters = ground.sql("SELECT unit, seq, record FROM lake.headgate.dead_letters ORDER BY 1, 2")
    assert letters == [
        ("in/a.csv", 3, "2"),
        ("in/a.csv", 4, '3,1.5,"a,""b"""'),
        ("in/a.csv", 5, "4,x,y,z"),
        ("in/a.csv", 6, "5,2.5,c"),
        ("in/b.csv", 3, "7,7.5,z"),
    ]
    assert ground.sql("SELECT id FROM lake.raw_shop.orders ORDER BY id") == [(1,), (6,), (8,)]


def test_what_no_type_holds_is_text_at_first_and_a_dead_letter_later(ground: Ground) -> None:
    ground.put(
        "a.csv",
        "n,d,at\n"
        + "1,1.5,2024-01-01 10:00:00\n" * 30_000
        + "9007199254740993,1e400,2024-01-01 10:00:00\n1.5,1,2024-01-01 10:00:00\n",
    )
    ground.land(name="first")
    assert ground.sql("SELECT n, d FROM lake.raw_shop.first WHERE n NOT IN ('1', '1.5')") == [("9007199254740993", "1e400")]
    ground.put("a.csv", "n,d\n1.5,1.5\n")
    ground.land(name="second")
    ground.put("b.csv", "n,d\n9007199254740993,2.5\n2.5,1e400\n3.5,3.5\n")
    assert ground.land(name="second", dead_letters_max=5).counts.rows_dead == 2
    assert ground.sql("SELECT n, d FROM lake.raw_shop.second ORDER BY n") == [(1.5, 1.5), (3.5, 3.5)]
