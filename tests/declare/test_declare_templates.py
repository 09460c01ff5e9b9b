"""Rendering at run time, the sandbox, and the quick way for plain templates."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headgate import declare
from headgate.declare.plain import plain_template
from headgate.declare.sandbox import Environment, TemplateFailed, render
from headgate.ports.templates import Templates
from headgate.spec.errors import DeclarationError, EngineFailed

Make = Callable[[str], Path]


def templates(root: Path) -> Templates:
    return declare.load(str(root), use_cache=False).templates


def test_the_callers_names_shadow(declared_project: Make) -> None:
    root = declared_project(
        "--- models/a.sql\nselect 1 as id\n--- models/b.sql\n"
        "select * from {{ ref('a') }} {% if execute %}where n = {{ run_query('x')[0] }}{% endif %}{{ inner() }}\n"
        "--- macros/m.sql\n{% macro inner() %} -- {{ this }} {{ modules.datetime.datetime.now().year }}{% endmacro %}\n"
    )
    text = templates(root).render(
        "model.shop.b",
        {
            "ref": lambda name: f"staged.{name}",
            "execute": True,
            "run_query": lambda sql: [7],
            "this": "own",
            "run_started_at": dt.datetime(2031, 5, 1, tzinfo=dt.UTC),
        },
    )
    assert text == "select * from staged.a where n = 7 -- own 2031"


def test_errors_of_the_caller_pass_unchanged(declared_project: Make) -> None:
    root = declared_project("--- models/a.sql\nselect 1 as id\n--- models/b.sql\n\nselect {{ 1 + 1 }} from {{ ref('a') }}\n")

    def fails(name: str) -> str:
        raise EngineFailed("the disk is full")

    with pytest.raises(EngineFailed, match="the disk is full"):
        templates(root).render("model.shop.b", {"ref": fails})


def test_a_failing_template_names_its_line(declared_project: Make) -> None:
    root = declared_project("--- models/a.sql\nselect 1 as id\n{% if execute %}\n{{ nothing_like_it() }}\n{% endif %}\n")
    with pytest.raises(DeclarationError, match=r"models/a\.sql:3") as caught:
        templates(root).render("model.shop.a", {"execute": True})
    assert caught.value.diagnostics[0].location.line == 3


def test_macros_by_name(declared_project: Make) -> None:
    root = declared_project(
        "--- models/a.sql\nselect 1 as id\n--- macros/m.sql\n{% macro two(a, b=2) %}{{ return([a, b]) }}{% endmacro %}\n"
        "{% test odd(model, column_name, of) %}select {{ column_name }} from {{ model }}, {{ of }}{% endtest %}\n"
        "{% macro asks() %}{{ return(adapter.dispatch('told')()) }}{% endmacro %}{% macro duckdb__told() %}duck{% endmacro %}\n"
    )
    found = templates(root)
    assert found.call_macro("two", {"a": 1}, {}) == [1, 2]
    assert (
        found.call_macro("odd", {"model": "t", "column_name": "c", "of": "{{ ref('a') }}"}, {"ref": str.upper})
        == "select c from t, A"
    )
    assert found.call_macro("asks", {}, {"adapter": object()}) == "duck"
    assert (found.has_macro("two"), found.has_macro("odd"), found.has_macro("three")) == (True, True, False)
    assert found.render_text("drop {{ this }}", {"this": "x"}, where="hook") == "drop x"
    with pytest.raises(DeclarationError, match="no macro 'three'"):
        found.call_macro("three", {}, {})


@pytest.mark.parametrize(
    "attempt",
    [
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ ''|attr('__class__') }}",
        "{{ modules.re.sub.__globals__ }}",
        "{{ modules.datetime.sys }}",
        "{{ modules['re']['__builtins__'] }}",
        "{{ run_query.__globals__ }}",
        "{{ context['__class__'] }}",
        "{{ self.__init__.__globals__ }}",
        "{{ (config.get).__func__ }}",
        "{{ 'x' * 100000000 }}",
        "{{ 10 ** 100000 }}",
        "{{ range(10000000) | list }}",
        "{{ '{0.__class__}'.format(1) }}",
        "{% for x in ().__class__.__base__.__subclasses__() %}{{ x }}{% endfor %}",
        "{{ adapter._scope }}",
        "{{ open('/etc/passwd') }}",
        "{% include 'headgate.yml' %}",
    ],
)
def test_the_sandbox_holds(attempt: str, declared_project: Make) -> None:
    root = declared_project(f"--- models/a.sql\nselect {attempt} as x\n")
    with pytest.raises(DeclarationError) as caught:
        declare.load(str(root), use_cache=False)
    assert caught.value.diagnostics[0].location.file == "models/a.sql"


def test_a_template_cannot_change_the_project(declared_project: Make) -> None:
    root = declared_project(
        "--- headgate.yml\nname: shop\nvars: { names: [a] }\n--- models/a.sql\n"
        "{% set mine = var('names') %}{% do mine.append('b') %}select '{{ mine | join }}' as x\n"
        "--- models/b.sql\nselect '{{ var('names') | join }}' as x\n"
    )
    nodes = declare.load(str(root), use_cache=False).project.nodes
    assert (nodes["model.shop.a"].canonical_sql, nodes["model.shop.b"].canonical_sql) == ("select 'ab' as x", "select 'a' as x")


PIECES = st.lists(
    st.sampled_from(
        [
            *(
                "select 1",
                "\n",
                "  ",
                "{{ ref('a') }}",
                "{{- ref(\"p\", 'b') -}}",
                "{{source('s','t')}}",
                "{{ this }}",
                "{{this-}}",
            ),
            "{{ config(materialized='table', tags=['x', \"y\"], n=3, f=1.5, on=true, none_=none) }}",
            *(
                "{%- if is_incremental() -%}",
                "{% if is_incremental() %}",
                "{% else %}",
                "{% endif %}",
                "{%+ if is_incremental() %}",
            ),
            *("{#- note -#}", "{# a 'note' #}", "'text'", "{", "}", "%", "-- x", "{{ ref('a', v=2) }}", "{{ ref('it''s') }}"),
            *("{{ config({'a': 1}) }}", "{{ other }}", "\r\n"),
        ]
    ),
    max_size=12,
)


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(PIECES, st.booleans())
def test_the_quick_way_gives_what_jinja_gives(pieces: list[str], incremental: bool) -> None:
    text = "".join(pieces)
    plain = plain_template(text, "a.sql", 1)
    if plain is None:
        return

    def rendered(template: Any) -> tuple[str, list[Any]]:
        calls: list[Any] = []

        def called(name: str) -> Any:
            return lambda *args, **kwargs: calls.append((name, args, kwargs)) or f"<{name} {args} {kwargs}>"

        names = {name: called(name) for name in ("ref", "source", "config")}
        names |= {"this": "<this>", "is_incremental": lambda: incremental}
        return render(template, names, "a.sql").strip(), calls

    assert rendered(plain) == rendered(Environment().template(text, "a.sql"))


def test_the_quick_way_is_not_taken_for_more(declared_project: Make) -> None:
    for text in (
        "{{ ref(name) }}",
        "{% for x in y %}{% endfor %}",
        "{{ x",
        "{% if is_incremental() %}",
        "{{ ref('a') | upper }}",
    ):
        assert plain_template(text, "a.sql", 1) is None
    root = declared_project(
        "--- models/a.sql\nselect 1 as id\n--- models/b.sql\nselect * from {{ ref('a') }}\n"
        "--- macros/r.sql\n{% macro ref(name) %}{{ return(builtins.ref(name).include(database=false)) }}{% endmacro %}\n"
    )
    node = declare.load(str(root), use_cache=False).project.nodes["model.shop.b"]
    assert (node.canonical_sql, node.depends_on) == ('select * from "main"."a"', ("model.shop.a",))


def test_a_broken_template_is_placed() -> None:
    with pytest.raises(TemplateFailed) as caught:
        Environment().template("a\n{% if %}", "m.sql", first_line=10)
    assert caught.value.location.line == 11
