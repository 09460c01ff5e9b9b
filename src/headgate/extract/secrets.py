"""Secrets: `${env:NAME}`, `${file:/path}` and `${vault:path#key}` in connections, resolved at the moment of connecting.

Nothing resolved is kept but in the redactor, so that resolving again sees a rotated secret.
"""

from __future__ import annotations

import json
import os
import re
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

from headgate.spec.errors import DeclarationError, HeadgateError, SourceUnavailable, WorldError

REDACTED = "[redacted]"
VAULT_TIMEOUT_SECONDS = 10.0
_REFERENCE = re.compile(r"\$\{(\w+):([^}]*)\}")
_IN_URL = re.compile(r"(?P<head>\b[a-z][a-z0-9+.-]*://[^\s:/@'\"]*:)(?P<secret>[^\s/@'\"]+)(?P<tail>@)", re.IGNORECASE)
_IN_PAIRS = re.compile(
    r"(?P<head>\b(?:password|passwd|pwd|secret|token|api_?key|access_key|client_secret)\b['\"]?\s*[=:]\s*)"
    r"(?P<secret>'(?:[^'\\]|\\.|'')*'|\"[^\"]*\"|[^\s'\"&,;)]+)",
    re.IGNORECASE,
)
_BEARER = re.compile(r"(?P<head>\b(?:Bearer|Basic)\s+)(?P<secret>[A-Za-z0-9._~+/=-]{8,})")
_SECRET_KEY = re.compile(r"pass(word|wd)?|pwd|secret|token|api_?key|credential|private_?key", re.IGNORECASE)
_SHORTEST = 3  # characters: shorter values would blacken ordinary words


class Redactor:
    """Replaces every secret value that it knows, plain, URL-encoded or quoted, and anything that looks like a password.

    Safe to use from several threads. Calling it is redacting: `redactor(text)`.
    """

    def __init__(self, values: Iterable[str] = ()) -> None:
        self._known: set[str] = set()
        self._pattern: re.Pattern[str] | None = None
        self._lock = threading.Lock()
        for value in values:
            self.learn(value)

    def learn(self, value: str) -> None:
        """Know `value` as a secret from now on, in every spelling in which a text may hold it."""
        if len(value.strip()) < _SHORTEST:
            return
        spellings = {value, value.strip(), quote(value, safe=""), quote(value), quote_plus(value), json.dumps(value)[1:-1]}
        spellings |= {value.replace("'", "''"), value.replace("\\", "\\\\").replace("'", "\\'"), repr(value)[1:-1]}
        with self._lock:
            if spellings <= self._known:
                return
            self._known |= spellings
            longest_first = sorted(self._known, key=len, reverse=True)
            self._pattern = re.compile("|".join(re.escape(text) for text in longest_first))

    def learn_from(self, connection: Any) -> None:
        """Know the secrets written into `connection`: values of keys such as `password`, and passwords within URLs and DSNs."""
        if isinstance(connection, Mapping):
            for key, value in connection.items():
                if isinstance(value, str) and _SECRET_KEY.search(str(key)):
                    self.learn(value)
                else:
                    self.learn_from(value)
        elif isinstance(connection, list | tuple):
            for value in connection:
                self.learn_from(value)
        elif isinstance(connection, str):
            for pattern in (_IN_URL, _IN_PAIRS):
                for match in pattern.finditer(connection):
                    self.learn(match["secret"].strip("'\""))

    def __call__(self, text: str) -> str:
        if self._pattern is not None:
            text = self._pattern.sub(REDACTED, text)
        for pattern in (_IN_URL, _IN_PAIRS, _BEARER):
            text = pattern.sub(_blackened, text)
        return text

    def error(self, error: HeadgateError) -> HeadgateError:
        """`error` itself with its texts redacted and what caused it hidden, since that may hold the secret too."""
        error.what, error.expected, error.todo = self(error.what), self(error.expected), self(error.todo)
        error.args = (error.message,)
        error.__cause__, error.__context__, error.__suppress_context__ = None, None, True
        return error


def _blackened(match: re.Match[str]) -> str:
    tail = match.groupdict().get("tail") or ""
    return f"{match['head']}{REDACTED}{tail}"


