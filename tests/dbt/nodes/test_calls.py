"""Calls written as for dbt mean here what they mean there."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from headgate import declare
from headgate.declare.selection import select
from headgate.run.session import open_session
from headgate.serve.cli.words import from_dbt

HERE = Path(__file__).parent


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("run --select a b --exclude c d --threads 2", "run --exclude c --exclude d --threads 2 a b"),
        ("run -s +a --vars {x: 1}", "run --vars {x: 1} +a"),
        ("build --models=tag:x --full-refresh", "build --full-refresh tag:x"),
        ("test --selector nightly", "test selector:nightly"),
        ("ls --resource-types model seed --output name", "ls --resource-type model --resource-type seed --names name"),
        ("list --output json", "ls --output json"),
        ("show --select a", "show --select a"),
        ("query select", "query select"),
    ],
)
def test_words(written: str, meant: str) -> None:
    words = [w.replace("_", " ") for w in written.replace("{x: 1}", "{x:_1}").split()]
    assert " ".join(from_dbt(words)) == meant


@pytest.fixture
def garden(tmp_path: Path) -> Path:
    shutil.copytree(HERE / "projects" / "garden", tmp_path / "garden")
    shutil.copytree(HERE / "projects" / "tools", tmp_path / "garden" / "dbt_packages" / "tools")
    return tmp_path / "garden"


def test_a_selector_is_a_word_of_every_command(garden: Path) -> None:
    project = declare.load(str(garden), use_cache=False).project
    assert select(project, ("selector:by_key",)) == select(project, ("tag:staging",))
    assert "model.garden.secret_bed" not in select(project, ("selector:nightly",))


def test_a_default_selector_is_what_a_call_without_words_means(garden: Path) -> None:
    text = (garden / "selectors.yml").read_text(encoding="utf-8")
    (garden / "selectors.yml").write_text(text.replace("target.name == 'prod'", "target.name == 'dev'"), encoding="utf-8")
    with open_session(str(garden)) as session:
        assert session.select() == session.select(("selector:nightly",))
        assert "model.garden.stg_plants" not in session.select()


def test_ls_prints_what_dbt_ls_prints(garden: Path) -> None:
    words = "ls --select roots source:rain exposure:app layout.v1 --output selector --resource-type model source exposure"
    call = [str(Path(sys.executable).with_name("headgate")), *words.split()]
    done = subprocess.run(call, cwd=garden, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [
        "source:garden.rain.falls",
        "garden.beds.deep.roots",
        "garden.beds.layout.v1",
        "exposure:garden.app",
    ]
