"""A small HTTP server that speaks the reading half of HashiCorp Vault's KV version 2, with tokens.

Vault itself cannot be had from PyPI or Debian, so this is written after its published HTTP interface:
`GET /v1/<mount>/data/<path>[?version=n]`, `GET /v1/auth/token/lookup-self`, `GET /v1/sys/health`.
"""

from __future__ import annotations

import json
from http.server import BaseHTTPRequestHandler

from servers.loopback_http import LoopbackHttp, Request, send

WRITTEN_AT = "2026-01-01T00:00:00.000000Z"


class VaultServer(LoopbackHttp):
    """Secrets by path, each with its versions; `token` is the one that is accepted at this moment."""

    def __init__(self, mount: str = "secret") -> None:
        super().__init__()
        self.mount = mount
        self.token = "test-vault-token"
        self.sealed = False
        self.requests: list[Request] = []
        self._versions: dict[str, list[dict[str, str]]] = {}

    def put(self, path: str, **values: str) -> None:
        """Write a new version of a secret; reading without a version returns it from now on."""
        self._versions.setdefault(path, []).append(values)

    def rotate_token(self, token: str) -> None:
        """Accept this token only; the old one is refused with 403 from now on."""
        self.token = token

    def reset(self) -> None:
        """Forget secrets, requests and settings."""
        self._versions.clear()
        self.requests.clear()
        self.token, self.sealed = "test-vault-token", False

    def respond(self, handler: BaseHTTPRequestHandler, request: Request) -> None:
        self.requests.append(request)
        status, body = self._answer(request)
        send(handler, status, json.dumps(body).encode(), {"Content-Type": "application/json"})

    def _answer(self, request: Request) -> tuple[int, dict[str, object]]:
        if request.path == "/v1/sys/health":
            return (503 if self.sealed else 200), {"initialized": True, "sealed": self.sealed, "standby": False}
        if self.sealed:
            return 503, {"errors": ["Vault is sealed"]}
        if request.headers.get("x-vault-token") != self.token:
            return 403, {"errors": ["permission denied"]}
        if request.path == "/v1/auth/token/lookup-self":
            return 200, {"data": {"id": self.token, "policies": ["default"], "ttl": 3600}}
        prefix = f"/v1/{self.mount}/data/"
        if request.method != "GET" or not request.path.startswith(prefix):
            return 404, {"errors": [f"no handler for route {request.path.removeprefix('/v1/')!r}"]}
        return self._read(request.path.removeprefix(prefix), int(request.query.get("version", "0")))

    def _read(self, path: str, version: int) -> tuple[int, dict[str, object]]:
        versions = self._versions.get(path, [])
        number = version or len(versions)
        if not 1 <= number <= len(versions):
            return 404, {"errors": []}
        metadata = {"version": number, "created_time": WRITTEN_AT, "deletion_time": "", "destroyed": False}
        return 200, {"data": {"data": versions[number - 1], "metadata": metadata}, "lease_duration": 0, "renewable": False}
