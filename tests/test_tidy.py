"""Habits that a machine can see."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SRC = ROOT / "src" / "headgate"
LONG_FUNCTIONS_SHARE_MAX = 0.01
FUNCTION_LINES_MAX = 60
FILE_LINES_MAX = 700


def sources() -> Iterator[tuple[Path, str, ast.Module]]:
    for path in sorted(SRC.rglob("*.py")):
        if "templates" not in path.relative_to(SRC).parts[:1]:
            text = path.read_text()
            yield path, text, ast.parse(text)


def test_no_import_of_the_package_root() -> None:
    for path, text, _ in sources():
        if path == SRC / "__init__.py":
            continue
        found = re.search(r"^\s*from headgate import (?!__version__)|^\s*import headgate$", text, re.M)
        assert not found, f"{path}: imports the package root"


def test_nothing_prints_but_the_command_line_and_nothing_is_left_unfinished() -> None:
    for path, text, tree in sources():
        prints = [n for n in ast.walk(tree) if isinstance(n, ast.Call) and isinstance(n.func, ast.Name) and n.func.id == "print"]
        assert not prints or "cli" in path.parts, f"{path}: prints"
        assert not re.search(r"\b(TODO|FIXME|XXX|HACK)\b", text), f"{path}: left unfinished"


def test_files_and_functions_are_short() -> None:
    functions, long = 0, []
    for path, text, tree in sources():
        assert text.count("\n") <= FILE_LINES_MAX, f"{path} has {text.count(chr(10))} lines"
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                functions += 1
                begin = node.body[1].lineno if ast.get_docstring(node) and len(node.body) > 1 else node.body[0].lineno
                if (node.end_lineno or begin) - begin + 1 > FUNCTION_LINES_MAX:
                    long.append(f"{path}:{node.lineno} {node.name}")
    assert len(long) <= functions * LONG_FUNCTIONS_SHARE_MAX, long


def test_every_module_says_what_it_is_for() -> None:
    for path, text, tree in sources():
        if text.strip():
            assert ast.get_docstring(tree), f"{path} has no docstring"


def test_no_drawers() -> None:
    for path, _, _ in sources():
        assert not {"utils", "common", "helpers", "core"} & {path.stem, path.parent.name}, path


def test_plugins_are_whole() -> None:
    for kind in ("sources", "checks"):
        for folder in (SRC / kind).iterdir():
            if folder.is_dir() and folder.name != "__pycache__":
                assert "MANIFEST" in (folder / "__init__.py").read_text(), folder
                assert kind == "checks" or (folder / "README.md").exists(), f"{folder} has no README.md"


def test_no_test_is_skipped() -> None:
    for path in (ROOT / "tests").rglob("*.py"):
        if path != Path(__file__):
            assert not re.search(r"pytest\.(mark\.)?(skip|skipif|xfail|importorskip)|assert True\b", path.read_text()), path


def test_no_download_addresses_or_paths_of_a_machine() -> None:
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\n")
    pattern = re.compile(r"https?://[^\s\"'<>)]+\.(?:whl|tgz|jar|crate|tar\.gz|deb)\b|/work/|/root/")
    for name in tracked:
        path = ROOT / name
        if name and path.is_file() and path.stat().st_size < 2_000_000 and path != Path(__file__):
            found = pattern.search(path.read_text(errors="replace"))
            assert not found, f"{name}: {found[0] if found else ''}"


def test_make_targets_are_told() -> None:
    text = (ROOT / "Makefile").read_text()
    for target in re.findall(r"^\.PHONY: (.*)$", text, re.M)[0].split():
        assert target in ("help",) or f"make {target}" in text, f"make {target} is not told in help"
