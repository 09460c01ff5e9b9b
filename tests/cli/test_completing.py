"""A tab after a command offers the project's names."""

from __future__ import annotations

from pathlib import Path

import pytest

from command_line import Call


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("headgate sho", {"show"}),
        ("headgate show stg", {"stg_orders"}),
        ("headgate why marts.", {"marts.mart_customer_orders", "marts.mart_daily_revenue"}),
        ("headgate run +mart_d", {"+mart_daily_revenue"}),
        ("headgate history raw.", {"raw.orders"}),
        ("headgate land ra", {"raw"}),
        ("headgate restore mart_c", {"mart_customer_orders"}),
        ("headgate plan --project /nowhere stg", set()),
    ],
)
def test_a_tab(typed: str, offered: set[str], built_shop: Path, headgate_call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("_HEADGATE_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", typed)
    monkeypatch.setenv("COMP_CWORD", str(len(typed.split()) - 1))
    said = headgate_call(at=built_shop)
    assert set(said.out.split()) == offered, said.err