class Secrets:
    """Resolves references. `kinds` are those that the project allows (`secrets:` in headgate.yml); `root` is for relative
    files.
    """

    def __init__(self, kinds: Iterable[str] = ("env", "file"), *, root: str = ".", redactor: Redactor | None = None) -> None:
        self.kinds = tuple(kinds)
        self.root = Path(root)
        self.redactor = redactor or Redactor()
        self._readers = {"env": self._env, "file": self._file, "vault": self._vault}

    def resolve(self, value: Any) -> Any:
        """`value` with every reference in it (texts within mappings and lists too) replaced by the secret, read now.

        Raises DeclarationError for a reference that cannot be meant, WorldError for a secret that is not there,
        SourceUnavailable when Vault does not answer.
        """
        resolved: Any
        if isinstance(value, str):
            resolved = _REFERENCE.sub(lambda match: self._one(match[1], match[2]), value)
        elif isinstance(value, Mapping):
            resolved = {key: self.resolve(item) for key, item in value.items()}
        elif isinstance(value, list | tuple):
            resolved = [self.resolve(item) for item in value]
        else:
            return value
        self.redactor.learn_from(resolved)
        return resolved

    def _one(self, kind: str, name: str) -> str:
        reader = self._readers.get(kind)
        if reader is None or kind not in self.kinds:
            raise DeclarationError(
                f"'${{{kind}:{name}}}' names a kind of secret that this project does not use",
                expected="one of " + ", ".join(self.kinds),
                todo=f"add {kind} to secrets: in headgate.yml" if reader else "correct the reference",
                code="HG-D060",
            )
        secret = reader(name)
        self.redactor.learn(secret)
        return secret

    def _env(self, name: str) -> str:
        name, with_default, default = name.partition(":-")
        found = os.environ.get(name)
        if found is None and not with_default:
            raise WorldError(
                f"the environment variable {name} is not set",
                expected=f"a secret in it, for '${{env:{name}}}'",
                todo=f"export {name}=…",
            )
        return default if found is None else found

    def _file(self, name: str) -> str:
        path = self.root / name
        try:
            return path.read_text(encoding="utf-8").rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            raise WorldError(
                f"the secret file {name} cannot be read ({type(error).__name__})",
                expected="a text file that this user may read",
                todo="create it, or correct its path and permissions",
            ) from None

    def _vault(self, name: str) -> str:
        path, _, key = name.partition("#")
        if not path or not key:
            raise DeclarationError(f"'${{vault:{name}}}' is not complete", expected="${vault:path#key}", code="HG-D060")
        address, token = os.environ.get("VAULT_ADDR"), os.environ.get("VAULT_TOKEN")
        if not address or not token:
            raise WorldError(
                f"'${{vault:{name}}}' cannot be read: Vault's address or token is not known",
                expected="VAULT_ADDR and VAULT_TOKEN in the environment",
                todo="export both",
            )
        self.redactor.learn(token)
        values = _read_vault(address, token, path)
        if key not in values:
            raise WorldError(
                f"Vault's secret '{path}' has no key '{key}'", expected="one of " + ", ".join(sorted(values)) + " (names)"
            )
        return str(values[key])


def _read_vault(address: str, token: str, path: str) -> Mapping[str, Any]:
    """The values of a secret: `mount/data/name` or `mount/name` of a version 2 store, or a path of version 1."""
    try:
        import hvac  # type: ignore[import-untyped]
        import requests
    except ImportError:
        raise WorldError(
            "reading from Vault needs hvac, which is not installed", todo="run: pip install 'headgate[vault]'"
        ) from None
    client = hvac.Client(url=address, token=token, timeout=VAULT_TIMEOUT_SECONDS)
    mount, _, rest = path.partition("/")
    candidates = [path] if rest.startswith("data/") else [f"{mount}/data/{rest}", path]
    try:
        for candidate in candidates:
            answer = client.adapter.get(url=f"/v1/{candidate}", raise_exception=False)
            status = getattr(answer, "status_code", 200)
            if status == 403:
                raise WorldError(
                    f"Vault refuses the token for '{path}'", expected="a token whose policy may read it", todo="renew VAULT_TOKEN"
                )
            if status >= 500 or status == 429:
                raise SourceUnavailable(f"Vault answers {status} for '{path}'", todo="look at the state of Vault (sealed?)")
            if status < 300:
                data = (answer.json() if hasattr(answer, "json") else answer).get("data") or {}
                inner = data.get("data")
                return inner if isinstance(inner, Mapping) and "metadata" in data else data
    except requests.exceptions.RequestException as error:
        raise SourceUnavailable(
            f"Vault does not answer ({type(error).__name__})", todo="check VAULT_ADDR and the network"
        ) from None
    raise WorldError(
        f"Vault has no secret '{path}'", expected="a path such as secret/shop/postgres", todo="correct the reference"
    )
