"""An unchanged project is not read again, and a changed one always is."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from headgate import declare
from headgate.declare import quick
from headgate.spec.errors import DeclarationError

FILES = """\
--- headgate.yml
name: shop
environments: { dev: { schema_prefix: d_ }, prod: {} }
--- models/a.sql
{{ config(materialized='table', unique_key=['id'], tags=['x']) }}
select 1 as id, '{{ env_var("HG_TEST_B", "none") }}' as b, '{{ var("v", 1) }}' as v
--- models/b.sql
select * from {{ ref('a') }}
--- models/_all.yml
models:
  - name: a
    columns: [{ name: id, tags: [k], data_tests: [unique] }]
sources: [{ name: raw, freshness: { warn_after: 1 hour }, tables: [{ name: t, columns: [{ name: c }] }] }]
exposures: [{ name: e, depends_on: [ref('a')] }]
"""


def settle(root: Path) -> None:
    """Make all files old enough to be trusted."""
    time.sleep(0.03)


def test_the_cache_gives_the_same_project(declared_project: Callable[[str], Path]) -> None:
    root = declared_project(FILES)
    settle(root)
    first = declare.load(str(root)).project
    assert (root / quick.CACHE / "project-default.json").exists()
    assert declare.load(str(root)).project == first == declare.load(str(root), use_cache=False).project


def test_every_change_is_seen(declared_project: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch) -> None:
    root = declared_project(FILES)
    settle(root)
    seen = [declare.load(str(root)).project.digest]

    def changed() -> bool:
        settle(root)
        digest = declare.load(str(root)).project.digest
        new = digest != seen[-1]
        seen.append(digest)
        return new

    assert not changed()
    (root / "models/b.sql").write_text("select *  from {{ ref('a') }}")
    assert changed()
    (root / "models/new.sql").write_text("select 1 as id")
    assert changed()
    (root / "models/new.sql").rename(root / "models/newer.sql")
    assert changed()
    (root / "models/newer.sql").unlink()
    assert changed()
    (root / "macros").mkdir()
    (root / "macros/m.sql").write_text("{% macro m() %}{% endmacro %}")
    assert changed()
    monkeypatch.setenv("HG_TEST_B", "some")
    assert changed()
    with (root / "headgate.yml").open("a") as file:
        file.write("vars: { v: 2 }\n")
    assert changed()


def test_environments_and_variables_do_not_mix(declared_project: Callable[[str], Path]) -> None:
    root = declared_project(FILES)
    settle(root)
    for _ in range(2):
        assert str(declare.load(str(root)).project.nodes["model.shop.a"].relation) == "d_main.a"
        assert str(declare.load(str(root), environment="prod").project.nodes["model.shop.a"].relation) == "main.a"
        assert "'5' as v" in declare.load(str(root), variables={"v": 5}).project.nodes["model.shop.a"].canonical_sql


def test_mistakes_come_back_after_a_reading_from_the_cache(declared_project: Callable[[str], Path]) -> None:
    root = declared_project(FILES)
    settle(root)
    declare.load(str(root))
    (root / "models/b.sql").write_text("select * from {{ ref('aa') }}")
    for _ in range(2):
        with pytest.raises(DeclarationError, match="did you mean 'a'"):
            declare.load(str(root))


def test_a_damaged_cache_costs_time_alone(declared_project: Callable[[str], Path]) -> None:
    root = declared_project(FILES)
    settle(root)
    first = declare.load(str(root)).project
    for file in (root / quick.CACHE).iterdir():
        for content in (b"", b"{", b"[]", b'{"key": 1}', file.read_bytes()[:-20]):
            file.write_bytes(content)
            assert declare.load(str(root)).project == first


def test_templates_work_after_a_reading_from_the_cache(declared_project: Callable[[str], Path]) -> None:
    root = declared_project(FILES)
    settle(root)
    declare.load(str(root))
    loaded = declare.load(str(root))
    assert loaded.templates.render("model.shop.b", {"ref": lambda name: name}) == "select * from a"


def test_the_quick_digest_needs_no_heavy_module(declared_project: Callable[[str], Path]) -> None:
    root = declared_project(FILES)
    code = (
        "import sys; from headgate import declare; print(declare.digest(sys.argv[1]));"
        "heavy = {'jinja2', 'yaml', 'pydantic', 'duckdb', 'sqlglot'} & set(sys.modules); assert not heavy, heavy"
    )
    run = [sys.executable, "-c", code, str(root)]
    first, second = (subprocess.run(run, capture_output=True, text=True, check=True).stdout for _ in range(2))
    assert first == second
    os.utime(root / "models/a.sql")
    assert subprocess.run(run, capture_output=True, text=True, check=True).stdout != first


def test_the_digest_of_a_reading_is_the_quick_digest_until_something_changes(declared_project: Callable[[str], Path]) -> None:
    root = declared_project(FILES)
    settle(root)
    assert declare.load(str(root)).digest == declare.digest(str(root)) == declare.load(str(root)).digest
    loaded = declare.load(str(root))
    (root / "models/b.sql").write_text("select 2 as id")
    assert declare.digest(str(root)) != loaded.digest
