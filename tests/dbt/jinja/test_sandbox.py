"""The ways out of a template that are known: every one is closed, while the project is read and in a run."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from headgate.spec.errors import DeclarationError

Rendering = dict[str, Callable[[str], str]]
THINGS = [
    "''", "[]", "{}", "1", "ref", "source", "this", "this.render", "this.resolve", "config", "config.get", "var", "env_var", "target",
    "model", "graph", "adapter", "adapter.get_relation", "adapter.dispatch('concat', 'dbt')", "api", "api.Relation", "api.Relation.create",
    "api.Column", "modules", "modules.re", "modules.re.match", "modules.re.compile('x')", "modules.datetime.datetime",
    "modules.datetime.datetime.now()", "modules.pytz", "modules.pytz.utc", "modules.itertools.chain", "exceptions",
    "exceptions.raise_compiler_error", "flags", "builtins", "builtins.ref", "context", "dbt", "dbt.concat", "twice", "run_query", "statement",
    "load_result", "store_result", "return", "render", "log", "print", "range", "dict", "namespace", "namespace()", "joiner", "joiner()",
    "cycler('a')", "execute", "self", "zip", "set([1])", "fromjson", "tojson", "fromyaml", "toyaml", "local_md5", "nothing", "validation",
]  # fmt: skip
AWAY = [
    "__class__",
    "__init__",
    "__globals__",
    "__dict__",
    "__subclasses__",
    "__self__",
    "__func__",
    "__code__",
    "__mro__",
    "_name",
]


NOTHING = ("", "None", "[]", "0", "[Undefined]", "(Undefined, [1])", "[(Undefined, [1])]", "[1]")
"""What a way that leads nowhere may print: in a dbt project an unknown name is empty."""


def closed(render: Callable[[str], str], text: str) -> bool:
    """Whether `text` fails, or gives nothing."""
    try:
        found = render(text)
    except DeclarationError as error:
        return "hush" not in str(error)
    assert found in NOTHING or found.startswith(("itertools.chain[", "dict[")), found  # the name of a type
    return True


@pytest.mark.parametrize("when", ["read", "run"])
def test_no_thing_of_a_template_has_an_inside(rendering: Rendering, when: str) -> None:
    for thing in THINGS:
        if when == "read" and thing.partition(".")[0] in ("ref", "source", "this", "config", "model", "builtins"):
            continue
        for name in AWAY:
            for way in (f"({thing}).{name}", f"({thing})['{name}']", f"({thing}) | attr('{name}')"):
                assert closed(rendering[when], "{{ " + way + " }}"), way


ESCAPES = [
    "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "{{ ().__class__.__base__.__subclasses__() }}",
    "{{ dict.mro() }}",
    "{{ modules.datetime.datetime.mro() }}",
    "{{ modules.re.sys }}",
    "{{ modules.re.enum.sys }}",
    "{{ modules.os.system('true') }}",
    "{{ modules.datetime.sys.modules }}",
    "{{ modules.itertools.sys }}",
    "{{ modules.pytz.os }}",
    "{{ modules.pytz.open_resource('x') }}",
    "{{ context.__init__.__globals__ }}",
    "{{ context['__builtins__'] }}",
    "{{ context['_headgate_macros'] }}",
    "{{ _headgate_macros }}",
    "{{ context.get('_headgate_macros').macros }}",
    "{{ '{0.__class__}'.format(1) }}",
    "{{ '{0.__class__.__mro__}'.format(ref) }}",
    "{{ '{x.__class__}'.format_map({'x': 1}) }}",
    "{% set f = '{0.__class__}'.format %}{{ f(1) }}",
    "{% set f = ['{0.__class__}'] | map('attr', 'format') | first %}{{ f(1) }}",
    "{% set f = ['{0.__class__}'] | map(attribute='format') | first %}{{ f(1) }}",
    "{{ '%(x)s' | format(x=ref.__globals__) }}",
    "{{ [ref] | map(attribute='__globals__') | list }}",
    "{{ [ref] | map('attr', '__globals__') | first | length }}",
    "{{ [1] | groupby('__class__') }}",
    "{{ [1] | sort(attribute='__class__') }}",
    "{{ [1] | rejectattr('__class__') | list }}",
    "{{ [1] | sum(attribute='__class__') }}",
    "{{ [[1]] | map(attribute='0.__class__') | list }}",
    "{% set ns = namespace() %}{% set ns.__class__ = 1 %}",
    "{{ cycler.__init__.__globals__.os.popen('id').read() }}",
    "{{ joiner.__init__.__globals__ }}",
    "{{ lipsum.__globals__['os'].popen('id').read() }}",
    "{{ lipsum(1) }}",
    "{{ self._TemplateReference__context }}",
    "{{ self.__init__.__globals__ }}",
    "{{ twice.__call__.__globals__ }}",
    "{{ caller.__globals__ }}",
    "{% for x in [1] %}{{ loop.__class__ }}{% endfor %}",
    "{{ (1 for x in [1]).gi_frame }}",
    "{{ open('/etc/passwd').read() }}",
    "{{ __import__('os') }}",
    "{{ eval('1') }}",
    "{{ getattr('', 'x') }}",
    "{{ ''.join.__self__ }}",
    "{% include '/etc/passwd' %}",
    "{% import '/etc/passwd' as x %}",
    "{% from 'os' import system %}",
    "{% extends '/etc/passwd' %}",
    "{{ fromyaml('!!python/object/apply:os.system [true]').x }}",
    "{{ env_var('DBT_ENV_SECRET_TOKEN') }}",
    "{{ render('{{ \"\".__class__.__mro__ }}') }}",
    "{{ adapter.dispatch('../secrets') }}",
    "{{ dbt['__class__'].x }}",
    "{{ target._values }}{{ target.__dict__['x'] }}",
]


@pytest.mark.parametrize("when", ["read", "run"])
@pytest.mark.parametrize("text", ESCAPES)
def test_escapes(rendering: Rendering, when: str, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DBT_ENV_SECRET_TOKEN", "hush")
    assert closed(rendering[when], text)


OF_A_RUN = [
    "{{ graph._project }}",
    "{{ adapter._cursor }}",
    "{{ adapter._workspace.discard() }}",
    "{{ ref._index }}",
    "{{ run_query.__self__._scene }}",
    "{{ run_query('select 1').__class__.__init__ }}",
    "{{ this.resolve.__func__.__globals__ }}",
    "{{ adapter.drop_relation(ref('base')) }}",
    "{{ adapter.rename_relation(ref('base'), this) }}",
    "{{ adapter.truncate_relation(ref('base')) }}",
    "{{ adapter.drop_schema(this) }}",
    "{{ run_query('drop table ' ~ ref('base')) }}",
    "{{ run_query('insert into ' ~ ref('base') ~ ' values (1)') }}",
    "{{ run_query(\"copy (select 1) to 'x.csv'\") }}",
    "{% call statement('x') %}delete from {{ ref('base') }}{% endcall %}",
    "{{ adapter.execute('create table x as select 1') }}",
    "{{ adapter.add_query('attach \\'x.db\\' as x') }}",
]


@pytest.mark.parametrize("text", OF_A_RUN)
def test_escapes_of_a_run(rendering: Rendering, text: str) -> None:
    assert closed(rendering["run"], text)


HUNGRY = [
    "{% for x in range(10000000) %}{% endfor %}",
    "{% for a in range(90000) %}{% for b in range(90000) %}{% endfor %}{% endfor %}",
    "{% set xs = range(90000) | list %}{% for a in xs %}{% for b in xs %}{% endfor %}{% endfor %}",
    "{% for a in modules.itertools.count() %}{% endfor %}",
    "{% for a in modules.itertools.cycle([1]) %}{% endfor %}",
    "{{ modules.itertools.repeat(1) | list }}",
    "{{ modules.itertools.product(range(90000), range(90000)) | list }}",
    "{{ modules.itertools.permutations(range(100)) | list }}",
    "{{ 'a' * 1000000000 }}",
    "{{ [1] * 1000000000 }}",
    "{{ 10 ** 100000000 }}",
    "{{ ((10 ** 900) ** 900) ** 900 }}",
    "{% set ns = namespace(s='aaaaaaaaaa') %}{% for i in range(60) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}",
    "{% set ns = namespace(s='aaaaaaaaaa') %}{% for i in range(60) %}{% set ns.s = ns.s + ns.s %}{% endfor %}",
    "{% set ns = namespace(n=99999999) %}{% for i in range(60) %}{% set ns.n = ns.n * ns.n %}{% endfor %}",
    "{{ 'a'.ljust(1000000000) }}",
    "{{ 'a'.zfill(1000000000) }}",
    "{{ 'a'.center(1000000000) }}",
    "{{ '{:>1000000000}'.format('a') }}",
    "{{ '{:>{w}}'.format('a', w=1000000000) }}",
    "{{ '%1000000000d' % 1 }}",
    "{{ ('a' * 9000000).replace('a', 'a' * 9000000) }}",
    "{% macro again() %}{{ again() }}{% endmacro %}{{ again() }}",
    "{{ '(' * 3000 }}{{ " + "(" * 3000 + "1" + ")" * 3000 + " }}",
]


@pytest.mark.parametrize("text", HUNGRY)
def test_a_slip_does_not_eat_the_machine(rendering: Rendering, text: str) -> None:
    began = time.thread_time()
    with pytest.raises(DeclarationError):
        rendering["read"](text)
    assert time.thread_time() - began < 20


def test_files_stay_where_they_are(rendering: Rendering, tmp_path: Path) -> None:
    assert rendering["run"]("{{ write('x') }}{{ debug() }}{{ submit_python_job({}, 'import os') }}") == ""
    assert not list(tmp_path.iterdir())


def test_what_is_given_may_be_changed_without_a_trace(rendering: Rendering) -> None:
    grow = "{% do config.get('custom').deep.append(2) %}{% do config.get('tags').append('y') %}{% do model.tags.append('y') %}"
    assert (
        rendering["run"](grow + "{{ config.get('custom').deep }}{{ config.get('tags') }}{{ model.tags }}") == "[1]['x']['x', 'y']"
    )
    assert rendering["run"]("{{ model.tags }}") == "['x']"
