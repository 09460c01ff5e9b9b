"""What is blocked holds back what depends on it and what moves with it; the rest is published."""

from __future__ import annotations

from pathlib import Path

import pytest

from headgate.run.session import Session, open_session


def project(root: Path, models: dict[str, str], properties: str, config: str = "") -> Path:
    """A project of models over one source that is only read."""
    (root / "models").mkdir(parents=True)
    (root / "headgate.yml").write_text(
        "name: groups\nlake: { catalog: 'sqlite:.headgate/c.sqlite', data: .headgate/data }\nstate: 'sqlite:///.headgate/state.db'\n"
        + config
    )
    for name, sql in models.items():
        (root / "models" / f"{name}.sql").write_text(sql)
    (root / "models" / "all.yml").write_text(properties)
    return root


def statuses(session: Session) -> dict[str, str]:
    return {r.dataset.split(".")[-1]: r.status for r in session.run().steps}


@pytest.fixture
def chain(tmp_path: Path) -> Path:
    """base (table) -> shown (view, tested) -> mart (table); other stands alone."""
    return project(
        tmp_path,
        {
            "base": "{{ config(materialized='table') }} select i as id, {{ var('value', 1) }} as v from range(3) t(i)",
            "shown": "{{ config(materialized='view') }} select * from {{ ref('base') }}",
            "mart": "{{ config(materialized='table') }} select sum(v) as total from {{ ref('shown') }}",
            "other": "{{ config(materialized='table') }} select {{ var('value', 1) }} as v",
        },
        "models:\n  - name: shown\n    columns:\n      - name: v\n        data_tests:\n          - accepted_range: { max_value: 5 }\n",
    )


def test_a_view_that_fails_its_gate_keeps_its_table_too(chain: Path) -> None:
    """A published view changes when its tables publish: if it fails, they stay (LAKE.md 13)."""
    with open_session(str(chain)) as session:
        assert set(statuses(session).values()) == {"done"}
    with open_session(str(chain), variables={"value": 9}) as session:
        assert statuses(session) == {"base": "skipped", "shown": "blocked", "mart": "skipped", "other": "done"}
        assert session.query("select distinct v from main.base").to_pylist() == [{"v": 1}]
        assert session.query("select distinct v from main.shown").to_pylist() == [{"v": 1}]
        assert session.query("select total from main.mart").to_pylist() == [{"total": 3}]
        assert session.query("select v from main.other").to_pylist() == [{"v": 9}]
        stale = {d.split(".")[1]: r.stale_reason for d, r in session.lake.recorded().datasets.items() if r.stale_reason}
        assert set(stale) == {"base", "shown", "mart"} and all(
            "v above 5" in (r or "") or "shown" in (r or "") for r in stale.values()
        )
    with open_session(str(chain), variables={"value": 2}) as session:
        assert set(statuses(session).values()) == {"done"}
        assert not [r for r in session.lake.recorded().datasets.values() if r.stale_reason]


def test_a_declared_group_moves_together(tmp_path: Path) -> None:
    root = project(
        tmp_path,
        {
            "a": "{{ config(materialized='table', publish_group='pair') }} select {{ var('value', 1) }} as v",
            "b": "{{ config(materialized='table', publish_group='pair') }} select {{ var('value', 1) }} as v",
        },
        "models:\n  - name: b\n    columns:\n      - name: v\n        data_tests:\n          - accepted_range: { max_value: 5 }\n",
    )
    with open_session(str(root)) as session:
        assert statuses(session) == {"a": "done", "b": "done"}
    with open_session(str(root), variables={"value": 9}) as session:
        assert statuses(session) == {"a": "skipped", "b": "blocked"}
        assert session.query("select v from main.a").to_pylist() == [{"v": 1}]
