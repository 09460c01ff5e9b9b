"""Names that a template does not know: dbt prints nothing for them, and refuses to call them."""

from __future__ import annotations

from pathlib import Path

import pytest

from headgate.declare import load
from headgate.spec.errors import DeclarationError

MACROS = "{% macro inbranch(a) %}{% if a %}{% set x = 1 %}{% endif %}[{{ x }}]{% endmacro %}{% macro undef(a) %}[{{ nothere }}]{% endmacro %}"
# template -> what dbt-core 1.10 compiles it to; None where it fails
DBT = {
    "{{ inbranch(false) }}": "[]",
    "{{ inbranch(nothere) }}": "[]",
    "{{ undef() }}": "[]",
    "{{ nothere }}": "",
    "{{ nothere() }}": None,
    "{{ nothere.x }}": None,
    "{{ nothere.x() }}": None,
    "{% if nothere %}1{% else %}2{% endif %}": "2",
    "{{ nothere | length }}": "0",
    "{% for x in nothere %}1{% endfor %}": "",
    "{{ nothere ~ 'a' }}": "a",
    "{{ 'a' + nothere }}": None,
    "{{ {'a': 1}.b }}": "",
    "{{ {'a': 1}.b.c }}": None,
    "{{ [1][4] }}": "",
    "{{ nothere is defined }}": "False",
    "{% set y = nothere %}{{ y }}": "",
}
# what a project of ours refuses as well: a name that nobody ever sets is a slip
OURS = {**DBT, "{{ undef() }}": None, "{{ nothere }}": None, "{{ nothere ~ 'a' }}": None, "{{ {'a': 1}.b }}": None, "{{ [1][4] }}": None,
        "{% set y = nothere %}{{ y }}": None}  # fmt: skip


@pytest.mark.parametrize(("file", "expected"), [("dbt_project.yml", DBT), ("headgate.yml", OURS)])
def test_unknown_names(tmp_path: Path, file: str, expected: dict[str, str | None]) -> None:
    for folder in ("models", "macros"):
        (tmp_path / folder).mkdir()
    (tmp_path / file).write_text("name: u\n")
    (tmp_path / "macros" / "m.sql").write_text(MACROS)
    found = {}
    for template in expected:
        (tmp_path / "models" / "m.sql").write_text(f"select '{template}' as x")
        try:
            found[template] = load(str(tmp_path)).project.nodes["model.u.m"].canonical_sql.split("'", 1)[1].rsplit("'", 1)[0]
        except DeclarationError:
            found[template] = None
    assert found == expected
