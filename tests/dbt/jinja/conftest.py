"""A dbt project from its files, written where a test wants it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import headgate
from headgate.spec.clock import Clock
from headgate.spec.invocation import Invocation
from headgate.transform.context import Scene, names_for

_PROFILE = "shop:\n  target: dev\n  outputs:\n    dev: {type: duckdb, path: shop.duckdb, schema: main}\n"


@pytest.fixture
def jinja_project(tmp_path: Path) -> Callable[..., Path]:
    """A dbt project of the files given (path -> text); answers its folder."""

    def write(**files: str) -> Path:
        said = {"dbt_project.yml": "name: shop\nversion: '1'\nprofile: shop\n", "profiles.yml": _PROFILE, **files}
        for path, text in said.items():
            target = tmp_path / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, encoding="utf-8")
        return tmp_path

    return write


@pytest.fixture(scope="module")
def rendering(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Callable[[str], str]]]:
    """Renders a text as of model `child`: with the names of parse time ("read"), and in a run ("run")."""
    root = tmp_path_factory.mktemp("rendering")
    for path, text in {"dbt_project.yml": PROJECT, "profiles.yml": _PROFILE, **FILES}.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text, encoding="utf-8")
    with headgate.open(str(root)) as session:
        session.run()
        node = session.project.nodes["model.shop.child"]
        workspace = session.lake.workspace("rendering")
        cursor = workspace.cursor()
        clock = Clock("2024-05-06T07:08:09")
        said: list[str] = []
        called = Invocation("build", selected=("model.shop.child",), say=lambda text, info: said.append(text))
        scene = Scene(session.project, session.templates, session.lake, workspace, cursor, clock, invocation=called)

        def run(text: str) -> str:
            said.clear()
            rendered = session.templates.render_text(text, names_for(scene, node), where="models/child.sql")
            return rendered + "".join(f"[{s}]" for s in said)

        def read(text: str) -> str:
            return session.templates.render_text(text, {}, where="models/child.sql")

        yield {"run": run, "read": read}
        cursor.close()
        workspace.discard()


PROJECT = """
name: shop
version: '1'
profile: shop
vars: {colour: red, shop: {size: 3}}
models: {shop: {+meta: {owner: me}}}
"""
FILES = {
    "models/base.sql": "{{ config(materialized='table') }} select * from (values (1, 'a', 1.5), (2, 'b', 2.5)) as v(id, name, price)",
    "models/child.sql": "{{ config(materialized='table', tags=['x'], custom={'deep': [1]}) }} select id from {{ ref('base') }}",
    "models/schema.yml": """
models:
  - name: base
    description: the base
    columns: [{name: id, description: its id, data_tests: [unique]}]
sources:
  - name: raw
    schema: main
    tables: [{name: base, description: as a source}]
exposures:
  - {name: report, type: dashboard, owner: {name: me}, depends_on: [ref('child')]}
groups:
  - {name: sales, owner: {name: them}}
""",
    "macros/own.sql": """
{% macro twice(x) %}{{ x * 2 }}{% endmacro %}
{% macro all_of(first) %}{{ first }}{{ varargs | join(',') }}{{ kwargs.items() | list }}{% endmacro %}
{% macro around() %}<{{ caller('in') }}>{% endmacro %}
{% macro early(x) %}{% for i in [1, 2, 3] %}{% if i == x %}{{ return({'found': i}) }}{% endif %}{% endfor %}{% endmacro %}
""",
}
