"""Packages: folders, repositories at a revision, the hub's versions, what packages ask for themselves, and the lock."""

from __future__ import annotations

import contextlib
import io
import json
import re
import shutil
import subprocess
import tarfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from headgate import declare
from headgate.declare.packages import best
from headgate.run.deps import install
from headgate.spec.errors import DeclarationError, SourceBroken


def _write(root: Path, text: str) -> Path:
    parts = re.split(r"^--- (\S+)\n", text, flags=re.M)
    for path, content in zip(parts[1::2], parts[2::2], strict=True):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(content, encoding="utf-8")
    return root


def _project(root: Path, name: str, packages: str = "", body: str = "") -> Path:
    text = f"--- dbt_project.yml\nname: {name}\nversion: '1.0'\nprofile: x\n{body}"
    return _write(root, text + (f"--- packages.yml\n{packages}" if packages else ""))


def _git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "init.defaultBranch=main"]
    return subprocess.run(
        ["git", "-C", str(folder), *identity, *arguments], check=True, capture_output=True, text=True
    ).stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with a tag 1.0, a branch `next` and a package in a folder."""
    root = _project(tmp_path / "repository", "gitted", body="--- macros/m.sql\n{% macro gitted_one() %}1{% endmacro %}\n")
    _project(root / "inner", "inner_one")
    _git(root, "init", "-q")
    _git(root, "add", ".")
    _git(root, "commit", "-qm", "one")
    _git(root, "tag", "1.0")
    _git(root, "checkout", "-q", "-b", "next")
    _write(root, "--- macros/m.sql\n{% macro gitted_one() %}2{% endmacro %}\n")
    _git(root, "commit", "-qam", "two")
    _git(root, "checkout", "-q", "main")
    return root


@pytest.mark.parametrize(("revision", "value"), [("1.0", "1"), ("next", "2"), ("", "1"), ("commit", "2")])
def test_a_repository_at_a_revision(revision: str, value: str, repository: Path, tmp_path: Path) -> None:
    revision = _git(repository, "rev-parse", "next") if revision == "commit" else revision
    pinned = f"    revision: '{revision}'\n" if revision else ""
    root = _project(tmp_path / "own", "own", f"packages:\n  - git: file://{repository}\n{pinned}")
    (found,) = install(str(root))
    assert (found.name, len(found.version)) == ("gitted", 40)
    assert f"%}}{value}{{%" in (root / "dbt_packages/gitted/macros/m.sql").read_text()
    assert found.version in (root / "package-lock.yml").read_text()
    assert not (root / "dbt_packages/gitted/.git").exists()
    assert [p.name for p in (root / "dbt_packages").iterdir()] == ["gitted"]


def test_a_folder_of_a_repository_and_one_that_does_not_exist(repository: Path, tmp_path: Path) -> None:
    address = f"packages:\n  - git: file://{repository}\n    revision: main\n"
    root = _project(tmp_path / "own", "own", address + "    subdirectory: inner\n")
    assert [p.name for p in install(str(root))] == ["inner_one"]
    _project(root, "own", address.replace("main", "gone"))
    with pytest.raises(SourceBroken, match="gone cannot be fetched"):
        install(str(root))
    _project(root, "own", address + "    subdirectory: ../..\n")
    with pytest.raises(DeclarationError, match="leads out of the repository"):
        install(str(root))


def test_the_lock_holds_a_branch_where_it_was(repository: Path, tmp_path: Path) -> None:
    root = _project(tmp_path / "own", "own", f"packages:\n  - git: file://{repository}\n    revision: next\n")
    (first,) = install(str(root))
    _git(repository, "checkout", "-q", "next")
    _write(repository, "--- macros/m.sql\n{% macro gitted_one() %}3{% endmacro %}\n")
    _git(repository, "commit", "-qam", "three")
    assert install(str(root)) == (first,)
    (newer,) = install(str(root), upgrade=True)
    assert newer.version != first.version


def test_packages_of_packages_and_the_repository_around(tmp_path: Path) -> None:
    """A package's own tests use it as `local: ../`: the folder around the project, in which the project lies."""
    around = _project(
        tmp_path / "around", "around", "packages: [{ local: sub }]\n", "--- macros/a.sql\n{% macro a() %}7{% endmacro %}\n"
    )
    _project(around / "sub", "sub", body="--- models/from_sub.sql\nselect 1 as x\n")
    tests = _project(
        around / "integration_tests",
        "tests_of_it",
        "packages: [{ local: ../ }]\n",
        "--- models/m.sql\nselect {{ around.a() }} as n\n",
    )
    assert {p.name for p in install(str(tests))} == {"around", "sub"}
    project = declare.load(str(tests), use_cache=False).project
    assert set(project.nodes) == {"model.tests_of_it.m", "model.sub.from_sub"}
    assert project.nodes["model.tests_of_it.m"].canonical_sql == "select 7 as n"
    assert declare.load(str(tests)).project == declare.load(str(tests)).project


