"""Seeds: each column has the type that dbt-core with dbt-duckdb gave it (asked once, written here), or one that holds where dbt fails."""

from __future__ import annotations

from pathlib import Path

import pytest

from headgate.run.session import open_session

DBT = {  # column -> its cells, the type dbt made of them, and a value
    "ints": (["1", "2", ""], "INTEGER", "1"),
    "neg": (["-1", "+2", "3"], "INTEGER", "-1"),
    "lead0": (["007", "010", "1"], "INTEGER", "7"),
    "decs": (["1.5", "2", "3"], "DOUBLE", "1.5"),
    "whole": (["1", "2.0", "3.00"], "INTEGER", "1"),
    "under": (["1_000", "2", "3"], "INTEGER", "1000"),
    "exponent": (["1e5", "2.5E-3", "3"], "DOUBLE", "100000.0"),
    "dots": ([".5", "1.", "2"], "DOUBLE", "0.5"),
    "limits": (["2147483647", "-2147483648", "0"], "INTEGER", "2147483647"),
    "dates": (["2026-01-01", "2026-02-03", ""], "DATE", "2026-01-01"),
    "short": (["2026-1-1", "2026-2-3", "2026-3-4"], "DATE", "2026-01-01"),
    "american": (["01/02/2026", "03/04/2026", ""], "VARCHAR", "01/02/2026"),
    "no_dates": (["2026-13-01", "2026-01-01", "2026-02-30"], "VARCHAR", "2026-13-01"),
    "moments": (["2026-01-01 10:00:00", "2026-01-02 11:00:00", ""], "TIMESTAMP", "2026-01-01 10:00:00"),
    "iso": (["2026-01-01T10:00:00", "2026-01-01T10:00:00.5", ""], "TIMESTAMP", "2026-01-01 10:00:00"),
    "zoned": (["2026-01-01T10:00:00Z", "2026-01-01T10:00:00+02:00", ""], "TIMESTAMP", "2026-01-01 10:00:00"),
    "mixed": (["2026-01-01 10:00:00", "2026-01-01T11:00:00", ""], "VARCHAR", "2026-01-01 10:00:00"),
    "minutes": (["2026-01-01 10:00", "2026-01-01 11:30", ""], "VARCHAR", "2026-01-01 10:00"),
    "day_or_moment": (["2026-01-01", "2026-01-01 10:00:00", ""], "VARCHAR", "2026-01-01"),
    "times": (["10:00:00", "11:00:00", ""], "VARCHAR", "10:00:00"),
    "booleans": (["true", "FALSE", "True"], "BOOLEAN", "true"),
    "yes": (["yes", "no", "yes"], "VARCHAR", "yes"),
    "digits": (["0", "1", "0"], "INTEGER", "0"),
    "spaced": ([" 1", "2 ", " 3 "], "INTEGER", "1"),
    "padded": ([" a", "b ", " c "], "VARCHAR", " a"),
    "none": (["n/a", "NA", "none"], "VARCHAR", "n/a"),
    "hexadecimal": (["0x1F", "1", "2"], "VARCHAR", "0x1F"),
    "years": (["2026", "2025", ""], "INTEGER", "2026"),
    "empty": (["", "", ""], "INTEGER", None),
    "json": (['{"a":1}', "[]", "x"], "VARCHAR", '{"a":1}'),
}
FAILING = {  # dbt's seed fails on these
    "big": (["3000000000", "1", ""], "BIGINT", "3000000000"),
    "commas": (["1,000", "2,000", "3"], "VARCHAR", "1,000"),
    "percent": (["10%", "20%", ""], "VARCHAR", "10%"),
    "money": (["$1.00", "$2", ""], "VARCHAR", "$1.00"),
    "nulls": (["", "null", "NULL"], "INTEGER", None),
    "half_true": (["true", "", "null"], "BOOLEAN", "true"),
}
COLUMNS = {**DBT, **FAILING}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[str, str | None]]:
    """Type and first value of every column, all in one seed."""
    root = tmp_path_factory.mktemp("seeds")
    (root / "seeds").mkdir()
    (root / "dbt_project.yml").write_text("name: shop\nversion: '1.0'\nprofile: x\n", encoding="utf-8")
    quoted = [
        '"' + cell.replace('"', '""') + '"' if set(cell) & set(',"') else cell for cells, *_ in COLUMNS.values() for cell in cells
    ]
    lines = [",".join(["k", *COLUMNS]), *(",".join([str(i), *quoted[i::3]]) for i in range(3))]
    (root / "seeds" / "every.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    with open_session(str(root)) as session:
        assert session.run(()).status == "done"
        named = session.project.nodes["seed.shop.every"].relation
        listed = ", ".join(f'typeof("{c}") || \' \' || coalesce("{c}"::varchar, \'NULL\') AS "{c}"' for c in COLUMNS)
        row = session.query(f'SELECT {listed} FROM "{named.schema}"."{named.name}" ORDER BY k').to_pylist()[0]
    return {c: (text.split(" ", 1)[0], None if text.endswith(" NULL") else text.split(" ", 1)[1]) for c, text in row.items()}


@pytest.mark.parametrize("column", COLUMNS)
def test_a_column_has_the_type_of_all_its_values(column: str, built: dict[str, tuple[str, str | None]]) -> None:
    _, kind, value = COLUMNS[column]
    assert built[column] == (kind, value)


def test_types_delimiter_and_switch_as_configured(tmp_path: Path) -> None:
    files = {
        "dbt_project.yml": "name: shop\nversion: '1.0'\nprofile: x\nvars: { with_codes: true }\n",
        "seeds/codes.csv": "code;label\n007;bond\n010;ten\n",
        "seeds/off.csv": "a\n1\n",
        "seeds/_all.yml": "seeds:\n"
        "  - name: codes\n    config: { delimiter: ';', quote_columns: true, column_types: { code: varchar(3) }, enabled: \"{{ var('with_codes') }}\" }\n"
        "  - name: 'off'\n    config: { enabled: \"{{ not var('with_codes') }}\" }\n",
    }
    for path, text in files.items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(text, encoding="utf-8")
    with open_session(str(tmp_path)) as session:
        assert list(session.project.nodes) == ["seed.shop.codes"]
        assert list(session.project.disabled) == ["seed.shop.off"]
        assert session.run(()).status == "done"
        named = session.project.nodes["seed.shop.codes"].relation
        assert session.query(f'SELECT * FROM "{named.schema}"."{named.name}"').to_pylist() == [
            {"code": "007", "label": "bond"},
            {"code": "010", "label": "ten"},
        ]
