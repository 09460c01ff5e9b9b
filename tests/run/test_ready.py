"""`headgate ready`: every item on a model that passes it and on one that fails it, with the evidence; the exit code is a gate for CI."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import chdir
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from headgate.run.session import Session, open_session
from headgate.serve.answers.readiness import ITEMS, readiness
from headgate.serve.cli.app import app, tell
from headgate.serve.cli.look_commands import register
from headgate.spec.errors import HeadgateError, UsageError

MODELS = {
    "good": """{{ config(materialized='incremental', unique_key='id', incremental_strategy='merge') }}
        select id, moment, amount, current_timestamp as _dbt_loaded_at from {{ ref('orders') }}
        {% if is_incremental() %} where moment >= (select max(moment) - interval '1 day' from {{ this }}) {% endif %}""",
    "appending": """{{ config(materialized='incremental', incremental_strategy='append', leave_duplicates=true) }}
        select id, moment from {{ ref('orders') }} {% if is_incremental() %} where moment >= (select max(moment) from {{ this }}) {% endif %}""",
    "appending_by_key": """{{ config(materialized='incremental', incremental_strategy='append', unique_key='id') }}
        select id, moment from {{ ref('orders') }} {% if is_incremental() %} where moment >= (select max(moment) from {{ this }}) {% endif %}""",
    "random_table": "{{ config(materialized='table') }} select id, random() as dice from {{ ref('orders') }}",
    "stamping": """{{ config(materialized='incremental', unique_key='id') }}
        select id, random() as seen from {{ ref('orders') }} {% if is_incremental() %} where moment >= '2026-01-02' {% endif %}""",
    "reading_all": "{{ config(materialized='incremental', unique_key='id') }} select id, moment from {{ ref('orders') }}",
    "missing_late": """{{ config(materialized='incremental', unique_key='id') }}
        select id, moment from {{ ref('orders') }} {% if is_incremental() %} where moment > (select max(moment) from {{ this }}) {% endif %}""",
    "by_day": """{{ config(materialized='incremental', incremental_strategy='microbatch', event_time='moment', begin='2026-01-01', end='2026-01-05',
        batch_size='day') }} select id, moment from {{ ref('orders') }}""",
    "by_month": """{{ config(materialized='incremental', incremental_strategy='insert_overwrite', partition_by=['month']) }}
        select id, date_trunc('month', moment) as month from {{ ref('orders') }} {% if is_incremental() %} where moment >= '2026-01-02' {% endif %}""",
    "plain": "{{ config(materialized='table') }} select id, moment from {{ ref('orders') }}",
    "softly_tested": "{{ config(materialized='table') }} select id, moment from {{ ref('orders') }}",
    "partly_tested": "{{ config(materialized='table') }} select id, moment from {{ ref('orders') }}",
    "tested_within": "{{ config(materialized='table') }} select id, moment from {{ ref('orders') }}",
    "wrong_column": "{{ config(materialized='table') }} select id, moment from {{ ref('orders') }}",
    "two_columns": "{{ config(materialized='table') }} select id, moment from {{ ref('orders') }}",
    "seen": "select * from {{ ref('good') }}",
}
PROPERTIES = """
models:
  - name: good
    description: The newest version of each order.
    config: { owner: orders-team, grain: [id] }
    columns: [{ name: id, data_tests: [unique, not_null] }]
  - name: softly_tested
    config: { grain: [id] }
    columns: [{ name: id, data_tests: [unique: { config: { severity: warn } }, not_null] }]
  - name: partly_tested
    config: { grain: [id, moment] }
    columns: [{ name: id, data_tests: [unique, not_null] }]
  - name: tested_within
    config: { grain: [id] }
    columns: [{ name: id, data_tests: [not_null, unique: { config: { where: "id > 1" } }] }]
  - name: wrong_column
    config: { grain: [id] }
    columns: [{ name: id, data_tests: [not_null] }, { name: moment, data_tests: [unique] }]
  - name: two_columns
    config: { grain: [id, moment] }
    data_tests: [unique_combination_of_columns: { combination_of_columns: [moment, id] }]
    columns: [{ name: id, data_tests: [not_null] }, { name: moment, data_tests: [not_null] }]
