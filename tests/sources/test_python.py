"""Functions as sources: what they may yield, positions, types that disagree, and where they may lie."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from headgate.spec.errors import DeclarationError, SourceBroken
from sources.lakes import Trial, source_table
from sources.landing import Landing


@pytest.fixture
def trial(tmp_path: Path) -> Iterator[Trial]:
    trial = Trial(tmp_path, root=str(tmp_path / "project"))
    (tmp_path / "project" / "sources").mkdir(parents=True)
    yield trial
    trial.close()


def declared(trial: Trial, code: str, connection: Any = None, **fields: Any) -> Any:
    (Path(trial.root) / "sources" / "given.py").write_text(textwrap.dedent(code))
    options = {"function": "sources/given.py:rows", **fields.pop("options", {})}
    return source_table("given", "python", connection, options=options, **fields)


class TestPython(Landing):
    """A function that reads a small file of the project and yields everything newer than its position."""

    has_credentials = False
    has_network = False

    def put(self, rows: Any) -> None:
        kept = getattr(self, "kept", {})
        self.kept = {**kept, **{row[0]: row for row in rows}}
        data = [{"id": i, "name": n, "updated_at": u} for i, n, u in self.kept.values()]
        code = f"""
        def orders(context):
            rows = [r for r in {data!r} if context.full or r["updated_at"] >= context.state.get("from", "")]
            yield rows
            if rows:
                yield context.position({{"from": max(r["updated_at"] for r in rows)[:10]}})
        """
        (self.folder / "orders.py").write_text(textwrap.dedent(code))

    def table(self, **fields: Any) -> Any:
        options = {"function": "orders.py:orders"}
        return source_table("orders", "python", options=options, **{"primary_key": ("id",), **fields})

    def unknown(self) -> Any:
        return source_table("orders", "python", options={"function": "orders.py:ordrs"})

    def test_an_unknown_table_is_broken_and_the_nearest_is_named(self) -> None:
        self.put([])
        with pytest.raises(DeclarationError, match="'orders'"):
            self.land(self.unknown())


def test_every_kind_of_rows_lands_with_its_types(trial: Trial) -> None:
    table = declared(
        trial,
        """
        import datetime, decimal, uuid
        import pandas, polars, pyarrow

        def rows(context):
            yield {"a": 1, "d": decimal.Decimal("1.50"), "t": datetime.datetime(2024, 1, 1), "n": {"x": 1}, "l": [1, 2], "b": b"x"}
            yield [{"a": 2}, {"a": 3, "s": "text"}]
            yield pyarrow.table({"a": [4]})
            yield pyarrow.record_batch({"a": [5]})
            yield pandas.DataFrame({"a": [6], "c": pandas.Categorical(["k"])})
            yield polars.DataFrame({"a": [7]})
        """,
    )
    assert trial.load(table) == 7
    kinds = {c.name: c.type for c in trial.lake.columns(table.relation) or ()}
    assert (kinds["a"], kinds["d"], kinds["t"], kinds["n"], kinds["l"], kinds["b"], kinds["c"]) == (
        "BIGINT", "DECIMAL(3,2)", "TIMESTAMP", "STRUCT(x BIGINT)", "BIGINT[]", "BLOB", "VARCHAR",
    )  # fmt: skip
    places = trial.lake.rows(table, "a, _position.unit, _position.seq", "ORDER BY a")
    assert places == [(n, "sources/given.py:rows", n) for n in range(1, 8)]


def test_types_that_disagree_widen_or_become_json(trial: Trial) -> None:
    table = declared(
        trial,
        """
        def rows():
            yield {"n": 1, "m": 1, "deep": {"a": 1}}
            yield {"n": 2.5, "m": "x", "deep": "flat"}
            yield {"n": 2**70}
        """,
        options={"batch_rows": 1},
    )
    assert trial.load(table) == 3
    kinds = {c.name: c.type for c in trial.lake.columns(table.relation) or ()}
    assert (kinds["m"], kinds["deep"]) == ("JSON", "JSON")
    assert sorted(trial.lake.rows(table, "m, deep"), key=str)[:2] == [('"x"', '"flat"'), ("1", '{"a":1}')]


def test_a_column_keeps_its_type_when_the_values_allow_it(trial: Trial) -> None:
    assert trial.load(declared(trial, "def rows():\n    yield {'id': 1, 'v': 1.5, 'e': None}")) == 1
    assert trial.load(declared(trial, "def rows():\n    yield {'id': 2, 'v': 2, 'e': None}")) == 1
    table = declared(trial, "def rows():\n    yield {'id': 3, 'v': None, 'e': 'now'}")
    assert trial.load(table) == 1
    kinds = {c.name: c.type for c in trial.lake.columns(table.relation) or ()}
    assert (kinds["v"], kinds["e"]) == ("DOUBLE", "VARCHAR")
    assert trial.lake.rows(table, "id, v, e", "ORDER BY id") == [(1, 1.5, None), (2, 2.0, None), (3, None, "now")]


def test_what_is_no_row_is_a_dead_letter(trial: Trial) -> None:
    table = declared(trial, "def rows():\n    yield {'a': 1}\n    yield 17\n    yield ['x', {'a': 2}]")
    assert trial.load(table) == 2
    assert [letter[3] for letter in trial.lake.dead] == ["17", "'x'"]


def test_a_failing_function_names_its_line_and_hides_secrets(trial: Trial, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEY", "very-secret-key")
    table = declared(
        trial,
        """
        def rows(context):
            yield {"a": 1}
            raise ValueError("no luck with " + context.connection["key"])
        """,
        connection={"key": "${env:KEY}"},
    )
    with pytest.raises(SourceBroken, match=r"given\.py:4 failed .* no luck with \[redacted\]"):
        trial.load(table)
    assert trial.lake.columns(table.relation) is None


@pytest.mark.parametrize(
    "function", ["../outside.py:rows", "/etc/passwd:rows", "nothing.py:rows", "no_colon", "sources.absent:rows"]
)
def test_only_the_projects_own_functions_are_called(trial: Trial, tmp_path: Path, function: str) -> None:
    (tmp_path / "outside.py").write_text("def rows():\n    yield {'a': 1}")
    with pytest.raises(DeclarationError):
        trial.load(source_table("given", "python", options={"function": function}))


def test_a_link_out_of_the_project_is_refused(trial: Trial, tmp_path: Path) -> None:
    (tmp_path / "outside.py").write_text("def rows():\n    yield {'a': 1}")
    (Path(trial.root) / "link.py").symlink_to(tmp_path / "outside.py")
    with pytest.raises(DeclarationError, match="outside the project"):
        trial.load(source_table("given", "python", options={"function": "link.py:rows"}))


def test_a_module_by_name_with_arguments_and_a_neighbour(trial: Trial) -> None:
    (Path(trial.root) / "sources" / "shared.py").write_text("STEP = 10")
    (Path(trial.root) / "sources" / "counted.py").write_text(
        "import shared\ndef rows(context, upto):\n    yield from ({'a': i * shared.STEP} for i in range(upto))"
    )
    table = source_table("given", "python", options={"function": "sources.counted:rows", "arguments": {"upto": 3}})
    assert trial.load(table) == 3
    assert trial.lake.rows(table, "a", "ORDER BY a") == [(0,), (10,), (20,)]
