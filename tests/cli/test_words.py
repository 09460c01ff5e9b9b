"""What the commands say to somebody new: beginning, being blocked, mending, going back."""

from __future__ import annotations

from pathlib import Path

import pytest

from command_line import Call

SOURCE = """sources:
  - name: files
    owner: shop-team
    connector: files
    tables:
      - name: orders
        path: landing/orders_*.csv
        columns:
          - { name: id, data_tests: [unique] }
"""
DAILY = """{{ config(materialized='incremental', incremental_strategy='microbatch', unique_key='id', event_time='moment', begin='2026-01-01',
    end='2026-01-03', batch_size='day') }}
select id, moment from {{ source('files', 'orders') }}"""


@pytest.fixture
def shop(tmp_path: Path, headgate_call: Call) -> Path:
    """A project of one source, a view and a table beside it, and a model by days; never run."""
    root = tmp_path / "My Shop"
    assert headgate_call("init", str(root)).code == 0
    (root / "landing" / "orders_1.csv").write_text("id,moment\n1,2026-01-01 10:00:00\n2,2026-01-02 10:00:00\n")
    (root / "sources" / "files.yml").write_text(SOURCE)
    (root / "models" / "staging" / "stg_orders.sql").write_text("select id from {{ source('files', 'orders') }}")
    (root / "models" / "marts" / "names.sql").write_text("select 1 as id")
    (root / "models" / "marts" / "both.sql").write_text(
        "select id from {{ ref('stg_orders') }} join {{ ref('names') }} using (id)"
    )
    (root / "models" / "marts" / "daily.sql").write_text(DAILY)
    return root


def test_a_new_project_is_named_after_its_folder_and_says_how_to_begin(tmp_path: Path, headgate_call: Call) -> None:
    root = tmp_path / "My Shop"
    root.mkdir()
    assert "headgate plan" in headgate_call("init", at=root).out
    assert (root / "headgate.yml").read_text().startswith("name: my_shop\n")
    assert (root / ".gitignore").read_text() == ".headgate/\n"
    for command in ("plan", "ls"):
        said = headgate_call(command, at=root)
        assert said.code == 0 and "headgate new source NAME" in said.out + said.err
    ready = headgate_call("ready", at=root)
    assert "nothing to judge" in ready.out


def test_what_new_writes_runs(shop: Path, headgate_call: Call) -> None:
    said = headgate_call(
        "new",
        "model",
        "fct_days",
        "--reads",
        "files.orders",
        "--owner",
        "team: a",
        "--grain",
        "id",
        "--description",
        "One row: #1",
        at=shop,
    )
    assert said.code == 0, said.err
    assert headgate_call("new", "check", "no_zero", "--model", "fct_days", "--condition", "id = 0").code == 0
    source = ("--connector", "postgres", "--table", "t", "--owner", "crm-team", "--key", "id, line")
    assert headgate_call("new", "source", "crm", *source).code == 0
    assert "primary_key: [id, line]" in (shop / "sources" / "crm.yml").read_text()
    (shop / "sources" / "crm.yml").unlink()
    assert headgate_call("run", "fct_days").code == 0
    assert "One row: #1" in headgate_call("show", "fct_days").out


def test_from_a_broken_delivery_to_a_restored_table(shop: Path, headgate_call: Call) -> None:
    assert headgate_call("run", at=shop).code == 0
    listed = {line.split()[0]: line.split() for line in headgate_call("ls").out.splitlines()}
    assert listed["staging.stg_orders"][2:4] == ["current", "–"]  # nobody has counted the rows of a view
    assert "it was never built" in headgate_call("history", "both").out

    reached = headgate_call("lineage", "names").out
    assert "marts.names → marts.both" in reached and "stg_orders" not in reached

    broken = shop / "landing" / "orders_2.csv"
    broken.write_text("id,moment\n3,2026-01-02 11:00:00\n3,2026-01-02 11:00:00\n")
    assert headgate_call("run").code == 3
    because = headgate_call("why", "raw_files.orders")
    assert because.out.startswith("blocked  the last load of raw_files.orders was blocked: id is not unique (1 result)")
    assert "Now: repair it at its source" in because.out
    assert "id is not unique (1 result)" in headgate_call("history", "raw_files.orders").out
    listed = {line.split()[0]: line.split() for line in headgate_call("ls").out.splitlines()}
    assert listed["raw_files.orders"][2] == "blocked" and listed["marts.daily"][2] == "stale"
    assert "raw_files.orders is blocked" in headgate_call("why", "daily").out

    broken.write_text("id,moment\n3,2026-01-02 11:00:00\n")
    assert headgate_call("run").code == 0
    done = headgate_call("backfill", "daily", "--from", "2026-01-01", "--to", "2026-01-03")
    assert done.code == 0 and "--rebuild builds them again" in done.out
    priced = headgate_call("backfill", "daily", "--from", "2026-01-01", "--to", "2026-01-03", "--dry-run")
    assert "Build them again: headgate backfill daily --from 2026-01-01 --to 2026-01-03 --rebuild" in priced.out

    (shop / "models" / "marts" / "names.sql").write_text("select 1 as id union all select 2")
    before = int(headgate_call("query", "select max(snapshot_id) as n from lake.snapshots()").out.split()[-1])
    assert headgate_call("run").code == 0
    said = headgate_call("restore", "names", "--to", str(before))
    assert said.code == 0 and f"marts.names is as it was at {before}: 0 rows came back, 1 went" in said.out
    restored = headgate_call("why", "names").out
    assert "was restored at" in restored and "put the model back too" in restored


def test_doctor_looks_for_the_secrets_of_the_sources(shop: Path, headgate_call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    (shop / "sources" / "crm.yml").write_text(
        'sources: [{ name: crm, connector: postgres, connection: "${env:NO_SUCH_DSN}", tables: [{ name: t, primary_key: [id] }] }]'
    )
    monkeypatch.delenv("NO_SUCH_DSN", raising=False)
    said = headgate_call("doctor", at=shop)
    assert said.code == 1 and "NO_SUCH_DSN is not set" in said.out
    monkeypatch.setenv("NO_SUCH_DSN", "postgresql://nobody@127.0.0.1:1/none")
    assert headgate_call("doctor").code == 0