"""
SNAPSHOT = """{% snapshot kept %} {{ config(unique_key='id', strategy='timestamp', updated_at='moment') }}
select * from {{ ref('orders') }} {% endsnapshot %}"""
SEED = "id,moment,amount\n1,2026-01-01 10:00:00,5\n2,2026-01-02 10:00:00,6\n3,2026-01-04 11:00:00,7\n"
TRIED = ("same inputs, same table", "touches only what is new", "a full rebuild matches")

EXPECTED = [
    ("good", "writes are keyed", True, "merge by id"),
    ("appending_by_key", "writes are keyed", True, "append by id"),
    ("by_day", "writes are keyed", True, "intervals are replaced"),
    ("by_month", "writes are keyed", True, "partitions are replaced"),
    ("kept", "writes are keyed", True, "snapshot by id"),
    ("plain", "writes are keyed", True, "replaced as a whole"),
    ("appending", "writes are keyed", False, "the same rows can come twice"),
    ("good", "same inputs, same table", True, "0 rows would come, 0 go"),
    ("by_day", "same inputs, same table", True, "0 rows would come"),
    ("by_month", "same inputs, same table", True, "0 rows would come"),
    ("kept", "same inputs, same table", True, "0 rows would come"),
    ("appending", "same inputs, same table", False, "1 rows would come, 0 go"),
    ("random_table", "same inputs, same table", False, "4 rows would come, 4 go"),
    ("stamping", "same inputs, same table", False, "2 rows would come, 2 go"),
    ("good", "touches only what is new", True, "would write 0 rows and leave 1"),
    ("by_day", "touches only what is new", True, "would write 0 rows"),
    ("plain", "touches only what is new", True, "not incremental"),
    ("stamping", "touches only what is new", False, "would write 2 rows"),
    ("reading_all", "touches only what is new", False, "reads all of its inputs"),
    ("good", "a full rebuild matches", False, "1 rows more, 0 rows less"),
    ("by_day", "a full rebuild matches", True, "0 rows more, 0 rows less"),
    ("plain", "a full rebuild matches", True, "0 rows more"),
    ("kept", "a full rebuild matches", True, "never rebuilt"),
    ("missing_late", "a full rebuild matches", False, "1 rows more, 0 rows less"),
    ("good", "its key is tested", True, "unique_good_id, and not_null on id"),
    ("two_columns", "its key is tested", True, "not_null on id, moment"),
    ("plain", "its key is tested", False, "neither a grain nor a unique_key"),
    ("stamping", "its key is tested", False, "no hard check says that (id) is unique"),
    ("softly_tested", "its key is tested", False, "(id) is unique"),
    ("tested_within", "its key is tested", False, "(id) is unique"),
    ("wrong_column", "its key is tested", False, "(id) is unique"),
    ("partly_tested", "its key is tested", False, "moment is never NULL"),
    ("good", "owner", True, "orders-team"),
    ("plain", "owner", False, "no owner"),
    ("good", "description", True, "The newest version"),
    ("plain", "description", False, "no description"),
    ("good", "grain", True, "id"),
    ("plain", "grain", False, "no grain"),
    ("good", "fresh within ten minutes", True, "after its newest input, main.orders"),
    ("plain", "a rollback was tried", False, "headgate restore main.plain --to"),
]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    """Built twice: the second delivery changes one order, brings a new one, and one that is days late."""
    root = tmp_path_factory.mktemp("shop")
    (root / "headgate.yml").write_text("name: shop\n")
    for folder in ("models", "seeds", "snapshots"):
        (root / folder).mkdir()
    for name, sql in MODELS.items():
        (root / "models" / f"{name}.sql").write_text(sql)
    (root / "models" / "all.yml").write_text(PROPERTIES)
    (root / "snapshots" / "kept.sql").write_text(SNAPSHOT)
    seed = root / "seeds" / "orders.csv"
    for text in (SEED, SEED.replace("11:00:00,7", "12:00:00,8") + "4,2026-01-01 23:00:00,9\n"):
        seed.write_text(text)
        with open_session(str(root)) as session:
            result = session.run()
            assert result.status == "done", [(s.dataset, s.reason) for s in result.steps]
    with open_session(str(root)) as session:
        yield session


@pytest.fixture(scope="module")
def told(shop: Session) -> dict[tuple[str, str], tuple[bool, str]]:
    return {(i.dataset.removeprefix("main."), i.item): (i.passed, i.evidence) for i in readiness(shop).items}


@pytest.mark.parametrize(("model", "item", "passed", "evidence"), EXPECTED, ids=[f"{m}: {i}" for m, i, *_ in EXPECTED])
def test_an_item(told: dict[tuple[str, str], tuple[bool, str]], model: str, item: str, passed: bool, evidence: str) -> None:
    found = told[model, item]
    assert found[0] == passed and evidence in found[1], found


def test_every_item_is_tried_both_ways(told: dict[tuple[str, str], tuple[bool, str]]) -> None:
    by_hand = {("fresh within ten minutes", False), ("a rollback was tried", True)}  # below, for they change the ledger
    assert {(i, p) for _, i, p, _ in EXPECTED} | by_hand == {(i, p) for i in ITEMS for p in (True, False)}
    assert not {m for m, _ in told} & {"seen", "orders"}, "a view and a seed hold nothing to look at"


def asked(session: Session, *select: str) -> tuple[int, dict[str, Any]]:
    """What the command says: its exit code and its JSON."""
    with chdir(session.project.root):
        cli = app.__class__()
        register(cli)
        result = CliRunner().invoke(cli, ["ready", *select, "-o", "json"])
    return result.exit_code, json.loads(result.stdout)


def failing(answer: dict[str, Any]) -> dict[str, str]:
    assert answer["ready"] == all(i["passed"] for i in answer["items"])
    return {i["item"]: i["evidence"] for i in answer["items"] if not i["passed"]}


def test_from_not_ready_to_ready_and_back(shop: Session) -> None:
    """A gate for CI: 3 while an item fails, 0 when none does; nothing that it tries is left behind or published."""
    before = shop.lake.snapshot()
    code, answer = asked(shop, "good")
    assert code == 3 and set(failing(answer)) == {"a full rebuild matches", "a rollback was tried"}
    assert shop.lake.snapshot() == before
    assert not list(Path(shop.project.root, ".headgate", "runs").glob("*-*-*-*-*-*"))  # the trials' staging areas

    first = shop.query("select min(snapshot_id) as id from lake.snapshots() where contains(changes::varchar, 'main.good')")
    published = shop.lake.snapshot()
    shop.restore("good", to=str(first.to_pylist()[0]["id"]))
    assert "same inputs, same table" in failing(asked(shop, "good")[1]), "what is published is older than its inputs"
    shop.restore("good", to=str(published))
    shop.run(("good",), full_refresh=True)
    assert asked(shop, "good") == (0, {"ready": True, "items": asked(shop, "good")[1]["items"]})

    at = _moved(shop, "main.orders", "published_at - INTERVAL 20 MINUTE")
    code, answer = asked(shop, "good")
    assert code == 3 and list(failing(answer)) == ["fresh within ten minutes"]
    assert "after its newest input, main.orders" in failing(answer)["fresh within ten minutes"]
    _moved(shop, "main.orders", f"TIMESTAMP '{at}'")

    seed = Path(shop.project.root, "seeds", "orders.csv")
    seed.write_text(SEED + "5,2026-01-04 13:00:00,9\n")
    with open_session(shop.project.root) as session:
        session.run(("orders",))
        failed = failing(asked(session, "good")[1])
        assert set(failed) == set(TRIED), failed
        assert all("headgate run good" in e for e in failed.values()), failed
        _moved(session, "main.good", "published_at - INTERVAL 30 MINUTE")
        _moved(session, "main.orders", "published_at - INTERVAL 11 MINUTE")
        assert "waits for" in failing(asked(session, "good")[1])["fresh within ten minutes"]


def _moved(session: Session, dataset: str, moment: str) -> str:
    """Let all publications of `dataset` be of another moment; returns when the newest was."""
    was = session.query(f"select max(published_at)::varchar as at from headgate.publications where dataset = '{dataset}'")
    with session.lake.transaction(["*"], author="test", message="another clock") as cursor:
        cursor.execute(f"UPDATE lake.headgate.publications SET published_at = {moment} WHERE dataset = '{dataset}'")
    session.state.forget_mirror()
    return str(was.to_pylist()[0]["at"])


def test_a_model_that_is_not_built_and_a_selection_without_tables(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "headgate.yml").write_text("name: shop\n")
    (tmp_path / "models" / "one.sql").write_text("{{ config(materialized='table') }} select 1 as id")
    (tmp_path / "models" / "two.sql").write_text("select 2 as id")
    with open_session(str(tmp_path)) as session:
        found = {i.item: i.evidence for i in readiness(session).items if not i.passed}
        assert all("headgate run one" in found[item] for item in ("same inputs, same table", "a full rebuild matches"))
        with pytest.raises(UsageError, match="selects no table") as raised:
            readiness(session, ("two",))
        assert isinstance(raised.value, HeadgateError) and tell(raised.value) == 2
