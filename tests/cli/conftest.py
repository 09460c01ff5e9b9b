"""A call of the command line, and a project to call it on."""

from __future__ import annotations

from pathlib import Path

import pytest

from command_line import Call, caller
from headgate.run.session import open_session
from headgate.serve.answers.templates import create


@pytest.fixture
def headgate_call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    """`headgate WORDS…`, in this process."""
    return caller(monkeypatch, capsys)


@pytest.fixture(scope="session")
def built_shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `orders` template, run once. Nobody may change it."""
    root = tmp_path_factory.mktemp("cli") / "shop"
    create(root, "orders")
    with open_session(str(root)) as session:
        assert session.run().status == "done"
    return root
