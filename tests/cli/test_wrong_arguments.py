"""Every command with wrong arguments: the exit code of its family, no trace, a message that names the thing and says what to do."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
import typer

from command_line import Call, Said
from headgate.serve.cli.app import whole

# What is typed -> what the message must name. All of these are wrong calls: exit code 2.
ON_A_PROJECT = {
    "": "no command",
    "bogus": "'bogus'",
    "run --bogus": "--bogus",
    "run --project": "--project",
    "run nope": "'nope'",
    "run --env nope": "'nope'",
    "run --threads 0": "--threads",
    "run --threads x": "--threads",
    "run --wait -1": "--wait",
    "run --from x --to y": "--from is 'x'",
    "run --from 2026-02-01 --to 2026-01-01": "2026-02-01 is not before --to 2026-01-01",
    "run --exclude nope": "'nope'",
    "run -o bogus": "'bogus'",
    "build --threads 0": "--threads",
    "plan nope": "'nope'",
    "plan foo:bar": "'foo'",
    "plan --from 2026-13-01": "--from is '2026-13-01'",
    "plan --from 2026-01-01 --to 2026-01-01": "2026-01-01",
    "plan --vars 3": "'3'",
    "plan --vars '[1'": "'[1'",
    "plan --vars '{day: '": "'{day: '",
    "ls nope": "'nope'",
    "ls -o bogus": "'bogus'",
    "show nope": "'nope'",
    "show stg_order": "stg_orders",
    "show stg_orders --limit -1": "--limit",
    "why nope": "'nope'",
    "history nope": "'nope'",
    "history stg_orders --limit 0": "--limit",
    "lineage nope": "'nope'",
    "lineage stg_orders.nope": "'nope'",
    "query 'selec 1'": "selec",
    "query ''": "statement",
    "query 'select 1; select 2'": "2 statements",
    "query 'delete from marts.mart_daily_revenue'": "does not read",
    "query 'select * from nope'": "'nope'",
    "query 'select * from stg_orders'": "one of staging.stg_orders",
    "query 'select * from marts.mart_daily_revenu'": "one of marts.mart_daily_revenue",
    "query 'select nope from staging.stg_orders'": "nope",
    "query 'select 1' --at tomorrow": "tomorrow",
    "query 'select 1' --limit -1": "--limit",
    "diff nope": "'nope'",
    "diff stg_orders --from yesterday": "yesterday",
    "diff stg_orders --with-env nope": "'nope'",
    "diff stg_orders --with-env prod": "the same table",
    "check nope": "'nope'",
    "ready nope": "'nope'",
    "land nope": "'nope'",
    "land raw.nope": "'raw.nope'",
    "land stg_orders": "'stg_orders'",
    "seed --env nope": "'nope'",
    "snapshot --bogus": "--bogus",
    "reconcile --env nope": "'nope'",
    "backfill": "model",
    "backfill stg_orders": "--from",
    "backfill nope --from 2026-01-01 --to 2026-01-02": "'nope'",
    "backfill stg_orders --from 2026-01-01 --to 2026-01-02": "not built by intervals",
    "backfill stg_orders --from 2026-01-02 --to 2026-01-01": "2026-01-02 is not before",
    "backfill stg_orders --from x --to y": "--from is 'x'",
    "restore stg_orders": "--to",
    "restore nope --to 3": "'nope'",
    "restore raw.orders --to 3": "raw.orders",
    "restore stg_orders --to tomorrow": "tomorrow",
    "restore stg_orders --to 99999": "99999",
    "maintain --older-than -1": "--older-than",
    "maintain --older-than x": "--older-than",
    "doctor --bogus": "--bogus",
    "demo a b": "(b)",
    "init . ": "project already",
    "init x --template nope": "'nope'",
    "parse --env nope": "'nope'",
    "compile nope": "'nope'",
    "docs": "no command",
    "docs generate --bogus": "--bogus",
    "source": "no command",
    "source freshness -o bogus": "'bogus'",
    "source freshness --select nope": "'nope'",
    "test --resource-type nope": "'nope'",
    "test -o bogus": "'bogus'",
    "deps --bogus": "--bogus",
    "run-operation": "macro",
    "run-operation nope": "'nope'",
    "new": "no command",
    "new source": "name",
    "new source x": "--connector",
    "new source x --connector nope --table t --owner me": "'nope'",
    "new source ../x --connector files --table t --owner me": "'../x'",
    "new model m --reads nope.t --owner me --grain id --description d": "'nope.t'",
    "new model m --reads stg_orders --owner me --grain ' ' --description d": "grain",
    "new model a/b --reads stg_orders --owner me --grain id --description d": "'a/b'",
    "new model stg_orders --reads stg_orders --owner me --grain id --description d": "stg_orders.sql",
    "new check c --model nope --condition 1=1": "'nope'",
    "new check 'c d' --model stg_orders --condition 1=1": "'c d'",
}  # fmt: skip

OF_A_PROJECT = ("plan", "run", "build", "land", "seed", "snapshot", "ls", "show x", "why x", "history x", "lineage x", "query 'select 1'", "diff x",
    "check x", "ready", "backfill x --from 2026-01-01 --to 2026-01-02", "reconcile", "restore x --to 1", "maintain",
    "new source x --connector files --table t --owner me", "new model m --reads a --owner me --grain id --description d",
    "new check c --model a --condition 1=1", "parse", "compile", "docs generate", "source freshness", "test", "run-operation x")  # fmt: skip


def told(said: Said, code: int, names: str) -> None:
    """The message is one of ours: exit code, no trace, the thing, and as its last line what to do now."""
    assert said.code == code, f"{said.code}\n{said.out}\n{said.err}"
    assert "Traceback" not in said.err + said.out
    assert names in said.err, said.err
    assert "  now: " in said.err, said.err


@pytest.mark.parametrize("line", ON_A_PROJECT)
def test_a_wrong_call_on_a_project(line: str, built_shop: Path, headgate_call: Call) -> None:
    told(headgate_call(*shlex.split(line), at=built_shop), 2, ON_A_PROJECT[line])


def test_every_command_has_its_wrong_calls() -> None:
    commands = set(typer.main.get_command(whole()).commands) - {"new"}  # type: ignore[attr-defined]
    assert commands <= {line.split()[0] for line in ON_A_PROJECT if line.strip()}


@pytest.mark.parametrize("line", OF_A_PROJECT)
@pytest.mark.parametrize("kind", ["missing", "empty", "file"])
def test_where_there_is_no_project(line: str, kind: str, tmp_path: Path, headgate_call: Call) -> None:
    place = tmp_path / kind
    if kind == "empty":
        place.mkdir()
    elif kind == "file":
        place.write_text("name: shop")
    told(headgate_call(*shlex.split(line), "--project", str(place), at=tmp_path), 2, str(place))
    assert kind != "missing" or not place.exists()


@pytest.mark.parametrize("kind", ["missing", "file"])
def test_doctor_says_so_where_there_is_no_project(kind: str, tmp_path: Path, headgate_call: Call) -> None:
    place = tmp_path / kind
    if kind == "file":
        place.write_text("")
    said = headgate_call("doctor", "--project", str(place))
    assert said.code == 1
    assert "Traceback" not in said.err
    assert str(place) in said.out
    assert "--project" in said.out


@pytest.mark.parametrize(
    ("content", "names"),
    [
        (b"name: shop\nlake: { catalog: [\n", "headgate.yml:3"),
        (b"name: caf\xe9\n", "headgate.yml"),
        (b"- shop\n", "headgate.yml:1"),
        (b"name: shop\nlakes: {}\n", "'lakes'"),
        (b"name: shop\nthreads: many\n", "'threads'"),
    ],
)
def test_a_project_file_that_cannot_be_read(content: bytes, names: str, tmp_path: Path, headgate_call: Call) -> None:
    (tmp_path / "headgate.yml").write_bytes(content)
    told(headgate_call("plan", at=tmp_path), 1, names)


@pytest.mark.parametrize(
    ("path", "content", "names"),
    [
        ("models/a.sql", b"select 'caf\xe9' as name", "models/a.sql"),
        ("models/a.sql", b"select {{ ref('b' }}", "models/a.sql:1"),
        ("models/a.sql", b"selec 1 as id", "models/a.sql:1"),
        ("models/a.yml", b"models: [{ name: caf\xe9 }]", "models/a.yml"),
        ("sources/a.yml", b"sources: [{ name: a, connector: fils, tables: [{ name: t }] }]", "files"),
        ("seeds/a.csv", b"id,id\n1,2\n", "seeds/a.csv"),
    ],
)
def test_a_file_of_the_project_that_cannot_be_read(
    path: str, content: bytes, names: str, tmp_path: Path, headgate_call: Call
) -> None:
    (tmp_path / "headgate.yml").write_text("name: shop\n")
    (tmp_path / path).parent.mkdir()
    (tmp_path / path).write_bytes(content)
    told(headgate_call("plan", at=tmp_path), 1, names)


def test_a_place_where_nothing_can_be_written(tmp_path: Path, headgate_call: Call) -> None:
    (tmp_path / "file").write_text("")
    told(headgate_call("init", str(tmp_path / "file" / "shop")), 4, str(tmp_path / "file"))
    (tmp_path / "headgate.yml").write_text("name: shop\n")
    (tmp_path / ".headgate").write_text("a file where a folder is needed")
    told(headgate_call("run", at=tmp_path), 4, ".headgate")


@pytest.mark.parametrize(
    ("line", "names"), [("lake: { catalog: 'sqlite:lake.sqlite' }", "lake.sqlite"), ("state: 'sqlite:///state.db'", "state.db")]
)
def test_a_file_that_is_no_lake(line: str, names: str, tmp_path: Path, headgate_call: Call) -> None:
    (tmp_path / names).write_bytes(b"this is no database" * 100)
    (tmp_path / "headgate.yml").write_text(f"name: shop\n{line}\n")
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "a.sql").write_text("select 1 as id")
    told(headgate_call("run", at=tmp_path), 4, names)


def test_a_demo_goes_into_no_folder_of_others(built_shop: Path, headgate_call: Call) -> None:
    told(headgate_call("demo", str(built_shop)), 5, str(built_shop))
