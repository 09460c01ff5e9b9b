"""A value that its column's type cannot hold unchanged is a dead letter, whatever the format; what fits lands as it is."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from headgate.sources.files import documents
from land.ground import Ground

DAY = "2024-01-01"

# type, a value that fits (as text, as it lands), texts that the engine's cast would take and change, or refuse
CASES: Sequence[tuple[str, str, Any, Sequence[str]]] = [
    ("BIGINT", "1e3", 1000, ["1.5", "-0.4", "1e-1", "9223372036854775808", "true"]),
    ("INTEGER", "1.0", 1, ["1.2", "2147483648"]),
    ("HUGEINT", "99999999999999999999", 99999999999999999999, ["1.5", "1" + "0" * 40]),
    ("DECIMAL(10,2)", "1.250", Decimal("1.25"), ["1.005", "12345678.999", "123456789.1", "1e-3"]),
    ("DOUBLE", "0.1", 0.1, ["9007199254740993", "1e400"]),
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


@pytest.mark.parametrize("name", ["a.csv", "a.ndjson", "a.json"])
def test_what_does_not_fit_is_a_dead_letter(ground: Ground, name: str) -> None:
    bad = [(i, text) for i, case in enumerate(CASES) for text in case[3]]
    columns = [f"c{i}" for i in range(len(CASES))]
    if name == "a.csv":
        lines = ["|".join(["id", *columns]), "|".join(["0", *(case[1] for case in CASES)])]
        lines += ["|".join([str(n), *(text if c == i else "" for c in range(len(CASES)))]) for n, (i, text) in enumerate(bad, 1)]
        ground.put(name, "\n".join(lines) + "\n")
    else:
        good = ", ".join(f'"{c}": {quoted(case[1], case[0])}' for c, case in zip(columns, CASES, strict=True))
        records = [f'{{"id": 0, {good}}}']
        records += [f'{{"id": {n}, "c{i}": {quoted(text, CASES[i][0])}}}' for n, (i, text) in enumerate(bad, 1)]
        ground.put(name, "[" + ", ".join(records) + "]" if name == "a.json" else "\n".join(records) + "\n")
    types = {c.upper(): case[0] for c, case in zip(columns, CASES, strict=True)}
    result = ground.land(options={"path": "in/*", "types": types}, dead_letters_max=100)
    assert (result.status, result.counts.rows_in, result.counts.rows_dead) == ("accepted", len(bad) + 1, len(bad))
    (row,) = ground.sql(f"SELECT {', '.join(columns)} FROM lake.raw_shop.orders")
    values = [v.astimezone(UTC) if case[0] == "TIMESTAMPTZ" else v for v, case in zip(row, CASES, strict=True)]
    assert values == [case[2] for case in CASES]
    letters = ground.sql("SELECT seq, reason, record FROM lake.headgate.dead_letters ORDER BY seq")
    assert [r[0] for r in letters] == [n + (2 if name == "a.csv" else 1) for n in range(1, len(bad) + 1)]
    for (_, reason, record), (i, text) in zip(letters, bad, strict=True):
        assert f"c{i}" in reason and (text in record or name == "a.json")


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


@pytest.mark.parametrize("name", ["a.ndjson", "a.json"])
def test_digits_that_no_binary_number_has(ground: Ground, name: str) -> None:
    records = ['{"id": 1, "d": 0.12345678901234567891, "t": 9007199254740993.10, "f": 0.12345678901234567891}']
    records.append('{"id": 2, "d": 1.5, "t": 1.5, "f": 1.5}')
    ground.put(name, "[" + ", ".join(records) + "]" if name == "a.json" else "\n".join(records) + "\n")
    ground.land(options={"path": "in/*", "types": {"d": "DECIMAL(38,20)", "T": "VARCHAR"}})
    rows = ground.sql("SELECT d, t, f FROM lake.raw_shop.orders ORDER BY id")
    assert rows == [(Decimal("0.12345678901234567891"), "9007199254740993.10", 0.12345678901234568), (Decimal("1.5"), "1.5", 1.5)]


@pytest.mark.parametrize("name", ["a.ndjson", "a.json"])
def test_one_key_twice_is_a_dead_letter(ground: Ground, name: str) -> None:
    records = ['{"id": 1, "a": 1, "s": {"x": 1}}', '{"id": 2, "a": 1, "a": 2}', '{"id": 3, "s": {"x": 1, "x": 2}}']
    records += ['{"id": 4, "l": [{"y": 1}, {"y": 1, "y": 2}]}', '{"id": 5, "l": [{"y": 1}, {"y": 2}]}']
    ground.put(name, "[" + ", ".join(records) + "]" if name == "a.json" else "\n".join(records) + "\n")
    result = ground.land(dead_letters_max=9)
    assert (result.counts.rows_out, result.counts.rows_dead) == (2, 3)
    assert ground.sql("SELECT id FROM lake.raw_shop.orders ORDER BY id") == [(1,), (5,)]
    reasons = ground.sql("SELECT DISTINCT reason FROM lake.headgate.dead_letters")
    assert reasons == [("an object on the line has one key twice",)]


@pytest.mark.parametrize("name", ["a.ndjson", "a.json"])
def test_values_within_lists_and_structures(ground: Ground, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sample does not show them: the types widen where they are inferred, what is declared holds."""
    monkeypatch.setattr(documents, "PIECE", 256)
    records: list[dict[str, Any]] = [{"id": i, "s": {"n": 1, "d": DAY}, "l": [{"p": 1}], "ok": True} for i in range(600)]
    records[250] = {"id": 250, "s": {"n": 1.5, "d": f"{DAY} 10:00:00"}, "l": [{"p": 1}, {"p": 2.5}], "ok": True}
    records[300] = {"id": 300, "s": {"n": 1, "d": DAY}, "l": [{"p": 1}], "ok": 2}
    ground.put(name, json.dumps(records) if name == "a.json" else "\n".join(json.dumps(r) for r in records))
    ground.land(options={"path": "in/*", "sample_rows": 10})
    found = ground.sql("SELECT s, l, ok FROM lake.raw_shop.orders WHERE id IN (250, 300) ORDER BY id")
    assert found[0][:2] == ({"n": 1.5, "d": datetime(2024, 1, 1, 10)}, [{"p": 1.0}, {"p": 2.5}])
    assert found[1][2] == "2"
    declared = {"path": "in/*", "types": {"l": "STRUCT(p INTEGER)[]", "ok": "BOOLEAN"}}
    assert ground.land(name="declared", options=declared, dead_letters_max=9).counts.rows_dead == 2


