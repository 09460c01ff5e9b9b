"""Whatever bytes a file holds: the books balance, and what lands equals what an independent reader reads."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from itertools import count

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headgate.land.result import LoadResult
from land.ground import Ground

FEW = settings(max_examples=20, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
NUMBERS = count()
CELL = st.one_of(
    st.sampled_from(
        ["", "1", "-7", "1.5", "1e3", "x", "007", "9007199254740993", "1e400", "2024-01-01", "2024-01-01 10:00:00", "true", "ü"]
    ),
    st.text(st.sampled_from("ab,;\"' \r\n\t\0é"), max_size=6),
)
ODD = st.sampled_from(
    [b"", b"\xef\xbb\xbf", b"\r", b"\0", b"\xff\xfe", b'"', b"a,b,c,d,e\n", b"1\n", b'{"a":1,"a":2}\n', b"[1]\n", b"{"]
)


def landed(ground: Ground, name: str, content: bytes) -> tuple[LoadResult, list[tuple[object, ...]]]:
    ground.put(name, content)
    result = ground.land(name=f"t{next(NUMBERS)}", options={"path": f"in/{name}"}, dead_letters_max=10_000)
    (ground.root / "in" / name).unlink()
    assert result.counts.balanced
    if result.status != "accepted" or not result.counts.rows_out:
        return result, []
    columns = [c.name for c in result.columns if not c.name.startswith("_")]
    quoted = ", ".join('CAST("' + c.replace('"', '""') + '" AS VARCHAR)' for c in columns)
    rows = ground.sql(f"SELECT {quoted} FROM lake.{result.dataset} ORDER BY _position.seq")
    assert len(rows) == result.counts.rows_out
    return result, rows


def same(landed: object, read: str) -> bool:
    """Whether text `read` and the value that landed, as text, say the same."""
    if landed is None:
        return read == ""
    said = str(landed)
    try:
        return said == read or float(said) == float(read)
    except ValueError:
        return said.replace(" 00:00:00", "") == read.replace(" 00:00:00", "") or said.lower() == read.strip().lower()


@FEW
@given(st.lists(st.tuples(CELL, CELL, CELL), min_size=1, max_size=8))
def test_a_well_formed_csv_lands_as_it_is_read(ground: Ground, rows: Sequence[tuple[str, str, str]]) -> None:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_ALL).writerows([("h1", "h2", "h3"), *rows])
    result, found = landed(ground, "a.csv", text.getvalue().encode())
    if result.status == "accepted":
        assert result.counts.rows_in == len(rows)
        if not result.counts.rows_dead:
            assert all(same(a, b) for one, other in zip(found, rows, strict=True) for a, b in zip(one, other, strict=True)), found


@FEW
@given(st.lists(st.tuples(CELL, CELL), min_size=1, max_size=6), st.lists(ODD, max_size=3), st.sampled_from(["a.csv", "a.ndjson"]))
def test_any_bytes_keep_the_books(ground: Ground, cells: Sequence[tuple[str, str]], odd: Sequence[bytes], name: str) -> None:
    if name == "a.csv":
        lines = [b"h1,h2\n", *(f"{a},{b}\n".encode() for a, b in cells)]
    else:
        lines = [json.dumps({"a": a, "b": b}).encode() + b"\n" for a, b in cells]
    for i, piece in enumerate(odd):
        lines.insert(i * 2, piece)
    result, _ = landed(ground, name, b"".join(lines))
    assert result.status in ("accepted", "blocked", "nothing")