def test_a_filled_folder_is_used_without_a_network(tmp_path: Path) -> None:
    asked = "packages: [{ package: somebody/helpers, version: 1.0.0 }]\n"
    root = _project(tmp_path / "own", "own", asked, "--- models/m.sql\nselect {{ helpers.a() }} as n\n")
    with pytest.raises(DeclarationError, match="package 'helpers' is not in dbt_packages/"):
        declare.load(str(root), use_cache=False)
    _project(
        root / "dbt_packages/helpers",
        "helpers",
        "packages: [{ package: a/b, version: 1.0.0 }]\n",
        "--- macros/a.sql\n{% macro a() %}7{% endmacro %}\n",
    )
    assert declare.load(str(root), use_cache=False).project.nodes["model.own.m"].canonical_sql == "select 7 as n"


def _archive(name: str, version: str, packages: str = "") -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as tar:
        files = {"dbt_project.yml": f"name: {name}\nversion: '{version}'\n", **({"packages.yml": packages} if packages else {})}
        for path, text in files.items():
            info = tarfile.TarInfo(f"{name}-{version}/{path}")
            info.size = len(text)
            tar.addfile(info, io.BytesIO(text.encode()))
    return content.getvalue()


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A hub with `a/one` 1.0.0, 1.2.0, 2.0.0 and 2.1.0-rc1, whose newer ones ask for `a/two` below 0.3."""
    needs = "packages: [{ package: a/two, version: ['>=0.1.0', '<0.3.0'] }]\n"
    versions = {"one": ("1.0.0", "1.2.0", "2.0.0", "2.1.0-rc1"), "two": ("0.1.0", "0.2.5", "0.3.0")}

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = self.path.strip("/").split("/")
            if parts[:2] == ["api", "v1"]:
                name = parts[-1].removesuffix(".json")
                url = f"http://127.0.0.1:{self.server.server_address[1]}/{name}"
                found = {v: {"downloads": {"tarball": f"{url}/{v}"}} for v in versions.get(name, ())}
                body, status = json.dumps({"versions": found}).encode(), 200 if found else 404
            else:
                body, status = _archive(parts[0], parts[1], needs if parts[0] == "one" and parts[1] != "1.0.0" else ""), 200
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("DBT_PACKAGE_HUB_URL", f"http://127.0.0.1:{server.server_address[1]}/")
    with contextlib.closing(server.socket):
        yield
        server.shutdown()


@pytest.mark.parametrize(
    ("version", "one", "two"),
    [
        ("1.0.0", "1.0.0", None),
        ("['>=1.0.0', '<2.0.0']", "1.2.0", "0.2.5"),
        ("'>=1.0.0,<3.0.0'", "2.0.0", "0.2.5"),
        ("'>2.0.0'\n    install-prerelease: true", "2.1.0-rc1", "0.2.5"),
    ],
)
def test_the_newest_version_that_fits(version: str, one: str, two: str | None, hub: None, tmp_path: Path) -> None:
    root = _project(tmp_path / "own", "own", f"packages:\n  - package: a/one\n    version: {version}\n")
    found = {p.name: p.version for p in install(str(root))}
    assert found == {"one": one, **({"two": two} if two else {})}
    shutil.rmtree(root / "dbt_packages")
    assert {p.name: p.version for p in install(str(root))} == found


def test_versions_that_do_not_fit_each_other(hub: None, tmp_path: Path) -> None:
    asked = "packages:\n  - { package: a/one, version: 2.0.0 }\n  - { package: a/two, version: 0.3.0 }\n"
    with pytest.raises(DeclarationError, match="no version of package 'a/two' fits"):
        install(str(_project(tmp_path / "own", "own", asked)))
    with pytest.raises(SourceBroken, match="answers 404"):
        install(str(_project(tmp_path / "own", "own", "packages: [{ package: a/three, version: 1.0.0 }]\n")))


@pytest.mark.parametrize(
    ("bounds", "found"),
    [((">=1.0.0",), "1.10.0"), (("<1.10.0",), "1.9.0"), (("1.9.0",), "1.9.0"), ((">1.10.0",), None), ((">=1.11.0-a",), "1.11.0-beta.2")],
)  # fmt: skip
def test_versions_are_compared_as_numbers(bounds: tuple[str, ...], found: str | None) -> None:
    assert best(["1.9.0", "1.10.0", "1.11.0-beta.2", "1.11.0-beta.1"], bounds, prerelease=False) == found
