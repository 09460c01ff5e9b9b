"""Runs of many small models give each query one thread; whatever may be large keeps them all."""

from __future__ import annotations

from pathlib import Path

import pytest

from headgate.run.session import open_session

ASKED = "{{ config(materialized='table') }} select cast(current_setting('threads') as integer) as threads from "


@pytest.mark.parametrize(
    ("rows", "more", "small"),
    [
        (100, None, True),
        (130_000, None, False),  # larger than what the engine hands to one thread
        (100, "select i as id from range(200000) t(i)", False),  # reads no dataset: of any size
    ],
)
def test_the_threads_of_a_query(tmp_path: Path, rows: int, more: str | None, small: bool) -> None:
    for folder in ("models", "seeds"):
        (tmp_path / folder).mkdir()
    (tmp_path / "headgate.yml").write_text(
        "name: sizes\nlake: { catalog: 'sqlite:.headgate/c.sqlite', data: .headgate/data, options: { threads: 2 } }\n"
        "state: 'sqlite:///.headgate/state.db'\n"
    )
    (tmp_path / "seeds" / "numbers.csv").write_text("id\n" + "".join(f"{i}\n" for i in range(rows)))
    with open_session(str(tmp_path)) as session:
        session.run()  # the seed alone, so that its rows are known
    for at in range(25):
        (tmp_path / "models" / f"m{at}.sql").write_text(ASKED + "{{ ref('numbers') }} limit 1")
    if more:
        (tmp_path / "models" / "more.sql").write_text("{{ config(materialized='table') }} " + more)
    with open_session(str(tmp_path)) as session:
        assert session.run().status == "done"
        assert session.query("select threads from main.m3").to_pylist() == [{"threads": 1 if small else 2}]
        assert session.query("select current_setting('threads') as n").to_pylist() == [{"n": 2}]
