"""dbt's selector grammar."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from headgate import declare
from headgate.spec.errors import UsageError
from headgate.spec.project import Project

FILES = """\
--- models/staging/stg_a.sql
{{ config(tags=['daily']) }} select * from {{ source('raw', 'a') }}
--- models/staging/stg_b.sql
select * from {{ source('raw', 'b') }}
--- models/marts/fct.sql
{{ config(materialized='table', meta={'team': 'sales'}, owner='ann') }}
select * from {{ ref('stg_a') }} join {{ ref('stg_b') }} using (id)
--- models/marts/report.sql
{{ config(tags=['daily', 'late']) }} select * from {{ ref('fct') }}
--- models/_all.yml
models:
  - name: fct
    columns: [{ name: id, data_tests: [unique, not_null] }]
sources: [{ name: raw, tables: [{ name: a }, { name: b }] }]
exposures: [{ name: board, depends_on: [ref('report')] }]
--- tests/single.sql
select * from {{ ref('fct') }} where id < 0
--- seeds/codes.csv
id
1
"""


@pytest.fixture
def project(declared_project: Callable[[str], Path]) -> Project:
    return declare.load(str(declared_project(FILES)), use_cache=False).project


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("fct", "fct"),
        ("+fct", "a b stg_a stg_b fct"),
        ("1+fct", "stg_a stg_b fct"),
        ("stg_a+", "stg_a fct report board"),
        ("stg_a+1", "stg_a fct"),
        ("1+fct+1", "stg_a stg_b fct report"),
        ("@stg_a", "a b stg_a stg_b fct report board"),
        ("stg_a report", "stg_a report"),
        ("tag:daily", "stg_a report"),
        ("tag:daily,marts", "report"),
        ("tag:la*", "report"),
        ("staging", "stg_a stg_b"),
        ("shop.staging", "stg_a stg_b"),
        ("shop.marts.*", "fct report"),
        ("stg_?", "stg_a stg_b"),
        ("path:models/marts", "fct report"),
        ("models/marts/fct.sql", "fct"),
        ("fct.sql", "fct"),
        ("file:stg_a.sql", "stg_a"),
        ("package:shop,resource_type:model", "stg_a stg_b fct report"),
        ("config.materialized:table", "fct"),
        ("config.meta.team:sales", "fct"),
        ("config.tags:late", "report"),
        ("owner:ann", "fct"),
        ("source:raw", "a b"),
        ("source:raw.a+", "a stg_a fct report board"),
        ("+exposure:board", "a b stg_a stg_b fct report board"),
        ("resource_type:seed", "codes"),
        ("resource_type:source", "a b"),
        ("test_type:singular", "single"),
        ("test_name:unique", "unique_fct_id"),
        ("test_type:generic,test_name:not_null", "not_null_fct_id"),
    ],
)
def test_selectors(project: Project, expression: str, expected: str) -> None:
    names = {
        uid.split(".")[2] if uid.startswith("test.") else uid.rpartition(".")[2] for uid in declare.select(project, [expression])
    }
    assert names == set(expected.split())


def test_union_of_arguments_and_exclusion(project: Project) -> None:
    assert declare.select(project, ["fct", "report"], ["tag:late"]) == ("model.shop.fct",)
    assert declare.select(project, [], ["resource_type:source", "resource_type:seed", "staging"]) == (
        "model.shop.fct",
        "model.shop.report",
    )


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("stg_aa", "Did you mean 'stg_a'"),
        ("tag:dayly", "Did you mean 'daily'"),
        ("source:raw.c", "Did you mean 'raw.a'|'raw.b'"),
        ("tga:daily", "did you mean 'tag:'|Did you mean 'tag:'"),
        ("+", "names nothing"),
        ("path:modles/marts", "Did you mean 'models/marts'"),
        ("nothing_like_it", "run: headgate ls|Run: headgate ls"),
    ],
)
def test_what_does_not_exist_is_told(project: Project, expression: str, said: str) -> None:
    with pytest.raises(UsageError, match=said) as caught:
        declare.select(project, [expression])
    assert caught.value.exit_code == 2