def test_the_lines_of_the_slow_way_keep_the_formats(ground: Ground) -> None:
    rows = [
        '{"id": 1, "d": "31.12.2023", "s": {"d": "30.12.2023"}}',
        '{"id": "x", "d": "31.12.2023"}',
        '{"id": 3, "d": "12/31/2023"}',
    ]
    ground.put("a.ndjson", "\n".join(rows) + "\n")
    options = {"path": "in/*", "date_format": "%d.%m.%Y", "types": {"id": "BIGINT", "d": "DATE", "s": "STRUCT(d DATE)"}}
    assert ground.land(options=options, dead_letters_max=9).counts.rows_dead == 2
    assert ground.sql("SELECT d, s FROM lake.raw_shop.orders") == [(date(2023, 12, 31), {"d": date(2023, 12, 30)})]


def test_elements_that_have_no_place_are_dead_letters(ground: Ground) -> None:
    rows = [
        '{"id": 1, "l": [{"p": 1}, null]}',
        '{"id": 2, "l": [{"p": 1}, 7]}',
        '{"id": 3, "m": [[1], ["x"]]}',
        '{"id": 4, "m": [[1, null]]}',
    ]
    ground.put("a.ndjson", "\n".join(rows) + "\n")
    options = {"path": "in/*", "types": {"l": "STRUCT(p INTEGER)[]", "m": "INTEGER[][]"}}
    assert ground.land(options=options, dead_letters_max=9).counts.rows_dead == 2
    assert ground.sql("SELECT id, l, m FROM lake.raw_shop.orders ORDER BY id") == [
        (1, [{"p": 1}, None], None),
        (4, None, [[1, None]]),
    ]


def test_declared_types_hold_over_files_that_have_types(ground: Ground) -> None:
    (ground.root / "in").mkdir(exist_ok=True)
    values = "(1, 2.0, 1.25, TIMESTAMP '2024-01-01', '7'), (2, 1.5, 1.0, TIMESTAMP '2024-01-02', '8'), "
    values += "(3, 3.0, 1.005, TIMESTAMP '2024-01-01 10:00:00', '1.5'), (9007199254740993, 1, 1, NULL, NULL)"
    ground.sql(f"COPY (SELECT * FROM (VALUES {values}) t(id, n, d, day, t)) TO '{ground.root}/in/a.parquet'")
    types = {"ID": "DOUBLE", "n": "BIGINT", "d": "DECIMAL(10,2)", "day": "DATE", "t": "INTEGER"}
    ground.land(options={"path": "in/*", "types": types}, dead_letters_max=9)
    assert ground.sql("SELECT id, n, d, day, t FROM lake.raw_shop.orders") == [(1.0, 2, Decimal("1.25"), date(2024, 1, 1), 7)]
    letters = ground.sql("SELECT seq, reason, record FROM lake.headgate.dead_letters ORDER BY seq")
    assert [r[0] for r in letters] == [2, 3, 4]
    assert 'the value of "n" does not fit BIGINT unchanged: 1.5' in letters[0][1] and '"t":"1.5"' in letters[1][2]
