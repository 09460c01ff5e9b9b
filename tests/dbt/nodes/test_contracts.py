"""Enforced contracts: names and types before a model is built, constraints by the gate, access between groups."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from headgate import declare
from headgate.run.session import open_session
from headgate.spec.errors import DeclarationError

PROJECT = """\
--- dbt_project.yml
name: shop
version: '1.0'
profile: shop
--- models/base.sql
{{ config(materialized='table') }} select 1 as id, 'a' as kind union all select 2, 'b'
--- models/orders.sql
{{ config(materialized='table') }} select kind::varchar as kind, id::integer as id, 1.5::decimal(9,2) as amount from {{ ref('base') }}
--- models/_all.yml
models:
  - name: orders
    config: { contract: { enforced: true } }
    constraints:
      - { type: check, expression: "amount > 0", name: positive }
      - { type: primary_key, columns: [id, kind] }
      - { type: foreign_key, columns: [id], to: ref('base'), to_columns: [id] }
    columns:
      - name: id
        data_type: int
        constraints: [{ type: not_null }, { type: unique }]
      - { name: kind, data_type: text }
      - { name: amount, data_type: "numeric(18,3)" }
"""


def _write(root: Path, text: str) -> Path:
    parts = re.split(r"^--- (\S+)\n", text, flags=re.M)
    for path, content in zip(parts[1::2], parts[2::2], strict=True):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(content, encoding="utf-8")
    return root


def _run(root: Path, text: str) -> tuple[str, str]:
    with open_session(str(_write(root, text))) as session:
        result = session.run(())
        step = next(s for s in result.steps if s.unique_id == "model.shop.orders")
        return step.status, step.reason


def test_a_contract_that_is_kept_orders_the_columns(tmp_path: Path) -> None:
    assert _run(tmp_path, PROJECT) == ("done", "")
    with open_session(str(tmp_path)) as session:
        relation = session.project.nodes["model.shop.orders"].relation
        assert [c.name for c in session.lake.columns(relation) or ()] == ["id", "kind", "amount"]


@pytest.mark.parametrize(
    ("wrong", "right", "told"),
    [
        ("kind::varchar", "kind::date", "column 'kind' is DATE, and VARCHAR by contract"),
        (", 1.5::decimal(9,2) as amount", "", "column 'amount' (DECIMAL(18,3)) is missing"),
        ("1.5::decimal", "now() as at, 1.5::decimal", "column 'at' (TIMESTAMP WITH TIME ZONE) is not in the contract"),
        ("data_type: text", "data_type: txet", "has type 'txet' by contract, which the engine does not know"),
    ],
)
def test_a_model_that_breaks_its_contract_is_not_built(wrong: str, right: str, told: str, tmp_path: Path) -> None:
    text = PROJECT.replace("'a' as kind", "'2026-01-01' as kind").replace("'b'", "'2026-01-02'")
    status, reason = _run(tmp_path, text.replace(wrong, right))
    assert status == "failed"
    assert told in reason


@pytest.mark.parametrize(
    ("wrong", "right", "check"),
    [
        ("1.5::decimal", "-1.5::decimal", "not true: coalesce((amount > 0), true)"),
        ("select 2, 'b'", "select 1, 'b'", "id is not unique"),
        ("select 2, 'b'", "select null, 'b'", "NULL in id"),
        ("id::integer as id", "(id + 5)::integer as id", "id has values that"),
    ],
)
def test_constraints_are_weighed_by_the_gate(wrong: str, right: str, check: str, tmp_path: Path) -> None:
    status, reason = _run(tmp_path, PROJECT.replace(wrong, right))
    assert (status, check in reason) == ("blocked", True), reason


@pytest.mark.parametrize(
    ("wrong", "right", "told"),
    [
        ("{ name: kind, data_type: text }", "{ name: kind }", "an enforced contract and no 'data_type' for 'kind'"),
        ("type: check", "type: chek", "did you mean 'check'?"),
        ("materialized='table') }} select kind", "materialized='ephemeral') }} select kind", "is ephemeral and cannot have"),
    ],
)  # fmt: skip
def test_a_contract_that_cannot_be_enforced_is_a_mistake(wrong: str, right: str, told: str, tmp_path: Path) -> None:
    with pytest.raises(DeclarationError, match=re.escape(told)):
        declare.load(str(_write(tmp_path, PROJECT.replace(wrong, right))), use_cache=False)


def test_constraints_are_no_tests(tmp_path: Path) -> None:
    project = declare.load(str(_write(tmp_path, PROJECT)), use_cache=False).project
    assert not project.checks
    assert len(project.contract_checks) == 7


GROUPS = """\
--- dbt_project.yml
name: shop
version: '1.0'
profile: shop
--- models/secret.sql
select 1 as id
--- models/reader.sql
select * from {{ ref('secret') }}
--- models/_all.yml
groups: [{ name: vault, owner: { name: Ann } }]
models:
  - { name: secret, access: private, group: vault }
  - { name: reader, group: vault }
"""


def test_a_private_model_is_read_by_its_group_alone(tmp_path: Path) -> None:
    assert declare.load(str(_write(tmp_path, GROUPS)), use_cache=False).project.nodes["model.shop.secret"].access == "private"
    with pytest.raises(DeclarationError, match="refers to model 'secret', which is private to group 'vault'"):
        declare.load(str(_write(tmp_path, GROUPS.replace("{ name: reader, group: vault }", "{ name: reader }"))), use_cache=False)


@pytest.mark.parametrize(
    ("wrong", "right", "told"),
    [
        ("group: vault }\n  - { name: reader", "group: vualt }\n  - { name: reader", "did you mean 'vault'?"),
        ("access: private", "access: secret", "'access' is text 'secret'"),
    ],
)
def test_groups_and_access_are_known_words(wrong: str, right: str, told: str, tmp_path: Path) -> None:
    with pytest.raises(DeclarationError, match=re.escape(told)):
        declare.load(str(_write(tmp_path, GROUPS.replace(wrong, right))), use_cache=False)


def test_readers_of_a_deprecated_version_are_told(tmp_path: Path) -> None:
    text = """\
--- dbt_project.yml
name: shop
version: '1'
--- models/names_v1.sql
select 1 as id
--- models/names_v2.sql
select 2 as id
--- models/reader.sql
select * from {{ ref('names', v=1) }} union all select * from {{ ref('names') }}
--- models/_all.yml
models: [{ name: names, latest_version: 2, versions: [{ v: 1, deprecation_date: 2030-01-01 }, { v: 2 }] }]
"""
    told = [str(n) for n in declare.load(str(_write(tmp_path, text)), use_cache=False).project.notices]
    assert told == [
        "models/reader.sql:1:23: model 'reader' refers to model 'names' version 1, which is deprecated from 2030-01-01; "
        "expected version 2 [HG-D036]"
    ]
