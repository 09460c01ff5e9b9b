"""Which output of which profile a dbt project writes to."""

from __future__ import annotations

from pathlib import Path

import pytest

from headgate.declare import load
from headgate.spec.errors import HeadgateError

PROJECT = "name: shop\nversion: '1.0'\nprofile: shop\n"
PROFILES = """
shop:
  target: "{{ env_var('SHOP_TARGET', 'local') }}"
  outputs:
    local: {type: duckdb, path: shop.duckdb, threads: 3, schema: dev, settings: {memory_limit: 1GB, preserve_insertion_order: true}}
    other: {type: duckdb, path: "{{ env_var('DBT_ENV_SECRET_PLACE', 'x') }}/y.duckdb", database: cat, schema: "{{ var('s', 'plain') }}"}
    memory: {type: duckdb}
    cloud: {type: duckdb, path: "md:shop"}
    wh: {type: snowflake, account: a}
second:
  target: only
  outputs:
    only: {type: duckdb, path: second.duckdb}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A dbt project with a model and a profile beside it; a home without one."""
    for name in ("DBT_PROFILES_DIR", "DBT_PROFILE", "DBT_TARGET", "SHOP_TARGET"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    root = tmp_path / "shop"
    (root / "models").mkdir(parents=True)
    (root / "dbt_project.yml").write_text(PROJECT)
    (root / "profiles.yml").write_text(PROFILES)
    said = "'{{ target.name }}' as name, '{{ target.type }}' as type, '{{ target.profile_name }}' as profile, '{{ target.threads }}' as threads"
    (root / "models" / "m.sql").write_text(f"select {said}, '{{{{ target.schema }}}}' as schema")
    return root


def test_the_profile_chooses_and_the_environment_changes_its_mind(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(2):  # read, and from the cache
        project = load(str(folder), environment="").project
        assert (project.environment, project.lake.catalog, project.lake.name) == ("local", f"duckdb:{folder}/shop.duckdb", "shop")
        assert project.nodes["model.shop.m"].relation.schema == "dev" and project.options["threads"] == 3
        assert project.lake.options == {"memory_limit": "1GB", "settings": {"preserve_insertion_order": True}}
    monkeypatch.setenv("SHOP_TARGET", "memory")
    project = load(str(folder), environment="").project
    assert project.environment == "memory" and project.lake.catalog == f"duckdb:{folder}/.headgate/memory.duckdb"


def test_a_named_target_and_variables_win(folder: Path) -> None:
    project = load(str(folder), environment="other", variables={"s": "given"}).project
    assert (project.lake.name, project.nodes["model.shop.m"].relation.schema) == ("cat", "given")


def test_a_secret_is_looked_up_at_the_moment_of_connecting(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DBT_ENV_SECRET_PLACE", "hidden-place")
    project = load(str(folder), environment="other").project
    assert project.lake.catalog.endswith("${env:DBT_ENV_SECRET_PLACE}/y.duckdb")
    kept = "".join(p.read_text() for p in (folder / ".headgate").rglob("*.json"))
    assert "hidden-place" not in kept


def test_an_edited_profile_is_read_again_wherever_it_lies(folder: Path, tmp_path: Path) -> None:
    home = tmp_path / "home" / ".dbt"
    home.mkdir(parents=True)
    (folder / "profiles.yml").rename(home / "profiles.yml")
    assert load(str(folder), environment="").project.environment == "local"
    (home / "profiles.yml").write_text(PROFILES.replace("'local'", "'memory'"))
    assert load(str(folder), environment="").project.environment == "memory"


def test_the_folder_and_the_profile_may_be_named(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "profiles.yml").write_text(PROFILES.replace("shop.duckdb", "there.duckdb"))
    monkeypatch.setenv("DBT_PROFILES_DIR", str(elsewhere))
    assert load(str(folder), environment="").project.lake.catalog == f"duckdb:{folder}/there.duckdb"
    monkeypatch.setenv("DBT_PROFILE", "second")
    assert load(str(folder), environment="").project.lake.name == "second"


def test_without_a_profile_the_project_builds_a_lake(folder: Path) -> None:
    (folder / "profiles.yml").unlink()
    project = load(str(folder), environment="").project
    assert (project.environment, project.lake.catalog) == ("dev", f"sqlite:{folder}/.headgate/catalog.sqlite")


@pytest.mark.parametrize(
    ("target", "profile", "said"),
    [
        ("nope", "shop", "one of local, other, memory, cloud, wh"),
        ("locl", "shop", "did you mean 'local'?"),
        ("", "shp", "did you mean 'shop'?"),
        ("wh", "shop", "type: duckdb"),
        ("cloud", "shop", "path: <file>.duckdb"),
    ],
)
def test_what_is_not_there_or_not_offered_is_said(
    folder: Path, monkeypatch: pytest.MonkeyPatch, target: str, profile: str, said: str
) -> None:
    monkeypatch.setenv("DBT_PROFILE", profile)
    with pytest.raises(HeadgateError) as caught:
        load(str(folder), environment=target)
    assert caught.value.code == "HG-D019" and said in f"{caught.value.expected} {caught.value.todo}"


def test_templates_see_the_target(folder: Path) -> None:
    from headgate.run.session import open_session

    with open_session(str(folder)) as session:
        assert session.run().status == "done"
        row = session.query("select * from dev.m").to_pylist()[0]
    assert row == {"name": "local", "type": "duckdb", "profile": "shop", "threads": "3", "schema": "dev"}
