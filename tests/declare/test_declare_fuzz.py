"""Whatever the files hold, a reading ends with a project or with mistakes at places; never with a crash."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headgate import declare
from headgate.spec.errors import DeclarationError

CASES = sorted((Path(__file__).parent / "cases").glob("*.case"))
TEXTS = [path.read_text(encoding="utf-8").partition("=== told")[0] for path in CASES]
PIECES = [
    *(
        "{{",
        "}}",
        "{%",
        "%}",
        "[",
        "]",
        "{",
        "}",
        ":",
        " ",
        "\n",
        "- ",
        "null",
        "true",
        "5",
        "'",
        '"',
        "ref('",
        "&a ",
        "*a",
        "<<: ",
    ),
    *(
        "!!python/object:os.system x",
        "\t",
        "é",
        "#",
        "()",
        "1e999",
        "2024-01-01",
        "~",
        "|",
        "\x00",
        "[]",
        "{}",
        "[[1]]",
        "{a: {b: c}}",
    ),
]
EDIT = st.tuples(st.integers(0, 10_000), st.integers(0, 10_000), st.integers(0, 6), st.sampled_from(PIECES))


def edited(text: str, edits: list[tuple[int, int, int, str]]) -> str:
    """`text` with pieces cut out and put in, file names left alone."""
    parts = re.split(r"^(--- \S+\n)", text, flags=re.M)
    for file, at, cut, piece in edits:
        index = 2 + 2 * (file % ((len(parts) - 1) // 2))
        at %= len(parts[index]) + 1
        parts[index] = parts[index][:at] + piece + parts[index][at + cut :]
    return "".join(parts)


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.sampled_from(TEXTS), st.lists(EDIT, min_size=1, max_size=4))
def test_no_content_crashes_a_reading(text: str, edits: list[tuple[int, int, int, str]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        parts = re.split(r"^--- (\S+)\n", edited(text, edits), flags=re.M)
        for path, content in zip(parts[1::2], parts[2::2], strict=True):
            file = Path(folder, path)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(content, encoding="utf-8")
        if not Path(folder, "headgate.yml").exists():
            Path(folder, "headgate.yml").write_text("name: shop\n", encoding="utf-8")
        try:
            assert declare.load(folder, use_cache=False).project.name
        except DeclarationError as error:
            assert error.diagnostics
            assert all(d.location.file and d.location.line >= 1 for d in error.diagnostics)
