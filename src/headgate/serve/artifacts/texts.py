"""The project's files as artifacts need them: their texts, and what names their content. Each is read once."""

from __future__ import annotations

import hashlib
from pathlib import Path

SEED_BYTES_MAX = 1 << 20  # dbt names a larger seed by its path


class Texts:
    """Reads files of the project in `root` by their path there. A file that is gone reads as empty."""

    def __init__(self, root: str) -> None:
        self._root, self._known = Path(root), dict[str, str]()

    def of(self, path: str) -> str:
        """The text of a file."""
        if path not in self._known:
            try:
                self._known[path] = (self._root / path).read_bytes().decode()  # line ends as they are: they count for checksums
            except (OSError, UnicodeDecodeError):
                self._known[path] = ""
        return self._known[path]

    def checksum(self, path: str) -> dict[str, str]:
        """dbt's checksum of a code file: of its text without blanks around it."""
        return checksum(self.of(path).strip())

    def seed_checksum(self, path: str, shown: str) -> dict[str, str]:
        """dbt's checksum of a seed; a large one is named by its path (`shown`)."""
        try:
            if (self._root / path).stat().st_size > SEED_BYTES_MAX:
                return {"name": "path", "checksum": shown}
        except OSError:
            return checksum("")
        return checksum(self.of(path).strip())


def checksum(text: str) -> dict[str, str]:
    """SHA-256 of a text, in dbt's shape."""
    return {"name": "sha256", "checksum": hashlib.sha256(text.encode()).hexdigest()}


NO_CHECKSUM = {"name": "none", "checksum": ""}
