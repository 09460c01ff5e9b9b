"""What earlier readings learned of single files, so that after an edit only the edited file is rendered and parsed again.

Kept in `.headgate/cache/files-<environment>.json`. An answer holds for exact inputs: the file's text, its configuration from
outside, the relations that it reads; all answers hold only under one `context`: settings, macros, variables, environment.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from headgate.declare import quick
from headgate.declare.cache import program_stamp, write_json

_KINDS = ("asked", "rendered", "normal")


class Memory:
    """Answers by kind and key. Only those asked for in this reading are kept for the next."""

    def __init__(self, known: Mapping[str, Mapping[str, Any]] | None = None) -> None:
        self._known: dict[str, Mapping[str, Any]] = {kind: (known or {}).get(kind) or {} for kind in _KINDS}
        self._used: dict[str, dict[str, Any]] = {kind: {} for kind in _KINDS}

    def get(self, kind: str, key: str) -> Any:
        """The answer, or None."""
        found = self._known[kind].get(key)
        if found is not None:
            self._used[kind][key] = found
        return found

    def put(self, kind: str, key: str, answer: Any) -> None:
        """Keep an answer (JSON-able data)."""
        self._used[kind][key] = answer

    @staticmethod
    def open(root: str, environment: str, context: str) -> Memory:
        """The answers that hold under `context`; none when the file is missing or damaged."""
        try:
            found = json.loads(_file(root, environment).read_bytes())
            return Memory(found if found["context"] == context else None)
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return Memory()

    def save(self, root: str, environment: str, context: str) -> None:
        """Keep the answers used. A folder that cannot be written is no error."""
        try:
            Path(root, quick.CACHE).mkdir(parents=True, exist_ok=True)
            write_json(_file(root, environment), {"context": context, **self._used})
        except (OSError, TypeError, ValueError):
            return


def key_of(*parts: Any) -> str:
    """A key of JSON-able parts."""
    return hashlib.blake2b(json.dumps(parts, sort_keys=True, default=str).encode(), digest_size=16).hexdigest()


def context_of(settings_text: str, variables: Mapping[str, Any], macro_texts: Mapping[str, str], env_vars: set[str]) -> str:
    """What all answers depend on."""
    return key_of(program_stamp(), settings_text, variables, macro_texts, quick.environment_of(env_vars))


def _file(root: str, environment: str) -> Path:
    return Path(root, quick.CACHE, f"files-{environment}.json")
